// propsbot's github plugin against SourceCred's own: the same GitHub, the same graph and accounts; and what it makes of
// everything that ends the other one, or that the other one loses.

import assert from "node:assert/strict";
import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {botAt, withSource} from "./blackbox.js";
import {githubInstance, summary} from "./sourcecred/github/native.js";

const OPTIONS = {timeout: 300_000};
const REPOSITORIES = ["octo-org/alpha", "Octo-Labs/beta"];
let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-github-parity-"))));
after(() => rm(scratch, {recursive: true, force: true}));

/** propsbot as a mirror of these repositories. `graph(...options)` reads what changed, and returns the three files. */
async function mirrorOf({address, token}, repositories) {
  const dir = await mkdtemp(join(scratch, "mirror-"));
  const bot = await botAt(dir, {address: "", token: ""}, {
    GITHUB_REPOSITORIES: repositories.join(","),
    GITHUB_SOURCE_TOKEN: token,
    GITHUB_SOURCE_API_URL: address,
  });
  const draw = async (...options) => {
    const out = join(dir, "graph");
    await bot.run("graph", "--from", bot.archive, "--out", out, "--plugin", "github", ...options);
    const read = async (name) => JSON.parse(await readFile(join(out, name), "utf8"));
    return {
      graph: await read("graph.json"),
      declaration: await read("declaration.json"),
      proposals: await read("identityProposals.json"),
    };
  };
  const graph = async (...options) => {
    await bot.run("sync");
    await bot.run("export");
    return draw(...options);
  };
  return {...bot, draw, graph};
}

/** A graph as comparable values: nodes, edges and weights by their addresses. */
function contents(graph) {
  const {graphJSON, weightsJSON} = graph[1];
  const {sortedNodeAddresses, nodes, edges} = graphJSON[1];
  const names = sortedNodeAddresses.map((address) => address.join("/"));
  const named = (entries) => Object.fromEntries(entries);
  return {
    nodes: named(nodes.map(({index, description, timestampMs}) => [names[index], [description, timestampMs]])),
    edges: named(edges.map(({address, srcIndex, dstIndex, timestampMs}) => [address.join("/"), [names[srcIndex], names[dstIndex], timestampMs]])),
    weights: weightsJSON[1],
  };
}

/** Ours with the weights of the declaration, which SourceCred's own plugins have in the graph. */
function ours({graph, declaration}) {
  const all = contents(graph);
  for (const {prefix, defaultWeight} of declaration.nodeTypes) all.weights.nodeWeights[prefix] = defaultWeight;
  for (const {prefix, defaultWeight} of declaration.edgeTypes) all.weights.edgeWeights[prefix] = defaultWeight;
  return all;
}

const accounts = (all) => all.map(({name, type, alias}) => [name, type, alias.address, alias.description]).sort();

describe("the github plugin", () => {
  for (const seed of [1, 2, 3]) {
    it(`draws SourceCred's graph of world ${seed}`, OPTIONS, async () => {
      const world = ["--plain", "--seed", `${seed}`, "--until", "2026-01-01T00:00:00Z", ...REPOSITORIES.flatMap((name) => ["--source", name])];
      await withSource(world, async (github) => {
        const dir = await mkdtemp(join(scratch, "real-"));
        const plugin = await githubInstance({dir, ...github, repositories: REPOSITORIES});
        const real = await plugin.graph();
        const mirror = await mirrorOf(github, REPOSITORIES);
        const drawn = await mirror.graph();
        assert.deepEqual(ours(drawn), contents(real.graph));
        const identities = real.identities.map(({name, subtype, aliases: [alias]}) => ({name, type: subtype, alias}));
        assert.deepEqual(accounts(drawn.proposals), accounts(identities));
        assert.ok(drawn.proposals.some(({type}) => type === "BOT"));
      });
    });
  }

  it("goes on where SourceCred's fails, and needs no GitHub to draw", OPTIONS, async () => {
    await withSource([], async (github) => {
      const {tell} = github;
      await tell({do: "repository", name: "Octo-Org/alpha"});
      await tell({do: "repository", name: "octo-labs/beta"});
      for (const login of ["ana", "ben"]) await tell({do: "account", login});
      await tell({do: "account", login: "imported", kind: "mannequin"});
      await tell({do: "commit", repository: "Octo-Org/alpha", message: "First", by: "ana"});
      const {head} = await tell({do: "head", repository: "Octo-Org/alpha"});
      await tell({do: "issue", repository: "Octo-Org/alpha", by: "ana", title: "One", body: "By @ben", as: "issue"});
      await tell({do: "comment", on: "issue", by: "imported", body: "Two", as: "comment"});
      await tell({do: "react", on: "comment", by: null, content: "heart"});
      await tell({do: "react", on: "comment", by: "ben", content: "rocket"});
      const link = `See https://github.com/Octo-Org/alpha/commit/${head} and octo-labs/beta#1`;
      await tell({do: "issue", repository: "octo-labs/beta", by: "ben", title: "There", body: "of @ANA"});
      await tell({do: "comment", on: "issue", by: "ben", body: link, as: "link"});
      await tell({do: "fail", what: {only: ["query"]}, times: 2, fault: {html: 502}});
      const mirror = await mirrorOf(github, ["Octo-Org/alpha", "octo-labs/beta"]);
      const native = summary((await mirror.graph()).graph);
      const of = (graph, kind) => graph.edges.filter(({address}) => address.startsWith(`sourcecred/github/${kind}/`));
      assert.deepEqual(of(native, "REACTS").map(({src}) => src), ["sourcecred/github/USERLIKE/USER/ben"]);
      assert.deepEqual(of(native, "REFERENCES").map(({dst}) => dst), ["sourcecred/github/USERLIKE/USER/ben"]);
      await tell({do: "fail", what: "any", times: 99, fault: "reset"});
      const improved = summary((await mirror.draw("--improved")).graph);
      const found = of(improved, "REFERENCES").map(({dst}) => dst.replace(/COMMIT\/.*/, "COMMIT")).sort();
      assert.deepEqual(found, [
        "sourcecred/github/COMMIT",
        "sourcecred/github/ISSUE/octo-labs/beta/1",
        "sourcecred/github/USERLIKE/USER/ana",
        "sourcecred/github/USERLIKE/USER/ben",
      ]);
      await tell({do: "heal"});
      await tell({do: "delete", on: "comment"});
      await mirror.run("sync", "--recheck");
      const less = summary((await mirror.graph()).graph);
      assert.equal(less.nodes.length, native.nodes.length - 1);
    });
  });
});
