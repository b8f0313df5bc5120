//! Scheduled events: what Discord announces, and what became of each occurrence.

use std::{cmp::Reverse, collections::BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ChannelId, EventId, GuildId, Millis, Stamp, UserId};

/// How many occurrences of an event are kept: the last ones.
const MOST_OCCURRENCES: usize = 500;

/// How many answers of members to an event are kept: the last ones, and of a list those with the oldest accounts.
pub const MOST_INTERESTED: usize = 2_000;

/// A scheduled event, with each start that was announced.
///
/// A recurring event keeps its id and gets a new start when an occurrence is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledEvent {
    pub guild_id: GuildId,
    pub id: EventId,
    /// By start.
    pub occurrences: Vec<Occurrence>,
    /// How many were interested when Discord last said, and when that was.
    pub counted: Option<(Stamp, u32)>,
    /// When it was deleted. Completed ones merely vanish from Discord's list.
    pub gone: Option<Stamp>,
    /// By user.
    pub interest: Vec<Interest>,
    /// When the interested were last listed completely.
    pub listed: Option<Stamp>,
}

/// One start of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Occurrence {
    pub start: Millis,
    /// When it was first seen.
    pub first: Stamp,
    /// When it was last seen.
    pub at: Stamp,
    /// When it was first seen to take place, or to be over.
    pub held: Option<Stamp>,
    /// As last seen.
    pub details: EventDetails,
}

impl Occurrence {
    /// A start that was seen at a time.
    pub fn seen(start: Millis, at: Stamp, details: EventDetails) -> Self {
        Self {
            start,
            first: at,
            at,
            held: details.status.is_held().then_some(at),
            details,
        }
    }

    /// When it began, if it took place: as announced, or when it was first seen to take place if that was earlier.
    pub fn began_at(&self) -> Option<Millis> {
        let held = self.held.filter(|_| self.details.status.is_held())?;
        Some(held.millis().min(self.start))
    }
}

/// What Discord says of an event. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-object>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventDetails {
    /// Text by its creator.
    pub name: String,
    pub status: EventStatus,
    /// `None` for events before October 2021.
    pub creator_id: Option<UserId>,
    /// `None` if it takes place elsewhere.
    pub channel_id: Option<ChannelId>,
    pub end: Option<Millis>,
    /// How many are interested, if Discord says. The event keeps it, and its occurrences don't.
    pub user_count: Option<u32>,
    /// Whether it has a recurrence rule.
    pub recurring: bool,
}

/// An event's status. Source:
/// <https://discord.com/developers/docs/resources/guild-scheduled-event#guild-scheduled-event-object-guild-scheduled-event-status>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventStatus(pub u8);

impl EventStatus {
    pub const SCHEDULED: Self = Self(1);
    pub const ACTIVE: Self = Self(2);
    pub const COMPLETED: Self = Self(3);
    pub const CANCELED: Self = Self(4);

    /// Whether it took place, or does now.
    pub fn is_held(self) -> bool {
        [Self::ACTIVE, Self::COMPLETED].contains(&self)
    }
}

/// Whether a user is interested in an event, as last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interest {
    pub user_id: UserId,
    pub at: Stamp,
    pub is_interested: bool,
}

impl ScheduledEvent {
    /// An event that nothing is known of.
    pub fn unknown(guild_id: GuildId, id: EventId) -> Self {
        Self {
            guild_id,
            id,
            occurrences: Vec::new(),
            counted: None,
            gone: None,
            interest: Vec::new(),
            listed: None,
        }
    }

    /// Records what an event is announced with; the latest sighting of a start counts.
    pub fn see(&mut self, mut seen: Occurrence) {
        let count = seen.details.user_count.take();
        let counted = count.map(|count| (seen.at, count));
        self.counted = self.counted.max(counted);
        let by_start = |known: &Occurrence| known.start.cmp(&seen.start);
        match self.occurrences.binary_search_by(by_start) {
            Ok(found) => {
                let known = &mut self.occurrences[found];
                let first = known.first.min(seen.first);
                let held = known.held.into_iter().chain(seen.held).min();
                if (known.at, &known.details) < (seen.at, &seen.details) {
                    *known = seen;
                }
                (known.first, known.held) = (first, held);
            }
            Err(place) => self.occurrences.insert(place, seen),
        }
        let over = self.occurrences.len().saturating_sub(MOST_OCCURRENCES);
        self.occurrences.drain(..over);
    }

    /// Records that it was deleted.
    pub fn miss(&mut self, at: Stamp) {
        self.gone = Some(self.gone.map_or(at, |gone| gone.min(at)));
    }

