// propsbot's discord plugin against SourceCred's own: the same data, the same config, the same graph to the last bit, and
// the same cred.

import assert from "node:assert/strict";
import {createServer} from "node:http";
import {cp, mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {basename, join} from "node:path";
import {after, before, describe, it} from "node:test";
import {fileURLToPath} from "node:url";
import {withDiscordSimulator} from "./blackbox.js";
import {comparison} from "./sourcecred/discord/compare.js";
import {anyConfig, chosenConfigs} from "./sourcecred/discord/configs.js";
import {dice} from "./sourcecred/discord/dice.js";
import {assertSame} from "./sourcecred/discord/native.js";
import {withDiscord} from "./sourcecred/discord/server.js";
import {EMOJIS, emojiRef, makeWorld} from "./sourcecred/discord/world.js";
import {GRAPH_FILES, computeCred, emptyInstance, readLedger, sourcecred} from "./sourcecred/instance.js";

const LOOPBACK = fileURLToPath(new URL("./sourcecred/loopback.cjs", import.meta.url));

let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "discord-contract-"))));
after(() => rm(scratch, {recursive: true, force: true}));
const folder = (name) => mkdtemp(join(scratch, `${name}-`));

describe("worlds of odd cases", () => {
  for (const seed of [1, 2, 3]) {
    it(`seed ${seed}: the graph is SourceCred's, by every config`, async () => {
      const world = makeWorld(seed);
      await withDiscord(world, async (discord) => {
        const {compare} = await comparison(await folder("world"), discord);
        const chance = dice(seed);
        const chosen = seed === 1 ? Object.entries(chosenConfigs(world)) : [];
        const any = Array.from({length: 8}, (_, index) => [`any config ${index}`, anyConfig(world, chance)]);
        for (const [name, config] of [...chosen, ...any]) {
          const {weighted} = await compare(config).catch((error) => {
            throw new Error(`${name}: ${JSON.stringify(config)}`, {cause: error});
          });
          const isEmpty = [...weighted.graph.nodes()].length === 0;
          if (!name.startsWith("any")) assert.equal(isEmpty, name === "averaging where nobody weighs anything", name);
        }
      });
    });
  }
});

describe("improved rules", () => {
  it("add to the graph, take nothing away, and propose everybody in it", async () => {
    const world = makeWorld(4);
    await withDiscord(world, async (discord) => {
      const {ours} = await comparison(await folder("improved"), discord);
      const config = chosenConfigs(world)["all guilds"];
      const nodes = ({weighted}) => new Set([...weighted.graph.nodes()].map(({address}) => address));
      const [native, improved] = [await ours(config), await ours(config, "--improved")];
      assert.deepEqual([...nodes(native)].filter((address) => !nodes(improved).has(address)), []);
      const places = new Set([...nodes(improved)].map((address) => sourcecred.core.graph.NodeAddress.toParts(address)[3]));
      const counting = [...world.guilds[0].threads, ...world.guilds[0].channels].filter(({type}) => ![4, 15].includes(type));
      assert.deepEqual(counting.filter(({id, name}) => name !== "silent" && !places.has(id)), []);
      const proposed = new Set(improved.proposals.map(({alias}) => alias.address));
      const members = [...nodes(improved)].filter((address) => /\0MEMBER\0/.test(address));
      assert.deepEqual(members.filter((address) => !proposed.has(address)), []);
      assert.deepEqual(improved.proposals.filter(({name}) => name.length > 31), []);
    });
  });
});

describe("the simulator's community", () => {
  it("is the same graph, and the same cred of the same identities", {timeout: 300_000}, async () => {
    const options = ["--port", "0", "--seed", "11", "--messages", "900", "--limits", "none", "--until", "2026-01-01T00:00:00Z"];
    const dir = await folder("simulator");
    await withDiscordSimulator(dir, options, async (discord) => {
      const {compare, ours} = await comparison(dir, discord);
      const config = await configOf(discord);
      for (const changed of [config, [{...config[0], simplifyGraph: true}], [{...config[0], propsChannels: []}]]) {
        await compare(changed);
      }
      await sameCred(discord, config, await ours(config));
    });
  });
});

/** A config for the one guild there, with something of everything. */
async function configOf({address, token}) {
  const ask = async (path) => (await fetch(`${address}/api/v10/${path}`, {headers: {authorization: `Bot ${token}`}})).json();
  const [{id}] = await ask("users/@me/guilds");
  const [channels, roles] = [await ask(`guilds/${id}/channels`), await ask(`guilds/${id}/roles`)];
  const VIEW = 1n << 10n;
  const isHidden = ({permission_overwrites}) => permission_overwrites.some((it) => it.id === id && BigInt(it.deny) & VIEW);
  const text = channels.filter((channel) => channel.type === 0);
  // Channels that not everyone may read are not in the archive, unless an admin says so.
  const hidden = Object.fromEntries(text.filter(isHidden).map((channel) => [channel.id, 0]));
  return [
    {
      guildId: id,
      reactionWeightConfig: {weights: {"🙏": 3, "❤️": 0.3}, defaultWeight: 0.1, applyAveraging: true, confidenceDampener: 0.3},
      roleWeightConfig: {defaultWeight: 0.7, weights: {[roles.at(-1).id]: 1.1}},
      channelWeightConfig: {defaultWeight: 1, weights: {[text[0].id]: 0.1, [channels.find((it) => it.type === 4).id]: 2, ...hidden}},
      propsChannels: text.slice(1).map((channel) => channel.id),
    },
  ];
}

