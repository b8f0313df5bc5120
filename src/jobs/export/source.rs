//! What the store holds, as the archive's planner reads it: without what members do not want shown.

use std::ops::RangeInclusive;

use crate::export::decision::exported_channels;
use propsbot_archive::{EncodedRow, Millis, Row, Scope, Source, SourceError};
use propsbot_model::{ChannelId, GuildId};
use propsbot_rows::{
    CHANNELS, ChannelRow, EMOJIS, EmojiRow, GUILDS, GuildRow, MEMBERS, MESSAGES, MemberRow, PROPS,
    REACTIONS, ROLES, Redactor, RoleRow, ids,
};
use propsbot_store::Reader;

/// A view of the store, as the archive's planner reads it.
pub(super) struct StoreSource(pub(super) Reader);

impl Source for StoreSource {
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let Self(store) = self;
        let guild: GuildId = scope.space.as_str().parse()?;
        let channel = scope.part.as_ref().map(|part| part.as_str().parse());
        let channel: Option<ChannelId> = channel.transpose()?;
        let ids = ids(&times);
        // Rows may change while they are read: what changed since the request was made is still
        // marked, and goes out with the next export.
        let redactor = Redactor::new(store.strictest_privacy(guild)?);
        match (table, channel) {
            (MESSAGES, Some(channel)) => {
                let props = store.is_props_channel(guild, channel)?;
                store
                    .messages(channel, ids)
                    .try_for_each(|row| all(redactor.message(&row?, props), each))
            }
            (REACTIONS, Some(channel)) => store
                .reactions(channel, ids)
                .try_for_each(|row| all(redactor.reaction(&row?), each)),
            (PROPS, Some(channel)) => store
                .props(channel, ids)
                .try_for_each(|row| all(redactor.props(&row?), each)),
            (GUILDS, None) => {
                let row = store.guild(guild)?.filter(|_| ids.contains(&guild.0));
                let settings = store.settings(guild)?;
                let row = row.and_then(|row| GuildRow::new(&row, &settings));
                all(row.map(|row| redactor.guild(row)), each)
            }
            (CHANNELS, None) => {
                let settings = store.settings(guild)?;
                let rows = exported_channels(store, guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                let rows = rows.filter_map(|row| ChannelRow::new(row, &settings));
                all(rows.map(|row| redactor.channel(row)), each)
            }
            (ROLES, None) => {
                let rows = store.roles(guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                all(rows.filter_map(RoleRow::new), each)
            }
            (EMOJIS, None) => {
                let rows = store.emojis(guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                all(rows.filter_map(EmojiRow::new), each)
            }
            (MEMBERS, None) => {
                let rows = store.members(guild)?;
                let mut rows: Vec<MemberRow> =
                    rows.iter().flat_map(|row| redactor.member(row)).collect();
                rows.retain(|row| ids.contains(&row.user_id.0));
                rows.sort_by_key(|row| row.user_id);
                all(rows, each)
            }
            _ => Err(format!("{table} is no table of {scope}").into()),
        }
    }
}

/// Hands on these rows.
fn all<R: Row>(
    rows: impl IntoIterator<Item = R>,
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut rows = rows.into_iter();
    rows.try_for_each(|row| each(EncodedRow::new(&row)))
}
