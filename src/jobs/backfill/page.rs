//! A page of a channel's messages: asked for, held against what is known, and written with the
//! coverage that follows from it.
//!
//! What a list lacks is not deleted until that was made sure of: a handful is asked for one by one; of
//! more, the list has to say the same again, and a few are asked for. A list that contradicts itself,
//! or what is there, is asked for again, and covers nothing if it goes on so. So is a short one that
//! would be a channel's last and does not begin where the channel does: it may have been cut.

use std::{collections::BTreeSet, time::Duration};

use tokio::time;
use tracing::debug;

use super::{
    Backfill, BackfillError, UNKNOWN_CHANNEL,
    bottom::Bottom,
    missing::HANDFUL,
    paging::{PageRequest, ids, is_impossible, is_repeated, listed_again, range},
};
use crate::clock::Clock;
use propsbot_discord::{Listing, RestError, Urgency};
use propsbot_model::{
    ChannelId, Fact, FailureObject, GuildId, MessageId, Millis, Page, Pending, Props,
    ReactionCount, Stamp,
};

/// Why a channel of which a message has no id is not complete.
pub(crate) const UNNAMED: &str =
    "some messages are not as Discord documents them, not even their ids";
/// Why a channel of which messages that are there are not listed is not complete.
const LACKING: &str = "its messages are listed differently every time, or not all of them";
const REPEATING: &str = "the server gives the same messages again, whatever is asked for";
const IMPOSSIBLE: &str =
    "the server lists messages that are older than the channel itself, or of the future";

/// How often a page is listed before a contradiction is taken for lasting.
const LISTS: usize = 3;
/// Before a channel that is there, and whose messages were refused, is asked for them once more.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What a page showed.
#[derive(Debug)]
pub(crate) struct PageOutcome {
    /// How many messages were listed.
    pub(super) len: usize,
    /// When it was asked for.
    pub(super) asked: Stamp,
    /// It has all messages with ids after this one (0: from the channel's first on).
    pub(crate) after: MessageId,
    /// To this one.
    pub(super) to: MessageId,
    /// The first of all that were listed.
    pub(crate) oldest: Option<MessageId>,
    /// The last of them.
    pub(super) newest: Option<MessageId>,
    /// Those of them that the next page lists again.
    pub(super) again: Vec<MessageId>,
    /// Whether each had an id.
    pub(crate) all_named: bool,
    /// Whether it lacks messages that are there: it covers nothing, and may be better later.
    pub(crate) lacks_some: bool,
    /// The lists of reactors that have to be fetched.
    pub(crate) missing: Vec<Pending>,
    /// How many lists of reactors there are to its messages.
    pub(crate) lists: u64,
}

