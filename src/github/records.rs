//! What the store keeps: the rows, when each was last read, and how far the reading is.

use propsbot_archive::{Id, Level, Millis, Row, RowKey, Scope};
use propsbot_mirror::{KeyPart, Place, Record, Stamp, Table};
use serde::{Deserialize, Serialize};

use crate::{
    exclusions::Exclusions,
    rows::{Comment, Commit, Issue, NodeId, Part, Reaction, Repository, Review, User, UserId},
};

/// The part with issues, pull requests and what was said about them.
pub(crate) const TRACKER: &str = "tracker";
/// The part with commits.
pub(crate) const HISTORY: &str = "history";

/// A row that the mirror merges: the last reading of it counts.
pub(crate) trait Kept: Record + Row + Clone + Ord {
    /// The repository's id.
    fn space(&self) -> &str;
    /// Its own id.
    fn node(&self) -> &str;
    /// What it is listed with: the reactions of a comment, the comments of an issue; empty if there is none.
    fn parent(&self) -> &str;
    /// When GitHub says that it was made.
    fn created(&self) -> Millis;
    /// When it was found to be gone.
    fn gone(&self) -> Option<Millis>;
    /// What is left of it once it is gone, found at this time.
    fn tombstone(&self, found: Millis) -> Self;
    /// Removes what is by or about people who are left out.
    fn redact(&mut self, out: &Exclusions);
}

/// When something was last read, and what the export doesn't tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Read {
    /// The repository.
    pub space: String,
    /// The number of its table.
    pub table: u8,
    /// What it is listed with.
    pub parent: String,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created: Millis,
    /// When the reading was asked for.
    pub at: Stamp,
    /// GitHub's time of its last change, which comments and labels move, but no reaction.
    pub updated_at: Option<Millis>,
    /// Whether it was gone.
    pub is_gone: bool,
}

impl Record for Read {
    type Key = (String, u8, String, String);

    const TABLE: Table = Table {
        number: 10,
        name: "readings",
    };

    fn key(&self) -> Self::Key {
        (
            self.space.clone(),
            self.table,
            self.parent.clone(),
            self.id.clone(),
        )
    }
}

/// How far a repository is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The repository's id.
    pub space: String,
    /// As it is configured: `owner/name`.
    pub named: String,
    /// When this was written.
    pub at: Stamp,
    /// GitHub's cursor in the first reading of issues, and of pull requests; `None` before the first page.
    pub listed: [Option<String>; 2],
    /// Whether the first reading has got to the end of issues, and of pull requests.
    pub are_listed: [bool; 2],
    /// The head of the default branch whose history was read to its end.
    pub head: Option<String>,
    /// How many commits that history has.
    pub commits: u64,
    /// Since when the lists of changes are asked for, by GitHub's clock.
    pub since: Option<Millis>,
    /// The `ETag` of each list of changes.
    pub etags: [Option<String>; 3],
    /// Numbers that belong to no issue that can be read.
    pub absent: Vec<u64>,
    /// Up to when each class is complete.
    pub complete: [Option<Millis>; 3],
    /// The table and the key that the scrub has got to; `None` between two rounds.
    pub scrubbed: Option<(u8, String, String)>,
    /// When the scrub's round began.
    pub scrub_began: Option<Millis>,
    /// When the last whole round began: everything older is known.
    pub scrub_done: Option<Millis>,
    /// Whether a number between those of known issues may belong to one that isn't known.
    #[serde(default)]
    pub lacks_numbers: bool,
    /// Whether GitHub neither had nor lacked something in this round.
    #[serde(default)]
    pub scrub_lacks: bool,
}

impl Record for Progress {
    type Key = String;

    const TABLE: Table = Table {
        number: 11,
        name: "progress",
    };

    fn key(&self) -> String {
        self.space.clone()
    }
}

/// Which account has, or had, a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    /// In lower case.
    pub login: String,
    /// The account.
    pub id: UserId,
}

impl Record for Login {
    type Key = (String, String);

    const TABLE: Table = Table {
        number: 13,
        name: "logins",
    };

    fn key(&self) -> (String, String) {
        (self.login.clone(), self.id.0.clone())
    }
}

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

    fn redact(&mut self, out: &Exclusions) {
        if out.has(Some(&self.id)) {
            (self.login, self.url) = (String::new(), String::new());
        }
    }
}

/// A type's record, row and merge, of a table that is kept by part.
macro_rules! kept {
    ($($row:ident: $number:literal, $name:literal, $part:ident, $is_of:ident, $time:ident, $author:ident,
       under |$parent:ident| $under:expr, refers |$refers:ident| $to:expr,
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
                Some(place.by(self.$author.as_ref().map(|id| &id.0)))
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
    Commit: 3, "commits", HISTORY, is_history, committed_at, author_id,
        under |_commit| "",
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
    Issue: 4, "issues", TRACKER, is_tracker, created_at, author_id,
        under |_issue| "",
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
    Review: 5, "reviews", TRACKER, is_tracker, created_at, author_id,
        under |review| &review.issue_id.0,
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
    Comment: 6, "comments", TRACKER, is_tracker, created_at, author_id,
        under |comment| comment.review_id.as_ref().map_or(&comment.issue_id.0, |id| &id.0),
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
    Reaction: 7, "reactions", TRACKER, is_tracker, created_at, user_id,
        under |reaction| &reaction.subject_id.0,
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
}
