// Random SourceCred instances with external plugins, full of odd cases.

import {mkdir, writeFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {deflateSync} from "node:zlib";
import {dice} from "../discord/dice.js";
import {sourcecred} from "../instance.js";

const {Graph, NodeAddress, EdgeAddress} = sourcecred.core.graph;
const WEEK = 7 * 86_400_000;
/** A Sunday. */
const START = Date.UTC(2023, 0, 1);
/** Letters of ids: no two of those that SourceCred refuses side by side. */
const ID_LETTERS = "abdegjklmnopqrvwxyzABDEGJKLMNOPQRVWXYZ0123456789";
/** Parts of addresses, in an order that depends on whether one compares bytes or UTF-16 units. */
const ODD = ["é", "\u{10000}", "\u{1f389}", "\ue000", "\uffff", "~", "A", "a", ""];

/**
 * Writes the instance of this seed into `dir`. Half of all plugins have their graph only where the External plugin reads it.
 * Returns `{plugins}`.
 */
export async function writeInstance(dir, seed) {
  const d = dice(seed);
  const files = new Map();
  const weeks = 1 + d.below(d.chance(0.2) ? 30 : 8);
  const plugins = ["one", "two", "three"].slice(0, 1 + d.below(3));
  const at = () => {
    const week = START + d.below(weeks) * WEEK;
    return d.chance(0.15) ? week : week + 1 + d.below(WEEK - 1);
  };

  // Everyone has nodes in some plugins; some nodes are only ends of edges.
  const people = Array.from({length: 1 + d.below(7)}, (_, n) => ({
    name: `${d.one(["ana", "Ben", "c-3"])}-${n}`,
    nodes: plugins.flatMap((plugin) => (d.chance(0.8) ? [NodeAddress.fromParts(["external", plugin, "PERSON", String(n)])] : [])),
  }));
  const graphs = plugins.map((plugin) => randomGraph(d, plugin, people, weeks, at));
  const ledger = randomLedger(d, people, weeks);
  const accounts = sourcecred.ledger.ledger.Ledger.parse(ledger).accounts();

  files.set("sourcecred.json", json({bundledPlugins: plugins.map((plugin) => `external/${plugin}`)}));
  if (!d.chance(0.1)) files.set("data/ledger.json", ledger);
  for (const [index, plugin] of plugins.entries()) {
    const folder = `config/plugins/external/${plugin}`;
    const {graph, weights, declaration} = graphs[index];
    const text = json(sourcecred.core.weightedGraph.toJSON({graph, weights}));
    if (d.chance(0.3)) files.set(`${folder}/graph`, deflateSync(text));
    else files.set(`${folder}/graph.json`, text);
    if (declaration) files.set(`${folder}/declaration.json`, json(declaration));
    const proposals = people.flatMap((person, n) =>
      person.nodes.filter((address) => NodeAddress.toParts(address)[1] === plugin && d.chance(0.8)).map((address) => ({
        // Names that are taken, also in another case.
        name: d.chance(0.7) ? person.name : d.one(["ANA-0", "same"]),
        pluginName: plugin,
        type: d.one(["USER", "BOT"]),
        alias: {address, description: `${person.name} in ${plugin} "${d.one(ODD)}" <${n}>`},
      })),
    );
    if (proposals.length > 0) files.set(`${folder}/identityProposals.json`, json(proposals));
  }
  if (d.chance(0.5)) files.set("config/weights.json", json(randomOverrides(d, plugins, graphs)));
  if (d.chance(0.5)) {
    const budgeted = d.some(plugins, 0.7);
    const periods = () => times(d, weeks).map((startTime) => ({startTime, budget: d.one([0, 0.5, 3, 10, 1000])}));
    const budgets = Object.fromEntries(budgeted.map((plugin) => [`external/${plugin}`, periods()]));
    files.set("config/pluginBudgets.json", json({intervalLength: "WEEKLY", plugins: budgets}));
  }
  if (d.chance(0.5)) {
    const known = accounts.map(({identity}) => ({name: identity.name, ...(d.chance(0.5) && {id: identity.id})}));
    const wanted = [...(files.has("data/ledger.json") ? d.some(known, 0.3) : []), ...d.some([{name: "SourceCred"}, {name: "dep-2"}], 0.5)];
    const dependencies = wanted.map((wish) => ({
      ...wish,
      // The share of the first week would fail.
      periods: d.chance(0.9) ? times(d, weeks, d.chance(0.9) ? 1 : 0).map((startTime) => ({startTime, weight: d.one([0, 0.05, 0.3])})) : [],
      ...(d.chance(0.3) && {autoActivateOnIdentityCreation: d.chance(0.5)}),
      ...(d.chance(0.3) && {autoInjectStartingPeriodWeight: 0.05}),
    }));
    files.set("config/dependencies.json", json(dependencies));
  }
  if (d.chance(0.5) && files.has("data/ledger.json") && accounts.length > 0) {
    const attributions = d.some(accounts, 0.4).map(({identity}) => ({
      fromParticipantName: identity.name,
      ...(d.chance(0.5) && {fromParticipantId: identity.id}),
      recipients: d.some(accounts, 0.4).map((to) => ({
        toParticipantName: to.identity.name,
        ...(d.chance(0.5) && {toParticipantId: to.identity.id}),
        proportions: times(d, weeks).map((startDate) => ({startDate, decimalProportion: d.one([0, 0.1, 0.125, 0.2])})),
      })),
    }));
    files.set("config/personalAttributions.json", json(attributions));
  }

  for (const folder of ["data", "output", "config"]) await mkdir(join(dir, folder), {recursive: true});
  for (const [file, text] of files) {
    await mkdir(dirname(join(dir, file)), {recursive: true});
    await writeFile(join(dir, file), text);
  }
  return {plugins};
}

const json = (value) => JSON.stringify(value);

function randomGraph(d, plugin, people, weeks, at) {
  const graph = new Graph();
  const weights = sourcecred.core.weights.empty();
  const node = (...parts) => NodeAddress.fromParts(["external", plugin, ...parts]);
  const edge = (...parts) => EdgeAddress.fromParts(["external", plugin, ...parts]);
  const addresses = [];
  const types = ["POST", "LIKE"];
  for (let n = 0; n < 3 + d.below(25); n++) {
    const address = node(d.one(types), ...(d.chance(0.3) ? [d.one(ODD)] : []), String(n));
    addresses.push(address);
    graph.addNode({address, description: `[${n} ${d.one(ODD)}](https://a.example/${n})`, timestampMs: d.chance(0.1) ? null : at()});
    if (d.chance(0.2)) weights.nodeWeights.set(address, d.one([0, 0.3, 2, 7, 1e-9]));
  }
  // Without something earlier than what concerns people, an edge at the start of the first week would fail.
  const early = node("POST", "early");
  if (d.chance(0.9)) graph.addNode({address: early, description: "early", timestampMs: START - 1 - d.below(WEEK)});
  for (const person of people) {
    for (const address of person.nodes) {
      if (NodeAddress.toParts(address)[1] !== plugin) continue;
      addresses.push(address);
      if (d.chance(0.8)) graph.addNode({address, description: person.name, timestampMs: null});
    }
  }
  addresses.push(node("GONE", "1"));
  const everybody = people.flatMap((person) => person.nodes);
  for (let n = 0; n < d.below(70); n++) {
    const address = edge(d.one(["MADE", "SAW"]), ...(d.chance(0.3) ? [d.one(ODD)] : []), String(n));
    const ends = [d.one(addresses), d.chance(0.5) && everybody.length > 0 ? d.one(everybody) : d.one(addresses)];
    const [src, dst] = d.chance(0.5) ? ends : ends.toReversed();
    graph.addEdge({address, src, dst, timestampMs: at()});
    if (d.chance(0.1)) weights.edgeWeights.set(address, {forwards: d.one([0, 0.1, 3]), backwards: d.one([0, 0.7, 2])});
  }
  if (weeks > 3 && d.chance(0.3)) graph.addNode({address: node("POST", "late"), description: "late", timestampMs: START + (weeks + 5) * WEEK});
  return {graph, weights, declaration: d.chance(0.8) ? randomDeclaration(d, plugin, types) : null};
}

function randomDeclaration(d, plugin, types) {
  const nodeType = (name, defaultWeight) => ({
    name,
    pluralName: name,
    prefix: NodeAddress.fromParts(["external", plugin, name]),
    defaultWeight,
    description: name,
  });
  const edgeType = (name) => ({
    forwardName: name,
    backwardName: name,
    prefix: EdgeAddress.fromParts(["external", plugin, name]),
    defaultWeight: {forwards: d.one([0, 0.25, 1, 19]), backwards: d.one([0, 1 / 16, 1])},
    description: name,
  });
  const person = nodeType("PERSON", d.one([0, 0, 1]));
  return {
    name: plugin,
    nodePrefix: NodeAddress.fromParts(["external", plugin]),
    edgePrefix: EdgeAddress.fromParts(["external", plugin]),
    nodeTypes: [person, ...types.map((type) => nodeType(type, d.one([0.1, 1, 4])))],
    edgeTypes: [edgeType("MADE"), edgeType("SAW")],
    userTypes: [person],
    keys: {operatorKeys: [], weightKeys: [], shareKeys: []},
  };
}

function randomOverrides(d, plugins, graphs) {
  const weights = sourcecred.core.weights.empty();
  const some = [...graphs].flatMap(({graph}) => [...graph.nodes()].map((node) => node.address));
  for (const address of d.some(some, 0.05)) weights.nodeWeights.set(address, d.one([0, 0.5, 3.3]));
  if (d.chance(0.5)) weights.nodeWeights.set(NodeAddress.fromParts(["external", d.one(plugins)]), d.one([0.5, 0.9]));
  if (d.chance(0.3)) weights.nodeWeights.set(NodeAddress.empty, 1.1);
  if (d.chance(0.3)) weights.nodeWeights.set(NodeAddress.fromParts(["sourcecred", "core"]), 2);
  if (d.chance(0.5)) weights.edgeWeights.set(EdgeAddress.fromParts(["external", d.one(plugins), "MADE"]), {forwards: 2, backwards: d.one([0, -1, 0.3])});
  return sourcecred.core.weights.toJSON(weights);
}

/** Dates in order, the first at the earliest `least` weeks after the start. */
function times(d, weeks, least = 0) {
  const days = Array.from({length: 1 + d.below(3)}, () => d.below(weeks * 7 + 7) - 7).toSorted((a, b) => a - b);
  return days.map((day) => {
    const iso = new Date(START + (Math.max(day, least * 7 + 1)) * 86_400_000).toISOString();
    return d.chance(0.5) ? iso : iso.slice(0, 10);
  });
}

/** A ledger in which accounts are created, renamed, merged and paid. */
function randomLedger(d, people, weeks) {
  const lines = [];
  let now = START;
  const id = () => Array.from({length: 21}, () => d.one([...ID_LETTERS])).join("") + d.one(["A", "Q", "g", "w"]);
  const event = (action) => lines.push(json({action, ledgerTimestamp: (now += 1 + d.below(1000)), uuid: id(), version: "1"}));
  const known = d.some(people, 0.7).map((person) => ({...person, id: id(), active: false, balance: 0n}));
  const create = (account) => {
    const address = NodeAddress.append(sourcecred.ledger.identity.IDENTITY_PREFIX, account.id);
    event({type: "CREATE_IDENTITY", identity: {id: account.id, name: account.name, subtype: "USER", address, aliases: []}});
  };
  const activate = (account) => {
    event({type: "TOGGLE_ACTIVATION", identityId: account.id});
    account.active = !account.active;
  };
  for (const account of known) {
    create(account);
    for (const address of d.some(account.nodes, 0.8)) event({type: "ADD_ALIAS", identityId: account.id, alias: {address, description: `${d.one(ODD)} [x](https://b.example)`}});
    if (d.chance(0.2)) event({type: "CHANGE_IDENTITY_TYPE", identityId: account.id, newType: d.one(["BOT", "PROJECT", "ORGANIZATION"])});
    if (d.chance(0.7)) activate(account);
  }
  if (d.chance(0.3)) {
    const idle = {id: id(), name: "idle", nodes: [], active: false, balance: 0n};
    create(idle);
    known.push(idle);
  }
  const pay = (week) => {
    const receipts = d.some(known.filter((account) => account.active), 0.7).map((account) => {
      const amount = BigInt(d.below(1e9)) * 10n ** BigInt(d.below(15));
      account.balance += amount;
      return {id: account.id, amount: String(amount)};
    });
    const policy = {policyType: "IMMEDIATE", budget: String(receipts.reduce((sum, {amount}) => sum + BigInt(amount), 0n)), numIntervalsLookback: 1};
    event({type: "DISTRIBUTE_GRAIN", distribution: {id: id(), credTimestamp: START + week * WEEK + d.below(2) * d.below(WEEK), allocations: [{id: id(), policy, receipts}]}});
  };
  const paid = Array.from({length: d.below(4)}, () => d.below(weeks + 6) - 3).toSorted((a, b) => a - b);
  for (const week of new Set(paid)) pay(week);
  const [from, to] = [d.one(known.filter((account) => account.active && account.balance > 3n)), d.one(known.filter((account) => account.active))];
  if (from && to && d.chance(0.5)) event({type: "TRANSFER_GRAIN", from: from.id, to: to.id, amount: "3", memo: null});
  while (known.length > 1 && d.chance(0.3)) {
    const [target] = known.splice(d.below(known.length), 1);
    const base = d.one(known);
    event({type: "MERGE_IDENTITIES", base: base.id, target: target.id});
    // Events may name an account by the id of one that was merged into it.
    if (d.chance(0.3)) event({type: "RENAME_IDENTITY", identityId: d.one([base.id, target.id]), newName: `renamed-${lines.length}`});
    if (d.chance(0.3)) create({...target, id: id()});
  }
  return lines.length > 0 && d.chance(0.1) ? `[\n${lines.join(",\n")}\n]` : lines.join("\n") + (d.chance(0.8) ? "\n" : "");
}
