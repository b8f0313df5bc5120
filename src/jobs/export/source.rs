//! What the store holds, as the archive's planner reads it: without what members do not want shown.

use std::{ops::RangeInclusive, sync::Arc};

use crate::{
    archive::{
        EncodedRow, Scope, Source, SourceError, Table, Veil,
        rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, RoleRow},
    },
    store::Store,
};

/// The store, as the archive's planner reads it.
pub(super) struct StoreSource(pub(super) Arc<Store>);

impl Source for StoreSource {
    fn scan(
        &self,
        scope: Scope,
        table: Table,
        ids: RangeInclusive<u64>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let store = &self.0;
        let guild = scope.guild_id;
        // Rows may change while they are read: what changed since the request was made is still
        // marked, and goes out with the next export.
        let veil = Veil::new(store.privacy(guild)?);
        match (table, scope.channel_id) {
            (Table::Messages, Some(channel)) => {
                let props = store.is_props_channel(guild, channel)?;
                store.messages(channel, ids).try_for_each(|row| {
                    let row = veil.message(&row?, props);
                    row.iter().try_for_each(|row| each(EncodedRow::new(row)))
                })
            }
            (Table::Reactions, Some(channel)) => {
                store.reactions(channel, ids).try_for_each(|row| {
                    let row = veil.reaction(&row?);
                    row.iter().try_for_each(|row| each(EncodedRow::new(row)))
                })
            }
            (Table::Props, Some(channel)) => store.props(channel, ids).try_for_each(|row| {
                let row = veil.props(&row?);
                row.iter().try_for_each(|row| each(EncodedRow::new(row)))
            }),
            (Table::Guilds, None) => {
                let row = store.guild(guild)?.filter(|_| ids.contains(&guild.0));
                let settings = store.settings(guild)?;
                let row = row.and_then(|it| GuildRow::new(&it, &settings));
                row.iter().try_for_each(|row| each(EncodedRow::new(row)))
            }
            (Table::Channels, None) => {
                let settings = store.settings(guild)?;
                let rows = store.channels(guild)?;
                let rows = rows.iter().filter(|it| ids.contains(&it.id));
                rows.filter_map(|it| ChannelRow::new(it, &settings))
                    .try_for_each(|row| each(EncodedRow::new(&row)))
            }
            (Table::Roles, None) => {
                let rows = store.roles(guild)?;
                let rows = rows.iter().filter(|it| ids.contains(&it.id));
                rows.filter_map(RoleRow::new)
                    .try_for_each(|row| each(EncodedRow::new(&row)))
            }
            (Table::Emojis, None) => {
                let rows = store.emojis(guild)?;
                let rows = rows.iter().filter(|it| ids.contains(&it.id));
                rows.filter_map(EmojiRow::new)
                    .try_for_each(|row| each(EncodedRow::new(&row)))
            }
            (Table::Members, None) => {
                let rows = store.members(guild)?;
                let mut rows: Vec<MemberRow> = rows.iter().flat_map(|it| veil.member(it)).collect();
                rows.retain(|it| ids.contains(&it.user_id.0));
                rows.sort_by_key(|it| it.user_id);
                // Two who are nobody may be the same nobody.
                rows.dedup_by_key(|it| it.user_id);
                rows.iter().try_for_each(|row| each(EncodedRow::new(row)))
            }
            (Table::Messages | Table::Reactions | Table::Props, None) | (_, Some(_)) => {
                Err(format!("{table} is no table of {scope}").into())
            }
        }
    }
}
