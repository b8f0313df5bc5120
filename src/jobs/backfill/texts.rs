//! Texts that Discord kept from us: how many there are, why, and which messages to list again.
//!
//! Which texts are missing is noted in the messages themselves; so whatever brings a text, here or
//! from the gateway, settles it, and a killed process goes on with those that are left.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use super::{Backfill, BackfillError};
use propsbot_discord::{Application, RestError};
use propsbot_model::{ChannelId, Fact, FailureObject, GuildId, IdRange, Message, MessageId};
use propsbot_store::{Store, StoreError};

/// How to switch an intent on.
const SWITCH_ON: &str =
    "in the developer portal (your application, \"Bot\", \"Privileged Gateway Intents\")";

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

    /// Records of which channels texts are missing, and why. Returns how many are.
    pub(super) async fn note_texts(&self, guild: GuildId) -> Result<u64, BackfillError> {
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
