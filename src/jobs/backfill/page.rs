//! A page of a channel's messages: asked for, held against what is known, and written with the
//! coverage that follows from it.
//!
//! What a list lacks is not deleted until that was made sure of: a handful is asked for one by one; of
//! more, the list has to say the same again, and a few are asked for. A list that contradicts itself,
//! or what is there, is asked for again, and covers nothing if it goes on so.

use std::{collections::BTreeSet, time::Duration};

use tokio::time;
use tracing::debug;

use super::{
    Backfill, BackfillError, UNKNOWN_CHANNEL,
    paging::{Ask, ids, is_repeated, is_too_old, listed_again, range},
};
use crate::{
    discord::{Listing, RestError, Urgency},
    model::{
        ChannelId, Fact, FailureObject, GuildId, Life, MessageId, Page, Pending, Props,
        ReactionCount, Stamp,
    },
};

/// Why a channel of which a message has no id is not complete.
pub(in crate::jobs) const UNNAMED: &str =
    "some messages are not as Discord documents them, not even their ids";
/// Why a channel of which messages that are there are not listed is not complete.
const LACKING: &str = "its messages are listed differently every time, or not all of them";
const REPEATING: &str = "the server gives the same messages again, whatever is asked for";
const TOO_OLD: &str = "the server lists messages that are older than the channel itself";

/// How often a page is listed before a contradiction is taken for lasting.
const LISTS: usize = 3;
/// So many messages are asked for one by one; of more that are missing at once, so many as a sample.
const HANDFUL: usize = 5;
/// Before a channel that is there, and whose messages were refused, is asked for them once more.
const SECOND_LOOK: Duration = Duration::from_secs(1);

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
    /// Those of them that the next page lists again.
    pub(super) again: Vec<MessageId>,
    /// Whether each had an id.
    pub(in crate::jobs) all_named: bool,
    /// Whether it lacks messages that are there: it covers nothing, and may be better later.
    pub(in crate::jobs) lacks_some: bool,
    /// The lists of reactors that have to be fetched.
    pub(in crate::jobs) missing: Vec<Pending>,
    /// How many lists of reactors there are to its messages.
    pub(in crate::jobs) lists: u64,
}

impl Shown {
    /// Where the next page ends: before this id.
    pub(in crate::jobs) fn next(&self) -> MessageId {
        MessageId(self.after.0.saturating_add(1))
    }
}

/// A list of messages, and what follows from it.
struct Checked {
    asked: Stamp,
    listing: Listing,
    after: MessageId,
    to: MessageId,
    /// What it lacks and is gone.
    gone: BTreeSet<MessageId>,
    /// Whether it lacks what is there.
    lacks_some: bool,
}

impl Backfill {
    /// Lists a page of messages and has it written, with the fact that follows from it. Nothing if
    /// the server would not let us come to the end; that is recorded.
    pub(in crate::jobs) async fn page(
        &self,
        ask: &Ask,
        also: impl FnOnce(&Shown) -> Option<Fact>,
    ) -> Result<Option<Shown>, BackfillError> {
        let mut checked = match self.checked(ask).await? {
            Ok(checked) => checked,
            Err(reason) => {
                self.incomplete(ask.guild, ask.channel, reason).await?;
                return Ok(None);
            }
        };
        let all_named = checked.listing.unnamed() == 0;
        let is_too_old = |id: &MessageId| is_too_old(ask.channel, *id);
        let has_too_old = ids(&checked.listing).any(|id| is_too_old(&id));
        if has_too_old {
            let Listing {
                messages,
                unreadable,
                ..
            } = &mut checked.listing;
            messages.retain(|it| !is_too_old(&it.message.id));
            unreadable.retain(|id| !is_too_old(id));
        }
        let again = listed_again(&checked.listing, checked.after);
        // What the page before has shown is written, and was seen as it was then.
        let is_told = |id: &MessageId| ask.again.contains(id);
        let told = ids(&checked.listing).filter(is_told).collect();
        let (messages, unreadable) = (
            &mut checked.listing.messages,
            &mut checked.listing.unreadable,
        );
        messages.retain(|it| !is_told(&it.message.id));
        unreadable.retain(|id| !is_told(id));
        self.ask_singly(ask, &mut checked).await?;
        let Checked {
            asked,
            mut listing,
            after,
            to,
            gone,
            lacks_some,
        } = checked;
        let turn = listing.turn.take();
        let counts = listing.messages.iter().flat_map(|paged| &paged.counts);
        let lists = counts.map(ReactionCount::lists).sum();
        let mut shown = Shown {
            len: listing.len,
            asked,
            after,
            to,
            oldest: listing.oldest,
            newest: listing.newest,
            again,
            all_named,
            lacks_some,
            missing: Vec::new(),
            lists,
        };
        self.progress
            .update(|it| it.messages += listing.messages.len() as u64);
        // Where a message has no id, it may be any: nothing is covered, and none is said to be gone.
        let covers = shown.all_named && !lacks_some && !has_too_old;
        let page = Page {
            guild_id: ask.guild,
            channel_id: ask.channel,
            after: if covers { after } else { to },
            to,
            newest: ask.before.is_none() && covers,
            messages: listing.messages,
            unreadable: listing.unreadable,
            lists: ask.lists,
            told,
            gone,
        };
        let mut facts = self.facts(page);
        facts.extend(also(&shown));
        shown.missing = self.write(asked, facts).await?;
        // Before the lists are waited for, which may wait for a turn themselves.
        drop(turn);
        if has_too_old {
            self.incomplete(ask.guild, ask.channel, TOO_OLD).await?;
            return Ok(None);
        }
        Ok(Some(shown))
    }

