// Another community's graph in an instance of the real SourceCred: see docs/plugins.md#instance.

import assert from "node:assert/strict";
import {cp, mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {createServer} from "node:http";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {inflateSync} from "node:zlib";
import {withArchive} from "./blackbox.js";
import {computeCred, createInstance, GRAPH_FILES, readGraph, sourcecred} from "./sourcecred/instance.js";

const {NodeAddress} = sourcecred.core.graph;
const BUDGET = 5;
const FILES = [...GRAPH_FILES, "pluginBudgets.json"];

describe("another instance's graph", () => {
  let scratch, ours, other, drawn, byUrl, asked, report, members, strangers;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-elsewhere-"));
    await withArchive(scratch, async ({folder, propsbot}) => {
      const from = ["--from", `dir:${folder}`];
      ours = join(scratch, "props");
      await propsbot("graph", ...from, "--out", ours);
      members = (await readGraph(ours)).proposals.map(({alias}) => alias.address).toSorted();
      // Over there, every other one of them is somebody else, who isn't a member here.
      strangers = members.filter((_, index) => index % 2);
      const elsewhere = join(scratch, "elsewhere");
      await mkdir(elsewhere);
      for (const file of GRAPH_FILES) {
        let text = await readFile(join(ours, file), "utf8");
        for (const stranger of strangers) {
          const id = NodeAddress.toParts(stranger).at(-1);
          text = text.replaceAll(`"${id}"`, `"${elsewhereId(id)}"`).replaceAll(`${id}\\u0000`, `${elsewhereId(id)}\\u0000`);
        }
        await writeFile(join(elsewhere, file), text);
      }
      other = join(scratch, "other");
      await createInstance(other, elsewhere);
      await computeCred(other);

      const draw = async (name, config) => {
        const file = join(scratch, `${name}.json`);
        await writeFile(file, JSON.stringify({name: "other", budget: BUDGET, ...config}));
        const out = join(scratch, name);
        await propsbot("graph", ...from, "--plugin", "props", "--plugin", `instance=${file}`, "--out", out);
        return out;
      };
      drawn = await draw("by-folder", {folder: "other"});
      asked = [];
      await serving(other, asked, async (address) => {
        byUrl = await draw("by-url", {url: `${address}/output`});
      });
      const plugins = ["--plugin", "props", "--plugin", `instance=${join(scratch, "by-folder.json")}`];
      report = JSON.parse(await propsbot("cred", ...from, ...plugins, "--json"));
    });
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  it("is the same by its address", async () => {
    for (const file of FILES) {
      const [one, next] = await Promise.all([drawn, byUrl].map((out) => readFile(join(out, "instance-other", file), "utf8")));
      assert.equal(next, one, file);
    }
    assert.deepEqual(asked, ["/output/credGrainView", "/sourcecred.json", "/output/graphs/external/props/graph"]);
  });

  it("mints its budget and no more, and takes nothing from members", async () => {
    const alone = await cred(["props"]);
    const limited = await cred(["props", "instance-other"], true);
    const unlimited = await cred(["props", "instance-other"], false);
    const weeks = limited.weeks.length;
    assert.equal(weeks, alone.weeks.length);
    // Cred flows to the weeks around, so that of one week may be a little more.
    const minted = total(limited) - total(alone);
    assert.ok(minted > BUDGET && minted < BUDGET * weeks + 1e-6, `${minted} more in ${weeks} weeks`);
    const more = members.map((member) => limited.of.get(member) - alone.of.get(member));
    // SourceCred stops before the numbers do.
    const stop = 1e-4 * total(alone);
    for (const own of more) assert.ok(own > -stop, `a member loses ${own}`);
    const sum = more.reduce((sum, own) => sum + own, 0);
    assert.ok(sum > 0 && sum < minted, `members get ${sum} of ${minted}`);
    // The rest goes to people over there, who have accounts.
    const others = strangers.map((stranger) => limited.of.get(elsewhereAddress(stranger)));
    const theirs = others.reduce((sum, own) => sum + own, 0);
    assert.ok(theirs > 0 && Math.abs(sum + theirs - minted) < stop, `${sum} + ${theirs}, not ${minted}`);
    assert.ok(total(unlimited) - total(alone) > 1.5 * minted, "the budget limits nothing");
    console.log(`  ${alone.of.size} members had ${total(alone).toFixed(1)} cred; the other graph adds ${minted.toFixed(2)} within ${BUDGET} a week,`);
    console.log(`  of which members get ${sum.toFixed(2)}; without a budget, it adds ${(total(unlimited) - total(alone)).toFixed(1)}`);
  });

  it("is what propsbot computes", async () => {
    const theirs = await cred(["props", "instance-other"], true);
    assert.equal(report.participants.length, theirs.of.size);
    for (const {aliases: [alias], cred: ours} of report.participants) {
      const real = theirs.of.get(NodeAddress.fromParts(alias));
      assert.ok(Math.abs(ours - real) <= 1e-6 * (1 + ours), `${alias}: ${ours}, not ${real}`);
    }
  });

  /** Each account's cred by its alias, and all cred by week, as SourceCred computes it. */
  async function cred(plugins, limited) {
    const dir = await mkdtemp(join(scratch, "instance-"));
    for (const folder of ["data", "output"]) await mkdir(join(dir, folder));
    for (const name of plugins) {
      const to = join(dir, "config/plugins/external", name);
      await mkdir(to, {recursive: true});
      const from = plugins.length === 1 ? ours : join(drawn, name);
      for (const file of GRAPH_FILES) await cp(join(from, file), join(to, file));
    }
    if (limited) await cp(join(drawn, "instance-other/pluginBudgets.json"), join(dir, "config/pluginBudgets.json"));
    await writeFile(join(dir, "sourcecred.json"), JSON.stringify({bundledPlugins: plugins.map((name) => `external/${name}`)}));
    const participants = await computeCred(dir);
    const view = JSON.parse(inflateSync(await readFile(join(dir, "output/credGrainView"))));
    const weeks = view.intervals.map((_, week) => view.participants.reduce((sum, own) => sum + own.credPerInterval[week], 0));
    return {of: new Map(participants.map(({aliases: [alias], cred}) => [alias, cred])), weeks};
  }
});

const total = ({weeks}) => weeks.reduce((sum, week) => sum + week, 0);

/** An id that none of the members has. */
const elsewhereId = (id) => `9${id}`;

const elsewhereAddress = (address) => {
  const parts = NodeAddress.toParts(address);
  return NodeAddress.fromParts([...parts.slice(0, -1), elsewhereId(parts.at(-1))]);
};

async function serving(folder, asked, use) {
  const server = createServer(async (request, response) => {
    asked.push(request.url);
    const file = await readFile(join(folder, request.url)).catch(() => undefined);
    response.writeHead(file ? 200 : 404).end(file);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
