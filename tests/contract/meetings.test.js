// The real SourceCred reads the graph of meetings: see README.md.

import assert from "node:assert/strict";
import {cp, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {withArchive} from "./blackbox.js";
import {checkGraphFolder, isMember} from "./sourcecred/check.js";
import {GRAPH_FILES, computeCred, emptyInstance, sourcecred} from "./sourcecred/instance.js";

const {NodeAddress} = sourcecred.core.graph;

describe("the graph of meetings", () => {
  let scratch, folder, graph, participants;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "props-meetings-"));
    folder = join(scratch, "meetings");
    await withArchive(scratch, async ({folder: archive, propsbot}) => {
      // The channels where members mention each other most: in the simulated community, those of props.
      await propsbot("graph", "--from", `dir:${archive}`, "--out", join(scratch, "props"));
      const props = JSON.parse(await readFile(join(scratch, "props/graph.json"), "utf8"));
      const addresses = props[1].graphJSON[1].sortedNodeAddresses;
      const channels = new Set(addresses.filter((parts) => parts[2] === "PROPS").map((parts) => parts[3]));
      const config = join(scratch, "meetings.json");
      await writeFile(config, JSON.stringify({meeting_channels: [...channels], mostHeads: 1}));
      await propsbot("graph", "--from", `dir:${archive}`, "--plugin", `meetings=${config}`, "--out", folder);
    });
    graph = await checkGraphFolder(folder);
    const instance = join(scratch, "instance");
    const plugin = await emptyInstance(instance, "external/meetings");
    for (const file of GRAPH_FILES) await cp(join(folder, file), join(plugin, file));
    participants = await computeCred(instance);
  });
  after(() => rm(scratch, {recursive: true, force: true}));

  it("gives cred to those who attended, and makes one identity of each", () => {
    const attended = new Set([...graph.weighted.graph.edges({showDangling: false})].map(({dst}) => dst));
    assert.ok(attended.size > 1 && [...attended].every(isMember));
    const cred = new Map(participants.flatMap(({aliases, cred}) => aliases.map((address) => [address, cred])));
    assert.deepEqual([...cred.keys()].toSorted(), [...attended].toSorted());
    assert.ok([...cred.values()].every((cred) => cred > 0));
  });

  it("mints what its weights say", () => {
    const minted = [...graph.weighted.graph.nodes()].filter(({address}) => !isMember(address)).length;
    const total = participants.reduce((sum, {cred}) => sum + cred, 0);
    const heads = new Set([...graph.weighted.graph.nodes()].map(({address}) => NodeAddress.toParts(address)[2]));
    assert.ok(heads.has("MEETING"));
    // One head mints in each meeting, hosts and note-takers besides.
    assert.ok(total >= minted * 0.999, `${total} of ${minted}`);
  });
});
