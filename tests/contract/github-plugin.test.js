// SourceCred's own GitHub plugin reads the simulated GitHub, and fails where instances know that it fails: see README.md.

import assert from "node:assert/strict";
import {existsSync, readdirSync} from "node:fs";
import {mkdtemp, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {withSource} from "./blackbox.js";
import {githubInstance, summary} from "./sourcecred/github/native.js";

const OPTIONS = {timeout: 300_000};
let scratch;
before(async () => (scratch = await mkdtemp(join(tmpdir(), "props-github-plugin-"))));
after(() => rm(scratch, {recursive: true, force: true}));

/** An empty GitHub, where `ana` and `ben` have an issue with a comment in octo-org/alpha. `use` gets the plugin's instance too. */
async function small(use, repositories = ["octo-org/alpha"]) {
  await withSource([], async (github) => {
    const {tell} = github;
    for (const name of repositories) await tell({do: "repository", name});
    for (const login of ["ana", "ben"]) await tell({do: "account", login});
    await tell({do: "commit", repository: repositories[0], message: "First", by: "ana"});
    await tell({do: "issue", repository: repositories[0], by: "ana", title: "One", body: "By @ben", as: "issue"});
    await tell({do: "comment", on: "issue", by: "ben", body: "Two", as: "comment"});
    const dir = await mkdtemp(join(scratch, "small-"));
    await use({...github, plugin: await githubInstance({dir, ...github, repositories})});
  });
}

const references = (graph) => summary(graph).edges.filter(({address}) => address.startsWith("sourcecred/github/REFERENCES/"));

describe("SourceCred's GitHub plugin", () => {
  it("loads a world of everything that it knows", OPTIONS, async () => {
    const world = ["--source", "octo-org/alpha", "--source", "octo-org/beta", "--plain", "--until", "2026-01-01T00:00:00Z"];
    await withSource(world, async (github) => {
      const dir = await mkdtemp(join(scratch, "world-"));
      const plugin = await githubInstance({dir, ...github, repositories: ["octo-org/alpha", "octo-org/beta"]});
      const {graph, identities} = await plugin.graph();
      const truth = await github.tell({do: "truth"});
      const {nodes, edges} = summary(graph);
      const count = (kind) => nodes.filter((address) => address.startsWith(`sourcecred/github/${kind}/`)).length;
      const real = (...kinds) => truth.filter(({kind}) => kinds.includes(kind)).length;
      assert.deepEqual(
        [count("ISSUE"), count("PULL"), count("REVIEW"), count("COMMENT")],
        [real("issue"), real("pull_request"), real("review"), real("comment", "review_comment")],
      );
      for (const kind of ["AUTHORS", "HAS_PARENT", "MERGED_AS", "REACTS", "REFERENCES", "CORRESPONDS_TO_COMMIT_TYPE"]) {
        assert.ok(edges.some(({address}) => address.startsWith(`sourcecred/github/${kind}/`)), kind);
      }
      assert.ok(identities.length > 10);
      const {requests, graphql_points: points, violations} = await github.tell({do: "count"});
      assert.ok(requests > 10 && points >= requests, `${requests} requests, ${points} points, ${violations}`);
    });
  });

  it("draws a small world", OPTIONS, () =>
    small(async ({plugin}) => {
      const {graph} = await plugin.graph();
      assert.equal(references(graph).length, 1);
    }));
});

describe("SourceCred's GitHub plugin fails", () => {
  it("to draw anything when one reaction has no user", OPTIONS, () =>
    small(async ({plugin, tell}) => {
      await tell({do: "react", on: "comment", by: null, content: "heart"});
      assert.ok((await plugin.run("load")).ok);
      const {ok, said} = await plugin.run("graph");
      assert.ok(!ok, said);
      assert.match(said, /Reaction with id .* did not have 1 author/);
    }));

  it("to load, now and ever, when one author is a mannequin", OPTIONS, () =>
    small(async ({plugin, tell}) => {
      assert.ok((await plugin.run("load")).ok);
      await tell({do: "account", login: "imported", kind: "mannequin"});
      await tell({do: "issue", repository: "octo-org/alpha", by: "imported", title: "Old"});
      for (const later of [13, 26]) {
        const {ok, said} = await plugin.run("load", later * 3_600_000);
        assert.ok(!ok, said);
        assert.match(said, /Mannequin/);
      }
    }));

  it("to go on when one answer is a page of HTML: it deletes what it had, and begins again", OPTIONS, () =>
    small(async ({plugin, tell}) => {
      assert.ok((await plugin.run("load")).ok);
      const first = (await tell({do: "count"})).requests;
      // Nothing is to be loaded again, so it asks for the repository alone.
      assert.ok((await plugin.run("load")).ok);
      const second = (await tell({do: "count"})).requests;
      assert.equal(second - first, 1);
      await tell({do: "fail", what: {only: ["query"]}, times: 1, fault: {html: 502}});
      const {said} = await plugin.run("load");
      assert.match(said, /clearing cache and restarting/);
      assert.equal((await tell({do: "count"})).requests - second, 1 + first);
      await tell({do: "fail", what: {only: ["query"]}, times: 2, fault: {html: 502}});
      assert.ok(!(await plugin.run("load")).ok);
      assert.ok(!existsSync(plugin.cache) || readdirSync(plugin.cache).length === 0, "the cache is still there");
    }));

  it("to see links to commits where the owner's name has capitals", OPTIONS, async () => {
    const linked = async (owner) => {
      let found;
      await small(
        async ({plugin, tell}) => {
          const {head} = await tell({do: "head", repository: `${owner}/alpha`});
          await tell({do: "comment", on: "issue", by: "ben", body: `See https://github.com/${owner}/alpha/commit/${head}`});
          found = references((await plugin.graph()).graph).filter(({dst}) => dst.includes("/COMMIT/")).length;
        },
        [`${owner}/alpha`],
      );
      return found;
    };
    assert.deepEqual([await linked("octo-org"), await linked("Octo-Org")], [1, 0]);
  });

  it("to see references from one repository to another", OPTIONS, () =>
    small(
      async ({plugin, tell}) => {
        await tell({do: "comment", on: "issue", by: "ben", body: "See octo-org/alpha#1, and octo-org/beta#1"});
        await tell({do: "issue", repository: "octo-org/beta", by: "ben", title: "There", body: "Of octo-org/alpha#1"});
        const issues = references((await plugin.graph()).graph).filter(({dst}) => dst.includes("/ISSUE/"));
        assert.deepEqual(issues.map(({dst}) => dst), ["sourcecred/github/ISSUE/octo-org/alpha/1"]);
      },
      ["octo-org/alpha", "octo-org/beta"],
    ));

  it("to notice what was deleted, until that costs all that it has", OPTIONS, () =>
    small(async ({plugin, tell}) => {
      const nodes = async () => summary((await plugin.graph()).graph).nodes;
      const before = await nodes();
      await tell({do: "delete", on: "comment"});
      assert.deepEqual(await nodes(), before);
      // It takes what it has as fresh for 12 hours. Then it asks for each thing by its id.
      const {said} = await plugin.run("load", 13 * 3_600_000);
      assert.match(said, /clearing cache and restarting/);
      assert.ok((await nodes()).length < before.length);
    }));

  it("to draw what it loaded without asking GitHub again", OPTIONS, () =>
    small(async ({plugin, tell}) => {
      assert.ok((await plugin.run("load")).ok);
      const {requests} = await tell({do: "count"});
      assert.ok((await plugin.run("graph")).ok);
      assert.ok((await tell({do: "count"})).requests > requests);
      await tell({do: "fail", what: {only: ["query"]}, times: 99, fault: "reset"});
      const {ok, said} = await plugin.run("graph");
      assert.ok(!ok, said);
    }));
});
