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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
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
    /// Whether it has discussions at all; those that it had are hidden meanwhile.
    pub has_discussions: bool,
    /// Whether the token may read them.
    pub shows_discussions: bool,
    /// Whether the token may read its commits and releases.
    pub shows_contents: bool,
    /// Discussions, which share their numbers with issues and pull requests.
    pub discussions: BTreeSet<u64>,
    pub releases: BTreeSet<u64>,
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
    Discussion,
    /// A comment on a discussion, or a reply to one.
    DiscussionComment,
    Release,
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
            Self::Discussion => "Discussion",
            Self::DiscussionComment => "DiscussionComment",
            Self::Release => "Release",
        }
    }

    pub const fn is_thread(self) -> bool {
        matches!(self, Self::Issue | Self::PullRequest)
    }

    /// Whether it belongs to nothing but its repository.
    pub const fn stands_alone(self) -> bool {
        self.is_thread() || matches!(self, Self::Discussion | Self::Release)
    }
}

/// Something that somebody wrote. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The database id; no two items of a world have the same.
    pub id: u64,
    pub kind: ItemKind,
    pub repository: u64,
    /// The repository that it was written in, which its node id tells.
    pub first_home: u64,
    /// What it belongs to: a comment and a review to an issue or pull request, a review comment to a review, a comment on
    /// a discussion to that or to the comment that it replies to. 0 for what stands for itself.
    pub parent: u64,
    /// The number of the issue, pull request or discussion, also in what belongs to it; 0 for releases.
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
    pub topic: Option<Topic>,
    pub release: Option<Release>,
    /// When a comment was deleted that has replies: it stays without its text and its author.
    pub deleted: Option<i64>,
    /// Whether it replies to a comment on a discussion.
    pub is_reply: bool,
    /// The labels and the milestone of an issue or pull request, the labels of a discussion.
    pub markers: BTreeSet<u64>,
    /// Comments of an issue, pull request, review or discussion; replies to a comment.
    pub comments: Vec<u64>,
    /// Reviews of a pull request.
    pub reviews: Vec<u64>,
    pub reactions: Vec<Reaction>,
}

impl Item {
    pub fn node_id(&self) -> String {
        id::item(self.kind, self.first_home, self.id)
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

/// What a discussion has beyond an issue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    pub category: String,
    pub answer: Option<Answer>,
}

/// The answer of a discussion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The comment.
    pub comment: u64,
    /// Who chose it.
    pub by: Option<u64>,
    pub at: i64,
}

/// What a release has beyond its title and text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    pub tag: String,
    /// Only those who can push see it.
    pub draft: bool,
}

/// The kind of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkerKind {
    Label,
    Milestone,
}

impl MarkerKind {
    /// The name of its GraphQL type.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Label => "Label",
            Self::Milestone => "Milestone",
        }
    }
}

/// What issues, pull requests and discussions are sorted by: a label or a milestone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub id: u64,
    pub kind: MarkerKind,
    pub repository: u64,
    /// A milestone's number; 0 for labels.
    pub number: u32,
    /// A label's name, a milestone's title.
    pub name: String,
    pub description: String,
    /// Whose milestone it is.
    pub creator: Option<u64>,
    /// 0 if nobody knows it of a label, as `updated`.
    pub created: i64,
    pub updated: i64,
    pub closed: Option<i64>,
}

impl Marker {
    pub fn node_id(&self) -> String {
        id::marker(self.kind, self.repository, self.id)
    }
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
