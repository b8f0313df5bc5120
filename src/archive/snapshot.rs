//! All that an archive says, in memory, for readers that want the whole.

use std::ops::RangeInclusive;

use super::{
    EncodedRow, Row, Scope, Source, SourceError, Table,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow},
};
use crate::model::ChannelId;

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

/// Which messages and reactions a reader wants; of the other tables it gets every row. What it does
/// not keep is never in memory as a whole.
pub trait Sieve: Send {
    /// Whether messages and reactions in this channel are to be looked at.
    fn channel(&self, id: ChannelId) -> bool;
    /// Whether to keep a message. All are shown before the first reaction.
    fn message(&mut self, row: &MessageRow) -> bool;
    /// Whether to keep a reaction.
    fn reaction(&mut self, row: &ReactionRow) -> bool;
}

/// Keeps everything.
pub(super) struct Everything;

impl Sieve for Everything {
    fn channel(&self, _: ChannelId) -> bool {
        true
    }

    fn message(&mut self, _: &MessageRow) -> bool {
        true
    }

    fn reaction(&mut self, _: &ReactionRow) -> bool {
        true
    }
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
