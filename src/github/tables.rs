//! The rows as the store's records and the archive's: their keys, their places, and what is left of them.

use propsbot_archive::{Id, Level, Millis, Row, RowKey, Scope};
use propsbot_mirror::{KeyPart, Place, Record, Table};

use crate::{
    exclusions::Exclusions,
    records::{HISTORY, Kept, TRACKER},
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, NodeId, Part,
        Reaction, Release, Repository, Review, User, UserId,
    },
};

impl KeyPart for NodeId {
    fn write(&self, bytes: &mut Vec<u8>) {
        KeyPart::write(&self.0, bytes);
    }
}

fn is_tracker(scope: &Scope, space: &NodeId) -> bool {
    is_part(scope, space, TRACKER)
}

fn is_history(scope: &Scope, space: &NodeId) -> bool {
    is_part(scope, space, HISTORY)
}

fn is_part(scope: &Scope, space: &NodeId, part: &str) -> bool {
    scope.space.as_str() == space.0 && scope.part.as_ref().is_some_and(|id| id.as_str() == part)
}

fn is_own(scope: &Scope, space: &NodeId) -> bool {
    scope.level() == Level::Space && scope.space.as_str() == space.0
}

/// A number for an id, to find references by. FNV-1a.
fn number(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Rows of people are spread over days by their ids, so that a new one changes a small file.
fn spread(id: &str) -> Millis {
    const DAYS: u64 = 4096;
    let day = i64::try_from(number(id) % DAYS).unwrap_or_default();
    Millis(day * 86_400_000)
}

impl Record for Repository {
    type Key = String;

    const TABLE: Table = Table {
        number: 1,
        name: "repositories",
    };

    fn key(&self) -> String {
        self.id.0.clone()
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(&self.id.0))
    }
}

impl Row for Repository {
    const TABLE: &'static str = "repositories";

    fn is_of(&self, scope: &Scope) -> bool {
        is_own(scope, &self.id)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.id.0.clone().into(),
        }
    }
}

impl Kept for Repository {
    fn space(&self) -> &str {
        &self.id.0
    }

    fn node(&self) -> &str {
        &self.id.0
    }

    fn parent(&self) -> &'static str {
        ""
    }

    fn created(&self) -> Millis {
        self.created_at
    }

    fn gone(&self) -> Option<Millis> {
        self.deleted_at
    }

    fn tombstone(&self, found: Millis) -> Self {
        Self {
            deleted_at: Some(found),
            ..self.clone()
        }
    }

    fn made_at(&self, _: Millis) -> Self {
        self.clone()
    }

    fn redact(&mut self, _: &Exclusions) {}
}

impl Row for Part {
    const TABLE: &'static str = "parts";

    fn is_of(&self, scope: &Scope) -> bool {
        is_own(scope, &self.repository_id)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.id.clone().into(),
        }
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(&self.id))
    }
}

impl Record for User {
    type Key = (String, String);

    const TABLE: Table = Table {
        number: 2,
        name: "users",
    };

    fn key(&self) -> (String, String) {
        (self.repository_id.0.clone(), self.id.0.clone())
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(&self.repository_id.0))
    }
}

impl Row for User {
    const TABLE: &'static str = "users";

    fn is_of(&self, scope: &Scope) -> bool {
        is_own(scope, &self.repository_id)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: spread(&self.id.0),
            sort: self.id.0.clone().into(),
        }
    }

    fn id(&self) -> Option<u64> {
        Some(number(&self.id.0))
    }
}

impl Kept for User {
    fn space(&self) -> &str {
        &self.repository_id.0
    }

    fn node(&self) -> &str {
        &self.id.0
    }

    fn parent(&self) -> &'static str {
        ""
    }

    fn created(&self) -> Millis {
        Millis(0)
    }

    fn gone(&self) -> Option<Millis> {
        None
    }

    fn tombstone(&self, _: Millis) -> Self {
        self.clone()
    }

    fn made_at(&self, _: Millis) -> Self {
        self.clone()
    }

    fn redact(&mut self, out: &Exclusions) {
        if out.has(Some(&self.id)) {
            (self.login, self.url) = (String::new(), String::new());
        }
    }
}

