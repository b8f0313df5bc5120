//! A whole archive in memory.

use std::{cell::RefCell, ops::RangeInclusive};

use propsbot_archive::{
    DataArchive, EncodedRow, Millis, ReadError, Row, RowSource, Scope, Source, SourceError,
    read_rows,
};
use propsbot_model::ChannelId;

use super::{
    CHANNELS, ChannelRow, EMOJIS, EmojiRow, GUILDS, GuildRow, MEMBERS, MESSAGES, MemberRow,
    MessageRow, PROPS, PropsRow, REACTIONS, ROLES, ReactionRow, RoleRow, SCHEMA,
};

/// All rows of all tables, sorted by key.
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
    /// By channel, message, emoji (Unicode first), burst and user.
    pub reactions: Vec<ReactionRow>,
    /// By channel and id.
    pub props: Vec<PropsRow>,
}

/// Selects the messages and reactions to keep; other tables are read whole. Dropped rows are never
/// all in memory at once.
pub trait RowFilter {
    /// Whether reactions are filtered before messages.
    const REACTIONS_FIRST: bool = false;

    /// Whether to read messages and reactions of this channel.
    fn channel(&self, id: ChannelId) -> bool;
    fn message(&mut self, row: &MessageRow) -> bool;
    fn reaction(&mut self, row: &ReactionRow) -> bool;
}

/// Keeps everything.
struct Everything;

impl RowFilter for Everything {
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

impl Snapshot {
    /// All rows except the messages and reactions that a filter drops. The filter is created from
    /// the other tables.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn of<F: RowFilter>(
        rows: &dyn RowSource,
        filter: impl FnOnce(&Self) -> F,
    ) -> Result<Self, ReadError> {
        let mut snapshot = Self {
            guilds: rows.all()?,
            channels: rows.all()?,
            roles: rows.all()?,
            emojis: rows.all()?,
            members: rows.all()?,
            props: rows.all()?,
            ..Self::default()
        };
        let filter = RefCell::new(filter(&snapshot));
        let wanted =
            |scope: &Scope| channel_of(scope).is_some_and(|id| filter.borrow().channel(id));
        for reactions in [F::REACTIONS_FIRST, !F::REACTIONS_FIRST] {
            if reactions {
                rows.each(wanted, |row| {
                    if filter.borrow_mut().reaction(&row) {
                        snapshot.reactions.push(row);
                    }
                })?;
            } else {
                rows.each(wanted, |row| {
                    if filter.borrow_mut().message(&row) {
                        snapshot.messages.push(row);
                    }
                })?;
            }
        }
        snapshot.sort_channels();
        Ok(snapshot)
    }

    /// Reads a whole archive, as of one generation.
    ///
    /// # Errors
    /// If the archive can't be read or isn't one of Discord.
    pub async fn read(archive: &dyn DataArchive) -> Result<Self, ReadError> {
        read_rows(archive, &SCHEMA, None, |rows| {
            Self::of(rows, |_| Everything)
        })
        .await
    }

    /// Rows were read guild by guild, but tables are sorted by channel alone.
    fn sort_channels(&mut self) {
        self.messages.sort_by_key(|row| row.channel_id);
        self.reactions.sort_by_key(|row| row.channel_id);
        self.props.sort_by_key(|row| row.channel_id);
    }
}

/// The channel of a scope.
fn channel_of(scope: &Scope) -> Option<ChannelId> {
    scope.part.as_ref()?.as_str().parse().ok()
}

/// Allows exporting a snapshot again, to copy an archive and in tests.
impl Source for Snapshot {
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let wanted = (scope, times);
        match table {
            GUILDS => scan(&self.guilds, wanted, each),
            CHANNELS => scan(&self.channels, wanted, each),
            ROLES => scan(&self.roles, wanted, each),
            EMOJIS => scan(&self.emojis, wanted, each),
            MEMBERS => scan(&self.members, wanted, each),
            MESSAGES => scan(&self.messages, wanted, each),
            REACTIONS => scan(&self.reactions, wanted, each),
            PROPS => scan(&self.props, wanted, each),
            _ => Err(format!("there is no table {table}").into()),
        }
    }
}

fn scan<R: Row>(
    rows: &[R],
    (scope, times): (&Scope, RangeInclusive<Millis>),
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    rows.iter()
        .filter(|row| row.is_of(scope) && times.contains(&row.format_1_key().time))
        .try_for_each(|row| each(EncodedRow::format_1(row)))
}
