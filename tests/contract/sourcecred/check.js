// What must hold for a graph folder before SourceCred reads it, and for the cred that comes out.

import assert from "node:assert/strict";
import {sourcecred, readGraph} from "./instance.js";

const {NodeAddress, EdgeAddress} = sourcecred.core.graph;
const MEMBER = sourcecred.plugins.discord.declaration.memberNodeType.prefix;

const DISCORD_EPOCH = 1_420_070_400_000;
const YEAR_2100 = 4_102_444_800_000;

/** Suffixed by SourceCred on a collision (`-discord-99`), a name must still fit its 42 characters. */
const MAX_PROPOSED_NAME = 31;

export const isMember = (address) => NodeAddress.hasPrefix(address, MEMBER);

/** Checks the three files of a folder by SourceCred's parsers and by what those let pass. Returns what it read. */
export async function checkGraphFolder(graphDir) {
  const graph = await readGraph(graphDir);
  const {json, weighted, declaration, proposals} = graph;

  assert.deepEqual(
    sourcecred.core.weightedGraph.toJSON(weighted),
    json,
    "graph.json is not what SourceCred itself would write: order, indices or fields differ",
  );
  const proposed = new Set(proposals.map((proposal) => proposal.alias.address));
  const nodes = new Set([...weighted.graph.nodes()].map((node) => node.address));
  for (const {address, src, dst} of weighted.graph.edges({showDangling: true})) {
    for (const end of [src, dst]) {
      // A proposed member needs no node: SourceCred puts the identity in its place.
      assert.ok(
        nodes.has(end) || proposed.has(end),
        `${EdgeAddress.toString(address)} dangles at ${NodeAddress.toString(end)}: SourceCred would ignore it without a word`,
      );
    }
  }
  for (const edge of weighted.graph.edges({showDangling: true})) checkTime(edge, EdgeAddress);
  for (const node of weighted.graph.nodes()) if (node.timestampMs !== null) checkTime(node, NodeAddress);

  for (const type of declaration.userTypes) {
    assert.ok(isMember(type.prefix), `${NodeAddress.toString(type.prefix)} is no member type of SourceCred's Discord plugin`);
  }
  const members = membersOf(weighted);
  assert.ok(members.size > 0, "the graph has no members");
  for (const address of members) {
    const parts = NodeAddress.toParts(address).slice(NodeAddress.toParts(MEMBER).length);
    assert.ok(
      parts.length === 2 && /^(user|bot)$/.test(parts[0]) && /^[1-9]\d{5,19}$/.test(parts[1]),
      `${NodeAddress.toString(address)} is not how SourceCred's Discord plugin writes a member`,
    );
    assert.ok(proposed.has(address), `${NodeAddress.toString(address)} is proposed as nobody: its cred would be lost`);
  }
  for (const {name, type, alias} of proposals) {
    assert.ok(isMember(alias.address), `${name}'s alias ${NodeAddress.toString(alias.address)} is no Discord member`);
    assert.ok(name.length <= MAX_PROPOSED_NAME, `${name} is too long to be suffixed`);
    const kind = NodeAddress.toParts(alias.address).at(-2);
    assert.equal(type, kind === "bot" ? "BOT" : "USER", `${name} is a ${kind}`);
  }
  assert.equal(proposed.size, proposals.length, "a member is proposed twice");
  return graph;
}

function membersOf({graph}) {
  const ends = [...graph.edges({showDangling: true})].flatMap(({src, dst}) => [src, dst]);
  return new Set([...ends, ...[...graph.nodes()].map((node) => node.address)].filter(isMember));
}

function checkTime({address, timestampMs}, Address) {
  assert.ok(
    Number.isInteger(timestampMs) && timestampMs >= DISCORD_EPOCH && timestampMs < YEAR_2100,
    `${Address.toString(address)} has the time ${timestampMs}: not integer milliseconds of Discord's era`,
  );
}

/**
 * How much each member was given by props: a map from member address to the sum of what each props message mints, by
 * itself and by the reactions to it, shared out among its receivers by weight. Members who got none have 0.
 */
export function propsReceived({weighted, declaration}) {
  const types = declaration.edgeTypes.filter((type) => /\bprops to\b/.test(type.forwardName));
  assert.equal(types.length, 1, 'the declaration has not exactly one edge type that "gives props to" somebody');
  const minted = weigher(weighted.weights.nodeWeights, declaration.nodeTypes, NodeAddress);
  const passed = weigher(weighted.weights.edgeWeights, declaration.edgeTypes, EdgeAddress, (weight) => weight.forwards);

  const messages = new Map();
  for (const edge of weighted.graph.edges({showDangling: true, addressPrefix: types[0].prefix})) {
    messages.set(edge.src, [...(messages.get(edge.src) ?? []), edge]);
  }
  const mintedWith = (message) =>
    [...weighted.graph.edges({showDangling: true})]
      .filter((edge) => edge.dst === message && !isMember(edge.src))
      .reduce((sum, edge) => sum + minted(edge.src), minted(message));
  const received = new Map([...membersOf(weighted)].map((address) => [address, 0]));
  for (const [message, edges] of messages) {
    const total = edges.reduce((sum, edge) => sum + passed(edge.address), 0);
    const all = mintedWith(message);
    for (const {address, dst} of edges) {
      received.set(dst, received.get(dst) + (all * passed(address)) / total);
    }
  }
  return received;
}

/** All that a graph mints, by SourceCred's rule. */
export function mintedIn({weighted, declaration}) {
  const minted = weigher(weighted.weights.nodeWeights, declaration.nodeTypes, NodeAddress);
  return [...weighted.graph.nodes()].reduce((sum, {address}) => sum + minted(address), 0);
}

// SourceCred's rule: the weights of all matching prefixes, multiplied.
function weigher(weights, types, Address, read = (weight) => weight) {
  const all = [...weights, ...types.map((type) => [type.prefix, type.defaultWeight])];
  return (address) =>
    all.reduce((product, [prefix, weight]) => (Address.hasPrefix(address, prefix) ? product * read(weight) : product), 1);
}

/** Checks that cred went where the props went. `cred` maps a member's address to their cred. */
export function checkCredFollowsProps(received, cred) {
  const receivers = [...received].filter(([, amount]) => amount > 0);
  assert.ok(receivers.length >= 2, "too few members were given props to say anything");
  const name = (address) => NodeAddress.toString(address);
  for (const [address] of receivers) assert.ok(cred.get(address) > 0, `${name(address)} was given props and has no cred`);

  // Givers get a share and time shifts some, so that near ties may fall either way; twice as much and
  // more may not.
  for (const [more, amount] of receivers) {
    for (const [less, other] of received) {
      if (amount < 2 * other + 2) continue;
      assert.ok(
        cred.get(more) > cred.get(less),
        `${name(more)} was given props worth ${amount} and has ${cred.get(more)} cred; ` +
          `${name(less)}, given ${other}, has ${cred.get(less)}`,
      );
    }
  }
}
