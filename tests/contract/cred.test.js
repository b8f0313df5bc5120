// The real SourceCred against `propsbot cred`: see README.md.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {promisify} from "node:util";
import {deflateSync, inflateSync} from "node:zlib";
import {PROPSBOT} from "./blackbox.js";
import {runCredrank, runGraph} from "./sourcecred/cred/real.js";
import {writeInstance} from "./sourcecred/cred/world.js";

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

async function realCred(dir) {
  await runGraph(dir);
  return runCredrank(dir);
}