/// A type's record, row and merge, of a table that is kept by part.
macro_rules! kept {
    ($($row:ident: $number:literal, $name:literal, $part:ident, $is_of:ident, $time:ident,
       by |$by:ident| $author:expr, under |$parent:ident| $under:expr, refers |$refers:ident| $to:expr,
       tomb |$tomb:ident, $found:ident| $left:expr, redact |$redacted:ident, $out:ident| $redact:expr;)*) => {$(
        impl Record for $row {
            type Key = (String, i64, String);

            const TABLE: Table = Table {
                number: $number,
                name: $name,
            };

            fn key(&self) -> Self::Key {
                (self.repository_id.0.clone(), self.$time.0, self.id.0.clone())
            }

            fn place(&self) -> Option<Place> {
                let place = Place::of_part(&self.repository_id.0, $part, self.$time);
                let $by = self;
                let author: Option<&UserId> = $author;
                Some(place.by(author.map(|id| &id.0)))
            }
        }

        impl Row for $row {
            const TABLE: &'static str = $name;

            fn is_of(&self, scope: &Scope) -> bool {
                $is_of(scope, &self.repository_id)
            }

            fn key(&self) -> RowKey {
                RowKey {
                    time: self.$time,
                    sort: self.id.0.clone().into(),
                }
            }

            fn id(&self) -> Option<u64> {
                Some(number(&self.id.0))
            }

            fn refers_to(&self) -> Option<(&'static str, u64)> {
                let $refers = self;
                $to
            }
        }

        impl Kept for $row {
            fn space(&self) -> &str {
                &self.repository_id.0
            }

            fn node(&self) -> &str {
                &self.id.0
            }

            fn parent(&self) -> &str {
                let $parent = self;
                $under
            }

            fn created(&self) -> Millis {
                self.$time
            }

            fn gone(&self) -> Option<Millis> {
                self.deleted_at
            }

            fn tombstone(&self, $found: Millis) -> Self {
                let $tomb = self.clone();
                $left
            }

            fn made_at(&self, created: Millis) -> Self {
                let mut row = self.clone();
                row.$time = created;
                row
            }

            fn redact(&mut self, $out: &Exclusions) {
                let $redacted = self;
                $redact
            }
        }
    )*};
}

fn user(id: Option<&UserId>) -> Option<(&'static str, u64)> {
    id.map(|id| (<User as Row>::TABLE, number(&id.0)))
}