    /// Records whether a user is interested. What is older than the last list says nothing.
    ///
    /// The oldest answers give way to newer ones, so that the order of arrival doesn't matter.
    pub fn interest(&mut self, new: Interest) {
        if Some(new.at) < self.listed {
            return;
        }
        match self
            .interest
            .binary_search_by_key(&new.user_id, |known| known.user_id)
        {
            Ok(found) => {
                let known = &mut self.interest[found];
                *known = (*known).max(new);
            }
            Err(place) => self.interest.insert(place, new),
        }
        if self.interest.len() > MOST_INTERESTED {
            let places = 0..self.interest.len();
            let age = |place: &usize| {
                let known = self.interest[*place];
                (known.at, Reverse(known.user_id))
            };
            let oldest = places.min_by_key(age).expect("there is one");
            self.interest.remove(oldest);
        }
    }

    /// Records a complete list of the interested.
    pub fn list(&mut self, at: Stamp, users: &BTreeSet<UserId>) {
        self.listed = self.listed.max(Some(at));
        let listed = self.listed;
        self.interest.retain(|known| Some(known.at) >= listed);
        for user_id in users {
            self.interest(Interest {
                user_id: *user_id,
                at,
                is_interested: true,
            });
        }
    }

    /// Those who are interested, by id: whoever the last list doesn't have isn't.
    pub fn interested(&self) -> impl Iterator<Item = UserId> {
        let known = self.interest.iter();
        let interested = known.filter(|known| known.is_interested);
        interested.map(|known| known.user_id)
    }

    /// The occurrences, without those that were moved to another time before they began: then, that one is
    /// announced in their place.
    pub fn announced(&self) -> impl Iterator<Item = &Occurrence> {
        self.occurrences.iter().filter(|occurrence| {
            let replaces = |seen: Stamp| {
                seen > occurrence.at
                    && seen.millis() < occurrence.start
                    && self.gone.is_none_or(|gone| seen <= gone)
            };
            let mut others = self.occurrences.iter();
            let is_moved = others.any(|other| replaces(other.first) || replaces(other.at));
            occurrence.details.status.is_held() || !is_moved
        })
    }

