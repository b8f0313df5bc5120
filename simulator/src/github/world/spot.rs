//! Where actions happen: how places are named and found, and what is told of them.

use anyhow::Context as _;
use serde::Deserialize;

use super::entities::{Item, ItemKind, Repository};
use super::{Event, World};

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

impl World {
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
                marker: None,
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
            ItemKind::Discussion => "discussion",
            ItemKind::DiscussionComment => "discussion_comment",
            ItemKind::Release => "release",
        };
        self.tell(name, action, item.repository, Some(item));
        Ok(id)
    }
}
