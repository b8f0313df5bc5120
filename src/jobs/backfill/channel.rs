//! One channel: its messages page by page, and beside them the lists of who reacted.

use tokio::sync::mpsc;

use super::{Backfill, BackfillError, UNKNOWN_CHANNEL, rounds::Lists};
use crate::{
    discord::{Listing, RestError, Urgency},
    ingest::ChannelPlan,
    jobs::estimate::share,
    model::{
        ChannelId, Fact, FailureObject, GuildId, Life, Live, MessageId, Page, Pending, Props,
        ReactionEvent, SessionNumber, Stamp, UserId,
    },
};

/// Lists of reactors that may be known to be missing before reading on waits for them.
const LISTS_AHEAD: usize = 256;
/// Users in one answer; fewer means that there are no more.
const REACTORS_FULL: usize = 100;

/// Discord's code for a message that is not there any more; see [`UNKNOWN_CHANNEL`].
const UNKNOWN_MESSAGE: u64 = 10008;

/// Why a channel of which a message has no id is not complete.
pub(in crate::jobs) const UNNAMED: &str =
    "some messages are not as Discord documents them, not even their ids";

/// A page of messages to ask for.
#[derive(Clone, Copy, Debug)]
pub(in crate::jobs) struct Ask {
    pub(in crate::jobs) guild: GuildId,
    /// The channel or thread.
    pub(in crate::jobs) channel: ChannelId,
    /// The page ends before this message; `None`: with the newest.
    pub(in crate::jobs) before: Option<MessageId>,
    /// The last message posted, where Discord has told it.
    pub(in crate::jobs) last_message_id: Option<MessageId>,
    /// A message that was there, which tells whether an empty list is to be believed.
    pub(in crate::jobs) witness: Option<MessageId>,
    /// How many messages were listed right before, from `before` on.
    pub(in crate::jobs) len_before: Option<usize>,
}

/// What a page showed.
#[derive(Debug)]
pub(in crate::jobs) struct Shown {
    /// How many messages were listed.
    len: usize,
    /// When it was asked for.
    asked: Stamp,
    /// It has all messages with ids after this one (0: from the channel's first on).
    pub(in crate::jobs) after: MessageId,
    /// To this one.
    to: MessageId,
    /// The first of all that were listed.
    pub(in crate::jobs) oldest: Option<MessageId>,
    /// The last of them.
    newest: Option<MessageId>,
    /// Whether each had an id.
    pub(in crate::jobs) all_named: bool,
    /// The lists of reactors that have to be fetched.
    pub(in crate::jobs) missing: Vec<Pending>,
}

