// What the real SourceCred computes on an instance, in this process.

import {sourcecred} from "../instance.js";

const {findStationaryDistribution} = sourcecred.core.algorithm.markovChain;

/** Runs what `sourcecred graph` runs, and writes as it does, but compresses nothing. */
export async function runGraph(dir) {
  return quietlyIn(dir, async () => {
    const instance = new sourcecred.instance.LocalInstance(dir);
    // What it compresses, it doesn't wait for.
    await instance.writeGraphOutput(await sourcecred.api.graph.graph(await instance.readGraphInput()), false);
  });
}

/** Runs what `sourcecred credrank` runs, and writes as it does, but compresses nothing. Returns `{steps}`. */
export async function runCredrank(dir) {
  return quietlyIn(dir, async (said) => {
    const instance = new sourcecred.instance.LocalInstance(dir);
    const output = await sourcecred.api.credrank.credrank(await instance.readCredrankInput());
    await instance.writeCredrankOutput(output, false);

    // The same chain once more, to be told of its steps.
    const {chain} = output.credGraph._mpg.toMarkovChain();
    const uniform = new Float64Array(chain.length).fill(1 / chain.length);
    const options = {verbose: true, convergenceThreshold: 1e-7, maxIterations: 255, yieldAfterMs: 1e9};
    said.length = 0;
    await findStationaryDistribution({chain, pi0: uniform, seed: uniform, alpha: 0}, options);
    return {steps: Number(/^\[(\d+)\] (?:CONVERGED|FAILED)/.exec(said.at(-1))[1])};
  });
}

/** SourceCred makes folders where the process is, and says what it does. */
async function quietlyIn(dir, run) {
  const [folder, log] = [process.cwd(), console.log];
  const said = [];
  console.log = (line) => said.push(line);
  process.chdir(dir);
  try {
    return await run(said);
  } finally {
    process.chdir(folder);
    console.log = log;
  }
}
