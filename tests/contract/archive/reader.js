// A reader of archives that knows nothing of propsbot but the page FORMAT.md in an archive, and believes nothing that it can check.

import {createHash} from "node:crypto";
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {isDeepStrictEqual as same} from "node:util";
import {gunzipSync} from "node:zlib";
import {decode, encode} from "@msgpack/msgpack";
import {NAMES, OF_PARTS, TABLES, complaint, id, list, map, mapOf, nullable, oneOf, text, time, when} from "./tables.js";
import {beginningOf, isWithinYear, partition} from "./periods.js";

const FORMAT = 2;
const LARGEST_MANIFEST = 4_194_304;
const LARGEST_FILE = 1_048_576;
const LARGEST_OWN_FILE = 131_072;
/** Rows within a year that are together longer may be in several files. */
const LARGEST_WHOLE_YEAR = 65_536;
const ONE_LIST = 256;
const GZIP = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);

const hash = when((value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value), "is no SHA-256");
const count = when((value) => Number.isSafeInteger(value) && value >= 0, "is no count");
const counts = mapOf(when((value) => Number.isSafeInteger(value) && value > 0, "is no number of rows"));
const file = map({hash, bytes: count});
const covered = list(map({after: time, to: time}));
const open = list(map({period: text, hash, bytes: count, rows: counts}));
const ROOT = map({format: oneOf(FORMAT), provider: oneOf("discord"), spaces: list(id), checksum: hash});
const MANIFEST = map({
  format: oneOf(FORMAT),
  provider: oneOf("discord"),
  schema: count,
  space: id,
  name: text,
  generation: when((value) => Number.isSafeInteger(value) && value >= 1, "is no generation"),
  previous: nullable(hash),
  created_at: time,
  heard_at: nullable(time),
  newest: nullable(time),
  synced: map(Object.fromEntries(["guild", "channels", "threads", "members", "messages", "reactions"].map((name) => [name, nullable(time)]))),
  history: nullable(map({known_until: nullable(time), reread_at: nullable(time)})),
  stamps: nullable(map({hours_from: when((value) => /^\d{4}-\d\d-\d\d$/.test(value), "is no day"), days_from: when((value) => /^\d{4}-\d\d$/.test(value), "is no month")})),
  rows: counts,
  index: nullable(file),
  hours: open,
  days: nullable(file),
  parts: map({count, list: nullable(file)}),
  covered_to: nullable(time),
  exceptions: mapOf(covered),
  checksum: hash,
});
const DAYS = map({space: id, days: open});
const HEAD = map({space: id, shard: nullable(count)});
const LINE = map({id, name: text, index: nullable(file), rows: counts, covered});
const DIRECTORY = map({space: id, shards: list(map({shard: count, hash, bytes: count}))});
const INDEX = map({space: id, part: nullable(id), tables: mapOf(list(map({period: text, rows: count, hash, bytes: count})))});
const ROWS = map({space: id, tables: list(map({part: nullable(id), table: text, rows: list(map({}))}))});

/** The files in a folder, by their path in it. */
const filesOf = (folder) => (path) => readFile(join(folder, path));

/**
 * Reads the archive in a folder, or wherever `get(path)` finds its files. Returns its `spaces`, each with its `manifest`, `parts` (the
 * lines of its part list, and as `known` what is covered) and `tables` as `{guild, channel, table, rows}` (`channel` is null for a
 * guild's own), the `files` that the archive consists of, and its `faults`, one text each. What is too broken to be read is left out.
 */
