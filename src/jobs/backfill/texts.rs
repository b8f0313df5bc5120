//! Finds messages whose text Discord withheld, says why, and lists them again.
//!
//! The messages themselves record that their text is missing. So any later sighting settles it, and
//! a killed process continues with the rest.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, warn};

use super::{Backfill, BackfillError, reread::page_of_one};
use crate::check::{SWITCH_ON, of_application};
use propsbot_discord::{Application, DiscordApi, RestError};
use propsbot_model::{
    ChannelId, Fact, FailureObject, GuildId, IdRange, Message, MessageId, UserId,
};
use propsbot_store::{Store, StoreError};

/// Messages per backfill that are checked for being empty.
const ASKED_AT_ONCE: usize = 100;

/// Maximum number of textless messages that are believed to be empty if no other message shows
/// whether Discord sends texts.
const FEW: u64 = 5;

/// Messages searched per channel for one with a text.
const LOOKED_AT: usize = 1_000;

/// Fetches the application's intents; `None` if that fails.
pub(crate) async fn application(discord: &DiscordApi) -> Result<Option<Application>, RestError> {
    match discord.application().await {
        Ok(application) => Ok(application),
        Err(error @ RestError::BadToken) => Err(error),
        Err(error) => {
            debug!("can't find out which intents are on: {error}");
            Ok(None)
        }
    }
}

impl Backfill {
    /// Logs what is wrong with the application.
    pub(crate) async fn check_application(&self) -> Result<(), BackfillError> {
        let findings = of_application(application(&self.history).await?);
        for finding in findings {
            if finding.outcome.wants_attention() {
                warn!("{}", finding.sentence());
            }
        }
        Ok(())
    }

    /// Returns ranges to list again for their texts; none if Discord would still withhold them.
    pub(super) async fn missing_texts(
        &self,
        guild: GuildId,
    ) -> Result<BTreeMap<ChannelId, Vec<IdRange>>, BackfillError> {
        let missing = self.read(move |store| counts(store, guild)).await?;
        let is_off = |application: Application| !application.message_content;
        if missing.is_empty() || application(&self.history).await?.is_some_and(is_off) {
            return Ok(BTreeMap::new());
        }
        self.read(move |store| {
            let channels = missing.into_keys();
            channels.map(|id| Ok((id, ranges(store, id)?))).collect()
        })
        .await
    }

    /// Finds messages that really are empty, e.g. because their embeds were removed.
    /// If another message shows its text while this one shows none, Discord does send texts.
    async fn find_empty(
        &self,
        guild: GuildId,
        readable: &BTreeSet<ChannelId>,
    ) -> Result<(), BackfillError> {
        let mut missing = self.read(move |store| counts(store, guild)).await?;
        missing.retain(|channel, _| readable.contains(channel));
        let is_off = |application: Application| !application.message_content;
        if missing.is_empty() || application(&self.history).await?.is_some_and(is_off) {
            return Ok(());
        }
        let all: u64 = missing.values().sum();
        let channels: Vec<ChannelId> = missing.into_keys().collect();
        let mut searched = channels.clone();
        searched.extend(readable.iter().filter(|id| !channels.contains(id)));
        let bot = self.bot.id;
        let (empty, with_text) = self
            .read(move |store| Ok((empty(store, &channels)?, with_text(store, &searched, bot)?)))
            .await?;
        let gives_texts = match with_text {
            Some((channel, id)) => {
                let told = self.ask_for(guild, channel, id, false).await?;
                told.is_some_and(|message| !message.content.is_empty())
            }
            None => all <= FEW,
        };
        if gives_texts {
            for (channel, id) in empty {
                self.ask_for(guild, channel, id, true).await?;
            }
        }
        Ok(())
    }

