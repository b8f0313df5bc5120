// Holds recorded traffic against GitHub's schemas and lists every distinct violation.

import {checkAnswer, checkRequest} from "./graphql.js";
import {findOperation, refusal} from "./spec.js";

/**
 * Checks the lines of a recording (JSON each). Returns `{violations, seen}`: violations as `{where, message, line}`, one per
 * distinct fault, and `seen`, the set of each `GET /route`, `GET /route -> 404` and GraphQL root field that occurred.
 */
export function checkTraffic(lines) {
  const violations = new Map();
  const seen = new Set();
  lines.forEach((text, index) => {
    if (!text.trim()) return;
    const add = (where, message) => {
      const key = `${where}: ${message}`;
      if (!violations.has(key)) violations.set(key, {where, message, line: index + 1});
    };
    let entry;
    try {
      entry = JSON.parse(text);
    } catch (error) {
      return add("recording", `not JSON: ${error.message}`);
    }
    if (entry.type === "graphql") checkGraphql(entry, seen, add);
    else if (entry.route?.startsWith("/codeload/")) seen.add("codeload");
    else checkRest(entry, seen, add);
  });
  return {violations: [...violations.values()], seen};
}

/** One line per violation, for people. */
export function describe(violations) {
  return violations.map(({where, message, line}) => `${where}: ${message} (first on line ${line})`).join("\n");
}

function checkGraphql({request, response, status}, seen, add) {
  if (request === null) return add("graphql", "a body that is no JSON");
  const {faults, fields, document} = checkRequest(request);
  // Introspection is checked as a schema, not as an answer.
  if (fields.includes("__schema")) return;
  for (const field of fields) seen.add(field);
  const where = `graphql ${fields}`;
  for (const fault of faults) add(where, fault);
  if (status === 0 || status >= 400) return;
  if (faults.length > 0) {
    if (response?.data !== undefined) add(where, "an answer to what GitHub would refuse");
    return;
  }
  for (const error of response.errors ?? []) seen.add(`${fields} -> ${error.type}`);
  for (const fault of checkAnswer(request, document, response)) add(`${where} ->`, fault);
}

function checkRest(entry, seen, add) {
  const {method, status, content_type: contentType = "", response} = entry;
  const url = new URL(entry.path, "http://github");
  // Where GitHub's links and redirects lead, by the repository's id. Its description lacks them.
  url.pathname = url.pathname.replace(/^\/repositories\/\d+/, "/repos/owner/name");
  const operation = findOperation(method, url.pathname);
  if (!operation) return add(`${method} ${url.pathname}`, "GitHub has no such route");
  const where = `${method} ${operation.route}`;
  seen.add(where);
  for (const [name, text] of url.searchParams) {
    const check = operation.query.get(name);
    // Parameters travel as text: right if they are so read as text or as a number.
    if (!check) add(where, `GitHub has no parameter ${name}`);
    else if (check(text).length && (text === "" || check(Number(text)).length)) add(where, `the parameter ${name} is wrong`);
  }
  if (operation.body && status < 400) report(where, "request", operation.body(entry.request), add);
  if (!operation.body && entry.request !== null) add(where, "takes no body");
  // A connection that broke before an answer.
  if (status === 0) return;
  const answered = `${where} -> ${status}`;
  seen.add(answered);
  // Conditional requests are documented for all that can be read.
  if (status === 304 && method === "GET") return response === null || add(answered, "has no body");
  const check = operation.answers.get(status);
  if (status >= 400) return report(answered, "response", (check ?? refusal)(response).concat(refusal(response)), add);
  if (check === undefined) return add(answered, `answers with ${[...operation.answers.keys()]}`);
  // Bytes as they are, and answers without a body.
  if (check === null || !contentType.startsWith("application/json")) return response === null || check !== null || add(answered, "has no body");
  report(answered, "response", check(response), add);
}

function report(where, what, errors, add) {
  for (const {instancePath, message, params} of errors) {
    const named = params.unevaluatedProperty ? ` (${params.unevaluatedProperty})` : "";
    add(where, `${what}${instancePath.replaceAll(/\/\d+/g, "[]")} ${message}${named}`);
  }
}
