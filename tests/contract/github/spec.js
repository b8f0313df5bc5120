// GitHub's published OpenAPI description, as strict validators: an unknown field is a fault, a missing one too.

import {readFileSync} from "node:fs";
import Ajv from "ajv/dist/2019.js";
import addFormats from "ajv-formats";

const source = new URL("./generated/api.github.com.json", import.meta.resolve("@octokit/openapi"));
const {paths, components} = JSON.parse(readFileSync(source, "utf8"));

// Where the published description differs from what GitHub documents or answers.
components.schemas["validation-error"].properties.status = {type: "string"};

const ajv = addFormats(new Ajv({strict: false, allErrors: true}));
// Templates such as `…/trees{/sha}` and addresses on loopback are what they are called.
ajv.addFormat("uri", /^https?:\/\/[^\s]+$/);
for (const name of ["repo.nwo", "timestamp"]) ajv.addFormat(name, true);
ajv.addSchema({$id: "github", components: {schemas: mapped(components.schemas)}});

// OpenAPI 3.0 says `nullable` where JSON Schema says `null`, and lets objects have more fields than it names. `open` is an object that others are added to.
function sealed(node, open = false) {
  if (Array.isArray(node)) return node.map((item) => sealed(item, open));
  if (node === null || typeof node !== "object") return node;
  const {nullable, ...rest} = node;
  const made = {};
  for (const [key, value] of Object.entries(rest)) {
    if (key === "example" || key === "examples" || key === "description") continue;
    // The published choices overlap: an error may be of two of its forms at once.
    made[key === "oneOf" ? "anyOf" : key] = key === "properties" ? mapped(value) : sealed(value, key === "allOf" || (open && /Of$/.test(key)));
  }
  if (made.$ref?.startsWith("#/")) made.$ref = `github${made.$ref}`;
  if (isObject(made) && !open) made.unevaluatedProperties = false;
  return nullable ? {anyOf: [made, {type: "null"}]} : made;
}

function mapped(schemas) {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, sealed(schema)]));
}

function isObject(schema) {
  return schema.properties && !("additionalProperties" in schema);
}

const METHODS = ["get", "put", "post", "patch", "delete"];
/** Parameters that stand for the rest of the path. */
const GREEDY = /\/\{(ref|path|branch)\}$/;

const operations = Object.entries(paths).flatMap(([route, item]) =>
  METHODS.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
    const body = operation.requestBody && resolve(operation.requestBody);
    return {
      method: method.toUpperCase(),
      route,
      pattern: new RegExp(`^${route.replace(GREEDY, "(?:/.*)?").replace(/\{[^}]+\}/g, "[^/]+")}$`),
      query: new Map(parameters.filter((p) => p.in === "query").map((p) => [p.name, compile(p.schema)])),
      body: body?.content["application/json"] && compile(body.content["application/json"].schema),
      answers: new Map(
        Object.entries(operation.responses).map(([status, answer]) => {
          const schema = resolve(answer).content?.["application/json"]?.schema;
          return [Number(status), schema ? compile(schema) : null];
        }),
      ),
    };
  }),
);

/** What GitHub answers with wherever it refuses, listed for a route or not. */
export const refusal = compile({allOf: [{$ref: "#/components/schemas/basic-error"}], required: ["message", "documentation_url"]});

// Validators are made when they are first needed: there are a thousand routes.
function compile(schema) {
  let validate;
  return (value) => {
    validate ??= ajv.compile(sealed(schema));
    if (validate(value)) return [];
    // Of a choice that fits nowhere, what is wrong with its branches says more than that.
    const inside = validate.errors.filter(({keyword}) => keyword !== "anyOf");
    return inside.length ? inside : validate.errors;
  };
}

function resolve(node) {
  if (!node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((at, key) => at[key], {components});
}

/** The operation behind a method and a path without its query; the one with the longest literal beginning wins. */
export function findOperation(method, path) {
  return operations
    .filter((it) => it.method === method && it.pattern.test(path))
    .toSorted((a, b) => a.route.split("{").length - b.route.split("{").length || b.route.length - a.route.length)[0];
}
