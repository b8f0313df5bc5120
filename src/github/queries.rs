//! The GraphQL queries. Each has the fragments that it uses, since GitHub refuses others.

use std::fmt::Write as _;

use serde_json::{Map, Value};

const ACTOR: &str = "fragment actor on Actor { __typename login url ... on Node { id } } ";

const ISSUE: &str = "fragment issue on Issue { __typename id number title body createdAt updatedAt lastEditedAt \
    closedAt issueState: state author { ...actor } repository { id } milestone { id } \
    reactionGroups { createdAt } } ";

const PULL: &str = "fragment pull on PullRequest { __typename id number title body createdAt updatedAt lastEditedAt \
    closedAt mergedAt additions deletions pullState: state mergeCommit { id } author { ...actor } repository { id } \
    milestone { id } reactionGroups { createdAt } } ";

const REVIEW: &str = "fragment review on PullRequestReview { __typename id url body createdAt updatedAt lastEditedAt \
    reviewState: state author { ...actor } pullRequest { id } reactionGroups { createdAt } } ";

const COMMENT: &str = "fragment comment on IssueComment { __typename id url body createdAt updatedAt lastEditedAt \
    author { ...actor } reactionGroups { createdAt } } ";

const REVIEW_COMMENT: &str = "fragment reviewComment on PullRequestReviewComment { __typename id url body createdAt \
    updatedAt lastEditedAt author { ...actor } pullRequest { id } pullRequestReview { id } \
    reactionGroups { createdAt } } ";

const REACTION: &str =
    "fragment reaction on Reaction { __typename id content createdAt user { ...actor } } ";

/// Co-authors come with the author.
const COMMIT: &str = "fragment commit on Commit { __typename id oid message authoredDate committedDate \
    author { user { ...actor } } authors(first: 10) { nodes { user { ...actor } } } } ";

/// An issue has at most a hundred.
const LABELS: &str = "... on Labelable { labels(first: 100) { nodes { id } } }";

const LABEL: &str = "fragment label on Label { __typename id labelName: name color description madeAt: createdAt \
    changedAt: updatedAt } ";

const MILESTONE: &str = "fragment milestone on Milestone { __typename id number title description createdAt updatedAt \
    dueOn closedAt milestoneState: state creator { ...actor } } ";

const RELEASE: &str = "fragment release on Release { __typename id tagName releaseName: name description isDraft \
    isPrerelease createdAt updatedAt publishedAt author { ...actor } reactionGroups { createdAt } } ";

const DISCUSSION: &str = "fragment discussion on Discussion { __typename id number title body createdAt updatedAt \
    lastEditedAt closedAt category { name } answer { id } answerChosenAt answerChosenBy { ...actor } \
    author { ...actor } repository { id } reactionGroups { createdAt } } ";

const DISCUSSION_COMMENT: &str = "fragment discussionComment on DiscussionComment { __typename id url body createdAt \
    updatedAt lastEditedAt deletedAt author { ...actor } discussion { id } replyTo { id } \
    reactionGroups { createdAt } } ";

/// What tells in short whether labels, milestones, releases and discussions changed. Four lists of each of twenty
/// repositories are a point.
const REPOSITORY: &str = "fragment repository on Repository { __typename id name owner { login } visibility createdAt \
    defaultBranchRef { name target { oid } } hasDiscussionsEnabled \
    labels(first: 100) { totalCount nodes { id updatedAt } } \
    milestones(first: 10, orderBy: { field: UPDATED_AT, direction: DESC }) { totalCount nodes { id updatedAt } } \
    releases(first: 10, orderBy: { field: CREATED_AT, direction: DESC }) @include(if: $releases) \
    { totalCount nodes { id updatedAt } } \
    discussions(first: 10, orderBy: { field: UPDATED_AT, direction: DESC }) @include(if: $discussions) \
    { totalCount nodes { id updatedAt } } } ";

const PAGE: &str = "pageInfo { hasNextPage endCursor }";

/// How many things a query asks for by their ids.
pub(crate) const IDS: usize = 100;

/// How many lists a query asks for, by their weight: the most that cost two points.
pub(crate) const LISTS: usize = 249;

/// Repositories by name. `$discussions` and `$releases` say whether those are asked for.
pub(crate) fn repositories(names: &[(String, String)]) -> (String, Map<String, Value>) {
    let (mut fields, mut variables) = Default::default();
    let mut parameters = "$discussions: Boolean! $releases: Boolean! ".to_owned();
    for (index, (owner, name)) in names.iter().enumerate() {
        write(
            &mut parameters,
            &format!("$o{index}: String! $n{index}: String! "),
        );
        write(
            &mut fields,
            &format!(
                "r{index}: repository(owner: $o{index}, name: $n{index}) {{ ...repository }} "
            ),
        );
        set(&mut variables, format!("o{index}"), owner.as_str());
        set(&mut variables, format!("n{index}"), name.as_str());
    }
    let query = format!("query({parameters}) {{ {fields} }} {REPOSITORY}");
    (query, variables)
}

