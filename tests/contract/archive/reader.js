// A reader of archives that knows nothing of propsbot but docs/archive-format.md, and believes nothing that it can check.

import {createHash} from "node:crypto";
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {isDeepStrictEqual as same} from "node:util";
import {decode, encode} from "@msgpack/msgpack";

const FORMAT = 1;
const LARGEST_PARTITION = 1_048_576;
const DISCORD_EPOCH = 1_420_070_400_000n;
/** Ids below this are from before Discord: of somebody who opted out of everything. */
const NOBODY = 1n << 22n;
/** How much of `2026-11-23T10:05:59` names a year, a month, and so on to the second. */
const PERIODS = [4, 7, 10, 13, 16, 19];

const DECIMAL = /^(0|[1-9]\d*)$/;
const HASH = /^[0-9a-f]{64}$/;

// What a value may be. Each returns a complaint, or nothing.
const when = (holds, complaint) => (value) => (holds(value) ? undefined : complaint);
const text = when((value) => typeof value === "string", "is no text");
const integer = when(Number.isSafeInteger, "is no integer");
const bool = when((value) => typeof value === "boolean", "is no bool");
const below64 = (value) => typeof value === "string" && DECIMAL.test(value) && BigInt(value) < 1n << 64n;
const id = when(below64, "is no id");
const bits = when(below64, "is no set of bits");
const time = when(Number.isSafeInteger, "is no time");
const hash = when((value) => typeof value === "string" && HASH.test(value), "is no SHA-256");
const oneOf = (...values) => when((value) => values.includes(value), `is none of ${values.join(", ")}`);
/** A field that is missing is nil. */
const maybe = (type) => (value) => (value === undefined || value === null ? undefined : type(value));
const list = (type) => (value) => {
  if (!Array.isArray(value)) return "is no array";
  return value.map((item, index) => complaint(type(item), `[${index}]`)).find(Boolean);
};
/** Other fields than these may be there too. */
const map = (fields) => (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is no map";
  return Object.entries(fields).map(([name, type]) => complaint(type(value[name]), `.${name}`)).find(Boolean);
};
/** Other keys than these may not. */
const mapOf = (keys, type) => (value) => {
  const fields = Object.keys(value ?? {}).map((key) => [key, keys.includes(key) ? type : () => "is not known"]);
  return map(Object.fromEntries(fields))(value);
};
const complaint = (inner, where) => inner && (/^[.[]/.test(inner) ? where + inner : `${where} ${inner}`);

/** The tables: the field with the partition id, and the fields. */
const TABLES = {
  guilds: ["id", {
    id, name: text, owner_id: id, props_channels: maybe(list(id)), left_at: maybe(time), keep_deleted_props: maybe(bool), age_restricted: maybe(bool),
    excluded_channels: maybe(list(id)), included_channels: maybe(list(id)),
  }],
  channels: ["id", {
    id, guild_id: id, kind: integer, name: text, parent_id: maybe(id), position: integer, nsfw: bool, props_channel: bool,
    overwrites: list(map({kind: oneOf("role", "member"), id, allow: bits, deny: bits})), owner_id: maybe(id),
    archived: maybe(bool), archive_timestamp: maybe(time), deleted_at: maybe(time),
  }],
  roles: ["id", {id, guild_id: id, name: text, position: integer, permissions: bits, managed: bool, deleted_at: maybe(time)}],
  emojis: ["id", {id, guild_id: id, name: maybe(text), animated: bool, own: bool, deleted_at: maybe(time)}],
  members: ["user_id", {
    guild_id: id, user_id: id, username: text, global_name: maybe(text), discriminator: maybe(integer), bot: bool, system: maybe(bool), member: bool,
    nick: maybe(text), roles: list(id), joined_at: maybe(time), left_at: maybe(time),
    privacy: maybe(oneOf("content", "identity", "everything")), forgotten_at: maybe(time),
    role_history: maybe(list(map({since: time, roles: maybe(list(id))}))),
  }],
  messages: ["id", {
    guild_id: id, channel_id: id, id, deleted_at: maybe(time), author_id: maybe(id), author_kind: maybe(oneOf("user", "bot", "webhook")),
    kind: maybe(integer), content: maybe(text), mentions: maybe(list(map({user_id: id, count: integer}))), reply_to: maybe(id),
    command: maybe(map({id, user_id: id, name: maybe(text)})), edited_at: maybe(time), by_webhook: maybe(bool),
  }],
  reactions: ["message_id", {
    guild_id: id, channel_id: id, message_id: id, user_id: id, emoji_id: maybe(id), emoji: maybe(text), burst: bool, added_at: maybe(time),
    added_by: maybe(oneOf("gateway", "rest")), removed_at: maybe(time), removed_by: maybe(oneOf("gateway", "rest")),
  }],
  props: ["id", {
    id, guild_id: id, channel_id: id, message_id: maybe(id), giver_id: id, receiver_ids: list(id), reason: text,
    origin: oneOf("command", "answer"), withdrawn_at: maybe(time), about_channel_id: maybe(id), about_message_id: maybe(id),
  }],
};
const OF_CHANNELS = ["messages", "reactions", "props"];
const OF_GUILDS = Object.keys(TABLES).filter((table) => !OF_CHANNELS.includes(table));

const KINDS_OF_DATA = ["guild", "channels", "threads", "members", "messages", "reactions"];
const reference = maybe(map({hash, bytes: integer}));
const counts = mapOf(Object.keys(TABLES), when((value) => Number.isSafeInteger(value) && value > 0, "is no number of rows"));
const MANIFEST = map({
  format: oneOf(FORMAT),
  provider: oneOf("discord"),
  generation: when((value) => Number.isSafeInteger(value) && value >= 1, "is no generation"),
  previous: maybe(hash),
  created_at: time,
  heard_at: maybe(time),
  guilds: list(map({
    id, name: text, index: reference, rows: counts,
    synced: map(Object.fromEntries(KINDS_OF_DATA.map((kind) => [kind, maybe(time)]))),
    channels: list(map({id, name: text, index: reference, rows: counts, covered: maybe(list(map({after: id, to: id})))})),
  })),
});
const partitions = list(map({period: text, rows: integer, bytes: integer, blob: hash}));
const INDEX = (tables) => map({format: oneOf(FORMAT), guild_id: id, channel_id: maybe(id), tables: mapOf(tables, partitions)});

/** The files in a folder, by their path in it. */
const filesOf = (folder) => (path) => readFile(join(folder, path));

/**
 * Reads the archive in a folder, or wherever `get(path)` finds its files. Returns its `manifest`, its `tables` as `{guild, channel, table,
 * rows}` (`channel` is null for a guild's own), the `files` that it consists of, and its `faults`, one text each. What is too broken to
 * be read is left out.
 */
export async function readArchive(place) {
  const get = typeof place === "function" ? place : filesOf(place);
  const faults = [];
  const files = ["manifest.json"];
  const tables = [];
  const fault = (where, what) => faults.push(`${where}: ${what}`);

  const bytes = await get("manifest.json");
  const manifest = parse(bytes, "manifest.json", MANIFEST);
  if (!manifest) return {faults, files, tables};
  if ((manifest.generation === 1) !== (manifest.previous === null)) fault("manifest.json", "only generation 1 has none before it");
  inOrder(manifest.guilds, (guild) => [BigInt(guild.id)], "manifest.json, guilds");
  for (const guild of manifest.guilds) await readGuild(guild);
  return {manifest, tables, files, faults};

  async function readGuild(guild) {
    const where = `guild ${guild.id}`;
    inOrder(guild.channels, (channel) => [BigInt(channel.id)], `${where}, channels`);
    const own = await readScope(guild, where, guild.id, null);
    const all = [own];
    for (const channel of guild.channels) {
      const counted = await readScope(channel, `channel ${channel.id}`, guild.id, channel.id);
      if (!same(counted, channel.rows)) fault(`channel ${channel.id}`, "has not as many rows as the manifest says");
      all.push(counted);
      checkCovered(channel);
    }
    if (!same(sum(all), guild.rows)) fault(where, "has not as many rows as the manifest says");

    const ids = (name) => tables.filter(({guild: of, table}) => of === guild.id && table === name).flatMap(({rows}) => rows.map((row) => row.id));
    if (!same(ids("guilds"), [guild.id])) fault(where, "has not exactly its own row");
    if (!same(ids("channels"), guild.channels.map((channel) => channel.id))) fault(where, "lists other channels than have a row");
  }

  /** Reads an index and its blobs. Returns how many rows each table has. */
  async function readScope({index}, where, guild, channel) {
    if (!index) return {};
    const path = pathOf("indexes", index.hash, "json");
    const bytes = await read(path, index.hash, where);
    if (!bytes) return {};
    if (bytes.length !== index.bytes) fault(path, `has ${bytes.length} bytes, not ${index.bytes}`);
    const content = parse(bytes, path, INDEX(channel ? OF_CHANNELS : OF_GUILDS));
    if (!content) return {};
    if (content.guild_id !== guild || (content.channel_id ?? null) !== channel) fault(path, `is not the index of ${where}`);
    const counted = {};
    for (const [table, parts] of Object.entries(content.tables)) {
      const rows = [];
      for (const part of parts) rows.push(...(await readBlob(part, table, where, guild, channel)));
      tables.push({guild, channel, table, rows: rows.map(({row}) => row)});
      counted[table] = rows.length;
      if (!parts.length) fault(path, `lists no ${table}, and should leave them out`);
      const [found, expected] = [parts.map((part) => part.period), periodsOf(rows)];
      if (!same(found, expected)) fault(path, `${table} lie in ${found.join(", ")}, and should in ${expected.join(", ")}`);
    }
    if (!Object.keys(counted).length) fault(path, "is empty, and should not be there");
    return counted;
  }

  /** The rows of a partition that are right enough to go on with, as `{row, id, size}`. */
  async function readBlob(part, table, where, guild, channel) {
    const path = pathOf("blobs", part.blob, "msgpack");
    const bytes = await read(path, part.blob, `${where}, ${table}`);
    if (!bytes) return [];
    let rows;
    try {
      rows = decode(bytes);
    } catch (error) {
      return fault(path, `is no MessagePack: ${error.message}`), [];
    }
    if (!Array.isArray(rows)) return fault(path, "is no array"), [];
    // What this library writes is as short as can be, and has each field once.
    if (!bytes.equals(encode(rows))) fault(path, "is not in the shortest form");
    if (rows.length !== part.rows) fault(path, `has ${rows.length} rows, not ${part.rows}`);
    const [partition, fields] = TABLES[table];
    const good = rows.flatMap((row, index) => {
      const wrong = complaint(map(fields)(row), `${table}[${index}]`) ?? complaint(oddity(table, row), `${table}[${index}]`);
      if (wrong) return fault(path, wrong), [];
      if ((row.guild_id ?? row.id) !== guild) fault(path, `${table}[${index}] is of another guild`);
      if (channel && row.channel_id !== channel) fault(path, `${table}[${index}] is of another channel`);
      if (!beginning(row[partition]).startsWith(part.period)) fault(path, `${table}[${index}] is not of ${part.period}`);
      return {row, id: row[partition], size: encode(row).length};
    });
    const size = good.reduce((sum, {size}) => sum + size, 0);
    if (size !== part.bytes) fault(path, `has rows of ${size} bytes, not ${part.bytes}`);
    inOrder(good.map(({row}) => row), keyOf(table), path);
    return good;
  }

  async function read(path, name, of) {
    files.push(path);
    const bytes = await get(path).catch(() => fault(path, `is missing, of ${of}`));
    if (!Buffer.isBuffer(bytes)) return undefined;
    if (sha256(bytes) !== name) fault(path, "has another SHA-256 than its name");
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
    const wrong = keys.findIndex((it, index) => index > 0 && !isBefore(keys[index - 1], it));
    if (wrong >= 0) fault(where, `no. ${wrong} is not in order`);
  }

  function checkCovered({id: channel, covered}) {
    const wrong = (covered ?? []).some(
      ({after, to}, index) => BigInt(after) >= BigInt(to) || (index > 0 && BigInt(after) < BigInt(covered[index - 1].to)),
    );
    if (wrong) fault(`channel ${channel}`, "has covered intervals that are empty, or not sorted and apart");
  }
}

/** What is wrong with a row whose fields are well by themselves. */
function oddity(table, row) {
  const said = (names) => names.find((name) => ![undefined, null, ""].includes(row[name]) && row[name].length !== 0);
  const sorted = (items) => items.every((item, index) => index === 0 || items[index - 1] < item);
  if (table === "messages") {
    if (row.deleted_at == null && row.mentions == null) return ".mentions is no array";
    const left = row.deleted_at != null && said(["author_id", "author_kind", "kind", "content", "mentions", "reply_to", "command", "edited_at"]);
    if (left) return `.${left} is left of a deleted message`;
    if (!sorted((row.mentions ?? []).map((mention) => BigInt(mention.user_id)))) return ".mentions are not by user";
  }
  if (table === "reactions" && (row.emoji == null) === (row.emoji_id == null)) return "has not exactly one of emoji and emoji_id";
  if (table === "props" && new Set(row.receiver_ids).size !== row.receiver_ids.length) return ".receiver_ids has somebody twice";
  if (table === "members") {
    if (BigInt(row.user_id) < NOBODY && !row.member) return "is nobody, and no member";
    if (!sorted((row.role_history ?? []).map((change) => change.since))) return ".role_history is not by since";
    const left = row.privacy === "everything" && said(["username", "global_name", "discriminator", "nick", "roles", "joined_at", "left_at"]);
    if (left) return `.${left} is left of who opted out of everything`;
  }
  return undefined;
}

/** A row's key, part by part. */
const keyOf = (table) => (row) => {
  if (table !== "reactions") return [BigInt(row[TABLES[table][0]])];
  const emoji = row.emoji_id == null ? [0, Buffer.from(row.emoji)] : [1, BigInt(row.emoji_id)];
  return [BigInt(row.message_id), ...emoji, Number(row.burst), BigInt(row.user_id)];
};

function isBefore(a, b) {
  for (const [index, part] of a.entries()) {
    const order = Buffer.isBuffer(part) ? Buffer.compare(part, b[index]) : Number(part > b[index]) - Number(part < b[index]);
    if (order !== 0) return order < 0;
  }
  return false;
}

/** In which periods rows have to lie, by the splitting rule. */
function periodsOf(rows, level = 0) {
  const groups = new Map();
  for (const row of rows) {
    const period = beginning(row.id).slice(0, PERIODS[level]);
    if (!groups.has(period)) groups.set(period, []);
    groups.get(period).push(row);
  }
  return [...groups.keys()].toSorted().flatMap((period) => {
    const members = groups.get(period);
    const isLarge = members.reduce((sum, {size}) => sum + size, 0) > LARGEST_PARTITION;
    return isLarge && level + 1 < PERIODS.length ? periodsOf(members, level + 1) : [period];
  });
}

/** When an id was made, such that a period is a beginning of it. */
const beginning = (id) => new Date(Number((BigInt(id) >> 22n) + DISCORD_EPOCH)).toISOString();

export const pathOf = (kind, name, ending) => `${kind}/${name.slice(0, 2)}/${name}.${ending}`;
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function sum(counts) {
  const total = {};
  for (const [table, rows] of counts.flatMap(Object.entries)) total[table] = (total[table] ?? 0) + rows;
  return total;
}
