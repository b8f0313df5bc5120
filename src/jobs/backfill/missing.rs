//! Finds messages missing from a page, and which of them are gone.

use std::collections::BTreeSet;

use super::{
    Backfill, BackfillError,
    lists::sample,
    paging::{PageRequest, ids},
};
use propsbot_discord::{Listing, RestError};
use propsbot_model::{Life, MessageId, Stamp};

/// Maximum number of missing messages to fetch one by one; of more, the sample size.
pub(super) const HANDFUL: usize = 5;

impl Backfill {
    /// Returns known messages in the list's range that it lacks, if known before the request.
    pub(super) async fn lacks(
        &self,
        ask: &PageRequest,
        listing: &Listing,
        asked: Stamp,
        (after, to): (MessageId, MessageId),
    ) -> Result<BTreeSet<MessageId>, BackfillError> {
        let first = after.0.saturating_add(1);
        let end = if ask.before.is_none() { u64::MAX } else { to.0 };
        if first > end {
            return Ok(BTreeSet::new());
        }
        if ask.before.is_none() {
            // Discord's list may lack a message just received.
            self.writer.write(Vec::new()).await?;
        }
        let listed: BTreeSet<MessageId> = ids(listing).collect();
        let (guild, channel) = (ask.guild, ask.channel);
        // The channel's own last message.
        let last = ask
            .last_message_id
            .filter(|last| ask.before.is_none() && last.0 > after.0 && !listed.contains(last));
        self.read(move |store| {
            let (mut known, mut lacks) = (listed, BTreeSet::new());
            if let Some(last) = last
                && store.message(channel, last)?.is_none()
                && !store
                    .coverage_of(guild, channel)?
                    .is_some_and(|known| known.covers(last))
            {
                lacks.insert(last);
            }
            for message in store.messages(channel, first..=end) {
                let message = message?;
                let was_there = matches!(message.state, Life::Alive(seen, _) if seen < asked);
                if known.insert(message.id) && was_there {
                    lacks.insert(message.id);
                }
            }
            // For some messages, only reactions are known.
            for reaction in store.reactions(channel, first..=end) {
                let reaction = reaction?;
                if !known.contains(&reaction.message_id) {
                    lacks.insert(reaction.message_id);
                }
            }
            Ok(lacks)
        })
        .await
    }

    /// Returns which of the missing messages are gone.
    /// Fetches all of a few, or a sample of more; if the sample disagrees, fetches all.
    pub(super) async fn gone(
        &self,
        ask: &PageRequest,
        lacks: &BTreeSet<MessageId>,
    ) -> Result<BTreeSet<MessageId>, BackfillError> {
        let all: Vec<MessageId> = lacks.iter().copied().collect();
        let (mut asked, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for id in sample(&all, HANDFUL) {
            asked.insert(*id);
            if self.is_gone(ask, *id).await? {
                gone.insert(*id);
            }
        }
        if gone == asked {
            return Ok(all.into_iter().collect());
        }
        if gone.is_empty() {
            return Ok(gone);
        }
        for id in all {
            if asked.insert(id) && self.is_gone(ask, id).await? {
                gone.insert(id);
            }
        }
        Ok(gone)
    }

    async fn is_gone(&self, ask: &PageRequest, id: MessageId) -> Result<bool, BackfillError> {
        match self.history.message(ask.guild, ask.channel, id).await {
            Ok(found) => Ok(found.is_none()),
            // An unreadable message exists; without an answer, it isn't gone.
            Err(RestError::Unreadable { .. } | RestError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
