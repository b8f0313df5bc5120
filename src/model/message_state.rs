//! The last known state of a message, or its tombstone.

use std::mem;

use serde::{Deserialize, Serialize};

use super::{AuthorKind, ChannelId, GuildId, Message, MessageId, Millis, Stamp, UserId};

/// A message as last seen, or its tombstone.
///
/// A deletion erases the content. One from the gateway is final, because Discord never reuses ids.
/// One inferred from REST lists, which may be incomplete, ends if the message is seen again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    pub guild_id: GuildId,
    pub channel_id: ChannelId,
    pub id: MessageId,
    pub state: Life,
    /// When REST last showed the message as gone, if only REST did; a later sighting revives it.
    /// `None` for a final tombstone. Kept after a revival, because the earlier versions are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// As last seen, and when.
    Alive(Stamp, Box<Message>),
    /// Deleted; when that was first known.
    Deleted(Millis),
}

impl MessageState {
    /// A message that existed at `at`.
    pub fn alive(at: Stamp, message: Message) -> Self {
        Self {
            guild_id: message.guild_id,
            channel_id: message.channel_id,
            id: message.id,
            state: Life::Alive(at, Box::new(message)),
            unlisted: None,
        }
    }

    pub fn message(&self) -> Option<&Message> {
        match &self.state {
            Life::Alive(_, message) => Some(message),
            Life::Deleted(_) => None,
        }
    }

    /// The user whose message this is, if it exists and mentions somebody: it may be props.
    pub fn mentioner(&self) -> Option<UserId> {
        let message = self.message().filter(|row| !row.mentions.is_empty())?;
        (message.author.kind == AuthorKind::User).then_some(message.author.id)
    }

