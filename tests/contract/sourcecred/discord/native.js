// SourceCred's own Discord plugin, run as SourceCred runs it: its `load`, its `graph`, its identities.

import assert from "node:assert/strict";
import {mkdir, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {redirectedFetch} from "../loopback.cjs";
import {sourcecred} from "../instance.js";

const {DiscordPlugin} = sourcecred.plugins.discord;
const silent = {start: () => {}, finish: () => {}};
const rd = {addressFromUrl: () => undefined};

/** What the plugin makes of the Discord at `address`, counting by `config`, from nothing: `{weighted, proposals}`. */
export async function nativeGraph({dir, address, token, config}) {
  const [configDir, cacheDir] = [join(dir, "config"), join(dir, "cache")];
  for (const folder of [configDir, cacheDir]) await mkdir(folder, {recursive: true});
  await writeFile(join(configDir, "config.json"), JSON.stringify(config));
  const context = {configDirectory: () => configDir, cacheDirectory: () => cacheDir};
  Object.assign(process.env, {DISCORD_ORIGIN: new URL(address).origin, SOURCECRED_DISCORD_TOKEN: token});

  const plugin = new DiscordPlugin();
  // It only warns when a channel's load fails, and goes on with less.
  const warned = [];
  const {warn} = console;
  console.warn = (...said) => warned.push(said.join(" "));
  // The published library wraps `node-fetch` wrongly: it asks an object, which is no function, for `call`.
  Object.defineProperty(Object.prototype, "call", {
    configurable: true,
    value: (_, address, options) => redirectedFetch(address, options),
  });
  try {
    await plugin.load(context, silent);
  } finally {
    delete Object.prototype.call;
    console.warn = warn;
  }
  assert.deepEqual(warned.filter((said) => !/private channel/.test(said)), [], "the plugin could not load everything");
  return {weighted: await plugin.graph(context, rd), proposals: await plugin.identities(context)};
}

/** What SourceCred's External plugin makes of a folder that `readGraph` read. */
export function externalGraph({weighted, declaration, proposals}) {
  const declared = sourcecred.core.weights.empty();
  for (const {prefix, defaultWeight} of declaration.nodeTypes) declared.nodeWeights.set(prefix, defaultWeight);
  for (const {prefix, defaultWeight} of declaration.edgeTypes) declared.edgeWeights.set(prefix, defaultWeight);
  const weights = sourcecred.core.weights.merge([weighted.weights, declared]);
  return {weighted: {graph: weighted.graph, weights}, proposals};
}

/** Fails unless both are the same to the last bit: nodes, edges, dangling ones, weights, proposals and their order. */
export function assertSame(ours, native) {
  const {graphJSON, weightsJSON} = json(ours.weighted);
  const expected = json(native.weighted);
  const nodes = ({sortedNodeAddresses, nodes}) =>
    nodes.map(({index, ...node}) => ({address: sortedNodeAddresses[index].join("/"), ...node}));
  assert.deepEqual(nodes(graphJSON), nodes(expected.graphJSON));
  assert.deepEqual(graphJSON, expected.graphJSON);
  assert.deepEqual(weightsJSON, expected.weightsJSON);
  assert.deepEqual(ours.proposals, native.proposals);
}

function json(weighted) {
  const {graphJSON, weightsJSON} = sourcecred.core.weightedGraph.toJSON(weighted)[1];
  return {graphJSON: graphJSON[1], weightsJSON: weightsJSON[1]};
}
