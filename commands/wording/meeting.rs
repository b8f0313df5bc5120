//! Meetings that members begin and end with commands.

use super::{code, shortened};
use crate::receivers::Unclear;
use propsbot_model::{ChannelId, GuildId, Meeting, MessageId, counted, escape, jump_url};

pub(crate) fn meeting_begun(guild: GuildId, channel: ChannelId, message: MessageId) -> String {
    format!(
        "The meeting has begun: {}. Everyone who's here runs `/meeting here`. When it's over, run \
         `/meeting end`.",
        jump_url(guild, channel, message)
    )
}

pub(crate) fn meeting_attended(guild: GuildId, channel: ChannelId, message: MessageId) -> String {
    format!("You're on the list: {}", jump_url(guild, channel, message))
}

pub(crate) fn meeting_ended(
    guild: GuildId,
    channel: ChannelId,
    message: MessageId,
    meeting: &Meeting,
) -> String {
    format!(
        "The meeting is over, with {}: {}. To take it back, delete that message.",
        counted(meeting.participants.len(), "participant"),
        jump_url(guild, channel, message)
    )
}

/// A list of members couldn't be read.
pub(crate) fn unclear_members(unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the member “{}”. Type @ and pick members from the list. You typed:\n{}",
        escape(&shortened(word, 100)),
        code(&shortened(typed, 500))
    )
}
