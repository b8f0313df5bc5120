//! What a backfill came to: looked up afterwards, not counted on the way.

use std::{collections::BTreeSet, sync::Arc};

use super::{Backfill, BackfillError, Depth};
use crate::{
    ingest::{self, Described},
    model::{ChannelId, Class, Drift, Fact, Failure, FailureObject, GuildId, Pending, Stamp},
    status::UNREADABLE,
    store::{Store, StoreError},
};

/// What a backfill came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Channels and threads that can be read.
    pub channels: u64,
    /// Channels and threads that cannot.
    pub unreadable: u64,
    /// Messages listed.
    pub messages: u64,
    /// Lists of reactors fetched.
    pub lists: u64,
    /// Objects that could not be fetched, but may be later.
    pub failures: u64,
    /// Objects that Discord does not let us have, or that are gone.
    pub refused: u64,
    /// Channels and threads of which something is still missing.
    pub incomplete: u64,
    /// Lists of reactors that contradict Discord's counts.
    pub contradicted: u64,
    /// What had changed unheard, of what was thought to be known.
    pub found: Drift,
    /// What is to be looked at again, since it may be had later.
    pub again: Option<Depth>,
}

impl Summary {
    /// Whether all that can be read is here.
    pub fn is_complete(&self) -> bool {
        self.failures == 0 && self.incomplete == 0 && self.contradicted == 0
    }
}

impl Backfill {
    /// Looks at what is there now, rather than at what was done, and says whether it is complete. What
    /// Discord refuses is not waited for.
    pub(super) async fn conclude(
        &self,
        guild: GuildId,
        described: &Arc<Described>,
        recheck: Option<Stamp>,
    ) -> Result<Summary, BackfillError> {
        let texts_missing = self.note_texts(guild).await?;
        let mut left = self.plan(described, None, recheck).await?;
        let (incomplete, failures, lists) = self
            .read(move |store| {
                // What was deleted since it was described is not missing.
                let channels = store.channels(guild)?;
                let gone = channels.iter().filter(|it| it.state.now().is_none());
                let gone: BTreeSet<u64> = gone.map(|it| it.id).collect();
                left.channels.retain(|it| !gone.contains(&it.channel_id.0));
                let mut incomplete = ingest::uncovered(&left, &store.coverage()?);
                let unread = left.channels.iter().filter(|plan| plan.reread.is_some());
                incomplete.extend(unread.map(|plan| plan.channel_id));
                incomplete.sort_unstable();
                incomplete.dedup();
                Ok((incomplete, store.failures(guild)?, store.pending(guild)?))
            })
            .await?;
        let done = self.progress.look();
        let failed = done.failures > done.hidden;
        let contradicted = lists.iter().filter(|list| list.is_contradicted()).count() as u64;
        let missing = again(&failures, &incomplete, failed);
        let again = missing.or_else(|| (contradicted > 0).then_some(Depth::Channels));
        let summary = Summary {
            channels: done.channels,
            unreadable: done.unreadable,
            messages: done.messages,
            lists: done.lists_done,
            failures: done.failures,
            refused: done.refused,
            incomplete: incomplete.len() as u64,
            contradicted,
            found: Drift::default(),
            again,
        };
        let reads_lists = |list: &Pending| list.again && list.refused == 0;
        if let Some(begun) = recheck.filter(|_| incomplete.is_empty())
            && !lists.iter().any(reads_lists)
        {
            let at = self.clock.stamp();
            self.write(at, vec![Fact::Rechecked(guild, begun)]).await?;
        }
        if missing.is_none() {
            self.synced(guild, &incomplete, &failures, &lists, texts_missing == 0)
                .await?;
            // What an event would have said was fetched.
            let settled = failures.into_iter().filter_map(|it| match it.object {
                object @ FailureObject::Event(_) => Some(Fact::Settled(guild, object)),
                _ => None,
            });
            self.write(self.clock.stamp(), settled.collect()).await?;
        }
        Ok(summary)
    }

