//! A whole archive in memory.

use std::{cell::RefCell, collections::HashSet, ops::RangeInclusive};

use propsbot_archive::{
    DataArchive, EncodedRow, Id, Millis, PartRow, ReadError, Row, RowSource, Scope, Source,
    SourceError, read_rows,
};
use propsbot_model::{ChannelId, GuildId};

use super::{
    CHANNELS, ChannelRow, EMOJIS, EVENTS, EmojiRow, EventRow, GUILDS, GuildRow, LINKS, LinkRow,
    MEMBERS, MESSAGES, MemberRow, MessageRow, PROPS, PropsRow, REACTIONS, ROLES, ReactionRow,
    RoleRow, SCHEMA,
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
    /// By guild and user; empty unless everything is read.
    pub links: Vec<LinkRow>,
    /// By guild, id and start.
    pub events: Vec<EventRow>,
}

/// Selects the messages and reactions to keep; other tables are read whole. Dropped rows are never
/// all in memory at once.
pub trait RowFilter {
    /// Whether to read messages and reactions of this channel.
    fn channel(&self, id: ChannelId) -> bool;
    /// Whether to keep a reaction if its message is kept. Reactions come before messages.
    fn reaction(&mut self, row: &ReactionRow) -> bool;
    /// Whether to keep a message.
    fn message(&mut self, row: &MessageRow) -> bool;
}

impl Snapshot {
    /// All rows except the messages and reactions that a filter drops, and reactions to messages that
    /// aren't there. The filter is created from the other tables. Asks for the tables in the order in which
    /// several readers share them.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn of<F: RowFilter>(
        rows: &dyn RowSource,
        filter: impl FnOnce(&Self) -> F,
    ) -> Result<Self, ReadError> {
        let mut snapshot = Self::without_messages(rows)?;
        let filter = RefCell::new(filter(&snapshot));
        let wanted =
            |scope: &Scope| channel_of(scope).is_some_and(|id| filter.borrow().channel(id));
        rows.each(wanted, |row: &ReactionRow| {
            if filter.borrow_mut().reaction(row) {
                snapshot.reactions.push(row.clone());
            }
        })?;
        let mut kept = HashSet::new();
        rows.each(wanted, |row: &MessageRow| {
            if filter.borrow_mut().message(row) {
                kept.insert(row.id);
                snapshot.messages.push(row.clone());
            }
        })?;
        snapshot
            .reactions
            .retain(|row| kept.contains(&row.message_id));
        snapshot.sort();
        Ok(snapshot)
    }

    /// Reads a whole archive, as of one generation.
    ///
    /// # Errors
    /// If the archive can't be read or isn't one of Discord.
    pub async fn read(archive: &dyn DataArchive) -> Result<Self, ReadError> {
        let read = read_rows(archive, &SCHEMA, None, |rows| {
            let mut snapshot = Self::without_messages(rows)?;
            snapshot.messages = rows.all()?;
            snapshot.reactions = rows.all()?;
            snapshot.links = rows.all()?;
            snapshot.sort();
            Ok::<_, ReadError>(snapshot)
        });
        Ok(read.await?.0)
    }

    fn without_messages(rows: &dyn RowSource) -> Result<Self, ReadError> {
        Ok(Self {
            guilds: rows.all()?,
            channels: rows.all()?,
            roles: rows.all()?,
            emojis: rows.all()?,
            members: rows.all()?,
            events: rows.all()?,
            props: rows.all()?,
            ..Self::default()
        })
    }

    /// Rows come in any order.
    fn sort(&mut self) {
        fn sort<R: Row>(rows: &mut [R], own: impl Fn(&R) -> u64) {
            rows.sort_by_cached_key(|row| (own(row), row.key().sort));
        }
        sort(&mut self.guilds, |_| 0);
        sort(&mut self.channels, |row| row.guild_id.0);
        sort(&mut self.roles, |row| row.guild_id.0);
        sort(&mut self.emojis, |row| row.guild_id.0);
        sort(&mut self.members, |row| row.guild_id.0);
        sort(&mut self.messages, |row| row.channel_id.0);
        sort(&mut self.reactions, |row| row.channel_id.0);
        sort(&mut self.props, |row| row.channel_id.0);
        sort(&mut self.links, |row| row.guild_id.0);
        sort(&mut self.events, |row| row.guild_id.0);
    }
}

fn channel_of(scope: &Scope) -> Option<ChannelId> {
    scope.part.as_ref()?.as_str().parse().ok()
}

/// Allows exporting a snapshot again, to copy an archive and in tests.
impl Source for Snapshot {
    fn newest(&self, space: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let rows = self.of_parts(space, &(Millis(i64::MIN)..=clock));
        Ok(rows.into_iter().map(|row| row.row.key.time).max())
    }

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
            LINKS => scan(&self.links, wanted, each),
            EVENTS => scan(&self.events, wanted, each),
            _ => Err(format!("there is no table {table}").into()),
        }
    }

    fn recent(
        &self,
        space: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut rows = self.of_parts(space, &times);
        rows.sort_by_key(|row| row.row.key.time);
        rows.into_iter().try_for_each(each)
    }
}

impl Snapshot {
    /// The rows of a guild's channels with these times.
    fn of_parts(&self, space: &Id, times: &RangeInclusive<Millis>) -> Vec<PartRow> {
        fn of<'a, R: Row>(
            rows: &'a [R],
            space: &'a Id,
            times: &'a RangeInclusive<Millis>,
            own: impl Fn(&R) -> (GuildId, ChannelId) + 'a,
        ) -> impl Iterator<Item = PartRow> + 'a {
            let rows = rows.iter().map(move |row| (own(row), row));
            let rows = rows.filter(move |((guild, _), row)| {
                Id::new(guild) == *space && times.contains(&row.key().time)
            });
            rows.map(|((_, channel), row)| PartRow {
                part: Some(Id::new(channel)),
                table: R::TABLE,
                row: EncodedRow::new(row),
            })
        }
        let messages = of(&self.messages, space, times, |row| {
            (row.guild_id, row.channel_id)
        });
        let reactions = of(&self.reactions, space, times, |row| {
            (row.guild_id, row.channel_id)
        });
        let props = of(&self.props, space, times, |row| {
            (row.guild_id, row.channel_id)
        });
        messages.chain(reactions).chain(props).collect()
    }
}

fn scan<R: Row>(
    rows: &[R],
    (scope, times): (&Scope, RangeInclusive<Millis>),
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let rows = rows.iter();
    let rows = rows.filter(|row| row.is_of(scope) && times.contains(&row.key().time));
    let mut rows: Vec<&R> = rows.collect();
    rows.sort_by_key(|row| row.key().time);
    rows.into_iter()
        .try_for_each(|row| each(EncodedRow::new(row)))
}