impl PageOutcome {
    /// Where the next page ends: before this id.
    pub(crate) fn next(&self) -> MessageId {
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
    /// What could not be asked for by itself, but may be later.
    failing: BTreeSet<MessageId>,
}

impl Backfill {
    /// Lists a page of messages and has it written, with the fact that follows from it. Nothing if
    /// the server would not let us come to the end; that is recorded.
    pub(crate) async fn page(
        &self,
        ask: &PageRequest,
        also: impl FnOnce(&PageOutcome) -> Option<Fact>,
    ) -> Result<Option<PageOutcome>, BackfillError> {
        let mut checked = match self.checked(ask).await? {
            Ok(checked) => checked,
            Err(reason) => {
                self.incomplete(ask.guild, ask.channel, reason).await?;
                return Ok(None);
            }
        };
        let all_named = checked.listing.unnamed() == 0;
        let now = self.now();
        let is_impossible = |id: &MessageId| is_impossible(ask.channel, *id, now);
        let has_impossible = ids(&checked.listing).any(|id| is_impossible(&id));
        if has_impossible {
            let Listing {
                messages,
                unreadable,
                ..
            } = &mut checked.listing;
            messages.retain(|paged| !is_impossible(&paged.message.id));
            unreadable.retain(|id| !is_impossible(id));
        }
        let again = listed_again(&checked.listing, checked.after);
        // What the page before has shown is written, and was seen as it was then.
        let is_told = |id: &MessageId| ask.again.contains(id);
        let told = ids(&checked.listing).filter(is_told).collect();
        let (messages, unreadable) = (
            &mut checked.listing.messages,
            &mut checked.listing.unreadable,
        );
        messages.retain(|message| !is_told(&message.message.id));
        unreadable.retain(|id| !is_told(id));
        self.ask_singly(ask, &mut checked).await?;
        let Checked {
            asked,
            mut listing,
            after,
            to,
            gone,
            lacks_some,
            failing,
        } = checked;
        let turn = listing.turn.take();
        let counts = listing.messages.iter().flat_map(|paged| &paged.counts);
        let lists = counts.map(ReactionCount::lists).sum();
        let mut shown = PageOutcome {
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
            .update(|progress| progress.messages += listing.messages.len() as u64);
        // Where a message has no id, it may be any: nothing is covered, and none is said to be gone.
        let spans = shown.all_named && !has_impossible;
        let page = Page {
            guild_id: ask.guild,
            channel_id: ask.channel,
            after: if spans { after } else { to },
            to,
            newest: ask.before.is_none() && spans && !lacks_some,
            messages: listing.messages,
            unreadable: listing.unreadable,
            lists: ask.lists,
            told,
            gone,
            lacks_some,
        };
        let mut facts = self.facts(page, &failing);
        facts.extend(also(&shown));
        shown.missing = self.write(asked, facts).await?;
        // Before the lists are waited for, which may wait for a turn themselves.
        drop(turn);
        if has_impossible {
            self.incomplete(ask.guild, ask.channel, IMPOSSIBLE).await?;
            return Ok(None);
        }
        Ok(Some(shown))
    }

    /// Asks for a page until it agrees with itself and with what is known; or says why it never will.
    async fn checked(
        &self,
        ask: &PageRequest,
    ) -> Result<Result<Checked, &'static str>, BackfillError> {
        let now = self.now();
        let mut lacked: Option<BTreeSet<MessageId>> = None;
        let mut judged: Option<(BTreeSet<MessageId>, Bottom)> = None;
        for list in 1.. {
            let urgency = self.progress.urgency(ask.channel);
            let Some((asked, mut listing)) = self.listing(ask, urgency).await? else {
                return Ok(Err("the server lists no messages, though there are some"));
            };
            let has_impossible = ids(&listing).any(|id| is_impossible(ask.channel, id, now));
            if list == 1 && (has_impossible || is_repeated(ask, &listing)) {
                continue;
            }
            if is_repeated(ask, &listing) {
                return Ok(Err(REPEATING));
            }
            let listed: BTreeSet<MessageId> = ids(&listing).collect();
            let same = judged.take_if(|(of, _)| *of == listed);
            let is_confirmed = same.is_some();
            let bottom = match same {
                Some((_, bottom)) => bottom,
                None => self.bottom(ask, &mut listing).await?,
            };
            judged = Some((listed, bottom));
            let is_doubted = bottom.is_doubtful && !is_confirmed;
            if is_doubted && list < LISTS {
                continue;
            }
            if bottom.is_doubtful && is_confirmed && !bottom.is_last {
                self.page_sizes.is_limit(listing.len);
            }
            let (after, to) = range(ask, &listing, bottom.is_last);
            let lacks = self.lacks(ask, &listing, asked, (after, to)).await?;
            // Whoever waits for another request holds no turn.
            listing.turn = listing.turn.filter(|_| lacks.is_empty());
            let mut checked = Checked {
                asked,
                after,
                to,
                gone: BTreeSet::new(),
                lacks_some: is_doubted,
                failing: BTreeSet::new(),
                listing,
            };
            // A message without an id may be the one that seems to be missing.
            if lacks.is_empty() || checked.listing.unnamed() > 0 {
                return Ok(Ok(checked));
            }
            let is_agreed = lacked.as_ref() == Some(&lacks);
            if lacks.len() <= HANDFUL || is_agreed {
                checked.gone = self.gone(ask, &lacks).await?;
            }
            if checked.gone == lacks {
                return Ok(Ok(checked));
            }
            if list == LISTS || is_agreed && !checked.gone.is_empty() {
                checked.lacks_some = true;
                return Ok(Ok(checked));
            }
            lacked = Some(lacks);
        }
        unreachable!("the last list returns")
    }