/// Repositories by id: `$ids`. `$discussions` and `$releases` say whether those are asked for.
pub(crate) fn repositories_by_id() -> String {
    format!(
        "query($ids: [ID!]!, $discussions: Boolean!, $releases: Boolean!) {{ nodes(ids: $ids) {{ ...repository }} }} {REPOSITORY}"
    )
}

/// A page of the ids of what the repository `$id` lists, with when each changed last.
pub(crate) fn listing(listing: Listing) -> String {
    let (list, more) = match listing {
        Listing::Labels => ("labels(first: 100, after: $after)", ""),
        Listing::Milestones => ("milestones(first: 100, after: $after)", ""),
        Listing::Releases => ("releases(first: 100, after: $after)", "isDraft"),
        Listing::Discussions => (
            "discussions(first: 100, after: $after, orderBy: { field: UPDATED_AT, direction: DESC })",
            "",
        ),
    };
    format!(
        "query($id: ID!, $after: String) {{ node(id: $id) {{ ... on Repository {{ list: {list} {{ {PAGE} \
         nodes {{ id updatedAt {more} }} }} }} }} }}"
    )
}

/// All repositories of `$owner`, page by page.
pub(crate) fn repositories_of_owner() -> String {
    format!(
        "query($owner: String!, $after: String) {{ repositoryOwner(login: $owner) {{ \
         repositories(first: 100, after: $after, ownerAffiliations: [OWNER]) {{ {PAGE} nodes {{ name }} }} }} }}"
    )
}

/// A page of `$n` issues, with the first comments of each.
pub(crate) fn issues() -> String {
    format!(
        "query($id: ID!, $n: Int!, $after: String) {{ node(id: $id) {{ ... on Repository {{ list: issues(first: $n, \
         after: $after, orderBy: {{ field: CREATED_AT, direction: ASC }}) {{ {PAGE} nodes {{ ...issue {LABELS} \
         comments(first: 20) {{ {PAGE} nodes {{ ...comment }} }} }} }} }} }} }} {ISSUE}{COMMENT}{ACTOR}"
    )
}

/// A page of `$n` pull requests, with the first comments and reviews of each.
pub(crate) fn pulls() -> String {
    format!(
        "query($id: ID!, $n: Int!, $after: String) {{ node(id: $id) {{ ... on Repository {{ list: pullRequests(first: $n, \
         after: $after, orderBy: {{ field: CREATED_AT, direction: ASC }}) {{ {PAGE} nodes {{ ...pull {LABELS} \
         comments(first: 20) {{ {PAGE} nodes {{ ...comment }} }} \
         reviews(first: 20) {{ {PAGE} nodes {{ ...review }} }} }} }} }} }} }} {PULL}{COMMENT}{REVIEW}{ACTOR}"
    )
}

/// A page of the default branch's commits.
pub(crate) fn history() -> String {
    format!(
        "query($id: ID!, $after: String) {{ node(id: $id) {{ ... on Repository {{ defaultBranchRef {{ target {{ \
         ... on Commit {{ oid history(first: 100, after: $after) {{ totalCount {PAGE} nodes {{ ...commit }} }} }} \
         }} }} }} }} }} {COMMIT}{ACTOR}"
    )
}

/// A page of the commits that lead to this one, with what each of them directly follows.
pub(crate) fn history_of_commit() -> String {
    format!(
        "query($id: ID!, $after: String) {{ node(id: $id) {{ ... on Commit {{ oid history(first: 100, after: $after) \
         {{ totalCount {PAGE} nodes {{ ...commit parents(first: 100) {{ nodes {{ id }} }} }} }} }} }} }} {COMMIT}{ACTOR}"
    )
}

/// Anything by id: `$ids`. Pull requests come with their first reviews.
pub(crate) fn by_id() -> String {
    format!(
        "query($ids: [ID!]!, $space: ID!) {{ space: node(id: $space) {{ id }} nodes(ids: $ids) {{ ...issue ...pull ...review ...comment ...reviewComment \
         ...reaction ...label ...milestone ...release ...discussion ...discussionComment {LABELS} \
         ... on Reaction {{ reactable {{ id }} }} ... on RepositoryNode {{ repository {{ id }} }} \
         ... on DiscussionComment {{ discussion {{ repository {{ id }} }} }} \
         ... on PullRequest {{ reviews(first: 50) {{ {PAGE} nodes {{ ...review }} }} }} }} }} \
         {ISSUE}{PULL}{REVIEW}{COMMENT}{REVIEW_COMMENT}{REACTION}{LABEL}{MILESTONE}{RELEASE}{DISCUSSION}\
         {DISCUSSION_COMMENT}{ACTOR}"
    )
}

