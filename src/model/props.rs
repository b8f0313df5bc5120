//! Props: thanks that one member gave others.

use serde::{Deserialize, Serialize};

use super::{
    AuthorKind, ChannelId, GuildId, InteractionId, Message, MessageId, UserId, read_answer,
};

/// How props were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropsOrigin {
    /// With `/props`, and recorded as it was typed.
    Command,
    /// With `/props`, and read back from the message that the bot posted.
    Answer,
}

/// Props given with a command. Those given by plain messages are found by the graph's plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Props {
    /// The command's run, which also tells when.
    pub id: InteractionId,
    /// The guild.
    pub guild_id: GuildId,
    /// Where the answer was posted.
    pub channel_id: ChannelId,
    /// The message that says so to everyone; unknown until it was seen.
    pub message_id: Option<MessageId>,
    /// Who gave them: the member who ran the command, not the bot.
    pub giver: UserId,
    /// To whom, sorted, each once.
    pub receivers: Vec<UserId>,
    /// What for.
    pub reason: String,
    /// How they were given.
    pub origin: PropsOrigin,
}

impl Props {
    /// Reads props back from the answer that the bot, `bot`, posted to `/props`; `None` if the
    /// message is anything else.
    pub fn from_answer(message: &Message, bot: UserId) -> Option<Self> {
        let command = message
            .command
            .as_ref()
            .filter(|_| message.kind.is_command_answer())?;
        let ours = message.author.id == bot && message.author.kind == AuthorKind::Bot;
        if !ours || command.name.as_ref().is_some_and(|name| name != "props") {
            return None;
        }
        let (mut receivers, reason) = read_answer(&message.content)?;
        receivers.sort_unstable();
        receivers.dedup();
        (!receivers.is_empty()).then_some(Self {
            id: command.id,
            guild_id: message.guild_id,
            channel_id: message.channel_id,
            message_id: Some(message.id),
            giver: command.user_id,
            receivers,
            reason,
            origin: PropsOrigin::Answer,
        })
    }
}