// An instance that used SourceCred's plugin, with weights and budgets of its own, goes on with our files in its place.
async function sameCred(discord, config, {dir: graphDir}) {
  const settings = async (dir, id) => {
    const weights = sourcecred.core.weights.empty();
    weights.edgeWeights.set(sourcecred.plugins.discord.declaration.propsEdgeType.prefix, {forwards: 7, backwards: 0.5});
    weights.nodeWeights.set(sourcecred.plugins.discord.declaration.reactionNodeType.prefix, 2);
    await writeFile(join(dir, "config/weights.json"), JSON.stringify(sourcecred.core.weights.toJSON(weights)));
    const budget = {intervalLength: "WEEKLY", plugins: {[id]: [{startTime: "2020-01-01", budget: 100}]}};
    await writeFile(join(dir, "config/pluginBudgets.json"), JSON.stringify(budget));
  };
  const native = await folder("native");
  const plugin = await emptyInstance(native, "sourcecred/discord");
  await writeFile(join(plugin, "config.json"), JSON.stringify(config));
  await mkdir(join(native, "cache/sourcecred/discord"), {recursive: true});
  await settings(native, "sourcecred/discord");
  const env = {DISCORD_ORIGIN: new URL(discord.address).origin, SOURCECRED_DISCORD_TOKEN: discord.token};
  const expected = await computeCred(native, {options: ["--require", LOOPBACK], env});
  assert.ok(expected.filter(({cred}) => cred > 0).length > 10, "hardly anybody has cred");

  const ledger = await readLedger(native);
  const byFile = async (plugin) => {
    for (const file of GRAPH_FILES) await cp(join(graphDir, file), join(plugin, file));
  };
  const goOn = async (name, put) => {
    const dir = await folder(name);
    await put(await emptyInstance(dir, "external/discord", ledger));
    await settings(dir, "external/discord");
    assert.deepEqual(await computeCred(dir), expected, `${name}: cred or identities changed`);
    assert.equal((await readLedger(dir)).serialize(), ledger.serialize(), `${name}: the ledger was changed`);
  };
  await goOn("by-file", byFile);
  await withFiles(graphDir, async (url) =>
    goOn("by-url", (plugin) =>
      writeFile(
        join(plugin, "config.json"),
        JSON.stringify({
          graphUrl: url("graph.json"),
          declarationUrl: url("declaration.json"),
          identityProposalsUrl: url("identityProposals.json"),
        }),
      ),
    ),
  );
}

async function withFiles(dir, use) {
  const server = createServer(async (request, response) => response.end(await readFile(join(dir, basename(request.url)))));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use((file) => `http://127.0.0.1:${server.address().port}/${file}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("the checks themselves", () => {
  it("the worlds have every odd case", () => {
    const [guild] = makeWorld(1).guilds;
    const messages = [...guild.messages.values()].flat();
    const members = new Set(guild.members.map((member) => member.user.id));
    const used = new Set(messages.flatMap((message) => message.reactions ?? []).map(({emoji}) => emojiRef(emoji)));
    assert.deepEqual(EMOJIS.map(emojiRef).filter((ref) => !used.has(ref)), []);
    const reactorsOf = ({id}) => [...guild.reactors.get(id).values()].flatMap(({normal}) => normal);
    const cases = {
      "a webhook": ({webhook_id, application_id}) => webhook_id && !application_id,
      "an answer to a command": ({interaction_metadata}) => interaction_metadata,
      "a system message": ({type}) => ![0, 19, 20, 23].includes(type),
      "more than 10 mentions": ({mentions}) => mentions.length > 10,
      "somebody mentioned twice": ({mentions, content}) => mentions.some(({id}) => content.split(id).length > 2),
      "somebody pinged by a reply alone": ({mentions, content}) => mentions.some(({id}) => !content.includes(id)),
      "an author who left": ({author, webhook_id}) => !webhook_id && !members.has(author.id),
      "a bot as author": ({author, webhook_id}) => author.bot && !webhook_id,
      "a system user as author": ({author, webhook_id}) => author.system && !webhook_id,
      "a reactor who left": (message) => reactorsOf(message).some(({id}) => !members.has(id)),
      "somebody who reacts to themselves": (message) => reactorsOf(message).includes(message.author),
      "super reactions": ({reactions = []}) => reactions.some(({count_details}) => count_details.burst),
      "a text that is cut within a character": ({content}) => /^.{29}[\ud800-\udbff]/s.test(content),
    };
    for (const [name, is] of Object.entries(cases)) assert.ok(messages.some(is), `no message has ${name}`);
  });

  it("notice any difference", async () => {
    const {Graph, NodeAddress, EdgeAddress} = sourcecred.core.graph;
    const make = (change = {}) => {
      const it = {description: "x", timestampMs: 1, weight: 0.1, name: "ana", at: 2, ...change};
      const [node, edge] = [NodeAddress.fromParts(["a"]), EdgeAddress.fromParts(["a"])];
      const graph = new Graph();
      graph.addNode({address: node, description: it.description, timestampMs: it.timestampMs});
      graph.addEdge({address: edge, src: node, dst: NodeAddress.fromParts(["dangling"]), timestampMs: it.at});
      const weights = sourcecred.core.weights.empty();
      weights.nodeWeights.set(node, it.weight);
      return {weighted: {graph, weights}, proposals: [{name: it.name}]};
    };
    assertSame(make(), make());
    for (const change of [{description: "y"}, {timestampMs: 2}, {weight: 0.1 + 2 ** -56}, {name: "Ana"}, {at: 3}]) {
      assert.throws(() => assertSame(make(change), make()), JSON.stringify(change));
    }
  });
});
