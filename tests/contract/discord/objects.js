// Examples of the published objects that interactions hold, with every field that Discord documents and a value of its
// type. The tests of interactions, which are not written in JavaScript, read them from a file:
//     node tests/contract/discord/objects.js > tests/it/interactions/objects.json

import {pathToFileURL} from "node:url";
import {object} from "./spec.js";

const NAMES = [
  "AttachmentResponse",
  "EntitlementResponse",
  "GuildChannelResponse",
  "GuildMemberResponse",
  "GuildRoleResponse",
  "MessageResponse",
  "ThreadResponse",
  "UserResponse",
];

/** How deep objects lie in an example. What lies deeper is empty. */
const DEEPEST = 2;

/** A value that a schema takes, but for the form of texts. */
function example(schema, depth = 0) {
  const {def} = schema;
  switch (def.type) {
    case "lazy":
      return example(def.getter(), depth);
    case "optional":
    case "nullable":
    case "default":
    case "readonly":
      return example(def.innerType, depth);
    case "object":
      if (depth === DEEPEST) return {};
      return Object.fromEntries(Object.entries(def.shape).map(([name, field]) => [name, example(field, depth + 1)]));
    case "array":
      return depth === DEEPEST ? [] : [example(def.element, depth)];
    case "tuple":
      return def.items.map((item) => example(item, depth));
    case "record":
      return {};
    case "union":
      return example(def.options.find((option) => !["null", "undefined"].includes(option.def.type)), depth);
    case "intersection":
      return {...example(def.left, depth), ...example(def.right, depth)};
    case "literal":
      return def.values[0];
    case "enum":
      return Object.values(def.entries)[0];
    case "pipe":
      return example(def.in, depth);
    case "string":
      return "1";
    case "number":
    case "int":
      return 1;
    case "bigint":
      return "1";
    case "boolean":
      return false;
    case "null":
      return null;
    case "any":
    case "unknown":
      return {};
    default:
      throw new Error(`an example of ${def.type}?`);
  }
}

/** The text of the file. */
export const objects = () =>
  `${JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, example(object(name))])), null, 1)}\n`;

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(objects());