export async function readArchive(place) {
  const get = typeof place === "function" ? place : filesOf(place);
  const faults = [];
  const files = ["manifest.json"];
  const spaces = [];
  const fault = (where, what) => faults.push(`${where}: ${what}`);

  const root = await manifestAt("manifest.json", ROOT);
  if (root) {
    inOrder(root.spaces, idKey, "manifest.json, spaces");
    for (const space of root.spaces) await readSpace(space);
  }
  return {spaces, tables: spaces.flatMap((space) => space.tables), files, faults};

  async function readSpace(space) {
    const path = manifestPath(space);
    files.push(path);
    const manifest = await manifestAt(path, MANIFEST);
    if (!manifest) return;
    if (manifest.space !== space) fault(path, `is of ${manifest.space}`);
    if ((manifest.generation === 1) !== (manifest.previous === null)) fault(path, "only generation 1 has none before it");
    const parts = await readParts(manifest, path);
    const days = manifest.days ? await readDays(manifest) : [];
    checkTimes(manifest, parts, path);

    const rows = [];
    for (const owner of [{id: null, index: manifest.index}, ...parts]) append(rows, await readBase(manifest, owner));
    for (const file of [...days, ...manifest.hours]) append(rows, await readFileOfRows(manifest, file, {parts, counts: file.rows}));
    checkLayout(manifest, days, rows, path);
    const tables = tablesOf(space, rows);
    for (const {table, channel, rows} of tables) inOrder(rows.toSorted(byKey(table)), keyOf(table), `${table} of ${channel ?? space}`);
    if (!same(total(rows), sorted(manifest.rows))) fault(path, "has not as many rows as it says");
    for (const {row, table} of rows) {
      if (TABLES[table].time(row) > manifest.newest) fault(path, `${table} has a row that is newer than the newest`);
    }

    const ids = (name) => tables.filter(({table}) => table === name).flatMap(({rows}) => rows.map((row) => row.id));
    if (!same(ids("guilds"), [space])) fault(path, "has not exactly its own row");
    if (!same(ids("channels").toSorted(byId), parts.map((part) => part.id))) fault(path, "lists other channels than have a row");
    for (const part of parts) checkBelonging(part, tables, path);
    spaces.push({manifest, parts, tables});
  }

  async function readParts(manifest, path) {
    const {count, list} = manifest.parts;
    if ((count === 0) !== (list === null)) fault(path, "has parts without a list");
    if (!list) return [];
    let shards = [{shard: null, ...list}];
    if (count > ONE_LIST) {
      const directory = await readJson("parts", "json", list, DIRECTORY, manifest.space);
      shards = directory?.shards ?? [];
      inOrder(shards, ({shard}) => [shard], "directory");
    }
    const parts = [];
    for (const {shard, ...file} of shards) {
      const where = pathOf("parts", file.hash, "jsonl.gz");
      const bytes = await load(where, file);
      const lines = bytes?.toString().split("\n") ?? [];
      if (bytes && lines.pop() !== "") fault(where, "has a last line that is cut off");
      const [head, ...found] = lines.map((line, index) => parse(Buffer.from(line), where, index === 0 ? HEAD : LINE)).filter(Boolean);
      if (head && (head.space !== manifest.space || head.shard !== shard)) fault(where, "is another list");
      inOrder(found, ({id}) => idKey(id), where);
      if (shard !== null && found.some(({id}) => parseInt(sha256(id).slice(0, 2), 16) >> 2 !== shard)) fault(where, "has parts of another shard");
      append(parts, found);
    }
    if (parts.length !== count) fault(path, `has ${parts.length} parts, not ${count}`);
    return parts.toSorted((one, next) => byId(one.id, next.id));
  }

  async function readDays(manifest) {
    const days = await readJson("days", "json", manifest.days, DAYS, manifest.space);
    if (days?.days.length === 0) fault("days", "lists nothing");
    return days?.days ?? [];
  }

  /** The rows that an index names. */
  async function readBase(manifest, {id: part, index, rows: listed}) {
    if (!index) {
      if (listed && Object.keys(listed).length) fault(`part ${part}`, "has rows without an index");
      return [];
    }
    const content = await readJson("indexes", "json", index, INDEX, manifest.space);
    if (!content) return [];
    const where = pathOf("indexes", index.hash, "json.gz");
    if (content.part !== part) fault(where, `is not the index of ${part}`);
    const all = [];
    for (const [table, entries] of Object.entries(content.tables)) {
      if (table in TABLES && OF_PARTS.includes(table) !== (part !== null)) fault(where, `${table} are not kept there`);
      if (!entries.length) fault(where, `lists no ${table}, and should leave them out`);
      for (const entry of entries) {
        const rows = await readFileOfRows(manifest, entry, {part, table, counts: {[table]: entry.rows}});
        append(all, rows.map((row) => ({...row, isBase: true})));
      }
      const own = all.filter((row) => row.table === table);
      const found = entries.map(({period}) => period);
      const expected = part === null ? periodsOfOwn(found, own) : periodsOfBase(manifest, own);
      if (!same(found, expected)) fault(where, `${table} lie in ${found.join(", ")}, and should in ${expected.join(", ")}`);
    }
    if (listed && !same(total(all), sorted(listed))) fault(where, "has not as many rows as its line says");
    return all;
  }

  /** The rows of a file that are right enough to go on with, as `{part, table, row, size, period}`. */
  async function readFileOfRows(manifest, {period, ...file}, expected) {
    const path = pathOf("rows", file.hash, "msgpack.gz");
    const bytes = await load(path, file);
    if (!bytes) return [];
    let content;
    try {
      content = decode(bytes);
    } catch (error) {
      return fault(path, `is no MessagePack: ${error.message}`), [];
    }
    // What this library writes is as short as can be, and has each field once.
    if (!bytes.equals(encode(content))) fault(path, "is not in the shortest form");
    const wrong = ROWS(content);
    if (wrong) return fault(path, wrong), [];
    if (content.space !== manifest.space) fault(path, "is of another space");
    inOrder(content.tables, ({part, table}) => [...(part === null ? [0, ""] : [part.length, part]), orderOf(table)], `${path}, tables`);
    const rows = content.tables.flatMap(({part, table, rows}) => {
      if (!rows.length) fault(path, `has no ${table}, and should leave them out`);
      if ("part" in expected && (part !== expected.part || table !== expected.table)) fault(path, `has ${table} of ${part}`);
      if ("parts" in expected && !expected.parts.some(({id}) => id === part)) fault(path, `has rows of ${part}, which is not listed`);
      if (!(table in TABLES)) return [];
      const good = rows.filter((row, index) => {
        const {fields, time, oddity = () => undefined} = TABLES[table];
        const wrong = complaint(map(fields, true)(row) ?? oddity(row), `${table}[${index}]`);
        if (wrong) return fault(path, wrong), false;
        if ((row.guild_id ?? row.id) !== manifest.space) fault(path, `${table}[${index}] is of another guild`);
        if (part !== null && row.channel_id !== part) fault(path, `${table}[${index}] is of another channel`);
        if (!beginningOf(period, time(row))) fault(path, `${table}[${index}] is not of ${period}`);
        return true;
      });
      inOrder(good, keyOf(table), path);
      return good.map((row) => ({part, table, row, size: encode(row).length}));
    });
    if (!same(total(rows), sorted(expected.counts))) fault(path, "has not as many rows as what names it says");
    return rows;
  }

  /** Whether what is in open files, and in what, follows from the stamps and from how long the rows are. */
  function checkLayout({stamps, hours}, days, rows, path) {
    const [hoursFrom, daysFrom] = [Date.parse(stamps?.hours_from ?? "+010000-01-01"), Date.parse(stamps?.days_from ?? "+010000-01-01")];
    const timed = rows.map(({table, row, size, isBase}) => ({time: TABLES[table].time(row), size, isBase})).toSorted((one, next) => one.time - next.time);
    const opened = timed.filter(({isBase}) => !isBase);
    for (const [where, files, expected] of [
      ["days", days, partition(opened.filter(({time}) => time >= daysFrom && time < hoursFrom), "day", LARGEST_FILE)],
      ["hours", hours, partition(opened.filter(({time}) => time >= hoursFrom), "hour", LARGEST_FILE)],
    ]) {
      const found = files.map(({period}) => period);
      if (!same(found, expected)) fault(path, `${where} are ${found.join(", ")}, and should be ${expected.join(", ")}`);
    }
    if (daysFrom > hoursFrom) fault(path, "its days begin after its hours");
    if (opened.some(({time}) => time < daysFrom)) fault(path, "open files have rows from before days_from");
    const late = rows.some(({part, table, row, isBase}) => isBase && part !== null && TABLES[table].time(row) >= daysFrom);
    if (late) fault(path, "the base has rows from days_from on");
  }

  /** What is known, and of what coverage is claimed, was not later than the manifest. */
  function checkTimes(manifest, parts, path) {
    const last = Math.max(...[manifest.heard_at, manifest.history?.reread_at, ...Object.values(manifest.synced)].map((time) => time ?? -Infinity));
    if (last > manifest.created_at) fault(path, "knows what was after it was written");
    const before = manifest.stamps ? Date.parse(manifest.stamps.days_from) - 1 : -Infinity;
    const exceptions = Object.entries(manifest.exceptions);
    for (const [part, intervals] of exceptions) {
      if (!parts.some(({id}) => id === part)) fault(path, `has an exception for ${part}, which is not listed`);
      checkCovered(part, intervals, before, last);
    }
    inOrder(exceptions, ([part]) => idKey(part), `${path}, exceptions`);
    if (manifest.covered_to !== null && manifest.covered_to > last) fault(path, "covers what was after it was heard");
    for (const part of parts) {
      checkCovered(part.id, part.covered, -Infinity, Math.min(before, last));
      const goesOn = part.covered.at(-1)?.to === before && manifest.covered_to > before;
      const rest = manifest.exceptions[part.id] ?? (goesOn ? [{after: before, to: manifest.covered_to}] : []);
      part.known = [...part.covered, ...rest];
    }
  }

  function checkCovered(part, intervals, first, last) {
    const wrong = intervals.some(({after, to}, index) => after >= to || (index > 0 && after < intervals[index - 1].to));
    if (wrong) fault(`part ${part}`, "has covered intervals that are empty, or not sorted and apart");
    if (intervals.some(({after, to}) => after < first || to > last)) fault(`part ${part}`, "is covered where it cannot be");
  }

  function checkBelonging({id: part, known}, tables, path) {
    const rows = (name) => tables.find(({channel, table}) => channel === part && table === name)?.rows ?? [];
    const messages = new Set(rows("messages").map((row) => row.id));
    for (const {message_id} of [...rows("reactions"), ...rows("props")]) {
      if (message_id === null) continue;
      const at = TABLES.messages.time({id: message_id});
      const isCovered = known.some(({after, to}) => after < at && at <= to);
      if (isCovered && !messages.has(message_id)) fault(path, `a row of ${part} belongs to a message that is missing`);
    }
  }

  async function manifestAt(path, type) {
    const bytes = await get(path).catch(() => fault(path, "is missing"));
    if (!Buffer.isBuffer(bytes)) return undefined;
    if (bytes.length > LARGEST_MANIFEST) fault(path, "is too long");
    const body = bytes.subarray(0, -80);
    const manifest = parse(bytes, path, type);
    if (manifest && !bytes.equals(Buffer.concat([body, Buffer.from(`,"checksum":"${sha256(body)}"}\n`)]))) fault(path, "has another checksum");
    return manifest;
  }

  async function readJson(folder, ending, file, type, space) {
    const path = pathOf(folder, file.hash, `${ending}.gz`);
    const bytes = await load(path, file);
    const content = bytes && parse(bytes, path, type);
    if (content && content.space !== space) fault(path, "is of another space");
    return content;
  }

  /** The bytes of a file, inflated. */
  async function load(path, {hash, bytes: length}) {
    files.push(path);
    const packed = await get(path).catch(() => fault(path, "is missing"));
    if (!Buffer.isBuffer(packed)) return undefined;
    if (packed.length > length + length / 256 + 1024) return void fault(path, "is longer than it may be");
    if (!packed.subarray(0, 8).equals(GZIP)) fault(path, "does not begin as it should");
    let bytes;
    try {
      bytes = gunzipSync(packed, {maxOutputLength: length + 1});
    } catch (error) {
      return void fault(path, `cannot be inflated: ${error.message}`);
    }
    if (bytes.length !== length) fault(path, `has ${bytes.length} bytes, not ${length}`);
    if (sha256(bytes) !== hash) fault(path, "has another SHA-256 than its name");
    return bytes;
  }

  function parse(bytes, path, type) {
    let value;
    try {
      value = JSON.parse(new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes));
    } catch (error) {
      return void fault(path, `is no JSON: ${error.message}`);
    }
    const wrong = type(value);
    return wrong ? void fault(path, wrong) : value;
  }

  function inOrder(items, key, where) {
    const keys = items.map(key);
    const wrong = keys.findIndex((next, index) => index > 0 && compare(keys[index - 1], next) >= 0);
    if (wrong >= 0) fault(where, `no. ${wrong} is not in order`);
  }
}

