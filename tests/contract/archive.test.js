// The archive, read by a reader that was written from its FORMAT.md alone: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {encode} from "@msgpack/msgpack";
import {botAt, withDiscordSimulator, withGithub} from "./blackbox.js";
import {manifestPath, readArchive, sha256} from "./archive/reader.js";
import {changeJson, changeRows, pathsOf} from "./archive/relink.js";

const run = promisify(execFile);
/** The same seed and end make the same world: first it stands still, then it goes on from there. */
const WORLD = ["--seed", "7", "--messages", "600", "--until", "2026-01-01T00:00:00Z", "--limits", "none", "--heartbeat", "2"];

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-archive-"))));
after(() => rm(scratch, {recursive: true, force: true}));

describe("an archive on GitHub", () => {
  let bot, clone, commits, folder, recording;
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
        bot = await botAt(scratch, discord, settings);
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
    const manifests = commits.map(({spaces: [{manifest}]}) => manifest);
    const hashes = await Promise.all(commits.map(async ({dir}, index) => sha256(await readFile(join(dir, manifestPath(manifests[index].space))))));
    assert.deepEqual(manifests.map(({generation}) => generation), commits.map((_, index) => index + 1));
    assert.deepEqual(manifests.map(({previous}) => previous), [null, ...hashes.slice(0, -1)]);
  });

  it("has no files in any commit but those that it needs", () => {
    for (const {inCommit, files} of commits) {
      assert.deepEqual(inCommit, [...new Set([".gitattributes", "FORMAT.md", "README.md", ...files])].toSorted());
    }
  });

  it("says what Discord said", () => {
    const pages = recording.filter(({route, status}) => route === "/channels/{channel_id}/messages" && status === 200);
    const {spaces, tables} = commits[0];
    const channels = new Set(spaces.flatMap(({parts}) => parts.map(({id}) => id)));
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

  it("has a README that tells the truth about a generation", async () => {
    /** What a README says of a server, if it is of this commit's generation. */
    const rowOf = ({spaces: [{manifest}]}) => {
      const counts = ["messages", "reactions", "props", "members"].map((table) => manifest.rows[table] ?? 0);
      const written = new Date(manifest.created_at).toISOString().slice(0, 16).replace("T", " ");
      return [`| ${manifest.name} (\`${manifest.space}\`) | ${[manifest.parts.count, ...counts].join(" | ")} | `, ` | ${written} UTC |`];
    };
    for (const [index, {dir}] of commits.entries()) {
      const lines = (await readFile(join(dir, "README.md"), "utf8")).split("\n");
      const isTrue = ([begin, end]) => lines.some((line) => line.startsWith(begin) && line.endsWith(end));
      assert.ok(commits.slice(0, index + 1).map(rowOf).some(isTrue), lines.join("\n"));
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
    const rows = commits.at(-1).tables.filter(({table}) => table === "messages").flatMap(({rows}) => rows);
    const lines = rows.map((row) => `${row.channel_id} ${row.author_id ?? "None"} ${row.content ?? "None"}`);
    assert.deepEqual((await python(script)).stdout.trimEnd().split("\n").toSorted(), lines.join("\n").split("\n").toSorted());
  });

  it("is read by the program in its FORMAT.md, which counts the thanks of the graph", async () => {
    const page = await readFile(join(clone, "FORMAT.md"), "utf8");
    const program = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code).join("\n");
    const month = new Date(Math.max(...commits.at(-1).tables.filter(({table}) => table === "props").flatMap(({rows}) => rows.map(sentAt)))).toISOString().slice(0, 7);
    const {stdout} = await run("python3", ["-c", program, clone, month], {env: ownEnvironment, maxBuffer: 1 << 26});
    const [space, ...thanks] = stdout.trimEnd().split("\n");
    const {manifest, parts} = commits.at(-1).spaces[0];
    assert.ok(space.startsWith(`${manifest.space}: generation ${manifest.generation}, ${parts.length} parts, `), space);

    const out = join(scratch, "graph");
    await bot.run("graph", "--from", `dir:${clone}`, "--out", out);
    const [, {graphJSON: [, {edges}]}] = JSON.parse(await readFile(join(out, "graph.json"), "utf8"));
    const counted = new Map();
    for (const {address: [, , kind, , giver, , , receiver], timestampMs} of edges) {
      if (kind !== "PROPS" || new Date(timestampMs).toISOString().slice(0, 7) !== month) continue;
      counted.set(`${giver} ${receiver}`, (counted.get(`${giver} ${receiver}`) ?? 0) + 1);
    }
    assert.ok(counted.size > 3, "too few thanks to say anything");
    assert.deepEqual(thanks.toSorted(), [...counted].map((entry) => entry.join(" ")).toSorted());
  });

  describe("changed in a copy", () => {
    /** The reader notices it, and so does `propsbot verify`. */
    const notices = (title, breakCopy, expected) =>
      it(`shows ${title}`, async () => {
        const copy = await mkdtemp(join(scratch, "broken-"));
        await cp(folder, copy, {recursive: true});
        await breakCopy(copy);
        const {faults} = await readArchive(copy);
        assert.match(faults.join("\n"), expected);
        await assert.rejects(bot.run("verify", "--from", `dir:${copy}`), /Command failed/, "propsbot verify lets it pass");
        await rm(copy, {recursive: true});
      });
    const noticesInRows = (title, [table, isIt], change, expected, write) =>
      notices(title, (copy) => changeRows(copy, table, isIt, change, write), expected);
    const noticesInJson = (title, [place, isIt], change, expected) => notices(title, (copy) => changeJson(copy, place, isIt, change), expected);

    notices(
      "a flipped bit",
      async (copy) => {
        const path = join(copy, (await pathsOf(copy, "rows/"))[0]);
        const bytes = await readFile(path);
        bytes[bytes.length >> 1] ^= 1;
        await writeFile(path, bytes);
      },
      /has another SHA-256|cannot be inflated|has \d+ bytes, not/,
    );
    notices("a file that is not there", async (copy) => rm(join(copy, (await pathsOf(copy, "rows/"))[0])), /is missing/);
    notices(
      "something after a file's end",
      async (copy) => {
        const path = join(copy, (await pathsOf(copy, "indexes/"))[0]);
        await writeFile(path, Buffer.concat([await readFile(path), Buffer.from("more")]));
      },
      /cannot be inflated/,
    );

    const some = (rows) => rows.length > 1;
    const [MESSAGES, REACTIONS, GIVEN, MEMBERS] = [["messages", some], ["reactions", some], ["props", () => true], ["members", some]];
    noticesInRows("two rows that changed places", MESSAGES, ({rows}) => rows.unshift(...rows.splice(1, 1)), /no\. 1 is not in order/);
    noticesInRows("reactions that are out of order", REACTIONS, ({rows}) => rows.reverse(), /is not in order/);
    noticesInRows("a row that is there twice", MESSAGES, ({rows}) => (rows[1] = rows[0]), /is not in order/);
    noticesInRows("a row too many", MESSAGES, ({rows}) => rows.push({...rows.at(-1), id: String(BigInt(rows.at(-1).id) + 1n)}), /has not as many rows/);
    noticesInRows("a row of another period", MESSAGES, ({rows}) => (rows[0].id = "1"), /is not of \d{4}/);
    noticesInRows("a row of another channel", MESSAGES, ({rows}) => (rows[0].channel_id = "1"), /is of another channel/);
    noticesInRows("a row of another guild", MEMBERS, ({rows}) => (rows[0].guild_id = "1"), /is of another guild/);
    noticesInRows("an id of more than 64 bits", GIVEN, ({rows}) => (rows[0].giver_id = String(1n << 64n)), /\.giver_id is no id/);
    noticesInRows("an id that is a number", REACTIONS, ({rows}) => (rows[0].user_id = 5), /\.user_id is no id/);
    noticesInRows("an id with a leading zero", REACTIONS, ({rows}) => (rows[0].user_id = "05"), /\.user_id is no id/);
    noticesInRows("a time with a fraction", MEMBERS, ({rows}) => (rows[0].joined_at = 1.5), /\.joined_at is no time/);
    noticesInRows("a text where there is a list", MEMBERS, ({rows}) => (rows[0].roles = ""), /\.roles is no array/);
    noticesInRows("a field that is absent", MESSAGES, ({rows}) => delete rows[0].reply_to, /\.reply_to is absent/);
    noticesInRows("fields in another order", MESSAGES, ({rows}) => (rows[0] = Object.fromEntries(Object.entries(rows[0]).reverse())), /in another order/);
    noticesInRows("a word that is not known", MESSAGES, ({rows}) => (rows[0].author_kind = "ghost"), /\.author_kind is none of/);
    noticesInRows("both kinds of emoji", REACTIONS, ({rows}) => (rows[0].emoji_id = rows[0].emoji = "7"), /not exactly one of emoji/);
    noticesInRows("somebody who was thanked twice", GIVEN, ({rows}) => rows[0].receiver_ids.push(rows[0].receiver_ids[0]), /has somebody twice/);
    const deleted = ["messages", (rows) => rows.some((row) => row.deleted_at !== null)];
    noticesInRows("what a deleted message said", deleted, ({rows}) => (rows.find((row) => row.deleted_at !== null).content = "I am still here"), /is left of a deleted message/);
    noticesInRows("something after the rows", MESSAGES, () => {}, /is no MessagePack/, (content) => Buffer.concat([encode(content), Buffer.from([0x91])]));
    noticesInRows("a head that is longer than need be", MEMBERS, () => {}, /not in the shortest form/, (content) => {
      const bytes = Buffer.from(encode(content)); // a map of two fields
      return Buffer.concat([Buffer.from([0xde, 0, bytes[0] & 15]), bytes.subarray(1)]);
    });
    noticesInRows("another space", MEMBERS, ({content}) => (content.space = "1"), /is of another space/);

    const ANY = () => true;
    const [MANIFEST, PARTS, OWN] = [["spaces/", ANY], ["parts/", Array.isArray], ["indexes/", (index) => index.part === null]];
    noticesInJson("counts that do not add up", MANIFEST, (manifest) => (manifest.rows.messages += 1), /has not as many rows/);
    noticesInJson("a generation without one before", MANIFEST, (manifest) => ([manifest.generation, manifest.previous] = [2, null]), /only generation 1/);
    noticesInJson("a later format", MANIFEST, (manifest) => (manifest.format = 3), /\.format is none of 2/);
    noticesInJson("an absent field", MANIFEST, (manifest) => delete manifest.history, /\.history is absent/);
    noticesInJson("a part that is not listed", PARTS, (lines) => lines.pop(), /parts, not \d/);
    noticesInJson("parts that are not in order", PARTS, (lines) => lines.push(...lines.splice(1, 1)), /is not in order/);
    noticesInJson("intervals that overlap", PARTS, (lines) => (lines[1].covered = [{after: 1, to: 5}, {after: 4, to: 9}]), /not sorted and apart/);
    noticesInJson("what is covered later than it was heard", MANIFEST, (manifest) => (manifest.covered_to = manifest.created_at + 1), /covers what was after/);
    noticesInJson("the index of something else", OWN, (index) => (index.part = "1"), /is not the index of/);
    noticesInJson("a table of channels in a guild's index", OWN, (index) => (index.tables.messages = index.tables.guilds), /messages are not kept there/);
    const isSplit = ({space, tables: {guilds: [entry]}}) => (entry.period = new Date(sentAt({id: space})).toISOString().slice(0, 7));
    noticesInJson("a year that is split without need", OWN, isSplit, /and should in \d{4}$/m);
  });
});

describe("an archive from before a server's own tables had periods of more than a year", () => {
  it("is as the documentation says", async () => {
    const folder = await mkdtemp(join(scratch, "years-"));
    await run("tar", ["-xzf", fileURLToPath(new URL("../fixtures/archive-2/years.tar.gz", import.meta.url)), "-C", folder]);
    const {faults, tables} = await readArchive(folder);
    assert.deepEqual(faults, []);
    const {channels, members, messages, reactions} = rowCounts(tables);
    assert.deepEqual([channels, members, messages, reactions], [17, 47, 585, 855]);
  });
});

/** When a row was made, by its id. */
const sentAt = ({id}) => Number((BigInt(id) >> 22n) + 1_420_070_400_000n);

/** Nothing of the caller's settings. */
const ownEnvironment = {PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1"};

function rowCounts(tables) {
  const counts = {};
  for (const {table, rows} of tables) counts[table] = (counts[table] ?? 0) + rows.length;
  return counts;
}
