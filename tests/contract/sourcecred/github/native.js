// SourceCred's own GitHub plugin, run by SourceCred's own command line: its `load` and its `graph`.
//
// By hand: node sourcecred/github/native.js ADDRESS TOKEN FOLDER OWNER/NAME… makes FOLDER/graph.json and identities.json.

import {execFile} from "node:child_process";
import {mkdir, readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {argv} from "node:process";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {inflateSync} from "node:zlib";
import {CLI, emptyInstance, readLedger} from "../instance.js";

const LOOPBACK = fileURLToPath(new URL("../loopback.cjs", import.meta.url));
/** A load that hangs is a load that fails. It waits up to some seconds before it tries again. */
const PATIENCE_MS = 120_000;

/** An instance in `dir` whose only plugin reads these repositories of the GitHub at `address`. */
export async function githubInstance({dir, address, token, repositories, patience = PATIENCE_MS}) {
  const plugin = await emptyInstance(dir, "sourcecred/github");
  await writeFile(join(plugin, "config.json"), JSON.stringify({repositories}));
  await mkdir(join(dir, "cache/sourcecred/github"), {recursive: true});
  const env = {...process.env, GITHUB_ORIGIN: address, SOURCECRED_GITHUB_TOKEN: token};
  /** Runs a command of SourceCred, some milliseconds later; returns whether it succeeded and what it said. */
  const run = async (command, later = 0) => {
    const options = {cwd: dir, env: {...env, LATER_MS: later}, timeout: patience, maxBuffer: 1 << 28};
    const args = ["--require", LOOPBACK, CLI, command];
    const {code = 0, stdout, stderr} = await promisify(execFile)(process.execPath, args, options).catch((error) => error);
    const said = stdout + stderr;
    // It reports some failures without an exit code.
    return {ok: code === 0 && !/\bFAIL\b|\bfatal\b/.test(said), said};
  };
  const must = async (command) => {
    const {ok, said} = await run(command);
    if (!ok) throw new Error(`sourcecred ${command} failed:\n${said}`);
  };
  return {
    run,
    cache: join(dir, "cache/sourcecred/github"),
    /** Loads and draws: the weighted graph as JSON, and the ledger's accounts. */
    async graph() {
      await must("load");
      await must("graph");
      const graph = JSON.parse(inflateSync(await readFile(join(dir, "output/graphs/sourcecred/github/graph"))));
      const identities = (await readLedger(dir)).accounts().map(({identity}) => identity);
      return {graph, identities};
    },
  };
}

/** The nodes of a graph as `a/b/c`, its edges as `a/b/c` with what they connect, and which of them dangle. */
export function summary(graph) {
  const {sortedNodeAddresses, nodes, edges} = graph[1].graphJSON[1];
  const names = sortedNodeAddresses.map((address) => address.join("/"));
  const known = new Set(nodes.map(({index}) => index));
  return {
    nodes: nodes.map(({index}) => names[index]),
    edges: edges.map(({address, srcIndex, dstIndex}) => ({
      address: address.join("/"),
      src: names[srcIndex],
      dst: names[dstIndex],
      dangles: !known.has(srcIndex) || !known.has(dstIndex),
    })),
  };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [address, token, dir, ...repositories] = argv.slice(2);
  const {graph, identities} = await (await githubInstance({dir, address, token, repositories})).graph();
  await writeFile(join(dir, "graph.json"), JSON.stringify(graph));
  await writeFile(join(dir, "identities.json"), JSON.stringify(identities));
}
