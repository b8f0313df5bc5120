//! What people wrote, and reactions on it.

use std::collections::{BTreeMap, BTreeSet};

use apollo_compiler::response::{JsonMap, JsonValue};

use super::object::{Given, Thing};
use super::page::Entry;
use super::source::{WEB, number, signed, sorted};
use super::{World, discussions, instant, text};
use crate::github::world::{
    Account, Content, Item, ItemKind, Reaction, Repository, World as Source, id, time,
};

impl<'w> World<'w> {
    /// The issues or pull requests of a repository that the arguments want, in their order.
    pub(super) fn threads(
        &self,
        of: &'w Repository,
        kind: ItemKind,
        arguments: &JsonMap,
    ) -> Given<'w> {
        let list = |name: &str| arguments.get(name).and_then(JsonValue::as_array);
        let states = list("states").filter(|states| !states.is_empty());
        let filter = arguments.get("filterBy").and_then(JsonValue::as_object);
        let filter = filter.cloned().unwrap_or_default();
        let since = instant(&filter, "since");
        let in_filter = filter.get("states").and_then(JsonValue::as_array);
        let order = Order::of(arguments);
        let wanted = self.source.threads(of).filter(|item| {
            let state = JsonValue::from(state(item));
            let fits = |states: &Vec<JsonValue>| states.contains(&state);
            item.kind == kind
                && states.is_none_or(fits)
                && in_filter.is_none_or(fits)
                && since.is_none_or(|since| item.updated >= since)
        });
        Given::Page(order.sort(wanted))
    }

    pub(super) fn listed(
        &self,
        ids: impl IntoIterator<Item = u64>,
        arguments: &JsonMap,
    ) -> Given<'w> {
        let found = ids.into_iter().filter_map(|id| self.source.item(id));
        Given::Page(Order::of(arguments).sort(found))
    }

    pub(super) fn item(&self, of: &'w Item, name: &str, arguments: &JsonMap) -> Option<Given<'w>> {
        if of.kind == ItemKind::Release
            && let Some(given) = self.release(of, name)
        {
            return Some(given);
        }
        let given = self.any_item(of, name, arguments);
        let given = given.or_else(|| self.item_markers(of, name, arguments));
        given.or_else(|| match of.kind {
            ItemKind::Issue => self.thread(of, name, arguments),
            ItemKind::PullRequest => {
                let found = self.thread(of, name, arguments);
                found.or_else(|| self.pull(of, name, arguments))
            }
            ItemKind::Comment => self.below(of, name),
            ItemKind::Review => self.review(of, name, arguments),
            ItemKind::ReviewComment => self.review_comment(of, name),
            ItemKind::Discussion => self.discussion(of, name, arguments),
            ItemKind::DiscussionComment => self.discussion_comment(of, name, arguments),
            ItemKind::Release => None,
        })
    }

    /// Fields that all have.
    fn any_item(&self, of: &'w Item, name: &str, arguments: &JsonMap) -> Option<Given<'w>> {
        let author = of.author.and_then(|author| self.source.account(author));
        Some(match name {
            "id" => of.node_id().into(),
            "databaseId" => number(of.id),
            "fullDatabaseId" => of.id.to_string().into(),
            "author" => Given::maybe(author.map(Thing::Account)),
            "authorAssociation" => "CONTRIBUTOR".into(),
            "body" | "bodyText" => of.body.as_str().into(),
            "bodyHTML" => format!("<p>{}</p>", of.body.replace('<', "&lt;")).into(),
            "createdAt" | "publishedAt" | "submittedAt" => time(of.created).into(),
            "updatedAt" => time(of.updated).into(),
            "lastEditedAt" => of.edited.map(time).into(),
            "editor" => Given::maybe(author.filter(|_| of.edited.is_some()).map(Thing::Account)),
            "url" | "bodyUrl" | "permalink" => format!("{WEB}{}", path(self.source, of)).into(),
            "resourcePath" | "bodyResourcePath" => path(self.source, of).into(),
            "repository" => Given::One(Thing::Repository(self.source.repository(of.repository)?)),
            "reactions" => {
                let content = text(arguments, "content");
                let wanted = of
                    .reactions
                    .iter()
                    .filter(|reaction| content.is_empty() || reaction.content.graphql() == content);
                let order = Order::of(arguments);
                let entry = |reaction: &'w Reaction| Entry {
                    key: order.key(reaction.created, reaction.id),
                    thing: Thing::Reaction(of, reaction),
                };
                Given::Page(sorted(wanted.map(entry).collect()))
            }
            "reactionGroups" => {
                let groups = Content::ALL.iter();
                let groups = groups.map(|(content, ..)| Thing::ReactionGroup(of, *content));
                Given::Many(groups.collect())
            }
            _ => return None,
        })
    }

    /// What issues and pull requests have.
    fn thread(&self, of: &'w Item, name: &str, arguments: &JsonMap) -> Option<Given<'w>> {
        Some(match name {
            "number" => i64::from(of.number).into(),
            "title" | "titleHTML" => of.title.as_str().into(),
            "state" => state(of).into(),
            "stateReason" => of.closed.map(|_| "COMPLETED".to_owned()).into(),
            "closed" => of.closed.is_some().into(),
            "closedAt" => of.closed.map(time).into(),
            "comments" => self.listed(of.comments.iter().copied(), arguments),
            "participants" => {
                let reviews = self.reviews(of);
                let inside = reviews.iter().flat_map(|review| &review.comments);
                let below = of.comments.iter().chain(inside);
                let below = below.filter_map(|id| self.source.item(*id));
                let all = std::iter::once(of)
                    .chain(below)
                    .chain(reviews.iter().copied());
                let ids: BTreeSet<u64> = all.filter_map(|item| item.author).collect();
                let accounts = ids.iter().filter_map(|id| self.source.account(*id));
                let entry = |account: &'w Account| Entry {
                    key: (signed(account.id), 0),
                    thing: Thing::AsUser(account),
                };
                Given::Page(accounts.map(entry).collect())
            }
            _ => return None,
        })
    }

    fn reviews(&self, of: &'w Item) -> Vec<&'w Item> {
        of.reviews
            .iter()
            .filter_map(|id| self.source.item(*id))
            .collect()
    }

    fn pull(&self, of: &'w Item, name: &str, arguments: &JsonMap) -> Option<Given<'w>> {
        let pull = of.pull.as_ref()?;
        let home = self.source.repository(of.repository)?;
        let commit = pull.merge_commit.map(|at| &home.commits[at]);
        Some(match name {
            "merged" => pull.merged.is_some().into(),
            "mergedAt" => pull.merged.map(time).into(),
            "mergedBy" => {
                let by = commit.and_then(|commit| self.source.account(commit.authors[0].user?));
                Given::maybe(by.map(Thing::Account))
            }
            "mergeCommit" => Given::maybe(commit.map(Thing::Commit)),
            "additions" => i64::from(pull.additions).into(),
            "deletions" => i64::from(pull.deletions).into(),
            "baseRefName" => home.branch.as_str().into(),
            "baseRefOid" | "headRefOid" => {
                let head = home.head.map(|at| home.commits[at].sha.clone());
                head.unwrap_or_else(|| "0".repeat(40)).into()
            }
            "headRefName" => format!("change-{}", of.number).into(),
            "baseRepository" | "headRepository" => Given::One(Thing::Repository(home)),
            "mergeable" | "mergeStateStatus" => "UNKNOWN".into(),
            "totalCommentsCount" => {
                let inside = self.reviews(of).into_iter().map(|one| one.comments.len());
                let count = of.comments.len() + inside.sum::<usize>();
                i64::try_from(count).unwrap_or(i64::MAX).into()
            }
            "latestReviews" | "latestOpinionatedReviews" => {
                // The last one of everybody.
                let all = self.reviews(of).into_iter();
                let last: BTreeMap<_, _> = all.map(|review| (review.author, review.id)).collect();
                self.listed(last.into_values(), arguments)
            }
            "reviewThreads" => {
                let inside = self
                    .reviews(of)
                    .into_iter()
                    .flat_map(|review| &review.comments);
                let inside = inside.filter_map(|id| self.source.item(*id));
                let entry = |first: &'w Item| Entry {
                    key: (first.created, signed(first.id)),
                    thing: Thing::ReviewThread(first),
                };
                Given::Page(sorted(inside.map(entry).collect()))
            }
            "reviews" => {
                let states = arguments.get("states").and_then(JsonValue::as_array);
                let reviews = of.reviews.iter().copied().filter(|id| {
                    let state = self.source.item(*id).and_then(|item| item.review);
                    let state = state.map(|state| JsonValue::from(state.name()));
                    states.is_none_or(|states| state.is_some_and(|state| states.contains(&state)))
                });
                self.listed(reviews, arguments)
            }
            _ => return None,
        })
    }

    /// What comments and reviews have: what they are on.
    fn below(&self, of: &'w Item, name: &str) -> Option<Given<'w>> {
        let thread = self.source.thread_of(of)?;
        let is_pull = thread.kind == ItemKind::PullRequest;
        match name {
            "pullRequest" => Some(Given::maybe(is_pull.then_some(Thing::Item(thread)))),
            "issue" if !is_pull => Some(Given::One(Thing::Item(thread))),
            _ => None,
        }
    }

    fn review(&self, of: &'w Item, name: &str, arguments: &JsonMap) -> Option<Given<'w>> {
        match name {
            "state" => Some(of.review?.name().into()),
            "comments" => Some(self.listed(of.comments.iter().copied(), arguments)),
            _ => self.below(of, name),
        }
    }

    fn review_comment(&self, of: &'w Item, name: &str) -> Option<Given<'w>> {
        Some(match name {
            "state" => "SUBMITTED".into(),
            "subjectType" => "LINE".into(),
            "path" => "src/lib.rs".into(),
            "diffHunk" => "@@ -1 +1 @@".into(),
            "draftedAt" => time(of.created).into(),
            "pullRequestReview" => Given::maybe(self.source.item(of.parent).map(Thing::Item)),
            _ => return self.below(of, name),
        })
    }

    pub(super) fn review_thread(
        &self,
        of: &'w Item,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        Some(match name {
            "id" => id::review_thread(of.repository, of.id).into(),
            "comments" => self.listed([of.id], arguments),
            "path" | "subjectType" | "pullRequest" => return self.review_comment(of, name),
            "repository" => return self.any_item(of, name, arguments),
            "diffSide" => "RIGHT".into(),
            _ => return None,
        })
    }

    pub(super) fn reaction(&self, on: &'w Item, of: &'w Reaction, name: &str) -> Option<Given<'w>> {
        let user = of.user.and_then(|user| self.source.account(user));
        Some(match name {
            "id" => id::reaction(on.id, of.id).into(),
            "databaseId" => number(of.id),
            "content" => of.content.graphql().into(),
            "createdAt" => time(of.created).into(),
            "user" => Given::maybe(user.map(Thing::AsUser)),
            "reactable" => Given::One(Thing::Item(on)),
            _ => return None,
        })
    }

    pub(super) fn reaction_group(
        &self,
        on: &'w Item,
        content: Content,
        name: &str,
    ) -> Option<Given<'w>> {
        let these = || {
            on.reactions
                .iter()
                .filter(move |one| one.content == content)
        };
        Some(match name {
            "content" => content.graphql().into(),
            "createdAt" => these().map(|one| one.created).min().map(time).into(),
            "subject" => Given::One(Thing::Item(on)),
            "reactors" | "users" => {
                let entry = |one: &'w Reaction| {
                    let user: &'w Account = self.source.account(one.user?)?;
                    let thing = if name == "users" {
                        Thing::AsUser(user)
                    } else {
                        Thing::Account(user)
                    };
                    let key = (one.created, signed(one.id));
                    Some(Entry { key, thing })
                };
                Given::Page(sorted(these().filter_map(entry).collect()))
            }
            _ => return None,
        })
    }
}

