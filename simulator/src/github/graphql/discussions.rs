//! Discussions, the comments on them, and releases.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::items::Order;
use super::object::{Field, Given, Thing};
use super::{World, problem, text};
use crate::github::options::Role;
use crate::github::viewer::NOT_ACCESSIBLE;
use crate::github::world::id::{self, NodeRef};
use crate::github::world::{Item, ItemKind, Repository, time};

impl<'w> World<'w> {
    /// What a repository has of these.
    pub(super) fn repository_discussions(
        &self,
        of: &'w Repository,
        name: &str,
        arguments: &JsonMap,
    ) -> Field<'w> {
        let is_refused = match name {
            "discussion" | "discussions" => !of.shows_discussions,
            "release" | "latestRelease" | "releases" => !of.shows_contents,
            _ => false,
        };
        if is_refused {
            return Err(problem("FORBIDDEN", NOT_ACCESSIBLE));
        }
        Ok(Some(match name {
            "hasDiscussionsEnabled" => of.has_discussions.into(),
            "discussions" => {
                let answered = arguments.get("answered").and_then(JsonValue::as_bool);
                let all = self.items(of.discussions.iter().copied());
                let all = all.filter(|item| {
                    let topic = item.topic.as_ref();
                    let has_answer = topic.is_some_and(|topic| topic.answer.is_some());
                    answered.is_none_or(|answered| answered == has_answer)
                });
                Given::Page(Order::of(arguments).sort(all))
            }
            "discussion" => {
                let number = arguments.get("number").and_then(JsonValue::as_i64);
                let mut all = self.items(of.discussions.iter().copied());
                let found = all.find(|item| number == Some(i64::from(item.number)));
                Given::maybe(found.map(Thing::Item))
            }
            "releases" => {
                let all = self.items(of.releases.iter().copied());
                Given::Page(Order::of(arguments).sort(all))
            }
            "release" | "latestRelease" => {
                let tag = text(arguments, "tagName");
                let all = self.items(of.releases.iter().copied());
                let fits = |item: &&Item| {
                    let release = item.release.as_ref();
                    release.is_some_and(|release| {
                        release.tag == tag || (name == "latestRelease" && !release.draft)
                    })
                };
                Given::maybe(all.filter(fits).last().map(Thing::Item))
            }
            _ => return Ok(self.repository_markers(of, name, arguments)),
        }))
    }

    /// Whether the token may not read the discussion that this is, or belongs to, or the release or commit.
    pub(super) fn refuses(&self, node: &NodeRef) -> bool {
        let (kind, home) = match node {
            NodeRef::Item(kind, home, id) => {
                let item = self.source.item(*id);
                (*kind, item.map_or(*home, |item| item.repository))
            }
            NodeRef::Reaction(on, _) => match self.source.item(*on) {
                Some(item) => (item.kind, item.repository),
                None => return false,
            },
            NodeRef::Commit(home, _) => {
                let home = self.source.repository(*home);
                return home.is_some_and(|home| !home.shows_contents);
            }
            _ => return false,
        };
        self.source.repository(home).is_some_and(|home| match kind {
            ItemKind::Discussion | ItemKind::DiscussionComment => !home.shows_discussions,
            ItemKind::Release => !home.shows_contents,
            _ => false,
        })
    }

    fn items(&self, ids: impl Iterator<Item = u64>) -> impl Iterator<Item = &'w Item> {
        let source = self.source;
        ids.filter_map(|id| source.item(id))
            .filter(|item| self.shows(item))
    }

    /// Whether this is there at all: drafts are for those who can push, and discussions that are switched off for nobody.
    pub(super) fn shows(&self, item: &Item) -> bool {
        let home = self.source.repository(item.repository);
        match item.kind {
            ItemKind::Release => {
                let can_push = self.viewer.known && self.viewer.settings.role != Role::Read;
                can_push || item.release.as_ref().is_none_or(|release| !release.draft)
            }
            ItemKind::Discussion | ItemKind::DiscussionComment => {
                home.is_some_and(|home| home.has_discussions)
            }
            _ => true,
        }
    }

    pub(super) fn discussion(
        &self,
        of: &'w Item,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        let topic = of.topic.as_ref()?;
        let answer = topic.answer;
        Some(match name {
            "number" => i64::from(of.number).into(),
            "title" => of.title.as_str().into(),
            "closed" => of.closed.is_some().into(),
            "closedAt" => of.closed.map(time).into(),
            "stateReason" => of.closed.map(|_| "RESOLVED".to_owned()).into(),
            "isAnswered" => answer.is_some().into(),
            "answer" => {
                let comment = answer.and_then(|answer| self.source.item(answer.comment));
                Given::maybe(comment.map(Thing::Item))
            }
            "answerChosenAt" => answer.map(|answer| time(answer.at)).into(),
            "answerChosenBy" => {
                let by = answer.and_then(|answer| self.source.account(answer.by?));
                Given::maybe(by.map(Thing::Account))
            }
            "category" => Given::One(Thing::Plain(
                "DiscussionCategory",
                vec![
                    ("id", id::category(of.repository, &topic.category).into()),
                    ("name", topic.category.as_str().into()),
                    ("emoji", ":speech_balloon:".into()),
                    ("isAnswerable", (topic.category == "Q&A").into()),
                ],
            )),
            "comments" => self.listed(of.comments.iter().copied(), arguments),
            _ => return None,
        })
    }

    pub(super) fn discussion_comment(
        &self,
        of: &'w Item,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        let above = self.source.item(of.parent)?;
        let discussion = self.source.thread_of(of)?;
        Some(match name {
            "discussion" => Given::One(Thing::Item(discussion)),
            "replyTo" => Given::maybe(of.is_reply.then_some(Thing::Item(above))),
            "replies" => self.listed(of.comments.iter().copied(), arguments),
            "deletedAt" => of.deleted.map(time).into(),
            "isAnswer" => {
                let answer = discussion.topic.as_ref().and_then(|topic| topic.answer);
                answer.is_some_and(|answer| answer.comment == of.id).into()
            }
            _ => return None,
        })
    }

    pub(super) fn release(&self, of: &'w Item, name: &str) -> Option<Given<'w>> {
        let release = of.release.as_ref()?;
        Some(match name {
            "author" => {
                let author = of.author.and_then(|author| self.source.account(author));
                Given::maybe(author.map(Thing::AsUser))
            }
            "name" => of.title.as_str().into(),
            "description" => of.body.as_str().into(),
            "tagName" => release.tag.as_str().into(),
            "isDraft" => release.draft.into(),
            "isPrerelease" => false.into(),
            "publishedAt" => (!release.draft).then(|| time(of.created)).into(),
            _ => return None,
        })
    }
}

/// The path of the web page of something of these; `home` is the repository's name.
pub(super) fn path(home: &str, of: &Item) -> String {
    let (number, id) = (of.number, of.id);
    match (of.kind, &of.release) {
        (ItemKind::DiscussionComment, _) => {
            format!("/{home}/discussions/{number}#discussioncomment-{id}")
        }
        (_, Some(release)) => format!("/{home}/releases/tag/{}", release.tag),
        _ => format!("/{home}/discussions/{number}"),
    }
}
