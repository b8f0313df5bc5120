// The simulated GitHub answers as GitHub's published schemas say: see README.md.

import assert from "node:assert/strict";
import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe as suite, it} from "node:test";
import {recordArchive, withGithub, withSource} from "./blackbox.js";
import {publishedSchema, simulatedSchema} from "./github/graphql.js";
import {drive} from "./github/session.js";
import {readSource} from "./github/source.js";
import {checkTraffic, describe} from "./github/traffic.js";

const HOME = "/repos/{owner}/{repo}";
/** A recording that lacks one of these proves nothing. */
const MUST_OCCUR = [
  "GET /user -> 200",
  "GET /rate_limit -> 200",
  ...["", "/branches", "/branches/{branch}", "/git/ref/{ref}", "/git/matching-refs/{ref}", "/contents/{path}", "/git/blobs/{file_sha}",
    "/git/trees/{tree_sha}", "/git/commits/{commit_sha}", "/commits", "/commits/{ref}"].map((route) => `GET ${HOME}${route} -> 200`),
  `GET ${HOME}/tarball/{ref} -> 302`,
  ...["200", "201", "409", "422"].map((status) => `PUT ${HOME}/contents/{path} -> ${status}`),
  `DELETE ${HOME}/contents/{path} -> 200`,
  ...["blobs", "trees", "commits", "refs"].map((objects) => `POST ${HOME}/git/${objects} -> 201`),
  ...["200", "422"].map((status) => `PATCH ${HOME}/git/refs/{ref} -> ${status}`),
  `DELETE ${HOME}/git/refs/{ref} -> 204`,
  `GET ${HOME} -> 401`,
  `GET ${HOME} -> 404`,
  "codeload",
  ...["repository", "createCommitOnBranch", "createRef", "updateRef", "updateRefs", "deleteRef"],
  ...["STALE_DATA", "NOT_FOUND", "UNPROCESSABLE"].map((type) => `createCommitOnBranch -> ${type}`),
  "updateRefs -> UNPROCESSABLE",
  ...["/orgs/{org}/repos", "/users/{username}/repos", "/users/{username}", "/user/{account_id}"].map((route) => `GET ${route} -> 200`),
  "GET /users/{username} -> 404",
  ...["", "/comments", "/comments/{comment_id}", "/comments/{comment_id}/reactions", "/{issue_number}", "/{issue_number}/comments",
    "/{issue_number}/reactions"].map((route) => `GET ${HOME}/issues${route} -> 200`),
  ...["", "/comments", "/comments/{comment_id}", "/comments/{comment_id}/reactions", "/{pull_number}", "/{pull_number}/comments",
    "/{pull_number}/reviews"].map((route) => `GET ${HOME}/pulls${route} -> 200`),
  ...["301", "304", "404", "410"].map((status) => `GET ${HOME}/issues/{issue_number} -> ${status}`),
  ...["issues", "pulls"].map((list) => `GET ${HOME}/${list} -> 304`),
  `GET ${HOME} -> 301`,
  `GET ${HOME}/issues -> 301`,
  ...["nodes", "resource", "organization", "nodes -> NOT_FOUND"],
  ...["MISSING_PAGINATION_BOUNDARIES", "EXCESSIVE_PAGINATION", "INVALID_CURSOR_ARGUMENTS"].map((type) => `repository -> ${type}`),
];

let scratch, lines;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "props-github-"));
  lines = await withGithub(scratch, drive);
  const recording = join(scratch, "source.jsonl");
  await withSource(["--source", "octo-org/alpha", "--source", "Octo-Labs/beta", "--record", recording], readSource);
  lines.push(...(await readFile(recording, "utf8")).split("\n"));
});
after(() => rm(scratch, {recursive: true, force: true}));

suite("the simulated GitHub", () => {
  it("holds to GitHub's published schemas", () => {
    assert.equal(describe(checkTraffic(lines).violations), "");
  });

  it("was asked all that must occur", () => {
    const {seen} = checkTraffic(lines);
    assert.deepEqual(MUST_OCCUR.filter((what) => !seen.has(what)), []);
  });

  it("executes GraphQL by GitHub's published schema", () => {
    assert.ok(simulatedSchema() === publishedSchema, "make simulator/src/github/graphql/schema.graphql.gz from @octokit/graphql-schema again");
  });
});

