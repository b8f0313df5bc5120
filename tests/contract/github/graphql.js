// GitHub's published GraphQL schema: documents, variables and answers are held against it, and the simulator's own schema too.

import {schema as published} from "@octokit/graphql-schema";
import {
  buildSchema,
  execute,
  GraphQLError,
  getOperationAST,
  parse,
  validate,
} from "graphql";
import {getVariableValues} from "graphql/execution/values.js";
import {readFileSync} from "node:fs";
import {isDeepStrictEqual} from "node:util";
import {gunzipSync} from "node:zlib";

const official = buildSchema(published.idl, {assumeValid: true});

/** The error types that GitHub's answers are known to have. */
const TYPES = [
  "STALE_DATA", "NOT_FOUND", "FORBIDDEN", "UNPROCESSABLE", "RATE_LIMITED", "RESOURCE_LIMITS_EXCEEDED",
  "EXCESSIVE_PAGINATION", "INVALID_CURSOR_ARGUMENTS", "MISSING_PAGINATION_BOUNDARIES",
];

/** Faults in a request, as texts, and the fields of its root. */
export function checkRequest({query, variables, operationName}) {
  let document;
  try {
    document = parse(query);
  } catch (error) {
    return {faults: [error.message], fields: []};
  }
  const operation = getOperationAST(document, operationName);
  const faults = validate(official, document).map((error) => error.message);
  const fields = operation?.selectionSet.selections.map((it) => it.name?.value) ?? [];
  if (faults.length === 0) {
    const {errors} = getVariableValues(official, operation.variableDefinitions ?? [], variables ?? {});
    faults.push(...(errors ?? []).map((error) => error.message));
  }
  return {faults, fields, document};
}

/** Faults in an answer to a sound request: what was selected is there, of the right type, and nothing else is. */
export function checkAnswer({variables, operationName}, document, answer) {
  const faults = Object.keys(answer).filter((key) => !["data", "errors", "extensions"].includes(key)).map((key) => `unknown ${key}`);
  for (const error of answer.errors ?? []) {
    if (typeof error.message !== "string") faults.push("an error without a message");
    if ("data" in answer && !TYPES.includes(error.type)) faults.push(`an error of type ${error.type}`);
    if ("data" in answer && !Array.isArray(error.path)) faults.push("an error without a path");
  }
  if (answer.errors && answer.data == null) return faults;
  // The official schema carries out the document over the answer: what is not as it should be shows.
  const missing = [];
  const result = execute({
    schema: official,
    document,
    variableValues: variables,
    operationName,
    rootValue: answer.data,
    typeResolver: nameType,
    fieldResolver: (from, _arguments, _context, {path}) => {
      if (from?.[path.key] === undefined) {
        missing.push(path.key);
        throw new GraphQLError(`${path.key} is missing`);
      }
      return from[path.key];
    },
  });
  faults.push(...new Set((result.errors ?? []).map((error) => `${error.path?.join(".")}: ${error.message}`)));
  const plain = (value) => JSON.parse(JSON.stringify(value ?? null));
  if (faults.length === 0 && !isDeepStrictEqual(plain(result.data), plain(answer.data))) faults.push("more or other than was asked for");
  return faults;
}

// Documents need not ask for `__typename`: then it is the type that has all the fields found.
function nameType(value, _context, {path, schema, parentType, fieldName}, type) {
  if (value.__typename) return value.__typename;
  const names = Object.keys(value);
  const fits = schema.getPossibleTypes(type).filter((it) => names.every((name) => name in it.getFields()));
  if (fits.length === 0) throw new GraphQLError(`no ${type} under ${parentType}.${fieldName} (${path.key}) has all of ${names}`);
  return ["Commit", "Blob", "Tree", "User"].find((name) => fits.some((it) => it.name === name)) ?? fits[0].name;
}

/** The schema that the simulated GitHub executes by, as text. */
export function simulatedSchema() {
  const file = new URL("../../../simulator/src/github/graphql/schema.graphql.gz", import.meta.url);
  return gunzipSync(readFileSync(file)).toString();
}

/** The one that GitHub publishes. */
export const publishedSchema = published.idl;