/// Issues or pull requests of the repository `$id` by their numbers.
pub(crate) fn by_number(numbers: &[u64]) -> String {
    let mut fields = String::new();
    for number in numbers {
        write(
            &mut fields,
            &format!(
                "n{number}: issueOrPullRequest(number: {number}) {{ ...issue ...pull {LABELS} }} "
            ),
        );
    }
    format!(
        "query($id: ID!) {{ node(id: $id) {{ ... on Repository {{ {fields} }} }} }} {ISSUE}{PULL}{ACTOR}"
    )
}

/// A list of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listed {
    /// Comments of an issue or pull request.
    Comments,
    /// Comments of a review.
    ReviewComments,
    /// Reviews of a pull request.
    Reviews,
    /// Reactions to anything.
    Reactions,
    /// Comments on a discussion, with the first replies to each.
    DiscussionComments,
    /// Replies to a comment on a discussion.
    Replies,
}

/// What a repository lists beside issues and pull requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Labels.
    Labels,
    /// Milestones.
    Milestones,
    /// Releases.
    Releases,
    /// Discussions, from the one that changed last.
    Discussions,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListPage {
    pub(crate) kind: Listed,
    /// What the list belongs to.
    pub(crate) id: String,
    /// The issue or pull request of that.
    pub(crate) issue: String,
    pub(crate) after: Option<String>,
}

impl ListPage {
    /// How many entries are asked for.
    fn first(&self) -> usize {
        match (self.kind, &self.after) {
            // Asking a hundred comments for replies costs a point. Few discussions have more than twenty.
            (Listed::DiscussionComments, None) => 20,
            (Listed::ReviewComments, _) => 50,
            _ => 100,
        }
    }

    /// As how many lists it counts: each comment on a discussion has one of replies.
    pub(crate) fn weight(&self) -> usize {
        match self.kind {
            Listed::DiscussionComments => 1 + self.first(),
            _ => 1,
        }
    }
}

/// Pages of several lists at once: `a0`, `a1`, … with a `list` each.
pub(crate) fn lists(pages: &[ListPage]) -> (String, Value) {
    let (mut parameters, mut fields, mut variables) = Default::default();
    for (index, page) in pages.iter().enumerate() {
        let first = page.first();
        let list = |name: &str, node: &str| {
            format!(
                "list: {name}(first: {first}, after: $c{index}) {{ {PAGE} nodes {{ ...{node} }} }}"
            )
        };
        let selected = match page.kind {
            Listed::Comments => {
                let list = list("comments", "comment");
                format!("... on Issue {{ {list} }} ... on PullRequest {{ {list} }}")
            }
            Listed::ReviewComments => {
                let list = list("comments", "reviewComment");
                format!("... on PullRequestReview {{ {list} }}")
            }
            Listed::Reviews => {
                format!("... on PullRequest {{ {} }}", list("reviews", "review"))
            }
            Listed::Reactions => {
                format!("... on Reactable {{ {} }}", list("reactions", "reaction"))
            }
            Listed::DiscussionComments => {
                let replies =
                    format!("replies(first: 10) {{ {PAGE} nodes {{ ...discussionComment }} }}");
                let node = format!("discussionComment {replies}");
                format!("... on Discussion {{ {} }}", list("comments", &node))
            }
            Listed::Replies => {
                format!(
                    "... on DiscussionComment {{ {} }}",
                    list("replies", "discussionComment")
                )
            }
        };
        write(
            &mut parameters,
            &format!("$i{index}: ID! $c{index}: String "),
        );
        write(
            &mut fields,
            &format!("a{index}: node(id: $i{index}) {{ {selected} }} "),
        );
        set(&mut variables, format!("i{index}"), page.id.as_str());
        set(&mut variables, format!("c{index}"), page.after.as_deref());
    }
    let mut query = format!("query({parameters}) {{ {fields} }} {ACTOR}");
    for (kind, fragment) in [
        (Listed::Comments, COMMENT),
        (Listed::ReviewComments, REVIEW_COMMENT),
        (Listed::Reviews, REVIEW),
        (Listed::Reactions, REACTION),
    ] {
        if pages.iter().any(|page| page.kind == kind) {
            query.push_str(fragment);
        }
    }
    let discusses = [Listed::DiscussionComments, Listed::Replies];
    if pages.iter().any(|page| discusses.contains(&page.kind)) {
        query.push_str(DISCUSSION_COMMENT);
    }
    (query, Value::Object(variables))
}

fn write(to: &mut String, text: &str) {
    to.write_str(text).expect("a text takes all");
}

fn set(variables: &mut Map<String, Value>, name: String, value: impl Into<Value>) {
    variables.insert(name, value.into());
}
