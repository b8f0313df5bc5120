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
    objects::{Actor, Node},
    queries::{ListPage, Listed},
    rows::{NodeId, User, UserId},
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
pub(crate) struct At(pub(crate) Millis);

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

/// Collects the rows of answers, and what has to be asked because of them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of something else that it is missing"
)]
pub(crate) struct Harvest {
    pub(crate) space: NodeId,
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
    /// What belongs elsewhere now, or is a draft again, by id.
    pub(crate) elsewhere: BTreeSet<String>,
    /// The issues and pull requests that were read.
    pub(crate) issues: BTreeMap<u64, String>,
    /// The ids of what was there.
    pub(crate) found: BTreeSet<String>,
    /// Whether the comments on discussions are listed, too.
    pub(crate) lists_comments: bool,
    /// The changes up to which the comments on discussions are known that are only asked for by their ids.
    pub(crate) discussed: BTreeMap<String, Option<Millis>>,
    /// Known comments on discussions: the scrub looks at reactions to them.
    pub(crate) scrubbed: BTreeSet<String>,
    /// Whether something that was asked for was neither there nor said to be gone.
    pub(crate) is_lacking: bool,
    /// Whether GitHub refused to show something.
    pub(crate) is_refused: bool,
    /// Whether it lacks something else than discussions that GitHub refuses.
    pub(crate) lacks_others: bool,
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
            found: BTreeSet::new(),
            lists_comments: false,
            discussed: BTreeMap::new(),
            scrubbed: BTreeSet::new(),
            is_lacking: false,
            is_refused: false,
            lacks_others: false,
        }
    }

    fn add(&mut self, object: Object, updated_at: Option<Millis>) {
        let fact = Fact::Read(Box::new(object), updated_at);
        self.facts.push(Observation { at: self.at, fact });
    }

    /// The id of whoever did something, whose row is added. Mannequins are people who never had an account.
    pub(crate) fn person(&mut self, actor: Option<&Actor>) -> Option<UserId> {
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
        let replies = node.replies.take();
        let own = node.id.clone();
        let has_reactions = node
            .reaction_groups
            .as_ref()
            .is_some_and(|groups| groups.iter().any(|group| group.created_at.is_some()));
        let has_reactions = has_reactions && !self.scrubbed.contains(&own);
        // What is gone isn't looked at again, so that its reactions go with it.
        let has_reactions = has_reactions || node.deleted_at.is_some();
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
        let updated_at = node.updated_at.or(node.changed_at).map(|at| at.0);
        let updated_at = self.discussed.get(&own).copied().unwrap_or(updated_at);
        let Some(object) = self.object(node, issue.as_deref(), review) else {
            return false;
        };
        self.add(object, updated_at);
        self.found.insert(own.clone());
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
        if let Some(replies) = replies {
            self.page(Listed::Replies, &own, &issue, &replies);
        }
        true
    }

    /// Notes that GitHub refuses something, by whether it belongs to discussions.
    pub(crate) fn refuse(&mut self, is_discussion: bool) {
        (self.is_lacking, self.is_refused) = (true, true);
        self.lacks_others |= !is_discussion;
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
