// The archive, read by a reader that was written from docs/archive-format.md alone: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {decode, encode} from "@msgpack/msgpack";
import {botAt, withDiscordSimulator, withGithub} from "./blackbox.js";
import {pathOf, readArchive, sha256} from "./archive/reader.js";

const run = promisify(execFile);
const FIXTURE = fileURLToPath(new URL("../fixtures/format-1", import.meta.url));
/** The same seed and end make the same world: first it stands still, then it goes on from there. */
const WORLD = ["--seed", "7", "--messages", "600", "--until", "2026-01-01T00:00:00Z", "--limits", "none", "--heartbeat", "2"];

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-archive-"))));
after(() => rm(scratch, {recursive: true, force: true}));

describe("the archive that the documentation names as an example", () => {
  it("is as the documentation says, with a row of every kind", async () => {
    const {faults, tables} = await readArchive(FIXTURE);
    assert.deepEqual(faults, []);
    assert.equal(new Set(tables.map(({table}) => table)).size, 8);
  });
});

describe("an archive on GitHub", () => {
  let clone, commits, folder, recording;
  const git = async (...args) => (await run("git", args, {cwd: clone, env: ownEnvironment, maxBuffer: 1 << 26})).stdout;

  before(async () => {
    // The simulator keeps the bare repository in a temporary folder, which nothing but this leads to.
    process.env.TMPDIR = join(scratch, "tmp");
    await mkdir(process.env.TMPDIR);
    await withGithub(scratch, async ({address, token}) => {
      const settings = {ARCHIVE: "github:octo-org/archive", GITHUB_API_URL: address, GITHUB_TOKEN: token, CACHE_PATH: join(scratch, "cache")};
      await withDiscordSimulator(scratch, WORLD, async (discord) => {
        const bot = await botAt(scratch, discord, settings);
        await bot.run("sync");
        await bot.run("export");
        await discord.stop();
        recording = (await readFile(discord.recording, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
      });
      await withDiscordSimulator(scratch, [...WORLD, "--lively", "60"], async (discord) => {
        const bot = await botAt(scratch, discord, settings);
        await bot.listen();
        await bot.run("sync");
        await bot.run("export");
        folder = join(scratch, "folder");
        await bot.run("export", "--to", `dir:${folder}`);
      });
      const [temporary] = await readdir(process.env.TMPDIR);
      clone = join(scratch, "clone");
      // By git's own protocol, and as somebody who lets git change the ends of lines.
      const from = `file://${join(process.env.TMPDIR, temporary, "repository.git")}`;
      await run("git", ["clone", "--quiet", "--config", "core.autocrlf=true", from, clone], {env: ownEnvironment});
    });
    commits = await archivesInHistory();
  });

  /** The archive in each commit that has one, the oldest first. */
  async function archivesInHistory() {
    const found = [];
    for (const commit of (await git("rev-list", "--reverse", "HEAD")).trim().split("\n")) {
      const files = (await git("ls-tree", "-r", "-z", "--name-only", commit)).split("\0").filter(Boolean);
      if (!files.includes("manifest.json")) continue;
      const dir = join(scratch, "commits", commit);
      await git("worktree", "add", "--quiet", "--detach", dir, commit);
      found.push({commit, dir, inCommit: files, ...(await readArchive(dir))});
    }
    return found;
  }

  it("is whole in git's eyes", async () => {
    const {stdout, stderr} = await run("git", ["fsck", "--strict", "--full"], {cwd: clone, env: ownEnvironment});
    assert.equal(stdout + stderr, "");
    assert.equal(await git("status", "--porcelain"), "", "git would commit something else than it checked out");
  });

  it("is as the documentation says in every commit", async () => {
    assert.ok(commits.length >= 2, "too few exports to say anything");
    for (const {commit, faults} of commits) assert.deepEqual(faults, [], commit);
  });

  it("has generations that follow each other", async () => {
    const hashes = await Promise.all(commits.map(async ({dir}) => sha256(await readFile(join(dir, "manifest.json")))));
    assert.deepEqual(commits.map(({manifest}) => manifest.generation), commits.map((_, index) => index + 1));
    assert.deepEqual(commits.map(({manifest}) => manifest.previous), [null, ...hashes.slice(0, -1)]);
  });

  it("has no files in any commit but those that it needs", () => {
    for (const {inCommit, files} of commits) {
      assert.deepEqual(inCommit, [...new Set([".gitattributes", "README.md", ...files])].toSorted());
    }
  });

  it("says what Discord said", () => {
    const pages = recording.filter(({route, status}) => route === "/channels/{channel_id}/messages" && status === 200);
    const {manifest, tables} = commits[0];
    const channels = new Set(manifest.guilds.flatMap((guild) => guild.channels.map(({id}) => id)));
    const rows = (name) => tables.filter(({table}) => table === name).flatMap(({rows}) => rows);

    const shown = pages.flatMap(({response}) => response).filter(({channel_id}) => channels.has(channel_id));
    assert.ok(shown.length > 300, "too little was told to say anything");
    // Discord may have been asked twice.
    const lines = (entries) => [...new Set(entries.map((entry) => entry.join(" ")))].toSorted();
    assert.deepEqual(
      lines(rows("messages").map((row) => [row.channel_id, row.id, row.author_id, row.kind, row.content])),
      lines(shown.map((it) => [it.channel_id, it.id, it.author.id, it.type, it.content])),
    );

    const counted = new Map();
    for (const row of rows("reactions").filter((row) => row.removed_at === null)) {
      const what = `${row.message_id} ${row.emoji_id ?? row.emoji}`;
      counted.set(what, (counted.get(what) ?? 0) + 1);
    }
    const counts = shown.flatMap(({id, reactions = []}) => reactions.map(({emoji, count}) => [`${id} ${emoji.id ?? emoji.name}`, count]));
    assert.ok(counts.length > 100, "too few reactions to say anything");
    assert.deepEqual([...counted].toSorted(), [...new Map(counts)].toSorted());
  });

  it("has the same rows as a folder that the same store was exported to", async () => {
    const {faults, tables} = await readArchive(folder);
    assert.deepEqual(faults, []);
    const here = commits.at(-1).tables;
    assert.deepEqual(rowCounts(here), rowCounts(tables));
    assert.deepEqual(Object.keys(rowCounts(here)).toSorted(), ["channels", "emojis", "guilds", "members", "messages", "props", "reactions", "roles"]);
    for (const [index, {channel, table, rows}] of tables.entries()) {
      assert.equal(here[index].channel, channel);
      assert.deepEqual(here[index].rows, rows, `${table} of ${channel}`);
    }
  });

  it("has a README that tells the truth about the generation that it names", async () => {
    for (const {dir, manifest: {generation}} of commits) {
      const readme = await readFile(join(dir, "README.md"), "utf8");
      const [, asOf, day, minute] = readme.match(/^As of generation (\d+), exported (\S+) (\S+) UTC:$/m);
      assert.ok(Number(asOf) <= generation, "it knows what comes");
      const {manifest, tables} = commits.find(({manifest}) => manifest.generation === Number(asOf));
      assert.equal(`${day}T${minute}`, new Date(manifest.created_at).toISOString().slice(0, 16));
      const counts = rowCounts(tables);
      for (const {id, name, channels} of manifest.guilds) {
        const told = ["messages", "reactions", "props", "members"].map((table) => counts[table] ?? 0);
        assert.ok(readme.includes(`\n| ${name} (\`${id}\`) | ${[channels.length, ...told].join(" | ")} | `), readme);
      }
    }
  });

  it("is read by the script in its README", async (t) => {
    const [, script] = (await readFile(join(clone, "README.md"), "utf8")).match(/```python\n(.*?)```/s);
    const python = (code) => run("python3", ["-c", code], {cwd: clone, env: {...ownEnvironment, PYTHONPATH: process.env.PYTHONPATH ?? "", PYTHONUTF8: "1"}, maxBuffer: 1 << 26});
    const missing = await python("import msgpack").then(() => "", (error) => error.stderr || error.message);
    if (missing) {
      t.diagnostic(`the script in the archive's README was NOT run, for want of python3 or its msgpack: ${missing.trim().split("\n").at(-1)}`);
      return t.skip("no python3 with msgpack");
    }
    const {manifest, tables} = commits.at(-1);
    const lines = manifest.guilds.flatMap(({channels}) =>
      channels.flatMap(({id, name}) => {
        const rows = tables.find(({channel, table}) => channel === id && table === "messages")?.rows ?? [];
        return rows.map((row) => `${name} ${row.author_id ?? "None"} ${row.content ?? "None"}\n`);
      }),
    );
    assert.equal((await python(script)).stdout, lines.join(""));
  });
});

/** Nothing of the caller's settings. */
const ownEnvironment = {PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1"};

function rowCounts(tables) {
  const counts = {};
  for (const {table, rows} of tables) counts[table] = (counts[table] ?? 0) + rows.length;
  return counts;
}

describe("the reader", () => {
  const [GUILD, GENERAL, PROPS, THREAD] = ["480200000000000001", "480200000000000002", "480200000000000003", "1310000000000000001"];
  let propsbot;
  before(async () => (propsbot = await botAt(scratch, {address: "http://127.0.0.1:9", token: "none"})));

  /** Notices it in a broken copy, and so does `propsbot verify`, unless the documentation does not promise that. */
  const notices = (title, breakCopy, expected, byVerify = true) =>
    it(`notices ${title}`, async () => {
      const copy = await mkdtemp(join(scratch, "broken-"));
      await cp(FIXTURE, copy, {recursive: true});
      await breakCopy(copy);
      const {faults} = await readArchive(copy);
      assert.match(faults.join("\n"), expected);
      if (byVerify) await assert.rejects(propsbot.run("verify", "--from", `dir:${copy}`), /Command failed/, "propsbot verify lets it pass");
    });

  const firstBlob = async (copy) => {
    const [name] = (await readdir(join(copy, "blobs"), {recursive: true})).filter((name) => name.endsWith(".msgpack")).toSorted();
    return join(copy, "blobs", name);
  };
  notices(
    "a flipped bit",
    async (copy) => {
      const path = await firstBlob(copy);
      const bytes = await readFile(path);
      bytes[bytes.length >> 1] ^= 1;
      await writeFile(path, bytes);
    },
    /has another SHA-256/,
  );
  notices("a blob that is not there", async (copy) => rm(await firstBlob(copy)), /is missing/);

  /**
   * Notices what `change` does to the rows of a table's first partition, and to what names them: its `part` of the `index`, the index's
   * `entry` in the `manifest`. All hashes and lengths fit again.
   */
  const noticesInside = (title, [scope, table], change, expected, byVerify) =>
    notices(
      title,
      async (copy) => {
        const write = async (kind, bytes, ending) => {
          const name = sha256(bytes);
          await mkdir(dirname(join(copy, pathOf(kind, name, ending))), {recursive: true});
          await writeFile(join(copy, pathOf(kind, name, ending)), bytes);
          return name;
        };
        const json = (value) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
        const manifest = JSON.parse(await readFile(join(copy, "manifest.json"), "utf8"));
        const [guild] = manifest.guilds;
        const entry = scope === GUILD ? guild : guild.channels.find(({id}) => id === scope);
        const index = JSON.parse(await readFile(join(copy, pathOf("indexes", entry.index.hash, "json")), "utf8"));
        const [part] = index.tables[table];
        const rows = decode(await readFile(join(copy, pathOf("blobs", part.blob, "msgpack"))));
        const parts = {manifest, guild, entry, index, part, rows, encode};
        change(parts);
        part.blob = await write("blobs", parts.encode(rows), "msgpack");
        part.bytes = rows.reduce((sum, row) => sum + encode(row).length, 0);
        const indexBytes = json(index);
        entry.index = {hash: await write("indexes", indexBytes, "json"), bytes: indexBytes.length};
        await writeFile(join(copy, "manifest.json"), json(manifest));
      },
      expected,
      byVerify,
    );
  const [MESSAGES, REACTIONS, GIVEN, MEMBERS] = [[PROPS, "messages"], [PROPS, "reactions"], [PROPS, "props"], [GUILD, "members"]];

  noticesInside("two rows that changed places", MESSAGES, ({rows}) => rows.unshift(...rows.splice(1, 1)), /no\. 1 is not in order/);
  noticesInside("reactions that are out of order", REACTIONS, ({rows}) => rows.reverse(), /is not in order/);
  noticesInside("a row that is there twice", MESSAGES, ({rows}) => (rows[1] = rows[0]), /is not in order/);
  noticesInside("a row too many", MESSAGES, ({rows}) => rows.push({...rows[2], id: String(BigInt(rows[2].id) + 1n)}), /has 4 rows, not 3/);
  noticesInside("counts that do not add up", MESSAGES, ({guild}) => (guild.rows.messages += 1), /guild \d+: has not as many rows/);
  noticesInside("a row of another period", MESSAGES, ({rows}) => (rows[0].id = "1"), /is not of 2025/);
  noticesInside("a row of another channel", MESSAGES, ({rows}) => (rows[0].channel_id = GENERAL), /is of another channel/);
  noticesInside("a row of another guild", MEMBERS, ({rows}) => (rows[0].guild_id = PROPS), /is of another guild/);
  noticesInside("periods that are smaller than need be", [THREAD, "messages"], ({part}) => (part.period = "2025-11"), /should in 2025/);
  noticesInside(
    "a partition that is too large",
    [THREAD, "messages"],
    ({part, rows, entry, guild}) => {
      const copyOf = (id) => ({...rows[0], id, content: "x".repeat(600_000)});
      rows.push(copyOf(String(BigInt(rows[0].id) + 1n)), copyOf(String(BigInt(rows[0].id) + 2n)));
      for (const counts of [entry.rows, guild.rows]) counts.messages += 2;
      part.rows += 2;
    },
    /should in 2025-\d\d-\d\dT\d\d:\d\d:\d\d/,
  );
  noticesInside("an id of more than 64 bits", GIVEN, ({rows}) => (rows[0].giver_id = String(1n << 64n)), /\.giver_id is no id/);
  noticesInside("a time with a fraction", REACTIONS, ({rows}) => (rows[0].added_at = 1.5), /\.added_at is no time/);
  noticesInside("a text where there is a list", MEMBERS, ({rows}) => (rows[0].roles = ""), /\.roles is no array/);
  noticesInside("a field that is missing", MESSAGES, ({rows}) => delete rows[0].channel_id, /\.channel_id is no id/);
  noticesInside("a word that is not known", MESSAGES, ({rows}) => (rows[0].author_kind = "ghost"), /\.author_kind is none of/);
  noticesInside("both kinds of emoji", REACTIONS, ({rows}) => (rows[0].emoji_id = GUILD), /not exactly one of emoji/);
  noticesInside("an array whose head is longer than need be", MEMBERS, (parts) => (parts.encode = encodeLong), /not in the shortest form/);
  noticesInside("another index's guild", MESSAGES, ({index}) => (index.guild_id = PROPS), /is not the index of/);
  noticesInside("a table of a guild in a channel", MESSAGES, ({index}) => (index.tables.roles = []), /\.roles is not known/);
  noticesInside("a channel without a row", MESSAGES, ({guild}) => guild.channels.splice(2, 1), /lists other channels/);
  noticesInside("channels that are not in order", MESSAGES, ({guild}) => guild.channels.reverse(), /channels: no\. 1 is not in order/);
  noticesInside(
    "covered intervals that overlap",
    MESSAGES,
    ({entry}) => (entry.covered = [{after: "1", to: "5"}, {after: "4", to: "9"}]),
    /not sorted and apart/,
  );
  noticesInside("a generation without one before", MESSAGES, ({manifest}) => (manifest.generation = 2), /only generation 1/);
  noticesInside("a later format", MESSAGES, ({manifest}) => (manifest.format = 2), /\.format is none of 1/);

  // `propsbot verify` lets these pass: it takes more for an id than it writes, and the documentation promises no look at what rows say.
  noticesInside("an id that is a number", REACTIONS, ({rows}) => (rows[0].user_id = 5), /\.user_id is no id/, false);
  noticesInside("an id with a leading zero", REACTIONS, ({rows}) => (rows[0].user_id = "05"), /\.user_id is no id/, false);
  noticesInside("somebody who was thanked twice", GIVEN, ({rows}) => rows[0].receiver_ids.push(rows[0].receiver_ids[0]), /has somebody twice/, false);
  noticesInside("what a deleted message said", MESSAGES, ({rows}) => (rows[2].content = "I am still here"), /is left of a deleted message/, false);

  /** Rows whose array says in four bytes how many they are. */
  function encodeLong(rows) {
    const head = Buffer.alloc(5);
    head.writeUInt8(0xdd);
    head.writeUInt32BE(rows.length, 1);
    return Buffer.concat([head, ...rows.map((row) => encode(row))]);
  }
});
