//! What a world consists of: accounts, repositories, what people write in them, commits.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::id;

/// The kind of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    User,
    Bot,
    Organization,
    /// Stands for somebody from another service whose contributions were imported.
    Mannequin,
}

impl AccountKind {
    /// The name of its type, in REST and in GraphQL.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Bot => "Bot",
            Self::Organization => "Organization",
            Self::Mannequin => "Mannequin",
        }
    }
}

/// An account. A deleted one is no longer in the world: what it wrote has no author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: u64,
    pub kind: AccountKind,
    pub login: String,
    pub name: Option<String>,
    /// Seconds since 1970.
    pub created: i64,
}

impl Account {
    pub fn node_id(&self) -> String {
        id::account(self.kind, self.id)
    }
}

/// A repository. Its items and commits are found by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub id: u64,
    /// The owner's account.
    pub owner: u64,
    pub name: String,
    pub private: bool,
    /// Whether the token may see it while it is private.
    pub readable: bool,
    pub created: i64,
    /// When something in it last changed.
    pub updated: i64,
    pub pushed: i64,
    pub branch: String,
    /// The head of the default branch: its place in `commits`.
    pub head: Option<usize>,
    /// All commits ever pushed, oldest first; those that a forced push left behind included.
    pub commits: Vec<Commit>,
    /// Issues and pull requests by number.
    pub numbers: BTreeMap<u32, u64>,
    /// Comments of all its issues and pull requests, and of all its reviews, in the order of their creation.
    pub comments: BTreeSet<u64>,
    pub review_comments: BTreeSet<u64>,
    /// Numbers of what was deleted.
    pub deleted: BTreeSet<u32>,
    /// Numbers of what was transferred, with the issue's present id.
    pub transferred: BTreeMap<u32, u64>,
    /// The next number.
    pub next: u32,
}

impl Repository {
    pub fn node_id(&self) -> String {
        id::repository(self.id)
    }

    /// Whether the token sees it.
    pub fn is_visible(&self) -> bool {
        !self.private || self.readable
    }

    /// The places in `commits` of a commit and everything before it, newest first.
    pub fn history(&self, from: Option<usize>) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(&self.commits[at].parents);
            }
        }
        seen.into_iter().rev().collect()
    }

    /// A commit of this repository by its hash.
    pub fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.sha == sha)
    }
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub sha: String,
    pub repository: u64,
    /// Its text, trailers included.
    pub message: String,
    /// Its author and, if the trailers name them, the co-authors.
    pub authors: Vec<GitActor>,
    pub at: i64,
    /// Places in the repository's `commits`.
    pub parents: Vec<usize>,
}

impl Commit {
    pub fn node_id(&self) -> String {
        id::commit(self.repository, &self.sha)
    }
}

/// An author as git knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitActor {
    pub name: String,
    pub email: String,
    /// The account with this email address, if there is one.
    pub user: Option<u64>,
}

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Issue,
    PullRequest,
    /// A comment on an issue or a pull request.
    Comment,
    Review,
    ReviewComment,
}

impl ItemKind {
    /// The name of its GraphQL type.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Issue => "Issue",
            Self::PullRequest => "PullRequest",
            Self::Comment => "IssueComment",
            Self::Review => "PullRequestReview",
            Self::ReviewComment => "PullRequestReviewComment",
        }
    }

    pub const fn is_thread(self) -> bool {
        matches!(self, Self::Issue | Self::PullRequest)
    }
}

/// Something that somebody wrote. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The database id; no two items of a world have the same.
    pub id: u64,
    pub kind: ItemKind,
    pub repository: u64,
    /// What it belongs to: a comment and a review to an issue or pull request, a review comment to a review.
    /// 0 for issues and pull requests.
    pub parent: u64,
    /// The number of the issue or pull request, also in what belongs to it.
    pub number: u32,
    /// None: the account was deleted.
    pub author: Option<u64>,
    pub title: String,
    pub body: String,
    pub created: i64,
    pub updated: i64,
    pub edited: Option<i64>,
    pub closed: Option<i64>,
    pub pull: Option<Pull>,
    pub review: Option<ReviewState>,
    /// Comments of an issue, pull request or review.
    pub comments: Vec<u64>,
    /// Reviews of a pull request.
    pub reviews: Vec<u64>,
    pub reactions: Vec<Reaction>,
}

impl Item {
    pub fn node_id(&self) -> String {
        id::item(self.kind, self.repository, self.id)
    }
}

/// What a pull request has beyond an issue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    pub merged: Option<i64>,
    /// The place of the commit that merged it in the repository's `commits`.
    pub merge_commit: Option<usize>,
    pub additions: u32,
    pub deletions: u32,
}

/// What a review decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
}

impl ReviewState {
    /// As REST and GraphQL write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

/// A reaction. A user has each content once; a null user may be several times there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    pub id: u64,
    /// None: GitHub doesn't say who.
    pub user: Option<u64>,
    pub content: Content,
    pub created: i64,
}

/// What a reaction says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    ThumbsUp,
    ThumbsDown,
    Laugh,
    Hooray,
    Confused,
    Heart,
    Rocket,
    Eyes,
}

impl Content {
    /// All of them, with their names in GraphQL and in REST.
    pub const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::ThumbsUp, "THUMBS_UP", "+1"),
        (Self::ThumbsDown, "THUMBS_DOWN", "-1"),
        (Self::Laugh, "LAUGH", "laugh"),
        (Self::Hooray, "HOORAY", "hooray"),
        (Self::Confused, "CONFUSED", "confused"),
        (Self::Heart, "HEART", "heart"),
        (Self::Rocket, "ROCKET", "rocket"),
        (Self::Eyes, "EYES", "eyes"),
    ];

    pub const fn graphql(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub const fn rest(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}
