//! What GitHub answers, and the rows that it means. Whatever has no sense is left out by itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use propsbot_archive::{Millis, is_row_time};
use propsbot_mirror::Stamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tracing::warn;

use crate::{
    error::GithubError,
    merge::{Fact, Object, Observation},
    queries::{ListPage, Listed},
    rows::{Comment, Commit, Issue, NodeId, Reaction, Repository, Review, User, UserId},
};

/// A page of a connection. Nodes are read one by one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    #[serde(default)]
    pub(crate) total_count: u64,
    #[serde(default)]
    page_info: PageInfo,
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) nodes: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    #[serde(default)]
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl Connection {
    /// Where the next page begins; `None` if this is the last one.
    fn next(&self) -> Option<String> {
        let cursor = self.page_info.end_cursor.clone();
        cursor.filter(|_| self.page_info.has_next_page)
    }

    /// The same for the page that was asked for with the cursor `after`.
    ///
    /// # Errors
    /// A list that goes in circles.
    pub(crate) fn next_after(&self, after: Option<&str>) -> Result<Option<String>, GithubError> {
        let next = self.next();
        if next.is_some() && next.as_deref() == after {
            let circles = "a list goes in circles".to_owned();
            return Err(GithubError::Unreadable(circles));
        }
        Ok(next)
    }
}

fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads what may be nonsense.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> Option<T> {
    if value.is_null() {
        return None;
    }
    let read = T::deserialize(value).ok();
    if read.is_none() {
        // The error would quote what people wrote.
        let id = value.get("id").and_then(Value::as_str).unwrap_or("?");
        warn!(id, "GitHub's answer has something that can't be read");
    }
    read
}

/// A time, with or without a zone's offset.
#[derive(Clone, Copy)]
struct At(Millis);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at =
            time(&text).ok_or_else(|| serde::de::Error::custom("a time outside the calendar"))?;
        Ok(Self(at))
    }
}

/// The time that a text of GitHub's says, if an archive can have it.
pub(crate) fn time(text: &str) -> Option<Millis> {
    let at: Timestamp = text.parse().ok()?;
    Some(Millis(at.as_millisecond())).filter(|at| is_row_time(*at))
}

#[derive(Clone, Deserialize)]
struct Actor {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
    url: String,
    id: String,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
struct GitActor {
    user: Option<Actor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    created_at: Option<String>,
}

/// Anything that has a node id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    #[serde(rename = "__typename")]
    kind: String,
    pub(crate) id: String,
    number: Option<u64>,
    url: Option<String>,
    title: Option<String>,
    body: Option<String>,
    created_at: Option<At>,
    updated_at: Option<At>,
    last_edited_at: Option<At>,
    closed_at: Option<At>,
    merged_at: Option<At>,
    #[serde(alias = "issueState", alias = "pullState", alias = "reviewState")]
    state: Option<String>,
    additions: Option<u64>,
    deletions: Option<u64>,
    merge_commit: Option<Reference>,
    author: Option<Value>,
    authors: Option<Connection>,
    user: Option<Actor>,
    repository: Option<Reference>,
    pull_request: Option<Reference>,
    pull_request_review: Option<Reference>,
    reactable: Option<Reference>,
    reaction_groups: Option<Vec<Group>>,
    content: Option<String>,
    oid: Option<String>,
    message: Option<String>,
    authored_date: Option<At>,
    committed_date: Option<At>,
    comments: Option<Connection>,
    reviews: Option<Connection>,
}

/// A repository as GitHub has it now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) id: String,
    pub(crate) name: String,
    owner: Owner,
    visibility: String,
    created_at: At,
    default_branch_ref: Option<Branch>,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    oid: String,
}

impl Overview {
    pub(crate) fn row(&self) -> Repository {
        let branch = self.default_branch_ref.as_ref();
        Repository {
            id: NodeId(self.id.clone()),
            owner: self.owner.login.clone(),
            name: self.name.clone(),
            visibility: self.visibility.clone(),
            default_branch: branch.map(|branch| branch.name.clone()),
            created_at: self.created_at.0,
            deleted_at: None,
        }
    }

    /// `owner/name`
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner.login, self.name)
    }

    pub(crate) fn name_is(&self, name: &str) -> bool {
        self.full_name().eq_ignore_ascii_case(name)
    }

    /// The last commit of the default branch.
    pub(crate) fn head(&self) -> Option<&str> {
        let target = self.default_branch_ref.as_ref()?.target.as_ref()?;
        Some(&target.oid)
    }
}

