//! What actions do. All of it can also be done at another time, while a world is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};

use super::entities::{
    Account, AccountKind, Content, Item, ItemKind, Pull, Reaction, Repository, ReviewState, Topic,
};
use super::{Spot, World, now};

impl World {
    pub(super) fn sign_up(&mut self, login: &str, kind: AccountKind, at: i64) -> u64 {
        if let Some(found) = self.account_named(login) {
            return found.id;
        }
        let id = self.new_id();
        self.logins.insert(login.to_ascii_lowercase(), id);
        let account = Account {
            id,
            kind,
            login: login.to_owned(),
            name: None,
            created: at,
        };
        self.accounts.insert(id, account);
        id
    }

    pub(super) fn delete_account(&mut self, login: &str) -> anyhow::Result<u64> {
        let found = self.account_named(login);
        let id = found.with_context(|| format!("no account {login}"))?.id;
        let owned = self.repositories.values().filter(|found| found.owner == id);
        let owned: Vec<_> = owned.map(|found| found.id).collect();
        for repository in owned {
            self.delete_repository(repository)?;
        }
        self.logins.remove(&login.to_ascii_lowercase());
        self.accounts.remove(&id);
        for item in self.items.values_mut() {
            item.author = item.author.filter(|author| *author != id);
            for reaction in &mut item.reactions {
                reaction.user = reaction.user.filter(|user| *user != id);
            }
            let topic = item.topic.as_mut();
            if let Some(answer) = topic.and_then(|topic| topic.answer.as_mut()) {
                answer.by = answer.by.filter(|by| *by != id);
            }
        }
        for marker in self.markers.values_mut() {
            marker.creator = marker.creator.filter(|creator| *creator != id);
        }
        let commits = self
            .repositories
            .values_mut()
            .flat_map(|found| &mut found.commits);
        for author in commits.flat_map(|commit| &mut commit.authors) {
            author.user = author.user.filter(|user| *user != id);
        }
        Ok(id)
    }

    pub(super) fn rename_account(&mut self, login: &str, to: &str) -> anyhow::Result<u64> {
        let found = self.account_named(login);
        let id = found.with_context(|| format!("no account {login}"))?.id;
        self.logins.remove(&login.to_ascii_lowercase());
        self.logins.insert(to.to_ascii_lowercase(), id);
        if let Some(account) = self.accounts.get_mut(&id) {
            to.clone_into(&mut account.login);
        }
        // Names with the former owner redirect, as long as nobody takes that login.
        let owned: Vec<_> = self
            .repositories
            .values()
            .filter(|found| found.owner == id)
            .map(|found| (self.full_name(found), found.id))
            .collect();
        for (name, repository) in owned {
            self.names.insert(name.to_ascii_lowercase(), repository);
        }
        Ok(id)
    }

    pub(super) fn create(&mut self, name: &str, at: i64) -> anyhow::Result<u64> {
        let (owner, short) = name
            .split_once('/')
            .with_context(|| format!("{name}: a repository is named OWNER/NAME"))?;
        let owner = self.sign_up(owner, AccountKind::Organization, at);
        let id = self.new_id();
        self.names.insert(name.to_ascii_lowercase(), id);
        let repository = Repository {
            id,
            owner,
            name: short.to_owned(),
            private: false,
            readable: true,
            created: at,
            updated: at,
            pushed: at,
            branch: "main".to_owned(),
            head: None,
            commits: Vec::new(),
            numbers: BTreeMap::new(),
            comments: BTreeSet::new(),
            review_comments: BTreeSet::new(),
            has_discussions: true,
            shows_discussions: true,
            shows_contents: true,
            discussions: BTreeSet::new(),
            releases: BTreeSet::new(),
            deleted: BTreeSet::new(),
            transferred: BTreeMap::new(),
            next: 1,
        };
        self.repositories.insert(id, repository);
        self.tell("repository", "created", id, None);
        Ok(id)
    }

    pub(super) fn rename(&mut self, id: u64, to: &str) -> anyhow::Result<u64> {
        let (owner, name) = match to.split_once('/') {
            Some((owner, name)) => {
                let owner = self.sign_up(owner, AccountKind::Organization, now());
                (Some(owner), name)
            }
            None => (None, to),
        };
        let found = self.repository_mut(id)?;
        found.owner = owner.unwrap_or(found.owner);
        name.clone_into(&mut found.name);
        found.updated = now();
        let full_name = self.full_name(&self.repositories[&id]);
        self.names.insert(full_name.to_ascii_lowercase(), id);
        self.tell("repository", "renamed", id, None);
        Ok(id)
    }

    pub(super) fn delete_repository(&mut self, id: u64) -> anyhow::Result<u64> {
        self.repository_mut(id)?;
        self.repositories.remove(&id);
        self.names.retain(|_, of| *of != id);
        self.items.retain(|_, item| item.repository != id);
        self.markers.retain(|_, marker| marker.repository != id);
        Ok(id)
    }