/** In which files the base's rows of a part and table have to lie. */
function periodsOfBase({stamps}, rows) {
  const timed = rows.map(timedOf);
  const months = Date.parse(stamps?.days_from.slice(0, 4) ?? "+010000-01-01");
  const [before, after] = [timed.filter(({time}) => time < months), timed.filter(({time}) => time >= months)];
  return [...partition(before, "year", LARGEST_FILE), ...partition(after, "month", LARGEST_FILE)];
}

/** The same of one of the space's own tables, whose rows lie in files of these periods: what is split in vain may stay so. */
function periodsOfOwn(found, rows) {
  const mayBeWhole = (period, size) => size <= LARGEST_OWN_FILE && (found.includes(period) || (isWithinYear(period) && size <= LARGEST_WHOLE_YEAR));
  return partition(rows.map(timedOf), "century", mayBeWhole);
}

const timedOf = ({table, row, size}) => ({time: TABLES[table].time(row), size});

/** Rows by part and table, in order. */
function tablesOf(guild, rows) {
  const tables = Map.groupBy
    ? Map.groupBy(rows, ({part, table}) => `${part} ${table}`)
    : rows.reduce((groups, row) => groups.set(`${row.part} ${row.table}`, [...(groups.get(`${row.part} ${row.table}`) ?? []), row]), new Map());
  const all = [...tables.values()].map((rows) => {
    const {part: channel, table} = rows[0];
    return {guild, channel, table, rows: rows.map(({row}) => row).toSorted(byKey(table))};
  });
  return all.toSorted((one, next) => compare([...idKey(one.channel ?? ""), NAMES.indexOf(one.table)], [...idKey(next.channel ?? ""), NAMES.indexOf(next.table)]));
}

const orderOf = (table) => (table in TABLES ? NAMES.indexOf(table) : NAMES.length);
const keyOf = (table) => TABLES[table].key;
const byKey = (table) => (one, next) => compare(keyOf(table)(one), keyOf(table)(next));
const idKey = (id) => [id.length, id];
const byId = (one, next) => compare(idKey(one), idKey(next));

/** Compares keys part by part. */
function compare(one, next) {
  for (const [index, part] of one.entries()) {
    const order = Buffer.isBuffer(part) ? Buffer.compare(part, next[index]) : Number(part > next[index]) - Number(part < next[index]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Adds items to a list: one by one, since a call takes no more arguments than the stack has room for. */
function append(list, items) {
  for (const item of items) list.push(item);
}

function total(rows) {
  const counts = {};
  for (const {table} of rows) counts[table] = (counts[table] ?? 0) + 1;
  return sorted(counts);
}
const sorted = (counts) => Object.fromEntries(Object.entries(counts).toSorted());

export const pathOf = (folder, name, ending) => `${folder}/${name.slice(0, 2)}/${name}.${ending}`;
export const manifestPath = (space) => `spaces/${/^[0-9a-z-]{1,32}$/.test(space) ? space : sha256(space)}.json`;
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
