//! All that an archive says, in memory, for readers that want the whole.

use std::ops::RangeInclusive;

use super::{
    EncodedRow, Row, Scope, Source, SourceError, Table,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow},
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

/// A snapshot can be exported again: to copy an archive, and in tests.
impl Source for Snapshot {
    fn scan(
        &self,
        scope: Scope,
        table: Table,
        ids: RangeInclusive<u64>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let wanted = (scope, ids);
        match table {
            Table::Guilds => scan(&self.guilds, wanted, each),
            Table::Channels => scan(&self.channels, wanted, each),
            Table::Roles => scan(&self.roles, wanted, each),
            Table::Emojis => scan(&self.emojis, wanted, each),
            Table::Members => scan(&self.members, wanted, each),
            Table::Messages => scan(&self.messages, wanted, each),
            Table::Reactions => scan(&self.reactions, wanted, each),
            Table::Props => scan(&self.props, wanted, each),
        }
    }
}

fn scan<R: Row>(
    rows: &[R],
    (scope, ids): (Scope, RangeInclusive<u64>),
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    rows.iter()
        .filter(|row| row.scope() == scope && ids.contains(&row.key().id))
        .try_for_each(|row| each(EncodedRow::new(row)))
}
