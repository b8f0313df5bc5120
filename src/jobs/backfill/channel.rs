//! Fetches one channel's messages; `reactors.rs` fetches lists of reactors meanwhile.

use tokio::sync::mpsc;

use super::{
    Backfill, BackfillError, UNKNOWN_CHANNEL,
    page::{PageOutcome, UNNAMED},
    paging::{Length, PageRequest, next_ms},
    rounds::Lists,
};
use propsbot_discord::RestError;
use propsbot_ingest::ChannelPlan;
use propsbot_model::{
    ChannelId, Fact, FailureObject, GuildId, Live, MessageId, PagesBefore, Pending, Reread,
    SessionNumber, Slice, Stamp,
};

/// Lists of reactors that may queue up before page reading pauses.
const LISTS_AHEAD: usize = 256;

/// Why reading a channel stopped.
const ENDLESS: &str = "the server lists more messages than a channel can have";

/// How much of a channel was listed.
enum Listed {
    Whole,
    /// Some messages are missing that may be listed later.
    Lacking,
    /// The server prevents reading to the end, or hides messages.
    Hidden,
}

impl Backfill {
    /// Carries out a channel's plan; a failure is recorded and ends only this channel.
    /// Returns whether all available messages were listed, and the state of the lists of reactors.
    /// `described` is when Discord reported the plan's last message.
    pub(super) async fn channel(
        &self,
        guild: GuildId,
        plan: ChannelPlan,
        described: Stamp,
    ) -> Result<(bool, Lists), BackfillError> {
        let begun = self.clock.stamp();
        let (missing, lists) = mpsc::channel(LISTS_AHEAD);
        let left = plan.reactors.clone();
        self.progress
            .update(|progress| progress.lists += left.len() as u64);
        let messages = async {
            let object = FailureObject::Channel(plan.channel_id);
            match self.messages(guild, &plan, described, missing).await {
                // The server would answer the same again.
                Ok(Listed::Hidden) => Ok(true),
                Ok(Listed::Lacking) => Ok(false),
                Ok(Listed::Whole) => {
                    let mut facts = vec![Fact::Settled(guild, object)];
                    facts.extend(
                        plan.looks_back
                            .then_some(Fact::LookedBack(guild, plan.channel_id)),
                    );
                    self.tell(begun, facts).await?;
                    Ok(true)
                }
                Err(BackfillError::Rest(RestError::NotFound {
                    code: UNKNOWN_CHANNEL,
                    ..
                })) => {
                    let gone = Fact::ChannelGone(guild, plan.channel_id);
                    self.tell(self.clock.stamp(), vec![gone]).await?;
                    Ok(true)
                }
                Err(BackfillError::Rest(error)) => self.fail(guild, object, error).await,
                Err(other) => Err(other),
            }
        };
        let (pages, lists) = tokio::try_join!(messages, self.reactors(left, lists))?;
        Ok((pages, if lists { Lists::Done } else { Lists::Failed }))
    }

    /// Makes the channel live: since `since`, messages after `after` arrive over the gateway.
    async fn go_live(
        &self,
        guild: GuildId,
        channel: ChannelId,
        session: SessionNumber,
        (after, since): (MessageId, Stamp),
    ) -> Result<(), BackfillError> {
        let live = Live {
            session,
            after,
            since,
        };
        Ok(self
            .tell(since, vec![Fact::Live(guild, channel, live)])
            .await?)
    }

    /// Lists as much of the channel as the server allows.
    async fn messages(
        &self,
        guild: GuildId,
        plan: &ChannelPlan,
        described: Stamp,
        missing: mpsc::Sender<Pending>,
    ) -> Result<Listed, BackfillError> {
        let asks_newest = plan.reads.iter().any(|read| read.to.is_none());
        if let (Some(session), false) = (plan.go_live, asks_newest) {
            let after = plan.last_message_id.unwrap_or_default();
            self.go_live(guild, plan.channel_id, session, (after, described))
                .await?;
        }
        let (mut all_named, mut lacks_some) = (true, false);
        let first = MessageId(plan.channel_id.0);
        let mut newest = plan.last_message_id;
        for (reading, read) in plan.reads.iter().enumerate() {
            let mut ask = PageRequest {
                guild,
                channel: plan.channel_id,
                // Messages of one millisecond may be listed in any order.
                before: read.to.map(next_ms),
                last_message_id: plan.last_message_id,
                until: read.after,
                witness: plan.witness,
                lists: plan
                    .reread
                    .filter(|_| read.after.0 == 0)
                    .map(|_| Slice::ALL),
                newest: None,
                again: Vec::new(),
                pages_before: None,
            };
            let mut length = Length::default();
            loop {
                let reread = plan.reread.filter(|_| read.after.0 == 0);
                let reread = reread.filter(|_| all_named && !lacks_some);
                let reread = |page: &PageOutcome| {
                    let begun = reread.filter(|_| page.all_named && !page.lacks_some)?;
                    let left = page.after;
                    Some(Fact::Reread(guild, plan.channel_id, Reread { begun, left }))
                };
                let Some(page) = self.page(&ask, reread).await? else {
                    return Ok(Listed::Hidden);
                };
                all_named &= page.all_named;
                lacks_some |= page.lacks_some;
                newest = newest.max(page.newest);
                let next = page.next();
                let found = page.missing.len();
                self.progress
                    .update(|progress| progress.lists += found as u64);
                self.progress.advance(plan.channel_id, |progress| {
                    let ends = (first, newest.unwrap_or_default());
                    progress.read(&plan.reads, ends, (reading, page.after), page.len);
                    progress.found += u32::try_from(found).unwrap_or(u32::MAX);
                });
                for list in page.missing {
                    // The receiver only ends with an error, which ends this side too.
                    let _ = missing.send(list).await;
                }
                if let (None, Some(session), false) = (ask.before, plan.go_live, page.lacks_some) {
                    let end = (page.to, page.asked);
                    self.go_live(guild, plan.channel_id, session, end).await?;
                }
                if page.after <= read.after {
                    break;
                }
                length.add(page.len, page.newest, page.oldest);
                if length.is_endless() {
                    self.incomplete(guild, plan.channel_id, ENDLESS).await?;
                    return Ok(Listed::Hidden);
                }
                if ask.before.is_none() {
                    ask.newest = Some(page.to);
                }
                ask.witness = page.oldest.or(ask.witness);
                let this = PagesBefore {
                    to: page.to,
                    newest: ask.before.is_none().then_some(page.asked),
                };
                ask.pages_before =
                    (page.all_named && !page.lacks_some).then(|| ask.pages_before.unwrap_or(this));
                ask.before = Some(next);
                ask.again = page.again;
            }
        }
        if !all_named {
            self.incomplete(guild, plan.channel_id, UNNAMED).await?;
            return Ok(Listed::Hidden);
        }
        if lacks_some {
            self.lacking(guild, plan.channel_id).await?;
            return Ok(Listed::Lacking);
        }
        Ok(Listed::Whole)
    }
}
