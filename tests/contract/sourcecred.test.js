// The real SourceCred reads our graph: see README.md.

import assert from "node:assert/strict";
import {mkdtemp, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {buildGraph} from "./blackbox.js";
import {checkCredFollowsProps, checkGraphFolder, isMember, propsReceived} from "./sourcecred/check.js";
import {THANKS, writeFixture} from "./sourcecred/fixture.js";
import {readThanks} from "./sourcecred/said.js";
import {computeCred, createInstance, discordIdentity, readLedger, sourcecred} from "./sourcecred/instance.js";

const {NodeAddress} = sourcecred.core.graph;
const THANKS_BY_REACTION = NodeAddress.fromParts(["external", "props", "PROPS", "reaction"]);
const {declaration: discordDeclaration} = sourcecred.plugins.discord.declaration;

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-contract-"))));
after(() => rm(scratch, {recursive: true, force: true}));

describe("a graph written by hand", () =>
  contract(async (dir) => {
    await writeFixture(dir);
    return THANKS;
  }));
describe("the graph that propsbot builds", () => contract(async (dir) => readThanks(await buildGraph(dir))));

describe("a graph with thanks by reaction", () => {
  it("is read like any other, and gives cred to those who were thanked", async () => {
    const graphDir = await mkdtemp(join(scratch, "reactions-"));
    let graph, thanks;
    await buildGraph(graphDir, ["thanks_emoji"], async () => {
      graph = await checkGraphFolder(graphDir);
      thanks = [...graph.weighted.graph.nodes()].filter(({address}) => NodeAddress.hasPrefix(address, THANKS_BY_REACTION));
      return thanks.length >= 2;
    });
    assert.ok(thanks.length >= 2, `only ${thanks.length} reactions thank somebody`);
    const dir = await mkdtemp(join(scratch, "instance-"));
    await createInstance(dir, graphDir);
    checkCredFollowsProps(propsReceived(graph), credByMember(await computeCred(dir)));
  });
});

function contract(makeGraph) {
  let graphDir, thanks, graph, fresh;
  const instance = async (name, ledger) => {
    const dir = await mkdtemp(join(scratch, `${name}-`));
    await createInstance(dir, graphDir, ledger);
    return {dir, participants: await computeCred(dir)};
  };

  before(async () => {
    graphDir = await mkdtemp(join(scratch, "graph-"));
    thanks = await makeGraph(graphDir);
  });

  it("is what SourceCred's parsers take and its conventions ask for", async () => {
    graph = await checkGraphFolder(graphDir);
  });

  it("gives cred to those who were given props", async () => {
    fresh = await instance("fresh");
    checkCredFollowsProps(propsReceived(graph), credByMember(fresh.participants));
  });

  it("gives it to whom Discord says that they were thanked, and to no others", () => {
    const byId = (entries) => new Map(entries.map(([address, amount]) => [NodeAddress.toParts(address).at(-1), amount]));
    const cred = byId([...credByMember(fresh.participants)]);
    const received = byId([...propsReceived(graph)]);
    assert.ok(thanks.thanked.size >= 2, "too few members were thanked to say anything");
    assert.deepEqual([...thanks.thanked].filter((id) => !(received.get(id) > 0 && cred.get(id) > 0)), []);
    assert.deepEqual([...received].filter(([id, amount]) => amount > 0 && !thanks.mentioned.has(id)), []);
  });

  it("can stand beside SourceCred's own Discord plugin", async () => {
    const {graph: all, weights} = graph.weighted;
    const native = {graph: new sourcecred.core.graph.Graph(), weights: declaredWeights(discordDeclaration)};
    for (const node of all.nodes()) if (isMember(node.address)) native.graph.addNode(node);
    const ours = {graph: all, weights: sourcecred.core.weights.merge([weights, declaredWeights(graph.declaration)])};
    sourcecred.core.weightedGraph.merge([ours, native]);
  });

  it("makes one identity of each member that it proposes", () => {
    assert.deepEqual(
      fresh.participants.flatMap((participant) => participant.aliases).toSorted(),
      graph.proposals.map((proposal) => proposal.alias.address).toSorted(),
    );
  });

  it("goes on with the identities of a ledger that knows everybody from SourceCred's Discord plugin", async () => {
    const {ledger, ids} = knownLedger(graph, () => true);
    const {dir, participants} = await instance("known", ledger);
    assert.deepEqual(
      new Map(participants.map(({id, name}) => [id, name])),
      new Map(ledger.accounts().map(({identity}) => [identity.id, identity.name])),
      "an identity was added, lost or renamed",
    );
    assert.equal((await readLedger(dir)).serialize(), ledger.serialize(), "the ledger was changed");
    sameCred(participants, fresh.participants, ids);
  });

  it("adds only those whom the ledger does not know yet", async () => {
    let index = 0;
    const {ledger, ids} = knownLedger(graph, () => index++ % 2 === 0);
    const {participants} = await instance("half-known", ledger);
    assert.equal(participants.length, fresh.participants.length);
    sameCred(participants, fresh.participants, ids);
  });
}

const credByMember = (participants) =>
  new Map(participants.flatMap(({aliases, cred}) => aliases.filter(isMember).map((address) => [address, cred])));

function declaredWeights({nodeTypes, edgeTypes}) {
  const weights = sourcecred.core.weights.empty();
  for (const {prefix, defaultWeight} of nodeTypes) weights.nodeWeights.set(prefix, defaultWeight);
  for (const {prefix, defaultWeight} of edgeTypes) weights.edgeWeights.set(prefix, defaultWeight);
  return weights;
}

// A ledger as a community has it that used SourceCred's Discord plugin for years: members under that plugin's own
// addresses, with other names than we propose, and one alias elsewhere.
function knownLedger(graph, isKnown) {
  const ledger = new sourcecred.ledger.ledger.Ledger();
  const ids = new Map();
  for (const address of graph.proposals.map((proposal) => proposal.alias.address).filter(isKnown)) {
    const [kind, id] = NodeAddress.toParts(address).slice(-2);
    const known = discordIdentity({id, username: `old_${id}`, bot: kind === "bot"});
    assert.equal(known.alias.address, address, "SourceCred's Discord plugin addresses that member otherwise");
    const identity = ledger.createIdentity(known.type, known.name);
    ledger.addAlias(identity, known.alias);
    ledger.addAlias(identity, {
      address: NodeAddress.fromParts(["sourcecred", "github", "USERLIKE", "USER", `old-${id}`]),
      description: "github",
    });
    ids.set(address, identity);
  }
  return {ledger, ids};
}

function sameCred(participants, expected, ids) {
  const wanted = credByMember(expected);
  for (const {id, cred, aliases} of participants) {
    const [address] = aliases.filter(isMember);
    if (ids.has(address)) assert.equal(id, ids.get(address), `${NodeAddress.toString(address)} has a second identity`);
    assert.ok(
      Math.abs(cred - wanted.get(address)) < 1e-3,
      `${NodeAddress.toString(address)} has ${cred} cred under a known identity, ${wanted.get(address)} under a new one`,
    );
  }
}

describe("the checks themselves", () => {
  const breakage = (title, change, complaint) =>
    it(`notice ${title}`, async () => {
      const dir = await mkdtemp(join(scratch, "broken-"));
      await writeFixture(dir, change);
      await assert.rejects(async () => {
        const graph = await checkGraphFolder(dir);
        await createInstance(join(dir, "instance"), dir);
        checkCredFollowsProps(propsReceived(graph), credByMember(await computeCred(join(dir, "instance"))));
      }, complaint);
    });
  const inner = (files) => files["graph.json"][1].graphJSON[1];

  breakage("nodes out of order", (files) => inner(files).nodes.reverse(), /not what SourceCred itself would write/);
  breakage("a dangling edge", (files) => inner(files).nodes.shift(), /dangles/);
  breakage("times in seconds", (files) => inner(files).edges.forEach((edge) => (edge.timestampMs /= 1000)), /integer milliseconds/);
  breakage("an unknown version", (files) => (files["graph.json"][0].version = "0.2.0"), /version/);
  breakage("a member who is proposed as nobody", (files) => files["identityProposals.json"].pop(), /proposed as nobody/);
  breakage("an invalid name", (files) => (files["identityProposals.json"][0].name = "an_n"), /invalid name/);
  breakage(
    "addresses of our own for members",
    (files) => (files["identityProposals.json"][0].alias.address = NodeAddress.fromParts(["external", "props", "MEMBER", "user", "1"])),
    /proposed as nobody/,
  );
  breakage(
    "a weight that is given twice",
    (files) => (files["graph.json"][1].weightsJSON[1].nodeWeights["N\0external\0props\0MESSAGE\0"] = 2),
    /weight conflict/,
  );
  breakage(
    "props that pass no cred on",
    (files) => (files["declaration.json"].edgeTypes[1].defaultWeight = {forwards: 1e-9, backwards: 1}),
    /was given props worth/,
  );
});