kept! {
    Commit: 3, "commits", HISTORY, is_history, committed_at,
        by |commit| commit.author_id.as_ref(), under |_commit| "",
        refers |commit| user(commit.author_id.as_ref()),
        tomb |commit, found| Self {
            repository_id: commit.repository_id,
            id: commit.id,
            oid: commit.oid,
            authored_at: commit.authored_at,
            committed_at: commit.committed_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |commit, out| {
            if out.has(commit.author_id.as_ref()) {
                commit.author_id = None;
                commit.message.clear();
            }
            if commit.coauthor_ids.iter().any(|id| out.has(Some(id))) {
                // Which of the trailers is theirs can't be told.
                let lines = commit.message.lines();
                let kept = lines.filter(|line| !line.to_lowercase().starts_with("co-authored-by:"));
                commit.message = kept.collect::<Vec<_>>().join("\n");
            }
            commit.coauthor_ids.retain(|id| !out.has(Some(id)));
            out.clean(&mut commit.message);
        };
    Issue: 4, "issues", TRACKER, is_tracker, created_at,
        by |issue| issue.author_id.as_ref(), under |_issue| "",
        refers |issue| user(issue.author_id.as_ref()),
        tomb |issue, found| Self {
            repository_id: issue.repository_id,
            id: issue.id,
            number: issue.number,
            is_pull_request: issue.is_pull_request,
            created_at: issue.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |issue, out| {
            if out.has(issue.author_id.as_ref()) {
                issue.author_id = None;
                issue.title.clear();
                issue.body.clear();
            }
            out.clean(&mut issue.title);
            out.clean(&mut issue.body);
        };
    Review: 5, "reviews", TRACKER, is_tracker, created_at,
        by |review| review.author_id.as_ref(), under |review| &review.issue_id.0,
        refers |review| Some((<Issue as Row>::TABLE, number(&review.issue_id.0))),
        tomb |review, found| Self {
            repository_id: review.repository_id,
            id: review.id,
            number: review.number,
            issue_id: review.issue_id,
            created_at: review.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |review, out| {
            if out.has(review.author_id.as_ref()) {
                review.author_id = None;
                review.body.clear();
            }
            out.clean(&mut review.body);
        };
    Comment: 6, "comments", TRACKER, is_tracker, created_at,
        by |comment| comment.author_id.as_ref(), under |comment| comment.review_id.as_ref().map_or(&comment.issue_id.0, |id| &id.0),
        refers |comment| Some((<Issue as Row>::TABLE, number(&comment.issue_id.0))),
        tomb |comment, found| Self {
            repository_id: comment.repository_id,
            id: comment.id,
            number: comment.number,
            issue_id: comment.issue_id,
            review_id: comment.review_id,
            created_at: comment.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |comment, out| {
            if out.has(comment.author_id.as_ref()) {
                comment.author_id = None;
                comment.body.clear();
            }
            out.clean(&mut comment.body);
        };
    Reaction: 7, "reactions", TRACKER, is_tracker, created_at,
        by |reaction| reaction.user_id.as_ref(), under |reaction| &reaction.subject_id.0,
        refers |reaction| user(reaction.user_id.as_ref()),
        tomb |reaction, found| Self {
            repository_id: reaction.repository_id,
            id: reaction.id,
            subject_id: reaction.subject_id,
            created_at: reaction.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |reaction, out| {
            if out.has(reaction.user_id.as_ref()) {
                reaction.user_id = None;
                reaction.content = None;
            }
        };
    Label: 14, "labels", TRACKER, is_tracker, created_at,
        by |_label| None, under |_label| "",
        refers |_label| None,
        tomb |label, found| Self {
            repository_id: label.repository_id,
            id: label.id,
            created_at: label.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |label, out| {
            out.clean(&mut label.name);
            out.clean(&mut label.description);
        };
    Milestone: 15, "milestones", TRACKER, is_tracker, created_at,
        by |milestone| milestone.creator_id.as_ref(), under |_milestone| "",
        refers |milestone| user(milestone.creator_id.as_ref()),
        tomb |milestone, found| Self {
            repository_id: milestone.repository_id,
            id: milestone.id,
            number: milestone.number,
            created_at: milestone.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |milestone, out| {
            if out.has(milestone.creator_id.as_ref()) {
                milestone.creator_id = None;
                milestone.title.clear();
                milestone.description.clear();
            }
            out.clean(&mut milestone.title);
            out.clean(&mut milestone.description);
        };
    Release: 16, "releases", TRACKER, is_tracker, created_at,
        by |release| release.author_id.as_ref(), under |_release| "",
        refers |release| user(release.author_id.as_ref()),
        tomb |release, found| Self {
            repository_id: release.repository_id,
            id: release.id,
            created_at: release.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |release, out| {
            if out.has(release.author_id.as_ref()) {
                release.author_id = None;
                release.tag.clear();
                release.name.clear();
                release.body.clear();
            }
            out.clean(&mut release.tag);
            out.clean(&mut release.name);
            out.clean(&mut release.body);
        };
    Discussion: 17, "discussions", TRACKER, is_tracker, created_at,
        by |discussion| discussion.author_id.as_ref(), under |_discussion| "",
        refers |discussion| user(discussion.author_id.as_ref()),
        tomb |discussion, found| Self {
            repository_id: discussion.repository_id,
            id: discussion.id,
            number: discussion.number,
            created_at: discussion.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |discussion, out| {
            if out.has(discussion.author_id.as_ref()) {
                discussion.author_id = None;
                discussion.title.clear();
                discussion.body.clear();
            }
            if out.has(discussion.answer_chosen_by_id.as_ref()) {
                discussion.answer_chosen_by_id = None;
            }
            out.clean(&mut discussion.title);
            out.clean(&mut discussion.body);
        };
    DiscussionComment: 18, "discussion_comments", TRACKER, is_tracker, created_at,
        by |comment| comment.author_id.as_ref(),
        under |comment| comment.reply_to_id.as_ref().map_or(&comment.discussion_id.0, |id| &id.0),
        refers |comment| Some((<Discussion as Row>::TABLE, number(&comment.discussion_id.0))),
        tomb |comment, found| Self {
            repository_id: comment.repository_id,
            id: comment.id,
            number: comment.number,
            discussion_id: comment.discussion_id,
            reply_to_id: comment.reply_to_id,
            created_at: comment.created_at,
            deleted_at: Some(found),
            ..Self::default()
        },
        redact |comment, out| {
            if out.has(comment.author_id.as_ref()) {
                comment.author_id = None;
                comment.body.clear();
            }
            out.clean(&mut comment.body);
        };
}
