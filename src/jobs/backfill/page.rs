//! Fetches a page of messages, checks it against what is known, and writes it with its coverage.
//!
//! A message missing from a list isn't deleted until confirmed: a few are fetched one by one; for
//! more, the list is repeated and a sample fetched. A list that contradicts itself or what exists
//! is repeated, and covers nothing if it keeps doing so. So is a short last page that doesn't start
//! where its channel does: it may be cut.

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

/// Why a channel with unreadable message ids is incomplete.
pub(crate) const UNNAMED: &str = "some messages have unreadable ids";
/// Why a channel whose lists lack existing messages is incomplete.
const LACKING: &str = "the server's lists of messages are incomplete or keep changing";
const REPEATING: &str = "the server keeps returning the same messages";
const IMPOSSIBLE: &str = "the server lists messages older than the channel, or from the future";

/// How often a page is listed before a contradiction counts as permanent.
const LISTS: usize = 3;
/// Wait before repeating a refused page of an existing channel.
const SECOND_LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct PageOutcome {
    /// Number of messages listed.
    pub(super) len: usize,
    pub(super) asked: Stamp,
    /// It covers ids greater than this (0: from the channel's first message) …
    pub(crate) after: MessageId,
    pub(super) to: MessageId,
    /// Smallest listed id.
    pub(crate) oldest: Option<MessageId>,
    /// Greatest listed id.
    pub(super) newest: Option<MessageId>,
    /// Listed messages that the next page repeats.
    pub(super) again: Vec<MessageId>,
    /// Whether all ids were readable.
    pub(crate) all_named: bool,
    /// Whether existing messages are missing: it covers nothing, but may later.
    pub(crate) lacks_some: bool,
    /// Lists of reactors to fetch.
    pub(crate) missing: Vec<Pending>,
    /// Number of lists of reactors on its messages.
    pub(crate) lists: u64,
}

impl PageOutcome {
    /// Returns the exclusive upper bound of the next page.
    pub(crate) fn next(&self) -> MessageId {
        MessageId(self.after.0.saturating_add(1))
    }
}

struct Checked {
    asked: Stamp,
    listing: Listing,
    after: MessageId,
    to: MessageId,
    gone: BTreeSet<MessageId>,
    /// Whether existing messages are missing.
    lacks_some: bool,
    /// Messages that could not be fetched now, but may be later.
    failing: BTreeSet<MessageId>,
}

impl Backfill {
    /// Fetches a page and writes it with the fact from `also`.
    /// Returns `None`, recording why, if the server prevents reading further.
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
        // The previous page has already written these.
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
        // A message with an unreadable id could be any: cover nothing, delete nothing.
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
            before: ask.pages_before.filter(|_| spans),
        };
        let mut facts = self.facts(page, &failing);
        facts.extend(also(&shown));
        shown.missing = self.write(asked, facts).await?;
        // Release it first: writing the lists may wait for a permit.
        drop(turn);
        if has_impossible {
            self.incomplete(ask.guild, ask.channel, IMPOSSIBLE).await?;
            return Ok(None);
        }
        Ok(Some(shown))
    }

    /// Lists a page until it is consistent; the inner error says why it never will be.
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
            // Hold no permit while waiting for another request.
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
            // A message with an unreadable id may be the missing one.
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

    /// Lists a page and returns the time of the request; `None` if the server contradicts itself.
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
        // Hold no permit while waiting for another request.
        listing.turn = None;
        // Without the permission to read history, lists are empty instead of refused; then this
        // request fails. If it succeeds, the permission may just have been restored.
        let is_there = match self.history.message(guild, channel, witness).await {
            // An unreadable message exists.
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

    /// Handles a refused page: fetches the channel, which fails if it is inaccessible, then lists
    /// the page again.
    async fn second_look(
        &self,
        ask: &PageRequest,
        urgency: Urgency,
        refused: RestError,
    ) -> Result<(Stamp, Listing), RestError> {
        self.history.channel(ask.guild, ask.channel).await?;
        debug!("{refused}, but its channel exists");
        time::sleep(SECOND_LOOK).await;
        match self.list_page(ask, urgency).await {
            // The channel exists, so this 404 is wrong.
            Err(RestError::NotFound {
                what,
                code: UNKNOWN_CHANNEL,
                ..
            }) => Err(RestError::Failing { what, status: 404 }),
            listed => listed,
        }
    }

    /// Returns the time of whichever clock is ahead, ours or Discord's.
    fn now(&self) -> Millis {
        let ours = Clock::now();
        ours.max(self.history.discord_time(ours))
    }

    /// Fetches unreadable messages one by one, as long as that helps.
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
                // Deleted since.
                Ok(None) => {}
                Err(error @ (RestError::BadToken | RestError::TooManyRefused { .. })) => {
                    return Err(error.into());
                }
                Err(error) => {
                    vain += 1;
                    left.push(id);
                    // An odd message stays odd.
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

    fn facts(&self, mut page: Page, failing: &BTreeSet<MessageId>) -> Vec<Fact> {
        for paged in &mut page.messages {
            // Discord never hides the text of the bot's own messages.
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
                let reason = "unexpected data from Discord".into();
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

    /// Records that the server never lists all messages of a channel.
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
        let refused = Fact::Refused(guild, FailureObject::Channel(channel), reason.into());
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
    }

    /// Records that pages of a channel lack existing messages.
    pub(crate) async fn lacking(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<(), BackfillError> {
        self.progress.update(|progress| progress.failures += 1);
        let object = FailureObject::Channel(channel);
        let failed = Fact::Failed(guild, object, LACKING.into());
        Ok(self.tell(self.clock.stamp(), vec![failed]).await?)
    }
}
