//! The result of a backfill, computed from the store afterwards.

use std::{collections::BTreeSet, sync::Arc};

use super::{Backfill, BackfillError, Depth};
use propsbot_ingest::{self as ingest, Described};
use propsbot_model::{
    ChannelId, Class, Drift, Fact, Failure, FailureObject, GuildId, Pending, Reason, Stamp,
};
use propsbot_store::{Store, StoreError};

/// Reason for incomplete channels without a recorded failure.
const NOT_ALL_KNOWN: &str = "some of its messages are still missing";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Readable channels and threads.
    pub channels: u64,
    /// Channels and threads that the bot may not read, with their names.
    pub unreadable: Vec<(ChannelId, String)>,
    pub messages: u64,
    pub lists: u64,
    /// Objects that failed but may succeed later.
    pub failures: u64,
    /// Objects that Discord refuses, or that are gone.
    pub refused: u64,
    /// Channels and threads that are still incomplete.
    pub incomplete: u64,
    /// Descriptions of what the mirror lacks, refused or not.
    pub missing: Vec<String>,
    /// Lists of reactors that contradict Discord's counts.
    pub contradicted: u64,
    /// Missed changes found in what was thought to be known.
    pub found: Drift,
    pub again: Option<Depth>,
}

impl Summary {
    /// Returns whether everything the bot may read is in the mirror.
    pub fn is_complete(&self) -> bool {
        self.failures == 0
            && self.incomplete == 0
            && self.contradicted == 0
            && self.missing.is_empty()
    }
}

impl Backfill {
    /// Checks whether the mirror is complete now.
    /// Names what Discord refuses without waiting for it.
    pub(super) async fn conclude(
        &self,
        guild: GuildId,
        described: &Arc<Described>,
        recheck: Option<Stamp>,
    ) -> Result<Summary, BackfillError> {
        let mut left = self.plan(described, None, recheck).await?;
        let readable = left.channels.iter().map(|plan| plan.channel_id).collect();
        let texts_missing = self.note_texts(guild, &readable).await?;
        let unreadable: BTreeSet<ChannelId> = left.unreadable.iter().copied().collect();
        let (incomplete, failures, lists, gone) = self
            .read(move |store| {
                // Channels deleted since the description aren't missing.
                let channels = store.channels(guild)?;
                let gone = channels
                    .iter()
                    .filter(|channel| channel.state.now().is_none());
                let gone: BTreeSet<ChannelId> = gone.map(|gone| ChannelId(gone.id)).collect();
                left.channels
                    .retain(|channel| !gone.contains(&channel.channel_id));
                let mut incomplete = ingest::uncovered(&left, &store.coverage(guild)?);
                let unread = left.channels.iter().filter(|plan| plan.reread.is_some());
                incomplete.extend(unread.map(|plan| plan.channel_id));
                incomplete.sort_unstable();
                incomplete.dedup();
                let (failures, lists) = (store.failures(guild)?, store.pending(guild)?);
                Ok((incomplete, failures, lists, gone))
            })
            .await?;
        let done = self.progress.look();
        // Scheduled events are tried again, and hold up no claim about messages.
        let lacks_events = lacks_events(&failures);
        let failed = done.failures > done.hidden + u64::from(lacks_events);
        let contradicted = lists.iter().filter(|list| list.is_contradicted()).count() as u64;
        let lacking = again(&failures, &incomplete, failed);
        let is_due = contradicted > 0 || lacks_events;
        let again = lacking.or_else(|| is_due.then_some(Depth::Channels));
        let unnamed = unnamed(&failures, &incomplete);
        let missing = missing(&failures, |id| unreadable.contains(id) || gone.contains(id));
        let missing = missing.chain(&unnamed).map(ToString::to_string).collect();
        let names = described.channels.iter().map(|channel| &channel.channel);
        let names = names.filter(|name| unreadable.contains(&name.id));
        let summary = Summary {
            channels: done.channels,
            unreadable: names.map(|name| (name.id, name.name.clone())).collect(),
            messages: done.messages,
            lists: done.lists_done,
            failures: done.failures,
            refused: done.refused,
            incomplete: incomplete.len() as u64,
            missing,
            contradicted,
            found: Drift::default(),
            again,
        };
        let facts = unnamed.into_iter().map(|object| {
            let reason = NOT_ALL_KNOWN.into();
            Fact::Failed(guild, object, reason)
        });
        self.write(self.clock.stamp(), facts.collect()).await?;
        let reads_lists = |list: &Pending| list.again && list.refused == 0;
        if let Some(begun) = recheck.filter(|_| incomplete.is_empty() || lacking.is_none())
            && !lists.iter().any(reads_lists)
        {
            let ended = if incomplete.is_empty() {
                Fact::Rechecked(guild, begun)
            } else {
                Fact::RecheckEnded(guild, begun)
            };
            self.write(self.clock.stamp(), vec![ended]).await?;
        }
        if lacking.is_none() {
            self.synced(guild, &incomplete, &failures, &lists, texts_missing == 0)
                .await?;
            // The content of lost events has been fetched.
            let settled = failures
                .into_iter()
                .filter_map(|failure| match failure.object {
                    object @ FailureObject::Event(_) => Some(Fact::Settled(guild, object)),
                    _ => None,
                });
            self.write(self.clock.stamp(), settled.collect()).await?;
        }
        Ok(summary)
    }

