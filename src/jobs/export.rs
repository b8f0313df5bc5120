//! The export: brings the archive up to date with the store, on a timer and at the end.
//!
//! Owns what is exported: by default only what everyone in the guild may read, decided anew each
//! time, and why the rest is not. How it is laid out is the archive's matter.

mod control;
mod report;
mod sourcecred;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    sync::Arc,
    time::Instant,
};

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    archive::{
        self, ArchiveError, Beside, DataArchive, EncodedRow, ExportChannel, ExportError,
        ExportGuild, ExportRequest, Hash, MadeBoard, Scope, Source, SourceError, Table, Veil,
        rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, RoleRow},
    },
    model::{
        self, Channel, ChannelId, ChannelKind, Coverage, FailureObject, Guild, GuildId, IdRange,
        MessageId, Millis, Part, Partition, Privacy, Role, Settings, Stamp, Tier,
        permissions::Permissions,
    },
    store::{Dirty, Store, StoreError},
};

pub use crate::archive::{Made, Summary};
pub use control::{ExportBoard, ExportControl, ExportRequests, export_control};
pub use report::{ExportOutcome, ExportReport, LastExport};
pub use sourcecred::SourceCredFiles;

/// What a store that was rebuilt from an archive remembers until its first export: this, and the
/// hash of the manifest.
pub(super) const RESTORED: &str = "restored ";

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
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// Where exports go, and what is made with them. Cheap to clone.
#[derive(Clone)]
pub struct ExportTarget {
    /// What it is called in the configuration.
    pub name: String,
    /// The archive.
    pub archive: Arc<dyn DataArchive>,
    /// What lies beside it; `None` for nothing.
    pub beside: Option<Arc<dyn Beside>>,
    /// Where it is told how much is made.
    pub made: MadeBoard,
}

/// Exports what changed since the last export. What was exported is forgotten to be dirty only after
/// the archive has confirmed it.
///
/// An archive that this store neither wrote nor was rebuilt from is not touched, unless it is to
/// `replace` that: it may be a new store, or the wrong one.
pub async fn export(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    replace: bool,
) -> Result<Summary, ExportJobError> {
    let archive = target.archive.as_ref();
    let (begun, before) = (Instant::now(), archive.traffic().requests);
    let outcome = bring_up_to_date(store, target, now, replace).await;
    let traffic = archive.traffic();
    let outcome = outcome.map(|summary| Summary {
        requests: traffic.requests - before,
        commit: traffic.commit,
        ..summary
    });
    let last = LastExport::new(now, begun.elapsed(), &outcome);
    let kept = ask(store, move |store| ExportReport::add(store, last)).await;
    let done = outcome?;
    kept?;
    Ok(done)
}

