// The example instance, connected in each of the ways that docs/sourcecred.md describes.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {cp, mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {createServer} from "node:http";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {validateWorkflow} from "@action-validator/core";
import {parse} from "yaml";
import {PROPSBOT, withArchive} from "./blackbox.js";
import {checkCredFollowsProps, checkGraphFolder, isMember, mintedIn, propsReceived} from "./sourcecred/check.js";
import {computeCred, GRAPH_FILES, readCred, readGraph, runStep} from "./sourcecred/instance.js";

// The one that SourceCred brings.
const {Parser} = createRequire(createRequire(import.meta.url).resolve("sourcecred"))("commonmark");

const docs = (path) => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url));
const EXAMPLE = docs("sourcecred-instance");
const WEIGHTS = join(EXAMPLE, "weights.json");
const WORKFLOWS = fileURLToPath(new URL("../../.github/workflows", import.meta.url));
const WORKFLOW = join(EXAMPLE, ".github/workflows/cred.yml");
const PLUGIN = "config/plugins/external/props";

describe("the example instance", () => {
  let scratch, archive, plain, drawn, difference, byFile;
  const instance = async () => {
    const dir = await mkdtemp(join(scratch, "instance-"));
    await cp(EXAMPLE, dir, {recursive: true});
    return dir;
  };

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-instance-"));
    await withArchive(scratch, async ({folder, propsbot}) => {
      archive = folder;
      drawn = join(scratch, "graph");
      const from = ["graph", "--from", `dir:${folder}`];
      await propsbot(...from, "--out", drawn, "--weights", WEIGHTS);
      plain = join(scratch, "plain");
      await propsbot(...from, "--out", plain);
      const weights = join(scratch, "other.json");
      await writeFile(weights, JSON.stringify({props: 2, emojis: {"🎉": 3, "👍": 0}}));
      difference = await propsbot(...from, "--out", join(scratch, "other"), "--weights", weights, "--diff", drawn, "--json");
    });
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  it("installs SourceCred as these tests do", async () => {
    const [ours, example] = await Promise.all(
      [fileURLToPath(new URL("package.json", import.meta.url)), join(EXAMPLE, "package.json")].map(async (path) =>
        JSON.parse(await readFile(path, "utf8")),
      ),
    );
    assert.equal(example.dependencies.sourcecred, ours.dependencies.sourcecred);
    assert.deepEqual(example.overrides, ours.overrides);
  });

  it("has a workflow that GitHub takes", async () => {
    const workflow = await readFile(WORKFLOW, "utf8");
    assert.deepEqual(validateWorkflow(workflow).errors, []);
    const broken = workflow.replace("runs-on:", "run-on:");
    assert.notDeepEqual(validateWorkflow(broken).errors, [], "the validator lets everything pass");
  });

  it("names actions by commit, as the repository's own workflows do", async () => {
    const own = (await readdir(WORKFLOWS)).map((name) => join(WORKFLOWS, name));
    assert.ok(own.length > 1);
    for (const path of [WORKFLOW, ...own]) {
      const used = [...(await readFile(path, "utf8")).matchAll(/uses: (.*)/g)].map(([, action]) => action);
      assert.ok(used.length > 0);
      // A tag can be moved to other code, a commit's hash can't.
      for (const action of used) assert.match(action, /^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, path);
    }
  });

  it("has a lock file that fits its package", async () => {
    const [{packages}, {dependencies}] = await Promise.all(
      ["package-lock.json", "package.json"].map(async (name) => JSON.parse(await readFile(join(EXAMPLE, name), "utf8"))),
    );
    assert.deepEqual(packages[""].dependencies, dependencies);
    for (const name of ["sourcecred", "better-sqlite3", "ethereumjs-abi"]) assert.ok(packages[`node_modules/${name}`].integrity);
  });

  it("has weights that change nothing", async () => {
    for (const file of GRAPH_FILES) {
      const [weighted, unweighted] = await Promise.all([drawn, plain].map((folder) => readFile(join(folder, file), "utf8")));
      assert.equal(weighted, unweighted, `${file} differs`);
    }
  });

  it("computes cred from files", async () => {
    const dir = await instance();
    for (const file of GRAPH_FILES) await cp(join(drawn, file), join(dir, PLUGIN, file));
    const graph = await checkGraphFolder(drawn);
    byFile = await cred(dir);
    checkCredFollowsProps(propsReceived(graph), byFile);
  });

  it("describes everything in Markdown that leads to Discord, if anywhere", async () => {
    const {weighted} = await readGraph(drawn);
    let links = 0;
    for (const {address, description} of weighted.graph.nodes()) {
      const found = linksIn(description);
      assert.equal(found.length, isMember(address) ? 0 : 1, description);
      for (const link of found) assert.match(link, /^https:\/\/discord\.com\/channels\/\d+\/\d+\/\d+$/, description);
      links += found.length;
    }
    assert.ok(links > 10, "too little was described to say anything");
    assert.throws(() => linksIn("by <b>Ann</b>"), /html_inline/, "the check lets HTML pass");
  });

  it("is told what other weights mint, and for whom, as SourceCred mints it", async () => {
    const other = join(scratch, "other");
    const told = JSON.parse(difference);
    await checkGraphFolder(other);
    const [before, now] = await Promise.all([drawn, other].map(async (dir) => mintedIn(await readGraph(dir))));
    assert.ok(Math.abs(told.minted.before - before) < 1e-6 && Math.abs(told.minted.now - now) < 1e-6, "other totals");
    assert.ok(before !== now, "the weights change nothing");
    // Every node leads to a member here: what is minted more for members is all that is minted more.
    const more = told.members.reduce((sum, member) => sum + member.now - member.before, 0);
    assert.ok(Math.abs(more - (now - before)) < 1e-3, `${more}, not ${now - before}`);
  });

  it("finds the same files beside the archive", async () => {
    for (const file of GRAPH_FILES) {
      const [beside, own] = [join(archive, "sourcecred/props", file), join(drawn, file)];
      assert.ok((await readFile(beside)).equals(await readFile(own)), `${file} differs`);
    }
  });

  it("computes the same cred by their addresses", async () => {
    const asked = [];
    await serving(archive, asked, async (address) => {
      const dir = await instance();
      const config = await documentedConfig();
      for (const [key, url] of Object.entries(config)) config[key] = address + url.slice(url.indexOf("/sourcecred/"));
      await writeFile(join(dir, PLUGIN, "config.json"), JSON.stringify(config));
      assert.deepEqual(await cred(dir), byFile);
    });
    assert.deepEqual([...new Set(asked)].toSorted(), GRAPH_FILES.map((file) => `/sourcecred/props/${file}`).toSorted());
  });

  it("computes the same cred in the workflow's steps, the first time and the next", async () => {
    const dir = await instance();
    await cp(archive, join(dir, "archive"), {recursive: true});
    const git = (args, env = {}) =>
      promisify(execFile)("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {cwd: dir, env: {...process.env, ...env}});
    await git(["init", "-q"]);
    await git(["-C", "archive", "init", "-q"]);
    await git(["-C", "archive", "add", "--all"]);
    await git(["-C", "archive", "commit", "-q", "-m", "Export"]);
    const {steps} = parse(await readFile(WORKFLOW, "utf8")).jobs.cred;
    const script = (name) => steps.find((step) => step.name === name).run;
    const keep = script("Keep the ledger").replace(/git push\n$/, "");
    assert.notEqual(keep, script("Keep the ledger"));
    for (const run of ["first", "next"]) {
      if (run === "next") {
        const date = new Date(Date.now() - 2 * 86_400_000).toISOString();
        await git(["-C", "archive", "commit", "-q", "--amend", "--no-edit"], {GIT_COMMITTER_DATE: date});
      }
      await runStep(dir, script("Draw the graph"), PROPSBOT);
      await runStep(dir, script("Tell what changed since yesterday"), PROPSBOT);
      await runStep(dir, script("Compute cred"), PROPSBOT);
      await runStep(dir, keep, PROPSBOT);
      assert.deepEqual(byMember(await readCred(dir)), byFile);
    }
    assert.match(await readFile(join(dir, "summary.md"), "utf8"), /nodes: 0 appeared, 0 vanished, 0 changed/);
    // Members' words stay in the archive.
    const {stdout: kept} = await git(["ls-tree", "-r", "--name-only", "HEAD"]);
    assert.deepEqual(kept.trim().split("\n"), ["data/.gitkeep", "data/ledger.json"]);
    const {stdout: others} = await git(["add", "--all", "--dry-run"]);
    assert.doesNotMatch(others, /graph\.json|identityProposals|archive\/|before\//);
  });

  async function cred(dir) {
    return byMember(await computeCred(dir));
  }
});

const byMember = (participants) =>
  new Map(
    participants
      .flatMap(({aliases, cred}) => aliases.filter(isMember).map((address) => [address, cred]))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

/** The addresses that a description's links lead to. It may hold nothing else but text. */
function linksIn(description) {
  const walker = new Parser().parse(description).walker();
  const links = [];
  for (let event = walker.next(); event; event = walker.next()) {
    const {type, destination} = event.node;
    assert.ok(["document", "paragraph", "text", "link"].includes(type), `${type} in ${description}`);
    if (type === "link" && event.entering) links.push(destination);
  }
  return links;
}

/** The `config.json` that the documentation shows. */
async function documentedConfig() {
  const blocks = (await readFile(docs("sourcecred.md"), "utf8")).matchAll(/```json\n(.*?)```/gs);
  const config = [...blocks].map(([, text]) => JSON.parse(text)).filter(({graphUrl}) => graphUrl);
  assert.equal(config.length, 1, "docs/sourcecred.md does not show exactly one config.json");
  return config[0];
}

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
