// `node github/check.js RECORDING`: lists what is wrong with a recording, and what occurs in it.

import {readFile} from "node:fs/promises";
import {checkTraffic, describe} from "./traffic.js";

const [file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node github/check.js RECORDING");
  process.exit(2);
}
const {violations, seen} = checkTraffic((await readFile(file, "utf8")).split("\n"));
for (const what of [...seen].toSorted()) console.error(what);
if (violations.length) console.log(describe(violations));
console.error(`${violations.length} violations`);
process.exitCode = violations.length ? 1 : 0;