async fn bring_up_to_date(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
    replace: bool,
) -> Result<Summary, ExportJobError> {
    let archive = target.archive.as_ref();
    let name = &target.name;
    let (request, _) = planned(store, name, now).await?;
    let only_over = request.only_over.clone().filter(|_| !replace);
    if let Some(only_over) = &only_over {
        let only_over = Some(only_over.clone());
        archive::look(
            archive,
            &ExportRequest {
                only_over,
                ..request
            },
        )
        .await?;
    }
    // From here on it is ours, also if we are killed before the first export is confirmed.
    let known = name.clone();
    ask(store, move |store| store.know_archive(&known)).await?;
    let mut attempt = 1;
    loop {
        let (mut request, dirty) = planned(store, name, now).await?;
        let since = request.since;
        request.only_over.clone_from(&only_over);
        request.beside.clone_from(&target.beside);
        request.made = target.made.clone();
        let source = Arc::new(StoreSource(Arc::clone(store)));
        match archive::export(archive, source, request).await {
            Ok(summary) => {
                let wishes = |it: &Dirty| it.0.table == model::Table::Privacy;
                // A wish's mark may be gone since an export to another archive.
                let is_elsewhere = summary.before.is_some() && summary.before != since;
                if dirty.iter().any(wishes) || is_elsewhere && ask(store, has_wishes).await? {
                    archive.forget_history().await.map_err(ExportError::from)?;
                }
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
            Err(error) => {
                if matches!(error, ExportError::Foreign { .. }) {
                    // Another was quicker to begin an archive there.
                    let name = name.clone();
                    ask(store, move |store| store.forget_archive(&name)).await?;
                }
                return Err(error.into());
            }
        }
    }
}

/// What to export to the archive of this name, and which dirty marks it settles.
async fn planned(
    store: &Arc<Store>,
    name: &str,
    now: Millis,
) -> Result<(ExportRequest, Vec<Dirty>), ExportJobError> {
    let name = name.to_owned();
    ask(store, move |store| request(store, &name, now)).await
}

/// Whether an export would be refused, without writing anything.
pub async fn look(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(), ExportJobError> {
    let (request, _) = planned(store, &target.name, now).await?;
    Ok(archive::look(target.archive.as_ref(), &request).await?)
}

/// Whether anybody wants less shown than there is.
fn has_wishes(store: &Store) -> Result<bool, StoreError> {
    for guild in store.guilds()? {
        if !store.privacy(GuildId(guild.id))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Exports every `interval` (give or take a tenth, so that many bots do not all come at once), and
/// when somebody asks, one after the other, until it is stopped.
pub async fn export_regularly(
    store: Arc<Store>,
    target: ExportTarget,
    mut asked: ExportRequests,
    now: fn() -> Millis,
    stop: CancellationToken,
) {
    // What is wrong with it is better known now than after the first interval.
    let looking = look(&store, &target, now());
    if let Some(Err(error)) = stop.run_until_cancelled(looking).await {
        error!("exports are going to fail until this is mended: {error}");
    }
    while let Some(waiting) = stop.run_until_cancelled(asked.next(now())).await {
        // Cut off in the middle, an export has published nothing, and the next one cleans up.
        let exporting = export_and_log(&store, &target, now());
        let Some(outcome) = stop.run_until_cancelled(exporting).await else {
            return;
        };
        asked.done(outcome, waiting);
    }
}

/// Exports, and tells the log what came of it.
pub async fn export_and_log(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<Summary, ExportJobError> {
    let outcome = export(store, target, now, false).await;
    match &outcome {
        Ok(done) if done.changed => info!(
            generation = done.generation,
            rows = done.rows,
            blobs = done.blobs,
            bytes = done.bytes,
            requests = done.requests,
            commit = done.commit,
            "exported to the archive"
        ),
        Ok(_) => {}
        Err(error) => error!("nothing was exported, it is tried again at the next time: {error}"),
    }
    outcome
}

/// Whether an export may have anything to write.
pub async fn is_due(store: &Arc<Store>) -> Result<bool, ExportJobError> {
    let due = |store: &Store| Ok(store.last_export()?.is_none() || !store.dirty()?.is_empty());
    ask(store, due).await
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

/// Why a channel is not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Not everyone in the guild may read it.
    NotForEveryone,
    /// Only those who were invited may read the thread.
    PrivateThread,
    /// An admin has excluded it.
    Excluded,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForEveryone => "not everyone in the guild may read it",
            Self::PrivateThread => "it is a private thread",
            Self::Excluded => "an admin has excluded it",
        })
    }
}

/// A channel, and whether it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The guild's name.
    pub guild: String,
    /// The channel.
    pub id: ChannelId,
    /// What it is called.
    pub name: String,
    /// Why it stays here; `None` if it goes out.
    pub withheld: Option<Withheld>,
}

/// What an export would do, and for every channel whether it goes out, without writing anything.
pub async fn dry_run(
    store: &Arc<Store>,
    target: &ExportTarget,
    now: Millis,
) -> Result<(Summary, Vec<Decision>), ExportJobError> {
    let (request, _) = planned(store, &target.name, now).await?;
    let decisions = ask(store, decisions).await?;
    let source = Arc::new(StoreSource(Arc::clone(store)));
    let summary = archive::dry_run(target.archive.as_ref(), source, request).await?;
    Ok((summary, decisions))
}

fn decisions(store: &Store) -> Result<Vec<Decision>, StoreError> {
    let _reading = store.reading();
    let mut all = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let (roles, channels) = (store.roles(guild.id)?, store.channels(guild.id)?);
        let settings = store.settings(guild.id)?;
        let decided = decided(guild, &settings, &roles, &channels);
        all.extend(decided.into_iter().map(|(channel, withheld)| Decision {
            guild: guild.name.clone(),
            id: channel.id,
            name: channel.name.clone(),
            withheld,
        }));
    }
    Ok(all)
}

/// Every channel, categories too, deleted ones as they last were, and why it is not exported.
fn decided<'a>(
    guild: &'a Guild,
    settings: &Settings,
    roles: &'a [Part<Role>],
    channels: &'a [Part<Channel>],
) -> Vec<(&'a Channel, Option<Withheld>)> {
    let roles = roles.iter().filter_map(|it| it.state.now());
    let channels: Vec<&Channel> = channels.iter().filter_map(|it| it.state.ever()).collect();
    let permissions = Permissions::new(guild, roles, channels.iter().copied());
    let why = |channel: &Channel| {
        let everyone_reads = permissions.everyone_reads(channel);
        if settings.exports(channel, everyone_reads) {
            None
        } else if everyone_reads {
            Some(Withheld::Excluded)
        } else if channel.kind == ChannelKind::PRIVATE_THREAD {
            Some(Withheld::PrivateThread)
        } else {
            Some(Withheld::NotForEveryone)
        }
    };
    channels.into_iter().map(|it| (it, why(it))).collect()
}