impl Backfill {
    /// Carries out a channel's plan. What fails in it is recorded and ends only this channel. Returns
    /// whether its messages were listed, as far as Discord lets us, and what became of the lists.
    /// `described` is when its last message was the one that the plan names.
    pub(super) async fn channel(
        &self,
        guild: GuildId,
        plan: ChannelPlan,
        described: Stamp,
    ) -> Result<(bool, Lists), BackfillError> {
        let begun = self.clock.stamp();
        let (missing, lists) = mpsc::channel(LISTS_AHEAD);
        let left = plan.reactors.clone();
        self.progress.update(|it| it.lists += left.len() as u64);
        let messages = async {
            let object = FailureObject::Channel(plan.channel_id);
            match self.messages(guild, &plan, described, missing).await {
                // Asked again, the server would say the same.
                Ok(false) => Ok(true),
                Ok(true) => {
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

    /// Since `since`, whatever is posted after `after` arrives by the gateway.
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

    /// Lists the channel's messages; `false` if the server would not let us come to the end, or
    /// hides what is on the way.
    async fn messages(
        &self,
        guild: GuildId,
        plan: &ChannelPlan,
        described: Stamp,
        missing: mpsc::Sender<Pending>,
    ) -> Result<bool, BackfillError> {
        let asks_newest = plan.reads.iter().any(|read| read.to.is_none());
        if let (Some(session), false) = (plan.go_live, asks_newest) {
            let after = plan.last_message_id.unwrap_or_default();
            self.go_live(guild, plan.channel_id, session, (after, described))
                .await?;
        }
        let mut all_named = true;
        let first = MessageId(plan.channel_id.0);
        let mut newest = plan.last_message_id;
        for (reading, read) in plan.reads.iter().enumerate() {
            let mut ask = Ask {
                guild,
                channel: plan.channel_id,
                before: read.to.map(|to| MessageId(to.0.saturating_add(1))),
                last_message_id: plan.last_message_id,
                witness: plan.witness,
                len_before: None,
            };
            loop {
                let Some(page) = self.page(ask, |_| None).await? else {
                    return Ok(false);
                };
                all_named &= page.all_named;
                newest = newest.max(page.newest);
                let found = page.missing.len();
                self.progress.update(|it| it.lists += found as u64);
                self.progress.advance(plan.channel_id, |it| {
                    let ends = (first, newest.unwrap_or_default());
                    it.pages += 1;
                    it.share = share(&plan.reads, ends, (reading, page.after));
                    it.found += u32::try_from(found).unwrap_or(u32::MAX);
                });
                for list in page.missing {
                    // The other side ends only with an error, which ends this side too.
                    let _ = missing.send(list).await;
                }
                if let (None, Some(session)) = (ask.before, plan.go_live) {
                    let end = (page.to, page.asked);
                    self.go_live(guild, plan.channel_id, session, end).await?;
                }
                if page.after <= read.after {
                    break;
                }
                ask.witness = page.oldest.or(ask.witness);
                ask.before = page.oldest;
                ask.len_before = Some(page.len);
            }
        }
        if !all_named {
            self.incomplete(guild, plan.channel_id, UNNAMED).await?;
        }
        Ok(all_named)
    }

    /// Lists a page of messages and has it written, with the fact that follows from it. Nothing if
    /// the server would not let us come to the end; that is recorded.
    pub(in crate::jobs) async fn page(
        &self,
        ask: Ask,
        also: impl FnOnce(&Shown) -> Option<Fact>,
    ) -> Result<Option<Shown>, BackfillError> {
        let Ask { guild, channel, .. } = ask;
        let Some((at, mut listing)) = self.listing(ask).await? else {
            let reason = "the server lists no messages, though there are some";
            self.incomplete(guild, channel, reason).await?;
            return Ok(None);
        };
        let (len, oldest) = (listing.len, listing.oldest);
        if len > 0 && (oldest.is_none() || ask.before.is_some() && oldest >= ask.before) {
            let reason = "the server gives the same messages again, whatever is asked for";
            self.incomplete(guild, channel, reason).await?;
            return Ok(None);
        }
        let all_named = listing.unnamed() == 0;
        let (turn, newest) = (listing.turn.take(), listing.newest);
        let is_last = self.is_last(ask, &listing).await?;
        let mut page = self.listed(ask, listing, is_last);
        let mut shown = Shown {
            len,
            asked: at,
            after: page.after,
            to: page.to,
            oldest,
            newest,
            all_named,
            missing: Vec::new(),
        };
        if !all_named {
            // It may be any message: the page covers nothing, and says of none that it is gone.
            (page.after, page.newest) = (page.to, false);
        }
        let mut facts = self.facts(page);
        facts.extend(also(&shown));
        shown.missing = self.write(at, facts).await?;
        // Before the lists are waited for, which may wait for a turn themselves.
        drop(turn);
        Ok(Some(shown))
    }

    /// Asks for a page, and says when it was asked for. Nothing if the server contradicts itself.
    async fn listing(&self, ask: Ask) -> Result<Option<(Stamp, Listing)>, BackfillError> {
        let Ask { guild, channel, .. } = ask;
        // Whether a short page was the last tells of all others of its length, which need not ask.
        let was_short = ask.len_before.is_some_and(|len| len < Listing::FULL);
        let list = async || {
            let at = self.clock.stamp();
            let urgency = if was_short {
                Urgency::AtOnce
            } else {
                self.progress.urgency(channel)
            };
            let history = self.history.with_urgency(urgency);
            let listing = history.messages(guild, channel, ask.before).await?;
            Ok::<_, RestError>((at, listing))
        };
        let (at, mut listing) = list().await?;
        let Some(witness) = ask.witness.filter(|_| listing.len == 0) else {
            return Ok(Some((at, listing)));
        };
        // Whoever waits for another request holds no turn.
        listing.turn = None;
        // Without the permission to read history, lists are empty instead of refused: then this
        // fails. If it does not, the permission may have been given back in between.
        let is_there = self.history.message(guild, channel, witness).await?;
        let (at, listing) = list().await?;
        let contradicts = listing.len == 0 && is_there.is_some() && ask.before.is_none();
        Ok((!contradicts).then_some((at, listing)))
    }

    /// Whether nothing stands before what was listed. A page that is shorter than others may also
    /// have been cut: if messages before it are known, the server is asked for them.
    async fn is_last(&self, ask: Ask, listing: &Listing) -> Result<bool, BackfillError> {
        if !self.page_sizes.is_last(ask.len_before, listing.len) {
            return Ok(false);
        }
        let (Some(oldest), channel) = (listing.oldest, ask.channel) else {
            return Ok(true);
        };
        self.read(move |store| {
            for known in store.messages(channel, 0..=oldest.0.saturating_sub(1)) {
                if matches!(known?.state, Life::Alive(..)) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// What a list that was asked for says of the channel.
    fn listed(&self, ask: Ask, listing: Listing, is_last: bool) -> Page {
        self.progress
            .update(|it| it.messages += listing.messages.len() as u64);
        Page {
            guild_id: ask.guild,
            channel_id: ask.channel,
            after: match listing.oldest {
                Some(oldest) if !is_last => MessageId(oldest.0.saturating_sub(1)),
                _ => MessageId(0),
            },
            // Whatever was the last message before we asked, it was not posted after we asked.
            to: ask.before.map_or_else(
                || listing.newest.max(ask.last_message_id).unwrap_or_default(),
                |before| MessageId(before.0.saturating_sub(1)),
            ),
            newest: ask.before.is_none(),
            messages: listing.messages,
            unreadable: listing.unreadable,
        }
    }

    /// All that a page tells.
    fn facts(&self, page: Page) -> Vec<Fact> {
        let (guild, channel) = (page.guild_id, page.channel_id);
        let mut facts: Vec<Fact> = page
            .unreadable
            .iter()
            .map(|id| {
                let object = FailureObject::Message(channel, *id);
                let reason = "it is not as Discord documents messages";
                Fact::Refused(guild, object, reason.to_owned())
            })
            .collect();
        self.progress.update(|it| it.refused += facts.len() as u64);
        let answers = page
            .messages
            .iter()
            .filter_map(|it| Props::from_answer(&it.message, self.bot.id));
        facts.extend(answers.map(Fact::Props));
        facts.push(Fact::Page(page));
        facts
    }

    /// The server does not tell all messages, however it is asked.
    pub(in crate::jobs) async fn incomplete(
        &self,
        guild: GuildId,
        channel: ChannelId,
        reason: &str,
    ) -> Result<(), BackfillError> {
        self.progress.update(|it| {
            it.failures += 1;
            it.hidden += 1;
        });
        let refused = Fact::Refused(guild, FailureObject::Channel(channel), reason.to_owned());
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
    }

    /// Fetches lists of reactors: those left from before, then those found missing. `false` if some
    /// may be had later.
    async fn reactors(
        &self,
        left: Vec<Pending>,
        mut missing: mpsc::Receiver<Pending>,
    ) -> Result<bool, BackfillError> {
        let mut whole = true;
        for list in left {
            whole &= self.list(list).await?;
        }
        while let Some(list) = missing.recv().await {
            whole &= self.list(list).await?;
        }
        Ok(whole)
    }

    /// Fetches a list of reactors; `false` if it failed, but may be had later.
    pub(in crate::jobs) async fn list(&self, list: Pending) -> Result<bool, BackfillError> {
        let channel = list.channel_id;
        let whole = self.fetch_list(list).await;
        self.progress.advance(channel, |it| it.done += 1);
        whole
    }

    async fn fetch_list(&self, list: Pending) -> Result<bool, BackfillError> {
        let Pending {
            guild_id,
            channel_id,
            message_id,
            emoji,
            burst,
            ..
        } = list;
        let at = self.clock.stamp();
        let mut users = Vec::new();
        let mut all_readable = true;
        let mut after = None;
        loop {
            let urgency = self.progress.urgency(channel_id);
            let answer = self
                .history
                .with_urgency(urgency)
                .reactors(channel_id, message_id, &emoji, burst, after)
                .await;
            match answer {
                Ok(page) => {
                    let full = page.len >= REACTORS_FULL;
                    let unreadable = page.unreadable.iter().copied().map(UserId);
                    let newest = page
                        .items
                        .iter()
                        .map(|user| user.id)
                        .chain(unreadable)
                        .max();
                    all_readable &= page.all_readable();
                    users.extend(page.items);
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
                    self.tell(at, vec![gone]).await?;
                    return Ok(true);
                }
                Err(error) => {
                    let key = emoji.key.to_string();
                    let object = FailureObject::Reactions(channel_id, message_id, key, burst);
                    return self.fail(guild_id, object, error).await;
                }
            }
        }
        self.progress.update(|it| it.lists_done += 1);
        if !all_readable {
            // Some reacted of whom nothing can be read: nobody is said to have taken it back.
            let key = emoji.key.to_string();
            let object = FailureObject::Reactions(channel_id, message_id, key, burst);
            let reason = "some users are not as Discord documents them".to_owned();
            self.progress.update(|it| it.refused += 1);
            let mut facts = vec![Fact::Refused(guild_id, object, reason)];
            facts.extend(users.into_iter().map(|user| {
                let (user_id, emoji) = (user.id, emoji.clone());
                Fact::Reacted(ReactionEvent {
                    guild_id,
                    channel_id,
                    message_id,
                    user_id,
                    emoji,
                    burst,
                })
            }));
            self.tell(at, facts).await?;
            return Ok(true);
        }
        let reactors = Fact::Reactors {
            guild_id,
            channel_id,
            message_id,
            emoji,
            burst,
            users,
        };
        self.tell(at, vec![reactors]).await?;
        Ok(true)
    }
}
