//! What the store holds, as the archive's planner reads it: without what members do not want shown.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use crate::export::decision::decisions;
use propsbot_archive::{
    EncodedRow, ExportRequest, Hash, Scope, Source, SourceError, Table, Veil,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, RoleRow},
};
use propsbot_model::{self as model, ChannelId};
use propsbot_store::{Dirty, Store, StoreError};

/// The store, as the archive's planner reads it.
pub(super) struct StoreSource {
    pub(super) store: Arc<Store>,
    /// What the archive is called.
    archive: String,
    /// The channels that go out, and the marks of wishes that are carried out.
    channels: BTreeSet<ChannelId>,
    wishes: Vec<Dirty>,
}

/// What is not to be shown any more became so while the export was made.
#[derive(Debug, thiserror::Error)]
#[error("while it was made, a channel was withdrawn, or a member chose what is shown of them")]
pub(super) struct Outdated;

impl StoreSource {
    /// For an export to the archive of this name, which settles these marks.
    pub(super) fn new(
        store: &Arc<Store>,
        archive: &str,
        request: &ExportRequest,
        dirty: &[Dirty],
    ) -> Self {
        let channels = request.guilds.iter().flat_map(|it| &it.channels);
        Self {
            store: Arc::clone(store),
            archive: archive.to_owned(),
            channels: channels.map(|it| it.id).collect(),
            wishes: dirty.iter().filter(|it| is_wish(it)).copied().collect(),
        }
    }

    fn is_outdated(&self) -> Result<bool, StoreError> {
        let decisions = decisions(&self.store)?.into_iter();
        let public = decisions.filter(|it| it.withheld.is_none()).map(|it| it.id);
        let public: BTreeSet<ChannelId> = public.collect();
        let wishes: Vec<Dirty> = self.store.dirty()?.into_iter().filter(is_wish).collect();
        Ok(!self.channels.is_subset(&public) || self.wishes != wishes)
    }
}

/// Whether it is the mark of a member's wish.
pub(super) fn is_wish((partition, _): &Dirty) -> bool {
    partition.table == model::Table::Privacy
}

impl Source for StoreSource {
    fn scan(
        &self,
        scope: Scope,
        table: Table,
        ids: RangeInclusive<u64>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let store = &self.store;
        let guild = scope.guild_id;
        // Rows may change while they are read: what changed since the request was made is still
        // marked, and goes out with the next export.
        let veil = Veil::new(store.strictest_privacy(guild)?);
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
                row.map(|it| veil.guild(it))
                    .iter()
                    .try_for_each(|row| each(EncodedRow::new(row)))
            }
            (Table::Channels, None) => {
                let settings = store.settings(guild)?;
                let rows = store.channels(guild)?;
                let rows = rows.iter().filter(|it| ids.contains(&it.id));
                rows.filter_map(|it| ChannelRow::new(it, &settings))
                    .map(|it| veil.channel(it))
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
                rows.iter().try_for_each(|row| each(EncodedRow::new(row)))
            }
            (Table::Messages | Table::Reactions | Table::Props, None) | (_, Some(_)) => {
                Err(format!("{table} is no table of {scope}").into())
            }
        }
    }

    /// What turned private meanwhile does not go out. That this is published is remembered first: killed
    /// afterwards, the store knows the archive for its own.
    fn about_to_publish(&self, manifest: Hash) -> Result<(), SourceError> {
        if self.is_outdated()? {
            return Err(Outdated.into());
        }
        Ok(self
            .store
            .publishing(&self.archive, &manifest.to_string())?)
    }
}
