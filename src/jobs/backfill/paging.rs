//! How pages of messages follow each other, and what each covers. Pure.

use propsbot_discord::Listing;
use propsbot_ingest::is_from_the_future;
use propsbot_model::{ChannelId, GuildId, MessageId, Millis, PagesBefore, Slice};

/// How much the clocks behind Discord's ids may differ, in milliseconds.
const SKEW_MS: i64 = 5_000;

/// Longest time between a channel's creation and its first message, in milliseconds, if no earlier
/// messages are missing. Also bounded by twice the usual pause between its messages.
const START_MS: i64 = 60_000;

#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    /// Exclusive upper bound; `None` for the newest message.
    pub(crate) before: Option<MessageId>,
    /// The channel's last message, if Discord named it.
    pub(crate) last_message_id: Option<MessageId>,
    /// Ids up to this one aren't needed.
    pub(crate) until: MessageId,
    /// A message known to have existed, to verify an empty list.
    pub(crate) witness: Option<MessageId>,
    /// The newest message, according to the first page.
    pub(crate) newest: Option<MessageId>,
    /// Messages of the previous page that this one repeats, as they share the boundary's
    /// millisecond.
    pub(crate) again: Vec<MessageId>,
    /// Messages whose lists of reactors are read again, whatever the counts.
    pub(crate) lists: Option<Slice>,
    /// The pages before, if they lacked nothing and this one goes on where they end.
    pub(crate) pages_before: Option<PagesBefore>,
}

pub(super) fn ids(listing: &Listing) -> impl Iterator<Item = MessageId> {
    let readable = listing.messages.iter().map(|message| message.message.id);
    readable.chain(listing.unreadable.iter().copied())
}

/// Returns whether a list starts so soon after its channel's creation that nothing can be missing.
pub(super) fn begins_with_channel(listing: &Listing, channel: ChannelId) -> bool {
    let (Some(oldest), Some(newest)) = (listing.oldest, listing.newest) else {
        return false;
    };
    let times = [
        channel.created_at(),
        oldest.created_at(),
        newest.created_at(),
    ];
    let [made, first, last] = times.map(|time| time.0);
    let pause = (last - first) / i64::try_from(listing.len.max(2) - 1).unwrap_or(i64::MAX);
    first - made <= START_MS.min(pause * 2)
}

/// Returns the messages that the next page repeats if this one covers ids after `after`.
pub(super) fn listed_again(listing: &Listing, after: MessageId) -> Vec<MessageId> {
    ids(listing).filter(|id| *id <= after).collect()
}

/// Returns the first id of the next millisecond.
pub(super) fn next_ms(id: MessageId) -> MessageId {
    MessageId::at(Millis(id.created_at().0.saturating_add(1)))
}

/// Returns whether a list has ids outside the request, like a server that repeats itself.
pub(super) fn is_repeated(ask: &PageRequest, listing: &Listing) -> bool {
    listing.len > 0
        && (listing.oldest.is_none() || ask.before.is_some() && listing.newest >= ask.before)
}

/// Returns whether a message is older than its channel, or later than `now`.
pub(super) fn is_impossible(channel: ChannelId, id: MessageId, now: Millis) -> bool {
    id.created_at().0 < channel.created_at().0 - SKEW_MS || is_from_the_future(id, now)
}

/// Returns the range that a list covers: `(after, to]`.
///
/// Messages of one millisecond may be listed in any order. A full page may lack some of its first
/// millisecond, so it covers what comes after, and the next page starts with it. If one millisecond
/// fills a page, order by id is assumed.
pub(super) fn range(ask: &PageRequest, listing: &Listing, is_last: bool) -> (MessageId, MessageId) {
    // The last message before the request wasn't posted after it.
    let to = ask.before.map_or_else(
        || listing.newest.max(ask.last_message_id).unwrap_or_default(),
        |before| {
            let end = MessageId(before.0.saturating_sub(1));
            ask.newest.map_or(end, |newest| newest.min(end))
        },
    );
    let after = match (listing.oldest, listing.newest) {
        (Some(oldest), Some(newest)) if !is_last => {
            let border = next_ms(oldest);
            let is_one_ms = listing.len > 1 && border > newest;
            if is_one_ms || ask.before.is_some_and(|before| border >= before) {
                MessageId(oldest.0.saturating_sub(1))
            } else {
                MessageId(border.0.saturating_sub(1))
            }
        }
        _ => MessageId(0),
    };
    (after, to)
}

/// Length of the history read so far.
#[derive(Default)]
pub(super) struct Length {
    messages: u64,
    newest: Option<MessageId>,
    oldest: Option<MessageId>,
}

impl Length {
    pub(super) fn add(
        &mut self,
        messages: usize,
        newest: Option<MessageId>,
        oldest: Option<MessageId>,
    ) {
        self.messages += messages as u64;
        self.newest = self.newest.max(newest);
        self.oldest = oldest.or(self.oldest);
    }