    /// Records until when all messages, and all reactions, are known: not at all where something is
    /// missing, and not beyond the time since when older ones may have changed unheard.
    async fn synced(
        &self,
        guild: GuildId,
        incomplete: &[ChannelId],
        failures: &[Failure],
        lists: &[Pending],
        has_texts: bool,
    ) -> Result<(), BackfillError> {
        let is_message = |it: &Failure| match it.object {
            FailureObject::Channel(_) => it.reason != UNREADABLE,
            FailureObject::Threads(_) | FailureObject::Message(..) => true,
            _ => false,
        };
        if !incomplete.is_empty() || failures.iter().any(is_message) {
            return Ok(());
        }
        let mut facts = Vec::new();
        facts.extend(has_texts.then_some(Fact::Synced(guild, Class::Messages)));
        let is_list = |it: &Failure| matches!(it.object, FailureObject::Reactions(..));
        if !lists.iter().any(Pending::is_missing) && !failures.iter().any(is_list) {
            facts.push(Fact::Synced(guild, Class::Reactions));
        }
        let now = self.clock.stamp();
        let unheard = move |store: &Store| -> Result<[Option<Stamp>; 2], StoreError> {
            Ok([store.session(guild)?.unheard, store.audit(guild)?.unheard])
        };
        let unheard = self.read(unheard).await?.into_iter().flatten();
        self.write(unheard.fold(now, Stamp::min), facts).await?;
        Ok(())
    }
}

/// What is to be looked at again: as little as will do. `failed` says that something failed now that
/// may be had later.
fn again(failures: &[Failure], incomplete: &[ChannelId], failed: bool) -> Option<Depth> {
    let refused = |id: &ChannelId| {
        let object = FailureObject::Channel(*id);
        failures.iter().any(|it| it.refused && it.object == object)
    };
    let is_list = |it: &&Failure| {
        matches!(
            it.object,
            FailureObject::Class(_) | FailureObject::Threads(_)
        )
    };
    if failures.iter().filter(is_list).any(|it| !it.refused) {
        return Some(Depth::Whole);
    }
    let text =
        |failure: &Failure| matches!(failure.object, FailureObject::Texts(_)) && !failure.refused;
    let failed = failed || failures.iter().any(text);
    (failed || !incomplete.iter().all(refused)).then_some(Depth::Channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Millis;

    #[test]
    fn only_what_may_be_had_later_is_looked_at_again() {
        let failure = |object, refused| Failure {
            guild_id: GuildId(1),
            object,
            reason: String::new(),
            times: 1,
            at: Millis(0),
            refused,
        };
        let channel = |id, refused| failure(FailureObject::Channel(ChannelId(id)), refused);
        let members = |refused| failure(FailureObject::Class(Class::Members), refused);
        let looks = |failures: &[Failure], incomplete: &[u64], failed| {
            let incomplete: Vec<_> = incomplete.iter().copied().map(ChannelId).collect();
            again(failures, &incomplete, failed)
        };
        assert_eq!(looks(&[], &[], false), None);
        assert_eq!(looks(&[], &[7], false), Some(Depth::Channels));
        assert_eq!(looks(&[channel(7, true)], &[7], false), None);
        assert_eq!(looks(&[channel(7, true), members(true)], &[7], false), None);
        let both = [channel(7, true), channel(8, false)];
        assert_eq!(looks(&both, &[7, 8], true), Some(Depth::Channels));
        let list = [channel(7, false), members(false)];
        assert_eq!(looks(&list, &[7], true), Some(Depth::Whole));
        // It is due still, also if something else was looked at.
        assert_eq!(looks(&list[1..], &[], false), Some(Depth::Whole));
        assert_eq!(looks(&[], &[], true), Some(Depth::Channels));
        let texts = |refused| failure(FailureObject::Texts(ChannelId(7)), refused);
        assert_eq!(looks(&[texts(false)], &[], false), Some(Depth::Channels));
        assert_eq!(looks(&[texts(true)], &[], false), None);
    }
}