    /// Fetches and writes one message; `None` if it is gone or the request fails.
    /// If it `may_be_empty`, an empty text is final.
    async fn ask_for(
        &self,
        guild: GuildId,
        channel: ChannelId,
        id: MessageId,
        may_be_empty: bool,
    ) -> Result<Option<Message>, BackfillError> {
        let at = self.clock.stamp();
        let mut found = match self.history.message(guild, channel, id).await {
            Ok(found) => found,
            Err(error @ (RestError::BadToken | RestError::TooManyRefused { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                debug!("can't find out whether a message has a text: {error}");
                return Ok(None);
            }
        };
        if let Some(found) = found.as_mut().filter(|_| may_be_empty)
            && found.message.content.is_empty()
        {
            found.message.has_no_text();
        }
        let message = found.as_ref().map(|found| found.message.clone());
        let page = page_of_one(guild, channel, id, found);
        for list in self.write(at, vec![Fact::Page(page)]).await? {
            if !self.list(list).await? {
                self.progress.update(|now| now.failures += 1);
            }
        }
        Ok(message)
    }

    /// Records missing texts and the reason per readable channel; returns how many are missing.
    pub(super) async fn note_texts(
        &self,
        guild: GuildId,
        readable: &BTreeSet<ChannelId>,
    ) -> Result<u64, BackfillError> {
        self.writer.write(Vec::new()).await?;
        self.find_empty(guild, readable).await?;
        self.writer.write(Vec::new()).await?;
        let (missing, known) = self
            .read(move |store| Ok((counts(store, guild)?, store.failures(guild)?)))
            .await?;
        let channel_of = |object: &FailureObject| match object {
            FailureObject::Texts(id) => Some(*id),
            _ => None,
        };
        let known = known
            .iter()
            .filter_map(|failure| channel_of(&failure.object));
        let mut facts: Vec<Fact> = known
            .filter(|id| !missing.contains_key(id))
            .map(|id| Fact::Settled(guild, FailureObject::Texts(id)))
            .collect();
        let all: u64 = missing.values().sum();
        if all > 0 {
            let application = application(&self.history).await?;
            let is_on = application.map(|application| application.message_content);
            let why = match is_on {
                Some(false) => format!(
                    "the bot's Message Content intent is switched off; switch it on {SWITCH_ON}, \
                     then they are fetched"
                ),
                Some(true) => "Discord sent none, although the Message Content intent is on; they \
                               are requested again"
                    .to_owned(),
                None => format!(
                    "Discord sent none; if the bot's Message Content intent is switched off, switch \
                     it on {SWITCH_ON}"
                ),
            };
            warn!(%guild, messages = all, "message texts are missing: {why}");
            let failed = missing.iter().map(|(id, count)| {
                let reason = format!("{count} message texts are missing: {why}");
                let object = FailureObject::Texts(*id);
                if is_on == Some(false) {
                    Fact::Refused(guild, object, reason.into())
                } else {
                    Fact::Failed(guild, object, reason.into())
                }
            });
            facts.extend(failed);
            // An immediate retry wouldn't help.
            let channels = missing.len() as u64;
            self.progress.update(|now| {
                now.failures += channels;
                now.hidden += channels;
            });
        }
        self.write(self.clock.stamp(), facts).await?;
        Ok(all)
    }
}

/// Counts the missing texts of each existing channel.
fn counts(store: &Store, guild: GuildId) -> Result<BTreeMap<ChannelId, u64>, StoreError> {
    let mut missing = BTreeMap::new();
    for tally in store.tallies(guild)? {
        if tally.texts_missing > 0 {
            let channel = store.channel(guild, tally.channel_id)?;
            if channel.is_some_and(|part| part.state.now().is_some()) {
                missing.insert(tally.channel_id, tally.texts_missing);
            }
        }
    }
    Ok(missing)
}

/// Returns messages of these channels whose text is missing.
fn empty(store: &Store, channels: &[ChannelId]) -> Result<Vec<(ChannelId, MessageId)>, StoreError> {
    let mut empty = Vec::new();
    for channel in channels {
        for state in store.messages(*channel, 0..=u64::MAX) {
            let state = state?;
            if state.message().is_some_and(Message::text_is_missing) {
                empty.push((*channel, state.id));
            }
            if empty.len() == ASKED_AT_ONCE {
                return Ok(empty);
            }
        }
    }
    Ok(empty)
}

/// Returns a message whose text Discord sends only with the intent: neither the bot's own nor one
/// that mentions it.
fn with_text(
    store: &Store,
    channels: &[ChannelId],
    bot: UserId,
) -> Result<Option<(ChannelId, MessageId)>, StoreError> {
    let tells = |message: &Message| {
        let mentions_bot = message
            .mentions
            .iter()
            .any(|mention| mention.user_id == bot);
        !message.content.is_empty() && message.author.id != bot && !mentions_bot
    };
    for channel in channels {
        for state in store.messages(*channel, 0..=u64::MAX).take(LOOKED_AT) {
            let state = state?;
            if state.message().is_some_and(tells) {
                return Ok(Some((*channel, state.id)));
            }
        }
    }
    Ok(None)
}

/// Returns ranges of messages without text, joined across up to a page of others.
fn ranges(store: &Store, channel: ChannelId) -> Result<Vec<IdRange>, StoreError> {
    let mut ranges: Vec<IdRange> = Vec::new();
    let mut others = 0;
    for state in store.messages(channel, 0..=u64::MAX) {
        let state = state?;
        let is_missing = state.message().is_some_and(Message::text_is_missing);
        others += 1;
        if !is_missing {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if others <= 100 => last.to = state.id,
            _ => ranges.push(IdRange {
                after: MessageId(state.id.0.saturating_sub(1)),
                to: state.id,
            }),
        }
        others = 0;
    }
    Ok(ranges)
}