    /// Asks for a page until it agrees with itself and with what is known; or says why it never will.
    async fn checked(&self, ask: &Ask) -> Result<Result<Checked, &'static str>, BackfillError> {
        let mut lacked: Option<BTreeSet<MessageId>> = None;
        for list in 1.. {
            let Some((asked, mut listing)) = self.listing(ask).await? else {
                return Ok(Err("the server lists no messages, though there are some"));
            };
            let has_too_old = ids(&listing).any(|id| is_too_old(ask.channel, id));
            if list == 1 && (has_too_old || is_repeated(ask, &listing)) {
                continue;
            }
            if is_repeated(ask, &listing) {
                return Ok(Err(REPEATING));
            }
            let is_last = self.is_last(ask, &listing).await?;
            let (after, to) = range(ask, &listing, is_last);
            let lacks = self.lacks(ask, &listing, asked, (after, to)).await?;
            // Whoever waits for another request holds no turn.
            listing.turn = listing.turn.filter(|_| lacks.is_empty());
            let mut checked = Checked {
                asked,
                after,
                to,
                gone: BTreeSet::new(),
                lacks_some: false,
                listing,
            };
            // A message without an id may be the one that seems to be missing.
            if lacks.is_empty() || checked.listing.unnamed() > 0 {
                return Ok(Ok(checked));
            }
            let is_agreed = lacked.as_ref() == Some(&lacks);
            if (lacks.len() <= HANDFUL || is_agreed) && self.are_gone(ask, &lacks).await? {
                checked.gone = lacks;
                return Ok(Ok(checked));
            }
            if list == LISTS {
                checked.lacks_some = true;
                return Ok(Ok(checked));
            }
            lacked = Some(lacks);
        }
        unreachable!("the last list returns")
    }

    /// Asks for a page, and says when it was asked for. Nothing if the server contradicts itself.
    async fn listing(&self, ask: &Ask) -> Result<Option<(Stamp, Listing)>, BackfillError> {
        let (guild, channel) = (ask.guild, ask.channel);
        let (at, mut listing) = match self.list_page(ask).await {
            Err(refused @ (RestError::NotFound { .. } | RestError::Forbidden { .. })) => {
                self.second_look(ask, refused).await?
            }
            listed => listed?,
        };
        let Some(witness) = ask.witness.filter(|_| listing.len == 0) else {
            return Ok(Some((at, listing)));
        };
        // Whoever waits for another request holds no turn.
        listing.turn = None;
        // Without the permission to read history, lists are empty instead of refused: then this
        // fails. If it does not, the permission may have been given back in between.
        let is_there = self
            .history
            .message(guild, channel, witness)
            .await?
            .is_some();
        let (at, listing) = self.list_page(ask).await?;
        let is_in_range = ask.before.is_none_or(|before| witness < before);
        let contradicts = listing.len == 0 && is_there && is_in_range;
        Ok((!contradicts).then_some((at, listing)))
    }

    async fn list_page(&self, ask: &Ask) -> Result<(Stamp, Listing), RestError> {
        // Whether a short page was the last tells of all others of its length, which need not ask.
        let was_short = ask.len_before.is_some_and(|len| len < Listing::FULL);
        let urgency = if was_short {
            Urgency::AtOnce
        } else {
            self.progress.urgency(ask.channel)
        };
        let at = self.clock.stamp();
        let history = self.history.with_urgency(urgency);
        let listing = history.messages(ask.guild, ask.channel, ask.before).await?;
        Ok((at, listing))
    }

    /// A page was refused: whether the channel is to be had at all, the channel itself tells. If it is,
    /// its messages are asked for once more.
    async fn second_look(
        &self,
        ask: &Ask,
        refused: RestError,
    ) -> Result<(Stamp, Listing), RestError> {
        self.history.channel(ask.guild, ask.channel).await?;
        debug!("{refused}, though its channel is there");
        time::sleep(SECOND_LOOK).await;
        match self.list_page(ask).await {
            // It is there.
            Err(RestError::NotFound {
                what,
                code: UNKNOWN_CHANNEL,
                ..
            }) => Err(RestError::Failing { what, status: 404 }),
            listed => listed,
        }
    }

    /// Whether nothing stands before what was listed. A page that is shorter than others may also
    /// have been cut: if messages before it are known, the server is asked for them.
    async fn is_last(&self, ask: &Ask, listing: &Listing) -> Result<bool, BackfillError> {
        let is_new = listing.unnamed() > 0 || ids(listing).any(|id| !ask.again.contains(&id));
        let len = if is_new { listing.len } else { 0 };
        if !self.page_sizes.is_last(ask.len_before, len) {
            return Ok(false);
        }
        let (Some(oldest), true, channel) = (listing.oldest, is_new, ask.channel) else {
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

    /// What was known before the list was asked for, lies in its range, and is not listed.
    async fn lacks(
        &self,
        ask: &Ask,
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
            // What was heard a moment ago may be what Discord's list does not have yet.
            self.writer.write(Vec::new()).await?;
        }
        let listed: BTreeSet<MessageId> = ids(listing).collect();
        let channel = ask.channel;
        self.read(move |store| {
            let (mut known, mut lacks) = (listed, BTreeSet::new());
            for message in store.messages(channel, first..=end) {
                let message = message?;
                let was_there = matches!(message.state, Life::Alive(seen, _) if seen < asked);
                if known.insert(message.id) && was_there {
                    lacks.insert(message.id);
                }
            }
            // Of some messages nothing is known but who reacted to them.
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

    /// Whether these messages are gone: all of a handful, or a sample of more.
    async fn are_gone(&self, ask: &Ask, ids: &BTreeSet<MessageId>) -> Result<bool, BackfillError> {
        let step = ids.len().div_ceil(HANDFUL).max(1);
        for id in ids.iter().step_by(step) {
            match self.history.message(ask.guild, ask.channel, *id).await {
                Ok(None) => {}
                // One that cannot be read is there; and where nobody can tell, none is said to be gone.
                Ok(Some(_)) | Err(RestError::Unreadable { .. } | RestError::NotFound { .. }) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Asks for messages that could not be read by themselves, as long as that helps.
    async fn ask_singly(&self, ask: &Ask, checked: &mut Checked) -> Result<(), BackfillError> {
        if checked.listing.unreadable.is_empty() {
            return Ok(());
        }
        checked.listing.turn = None;
        let mut vain = 0;
        let mut left = Vec::new();
        for id in std::mem::take(&mut checked.listing.unreadable) {
            if vain == HANDFUL {
                left.push(id);
                continue;
            }
            match self.history.message(ask.guild, ask.channel, id).await {
                Ok(Some(message)) => checked.listing.messages.push(message),
                // Deleted since: what the list said of it is true no more.
                Ok(None) => {}
                Err(error @ (RestError::BadToken | RestError::TooManyRefused { .. })) => {
                    return Err(error.into());
                }
                Err(_) => {
                    vain += 1;
                    left.push(id);
                }
            }
        }
        checked.listing.unreadable = left;
        Ok(())
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

    /// Some pages of the channel lack messages that are there.
    pub(in crate::jobs) async fn lacking(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<(), BackfillError> {
        self.progress.update(|it| it.failures += 1);
        let object = FailureObject::Channel(channel);
        let failed = Fact::Failed(guild, object, LACKING.to_owned());
        Ok(self.tell(self.clock.stamp(), vec![failed]).await?)
    }
}
