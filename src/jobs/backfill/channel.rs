//! One channel: its messages page by page, and beside them the lists of who reacted.

use tokio::sync::mpsc;

use super::{Backfill, BackfillError, observed};
use crate::{
    discord::{Listing, RestError},
    ingest::{ChannelPlan, Read},
    model::{
        ChannelId, Fact, FailureObject, GuildId, Live, MessageId, Page, Pending, Props,
        SessionNumber,
    },
};

/// Lists of reactors that may be known to be missing before reading on waits for them.
const LISTS_AHEAD: usize = 256;
/// Users in one answer; fewer means that there are no more.
const REACTORS_FULL: usize = 100;

/// Discord's codes for what is not there any more. Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const UNKNOWN_CHANNEL: u64 = 10003;
const UNKNOWN_MESSAGE: u64 = 10008;

impl Backfill {
    /// Carries out a channel's plan. What fails in it is recorded and ends only this channel.
    pub(super) async fn channel(
        &self,
        guild: GuildId,
        plan: ChannelPlan,
        live: Option<SessionNumber>,
    ) -> Result<(), BackfillError> {
        let (missing, lists) = mpsc::channel(LISTS_AHEAD);
        let ChannelPlan {
            channel_id,
            last_message_id,
            reads,
            reactors,
            ..
        } = plan;
        if let (Some(session), Some(after)) = (live, last_message_id) {
            self.go_live(guild, channel_id, session, after).await?;
        }
        self.progress.update(|it| it.lists += reactors.len() as u64);
        let messages = async {
            let done = self
                .messages(guild, channel_id, &reads, last_message_id, live, missing)
                .await;
            match done {
                Ok(()) => {
                    let settled = Fact::Settled(guild, FailureObject::Channel(channel_id));
                    Ok(self.tell(self.clock.stamp(), vec![settled]).await?)
                }
                Err(BackfillError::Rest(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                })) => {
                    let gone = Fact::ChannelGone(guild, channel_id);
                    Ok(self.tell(self.clock.stamp(), vec![gone]).await?)
                }
                Err(BackfillError::Rest(error)) => {
                    self.fail(guild, FailureObject::Channel(channel_id), error)
                        .await
                }
                Err(other) => Err(other),
            }
        };
        tokio::try_join!(messages, self.reactors(reactors, lists))?;
        Ok(())
    }

    /// As of now, whatever is posted after `after` arrives by the gateway.
    async fn go_live(
        &self,
        guild: GuildId,
        channel: ChannelId,
        session: SessionNumber,
        after: MessageId,
    ) -> Result<(), BackfillError> {
        let fact = Fact::Live(guild, channel, Live { session, after });
        Ok(self.tell(self.clock.stamp(), vec![fact]).await?)
    }

    async fn messages(
        &self,
        guild: GuildId,
        channel: ChannelId,
        reads: &[Read],
        last: Option<MessageId>,
        live: Option<SessionNumber>,
        missing: mpsc::Sender<Pending>,
    ) -> Result<(), BackfillError> {
        for read in reads {
            // Everything after this is covered, or is not asked for.
            let mut before = read.to.map(|to| MessageId(to.0.saturating_add(1)));
            // A message that was there: if a list is empty, it tells whether we may still read.
            let mut witness = last;
            loop {
                let at = self.clock.stamp();
                let listing = self.history.messages(guild, channel, before).await?;
                if listing.len == 0
                    && let Some(witness) = witness
                {
                    // Without the permission to read history, lists are empty instead of refused:
                    // then this fails.
                    self.history.message(guild, channel, witness).await?;
                }
                witness = listing.oldest.or(witness);
                let to = match before {
                    Some(before) => MessageId(before.0.saturating_sub(1)),
                    None => listing.newest.unwrap_or_default(),
                };
                if before.is_none()
                    && let Some(session) = live
                {
                    self.go_live(guild, channel, session, to).await?;
                }
                let full = listing.len >= Listing::FULL;
                let oldest = listing.oldest;
                let after = match oldest {
                    Some(oldest) if full => MessageId(oldest.0.saturating_sub(1)),
                    _ => MessageId(0),
                };
                self.progress
                    .update(|it| it.messages += listing.messages.len() as u64);
                let page = self.page(guild, channel, after, to, listing);
                for list in self.writer.write(observed(at, page)).await? {
                    self.progress.update(|it| it.lists += 1);
                    // The other side ends only with an error, which ends this side too.
                    let _ = missing.send(list).await;
                }
                if after <= read.after || oldest >= before && before.is_some() {
                    break;
                }
                before = oldest;
            }
        }
        if let (true, None, Some(session)) = (reads.is_empty(), last, live) {
            // Nothing was ever posted here.
            self.go_live(guild, channel, session, MessageId(0)).await?;
        }
        Ok(())
    }

    fn page(
        &self,
        guild: GuildId,
        channel: ChannelId,
        after: MessageId,
        to: MessageId,
        listing: Listing,
    ) -> Vec<Fact> {
        let mut facts: Vec<Fact> = listing
            .unreadable
            .iter()
            .map(|id| {
                let object = FailureObject::Message(channel, *id);
                Fact::Failed(
                    guild,
                    object,
                    "it is not as Discord documents messages".to_owned(),
                )
            })
            .collect();
        self.progress.update(|it| it.failures += facts.len() as u64);
        let given = listing.messages.iter();
        facts.extend(
            given
                .filter_map(|it| Props::from_answer(&it.message, self.bot.id))
                .map(Fact::Props),
        );
        facts.push(Fact::Page(Page {
            guild_id: guild,
            channel_id: channel,
            after,
            to,
            messages: listing.messages,
            unreadable: listing.unreadable,
        }));
        facts
    }

    /// Fetches lists of reactors: those left from before, then those found missing.
    async fn reactors(
        &self,
        left: Vec<Pending>,
        mut missing: mpsc::Receiver<Pending>,
    ) -> Result<(), BackfillError> {
        for list in left {
            self.list(list).await?;
        }
        while let Some(list) = missing.recv().await {
            self.list(list).await?;
        }
        Ok(())
    }

    pub(super) async fn list(&self, list: Pending) -> Result<(), BackfillError> {
        let Pending {
            guild_id,
            channel_id,
            message_id,
            emoji,
            burst,
        } = list;
        let at = self.clock.stamp();
        let mut users = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .history
                .reactors(channel_id, message_id, &emoji, burst, after)
                .await;
            match answer {
                Ok(page) => {
                    let full = page.len() >= REACTORS_FULL;
                    let newest = page.iter().map(|user| user.id).max();
                    users.extend(page);
                    // A server that ignores `after` must not keep us here for ever.
                    if !full || newest <= after {
                        break;
                    }
                    after = newest;
                }
                Err(RestError::NotFound {
                    code: UNKNOWN_MESSAGE,
                    ..
                }) => {
                    let gone = Fact::MessageGone(guild_id, channel_id, message_id);
                    return Ok(self.tell(at, vec![gone]).await?);
                }
                Err(error) => {
                    let key = emoji.key.to_string();
                    let object = FailureObject::Reactions(channel_id, message_id, key, burst);
                    return self.fail(guild_id, object, error).await;
                }
            }
        }
        self.progress.update(|it| it.lists_done += 1);
        let reactors = Fact::Reactors {
            guild_id,
            channel_id,
            message_id,
            emoji,
            burst,
            users,
        };
        Ok(self.tell(at, vec![reactors]).await?)
    }
}
