//! Texts that Discord kept from us: how many there are, why, and which messages to list again.
//!
//! Which texts are missing is noted in the messages themselves; so whatever brings a text, here or
//! from the gateway, settles it, and a killed process goes on with those that are left.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, warn};

use super::{Backfill, BackfillError, reread::page_of_one};
use propsbot_discord::{Application, RestError};
use propsbot_model::{
    ChannelId, Fact, FailureObject, GuildId, IdRange, Message, MessageId, UserId,
};
use propsbot_store::{Store, StoreError};

/// How to switch an intent on.
const SWITCH_ON: &str =
    "in the developer portal (your application, \"Bot\", \"Privileged Gateway Intents\")";

/// Messages that one backfill asks for, to find out whether they have no text.
const ASKED_AT_ONCE: usize = 100;

/// So many messages may have no text in a guild where no other message tells whether Discord gives any.
const FEW: u64 = 5;

/// A channel's messages of which so many are looked at, to find one that has a text.
const LOOKED_AT: usize = 1_000;

impl Backfill {
    /// Warns of privileged intents that are switched off, and where anybody may add the bot to a guild.
    ///
    /// # Errors
    /// The token is refused. Any other failure says nothing of the intents.
    pub async fn check_application(&self) -> Result<(), BackfillError> {
        let Some(application) = self.application().await? else {
            return Ok(());
        };
        if !application.message_content {
            warn!(
                "the Message Content intent is switched off: Discord keeps the texts of messages \
                 from the bot; switch it on {SWITCH_ON}"
            );
        }
        if !application.members {
            warn!(
                "the Server Members intent is switched off: Discord doesn't list members; switch \
                 it on {SWITCH_ON}"
            );
        }
        if application.is_public {
            warn!(
                "anybody may add this bot to a server of theirs; only guilds that you named or that \
                 were mirrored before are mirrored. Unless that is wanted, switch off \"Public Bot\" in \
                 the developer portal (your application, \"Bot\")"
            );
        }
        Ok(())
    }

    /// The application's intents; `None` where that is not known.
    async fn application(&self) -> Result<Option<Application>, BackfillError> {
        match self.history.application().await {
            Ok(application) => Ok(application),
            Err(error @ RestError::BadToken) => Err(error.into()),
            Err(error) => {
                debug!("which intents are on is not known: {error}");
                Ok(None)
            }
        }
    }

    /// Which messages are to be listed again for their texts, by channel. None where Discord would
    /// keep them from us again.
    pub(super) async fn missing_texts(
        &self,
        guild: GuildId,
    ) -> Result<BTreeMap<ChannelId, Vec<IdRange>>, BackfillError> {
        let missing = self.read(move |store| counts(store, guild)).await?;
        let is_off = |application: Application| !application.message_content;
        if missing.is_empty() || self.application().await?.is_some_and(is_off) {
            return Ok(BTreeMap::new());
        }
        self.read(move |store| {
            let channels = missing.into_keys();
            channels.map(|id| Ok((id, ranges(store, id)?))).collect()
        })
        .await
    }

    /// Finds out which messages that show nothing are empty indeed, such as those whose embeds were taken
    /// away. Asked for by itself, one shows nothing either, while another message shows its text: so
    /// Discord gives texts now. `readable` are the channels that the bot may read.
    async fn find_empty(
        &self,
        guild: GuildId,
        readable: &BTreeSet<ChannelId>,
    ) -> Result<(), BackfillError> {
        let mut missing = self.read(move |store| counts(store, guild)).await?;
        missing.retain(|channel, _| readable.contains(channel));
        let is_off = |application: Application| !application.message_content;
        if missing.is_empty() || self.application().await?.is_some_and(is_off) {
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

    /// Asks for a message by itself, and writes what is told. One without a text has none, if it
    /// `may_be_empty`. `None` if it is gone, or nothing was told.
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
                debug!("whether a message has a text is not known: {error}");
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

    /// Records of which channels texts are missing, and why. Returns how many are. `readable` are the
    /// channels that the bot may read.
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
            let application = self.application().await?;
            let is_on = application.map(|application| application.message_content);
            let why = match is_on {
                Some(false) => format!(
                    "the bot's Message Content intent is switched off; switch it on {SWITCH_ON}, \
                     and they are fetched"
                ),
                Some(true) => "Discord gave none, although the Message Content intent is on; they \
                               are asked for again"
                    .to_owned(),
                None => format!(
                    "Discord gave none; if the bot's Message Content intent is switched off, switch \
                     it on {SWITCH_ON}"
                ),
            };
            warn!(%guild, messages = all, "texts of messages are missing: {why}");
            let failed = missing.iter().map(|(id, count)| {
                let reason = format!("the texts of {count} messages are missing: {why}");
                let object = FailureObject::Texts(*id);
                if is_on == Some(false) {
                    Fact::Refused(guild, object, reason)
                } else {
                    Fact::Failed(guild, object, reason)
                }
            });
            facts.extend(failed);
            // Tried again at once, it would be the same.
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

/// How many texts are missing of each channel that is there.
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

/// Messages of these channels whose texts are missing.
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

/// A message of these channels of which Discord tells the text only where the intent is on: neither the
/// bot's own nor one that mentions it.
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

/// The messages of a channel whose texts are missing, with at most a page of others in between.
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
