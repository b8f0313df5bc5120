//! Which guilds and channels an export has to look at, and which of their rows.

use std::collections::{BTreeMap, BTreeSet};

use super::ExportRequest;
use crate::{Hash, IndexRef, Manifest, Scope, Table};
use propsbot_model::{self as model, Partition};

/// Which rows of a table to read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All.
    All,
    /// Those whose ids were made on these days, counted from 1970-01-01, UTC.
    Days(BTreeSet<i64>),
}

/// A guild or channel whose index changes.
pub(super) struct Task {
    pub(super) scope: Scope,
    /// Its index so far.
    pub(super) previous: Option<IndexRef>,
    /// What to read anew; nothing means that all of it is withdrawn.
    pub(super) extents: BTreeMap<Table, Extent>,
}

/// All that the request asks for, against what the manifest lists.
pub(super) fn tasks(previous: Option<(&Manifest, Hash)>, request: &ExportRequest) -> Vec<Task> {
    let known_store =
        request.anew.is_empty() && previous.is_some_and(|(_, hash)| request.since == Some(hash));
    let mut before: BTreeMap<Scope, Option<IndexRef>> = BTreeMap::new();
    for guild in previous.into_iter().flat_map(|it| &it.0.guilds) {
        before.insert(guild.scope(), guild.index);
        for channel in &guild.channels {
            before.insert(Scope::channel(guild.id, channel.id), channel.index);
        }
    }
    let dirty = dirty_extents(&request.dirty);
    let mut tasks = Vec::new();
    for guild in &request.guilds {
        let mut after: BTreeSet<Scope> = guild
            .channels
            .iter()
            .map(|it| Scope::channel(guild.id, it.id))
            .collect();
        after.insert(Scope::guild(guild.id));
        let of_guild = |scope: &Scope| scope.guild_id == guild.id;
        let same_channels = before
            .keys()
            .copied()
            .filter(of_guild)
            .eq(after.iter().copied());
        for scope in after {
            let known = before.remove(&scope);
            let everything = !known_store || known.is_none();
            let mut extents: BTreeMap<Table, Extent> = BTreeMap::new();
            for table in scope.tables() {
                // Whether a channel is exported also decides on its row.
                let other_channels = *table == Table::Channels && !same_channels;
                let extent = if everything || other_channels {
                    Some(Extent::All)
                } else {
                    let whole = dirty.get(&(Scope::guild(scope.guild_id), *table));
                    whole.or_else(|| dirty.get(&(scope, *table))).cloned()
                };
                extents.extend(extent.map(|it| (*table, it)));
            }
            if !extents.is_empty() {
                let previous = known.flatten();
                tasks.push(Task {
                    scope,
                    previous,
                    extents,
                });
            }
        }
    }
    let withdrawn = before.into_iter().map(|(scope, previous)| Task {
        scope,
        previous,
        extents: BTreeMap::new(),
    });
    tasks.extend(withdrawn);
    tasks
}

/// The changed tables by scope. A whole table of a guild is filed under the guild, even where it is
/// kept by channel.
fn dirty_extents(dirty: &[Partition]) -> BTreeMap<(Scope, Table), Extent> {
    let mut extents: BTreeMap<(Scope, Table), Extent> = BTreeMap::new();
    for it in dirty {
        let tables: &[Table] = match it.table {
            model::Table::Guilds => &[Table::Guilds],
            model::Table::Channels => &[Table::Channels],
            model::Table::Roles => &[Table::Roles],
            model::Table::Emojis => &[Table::Emojis],
            model::Table::Members => &[Table::Members],
            model::Table::Messages => &[Table::Messages],
            model::Table::Reactions => &[Table::Reactions],
            model::Table::Props => &[Table::Props],
            // Settings are columns of guilds and channels.
            model::Table::Settings => &[Table::Guilds, Table::Channels],
            // It decides what of a member's rows is shown, wherever they lie.
            model::Table::Privacy => &[
                Table::Guilds,
                Table::Channels,
                Table::Members,
                Table::Messages,
                Table::Reactions,
                Table::Props,
            ],
            _ => &[],
        };
        for table in tables {
            match it.channel_day {
                None => {
                    extents.insert((Scope::guild(it.guild_id), *table), Extent::All);
                }
                Some((channel, day)) => {
                    let key = (Scope::channel(it.guild_id, channel), *table);
                    let extent = extents
                        .entry(key)
                        .or_insert_with(|| Extent::Days(BTreeSet::new()));
                    if let Extent::Days(days) = extent {
                        days.insert(day);
                    }
                }
            }
        }
    }
    extents
}
