// Holds recorded traffic against Discord's schemas and lists every distinct violation.

import {events, frames, isEvent} from "./gateway.js";
import {findOperation, pathParameters} from "./spec.js";

const API = "/api/v10";

// Bounds that Discord documents but publishes no schema for.
const MAX_LIMIT = {"/guilds/{guild_id}/members": 1000};
const DEFAULT_MAX_LIMIT = 100;

/**
 * Checks the lines of a recording (JSON each). Returns `{violations, seen}`: violations as
 * `{where, path, message, count, example, line}`, one per distinct fault, and `seen`, a map from each
 * `GET /route`, `EVENT` or `op N` to how often it occurred.
 */
export function checkTraffic(lines) {
  const report = new Report();
  lines.forEach((text, index) => {
    if (!text.trim()) return;
    report.line = index + 1;
    let entry;
    try {
      entry = JSON.parse(text);
    } catch (error) {
      report.add("recording", [], `not JSON: ${error.message}`);
      return;
    }
    if (entry.type === "rest") checkRest(entry, report);
    else if (entry.type === "gateway") checkGateway(entry, report);
    else report.add("recording", ["type"], "neither rest nor gateway", entry.type);
  });
  return {violations: [...report.violations.values()], seen: report.seen};
}

/** One line per violation, for people. */
export function describe(violations) {
  return violations
    .map((v) => `${v.where}: ${v.path || "(whole)"}: ${v.message} (${v.count}x, first on line ${v.line}: ${v.example})`)
    .join("\n");
}

class Report {
  violations = new Map();
  seen = new Map();

  see(what) {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  add(where, path, message, example) {
    const at = showPath(path);
    const key = `${where}\0${at}\0${message}`;
    const known = this.violations.get(key);
    if (known) known.count += 1;
    else this.violations.set(key, {where, path: at, message, count: 1, example: preview(example), line: this.line});
  }

  check(where, schema, value, prefix = []) {
    const result = schema.safeParse(value);
    if (result.success) return;
    for (const {path, message, unknown} of flatten(result.error.issues, value)) {
      // Client libraries fill requests up with fields that say nothing, and Discord overlooks them.
      if (unknown && prefix[0] === "request" && saysNothing(valueAt(value, path))) continue;
      if (isMediaOption(path, valueAt(value, path))) continue;
      this.add(where, [...prefix, ...path], message, valueAt(value, path));
    }
  }
}

/**
 * Whether this lets a command's option name media channels (type 16). The published list of the types that an
 * option takes is older than that type; discord.js allows it, and its bots register such options.
 */
const isMediaOption = (path, value) => path.at(-2) === "channel_types" && value === 16;

function checkRest(entry, report) {
  const {method, status} = entry;
  const [target, queryText] = split(entry.path, "?");
  if (!target.startsWith(`${API}/`)) {
    report.add(`${method} ${target}`, ["path"], `not under ${API}`, entry.path);
    return;
  }
  if (!/^[!-~]*$/.test(entry.path) || entry.path.includes("#")) {
    report.add(`${method} ${entry.route}`, ["path"], "not percent-encoded", entry.path);
  }
  const path = target.slice(API.length);
  const operation = findOperation(method, path);
  if (!operation) {
    report.add(`${method} ${entry.route ?? path}`, [], "Discord has no such route", entry.path);
    return;
  }
  const where = `${method} ${operation.route}`;
  report.see(where);

  if (operation.path) report.check(where, operation.path, pathParameters(operation, path), ["path"]);
  checkQuery(where, operation, new URLSearchParams(queryText), report);

  if (operation.body) {
    if (entry.request == null) report.add(where, ["request"], "body missing");
    else report.check(where, operation.body, entry.request, ["request"]);
  } else if (entry.request != null) {
    report.add(where, ["request"], "takes no body", entry.request);
  }

  // A connection that broke before an answer.
  if (status === 0) return;
  const answered = `${where} -> ${status}`;
  const schema = answerSchema(operation, status);
  if (schema === undefined) {
    // What Discord's own failures look like is published nowhere; any other status must be.
    if (status < 500) report.add(where, ["status"], `answers with ${[...operation.answers.keys()].join(", ")}`, status);
  } else if (status === 204) {
    if (entry.response != null) report.add(answered, ["response"], "has no body", entry.response);
  } else {
    report.check(answered, schema, entry.response, ["response"]);
  }
}

function answerSchema(operation, status) {
  const {answers} = operation;
  return answers.get(String(status)) ?? (status >= 400 && status < 500 ? answers.get("4XX") : undefined);
}

// Parameters travel as text: a value is right if it is so read as text, a number or a truth value.
function checkQuery(where, operation, query, report) {
  for (const name of new Set(query.keys())) {
    const schema = operation.query.get(name);
    const texts = query.getAll(name);
    if (!schema) {
      report.add(where, ["query", name], "Discord has no such parameter", texts[0]);
      continue;
    }
    const readings = [texts, ...(texts.length === 1 ? [texts[0], ...asJson(texts[0])] : [])];
    if (!readings.some((value) => schema.safeParse(value).success)) {
      report.check(where, schema, texts[0], ["query", name]);
    } else if (name === "limit") {
      const max = MAX_LIMIT[operation.route] ?? DEFAULT_MAX_LIMIT;
      if (!(texts[0] >= 1 && texts[0] <= max)) report.add(where, ["query", name], `not within 1 to ${max}`, texts[0]);
    }
  }
}

function asJson(text) {
  return /^(true|false|-?\d{1,15}(\.\d+)?)$/.test(text) ? [JSON.parse(text)] : [];
}

function checkGateway(entry, report) {
  const {direction, payload} = entry;
  const schema = frames[direction]?.[payload?.op];
  if (!schema) {
    report.add(`gateway ${direction}`, ["op"], "Discord has no such opcode", payload?.op);
    return;
  }
  const where = direction === "from_client" || payload.op !== 0 ? `${direction} op ${payload.op}` : payload.t;
  report.see(where);
  report.check(where, schema, payload);
  if (direction === "to_client" && payload.op === 0) {
    const event = events[payload.t];
    if (event) report.check(where, event, payload.d, ["d"]);
    else report.add(where, ["t"], isEvent(payload.t) ? "event without a schema here" : "Discord has no such event", payload.t);
  }
}

// A failed union reports every branch; people want the one that was meant: the same `type`, else the fewest faults.
function* flatten(issues, value, prefix = []) {
  for (const issue of issues) {
    const path = [...prefix, ...issue.path];
    if (issue.code === "invalid_union" && issue.errors?.length) {
      const rank = (branch) =>
        (branch.some((i) => i.path.length === 0 && i.code === "invalid_type") ? 1000 : 0) +
        (branch.some((i) => i.path.at(-1) === "type" && i.path.length === 1) ? 500 : 0) +
        branch.length;
      yield* flatten(issue.errors.toSorted((a, b) => rank(a) - rank(b))[0], value, path);
    } else if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) yield {path: [...path, key], message: "Discord has no such field", unknown: true};
    } else if (valueAt(value, path) === undefined) {
      yield {path, message: "missing"};
    } else {
      yield {path, message: issue.message};
    }
  }
}

function saysNothing(value) {
  return value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
}

function valueAt(value, path) {
  return path.reduce((at, key) => at?.[key], value);
}

function showPath(path) {
  return path
    .map((key) => (typeof key === "number" ? "[]" : /^\d+$/.test(key) ? ".{id}" : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}

function preview(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function split(text, at) {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}