suite("propsbot's archive on GitHub", () => {
  it("is written and read as GitHub's published schemas say", async () => {
    const folder = await mkdtemp(join(tmpdir(), "props-archive-"));
    try {
      const {violations, seen} = checkTraffic(await recordArchive(folder));
      assert.equal(describe(violations), "");
      const read = ["", "/contents/{path}", "/git/ref/{ref}", "/git/commits/{commit_sha}", "/git/trees/{tree_sha}"];
      const must = ["createCommitOnBranch", "updateRefs", "codeload", `GET ${HOME}/tarball/{ref} -> 302`,
        ...read.map((route) => `GET ${HOME}${route} -> 200`),
        ...["trees", "commits", "refs"].map((what) => `POST ${HOME}/git/${what} -> 201`)];
      assert.deepEqual(must.filter((what) => !seen.has(what)), []);
    } finally {
      await rm(folder, {recursive: true, force: true});
    }
  });
});

suite("the validator of GitHub's traffic", () => {
  /** Breaks the first recorded exchange that fits. */
  const broken = (fits, change) => {
    const entries = lines.filter(Boolean).map((line) => JSON.parse(line));
    const found = entries.find(fits);
    change(found);
    return describe(checkTraffic([JSON.stringify(found)]).violations);
  };
  const rest = (method, route, status) => (it) => it.method === method && it.route === HOME + route && it.status === status;
  const graphql = (field, kind) => (it) =>
    it.type === "graphql" && it.request.query.includes(field) && (kind ? it.response.errors?.[0].type === kind : !it.response.errors);
  const breakage = (title, fits, change, expected) => it(`notices ${title}`, () => assert.match(broken(fits, change), expected));

  breakage("a missing field", rest("GET", "", 200), (it) => delete it.response.default_branch, /must have required property 'default_branch'/);
  breakage("an unknown field", rest("GET", "", 200), (it) => (it.response.colour = 1), /unevaluated properties \(colour\)/);
  breakage("a field that is missing further down", rest("GET", "/commits", 200), (it) => delete it.response[0].commit.tree.sha, /'sha'/);
  breakage("a field that is missing in one of several forms", rest("GET", "/contents/{path}", 200), (it) => delete it.response.encoding, /'encoding'/);
  breakage("a wrong type", rest("GET", "/git/ref/{ref}", 200), (it) => (it.response.object.sha = 1), /must be string/);
  breakage("an unknown route", rest("GET", "", 200), (it) => (it.path = "/teapot"), /no such route/);
  breakage("an unknown parameter", rest("GET", "/commits", 200), (it) => (it.path += "&since_id=1"), /no parameter since_id/);
  breakage("an unlisted status", rest("POST", "/git/blobs", 201), (it) => (it.status = 202), /answers with/);
  breakage("a refusal without a message", rest("GET", "", 404), (it) => delete it.response.message, /'message'/);
  breakage("a body that GitHub would refuse", rest("POST", "/git/trees", 201), (it) => (it.request.tree[0].mode = "1"), /allowed values/);
  breakage("a field of a document that GitHub has not", graphql("followRenames"), (it) => (it.request.query = it.request.query.replace("isPrivate", "isSecret")), /Cannot query field "isSecret"/);
  breakage("a variable that does not fit", graphql("createCommitOnBranch"), (it) => delete it.request.variables.input.message, /"message" of required type/);
  breakage("a selected field that is missing", graphql("followRenames"), (it) => delete it.response.data.repository.isPrivate, /isPrivate is missing/);
  breakage("null where there must be something", graphql("followRenames"), (it) => (it.response.data.repository.visibility = null), /non-nullable/);
  breakage("a field that nobody selected", graphql("followRenames"), (it) => (it.response.data.viewer.name = "x"), /more or other/);
  breakage("an unknown value", graphql("followRenames"), (it) => (it.response.data.repository.visibility = "SECRET"), /SECRET/);
  breakage("an error without its type", graphql("createCommitOnBranch", "STALE_DATA"), (it) => delete it.response.errors[0].type, /type undefined/);
});
