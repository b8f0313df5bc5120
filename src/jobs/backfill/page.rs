//! A page of a channel's messages: asked for, held against what is known, and written with the
//! coverage that follows from it.

use super::{Backfill, BackfillError};
use crate::{
    discord::{Listing, RestError, Urgency},
    model::{
        ChannelId, Fact, FailureObject, GuildId, Life, MessageId, Page, Pending, Props,
        ReactionCount, Slice, Stamp,
    },
};

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
    /// Which messages' lists of reactors are to be read again, whatever the counts.
    pub(in crate::jobs) lists: Option<Slice>,
}

/// What a page showed.
#[derive(Debug)]
pub(in crate::jobs) struct Shown {
    /// How many messages were listed.
    pub(super) len: usize,
    /// When it was asked for.
    pub(super) asked: Stamp,
    /// It has all messages with ids after this one (0: from the channel's first on).
    pub(in crate::jobs) after: MessageId,
    /// To this one.
    pub(super) to: MessageId,
    /// The first of all that were listed.
    pub(in crate::jobs) oldest: Option<MessageId>,
    /// The last of them.
    pub(super) newest: Option<MessageId>,
    /// Whether each had an id.
    pub(in crate::jobs) all_named: bool,
    /// The lists of reactors that have to be fetched.
    pub(in crate::jobs) missing: Vec<Pending>,
    /// How many lists of reactors there are to its messages.
    pub(in crate::jobs) lists: u64,
}

impl Backfill {
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
        let counts = listing.messages.iter().flat_map(|paged| &paged.counts);
        let lists = counts.map(ReactionCount::lists).sum();
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
            lists,
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
            lists: ask.lists,
        }
    }

    /// All that a page tells.
    fn facts(&self, mut page: Page) -> Vec<Fact> {
        for paged in &mut page.messages {
            // Nothing is kept from the bot of what it wrote itself.
            if paged.message.author.id == self.bot.id {
                paged.message.has_no_text();
            }
        }
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
}
