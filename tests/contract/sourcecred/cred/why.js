// Why a participant has cred, by adding up what flows in the real SourceCred's credGraph.

import {sourcecred} from "../instance.js";

const {NodeAddress, EdgeAddress} = sourcecred.core.graph;
const GADGET = ["sourcecred", "core", "gadget"];
const PART = NodeAddress.fromParts([...GADGET, "USER_EPOCH"]);
const WEBBING = EdgeAddress.fromParts([...GADGET, "EPOCH_WEBBING"]);
const ATTRIBUTION = EdgeAddress.fromParts([...GADGET, "ATTRIBUTION"]);

/**
 * Each participant's `{cred, flows, passed, all}` by id: what flowed from each contribution (by raw address) into the
 * participant's weeks, what attributions moved there from whom (by id), and the sum of both. What only moved between the weeks
 * of the same participant is left out.
 */
export function addUp(json) {
  const graph = sourcecred.core.credGraph.CredGraph.fromJSON(json);
  const addresses = new Map([...graph.participants()].map(({id, address}) => [id, address]));
  const told = new Map([...graph.participants()].map(({id, cred}) => [id, {cred, flows: new Map(), passed: new Map(), all: 0}]));
  for (const {address, src, dst, credFlow} of graph.edges()) {
    if (!NodeAddress.hasPrefix(dst, PART) || EdgeAddress.hasPrefix(address, WEBBING)) continue;
    const participant = told.get(NodeAddress.toParts(dst).at(-1));
    const giver = NodeAddress.toParts(src).at(-1);
    const isPassed = EdgeAddress.hasPrefix(address, ATTRIBUTION);
    const [flows, from] = isPassed ? [participant.passed, giver] : [participant.flows, NodeAddress.hasPrefix(src, PART) ? addresses.get(giver) : src];
    flows.set(from, (flows.get(from) ?? 0) + credFlow);
    participant.all += credFlow;
  }
  return told;
}
