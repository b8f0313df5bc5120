//! Everything that can happen in a world, as data: for tests in Rust, and as JSON for the command line.

use anyhow::Context as _;
use serde::Deserialize;

use super::entities::{AccountKind, Content, ItemKind, MarkerKind, Reaction, ReviewState};
use super::{Spot, World, now};

/// Something that happens. `by` is a login; without one, the account doesn't exist (any more). `at` is in seconds since
/// 1970, by default now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Somebody signs up. Returns the account's id.
    Account {
        login: String,
        #[serde(default = "user")]
        kind: AccountKind,
    },
    /// What the account wrote and its reactions stay, but nobody's. Its repositories go.
    DeleteAccount {
        login: String,
    },
    RenameAccount {
        login: String,
        to: String,
    },
    /// Creates a public repository, and its owner (an organization) if needed. Returns its id.
    Repository {
        name: String,
    },
    /// To another name, or `owner/name`. The former name redirects.
    RenameRepository {
        repository: Spot,
        to: String,
    },
    /// `readable`: whether the token may still see it.
    SetPrivate {
        repository: Spot,
        private: bool,
        readable: bool,
    },
    DeleteRepository {
        repository: Spot,
    },
    Issue {
        repository: Spot,
        by: Option<String>,
        title: String,
        #[serde(default)]
        body: String,
        at: Option<i64>,
    },
    Pull {
        repository: Spot,
        by: Option<String>,
        title: String,
        #[serde(default)]
        body: String,
        at: Option<i64>,
    },
    Comment {
        on: Spot,
        by: Option<String>,
        body: String,
        at: Option<i64>,
    },
    Review {
        on: Spot,
        by: Option<String>,
        state: ReviewState,
        #[serde(default)]
        body: String,
        at: Option<i64>,
    },
    /// On a review.
    ReviewComment {
        on: Spot,
        by: Option<String>,
        body: String,
        at: Option<i64>,
    },
    /// Also a label or a milestone, whose title is its name, and whose body its description.
    Edit {
        on: Spot,
        body: Option<String>,
        title: Option<String>,
    },
    /// Deletes anything but a pull request.
    Delete {
        on: Spot,
    },
    React {
        on: Spot,
        by: Option<String>,
        content: Content,
        at: Option<i64>,
    },
    Unreact {
        on: Spot,
        by: Option<String>,
        content: Content,
    },
    Close {
        on: Spot,
    },
    Reopen {
        on: Spot,
    },
    /// Merges a pull request. Returns the pull request's id.
    Merge {
        on: Spot,
        by: Option<String>,
        message: Option<String>,
    },
    /// Moves an issue to another repository, where it gets another id, or a discussion, which keeps its own. Returns
    /// that.
    Transfer {
        on: Spot,
        to: Spot,
    },
    /// The same for an issue whose comments keep their ids.
    TransferWhole {
        on: Spot,
        to: Spot,
    },
    /// Pushes a commit to the default branch. Returns the repository's id.
    Commit {
        repository: Spot,
        message: String,
        /// The author's account.
        by: Option<String>,
        /// The author's name in git; by default the login.
        name: Option<String>,
        at: Option<i64>,
    },
    /// Takes the newest commits off the default branch. Returns the repository's id.
    ForcePush {
        repository: Spot,
        drop: usize,
    },
    Label {
        repository: Spot,
        name: String,
        #[serde(default)]
        description: String,
    },
    Milestone {
        repository: Spot,
        by: Option<String>,
        title: String,
        #[serde(default)]
        description: String,
    },
    /// Gives an issue, pull request or discussion a label, or a milestone in place of the one that it has. Returns its id.
    Mark {
        on: Spot,
        with: Spot,
    },
    Unmark {
        on: Spot,
        with: Spot,
    },
    /// Makes a label one of the oldest, of which GitHub knows neither when it was made nor when it changed.
    ForgetTimes {
        on: Spot,
    },
    /// Whether the token may read a repository's contents: its commits and releases.
    SetContents {
        repository: Spot,
        readable: bool,
    },
    /// Switches a repository's discussions on or off. `readable`: whether the token may read them.
    SetDiscussions {
        repository: Spot,
        on: bool,
        readable: bool,
    },
    Discussion {
        repository: Spot,
        by: Option<String>,
        title: String,
        #[serde(default)]
        body: String,
        at: Option<i64>,
    },
    /// On a discussion, or a reply to a comment on one.
    DiscussionComment {
        on: Spot,
        by: Option<String>,
        body: String,
        at: Option<i64>,
    },
    /// Chooses a comment as its discussion's answer. Returns the discussion's id.
    Answer {
        on: Spot,
        by: Option<String>,
    },
    Release {
        repository: Spot,
        by: Option<String>,
        tag: String,
        title: String,
        #[serde(default)]
        body: String,
        #[serde(default)]
        draft: bool,
    },
    /// Moves a release's tag to a commit of now, which is when GitHub then says that the release was made.
    MoveTag {
        on: Spot,
    },
    /// Takes a release back into a draft, or publishes one.
    SetDraft {
        on: Spot,
        draft: bool,
    },
}

