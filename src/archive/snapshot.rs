//! All that an archive says, in memory, for readers that want the whole.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::{
    EncodedRow, ExportRequest, PlanError, Row, Scope, Source, SourceError, Table,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow},
};
use propsbot_model::ChannelId;

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
    /// Whether all reactions are shown before the first message, rather than after the last.
    const REACTIONS_FIRST: bool = false;

    /// Whether messages and reactions in this channel are to be looked at.
    fn channel(&self, id: ChannelId) -> bool;
    /// Whether to keep a message.
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

impl Snapshot {
    /// What an archive would hold that this request makes of this source, but for those messages and
    /// reactions that a sieve does not keep. It is made from the other tables.
    pub fn of_source<S: Sieve>(
        source: &dyn Source,
        request: &ExportRequest,
        sieve: impl Fn(&Self) -> S,
    ) -> Result<Self, PlanError> {
        let mut snapshot = Self::default();
        let mut channels = Vec::new();
        for guild in &request.guilds {
            let scope = Scope::guild(guild.id);
            let exported: BTreeSet<ChannelId> = guild.channels.iter().map(|it| it.id).collect();
            select(source, scope, &mut snapshot.guilds, |_| true)?;
            select(source, scope, &mut snapshot.channels, |it| {
                exported.contains(&it.id)
            })?;
            select(source, scope, &mut snapshot.roles, |_| true)?;
            select(source, scope, &mut snapshot.emojis, |_| true)?;
            select(source, scope, &mut snapshot.members, |_| true)?;
            channels.extend(exported.iter().map(|it| Scope::channel(guild.id, *it)));
        }
        for scope in &channels {
            select(source, *scope, &mut snapshot.props, |_| true)?;
        }
        let mut sieve = sieve(&snapshot);
        channels.retain(|it| it.channel_id.is_some_and(|id| sieve.channel(id)));
        for reactions in [S::REACTIONS_FIRST, !S::REACTIONS_FIRST] {
            for scope in &channels {
                if reactions {
                    let to = &mut snapshot.reactions;
                    select(source, *scope, to, |it| sieve.reaction(it))?;
                } else {
                    let to = &mut snapshot.messages;
                    select(source, *scope, to, |it| sieve.message(it))?;
                }
            }
        }
        snapshot.sort_channels();
        Ok(snapshot)
    }

    /// Channels come guild by guild; their tables are sorted by channel alone.
    pub(super) fn sort_channels(&mut self) {
        self.messages.sort_by_key(|it| it.channel_id);
        self.reactions.sort_by_key(|it| it.channel_id);
        self.props.sort_by_key(|it| it.channel_id);
    }
}

fn select<R: Row>(
    source: &dyn Source,
    scope: Scope,
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
    source
        .scan(scope, R::TABLE, 0..=u64::MAX, &mut each)
        .map_err(|source| PlanError::Source {
            scope,
            table: R::TABLE,
            source,
        })
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
