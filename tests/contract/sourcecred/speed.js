// `node sourcecred/speed.js ARCHIVE`: the graph of an archive's data, by the real SourceCred (its own Discord plugin, from
// its own cache, into which the archive's rows are put) and by propsbot, one after the other. Prints what each took.

import {execFile} from "node:child_process";
import {mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {cpus, tmpdir} from "node:os";
import {join, resolve} from "node:path";
import {promisify} from "node:util";
import {gunzipSync} from "node:zlib";
import {decode} from "@msgpack/msgpack";
import {pathsOf} from "../archive/relink.js";
import {PROPSBOT} from "../blackbox.js";

const require = createRequire(import.meta.url);
const CLI = require.resolve("sourcecred/bin/sourcecred.js");
const DISCORD_EPOCH = 1_420_070_400_000n;
/** SourceCred runs out of memory on a million messages with Node's default. */
const NODE_OPTIONS = "--max-old-space-size=16384";

const [folder, ...more] = process.argv.slice(2);
if (!folder || more.length > 0) {
  console.error("usage: node sourcecred/speed.js ARCHIVE_FOLDER");
  process.exit(2);
}
const archive = resolve(folder);
const scratch = await mkdtemp(join(tmpdir(), "props-speed-"));
try {
  const {guild, channels, counts} = await fillCache(scratch);
  await mkdir(join(scratch, "config/plugins/sourcecred/discord"), {recursive: true});
  for (const name of ["data", "output"]) await mkdir(join(scratch, name));
  await writeFile(join(scratch, "sourcecred.json"), JSON.stringify({bundledPlugins: ["sourcecred/discord"]}));
  const config = [{guildId: guild, propsChannels: channels, reactionWeightConfig: {weights: {}, defaultWeight: 1, applyAveraging: false}}];
  await writeFile(join(scratch, "config/plugins/sourcecred/discord/config.json"), JSON.stringify(config));

  const sourcecred = await measure(process.execPath, [CLI, "graph"]);
  const propsbot = await measure(PROPSBOT, ["graph", "--from", `dir:${archive}`, "--out", join(scratch, "graph")]);
  console.log(`${counts.messages} messages, ${counts.reactions} reactions, ${cpus().length} cores, Node ${process.version}`);
  const line = (...cells) => console.log(cells.map((cell, index) => String(cell)[index ? "padStart" : "padEnd"](index ? 14 : 34)).join(""));
  line("", "CPU s", "wall s", "peak MiB");
  for (const [name, it] of Object.entries({"sourcecred graph (Discord plugin)": sourcecred, "propsbot graph (props)": propsbot})) {
    line(name, it.cpu.toFixed(2), it.wall.toFixed(2), it.peak.toFixed(0));
  }
  const share = (key) => `1/${(sourcecred[key] / propsbot[key]).toFixed(1)}`;
  line("propsbot of SourceCred", share("cpu"), share("wall"), share("peak"));
} finally {
  await rm(scratch, {recursive: true, force: true});
}

/** Runs a program in the scratch folder, and tells what it took: GNU time reads the kernel's own figures. */
async function measure(program, args) {
  const told = join(scratch, "time");
  const env = {...process.env, NODE_OPTIONS, SOURCECRED_DISCORD_TOKEN: "unused"};
  await promisify(execFile)("/usr/bin/time", ["-f", "%U %S %e %M", "-o", told, program, ...args], {cwd: scratch, env, maxBuffer: 1 << 28});
  const [user, system, wall, kib] = (await readFile(told, "utf8")).trim().split(" ").map(Number);
  return {cpu: user + system, wall, peak: kib / 1024};
}

/** Puts the archive's rows where SourceCred's Discord plugin keeps what it loaded: the tables of its `mirrorRepository.js`. */
async function fillCache(dir) {
  const Database = openDatabase();
  const {spaces} = JSON.parse(await readFile(join(archive, "manifest.json"), "utf8"));
  if (spaces.length !== 1) throw new Error("the archive doesn't have exactly one guild");
  const [guild] = spaces;
  const cache = join(dir, "cache/sourcecred/discord");
  await mkdir(cache, {recursive: true});
  const db = new Database(join(cache, `discordMirror-${guild}.db`));
  db.exec(`
    CREATE TABLE meta (zero INTEGER PRIMARY KEY, config TEXT NOT NULL);
    CREATE TABLE channels (id TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL, parent_id TEXT);
    CREATE TABLE members (user_id TEXT PRIMARY KEY, username TEXT NOT NULL, discriminator TEXT NOT NULL, bot INTEGER NOT NULL, nick TEXT);
    CREATE TABLE member_roles (user_id TEXT, role TEXT NOT NULL, CONSTRAINT user_role PRIMARY KEY (user_id, role));
    CREATE TABLE messages (id TEXT PRIMARY KEY, channel_id TEXT NOT NULL, author_id TEXT NOT NULL, non_user_author INTEGER NOT NULL,
      timestamp_ms INTEGER NOT NULL, content TEXT NOT NULL);
    CREATE TABLE message_reactions (channel_id TEXT NOT NULL, message_id TEXT NOT NULL, author_id TEXT NOT NULL, emoji TEXT NOT NULL,
      CONSTRAINT value_object PRIMARY KEY (channel_id, message_id, author_id, emoji));
    CREATE TABLE message_mentions (channel_id TEXT NOT NULL, message_id TEXT NOT NULL, user_id TEXT NOT NULL, count INTEGER NOT NULL,
      CONSTRAINT value_object PRIMARY KEY (channel_id, message_id, user_id));
    BEGIN`);
  const into = (table, columns) => {
    const insert = db.prepare(`INSERT OR IGNORE INTO ${table} VALUES (${columns.map(() => "?").join(", ")})`);
    return (...values) => insert.run(...values);
  };
  into("meta", [0, 0])(0, JSON.stringify({guild, version: "discord_mirror_v1"}));
  const [channel, member, role] = [into("channels", [..."1234"]), into("members", [..."12345"]), into("member_roles", [..."12"])];
  const [message, reaction, mention] = [into("messages", [..."123456"]), into("message_reactions", [..."1234"]), into("message_mentions", [..."1234"])];

  const channels = [];
  const names = new Map();
  const own = {
    channels(row) {
      if (row.kind !== 0 || row.deleted_at !== null) return;
      channel(row.id, "GUILD_TEXT", row.name, row.parent_id);
      if (row.props_channel) channels.push(row.id);
    },
    emojis: (row) => names.set(row.id, row.name),
    members(row) {
      if (!row.member) return;
      member(row.user_id, row.username, String(row.discriminator ?? 0), Number(row.bot), row.nick);
      for (const id of row.roles) role(row.user_id, id);
    },
  };
  const counts = {messages: 0, reactions: 0};
  const ofParts = {
    messages(row) {
      if (row.deleted_at !== null || ![0, 19].includes(row.kind)) return;
      const at = Number((BigInt(row.id) >> 22n) + DISCORD_EPOCH);
      message(row.id, row.channel_id, row.author_id, Number(row.author_kind === "webhook"), at, row.content);
      for (const {user_id, count} of row.mentions) mention(row.channel_id, row.id, user_id, count);
      counts.messages++;
    },
    reactions(row) {
      if (row.removed_at !== null) return;
      reaction(row.channel_id, row.message_id, row.user_id, row.emoji ?? `${names.get(row.emoji_id)}:${row.emoji_id}`);
      counts.reactions++;
    },
  };
  // Reactions take the emojis' names.
  for (const takers of [own, ofParts]) await eachRow(takers);
  db.exec("COMMIT");
  db.close();
  return {guild, channels, counts};
}

function openDatabase() {
  const Database = require("better-sqlite3");
  try {
    new Database(":memory:").close();
  } catch (error) {
    throw new Error(`better-sqlite3 is not built; README.md says how: ${error.message}`);
  }
  return Database;
}

/** Gives the archive's rows to the taker of their table, if there is one. A folder that was just exported has no other files. */
async function eachRow(takers) {
  for (const path of await pathsOf(archive, "rows/")) {
    for (const {table, rows} of decode(gunzipSync(await readFile(join(archive, path)))).tables) rows.forEach(takers[table] ?? (() => {}));
  }
}
