//! Everything that can happen in a world, as data: for tests in Rust, and as JSON for the command line.

use anyhow::Context as _;
use serde::Deserialize;

use super::entities::{AccountKind, Content, Item, ItemKind, Reaction, Repository, ReviewState};
use super::{Event, World, now};

/// A place in the world: an id, a label, `owner/name`, or `owner/name#number`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Spot {
    Id(u64),
    Named(String),
}

impl From<u64> for Spot {
    fn from(id: u64) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for Spot {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl From<String> for Spot {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

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
    Edit {
        on: Spot,
        body: Option<String>,
        title: Option<String>,
    },
    /// Deletes an issue, a comment, a review or a review comment.
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
    /// Moves an issue to another repository, where it gets another id. Returns that.
    Transfer {
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
        }
    }

    /// Names what an action made, so that later ones find it.
    pub fn label(&mut self, label: &str, id: u64) {
        self.labels.insert(label.to_owned(), id);
    }

    /// The id of what is at this place.
    pub fn find(&self, spot: &Spot) -> anyhow::Result<u64> {
        let name = match spot {
            Spot::Id(id) => return Ok(*id),
            Spot::Named(name) => name,
        };
        if let Some(id) = self.labels.get(name) {
            return Ok(*id);
        }
        let (full_name, number) = name.split_once('#').unwrap_or((name, ""));
        let repository = self
            .repository_named(full_name)
            .with_context(|| format!("{name}: no such repository or label"))?;
        if number.is_empty() {
            return Ok(repository.id);
        }
        let found = repository.numbers.get(&number.parse()?);
        Ok(*found.with_context(|| format!("{name}: no such issue or pull request"))?)
    }

    pub(super) fn whom(&self, by: Option<String>) -> anyhow::Result<Option<u64>> {
        let Some(login) = by else { return Ok(None) };
        let found = self.account_named(&login);
        Ok(Some(
            found.with_context(|| format!("no account {login}"))?.id,
        ))
    }

    pub(super) fn repository_mut(&mut self, id: u64) -> anyhow::Result<&mut Repository> {
        let found = self.repositories.get_mut(&id);
        found.with_context(|| format!("{id} is no repository"))
    }

    pub(super) fn item_mut(&mut self, id: u64) -> anyhow::Result<&mut Item> {
        let found = self.items.get_mut(&id);
        found.with_context(|| format!("{id} is nothing that somebody wrote"))
    }

    /// Keeps an event for the webhooks.
    pub(super) fn tell(
        &mut self,
        name: &'static str,
        action: &'static str,
        at: u64,
        item: Option<Item>,
    ) {
        if self.live {
            let full_name = self
                .repositories
                .get(&at)
                .map(|found| self.full_name(found));
            self.events.push(Event {
                name,
                action,
                repository: at,
                full_name: full_name.unwrap_or_default(),
                item,
                push: None,
            });
        }
    }

    pub(super) fn tell_push(&mut self, id: u64, before: Option<usize>) -> anyhow::Result<u64> {
        let after = self.repository_mut(id)?.head;
        self.tell("push", "", id, None);
        if let Some(event) = self.events.last_mut().filter(|_| self.live) {
            event.push = Some((before, after));
        }
        Ok(id)
    }

    pub(super) fn tell_item(&mut self, action: &'static str, id: u64) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?.clone();
        let name = match item.kind {
            ItemKind::Issue => "issues",
            ItemKind::PullRequest => "pull_request",
            ItemKind::Comment => "issue_comment",
            ItemKind::Review => "pull_request_review",
            ItemKind::ReviewComment => "pull_request_review_comment",
        };
        self.tell(name, action, item.repository, Some(item));
        Ok(id)
    }
}
