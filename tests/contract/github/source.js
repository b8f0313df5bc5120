// A session with a simulated GitHub as a source of data: every route to read, what it answers and what it refuses.

/** Drives it; `github` is `{address, token, tell}`, of a world of `octo-org/alpha` and `Octo-Labs/beta`. */
export async function readSource({address, token, tell}) {
  const headers = {authorization: `Bearer ${token}`, "user-agent": "contract", accept: "application/vnd.github+json"};
  const ask = async (path, more = {}) => {
    const answer = await fetch(address + path, {headers: {...headers, ...more}, redirect: "manual"});
    const text = await answer.text();
    return {tag: answer.headers.get("etag"), body: text && JSON.parse(text)};
  };
  const query = async (text, variables) => {
    const body = JSON.stringify({query: text, variables});
    return (await fetch(`${address}/graphql`, {method: "POST", headers, body})).json();
  };
  const home = "/repos/octo-org/alpha";
  const truth = await tell({do: "truth"});
  const {repository} = truth.find(({kind, reactions}) => kind === "issue" && reactions > 0);
  const one = (kind, fits = () => true) => truth.find((it) => it.kind === kind && it.repository === repository && fits(it));
  const issue = one("issue", ({reactions}) => reactions > 0);
  const review = one("review");
  const [comment, inReview] = ["comment", "review_comment"].map((kind) => one(kind, ({reactions}) => reactions > 0));
  const {body: found} = await ask(`/repositories/${repository}`);
  const base = `/repos/${found.full_name}`;

  for (const path of [
    home,
    "/repos/octo-labs/beta/issues?state=open&per_page=2&page=2",
    "/orgs/octo-org/repos?per_page=1",
    "/users/octo-org/repos",
    "/users/amara",
    "/users/dependabot%5Bbot%5D",
    "/users/absent",
    `/user/${(await ask("/users/amara")).body.id}`,
    `${base}/issues?state=all&sort=updated&direction=asc&per_page=100&since=2020-01-01T00:00:00Z`,
    `${base}/issues/comments?since=2020-01-01T00:00:00Z&sort=updated&direction=desc&per_page=100`,
    `${base}/issues/comments/${comment.id}`,
    `${base}/issues/comments/${comment.id}/reactions?content=heart`,
    `${base}/issues/${issue.number}`,
    `${base}/issues/${issue.number}/comments`,
    `${base}/issues/${issue.number}/reactions?per_page=100`,
    `${base}/pulls?state=all&sort=updated&direction=desc&per_page=100`,
    `${base}/pulls/${review.number}`,
    `${base}/pulls/${review.number}/reviews?per_page=100`,
    `${base}/pulls/${review.number}/comments`,
    `${base}/pulls/comments?since=2020-01-01T00:00:00Z&per_page=100`,
    `${base}/pulls/comments/${inReview.id}`,
    `${base}/pulls/comments/${inReview.id}/reactions`,
    `${base}/commits?since=2020-01-01T00:00:00Z&per_page=100`,
    `${base}/commits/main`,
    `${base}/issues/99999`,
  ]) {
    await ask(path);
  }
  for (const path of [`${base}/issues?state=all`, `${base}/pulls`, `${base}/issues/${issue.number}`]) {
    const {tag} = await ask(path);
    await ask(path, {"if-none-match": tag});
  }

  // GraphQL: all that a reader wants, by names and by ids.
  const actor = "author { __typename login url ... on User { databaseId name } }";
  const reactions = "reactions(first: 100) { totalCount nodes { id content createdAt user { id login } } } reactionGroups { content reactors(first: 1) { totalCount } }";
  const texts = `id fullDatabaseId body createdAt updatedAt lastEditedAt editor { login } url ${actor} ${reactions}`;
  await query(
    `query ($owner: String!, $name: String!) {
      repository(owner: $owner, name: $name) {
        __typename id databaseId nameWithOwner isPrivate visibility createdAt pushedAt owner { __typename id login }
        issues(first: 20, orderBy: {field: UPDATED_AT, direction: DESC}, filterBy: {since: "2020-01-01T00:00:00Z"}, states: [OPEN, CLOSED]) {
          totalCount pageInfo { hasNextPage endCursor } edges { cursor node { number title state stateReason closedAt ${texts}
            comments(first: 5) { totalCount nodes { ${texts} issue { number } } } } }
        }
        pullRequests(last: 20, states: [MERGED, OPEN]) {
          nodes { number title state merged mergedAt mergedBy { login } mergeCommit { oid } additions deletions baseRefName ${texts}
            reviews(first: 5) { nodes { state submittedAt ${texts} comments(first: 5) { nodes { path ${texts} pullRequestReview { id } } } } } }
        }
        defaultBranchRef { id name target { __typename ... on Commit { history(first: 50) { totalCount nodes {
          id oid message authoredDate committedDate url author { name email date user { id login } }
          authors(first: 5) { nodes { name user { login } } } parents(first: 5) { nodes { oid } }
          associatedPullRequests(first: 1) { nodes { number } } } } } } }
        labels(first: 1) { totalCount } milestones(first: 1) { nodes { title } } description stargazerCount
      }
      rateLimit { cost limit nodeCount remaining resetAt used }
      viewer { login }
    }`,
    {owner: "octo-org", name: "alpha"},
  );
  const nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Issue { title } ... on Comment { body } } }";
  await query(nodes, {ids: [issue, review, comment, inReview].map((it) => it.node_id)});
  const comments = `totalCount nodes { ${texts} deletedAt isAnswer discussion { number } replyTo { id } }`;
  const {data} = await query(
    `query ($owner: String!, $name: String!) {
      repository(owner: $owner, name: $name) {
        hasDiscussionsEnabled
        labels(first: 10) { totalCount nodes { __typename id name color description isDefault createdAt updatedAt url issues(first: 1) { totalCount } } }
        milestones(first: 10, orderBy: {field: UPDATED_AT, direction: DESC}) {
          nodes { id number title description state closed closedAt dueOn createdAt updatedAt progressPercentage url creator { login } } }
        releases(first: 10, orderBy: {field: CREATED_AT, direction: DESC}) {
          nodes { id databaseId name tagName description isDraft isPrerelease createdAt updatedAt publishedAt url author { id login } ${reactions} } }
        discussions(first: 10, orderBy: {field: UPDATED_AT, direction: DESC}) {
          totalCount nodes { number title isAnswered answerChosenAt answerChosenBy { login } answer { id } closed closedAt stateReason
            category { id name isAnswerable } labels(first: 1) { totalCount } id databaseId body createdAt updatedAt lastEditedAt url ${actor} ${reactions}
            comments(first: 10) { ${comments.replaceAll("fullDatabaseId", "databaseId")} } } }
        issues(first: 20) { nodes { labels(first: 100) { nodes { id } } milestone { id title } } }
      }
    }`,
    {owner: "octo-org", name: "alpha"},
  );
  const {labels, milestones, releases, discussions} = data.repository;
  const listed = [labels, milestones, releases, discussions].map((list) => list.nodes[0].id);
  await query("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Label { name } ... on Milestone { title } ... on Reactable { reactionGroups { content createdAt } } } }", {ids: listed});
  await query('{ resource(url: "https://github.com/octo-org/alpha/issues/1") { url } }');
  await query('{ organization(login: "octo-org") { repositories(first: 5) { nodes { name } } } }');
  for (const page of ["", "(first: 101)", '(first: 1, after: "x")']) {
    await query(`{ repository(owner: "octo-org", name: "alpha") { issues${page} { nodes { id } } } }`);
  }

  // What goes, and what GitHub says then.
  await tell({do: "delete", on: comment.id});
  await tell({do: "delete", on: issue.id});
  await query(nodes, {ids: [issue.node_id, comment.node_id]});
  await ask(`${base}/issues/${issue.number}`);
  const other = one("issue", ({id}) => id !== issue.id);
  await tell({do: "transfer", on: other.id, to: "Octo-Labs/beta"});
  await ask(`${base}/issues/${other.number}`);
  await tell({do: "rename_repository", repository, to: "gamma"});
  await ask(base);
  await ask(`${base}/issues`);
  await tell({do: "set_private", repository, private: true, readable: false});
  await ask(`/repos/octo-org/gamma`);
}