    pub(super) fn open(
        &mut self,
        kind: ItemKind,
        repository: &Spot,
        by: Option<String>,
        title: &str,
        body: &str,
        at: Option<i64>,
    ) -> anyhow::Result<u64> {
        let (repository, author) = (self.find(repository)?, self.whom(by)?);
        let at = at.unwrap_or_else(now);
        let id = self.write(kind, repository, 0, author, body.to_owned(), at)?;
        title.clone_into(&mut self.item_mut(id)?.title);
        let is_thread = kind.is_thread();
        self.tell_item(if is_thread { "opened" } else { "created" }, id)
    }

    pub(super) fn answer(
        &mut self,
        kind: ItemKind,
        on: &Spot,
        by: Option<String>,
        body: String,
        at: Option<i64>,
        state: Option<ReviewState>,
    ) -> anyhow::Result<u64> {
        let (on, author) = (self.find(on)?, self.whom(by)?);
        let repository = self.item_mut(on)?.repository;
        let at = at.unwrap_or_else(now);
        let id = self.write(kind, repository, on, author, body, at)?;
        self.item_mut(id)?.review = state;
        self.tell_item(
            if kind == ItemKind::Review {
                "submitted"
            } else {
                "created"
            },
            id,
        )
    }

    /// Adds an item where it belongs.
    pub(super) fn write(
        &mut self,
        kind: ItemKind,
        repository: u64,
        parent: u64,
        author: Option<u64>,
        body: String,
        at: i64,
    ) -> anyhow::Result<u64> {
        let id = self.new_id();
        let (mut number, mut is_reply) = (0, false);
        if let Some(parent) = self.items.get_mut(&parent) {
            match (parent.kind, kind) {
                (ItemKind::Issue | ItemKind::PullRequest, ItemKind::Comment)
                | (ItemKind::Review, ItemKind::ReviewComment)
                | (ItemKind::Discussion, ItemKind::DiscussionComment) => parent.comments.push(id),
                // Replies have none.
                (ItemKind::DiscussionComment, ItemKind::DiscussionComment) if !parent.is_reply => {
                    parent.comments.push(id);
                }
                (ItemKind::PullRequest, ItemKind::Review) => parent.reviews.push(id),
                (on, kind) => bail!("there is no {kind:?} on a {on:?}"),
            }
            number = parent.number;
            is_reply = parent.kind == ItemKind::DiscussionComment;
            parent.updated = parent.updated.max(at);
            let above = parent.parent;
            if let Some(thread) = self.items.get_mut(&above) {
                thread.updated = thread.updated.max(at);
            }
        } else if !kind.stands_alone() {
            bail!("{parent} is nothing to comment on");
        }
        let found = self.repository_mut(repository)?;
        if kind == ItemKind::Discussion && !found.has_discussions {
            bail!("{} has no discussions", found.name);
        }
        found.updated = found.updated.max(at);
        match kind {
            ItemKind::Issue | ItemKind::PullRequest => {
                number = found.next;
                found.next += 1;
                found.numbers.insert(number, id);
            }
            ItemKind::Comment => _ = found.comments.insert(id),
            ItemKind::ReviewComment => _ = found.review_comments.insert(id),
            ItemKind::Discussion => {
                number = found.next;
                found.next += 1;
                found.discussions.insert(id);
            }
            ItemKind::Release => _ = found.releases.insert(id),
            ItemKind::Review | ItemKind::DiscussionComment => {}
        }
        let item = Item {
            id,
            kind,
            repository,
            first_home: repository,
            parent,
            number,
            author,
            title: String::new(),
            body,
            created: at,
            updated: at,
            edited: None,
            closed: None,
            pull: (kind == ItemKind::PullRequest).then(Pull::default),
            review: (kind == ItemKind::Review).then_some(ReviewState::Commented),
            topic: (kind == ItemKind::Discussion).then(Topic::default),
            release: None,
            deleted: None,
            is_reply,
            markers: BTreeSet::new(),
            comments: Vec::new(),
            reviews: Vec::new(),
            reactions: Vec::new(),
        };
        self.items.insert(id, item);
        Ok(id)
    }

    pub(super) fn delete(&mut self, id: u64) -> anyhow::Result<u64> {
        if self.markers.contains_key(&id) {
            return self.delete_marker(id);
        }
        let item = self.item_mut(id)?.clone();
        if item.kind == ItemKind::PullRequest {
            bail!("pull requests can't be deleted");
        }
        self.tell_item("deleted", id)?;
        self.withdraw_answer(id);
        if item.kind == ItemKind::DiscussionComment && !item.comments.is_empty() {
            return self.empty_comment(id);
        }
        self.forget(id);
        if let Some(parent) = self.items.get_mut(&item.parent) {
            parent.comments.retain(|one| *one != id);
            parent.reviews.retain(|one| *one != id);
        }
        if item.kind == ItemKind::Issue {
            self.repository_mut(item.repository)?
                .deleted
                .insert(item.number);
        }
        Ok(id)
    }