/// Collects the rows of answers, and what has to be asked because of them.
pub(crate) struct Harvest {
    space: NodeId,
    /// When the request was sent whose answer is read.
    pub(crate) at: Stamp,
    pub(crate) facts: Vec<Observation>,
    users: BTreeSet<UserId>,
    /// What has more pages, or wasn't listed yet.
    pub(crate) lists: Vec<ListPage>,
    /// Lists that were read to their end, by kind and what they belong to: the ids in them.
    pub(crate) whole: BTreeMap<(Listed, String), BTreeSet<String>>,
    /// Begun lists.
    begun: BTreeMap<(Listed, String), BTreeSet<String>>,
    /// Issues, by id: those that belong elsewhere now.
    pub(crate) elsewhere: BTreeSet<String>,
    /// The issues and pull requests that were read.
    pub(crate) issues: BTreeMap<u64, String>,
    /// Whether something that was asked for was neither there nor said to be gone.
    pub(crate) is_lacking: bool,
}

impl Harvest {
    pub(crate) fn new(space: &str, at: Stamp) -> Self {
        Self {
            space: NodeId(space.to_owned()),
            at,
            facts: Vec::new(),
            users: BTreeSet::new(),
            lists: Vec::new(),
            whole: BTreeMap::new(),
            begun: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            issues: BTreeMap::new(),
            is_lacking: false,
        }
    }

    fn add(&mut self, object: Object, updated_at: Option<At>) {
        let updated_at = updated_at.map(|at| at.0);
        let fact = Fact::Read(Box::new(object), updated_at);
        self.facts.push(Observation { at: self.at, fact });
    }

    /// The id of whoever did something, whose row is added. Mannequins are people who never had an account.
    fn person(&mut self, actor: Option<&Actor>) -> Option<UserId> {
        let actor = actor?;
        let id = UserId(actor.id.clone());
        if self.users.insert(id.clone()) {
            let user = User {
                repository_id: self.space.clone(),
                id: id.clone(),
                login: actor.login.clone(),
                kind: actor.kind.clone(),
                url: actor.url.clone(),
            };
            self.add(Object::User(user), None);
        }
        Some(id)
    }

    /// Adds whatever this is. Of a comment, `issue` and `review` say where it belongs, unless it says so itself.
    pub(crate) fn node(
        &mut self,
        value: &Value,
        issue: Option<&str>,
        review: Option<&str>,
    ) -> bool {
        let Some(mut node) = read::<Node>(value) else {
            return false;
        };
        let (comments, reviews) = (node.comments.take(), node.reviews.take());
        let own = node.id.clone();
        let has_reactions = node
            .reaction_groups
            .as_ref()
            .is_some_and(|groups| groups.iter().any(|group| group.created_at.is_some()));
        let is_issue = matches!(&*node.kind, "Issue" | "PullRequest");
        let issue = if is_issue {
            Some(own.clone())
        } else {
            issue.map(str::to_owned)
        };
        let issue = node
            .pull_request
            .as_ref()
            .map(|pull| pull.id.clone())
            .or(issue);
        let updated_at = node.updated_at;
        let Some(object) = self.object(node, issue.as_deref(), review) else {
            return false;
        };
        self.add(object, updated_at);
        let issue = issue.unwrap_or_default();
        if has_reactions {
            self.ask(Listed::Reactions, &own, &issue);
        }
        if let Some(comments) = comments {
            self.page(Listed::Comments, &own, &issue, &comments);
        }
        if let Some(reviews) = reviews {
            self.page(Listed::Reviews, &own, &issue, &reviews);
        }
        true
    }

