//! The export: brings the archive up to date with the store, on a timer and at the end.
//!
//! Owns what is exported: by default only what everyone in the guild may read, decided anew each
//! time. How it is laid out is the archive's matter.

mod control;

use std::{ops::RangeInclusive, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    archive::{
        self, ArchiveError, ArchiveReader, DataArchive, EncodedRow, ExportChannel, ExportError,
        ExportGuild, ExportRequest, Hash, ReadError, Scope, Source, SourceError, Table, Veil,
        rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, RoleRow},
    },
    model::{Channel, Guild, Millis, Part, Role, Settings, permissions::Permissions},
    store::{Dirty, Store, StoreError},
};

pub use crate::archive::Summary;
pub use control::{
    ExportBoard, ExportControl, ExportOutcome, ExportRequests, LastExport, export_control,
};

/// What the store remembers of an archive before its first export there is confirmed.
const BEGUN: &str = "begun";

/// How often an export is planned again because another wrote to the archive meanwhile.
const ATTEMPTS: u32 = 3;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportJobError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read or written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Another store has written the archive.
    #[error(
        "the archive holds generation {generation}, which another store has exported: a store that \
         has never exported does not replace it unasked. Set ARCHIVE to an empty place, or take it \
         over once with `propsbot export --replace`"
    )]
    Foreign {
        /// What it holds.
        generation: u64,
    },
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// Exports what changed since the last export. What was exported is forgotten to be dirty only after
/// the archive has confirmed it.
///
/// A store that has never exported does not touch an archive that holds something, unless it is to
/// `replace` that: it may be a new store, or the wrong one.
pub async fn export(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    now: Millis,
    replace: bool,
) -> Result<Summary, ExportJobError> {
    if ask(store, Store::last_export).await?.is_none() {
        if let (false, Some(generation)) = (replace, generation(archive).await?) {
            return Err(ExportJobError::Foreign { generation });
        }
        // From here on it is ours, also if we are killed before the first export is confirmed.
        ask(store, |store| store.exported(BEGUN, &[])).await?;
    }
    let mut attempt = 1;
    loop {
        let (request, dirty) = ask(store, move |store| request(store, now)).await?;
        let source = Arc::new(StoreSource(Arc::clone(store)));
        match archive::export(archive, source, request).await {
            Ok(summary) => {
                if let Some(manifest) = summary.manifest {
                    ask(store, move |store| {
                        store.exported(&manifest.to_string(), &dirty)
                    })
                    .await?;
                }
                return Ok(summary);
            }
            Err(ExportError::Archive(ArchiveError::Stale { .. })) if attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The generation that an archive holds, if any.
async fn generation(archive: &dyn DataArchive) -> Result<Option<u64>, ExportJobError> {
    match ArchiveReader::open(archive).await {
        Ok(reader) => Ok(Some(reader.manifest().generation)),
        Err(ReadError::Empty) => Ok(None),
        Err(error) => Err(ExportError::from(error).into()),
    }
}

/// Exports every `interval` (give or take a tenth, so that many bots do not all come at once), and
/// when somebody asks, one after the other, until it is stopped.
pub async fn export_regularly(
    store: Arc<Store>,
    archive: Arc<dyn DataArchive>,
    mut asked: ExportRequests,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    while let Some(waiting) = stop.run_until_cancelled(asked.next(now())).await {
        // Cut off in the middle, an export has published nothing, and the next one cleans up.
        let exporting = export_and_log(&store, archive.as_ref(), now());
        let Some(outcome) = stop.run_until_cancelled(exporting).await else {
            return;
        };
        asked.done(now(), outcome, waiting);
    }
}

/// Exports, and tells the log what came of it.
pub async fn export_and_log(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    now: Millis,
) -> Result<Summary, ExportJobError> {
    let outcome = export(store, archive, now, false).await;
    match &outcome {
        Ok(done) if done.changed => info!(
            generation = done.generation,
            rows = done.rows,
            blobs = done.blobs,
            bytes = done.bytes,
            "exported to the archive"
        ),
        Ok(_) => {}
        Err(error) => error!("nothing was exported, it is tried again at the next time: {error}"),
    }
    outcome
}

async fn ask<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ExportJobError> {
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || question(&store)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ExportJobError::Ending),
    }
}

/// What to export, and which dirty marks it settles.
fn request(store: &Store, now: Millis) -> Result<(ExportRequest, Vec<Dirty>), StoreError> {
    let _reading = store.reading();
    let dirty = store.dirty()?;
    let mut guilds = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        guilds.push(ExportGuild {
            id: guild.id,
            name: guild.name.clone(),
            synced: store
                .synced(guild.id)?
                .iter()
                .map(|it| (it.class, it.at.millis()))
                .collect(),
            channels: exported_channels(
                guild,
                &store.settings(guild.id)?,
                &store.roles(guild.id)?,
                &store.channels(guild.id)?,
            ),
        });
    }
    let since = store
        .last_export()?
        .and_then(|left| left.parse::<Hash>().ok());
    let partitions = dirty.iter().map(|(partition, _)| *partition).collect();
    Ok((
        ExportRequest {
            now,
            guilds,
            dirty: partitions,
            since,
        },
        dirty,
    ))
}

/// The channels, categories too, that everyone may read, unless an admin chose otherwise; deleted
/// ones as they last were.
fn exported_channels(
    guild: &Guild,
    settings: &Settings,
    roles: &[Part<Role>],
    channels: &[Part<Channel>],
) -> Vec<ExportChannel> {
    let roles = roles.iter().filter_map(|it| it.state.now());
    let channels: Vec<&Channel> = channels.iter().filter_map(|it| it.state.ever()).collect();
    let permissions = Permissions::new(guild, roles, channels.iter().copied());
    channels
        .into_iter()
        .filter(|it| settings.exports(it, permissions.everyone_reads(it)))
        .map(|it| ExportChannel {
            id: it.id,
            name: it.name.clone(),
        })
        .collect()
}

/// The store, as the archive's planner reads it.
struct StoreSource(Arc<Store>);

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