fn request(
    store: &Store,
    name: &str,
    now: Millis,
) -> Result<(ExportRequest, Vec<Dirty>), StoreError> {
    let _reading = store.reading();
    let dirty = store.dirty()?;
    let coverage = store.coverage()?;
    let mut guilds = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let unfinished = unfinished(store, guild.id)?;
        let (roles, channels) = (store.roles(guild.id)?, store.channels(guild.id)?);
        let settings = store.settings(guild.id)?;
        let public = decided(guild, &settings, &roles, &channels);
        let public = public.into_iter().filter(|(_, why)| why.is_none());
        guilds.push(ExportGuild {
            id: guild.id,
            name: guild.name.clone(),
            synced: store
                .synced(guild.id)?
                .iter()
                .map(|it| (it.class, it.at.millis()))
                .collect(),
            channels: public
                .map(|(channel, _)| ExportChannel {
                    id: channel.id,
                    name: channel.name.clone(),
                    covered: covered(channel.id, &coverage, &unfinished),
                })
                .collect(),
        });
    }
    let left = store.last_export()?.unwrap_or_default();
    let since = left.parse::<Hash>().ok();
    let restored_from = || left.strip_prefix(RESTORED)?.parse::<Hash>().ok();
    let is_known = store.knows_archive(name)?;
    let only_over = (!is_known).then(|| since.or_else(restored_from).into_iter().collect());
    let mut partitions: Vec<Partition> = dirty.iter().map(|(partition, _)| *partition).collect();
    partitions.extend(reconsidered(store, &partitions)?);
    let heard_at = heard_at(store)?.millis();
    Ok((
        ExportRequest {
            now,
            heard_at: (heard_at.0 > 0).then_some(heard_at),
            guilds,
            dirty: partitions,
            since,
            only_over,
            beside: None,
            made: MadeBoard::default(),
        },
        dirty,
    ))
}

/// What has to be looked at again since it may be shown otherwise: of a member who wants nothing shown
/// there are thanks in props channels, and which these are follows from the settings or, where they
/// name none, from what channels are called.
fn reconsidered(store: &Store, changed: &[Partition]) -> Result<BTreeSet<Partition>, StoreError> {
    let mut again = BTreeSet::new();
    for guild_id in changed.iter().map(|it| it.guild_id) {
        let of_guild = |table| {
            let mut changed = changed.iter();
            changed.any(|it| it.guild_id == guild_id && it.table == table)
        };
        let by_name = store.settings(guild_id)?.props_channels.is_none();
        let moved = of_guild(model::Table::Settings) || by_name && of_guild(model::Table::Channels);
        let hides = |it: &Privacy| it.tier == Tier::Everything;
        if moved && store.privacy(guild_id)?.iter().any(hides) {
            again.insert(Partition {
                guild_id,
                table: model::Table::Messages,
                channel_day: None,
            });
        }
    }
    Ok(again)
}

/// Until when everything was heard, in every guild.
fn heard_at(store: &Store) -> Result<Stamp, StoreError> {
    let mut heard = store.heard()?;
    for guild in store.guilds()? {
        if let Some(unheard) = store.session(GuildId(guild.id))?.unheard {
            heard = heard.min(unheard);
        }
    }
    Ok(heard)
}

fn covered(
    channel: ChannelId,
    coverage: &BTreeMap<ChannelId, Coverage>,
    unfinished: &BTreeMap<ChannelId, BTreeSet<MessageId>>,
) -> Vec<IdRange> {
    let known = coverage.get(&channel).map_or(&[][..], |it| &it.intervals);
    let none = BTreeSet::new();
    archive::covered(known, unfinished.get(&channel).unwrap_or(&none))
}

/// The messages that could not be read, or to which not all who reacted are known.
fn unfinished(
    store: &Store,
    guild: GuildId,
) -> Result<BTreeMap<ChannelId, BTreeSet<MessageId>>, StoreError> {
    let pending = store.pending(guild)?;
    let pending = pending.iter().map(|it| (it.channel_id, it.message_id));
    let failures = store.failures(guild)?;
    let failed = failures.iter().filter_map(|it| match &it.object {
        FailureObject::Message(channel, message)
        | FailureObject::Reactions(channel, message, ..) => Some((*channel, *message)),
        _ => None,
    });
    let mut unfinished: BTreeMap<ChannelId, BTreeSet<MessageId>> = BTreeMap::new();
    for (channel, message) in pending.chain(failed) {
        unfinished.entry(channel).or_default().insert(message);
    }
    Ok(unfinished)
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