const fn user() -> AccountKind {
    AccountKind::User
}

impl World {
    /// Lets something happen now. Returns the id of what was made or changed.
    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    pub fn act(&mut self, action: Action) -> anyhow::Result<u64> {
        match action {
            Action::Account { login, kind } => Ok(self.sign_up(&login, kind, now())),
            Action::DeleteAccount { login } => self.delete_account(&login),
            Action::RenameAccount { login, to } => self.rename_account(&login, &to),
            Action::Repository { name } => self.create(&name, now()),
            Action::RenameRepository { repository, to } => {
                let id = self.find(&repository)?;
                self.rename(id, &to)
            }
            Action::SetPrivate {
                repository,
                private,
                readable,
            } => {
                let at = self.find(&repository)?;
                let found = self.repository_mut(at)?;
                found.private = private;
                found.readable = readable;
                let what = if private { "privatized" } else { "publicized" };
                self.tell("repository", what, at, None);
                Ok(at)
            }
            Action::DeleteRepository { repository } => {
                let id = self.find(&repository)?;
                self.tell("repository", "deleted", id, None);
                self.delete_repository(id)
            }
            Action::Issue {
                repository,
                by,
                title,
                body,
                at,
            } => self.open(ItemKind::Issue, &repository, by, &title, &body, at),
            Action::Pull {
                repository,
                by,
                title,
                body,
                at,
            } => self.open(ItemKind::PullRequest, &repository, by, &title, &body, at),
            Action::Comment { on, by, body, at } => {
                self.answer(ItemKind::Comment, &on, by, body, at, None)
            }
            Action::Review {
                on,
                by,
                state,
                body,
                at,
            } => self.answer(ItemKind::Review, &on, by, body, at, Some(state)),
            Action::ReviewComment { on, by, body, at } => {
                self.answer(ItemKind::ReviewComment, &on, by, body, at, None)
            }
            Action::Edit { on, body, title } => {
                let id = self.find(&on)?;
                if self.markers.contains_key(&id) {
                    return self.edit_marker(id, title, body);
                }
                let item = self.item_mut(id)?;
                item.body = body.unwrap_or_else(|| item.body.clone());
                item.title = title.unwrap_or_else(|| item.title.clone());
                item.edited = Some(now());
                item.updated = now();
                self.tell_item("edited", id)
            }
            Action::Delete { on } => {
                let id = self.find(&on)?;
                self.delete(id)
            }
            Action::React {
                on,
                by,
                content,
                at,
            } => {
                let (id, user) = (self.find(&on)?, self.whom(by)?);
                self.react(id, user, content, at.unwrap_or_else(now))
            }
            Action::Unreact { on, by, content } => {
                let (id, user) = (self.find(&on)?, self.whom(by)?);
                let reactions = &mut self.item_mut(id)?.reactions;
                let fits = |one: &Reaction| one.user == user && one.content == content;
                let at = reactions.iter().position(fits);
                reactions.remove(at.context("there is no such reaction")?);
                Ok(id)
            }
            Action::Close { on } => self.set_closed(&on, Some(now())),
            Action::Reopen { on } => self.set_closed(&on, None),
            Action::Merge { on, by, message } => {
                let (id, user) = (self.find(&on)?, self.whom(by)?);
                self.merge(id, user, message, now())
            }
            Action::Transfer { on, to } => {
                let (id, to) = (self.find(&on)?, self.find(&to)?);
                self.transfer(id, to)
            }
            Action::TransferWhole { on, to } => {
                let (id, to) = (self.find(&on)?, self.find(&to)?);
                self.transfer_whole(id, to)
            }
            Action::Commit {
                repository,
                message,
                by,
                name,
                at,
            } => {
                let id = self.find(&repository)?;
                let user = self.whom(by.clone())?;
                let name = name.or(by).unwrap_or_else(|| "somebody".to_owned());
                let before = self.repository_mut(id)?.head;
                let at = at.unwrap_or_else(now);
                self.commit(id, &name, user, message, at, Vec::new())?;
                self.tell_push(id, before)
            }
            Action::ForcePush { repository, drop } => {
                let id = self.find(&repository)?;
                let found = self.repository_mut(id)?;
                let before = found.head;
                for _ in 0..drop {
                    let at = found.head.context("no commits are left")?;
                    found.head = found.commits[at].parents.first().copied();
                }
                found.pushed = now();
                self.tell_push(id, before)
            }
            Action::Label {
                repository,
                name,
                description,
            } => {
                let id = self.find(&repository)?;
                self.add_marker(MarkerKind::Label, id, name, description, None, now())
            }
            Action::Milestone {
                repository,
                by,
                title,
                description,
            } => {
                let (id, by) = (self.find(&repository)?, self.whom(by)?);
                self.add_marker(MarkerKind::Milestone, id, title, description, by, now())
            }
            Action::Mark { on, with } => {
                let (id, with) = (self.find(&on)?, self.find(&with)?);
                self.mark(id, with)?;
                self.item_mut(id)?.updated = now();
                self.tell_item("labeled", id)
            }
            Action::Unmark { on, with } => {
                let (id, with) = (self.find(&on)?, self.find(&with)?);
                let item = self.item_mut(id)?;
                item.markers.remove(&with);
                item.updated = now();
                self.tell_item("unlabeled", id)
            }
            Action::ForgetTimes { on } => {
                let id = self.find(&on)?;
                self.forget_times(id)
            }
            Action::SetContents {
                repository,
                readable,
            } => {
                let id = self.find(&repository)?;
                self.repository_mut(id)?.shows_contents = readable;
                Ok(id)
            }
            Action::SetDiscussions {
                repository,
                on,
                readable,
            } => {
                let id = self.find(&repository)?;
                let found = self.repository_mut(id)?;
                (found.has_discussions, found.shows_discussions) = (on, readable);
                self.tell("repository", "edited", id, None);
                Ok(id)
            }
            Action::Discussion {
                repository,
                by,
                title,
                body,
                at,
            } => self.open(ItemKind::Discussion, &repository, by, &title, &body, at),
            Action::DiscussionComment { on, by, body, at } => {
                self.answer(ItemKind::DiscussionComment, &on, by, body, at, None)
            }
            Action::Answer { on, by } => {
                let (id, by) = (self.find(&on)?, self.whom(by)?);
                self.choose_answer(id, by, now())
            }
            Action::Release {
                repository,
                by,
                tag,
                title,
                body,
                draft,
            } => {
                let (id, by) = (self.find(&repository)?, self.whom(by)?);
                let id = self.release(id, by, tag, title, body, now())?;
                self.set_draft(id, draft)
            }
            Action::MoveTag { on } => {
                let id = self.find(&on)?;
                self.move_tag(id, now())
            }
            Action::SetDraft { on, draft } => {
                let id = self.find(&on)?;
                self.set_draft(id, draft)
            }
        }
    }
}
