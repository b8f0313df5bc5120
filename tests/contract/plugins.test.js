// Several plugins in one instance of the real SourceCred: see docs/plugins.md.

import assert from "node:assert/strict";
import {chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {withArchive} from "./blackbox.js";
import {computeCred, GRAPH_FILES, readGraph, sourcecred} from "./sourcecred/instance.js";

const {NodeAddress} = sourcecred.core.graph;
const PAGE = new URL("../../docs/plugins.md", import.meta.url);

/** One, two and all plugins, in several orders. */
const RUNS = [
  ["props"],
  ["didathing"],
  ["answers"],
  ["props", "didathing"],
  ["didathing", "props"],
  ["discord", "answers"],
  ["answers", "props"],
  ["props", "didathing", "discord", "answers"],
  ["answers", "discord", "didathing", "props"],
  ["didathing", "answers", "props", "discord"],
];

describe("plugins that are drawn together", () => {
  let scratch, propsbotCred;
  const drawn = new Map();

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-plugins-"));
    propsbotCred = new Map();
    await withArchive(scratch, async ({folder, propsbot}) => {
      const rows = async (table) =>
        (await propsbot("query", "--from", `dir:${folder}`, "--table", table)).trim().split("\n").map((row) => JSON.parse(row));
      const [guild] = await rows("guilds");
      const busiest = new Map();
      for (const {channel_id: id} of await rows("reactions")) busiest.set(id, (busiest.get(id) ?? 0) + 1);
      const channels = [...busiest].toSorted(([, a], [, b]) => b - a).slice(0, 3).map(([id]) => id);
      await writeFile(join(scratch, "did.json"), JSON.stringify({didathing_channels: channels}));
      const reactionWeightConfig = {weights: {}, defaultWeight: 1, applyAveraging: false};
      await writeFile(join(scratch, "config.json"), JSON.stringify([{guildId: guild.id, reactionWeightConfig}]));
      const [, example] = /```python\n([^`]*)```/.exec(await readFile(PAGE, "utf8"));
      await writeFile(join(scratch, "answers.py"), example);
      await chmod(join(scratch, "answers.py"), 0o755);
      const options = {
        props: ["--plugin", "props"],
        didathing: ["--plugin", `didathing=${join(scratch, "did.json")}`],
        discord: ["--plugin", `discord=${join(scratch, "config.json")}`],
        answers: ["--plugin-exec", join(scratch, "answers.py")],
      };
      for (const names of RUNS) {
        const out = join(scratch, names.join("-"));
        const plugins = names.flatMap((name) => options[name]);
        await propsbot("graph", "--from", `dir:${folder}`, ...plugins, "--out", out);
        drawn.set(names, (name) => (names.length === 1 ? out : join(out, name)));
        propsbotCred.set(names, JSON.parse(await propsbot("cred", "--from", `dir:${folder}`, ...plugins, "--json")));
      }
    });
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  for (const names of RUNS) {
    it(`gives each member one participant: ${names.join(", ")}`, async () => {
      const dir = await mkdtemp(join(scratch, "instance-"));
      for (const folder of ["data", "output"]) await mkdir(join(dir, folder));
      const members = new Set();
      for (const name of names) {
        const from = drawn.get(names)(name);
        const to = join(dir, "config/plugins/external", name);
        await mkdir(to, {recursive: true});
        for (const file of GRAPH_FILES) await cp(join(from, file), join(to, file));
        const {proposals, weighted} = await readGraph(from);
        for (const {alias} of proposals) members.add(alias.address);
        assert.ok([...weighted.graph.nodes()].length > 10, `${name} draws next to nothing`);
      }
      await writeFile(join(dir, "sourcecred.json"), JSON.stringify({bundledPlugins: names.map((name) => `external/${name}`)}));
      const participants = await computeCred(dir);
      const aliases = participants.flatMap((participant) => participant.aliases);
      assert.equal(participants.length, members.size);
      assert.deepEqual(aliases.toSorted(), [...members].toSorted());

      const ours = new Map(propsbotCred.get(names).participants.map(({aliases: [alias], cred}) => [alias.join("/"), cred]));
      const theirs = new Map(participants.map(({aliases: [alias], cred}) => [NodeAddress.toParts(alias).join("/"), cred]));
      assert.deepEqual([...ours.keys()].toSorted(), [...theirs.keys()].toSorted());
      // SourceCred draws the ids of accounts, so it adds numbers in another order: the last digits differ.
      for (const [alias, cred] of ours) assert.ok(Math.abs(cred - theirs.get(alias)) <= 1e-9 * (1 + cred), alias);
      assert.ok([...ours.values()].some((cred) => cred > 1));
    });
  }

  it("draws the same in any order", async () => {
    const [first, ...others] = RUNS.filter((names) => names.length === 4);
    for (const names of others) {
      for (const name of names) {
        for (const file of GRAPH_FILES) {
          const [one, next] = await Promise.all([first, names].map((run) => readFile(join(drawn.get(run)(name), file), "utf8")));
          assert.equal(next, one, `${name}/${file}`);
        }
      }
    }
  });

  it("leaves the discord plugin as SourceCred's own one is", async () => {
    const [first] = RUNS.filter((names) => names.length === 4);
    const pair = RUNS.find((names) => names.includes("discord") && names.length === 2);
    for (const file of GRAPH_FILES) {
      const [one, next] = await Promise.all([first, pair].map((run) => readFile(join(drawn.get(run)("discord"), file), "utf8")));
      assert.equal(next, one, file);
    }
  });
});
