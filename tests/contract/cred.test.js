// The real SourceCred against `propsbot cred`: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {promisify} from "node:util";
import {deflateSync, inflateSync} from "node:zlib";
import {PROPSBOT, withArchive} from "./blackbox.js";
import {runCredrank, runGraph} from "./sourcecred/cred/real.js";
import {addUp} from "./sourcecred/cred/why.js";
import {writeInstance} from "./sourcecred/cred/world.js";
import {CLI, createInstance, sourcecred as api} from "./sourcecred/instance.js";

const {NodeAddress} = api.core.graph;

const FILES = ["credGrainView", "credGraph"];
const SEEDS = Array.from({length: Number(process.env.CRED_INSTANCES) || 240}, (_, index) => Number(process.env.CRED_SEED || 1) + index);
/** How many of them at least must have cred. */
const SOUND = 200 / 240;

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-cred-"))));
after(() => rm(scratch, {recursive: true, force: true}));

/** The text of a file that propsbot wrote. */
const written = async (out, file) => inflateSync(await readFile(join(out, file))).toString("utf8");

const propsbot = async (...args) => (await promisify(execFile)(PROPSBOT, ["cred", ...args], {cwd: scratch, env: {PATH: process.env.PATH}, maxBuffer: 1 << 28})).stdout;

async function cred(dir, out) {
  return JSON.parse(await propsbot("--instance", dir, "--out", out, "--json"));
}

describe("cred of random instances", () => {
  const wrong = [];
  let sound = 0;

  it("is SourceCred's, byte by byte and step by step", async () => {
    for (const seed of SEEDS) {
      const dir = join(scratch, String(seed));
      try {
        if (await compare(dir, seed)) sound++;
      } catch (error) {
        wrong.push(`seed ${seed}: ${error.message}`);
      }
      await rm(dir, {recursive: true, force: true});
    }
    assert.deepEqual(wrong, []);
  });

  it("is computed for most of them", () => assert.ok(sound >= SEEDS.length * SOUND, `only ${sound} of ${SEEDS.length} have cred`));
});

/** Compares one instance; returns whether it has cred. Where SourceCred fails, propsbot must too. */
async function compare(dir, seed) {
  const {plugins} = await writeInstance(dir, seed);
  const out = join(dir, "..", `${seed}-out`);
  const ours = await cred(dir, out).catch((error) => error);
  if (ours instanceof Error) {
    const real = await realCred(dir).catch((error) => error);
    assert.ok(real instanceof Error, `SourceCred computes cred, but propsbot says: ${ours.stderr}`);
    assert.match(ours.stderr, /^propsbot: could not compute cred: /);
    return false;
  }
  const texts = await Promise.all(FILES.map((file) => written(out, file)));

  // With what SourceCred would have written, it writes nothing more, and computes the same.
  const patch = await propsbot("--instance", dir, "--patch");
  if (patch !== "") {
    await writeFile(join(dir, "patch"), patch);
    await promisify(execFile)("git", ["apply", "-p1", "patch"], {cwd: dir});
  }
  const ledger = () => readFile(join(dir, "data/ledger.json"), "utf8").catch(() => "");
  const events = (text) => text.split("\n").map((line) => line.replace(/,$/, "")).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const patched = events(await ledger());
  const {steps} = await realCred(dir);
  assert.deepEqual(events(await ledger()), patched, "SourceCred adds to the patched ledger");
  assert.equal(ours.steps, steps, "the number of steps");
  for (const [index, file] of FILES.entries()) assert.equal(texts[index], await readFile(join(dir, `output/${file}.json`), "utf8"), file);

  // And once more from the graphs that SourceCred stored, some of them compressed.
  for (const plugin of plugins.slice(seed % 2)) {
    const stored = join(dir, "output/graphs/external", plugin, "graph");
    await writeFile(stored, deflateSync(await readFile(`${stored}.json`)));
    await rm(`${stored}.json`);
  }
  await cred(dir, out);
  for (const [index, file] of FILES.entries()) assert.equal(await written(out, file), texts[index], `${file}, from stored graphs`);
  await rm(out, {recursive: true, force: true});
  return true;
}

describe("an instance that goes on with what propsbot wrote", () => {
  let ours, real;
  before(async () => {
    // One whose accounts can be paid.
    for (let seed = 1; ; seed++) {
      [ours, real] = await Promise.all(["ours", "real"].map((name) => mkdtemp(join(scratch, `${name}-`))));
      for (const dir of [ours, real]) await writeInstance(dir, seed);
      const {participants} = await cred(ours, join(ours, "output"));
      const patch = await propsbot("--instance", ours, "--patch");
      if (patch === "" && participants.filter(({active, cred}) => active && cred > 1).length > 1) break;
    }
    for (const command of ["graph", "credrank"]) await sourcecred(real, command);
    const policies = [{policyType: "BALANCED", budget: "100", numIntervalsLookback: 0}, {policyType: "IMMEDIATE", budget: "10", numIntervalsLookback: 1}];
    for (const dir of [ours, real]) {
      await writeFile(join(dir, "config/grain.json"), JSON.stringify({allocationPolicies: policies, maxSimultaneousDistributions: 3}));
    }
  });

  it("is paid the same grain", async () => {
    const paid = await sourcecred(ours, "grain", "--simulation");
    assert.match(paid, /Distributed [1-9]/);
    assert.equal(paid, await sourcecred(real, "grain", "--simulation"));
  });

  it("has the same pages", async () => {
    for (const dir of [ours, real]) await sourcecred(dir, "site");
    // As the pages read it: with SourceCred's parsers, through the links that `site` made.
    const read = async (dir) => {
      const instance = new api.instance.LocalInstance(join(dir, "site"));
      return [(await instance.readCredGraph()).toJSON(), (await instance.readCredGrainView()).toJSON(), (await instance.readLedger()).serialize()];
    };
    assert.deepEqual(await read(ours), await read(real));
  });
});

