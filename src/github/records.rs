//! What the store keeps: the rows, when each was last read, and how far the reading is.

use propsbot_archive::{Millis, Row};
use propsbot_mirror::{Record, Stamp, Table};
use serde::{Deserialize, Serialize};

use crate::{changes::OVERLAP, exclusions::Exclusions, rows::UserId};

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
    /// The same as if it had been made at another time.
    fn made_at(&self, created: Millis) -> Self;
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
    /// GitHub's time of its last change, which comments and labels move, but no reaction. Of a discussion, that up to
    /// which the comments on it are known.
    pub updated_at: Option<Millis>,
    /// Whether it was gone.
    pub is_gone: bool,
}

impl Read {
    /// Whether it was read long enough after its last change. Times have whole seconds: otherwise it may have changed
    /// once more in that second.
    pub(crate) fn is_settled(&self) -> bool {
        let settles = |at: Millis| at.0 + OVERLAP;
        self.updated_at
            .is_some_and(|at| self.at.millis().0 > settles(at))
    }
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of something else that it is missing"
)]
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
    /// What GitHub told in short of labels, milestones, releases and discussions when they were last read: see
    /// [`Told`](crate::overview::Told).
    #[serde(default)]
    pub told: [Option<String>; 4],
    /// The last change of a discussion that is known; `None` if not all were read.
    #[serde(default)]
    pub discussed: Option<Millis>,
    /// Whether GitHub refused something in this round.
    #[serde(default)]
    pub scrub_refused: bool,
    /// Up to when discussions and the reactions to them are complete.
    #[serde(default)]
    pub discussions: Option<Millis>,
    /// Whether GitHub refuses discussions.
    #[serde(default)]
    pub hides_discussions: bool,
    /// Whether a commit may be known without all that lead to it.
    #[serde(default = "yes")]
    pub lacks_ancestors: bool,
    /// Whether a pull request may be merged as a commit that isn't known.
    #[serde(default = "yes")]
    pub lacks_merged: bool,
}

/// Earlier versions didn't say.
fn yes() -> bool {
    true
}

impl Progress {
    /// Up to when each of the archive's classes is complete.
    pub(crate) fn synced(&self) -> [Option<Millis>; 4] {
        let [tracker, reactions, history] = self.complete;
        [tracker, reactions, history, self.discussions]
    }
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
