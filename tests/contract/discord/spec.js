// Discord's published API description, as zod schemas: objects from the package's zod build, routes from its types.
//
// The package publishes schemas for every object, but its routes (parameters, bodies, answers by status) only as the
// TypeScript interface `Paths`. That interface is generated, regular and pinned by our lock file, so it is read here as
// the data it is; anything outside the small grammar throws.

import {readFileSync} from "node:fs";
import * as z from "zod/mini";

z.config(z.locales.en());

const METHODS = new Set(["get", "put", "post", "delete", "patch"]);

const source = (file) => readFileSync(new URL(file, import.meta.resolve("discord-api-spec")), "utf8");

// What is mended in the published zod build before it is loaded: what says why, from, to.
const MENDED = [
  ["a data: module needs a full address", '"zod/mini"', JSON.stringify(import.meta.resolve("zod/mini"))],
  [
    "unknown fields are faults; the build's own switch comes too late, when every schema exists",
    "let zObject = z.object;",
    "let zObject = z.strictObject;",
  ],
  [
    "`date-time` is RFC 3339, and Discord writes `+00:00`, which zod takes only when told so",
    "z.iso.datetime()",
    "z.iso.datetime({offset: true})",
  ],
  // Where the published schemas differ from what Discord documents and does:
  [
    "forwarded messages have references of type 1 (Message Reference Types)",
    "export const MessageReferenceTypeSchema = z.literal(0);",
    "export const MessageReferenceTypeSchema = z.literal([0, 1]);",
  ],
  [
    'the codes of single faults are words such as "BASE_TYPE_CHOICES" (Error Messages)',
    "_errors: z.array(z.lazy(() => ErrorSchema)),",
    "_errors: z.array(zObject({code: z.string(), message: z.string()})),",
  ],
  [
    "a rate limit has a code for some limits only (Rate Limit Response Structure)",
    /(export const RatelimitedResponseSchema = z\.intersection\(\s*)z\.lazy\(\(\) => ErrorSchema\)/g,
    "$1zObject({message: z.string(), code: z.optional(z.number())})",
  ],
  [
    "permissions are strings, here too (Create Global Application Command)",
    /default_member_permissions: z\.nullish\(\s*z\s*\.number\(\)[^]*?\),\s*\),/g,
    'default_member_permissions: z.nullish(z.string().check(z.regex(/^\\d+$/))),',
  ],
];

async function loadObjects() {
  let text = source("discord-api-spec.zod.js").replaceAll("/* @__PURE__ */ ", "");
  for (const [why, from, to] of MENDED) {
    const mended = text.replaceAll(from, to);
    if (mended === text) throw new Error(`discord-api-spec has changed, see whether this still holds: ${why}`);
    text = mended;
  }
  return import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
}

const objects = await loadObjects();

/** The schema of an object by Discord's own name for it, such as `MessageResponse`. */
export function object(name) {
  const schema = objects[`${name}Schema`];
  if (!schema) throw new Error(`Discord's published schemas have no ${name}`);
  return schema;
}

/** Every operation: `{method, route, path, query, body, answers}`, all but the first two being schemas (or undefined). */
export const operations = parseInterface(source("discord-api-spec.ts"), "Paths");

// Discord's documentation and its answers have no `has_more` for active threads (discord.js found the same, #9164).
findOperation("GET", "/guilds/{guild_id}/threads/active").answers.set(
  "200",
  z.extend(object("ThreadsResponse"), {has_more: z.optional(z.boolean())}),
);

/** The operation behind a method and a path (no query, no version prefix); literal segments win over parameters. */
export function findOperation(method, path) {
  const segments = path.split("/");
  let best;
  for (const operation of operations) {
    if (operation.method !== method || operation.segments.length !== segments.length) continue;
    const literal = operation.segments.map((s, i) => (s.startsWith("{") ? "p" : s === segments[i] ? "l" : "x")).join("");
    if (!literal.includes("x") && (!best || literal < best.literal)) best = {literal, operation};
  }
  return best?.operation;
}

/** The values that a path gives to an operation's parameters. */
export function pathParameters(operation, path) {
  const values = path.split("/");
  return Object.fromEntries(
    operation.segments.flatMap((s, i) => (s.startsWith("{") ? [[s.slice(1, -1), decodeURIComponent(values[i])]] : [])),
  );
}