    /// Returns whether it is denser than anyone can write.
    /// That is a thousand messages per millisecond, or millions at 500 per second.
    pub(super) fn is_endless(&self) -> bool {
        let (Some(newest), Some(oldest)) = (self.newest, self.oldest) else {
            return false;
        };
        let ms = (newest.0 >> 22).saturating_sub(oldest.0 >> 22);
        self.messages >= 10_000 && ms < self.messages / 1_000
            || self.messages >= 2_000_000 && ms < self.messages * 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 5;

    fn id((ms, low): (u64, u64)) -> MessageId {
        MessageId(ms << 22 | low)
    }

    /// A page before an id: newest first, but ids of one millisecond in reverse.
    fn listing(messages: &[MessageId], before: Option<MessageId>) -> Listing {
        let mut older: Vec<_> = messages.to_vec();
        older.retain(|id| before.is_none_or(|before| *id < before));
        older.sort_by_key(|id| (std::cmp::Reverse(id.0 >> 22), *id));
        older.truncate(PAGE);
        Listing {
            messages: Vec::new(),
            len: older.len(),
            oldest: older.iter().min().copied(),
            newest: older.iter().max().copied(),
            // Only the ids matter here.
            unreadable: older,
            turn: None,
        }
    }

    /// Lists a channel created at 1,000 s, with messages at these times in seconds.
    fn begins(times: &[u64]) -> bool {
        let ids: Vec<_> = times.iter().map(|time| id((time * 1_000, 0))).collect();
        begins_with_channel(&listing(&ids, None), ChannelId(id((1_000_000, 0)).0))
    }

    #[test]
    fn recognises_a_list_that_starts_with_its_channel() {
        assert!(begins(&[1_001, 1_005, 1_010]));
        assert!(begins(&[999, 1_005]), "clocks may differ");
        assert!(!begins(&[1_020, 1_025, 1_030]), "four fit in");
        assert!(
            !begins(&[1_120, 1_500, 1_900]),
            "many may have been written in two minutes"
        );
        assert!(!begins(&[1_001]) && !begins(&[]));
    }

    proptest! {
        /// With any order within a millisecond, pages list what they cover, and together cover all.
        #[test]
        fn pages_together_cover_all_messages(
            times in proptest::collection::btree_map(1..40u64, 1..PAGE as u64, 0..25),
        ) {
            let at_time = |(ms, count): (&u64, &u64)| (0..*count).map(move |low| id((*ms, low))).collect::<Vec<_>>();
            let messages: Vec<MessageId> = times.iter().flat_map(at_time).collect();
            let mut ask = PageRequest {
                guild: GuildId(1),
                channel: ChannelId(2),
                before: None,
                last_message_id: None,
                until: MessageId(0),
                witness: None,
                again: Vec::new(),
                newest: None,
                lists: None,
                pages_before: None,
            };
            let mut missing = messages.clone();
            for pages in 0.. {
                prop_assert!(pages <= messages.len(), "it comes to an end");
                let page = listing(&messages, ask.before);
                let (after, to) = range(&ask, &page, page.len < PAGE);
                let listed: Vec<_> = ids(&page).collect();
                let within = messages.iter().filter(|id| **id > after && **id <= to);
                for known in within {
                    prop_assert!(listed.contains(known), "{known:?} in {after:?}..{to:?}");
                }
                missing.retain(|id| !listed.contains(id) || *id <= after);
                ask.newest = ask.newest.or(Some(to));
                prop_assert!(Some(to) <= ask.newest);
                if after.0 == 0 {
                    break;
                }
                ask.before = Some(MessageId(after.0 + 1));
                ask.again = listed_again(&page, after);
                prop_assert!((1..PAGE).contains(&ask.again.len()));
            }
            prop_assert_eq!(missing, vec![]);
        }
    }

    #[test]
    fn reads_a_millisecond_that_fills_a_page_by_id() {
        let messages: Vec<_> = (1..20).map(|low| id((7, low))).collect();
        let mut page = listing(&messages, None);
        (page.oldest, page.newest) = (Some(id((7, 15))), Some(id((7, 19))));
        let ask = PageRequest {
            guild: GuildId(1),
            channel: ChannelId(2),
            before: Some(id((8, 0))),
            last_message_id: None,
            until: MessageId(0),
            witness: None,
            again: Vec::new(),
            newest: None,
            lists: None,
            pages_before: None,
        };
        let (after, to) = range(&ask, &page, false);
        assert_eq!((after, to), (id((7, 14)), MessageId(id((8, 0)).0 - 1)));
    }

    #[test]
    fn recognises_an_endless_history() {
        let length = |messages, ms: u64| Length {
            messages,
            newest: Some(id((ms + 1, 0))),
            oldest: Some(id((1, 0))),
        };
        assert!(!length(9_000, 0).is_endless());
        assert!(length(10_000, 9).is_endless());
        assert!(!length(1_000_000, 100_000).is_endless());
        assert!(!length(2_000_000, 4_000_000).is_endless());
        assert!(length(2_000_000, 3_000_000).is_endless());
    }
}