describe("the cred of a community's archive", () => {
  it("is that of an instance with the graph drawn from it", async () => {
    const dir = await mkdtemp(join(scratch, "archive-"));
    await withArchive(dir, async ({folder, propsbot}) => {
      const from = ["--from", `dir:${folder}`];
      const out = join(dir, "out");
      const report = JSON.parse(await propsbot("cred", ...from, "--out", out, "--json"));
      const ledger = (await propsbot("cred", ...from, "--patch")).split("\n").filter((line) => line.startsWith("+{")).map((line) => line.slice(1));
      await propsbot("graph", ...from, "--out", join(dir, "graph"));
      const instance = join(dir, "instance");
      await createInstance(instance, join(dir, "graph"), api.ledger.ledger.Ledger.parse(ledger.join("\n")));
      const {steps} = await realCred(instance);
      assert.equal(report.steps, steps);
      for (const file of FILES) assert.equal(await written(out, file), await readFile(join(instance, `output/${file}.json`), "utf8"), file);

      // The same with the instance's ledger, and with the instance itself around the archive.
      const again = async (...more) => {
        const other = await mkdtemp(join(dir, "other-"));
        await propsbot("cred", ...from, ...more, "--out", other);
        for (const file of FILES) assert.equal(await written(other, file), await written(out, file), `${file} with ${more[0]}`);
      };
      await again("--ledger", join(instance, "data/ledger.json"));
      await again("--instance", instance);

      await checkWhy(report, out, (member, ...more) => propsbot("cred", ...from, "--why", member, "--json", ...more));
    });
  });
});

describe("the reasons for cred", () => {
  it("add up to it, attributions included", async () => {
    let attributions = 0;
    for (let seed = 1; attributions < 20; seed++) {
      const dir = join(scratch, `why-${seed}`);
      await writeInstance(dir, seed);
      const out = join(dir, "out");
      const report = await cred(dir, out).catch(() => null);
      if (report) attributions += await checkWhy(report, out, (member, ...more) => propsbot("--instance", dir, "--why", member, "--json", ...more));
    }
  });
});

/** Checks the reasons for everyone's cred; returns how many attributions there are among them. */
async function checkWhy(report, out, why) {
  const told = addUp(JSON.parse(await written(out, "credGraph")));
  let attributions = 0;
  for (const {id, name, cred, top} of report.participants) {
    const reasons = JSON.parse(await why(name));
    assert.deepEqual(reasons.contributions.slice(0, top.length), top);
    const {flows, passed, all} = told.get(id);
    const byAddress = new Map(reasons.contributions.map((one) => [NodeAddress.fromParts(one.address), one.cred]));
    const byGiver = new Map(reasons.attributions.map((one) => [one.id, one.cred]));
    attributions += byGiver.size;
    const sum = (numbers) => [...numbers].reduce((a, b) => a + b, 0);
    const shares = sum(byAddress.values()) + reasons.other_contributions.cred + sum(byGiver.values());
    close(shares + reasons.rest, cred, 1e-6, `the reasons of ${name} don't add up`);
    assert.equal(byAddress.size, Math.min(10, flows.size));
    assert.equal(reasons.other_contributions.count, flows.size - byAddress.size);
    assert.equal(byGiver.size, passed.size);
    const least = Math.min(...byAddress.values());
    for (const [flowing, brought] of [[flows, byAddress], [passed, byGiver]]) {
      for (const [from, flow] of flowing) {
        // All such flows, and what the early stop left.
        const share = all > 0 ? (flow / all) * (cred - reasons.rest) : 0;
        if (brought.has(from)) close(brought.get(from), share, 1e-9, `what ${from} brought ${name}`);
        else assert.ok(share <= least + 1e-9, `${from} is missing from the ten largest`);
      }
    }
  }
  return attributions;
}

function close(actual, expected, within, what) {
  assert.ok(Math.abs(actual - expected) <= within * Math.max(1, Math.abs(expected)), `${what}: ${actual}, not ${expected}`);
}

async function sourcecred(dir, ...command) {
  return (await promisify(execFile)(process.execPath, [CLI, ...command], {cwd: dir})).stdout;
}

async function realCred(dir) {
  await runGraph(dir);
  return runCredrank(dir);
}
