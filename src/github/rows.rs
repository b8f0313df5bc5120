//! The rows of GitHub's tables. They are what the store keeps, too.
//!
//! A field's comment says what it means, also on the page that archives carry. New fields go to the end, with a
//! default; none is ever renamed or removed. Rows omit when something was last read, so that reading it again
//! changes no bytes.

use propsbot_archive::{
    Column, Id, Kind, Millis,
    Presence::{self, Nullable, Optional, Required},
};
use serde::{Deserialize, Serialize};

/// GitHub's global id of anything but a user. Renames and new logins don't change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

/// GitHub's global id of a user, bot, organization or mannequin.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

/// Defines rows with their `COLUMNS`. A field's comment is what the archive's page says of the column.
macro_rules! rows {
    ($($(#[doc = $about:literal])* pub struct $row:ident {$(
        $(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])? pub $field:ident: $cell:ty,
    )*})*) => {$(
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $row {$(
            $(#[doc = $doc])* $(#[serde($($serde)*)])? pub $field: $cell,
        )*}

        impl $row {
            /// The columns of its table.
            pub const COLUMNS: &[Column] = &[$(
                column::<$cell>(
                    stringify!($field),
                    concat!($($(stringify!($serde)),*)?),
                    concat!($($doc),*),
                ),
            )*];
        }
    )*};
}

