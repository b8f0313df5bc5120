// Changes an archive in a folder such that all hashes, lengths and checksums fit again.

import {mkdir, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {gunzipSync, gzipSync} from "node:zlib";
import {decode, encode} from "@msgpack/msgpack";
import {sha256} from "./reader.js";

/** The paths of the archive's files that begin so. */
export async function pathsOf(copy, beginning) {
  const paths = await readdir(copy, {recursive: true});
  return paths.filter((path) => path.startsWith(beginning) && /\.(json|gz)$/.test(path)).toSorted();
}

/** Puts other bytes in place of a file, and has all that names it name them. */
async function relink(copy, path, bytes) {
  if (!path.endsWith(".gz")) return writeFile(join(copy, path), bytes);
  const nameOf = (bytes) => `"hash":"${sha256(bytes)}","bytes":${bytes.length}`;
  const old = nameOf(gunzipSync(await readFile(join(copy, path))));
  const [folder, , name] = path.split("/");
  await rm(join(copy, path));
  const hash = sha256(bytes);
  const place = join(copy, folder, hash.slice(0, 2), hash + name.slice(64));
  await mkdir(dirname(place), {recursive: true});
  await writeFile(place, gzipSync(bytes, {level: 6}));
  for (const namer of (await Promise.all(["spaces/", "parts/", "days/", "indexes/"].map((beginning) => pathsOf(copy, beginning)))).flat()) {
    const found = await readFile(join(copy, namer)).catch(() => undefined); // it may have been replaced by now
    const text = found && (namer.endsWith(".gz") ? gunzipSync(found) : found).toString();
    if (text?.includes(old)) await relink(copy, namer, checked(namer, text.replaceAll(old, nameOf(bytes))));
  }
}

/** With the right checksum, where there is one. */
function checked(path, text) {
  if (path.endsWith(".gz")) return Buffer.from(text);
  const body = text.slice(0, text.lastIndexOf(',"checksum"'));
  return Buffer.from(`${body},"checksum":"${sha256(body)}"}\n`);
}

/**
 * Has `change` change the rows of the first file that has some of `table` which `isIt` is true for: it gets them, the map around them
 * (`group`), and that of the file (`content`). `write` encodes.
 */
export async function changeRows(copy, table, isIt, change, write = encode) {
  for (const path of await pathsOf(copy, "rows/")) {
    const content = decode(gunzipSync(await readFile(join(copy, path))));
    const group = content.tables.find((group) => group.table === table && isIt(group.rows));
    if (!group) continue;
    change({rows: group.rows, group, content});
    return relink(copy, path, Buffer.from(write(content)));
  }
  throw new Error(`no file has such ${table}`);
}

/** Has `change` change the JSON of the first file in `folder` that has what `isIt` is true for. Part lists are arrays of their lines. */
export async function changeJson(copy, folder, isIt, change) {
  for (const path of await pathsOf(copy, folder)) {
    const bytes = await readFile(join(copy, path));
    const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
    const isList = path.endsWith(".jsonl.gz");
    const json = isList ? text.trimEnd().split("\n").map((line) => JSON.parse(line)) : JSON.parse(text);
    if (!isIt(json)) continue;
    change(json);
    const changed = isList ? json.map((line) => `${JSON.stringify(line)}\n`).join("") : JSON.stringify(json);
    return relink(copy, path, checked(path, changed));
  }
  throw new Error(`no file in ${folder} is such`);
}
