//! How much a round of a guild's audit reads, and how soon it finds what.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::audited;
use crate::UNREADABLE;
use propsbot_discord::PER_SECOND;
use propsbot_ingest::{audit_interval, found_within, round_requests, slices};
use propsbot_model::{ChannelId, FailureObject, GuildId};
use propsbot_store::{Store, StoreError};

/// A guild's audit in figures, as far as is known.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From one request to the next; `None`: there is no audit.
    interval: Option<Duration>,
    /// From the beginning of one round to the next, at the least.
    rest: Duration,
    /// Requests that a round takes, lists of reactors aside.
    pub pages: u64,
    /// Lists of reactors that there are.
    lists: u64,
    /// Into how many parts they are divided: each round reads one part again.
    pub slices: u64,
}

impl Pace {
    /// The pace of the guild's audit, which shares the requests with those of the other mirrored guilds.
    pub fn of(
        store: &Store,
        guild: GuildId,
        is_mirrored: &dyn Fn(GuildId) -> bool,
    ) -> Result<Self, StoreError> {
        let settings = store.settings(guild)?;
        let failures = store.failures(guild)?;
        let unreadable = failures
            .iter()
            .filter(|failure| failure.reason == UNREADABLE);
        let unreadable: BTreeSet<ChannelId> = unreadable
            .filter_map(|unreadable| match unreadable.object {
                FailureObject::Channel(id) => Some(id),
                _ => None,
            })
            .collect();
        let tallies = store.tallies(guild)?;
        let messages: BTreeMap<ChannelId, u64> = tallies
            .iter()
            .map(|tally| (tally.channel_id, tally.messages))
            .collect();
        let channels = store.channels(guild)?;
        let places = channels
            .iter()
            .filter_map(|channel| channel.state.now())
            .filter(|now| !unreadable.contains(&now.id))
            .map(|now| (now.kind, messages.get(&now.id).copied().unwrap_or_default()));
        let pages = round_requests(places);
        // The last round has counted them; before the first, each reaction may be of another list.
        let counted = store.audit(guild)?.last.map(|walk| walk.lists);
        let reactions = tallies.iter().map(|tally| tally.reactions).sum();
        let lists = counted.filter(|lists| *lists > 0).unwrap_or(reactions);
        let rest = Duration::from_hours(settings.audit_rest_hours.into());
        let guilds = audited(store, is_mirrored)?.len() as u64;
        let interval = audit_interval(settings.audit_share, guilds, PER_SECOND.get());
        let interval = interval.filter(|_| is_mirrored(guild));
        Ok(Self {
            interval,
            rest,
            pages,
            lists,
            slices: interval.map_or(1, |interval| slices(lists, pages, interval, rest)),
        })
    }

    /// Within what time a change is found that a page of messages shows: of a text, of how many
    /// reacted, a deletion.
    pub fn shown_within(&self) -> Option<Duration> {
        let requests = self.pages + self.lists.div_ceil(self.slices);
        Some(found_within(requests, self.interval?, self.rest))
    }

    /// Within what time any change is found: also that one member took a reaction back and another
    /// gave the same.
    pub fn found_within(&self) -> Option<Duration> {
        let slices = u32::try_from(self.slices).unwrap_or(u32::MAX);
        Some(self.shown_within()?.saturating_mul(slices))
    }
}
