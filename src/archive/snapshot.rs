//! All that an archive says, in memory, for readers that want the whole.

use super::rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow,
};

/// Every row of every table, each table sorted by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By id.
    pub guilds: Vec<GuildRow>,
    /// By guild and id.
    pub channels: Vec<ChannelRow>,
    /// By guild and id.
    pub roles: Vec<RoleRow>,
    /// By guild and id.
    pub emojis: Vec<EmojiRow>,
    /// By guild and user.
    pub members: Vec<MemberRow>,
    /// By channel and id.
    pub messages: Vec<MessageRow>,
    /// By channel, message, emoji (Unicode first), burst, user.
    pub reactions: Vec<ReactionRow>,
    /// By channel and id.
    pub props: Vec<PropsRow>,
}
