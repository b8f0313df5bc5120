//! Discussions with their answers, and releases.

use anyhow::{Context as _, bail};

use super::entities::{Answer, ItemKind, Release};
use super::{World, now};

impl World {
    /// Chooses a comment as its discussion's answer. Returns the discussion's id.
    pub(super) fn choose_answer(
        &mut self,
        comment: u64,
        by: Option<u64>,
        at: i64,
    ) -> anyhow::Result<u64> {
        let item = self.item_mut(comment)?;
        if item.kind != ItemKind::DiscussionComment || item.is_reply || item.deleted.is_some() {
            bail!("only a comment on a discussion answers it");
        }
        let discussion = item.parent;
        let item = self.item_mut(discussion)?;
        item.updated = item.updated.max(at);
        let topic = item.topic.as_mut().context("a discussion has a topic")?;
        topic.answer = Some(Answer { comment, by, at });
        self.tell_item("answered", discussion)
    }

    /// Moves a discussion to another repository, with the comments on it: all keep their ids.
    pub(super) fn move_discussion(&mut self, id: u64, to: u64) -> anyhow::Result<u64> {
        self.tell_item("transferred", id)?;
        let from = self.item_mut(id)?.repository;
        self.repository_mut(from)?.discussions.remove(&id);
        let found = self.repository_mut(to)?;
        let number = found.next;
        found.next += 1;
        found.discussions.insert(id);
        let mut all = vec![id];
        while let Some(one) = all.pop() {
            let item = self.item_mut(one)?;
            (item.repository, item.number) = (to, number);
            item.markers.clear();
            all.extend(&item.comments);
        }
        Ok(id)
    }

    /// A comment that is deleted answers nothing any more.
    pub(super) fn withdraw_answer(&mut self, comment: u64) {
        for topic in self
            .items
            .values_mut()
            .filter_map(|item| item.topic.as_mut())
        {
            topic.answer = topic.answer.filter(|answer| answer.comment != comment);
        }
    }

    /// What is left of a deleted comment that has replies.
    pub(super) fn empty_comment(&mut self, id: u64) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?;
        item.deleted = Some(now());
        item.updated = now();
        item.body.clear();
        item.reactions.clear();
        item.author = None;
        Ok(id)
    }

    pub(super) fn release(
        &mut self,
        repository: u64,
        by: Option<u64>,
        tag: String,
        title: String,
        body: String,
        at: i64,
    ) -> anyhow::Result<u64> {
        let id = self.write(ItemKind::Release, repository, 0, by, body, at)?;
        let item = self.item_mut(id)?;
        item.title = title;
        item.release = Some(Release { tag, draft: false });
        Ok(id)
    }

    /// Moves a release's tag to another commit: its time of creation is the commit's.
    pub(super) fn move_tag(&mut self, id: u64, at: i64) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?;
        item.release.as_ref().context("only releases have tags")?;
        (item.created, item.updated) = (item.created.max(at - 1) + 1, now());
        self.tell_item("edited", id)
    }

    /// Takes a release back into a draft, or publishes it.
    pub(super) fn set_draft(&mut self, id: u64, draft: bool) -> anyhow::Result<u64> {
        let item = self.item_mut(id)?;
        item.updated = now();
        let release = item.release.as_mut().context("only releases are drafts")?;
        release.draft = draft;
        self.tell_item(if draft { "unpublished" } else { "published" }, id)
    }
}