    /// Asks for a page, and says when it was asked for. Nothing if the server contradicts itself.
    pub(super) async fn listing(
        &self,
        ask: &PageRequest,
        urgency: Urgency,
    ) -> Result<Option<(Stamp, Listing)>, BackfillError> {
        let (guild, channel) = (ask.guild, ask.channel);
        let (at, mut listing) = match self.list_page(ask, urgency).await {
            Err(refused @ (RestError::NotFound { .. } | RestError::Forbidden { .. })) => {
                self.second_look(ask, urgency, refused).await?
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
        let is_there = match self.history.message(guild, channel, witness).await {
            // One that cannot be read is there.
            Err(RestError::Unreadable { .. }) => true,
            found => found?.is_some(),
        };
        let (at, listing) = self.list_page(ask, urgency).await?;
        let is_in_range = ask.before.is_none_or(|before| witness < before);
        let contradicts = listing.len == 0 && is_there && is_in_range;
        Ok((!contradicts).then_some((at, listing)))
    }

    async fn list_page(
        &self,
        ask: &PageRequest,
        urgency: Urgency,
    ) -> Result<(Stamp, Listing), RestError> {
        let at = self.clock.stamp();
        let history = self.history.with_urgency(urgency);
        let listing = history.messages(ask.guild, ask.channel, ask.before).await?;
        Ok((at, listing))
    }

    /// A page was refused: whether the channel is to be had at all, the channel itself tells. If it is,
    /// its messages are asked for once more.
    async fn second_look(
        &self,
        ask: &PageRequest,
        urgency: Urgency,
        refused: RestError,
    ) -> Result<(Stamp, Listing), RestError> {
        self.history.channel(ask.guild, ask.channel).await?;
        debug!("{refused}, though its channel is there");
        time::sleep(SECOND_LOOK).await;
        match self.list_page(ask, urgency).await {
            // It is there.
            Err(RestError::NotFound {
                what,
                code: UNKNOWN_CHANNEL,
                ..
            }) => Err(RestError::Failing { what, status: 404 }),
            listed => listed,
        }
    }

    /// The time, by whichever clock is ahead.
    fn now(&self) -> Millis {
        let ours = Clock::now();
        ours.max(self.history.discord_time(ours))
    }

    /// Asks for messages that could not be read by themselves, as long as that helps.
    async fn ask_singly(
        &self,
        ask: &PageRequest,
        checked: &mut Checked,
    ) -> Result<(), BackfillError> {
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
                Err(error) => {
                    vain += 1;
                    left.push(id);
                    // One that is not as documented is so as well when it is asked for again.
                    let is_odd = matches!(error, RestError::Unreadable { .. });
                    if error.is_transient() && !is_odd {
                        checked.failing.insert(id);
                    }
                }
            }
        }
        checked.listing.unreadable = left;
        Ok(())
    }

    /// All that a page tells.
    fn facts(&self, mut page: Page, failing: &BTreeSet<MessageId>) -> Vec<Fact> {
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
                let reason = "it is not as Discord documents messages".to_owned();
                if failing.contains(id) {
                    Fact::Failed(guild, object, reason)
                } else {
                    Fact::Refused(guild, object, reason)
                }
            })
            .collect();
        let failures = failing.len() as u64;
        self.progress.update(|now| {
            now.failures += failures;
            now.refused += facts.len() as u64 - failures;
        });
        let answers = page
            .messages
            .iter()
            .filter_map(|message| Props::from_answer(&message.message, self.bot.id));
        facts.extend(answers.map(Fact::Props));
        facts.push(Fact::Page(page));
        facts
    }

    /// The server does not tell all messages, however it is asked.
    pub(crate) async fn incomplete(
        &self,
        guild: GuildId,
        channel: ChannelId,
        reason: &str,
    ) -> Result<(), BackfillError> {
        self.progress.update(|progress| {
            progress.failures += 1;
            progress.hidden += 1;
        });
        let refused = Fact::Refused(guild, FailureObject::Channel(channel), reason.to_owned());
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
    }

    /// Some pages of the channel lack messages that are there.
    pub(crate) async fn lacking(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<(), BackfillError> {
        self.progress.update(|progress| progress.failures += 1);
        let object = FailureObject::Channel(channel);
        let failed = Fact::Failed(guild, object, LACKING.to_owned());
        Ok(self.tell(self.clock.stamp(), vec![failed]).await?)
    }
}