/// `OPEN`, `CLOSED` or `MERGED`.
fn state(item: &Item) -> &'static str {
    let merged = item.pull.as_ref().is_some_and(|pull| pull.merged.is_some());
    match item.closed {
        _ if merged => "MERGED",
        Some(_) => "CLOSED",
        None => "OPEN",
    }
}

/// The path of an item's web page.
pub(in crate::github) fn path(source: &Source, item: &Item) -> String {
    let home = source.repository(item.repository);
    let home = home.map_or_else(String::new, |home| source.full_name(home));
    let is_pull = source
        .thread_of(item)
        .is_some_and(|thread| thread.kind == ItemKind::PullRequest);
    let kind = if is_pull { "pull" } else { "issues" };
    let (number, id) = (item.number, item.id);
    match item.kind {
        ItemKind::Issue | ItemKind::PullRequest => format!("/{home}/{kind}/{number}"),
        ItemKind::Comment => format!("/{home}/{kind}/{number}#issuecomment-{id}"),
        ItemKind::Review => format!("/{home}/pull/{number}#pullrequestreview-{id}"),
        ItemKind::ReviewComment => format!("/{home}/pull/{number}#discussion_r{id}"),
        ItemKind::Discussion | ItemKind::DiscussionComment | ItemKind::Release => {
            discussions::path(&home, item)
        }
    }
}