    /// Merges another observation. A final tombstone wins; one from REST beats earlier sightings;
    /// then the latest edit wins, then the latest sighting. Unreadable fields come from the other
    /// one.
    pub fn merge(&mut self, mut other: Self) {
        let wins = match (&self.state, &other.state) {
            (Life::Deleted(mine), Life::Deleted(theirs)) => match (self.unlisted, other.unlisted) {
                (None, None) => theirs < mine,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some(gone), Some(gone_too)) => (gone_too, theirs) > (gone, mine),
            },
            (Life::Deleted(_), Life::Alive(at, _)) => self.unlisted.is_some_and(|gone| gone < *at),
            (Life::Alive(at, _), Life::Deleted(_)) => other.unlisted.is_none_or(|gone| gone >= *at),
            (Life::Alive(at, mine), Life::Alive(other_at, theirs)) => {
                (theirs.edited(mine), other_at, theirs) > (mine.edited(theirs), at, mine)
            }
        };
        if wins {
            mem::swap(self, &mut other);
        }
        if let Life::Alive(at, known) = &mut self.state {
            self.unlisted = self.unlisted.max(other.unlisted);
            let mut first = known.first_mentions();
            if let Life::Alive(other_at, other) = &other.state {
                for (user, at) in other.first_mentions() {
                    let known = first.entry(user).or_insert(at);
                    *known = at.min(*known);
                }
                known.complete(*at, other, *other_at);
            }
            if self.unlisted.is_some() {
                first.clear();
            }
            known.remember(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Author, AuthorKind, Mention, MessageKind, Unread, UserId};

    /// A sighting at a time: the message as edited so far, its absence from REST, or its deletion
    /// through the gateway.
    fn told(at: i64, what: u8) -> MessageState {
        let message = Message {
            id: MessageId(3),
            channel_id: ChannelId(2),
            guild_id: GuildId(1),
            author: Author {
                id: UserId(4),
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: format!("as of {}", at / 4),
            // Some facts are removed and added again.
            mentions: (0..3_u64)
                .filter(|user| ((at / 4) >> user) & 1 == 0)
                .map(|user| Mention {
                    user_id: UserId(user),
                    count: 1,
                })
                .collect(),
            reply_to: None,
            command: None,
            edited_at: (at >= 4).then_some(Millis(at / 4)),
            by_webhook: None,
            unread: Unread::default(),
            earlier: Vec::new(),
        };
        let seen = MessageState::alive(Stamp(at), message);
        match what {
            0..4 => seen,
            4..7 => MessageState {
                state: Life::Deleted(Stamp(at).millis()),
                unlisted: Some(Stamp(at)),
                ..seen
            },
            _ => MessageState {
                state: Life::Deleted(Stamp(at).millis()),
                ..seen
            },
        }
    }

    proptest! {
        /// Whichever sightings lack the text, in any order, the text of the latest edit is kept.
        #[test]
        fn a_text_goes_only_with_an_edit(
            sightings in proptest::collection::vec((0..20i64, any::<bool>()), 1..8),
            other in any::<proptest::sample::Index>(),
        ) {
            let seen = |(at, is_empty): (i64, bool)| {
                let mut state = told(at, 0);
                if let Life::Alive(_, message) = &mut state.state
                    && is_empty
                {
                    message.content.clear();
                    message.mentions.clear();
                }
                state
            };
            let merged = |sightings: &[(i64, bool)]| {
                let mut states = sightings.iter().copied().map(seen);
                let first = states.next().unwrap();
                states.fold(first, |mut known, new| {
                    known.merge(new);
                    known
                })
            };
            let mut turned = sightings.clone();
            turned.rotate_left(other.index(sightings.len()));
            turned.reverse();
            prop_assert_eq!(merged(&sightings), merged(&turned));
            let edit = sightings.iter().map(|(at, _)| at / 4).max().unwrap();
            let is_shown = sightings.iter().any(|(at, is_empty)| at / 4 == edit && !is_empty);
            let text = merged(&sightings).message().unwrap().content.clone();
            prop_assert_eq!(text, if is_shown { format!("as of {edit}") } else { String::new() });
        }
    }

    /// A version of a message posted at 0 s, with its time of writing, sighting and mentions.
    fn version(written: i64, seen: i64, mentions: &[u64]) -> MessageState {
        let mut state = told(0, 0);
        let Life::Alive(at, message) = &mut state.state else {
            panic!("it is there");
        };
        *at = Stamp(seen);
        message.id = MessageId::at(Millis(1_700_000_000_000));
        message.edited_at = (written > 0).then_some(Millis(1_700_000_000_000 + written));
        message.mentions = mentions
            .iter()
            .map(|id| Mention {
                user_id: UserId(*id),
                count: 1,
            })
            .collect();
        state
    }

    fn merged(states: &[MessageState]) -> MessageState {
        let mut states = states.iter().cloned();
        let mut first = states.next().unwrap();
        // The mirror merges a new record with itself.
        first.merge(first.clone());
        states.fold(first, |mut known, new| {
            known.merge(new);
            known
        })
    }

    #[test]
    fn keeps_earlier_mentions_in_any_order() {
        let versions = [
            version(0, 1, &[5, 6]),
            version(10, 2, &[6]),
            version(20, 3, &[5, 6, 7]),
        ];
        let earlier = |state: &MessageState| {
            let message = state.message().unwrap();
            let earlier = message.earlier.iter();
            let since =
                earlier.map(|mention| (mention.user_id.0, mention.at.0 - 1_700_000_000_000));
            since.collect::<Vec<_>>()
        };
        let all = merged(&versions);
        assert_eq!(earlier(&all), [(5, 0), (6, 0)]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(
                merged(&order.map(|n| versions[n].clone())),
                all,
                "{order:?}"
            );
        }
        // For an unedited message, or one seen once, the message itself dates its mentions.
        assert_eq!(earlier(&merged(&versions[..1])), []);
        assert_eq!(earlier(&merged(&versions[2..])), []);
        assert_eq!(earlier(&merged(&versions[1..])), [(6, 10)]);

        // A deletion erases earlier versions.
        let gone = MessageState {
            state: Life::Deleted(Millis(1)),
            unlisted: Some(Stamp(2)),
            ..versions[0].clone()
        };
        let back = merged(&[versions[0].clone(), gone.clone(), versions[2].clone()]);
        assert_eq!(earlier(&back), []);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let states = [&versions[0], &gone, &versions[2]];
            assert_eq!(merged(&order.map(|n| states[n].clone())), back, "{order:?}");
        }
    }

    proptest! {
        /// In any order, with repetitions.
        #[test]
        fn message_states_merge_in_any_order(
            facts in proptest::collection::vec((0..20i64, 0..8u8), 1..8),
            other in any::<proptest::sample::Index>(),
        ) {
            let merged = |facts: &[(i64, u8)]| {
                let mut states = facts.iter().map(|(at, what)| told(*at, *what));
                let first = states.next().unwrap();
                states.fold(first, |mut known, new| {
                    known.merge(new);
                    known
                })
            };
            let mut turned = facts.clone();
            turned.rotate_left(other.index(facts.len()));
            turned.push(facts[other.index(facts.len())]);
            turned.reverse();
            prop_assert_eq!(merged(&facts), merged(&turned));
            let last = |of: fn(u8) -> bool| {
                facts.iter().filter(|(_, what)| of(*what)).map(|(at, _)| *at).max()
            };
            let is_there = last(|what| what > 6).is_none()
                && last(|what| what < 4) > last(|what| (4..7).contains(&what));
            prop_assert_eq!(merged(&facts).message().is_some(), is_there);
        }
    }
}