    /// Records until when all messages and reactions are known.
    /// Nothing if some are missing; at most up to the first loss after which older ones may have
    /// changed.
    async fn synced(
        &self,
        guild: GuildId,
        incomplete: &[ChannelId],
        failures: &[Failure],
        lists: &[Pending],
        has_texts: bool,
    ) -> Result<(), BackfillError> {
        let is_message = |failure: &Failure| match failure.object {
            FailureObject::Channel(_) => failure.reason != Reason::Unreadable,
            FailureObject::Threads(_) | FailureObject::Message(..) => true,
            _ => false,
        };
        if !incomplete.is_empty() || failures.iter().any(is_message) {
            return Ok(());
        }
        let mut facts = Vec::new();
        facts.extend(has_texts.then_some(Fact::Synced(guild, Class::Messages)));
        let is_list = |failure: &Failure| matches!(failure.object, FailureObject::Reactions(..));
        if !lists.iter().any(Pending::is_missing) && !failures.iter().any(is_list) {
            facts.push(Fact::Synced(guild, Class::Reactions));
        }
        let now = self.clock.stamp();
        let unheard = move |store: &Store| -> Result<[Option<Stamp>; 2], StoreError> {
            Ok([store.session(guild)?.unheard, store.scrub(guild)?.unheard])
        };
        let unheard = self.read(unheard).await?.into_iter().flatten();
        self.write(unheard.fold(now, Stamp::min), facts).await?;
        Ok(())
    }
}

/// Returns failures of what the mirror lacks, ignoring channels for which `is_out` holds.
fn missing(
    failures: &[Failure],
    is_out: impl Fn(&ChannelId) -> bool,
) -> impl Iterator<Item = &FailureObject> {
    let is_missing = move |failure: &&Failure| match failure.object {
        FailureObject::Acknowledgement(_) | FailureObject::Recap(_) | FailureObject::Event(_) => {
            false
        }
        _ => {
            failure.reason != Reason::Unreadable
                && !failure.object.channel().is_some_and(|id| is_out(&id))
        }
    };
    failures
        .iter()
        .filter(is_missing)
        .map(|failure| &failure.object)
}

fn is_refused(failures: &[Failure], id: ChannelId) -> bool {
    let object = FailureObject::Channel(id);
    failures
        .iter()
        .any(|failure| failure.refused && failure.object == object)
}

/// Returns incomplete channels without a recorded failure.
fn unnamed(failures: &[Failure], incomplete: &[ChannelId]) -> Vec<FailureObject> {
    let channels = incomplete.iter().copied().map(FailureObject::Channel);
    let is_new = |object: &FailureObject| failures.iter().all(|failure| failure.object != *object);
    channels.filter(is_new).collect()
}

/// Joins up to ten names, and counts the rest.
pub fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let shown = names.iter().take(MOST).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns whether scheduled events failed that may succeed later.
fn lacks_events(failures: &[Failure]) -> bool {
    let mut failures = failures.iter();
    failures.any(|failure| failure.object == FailureObject::ScheduledEvents && !failure.refused)
}

/// Returns the smallest depth worth retrying; `failed` if something failed transiently.
fn again(failures: &[Failure], incomplete: &[ChannelId], failed: bool) -> Option<Depth> {
    let is_list = |failure: &&Failure| {
        matches!(
            failure.object,
            FailureObject::Class(_) | FailureObject::Threads(_)
        )
    };
    if failures
        .iter()
        .filter(is_list)
        .any(|failure| !failure.refused)
    {
        return Some(Depth::Whole);
    }
    let text =
        |failure: &Failure| matches!(failure.object, FailureObject::Texts(_)) && !failure.refused;
    let failed = failed || failures.iter().any(text);
    (failed || !incomplete.iter().all(|id| is_refused(failures, *id))).then_some(Depth::Channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::Millis;

    #[test]
    fn retries_only_what_may_succeed_later() {
        let failure = |object, refused| Failure {
            guild_id: GuildId(1),
            object,
            reason: "".into(),
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
        // Still due, even if something else was looked at.
        assert_eq!(looks(&list[1..], &[], false), Some(Depth::Whole));
        assert_eq!(looks(&[], &[], true), Some(Depth::Channels));
        let texts = |refused| failure(FailureObject::Texts(ChannelId(7)), refused);
        assert_eq!(looks(&[texts(false)], &[], false), Some(Depth::Channels));
        assert_eq!(looks(&[texts(true)], &[], false), None);
    }
}