rows! {
    /// A repository.
    pub struct Repository {
        pub id: NodeId,
        /// the login of the user or organization that it belongs to
        pub owner: String,
        pub name: String,
        /// `PUBLIC`, `PRIVATE` or `INTERNAL`
        pub visibility: String,
        pub default_branch: Option<String>,
        pub created_at: Millis,
        /// found: it was deleted, or can't be read any more
        pub deleted_at: Option<Millis>,
    }

    /// One of the two parts of each repository.
    pub struct Part {
        pub repository_id: NodeId,
        /// "tracker": issues, pull requests, discussions and what was said about them, with labels, milestones and
        /// releases; "history": commits
        pub id: String,
    }

    /// A user, bot, organization or mannequin that did something in the repository.
    pub struct User {
        pub repository_id: NodeId,
        pub id: UserId,
        /// empty for those of whom nothing is kept
        pub login: String,
        /// GitHub's type: "User", "Bot", "Organization", "Mannequin"
        pub kind: String,
        pub url: String,
    }

    /// A commit of the default branch, or one that a pull request was merged as.
    pub struct Commit {
        pub repository_id: NodeId,
        pub id: NodeId,
        pub oid: String,
        pub message: String,
        /// nil if no account has the author's address
        pub author_id: Option<UserId>,
        /// those whom the message names with `Co-authored-by`, if they have accounts
        pub coauthor_ids: Vec<UserId>,
        pub authored_at: Millis,
        pub committed_at: Millis,
        /// found: the default branch doesn't have it any more; if set, the message and all people are empty
        pub deleted_at: Option<Millis>,
    }

    /// An issue or a pull request.
    pub struct Issue {
        pub repository_id: NodeId,
        pub id: NodeId,
        pub number: u64,
        pub is_pull_request: bool,
        pub title: String,
        /// Markdown, as it was written
        pub body: String,
        /// nil for a deleted account
        pub author_id: Option<UserId>,
        /// `OPEN`, `CLOSED` or `MERGED`
        pub state: String,
        pub created_at: Millis,
        /// the last edit of the text
        pub edited_at: Option<Millis>,
        pub closed_at: Option<Millis>,
        pub merged_at: Option<Millis>,
        /// the commit that a pull request was merged as
        pub merged_as: Option<NodeId>,
        pub additions: Option<u64>,
        pub deletions: Option<u64>,
        /// found: it was deleted or transferred; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
        /// sorted by id
        #[serde(default)]
        pub label_ids: Vec<NodeId>,
        #[serde(default)]
        pub milestone_id: Option<NodeId>,
    }

    /// A label: what issues, pull requests and discussions are sorted by.
    pub struct Label {
        pub repository_id: NodeId,
        pub id: NodeId,
        pub name: String,
        /// six hexadecimal digits
        pub color: String,
        pub description: String,
        pub created_at: Millis,
        /// found; if set, only ids and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A milestone.
    pub struct Milestone {
        pub repository_id: NodeId,
        pub id: NodeId,
        pub number: u64,
        pub title: String,
        pub description: String,
        pub creator_id: Option<UserId>,
        /// `OPEN` or `CLOSED`
        pub state: String,
        pub created_at: Millis,
        pub due_at: Option<Millis>,
        pub closed_at: Option<Millis>,
        /// found; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A release that was published.
    pub struct Release {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// the tag's name; empty if its author is left out
        pub tag: String,
        pub name: String,
        /// Markdown, as it was written
        pub body: String,
        pub author_id: Option<UserId>,
        pub is_prerelease: bool,
        pub created_at: Millis,
        pub published_at: Option<Millis>,
        /// found: it was deleted, or is a draft again; if set, only ids and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A discussion.
    pub struct Discussion {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// issues, pull requests and discussions share their numbers
        pub number: u64,
        pub title: String,
        /// Markdown, as it was written
        pub body: String,
        /// nil for a deleted account
        pub author_id: Option<UserId>,
        /// the name of its category
        pub category: String,
        /// the comment that was chosen as its answer
        pub answer_id: Option<NodeId>,
        pub answer_chosen_at: Option<Millis>,
        pub answer_chosen_by_id: Option<UserId>,
        /// sorted by id
        pub label_ids: Vec<NodeId>,
        pub created_at: Millis,
        /// the last edit of the text
        pub edited_at: Option<Millis>,
        pub closed_at: Option<Millis>,
        /// found: it was deleted or transferred; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A comment on a discussion, or a reply to one.
    pub struct DiscussionComment {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// the number in its URL
        pub number: u64,
        pub discussion_id: NodeId,
        /// the comment that it replies to
        pub reply_to_id: Option<NodeId>,
        pub body: String,
        pub author_id: Option<UserId>,
        pub created_at: Millis,
        pub edited_at: Option<Millis>,
        /// when it was deleted if GitHub tells, or else found; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A review of a pull request.
    pub struct Review {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// the number in its URL
        pub number: u64,
        /// the pull request
        pub issue_id: NodeId,
        pub body: String,
        pub author_id: Option<UserId>,
        /// `COMMENTED`, `APPROVED`, `CHANGES_REQUESTED` or `DISMISSED`
        pub state: String,
        pub created_at: Millis,
        pub edited_at: Option<Millis>,
        /// found; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A comment on an issue or a pull request, or one of a review.
    pub struct Comment {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// the number in its URL
        pub number: u64,
        /// the issue or pull request
        pub issue_id: NodeId,
        /// the review that it belongs to
        pub review_id: Option<NodeId>,
        pub body: String,
        pub author_id: Option<UserId>,
        pub created_at: Millis,
        pub edited_at: Option<Millis>,
        /// found; if set, only ids, the number and the time are left
        pub deleted_at: Option<Millis>,
    }

    /// A reaction.
    pub struct Reaction {
        pub repository_id: NodeId,
        pub id: NodeId,
        /// what it is on: an issue, a pull request, a review, a comment, a discussion or a release
        pub subject_id: NodeId,
        /// nil for a deleted account
        pub user_id: Option<UserId>,
        /// `THUMBS_UP`, `HEART` and so on; nil once it is gone, or if who reacted is left out
        pub content: Option<String>,
        pub created_at: Millis,
        /// found; if set, there is no user and no content
        pub deleted_at: Option<Millis>,
    }
}

/// A field's column. `serde` is what is told to serde of it, as text.
const fn column<C: Cell>(name: &'static str, serde: &str, doc: &'static str) -> Column {
    Column {
        name,
        kind: C::KIND,
        presence: match serde.as_bytes() {
            [b'd', b'e', b'f', ..] => Optional,
            _ => C::PRESENCE,
        },
        doc: doc.trim_ascii_start(),
    }
}

/// A type that fields have.
trait Cell {
    const KIND: Kind;
    const PRESENCE: Presence = Required;
}

impl<C: Cell> Cell for Option<C> {
    const KIND: Kind = C::KIND;
    const PRESENCE: Presence = Nullable;
}

impl<C: Cell> Cell for Vec<C> {
    const KIND: Kind = Kind::List(&C::KIND);
}

macro_rules! cells {
    ($($cell:ty => $kind:expr;)*) => {$(
        impl Cell for $cell {
            const KIND: Kind = $kind;
        }
    )*};
}

cells! {
    NodeId => Kind::Id;
    UserId => Kind::User;
    String => Kind::Text;
    Millis => Kind::Time;
    u64 => Kind::Integer;
    bool => Kind::Bool;
}

impl Repository {
    /// Whether everyone can read it: it is there, and public. Members and sites are told only of such ones.
    pub fn is_public(&self) -> bool {
        self.deleted_at.is_none() && self.visibility == "PUBLIC"
    }
}

impl From<&NodeId> for Id {
    fn from(id: &NodeId) -> Self {
        Self::from(id.0.as_str())
    }
}