/// By what a list is sorted.
pub(super) struct Order {
    by_update: bool,
    by_comments: bool,
    descending: bool,
}

impl Order {
    pub(super) fn of(arguments: &JsonMap) -> Self {
        let given = arguments.get("orderBy").and_then(JsonValue::as_object);
        let has = |name: &str, value: &str| given.is_some_and(|order| text(order, name) == value);
        Self {
            by_update: has("field", "UPDATED_AT"),
            by_comments: has("field", "COMMENTS"),
            descending: has("direction", "DESC"),
        }
    }

    fn key(&self, value: i64, id: u64) -> (i64, i64) {
        let key = (value, signed(id));
        if self.descending {
            (-key.0, -key.1)
        } else {
            key
        }
    }

    /// The key of something that was made and updated then.
    pub(super) fn key_of(&self, created: i64, updated: i64, id: u64) -> (i64, i64) {
        let value = if self.by_update { updated } else { created };
        self.key(value, id)
    }

    pub(super) fn sort<'w>(&self, items: impl Iterator<Item = &'w Item>) -> Vec<Entry<'w>> {
        let entry = |item: &'w Item| {
            let value = match item {
                item if self.by_update => item.updated,
                item if self.by_comments => i64::try_from(item.comments.len()).unwrap_or(0),
                item => item.created,
            };
            Entry {
                key: self.key(value, item.id),
                thing: Thing::Item(item),
            }
        };
        sorted(items.map(entry).collect())
    }
}
