//! Estimates how much a scrub round reads, and how soon it finds changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::scrubbed;
use propsbot_discord::PER_SECOND;
use propsbot_ingest::{found_within, round_requests, scrub_interval, slices};
use propsbot_model::{ChannelId, FailureObject, GuildId, Reason};
use propsbot_store::{Reader, StoreError};

/// Figures of a guild's scrub.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between requests; `None` if scrubbing is off.
    interval: Option<Duration>,
    /// Minimum time between the starts of two rounds.
    rest: Duration,
    /// Requests per round, without lists of reactors.
    pub pages: u64,
    lists: u64,
    /// Number of slices they are divided into; each round reads one again.
    pub slices: u64,
}

impl Pace {
    /// Computes the pace of the guild's scrub, which shares its requests with other mirrored
    /// guilds.
    pub fn of(
        store: &Reader,
        guild: GuildId,
        is_mirrored: &dyn Fn(GuildId) -> bool,
    ) -> Result<Self, StoreError> {
        let settings = store.settings(guild)?;
        let failures = store.failures(guild)?;
        let unreadable = failures
            .iter()
            .filter(|failure| failure.reason == Reason::Unreadable);
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
        // Counted by the last round; before the first, each reaction may have its own list.
        let counted = store.scrub(guild)?.last.map(|walk| walk.lists);
        let reactions = tallies.iter().map(|tally| tally.reactions).sum();
        let lists = counted.filter(|lists| *lists > 0).unwrap_or(reactions);
        let rest = Duration::from_hours(settings.scrub_rest_hours.into());
        let guilds = scrubbed(store, is_mirrored)?.len() as u64;
        let interval = scrub_interval(settings.scrub_share, guilds, PER_SECOND.get());
        let interval = interval.filter(|_| is_mirrored(guild));
        Ok(Self {
            interval,
            rest,
            pages,
            lists,
            slices: interval.map_or(1, |interval| slices(lists, pages, interval, rest)),
        })
    }

    /// Returns how soon a change is found that a page shows: edits, deletions, counts.
    pub fn shown_within(&self) -> Option<Duration> {
        let requests = self.pages + self.lists.div_ceil(self.slices);
        Some(found_within(requests, self.interval?, self.rest))
    }

    /// Returns how soon any change is found, including swapped reactions.
    pub fn found_within(&self) -> Option<Duration> {
        let slices = u32::try_from(self.slices).unwrap_or(u32::MAX);
        Some(self.shown_within()?.saturating_mul(slices))
    }
}