    /// Removes an item and what belongs to it.
    fn forget(&mut self, id: u64) {
        let Some(item) = self.items.remove(&id) else {
            return;
        };
        if let Some(found) = self.repositories.get_mut(&item.repository) {
            found.numbers.retain(|_, of| *of != id);
            found.comments.remove(&id);
            found.review_comments.remove(&id);
            found.discussions.remove(&id);
            found.releases.remove(&id);
        }
        for below in item.comments.into_iter().chain(item.reviews) {
            self.forget(below);
        }
    }

    /// Reacts; a user who has done that already only repeats it. Returns the item's id. This changes no `updated`.
    pub(super) fn react(
        &mut self,
        on: u64,
        user: Option<u64>,
        content: Content,
        at: i64,
    ) -> anyhow::Result<u64> {
        let id = self.new_id();
        let item = self.item_mut(on)?;
        if item.deleted.is_some() {
            bail!("nobody reacts to what was deleted");
        }
        let again = |one: &Reaction| user.is_some() && one.user == user && one.content == content;
        if !item.reactions.iter().any(again) {
            item.reactions.push(Reaction {
                id,
                user,
                content,
                created: at,
            });
        }
        Ok(on)
    }

    pub(super) fn set_closed(&mut self, on: &Spot, at: Option<i64>) -> anyhow::Result<u64> {
        let id = self.find(on)?;
        if let Some(marker) = self.markers.get_mut(&id) {
            (marker.closed, marker.updated) = (at, now());
            return Ok(id);
        }
        let item = self.item_mut(id)?;
        item.closed = at;
        item.updated = now();
        self.tell_item(if at.is_some() { "closed" } else { "reopened" }, id)
    }

    pub(super) fn merge(
        &mut self,
        id: u64,
        by: Option<u64>,
        message: Option<String>,
        at: i64,
    ) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?;
        let (repository, number) = (item.repository, item.number);
        let message = message.unwrap_or_else(|| format!("{} (#{number})", item.title));
        let name = by.and_then(|user| self.account(user));
        let name = name.map_or_else(|| "somebody".to_owned(), |account| account.login.clone());
        let before = self.repository_mut(repository)?.head;
        let commit = self.commit(repository, &name, by, message, at, Vec::new())?;
        let item = self.item_mut(id)?;
        let pull = item
            .pull
            .as_mut()
            .context("only pull requests are merged")?;
        pull.merged = Some(at);
        pull.merge_commit = Some(commit);
        item.closed = Some(at);
        item.updated = item.updated.max(at);
        self.tell_push(repository, before)?;
        self.tell_item("closed", id)
    }

    pub(super) fn transfer(&mut self, id: u64, to: u64) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?.clone();
        if item.repository == to {
            bail!("it is there already");
        }
        if item.kind == ItemKind::Discussion {
            return self.move_discussion(id, to);
        }
        if item.kind != ItemKind::Issue {
            bail!("only issues and discussions can be transferred");
        }
        self.tell_item("transferred", id)?;
        let moved = self.write(
            ItemKind::Issue,
            to,
            0,
            item.author,
            item.body.clone(),
            item.created,
        )?;
        let copy = self.item_mut(moved)?;
        copy.title.clone_from(&item.title);
        copy.reactions.clone_from(&item.reactions);
        (copy.edited, copy.closed) = (item.edited, item.closed);
        copy.updated = now();
        for comment in &item.comments {
            let old = self.item_mut(*comment)?.clone();
            let new = self.write(
                ItemKind::Comment,
                to,
                moved,
                old.author,
                old.body,
                old.created,
            )?;
            let copy = self.item_mut(new)?;
            (copy.updated, copy.edited, copy.reactions) = (old.updated, old.edited, old.reactions);
        }
        self.forget(id);
        let from = self.repository_mut(item.repository)?;
        from.transferred.insert(item.number, moved);
        Ok(moved)
    }

    /// The same for an issue whose comments keep their ids.
    pub(super) fn transfer_whole(&mut self, id: u64, to: u64) -> anyhow::Result<u64> {
        if self.item_mut(id)?.kind != ItemKind::Issue {
            bail!("only issues are transferred so");
        }
        let comments = std::mem::take(&mut self.item_mut(id)?.comments);
        let from = self.item_mut(id)?.repository;
        let moved = self.transfer(id, to)?;
        let number = self.item_mut(moved)?.number;
        for comment in &comments {
            let item = self.item_mut(*comment)?;
            (item.repository, item.parent, item.number) = (to, moved, number);
            self.repository_mut(from)?.comments.remove(comment);
            self.repository_mut(to)?.comments.insert(*comment);
        }
        self.item_mut(moved)?.comments = comments;
        Ok(moved)
    }
}