    /// When this occurrence was called off by deleting the event, if it was: before it was to begin.
    pub fn deleted_at(&self, occurrence: &Occurrence) -> Option<Stamp> {
        self.gone.filter(|gone| {
            !occurrence.details.status.is_held()
                && occurrence.at <= *gone
                && gone.millis() < occurrence.start
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn seen(start: i64, at: i64, status: EventStatus) -> Occurrence {
        let details = EventDetails {
            name: "Sync".to_owned(),
            status,
            creator_id: None,
            channel_id: None,
            end: None,
            user_count: None,
            recurring: false,
        };
        Occurrence::seen(Millis(start), Stamp::from(Millis(at)), details)
    }

    fn starts(event: &ScheduledEvent) -> Vec<i64> {
        event
            .announced()
            .map(|occurrence| occurrence.start.0)
            .collect()
    }

    #[test]
    fn an_event_that_is_moved_has_one_start_and_a_recurring_one_has_each() {
        let mut event = ScheduledEvent::unknown(GuildId(1), EventId(2));
        event.see(seen(1_000, 10, EventStatus::SCHEDULED));
        event.see(seen(2_000, 20, EventStatus::SCHEDULED));
        assert_eq!(starts(&event), [2_000]);
        event.see(seen(2_000, 2_000, EventStatus::ACTIVE));
        event.see(seen(9_000, 3_000, EventStatus::SCHEDULED));
        assert_eq!(starts(&event), [2_000, 9_000]);
        // It began too late to be seen.
        event.see(seen(16_000, 9_500, EventStatus::SCHEDULED));
        assert_eq!(starts(&event), [2_000, 9_000, 16_000]);
        // It began early, and goes on at another time.
        event.see(seen(16_000, 15_000, EventStatus::ACTIVE));
        event.see(seen(30_000, 15_500, EventStatus::SCHEDULED));
        assert_eq!(starts(&event), [2_000, 9_000, 16_000, 30_000]);
        event.miss(Stamp::from(Millis(20_000)));
        let deleted = |event: &ScheduledEvent| {
            let held = event
                .announced()
                .filter(|own| event.deleted_at(own).is_some());
            held.map(|own| own.start.0).collect::<Vec<_>>()
        };
        assert_eq!(deleted(&event), [30_000], "the one at 9,000 was over");
    }

    #[test]
    fn an_event_began_when_it_was_first_seen_to_if_that_was_early() {
        let mut event = ScheduledEvent::unknown(GuildId(1), EventId(2));
        let began = |event: &ScheduledEvent| event.occurrences[0].began_at();
        event.see(seen(9_000, 10, EventStatus::SCHEDULED));
        assert_eq!(began(&event), None);
        event.see(seen(9_000, 30, EventStatus::COMPLETED));
        event.see(seen(9_000, 20, EventStatus::ACTIVE));
        assert_eq!(began(&event), Some(Millis(20)));
        event.see(seen(9_000, 40, EventStatus::CANCELED));
        assert_eq!(began(&event), None);
        let mut late = ScheduledEvent::unknown(GuildId(1), EventId(2));
        late.see(seen(9_000, 9_500, EventStatus::ACTIVE));
        assert_eq!(began(&late), Some(Millis(9_000)));
    }

    /// Discord keeps exceptions of a series beside it. Of one that is called off, it goes on to the next start; of one that is
    /// moved, it says the old start: <https://github.com/discord/discord-api-docs/issues/8428>.
    #[test]
    fn an_occurrence_is_held_once_if_it_is_moved_alone_and_never_if_it_is_called_off() {
        let mut event = ScheduledEvent::unknown(GuildId(1), EventId(2));
        let (scheduled, active) = (EventStatus::SCHEDULED, EventStatus::ACTIVE);
        for (start, at, status) in [
            (1_000, 10, scheduled),
            // Moved to 1500.
            (1_000, 1_500, active),
            (2_000, 1_600, scheduled),
            // Called off.
            (3_000, 1_700, scheduled),
            // Moved to 2500.
            (3_000, 2_500, active),
            (4_000, 2_600, scheduled),
        ] {
            event.see(seen(start, at, status));
        }
        let held = |own: &Occurrence| Some((own.start.0, own.began_at()?.0));
        let held: Vec<_> = event.announced().filter_map(held).collect();
        assert_eq!(held, [(1_000, 1_000), (3_000, 2_500)]);
    }

    #[test]
    fn whom_a_list_lacks_is_not_interested() {
        let mut event = ScheduledEvent::unknown(GuildId(1), EventId(2));
        let interest = |user, at, is_interested| Interest {
            user_id: UserId(user),
            at: Stamp(at),
            is_interested,
        };
        let interested = |event: &ScheduledEvent| event.interested().collect::<Vec<_>>();
        event.interest(interest(1, 10, true));
        event.list(Stamp(20), &[UserId(2), UserId(3)].into());
        assert_eq!(interested(&event), [UserId(2), UserId(3)]);
        event.interest(interest(3, 15, false));
        event.interest(interest(2, 25, false));
        event.interest(interest(4, 25, true));
        assert_eq!(interested(&event), [UserId(3), UserId(4)]);
    }

    proptest! {
        #[test]
        fn sightings_in_any_order_give_the_same(
            sightings in prop::collection::vec((0..4_i64, 0..6_i64, 1..4_u8), 0..12)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            interests in prop::collection::vec((0..4_u64, 0..6_i64, any::<bool>(), select(vec![false, false, true])), 0..12)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            // So many already answered that not all are kept.
            crowd in select(vec![0, MOST_INTERESTED - 2, MOST_INTERESTED]),
        ) {
            let of = |sightings: &[(i64, i64, u8)], interests: &[(u64, i64, bool, bool)]| {
                let mut event = ScheduledEvent::unknown(GuildId(1), EventId(2));
                let answered = (0_u64..).take(crowd).map(|user| Interest {
                    user_id: UserId(2 + user * 2),
                    at: Stamp(if user % 2 == 0 { 2 } else { 3 }),
                    is_interested: user % 3 > 0,
                });
                event.interest = answered.collect();
                for (start, at, status) in sightings {
                    event.see(seen(*start, *at, EventStatus(*status)));
                }
                for (user, at, is_interested, is_list) in interests {
                    if *is_list {
                        event.list(Stamp(*at), &[UserId(*user)].into());
                    } else {
                        let (user_id, at) = (UserId(*user), Stamp(*at));
                        event.interest(Interest { user_id, at, is_interested: *is_interested });
                    }
                }
                event
            };
            let event = of(&sightings.0, &interests.0);
            prop_assert!(event.interest.len() <= MOST_INTERESTED);
            prop_assert!(event.interest.iter().all(|known| Some(known.at) >= event.listed));
            prop_assert_eq!(event, of(&sightings.1, &interests.1));
        }
    }
}
