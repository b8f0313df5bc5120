// A session with the simulated GitHub that brings up every route and mutation, what they answer and what they refuse.

/** Drives it; `github` is `{address, token}`, of a repository `octo-org/archive` with one commit. */
export async function drive(github) {
  const headers = {authorization: `Bearer ${github.token}`, "user-agent": "contract", accept: "application/vnd.github+json"};
  const ask = async (method, path, body, more = {}) => {
    const answer = await fetch(github.address + path, {method, headers: {...headers, ...more}, body: body && JSON.stringify(body)});
    const text = await answer.text();
    return answer.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text;
  };
  const HOME = "/repos/octo-org/archive";
  const here = (method, path, body, more) => ask(method, HOME + path, body, more);
  const query = (text, variables) => ask("POST", "/graphql", {query: text, variables});
  const raw = {accept: "application/vnd.github.raw+json"};
  const base64 = (text) => Buffer.from(text).toString("base64");
  const nothing = "0".repeat(40);

  // REST, reading.
  for (const path of ["/user", "/rate_limit"]) await ask("GET", path);
  await ask("GET", "/repos/octo-org/absent");
  for (const path of ["", "/branches", "/branches/main", "/branches/absent", "/git/ref/heads/main", "/git/ref/heads/absent",
    "/git/matching-refs/heads/", "/commits?per_page=1&page=1", "/commits?sha=main", "/commits/main", "/commits/absent", "/contents/README.md?ref=main", "/contents/", "/contents/absent",
    "/git/trees/main?recursive=1", "/tarball/main"]) await here("GET", path);
  const [{sha: first}] = await here("GET", "/commits");
  const file = await here("GET", "/contents/README.md");
  await here("GET", "/contents/README.md", undefined, raw);
  await here("GET", "/commits/main", undefined, {accept: "application/vnd.github.sha"});
  for (const more of [undefined, raw]) await here("GET", `/git/blobs/${file.sha}`, undefined, more);
  await here("GET", `/git/blobs/${nothing}`);
  await here("GET", `/git/commits/${first}`);

  // REST, writing: by path, and object by object.
  await here("PUT", "/contents/a/b.txt", {message: "Add", content: base64("b")});
  await here("PUT", "/contents/README.md", {message: "Change", content: base64("c"), sha: file.sha, branch: "main"});
  await here("PUT", "/contents/README.md", {message: "Change", content: base64("c"), sha: nothing});
  await here("PUT", "/contents/README.md", {message: "Change", content: base64("c")});
  const {sha} = await here("GET", "/contents/README.md");
  await here("DELETE", "/contents/README.md", {message: "Remove", sha});
  const head = (await here("GET", "/git/ref/heads/main")).object.sha;
  const blob = await here("POST", "/git/blobs", {content: base64("blob"), encoding: "base64"});
  const entries = [{path: "c.txt", mode: "100644", type: "blob", sha: blob.sha}, {path: "a/b.txt", mode: "100644", type: "blob", sha: null}];
  const made = await here("POST", "/git/trees", {base_tree: head, tree: entries});
  await here("POST", "/git/trees", {base_tree: head, tree: [{path: "absent", mode: "100644", type: "blob", sha: null}]});
  const commit = await here("POST", "/git/commits", {message: "By hand", tree: made.sha, parents: [head]});
  await here("POST", "/git/commits", {message: "By hand", tree: nothing});
  await here("PATCH", "/git/refs/heads/main", {sha: commit.sha, force: false});
  await here("PATCH", "/git/refs/heads/main", {sha: head});
  for (let twice = 0; twice < 2; twice += 1) await here("POST", "/git/refs", {ref: "refs/heads/side", sha: head});
  await here("DELETE", "/git/refs/heads/side");
  await here("DELETE", "/git/refs/heads/side");
  await ask("GET", HOME, undefined, {authorization: "Bearer wrong"});

  // GraphQL, asking.
  const found = await query(
    `query ($owner: String!, $name: String!, $blob: String) {
      repository(owner: $owner, name: $name, followRenames: true) {
        id name nameWithOwner owner { id login } url isPrivate visibility isEmpty isArchived isDisabled diskUsage createdAt viewerPermission
        defaultBranchRef { id name prefix repository { name } target { __typename id oid abbreviatedOid commitUrl ... on Commit {
          message messageHeadline messageBody authoredDate committedDate url author { name email } committer { name }
          tree { id oid entries { name path type mode size oid object { __typename oid } } }
          file(path: "c.txt") { name path size object { ... on Blob { text byteSize isBinary isTruncated } } }
          history(first: 2) { totalCount pageInfo { hasNextPage endCursor } nodes { oid } }
        } } }
        ref(qualifiedName: "refs/heads/absent") { name }
        object(expression: $blob) { oid ... on Blob { text } }
      }
      viewer { id login url }
      rateLimit { cost limit nodeCount remaining resetAt used }
    }`,
    {owner: "octo-org", name: "archive", blob: "main:c.txt"},
  );
  await query('{ repository(owner: "octo-org", name: "absent") { id } viewer { login } }');
  const {id, defaultBranchRef: main} = found.data.repository;

  // GraphQL, committing and moving refs; each also as it is refused.
  const onBranch = `mutation ($input: CreateCommitOnBranchInput!) {
    createCommitOnBranch(input: $input) { clientMutationId commit { oid url } ref { id name target { oid } } }
  }`;
  const input = (expectedHeadOid, fileChanges, branch = {repositoryNameWithOwner: "octo-org/archive", branchName: "main"}) => ({
    input: {branch, expectedHeadOid, fileChanges, message: {headline: "Commit", body: "Why."}, clientMutationId: "1"},
  });
  const additions = [{path: "d.txt", contents: base64("d")}];
  const done = await query(onBranch, input(main.target.oid, {additions, deletions: [{path: "c.txt"}]}));
  const {oid} = done.data.createCommitOnBranch.commit;
  await query(onBranch, input(nothing, {additions}, {id: main.id}));
  await query(onBranch, input(oid, {deletions: [{path: "absent"}]}));
  await query(onBranch, input(oid, {additions: [{path: "/d", contents: ""}]}));
  const twice = async (...all) => [await query(...all), await query(...all)][0];
  const side = await twice("mutation ($i: CreateRefInput!) { createRef(input: $i) { clientMutationId ref { id name } } }", {
    i: {repositoryId: id, name: "refs/heads/side", oid: main.target.oid},
  });
  const refId = side.data.createRef.ref.id;
  const update = "mutation ($i: UpdateRefInput!) { updateRef(input: $i) { clientMutationId ref { name target { oid } } } }";
  await query(update, {i: {refId, oid}});
  await query(update, {i: {refId, oid: main.target.oid, force: false}});
  await twice("mutation ($i: UpdateRefsInput!) { updateRefs(input: $i) { clientMutationId } }", {
    i: {repositoryId: id, refUpdates: [{name: "refs/heads/side", beforeOid: oid, afterOid: main.target.oid, force: true}]},
  });
  // An export that is put together on a branch of its own: made, committed to, and gone as the other moves.
  const updates = "mutation ($i: UpdateRefsInput!) { updateRefs(input: $i) { clientMutationId } }";
  const move = (...refUpdates) => query(updates, {i: {repositoryId: id, refUpdates}});
  const staging = "refs/heads/staging/one";
  await move({name: staging, afterOid: oid, force: true});
  const onStaging = {repositoryNameWithOwner: "octo-org/archive", branchName: "staging/one"};
  const part = await query(onBranch, input(oid, {additions: [{path: "rows/e.txt", contents: base64("e")}]}, onStaging));
  const staged = part.data.createCommitOnBranch.commit.oid;
  await here("GET", "/git/matching-refs/heads/staging/");
  const {tree} = await here("GET", `/git/commits/${staged}`);
  const listed = await here("GET", `/git/trees/${tree.sha}`);
  const folders = listed.tree.map(({path, mode, type, sha}) => ({path, mode, type, sha}));
  const grafted = await here("POST", "/git/trees", {base_tree: oid, tree: folders});
  const whole = await here("POST", "/git/commits", {message: "All", tree: grafted.sha, parents: [oid]});
  const both = [{name: "refs/heads/main", beforeOid: oid, afterOid: whole.sha}, {name: staging, beforeOid: staged, afterOid: nothing}];
  await move(...both);
  await move(...both);
  await twice("mutation ($i: DeleteRefInput!) { deleteRef(input: $i) { clientMutationId } }", {i: {refId}});
}
