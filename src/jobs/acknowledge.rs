//! Acknowledges plain messages that are props, with a reaction.
//!
//! Best effort, for messages received live: they are skipped when too many wait, or when the
//! reaction fails. Failures are recorded and logged once per channel and reason, except those
//! of a single message, such as an author who blocked the bot.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{clock::Clock, quota, writer::Writer};
use propsbot_discord::{MessageSender, RestError};
use propsbot_mirror::{Ending, ask};
use propsbot_model::{
    AuthorKind, ChannelId, Emoji, Evidence, Fact, FailureObject, GuildId, Message, MessageId,
    Observation, UserId,
    permissions::{ADD_REACTIONS, READ_MESSAGE_HISTORY, VIEW_CHANNEL},
};
use propsbot_store::{Store, StoreError};

/// Discord's codes for problems of one message: its author blocked the bot ("Reaction was
/// blocked"), or it has too many different reactions.
const OF_THE_MESSAGE: [u64; 2] = [90_001, 30_010];

/// Messages that may wait. Discord accepts about four reactions a second.
const WAITING: usize = 1_000;

/// Reason recorded when a permission is missing.
const LACKING: &str = "the bot lacks View Channel, Read Message History or Add Reactions here";

/// Reason recorded when Discord refuses a reaction that permissions allow.
const REFUSED: &str = "Discord refused the reaction; can the bot use this emoji?";

/// A new message that thanks someone, if its channel is a props channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posted {
    guild_id: GuildId,
    channel_id: ChannelId,
    id: MessageId,
    author: UserId,
}

impl Posted {
    /// Returns the message if a member wrote it and it mentions another user.
    pub(super) fn thanks(message: &Message) -> Option<Self> {
        let author = message.author;
        let thanks = author.kind == AuthorKind::User
            && message.kind.is_written()
            && message
                .mentions
                .iter()
                .any(|mention| mention.user_id != author.id);
        thanks.then_some(Self {
            guild_id: message.guild_id,
            channel_id: message.channel_id,
            id: message.id,
            author: author.id,
        })
    }
}

/// Accepts messages to acknowledge.
pub struct Acknowledgements(mpsc::Sender<Posted>);

/// The receiving end for [`acknowledge`].
pub struct Thanks(mpsc::Receiver<Posted>);

pub fn acknowledgements() -> (Acknowledgements, Thanks) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Acknowledgements(sender), Thanks(receiver))
}

impl Acknowledgements {
    /// Queues a message if there is room.
    pub(super) fn consider(&self, posted: Posted) {
        if self.0.try_send(posted).is_err() {
            tracing::debug!("too many messages to acknowledge; skipping one");
        }
    }
}

/// Acknowledges queued messages until stopped, or until the sender is dropped.
pub async fn acknowledge(
    mut thanks: Thanks,
    sender: MessageSender,
    store: Arc<Store>,
    writer: Writer,
    clock: Clock,
    bot: UserId,
    stop: CancellationToken,
) -> Result<(), Ending> {
    // The last failure in each channel; `None` after a success.
    let mut known: BTreeMap<ChannelId, Option<&'static str>> = BTreeMap::new();
    while let Some(Some(posted)) = stop.run_until_cancelled(thanks.0.recv()).await {
        // Wait until earlier facts are durable: the message may be the first of its channel.
        writer.write(Vec::new()).await?;
        let wish = ask(&store, move |store| wish(store, bot, posted)).await;
        let failed = match wish {
            Ok(Ok(Wish::Nothing)) => continue,
            Ok(Ok(Wish::Lacking)) => Some(LACKING),
            Ok(Ok(Wish::React(emoji))) => {
                let reacting = sender.react(posted.channel_id, posted.id, &emoji);
                let Some(reacted) = stop.run_until_cancelled(reacting).await else {
                    return Ok(());
                };
                match reacted {
                    Ok(()) => None,
                    Err(RestError::Forbidden { code, .. } | RestError::Rejected { code, .. })
                        if OF_THE_MESSAGE.contains(&code) =>
                    {
                        continue;
                    }
                    Err(RestError::Forbidden { .. } | RestError::Rejected { .. }) => Some(REFUSED),
                    // The message is gone, or Discord is down.
                    Err(_) => continue,
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "can't acknowledge props");
                continue;
            }
            // The process is ending.
            Err(_) => return Ok(()),
        };
        let (guild, channel) = (posted.guild_id, posted.channel_id);
        if known.insert(channel, failed) == Some(failed) {
            continue;
        }
        let object = FailureObject::Acknowledgement(channel);
        let fact = match failed {
            None => Fact::Settled(guild, object),
            Some(reason) => {
                tracing::warn!(%guild, %channel, "can't acknowledge props: {reason}");
                Fact::Failed(guild, object, reason.into())
            }
        };
        let seen = Observation {
            at: clock.stamp(),
            by: Evidence::Gateway,
            fact,
        };
        writer.send(vec![seen]).await?;
    }
    Ok(())
}

enum Wish {
    /// It isn't props, or acknowledgements are off.
    Nothing,
    React(Emoji),
    /// A permission is missing.
    Lacking,
}

fn wish(store: &Store, bot: UserId, posted: Posted) -> Result<Wish, StoreError> {
    let (guild, channel) = (posted.guild_id, posted.channel_id);
    let settings = store.settings(guild)?;
    let emoji = settings.acknowledge.as_deref().and_then(Emoji::read);
    let Some(emoji) = emoji.filter(|_| !settings.commands_only) else {
        return Ok(Wish::Nothing);
    };
    if !store.is_props_channel(guild, channel)?
        || quota::is_over(store, &settings, (guild, posted.author), posted.id)?
    {
        return Ok(Wish::Nothing);
    }
    let part = store.channel(guild, channel)?;
    let Some(known) = part.as_ref().and_then(|part| part.state.now()) else {
        return Ok(Wish::Nothing);
    };
    let needed = VIEW_CHANNEL | READ_MESSAGE_HISTORY | ADD_REACTIONS;
    Ok(match store.bits_of(guild, bot, known)? {
        Some(bits) if bits & needed != needed => Wish::Lacking,
        _ => Wish::React(emoji),
    })
}