function parseInterface(text, name) {
  const start = text.indexOf(`export interface ${name} {`);
  if (start < 0) throw new Error(`discord-api-spec has changed: no interface ${name}`);
  const tree = parseType(text.slice(text.indexOf("{", start)));
  const found = [];
  for (const [route, {type: methods}] of tree.members) {
    for (const [method, {type: operation}] of methods.members) {
      if (!METHODS.has(method)) continue;
      const parameters = operation.members.get("parameters").type.members;
      const answers = operation.members.get("responses").type.members;
      found.push({
        method: method.toUpperCase(),
        route,
        segments: route.split("/"),
        path: toSchema(parameters.get("path")?.type),
        query: parameters.get("query")?.type.members
          ? new Map([...parameters.get("query").type.members].map(([k, v]) => [k, toSchema(v.type)]))
          : new Map(),
        body: toSchema(operation.members.get("requestBody")?.type),
        answers: new Map([...answers].map(([status, v]) => [status, toSchema(v.type)])),
      });
    }
  }
  return found;
}

// A recursive descent over the few forms that occur: names, literals, unions, arrays, objects with optional members.
function parseType(text) {
  const tokens = text.replaceAll(/\/\*[^]*?\*\//g, " ").matchAll(/"([^"]*)"|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|[{}[\]():;?|]/g);
  let token = tokens.next();
  const peek = () => token.value?.[0];
  const take = (wanted) => {
    const taken = token.value;
    if (!taken || (wanted && taken[0] !== wanted)) {
      throw new Error(`discord-api-spec's types: expected ${wanted ?? "more"}, found ${taken?.[0]} at ${taken?.index}`);
    }
    token = tokens.next();
    return taken;
  };
  const union = () => {
    if (peek() === "|") take();
    const options = [array()];
    while (peek() === "|") {
      take();
      options.push(array());
    }
    return options.length === 1 ? options[0] : {kind: "union", options};
  };
  const array = () => {
    let type = atom();
    while (peek() === "[") {
      take();
      take("]");
      type = {kind: "array", item: type};
    }
    return type;
  };
  const atom = () => {
    if (peek() === "(") {
      take();
      const type = union();
      take(")");
      return type;
    }
    if (peek() === "{") return members();
    if (peek() === "[") {
      // A tuple: occurs only in `security`, of which nothing is read.
      take();
      while (peek() !== "]") union();
      take("]");
      return {kind: "tuple"};
    }
    const [word, literal] = take();
    if (literal !== undefined) return {kind: "literal", value: literal};
    if (/^-?\d/.test(word)) return {kind: "literal", value: Number(word)};
    return {kind: "name", name: word};
  };
  const members = () => {
    const found = {kind: "object", members: new Map()};
    take("{");
    while (peek() !== "}") {
      if (peek() === "[") {
        // `[key: string]: T`
        take();
        take();
        take(":");
        take("string");
        take("]");
        take(":");
        found.values = union();
      } else {
        const [word, quoted] = take();
        const optional = peek() === "?";
        if (optional) take();
        take(":");
        found.members.set(quoted ?? word, {type: union(), optional});
      }
      if (peek() !== "}") take(";");
    }
    take("}");
    return found;
  };
  return union();
}

// Schemas are made once per operation at load, and refer to the published objects by name.
function toSchema(type) {
  switch (type?.kind) {
    case undefined:
      return undefined;
    case "literal":
      return z.literal(type.value);
    case "array":
      return z.array(toSchema(type.item));
    case "union":
      return z.union(type.options.map(toSchema));
    case "object": {
      if (type.values) return z.record(z.string(), toSchema(type.values));
      return z.strictObject(
        Object.fromEntries(
          [...type.members].map(([k, v]) => [k, v.optional ? z.optional(toSchema(v.type)) : toSchema(v.type)]),
        ),
      );
    }
  }
  switch (type.name) {
    case "undefined":
    case "never":
      return undefined;
    case "unknown":
      return z.unknown();
    case "null":
      return z.null();
    case "string":
      return z.string();
    case "number":
      return z.number();
    case "boolean":
      return z.boolean();
    default:
      return object(type.name);
  }
}