    fn object(&mut self, node: Node, issue: Option<&str>, review: Option<&str>) -> Option<Object> {
        let repository_id = self.space.clone();
        let id = NodeId(node.id.clone());
        let author: Option<Actor> = node.author.as_ref().and_then(|author| match &*node.kind {
            "Commit" => read::<GitActor>(author)?.user,
            _ => read(author),
        });
        let author_id = self.person(author.as_ref());
        let created_at = node.created_at.map(|at| at.0);
        let edited_at = node.last_edited_at.map(|at| at.0);
        if node.kind == "Commit" {
            return self.commit(node, author_id);
        }
        let body = node.body.unwrap_or_default();
        Some(match &*node.kind {
            "Issue" | "PullRequest" => {
                let number = node.number?;
                if node
                    .repository
                    .is_some_and(|repository| repository.id != repository_id.0)
                {
                    self.elsewhere.insert(node.id);
                    return None;
                }
                self.issues.insert(number, node.id);
                Object::Issue(Issue {
                    repository_id,
                    id,
                    number,
                    is_pull_request: node.kind == "PullRequest",
                    title: node.title.unwrap_or_default(),
                    body,
                    author_id,
                    state: node.state.unwrap_or_default(),
                    created_at: created_at?,
                    edited_at,
                    closed_at: node.closed_at.map(|at| at.0),
                    merged_at: node.merged_at.map(|at| at.0),
                    merged_as: node.merge_commit.map(|commit| NodeId(commit.id)),
                    additions: node.additions,
                    deletions: node.deletions,
                    deleted_at: None,
                })
            }
            // Nobody but its author can see it yet.
            "PullRequestReview" if node.state.as_deref() == Some("PENDING") => return None,
            "PullRequestReview" => Object::Review(Review {
                repository_id,
                id,
                number: in_url(node.url.as_deref()?)?,
                issue_id: NodeId(issue?.to_owned()),
                body,
                author_id,
                state: node.state.unwrap_or_default(),
                created_at: created_at?,
                edited_at,
                deleted_at: None,
            }),
            "IssueComment" | "PullRequestReviewComment" => {
                let own = node.pull_request_review.map(|review| review.id);
                let review = own.or_else(|| review.map(str::to_owned));
                Object::Comment(Comment {
                    repository_id,
                    id,
                    number: in_url(node.url.as_deref()?)?,
                    issue_id: NodeId(issue?.to_owned()),
                    review_id: review.map(NodeId),
                    body,
                    author_id,
                    created_at: created_at?,
                    edited_at,
                    deleted_at: None,
                })
            }
            "Reaction" => {
                let own = node.reactable.map(|subject| subject.id);
                let subject = own.or_else(|| review.map(str::to_owned))?;
                Object::Reaction(Reaction {
                    repository_id,
                    id,
                    subject_id: NodeId(subject),
                    user_id: self.person(node.user.as_ref()),
                    content: Some(node.content?),
                    created_at: created_at?,
                    deleted_at: None,
                })
            }
            _ => return None,
        })
    }

    fn commit(&mut self, node: Node, author_id: Option<UserId>) -> Option<Object> {
        let authors = node.authors.map(|authors| authors.nodes);
        let mut coauthor_ids = Vec::new();
        for author in authors.iter().flatten() {
            let user = read::<GitActor>(author).and_then(|author| author.user);
            let user = self.person(user.as_ref());
            let new = user.filter(|id| Some(id) != author_id.as_ref());
            coauthor_ids.extend(new.filter(|id| !coauthor_ids.contains(id)));
        }
        Some(Object::Commit(Commit {
            repository_id: self.space.clone(),
            id: NodeId(node.id),
            oid: node.oid?,
            message: node.message.unwrap_or_default(),
            author_id,
            coauthor_ids,
            authored_at: node.authored_date?.0,
            committed_at: node.committed_date?.0,
            deleted_at: None,
        }))
    }

    /// Asks for a list from its beginning.
    pub(crate) fn ask(&mut self, kind: Listed, id: &str, issue: &str) {
        self.lists.push(ListPage {
            kind,
            id: id.to_owned(),
            issue: issue.to_owned(),
            after: None,
        });
    }

    /// Adds a page of a list, and asks for the next one.
    pub(crate) fn page(&mut self, kind: Listed, id: &str, issue: &str, page: &Connection) {
        let key = (kind, id.to_owned());
        let mut ids = self.begun.remove(&key).unwrap_or_default();
        for node in &page.nodes {
            let within = matches!(kind, Listed::ReviewComments | Listed::Reactions).then_some(id);
            let Some(own) = node.get("id").and_then(Value::as_str) else {
                continue;
            };
            ids.insert(own.to_owned());
            if self.node(node, Some(issue), within) && kind == Listed::Reviews {
                self.ask(Listed::ReviewComments, own, issue);
            }
        }
        match page.next() {
            None => {
                self.whole.insert(key, ids);
            }
            after => {
                self.begun.insert(key, ids);
                self.lists.push(ListPage {
                    kind,
                    id: id.to_owned(),
                    issue: issue.to_owned(),
                    after,
                });
            }
        }
    }
}

/// The number at the end of a comment's or review's URL.
fn in_url(url: &str) -> Option<u64> {
    let mut parts = url.rsplit(|char: char| !char.is_ascii_digit());
    parts.next()?.parse().ok()
}
