//! A whole archive in memory.

use std::{collections::BTreeSet, ops::RangeInclusive};

use propsbot_archive::{
    ArchiveReader, DataArchive, EncodedRow, ExportRequest, Level, Millis, PlanError, ReadError,
    Row, Scope, Source, SourceError, retry,
};
use propsbot_model::{ChannelId, GuildId};

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

/// Selects the messages and reactions to keep; other tables are read whole. Rows that it drops are
/// never all in memory at once.
pub trait RowFilter: Send {
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
    /// Reads the rows that an export would write, without messages and reactions that the filter
    /// drops. Builds the filter from the other tables.
    pub fn of_source<S: RowFilter>(
        source: &dyn Source,
        request: &ExportRequest,
        filter: impl Fn(&Self) -> S,
    ) -> Result<Self, PlanError> {
        let mut snapshot = Self::default();
        let mut channels = Vec::new();
        for space in &request.spaces {
            let scope = Scope::space(&space.id);
            let exported: BTreeSet<Scope> = space
                .parts
                .iter()
                .map(|part| Scope::part(&space.id, &part.id))
                .collect();
            select(source, &scope, &mut snapshot.guilds, |_| true)?;
            select(
                source,
                &scope,
                &mut snapshot.channels,
                |row: &ChannelRow| exported.contains(&Scope::part(row.guild_id, row.id)),
            )?;
            select(source, &scope, &mut snapshot.roles, |_| true)?;
            select(source, &scope, &mut snapshot.emojis, |_| true)?;
            select(source, &scope, &mut snapshot.members, |_| true)?;
            channels.extend(exported);
        }
        for scope in &channels {
            select(source, scope, &mut snapshot.props, |_| true)?;
        }
        let mut filter = filter(&snapshot);
        channels.retain(|scope| channel_of(scope).is_some_and(|id| filter.channel(id)));
        for reactions in [S::REACTIONS_FIRST, !S::REACTIONS_FIRST] {
            for scope in &channels {
                if reactions {
                    let to = &mut snapshot.reactions;
                    select(source, scope, to, |row| filter.reaction(row))?;
                } else {
                    let to = &mut snapshot.messages;
                    select(source, scope, to, |row| filter.message(row))?;
                }
            }
        }
        snapshot.sort_channels();
        Ok(snapshot)
    }

    /// Reads a whole archive, as of one generation.
    pub async fn read(archive: &dyn DataArchive) -> Result<Self, ReadError> {
        Self::read_filtered(archive, None, |_| Everything).await
    }

    /// Reads an archive, as of one generation, without messages and reactions that the filter
    /// drops. Builds the filter from the other tables. With `guild`, reads only that guild.
    pub async fn read_filtered<S: RowFilter>(
        archive: &dyn DataArchive,
        guild: Option<GuildId>,
        filter: impl Fn(&Self) -> S + Sync,
    ) -> Result<Self, ReadError> {
        let filter = &filter;
        retry(archive, &SCHEMA, |reader| async move {
            Self::of_generation(&reader, guild, filter).await
        })
        .await
    }

    async fn of_generation<S: RowFilter>(
        reader: &ArchiveReader<'_>,
        guild: Option<GuildId>,
        filter: &(impl Fn(&Self) -> S + Sync),
    ) -> Result<Self, ReadError> {
        let only = guild.map(Scope::space);
        let is_wanted = |scope: &Scope| only.as_ref().is_none_or(|only| only.space == scope.space);
        let channels: Vec<(Scope, bool)> = reader
            .manifest()
            .part_rows()
            .filter(|(scope, _)| is_wanted(scope))
            .map(|(scope, counts)| (scope, counts.contains_key(PROPS)))
            .collect();
        let with_props: BTreeSet<&Scope> = channels
            .iter()
            .filter(|(_, has_props)| *has_props)
            .map(|(scope, _)| scope)
            .collect();
        let mut snapshot = Self {
            guilds: reader.select(Level::Space, is_wanted, |_| true).await?,
            channels: reader.select(Level::Space, is_wanted, |_| true).await?,
            roles: reader.select(Level::Space, is_wanted, |_| true).await?,
            emojis: reader.select(Level::Space, is_wanted, |_| true).await?,
            members: reader.select(Level::Space, is_wanted, |_| true).await?,
            props: reader
                .select(Level::Part, |scope| with_props.contains(scope), |_| true)
                .await?,
            ..Self::default()
        };
        let mut filter = filter(&snapshot);
        let looked_at: BTreeSet<&Scope> = channels
            .iter()
            .map(|(scope, _)| scope)
            .filter(|scope| channel_of(scope).is_some_and(|id| filter.channel(id)))
            .collect();
        let is_looked_at = |scope: &Scope| looked_at.contains(scope);
        for reactions in [S::REACTIONS_FIRST, !S::REACTIONS_FIRST] {
            if reactions {
                let kept = reader.select(Level::Part, is_looked_at, |row| filter.reaction(row));
                snapshot.reactions = kept.await?;
            } else {
                let kept = reader.select(Level::Part, is_looked_at, |row| filter.message(row));
                snapshot.messages = kept.await?;
            }
        }
        snapshot.sort_channels();
        Ok(snapshot)
    }

    /// Channels come guild by guild; tables are sorted by channel alone.
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

fn select<R: Row>(
    source: &dyn Source,
    scope: &Scope,
    to: &mut Vec<R>,
    mut wanted: impl FnMut(&R) -> bool,
) -> Result<(), PlanError> {
    let mut each = |row: EncodedRow| {
        let row = row.decode::<R>()?;
        if wanted(&row) {
            to.push(row);
        }
        Ok(())
    };
    let all = Millis(i64::MIN)..=Millis(i64::MAX);
    source
        .scan(scope, R::TABLE, all, &mut each)
        .map_err(|source| PlanError::Source {
            scope: scope.clone(),
            table: R::TABLE,
            source,
        })
}

/// A snapshot can be exported again: to copy an archive, and in tests.
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
        .filter(|row| row.is_of(scope) && times.contains(&row.key().time))
        .try_for_each(|row| each(EncodedRow::new(row)))
}
