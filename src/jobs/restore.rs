//! Restores an empty store from an archive.
//!
//! Owns what a restored store may claim to know. What the archive lacks, such as channels that
//! aren't public, is unknown and fetched again; nothing that such channels are part of counts as
//! complete.

use std::{str::FromStr, sync::Arc};

use futures::TryStreamExt;

use super::{ask, writer::Stopped};
use propsbot_archive::{
    ArchiveReader, DataArchive, Id, Index, MANIFEST, ManifestPart, ManifestSpace, ReadError, Row,
    Scope,
};
use propsbot_mirror::{Record, RestoreReport};
use propsbot_model::{
    Class, Coverage, Evidence, GuildId, IdRange, Interval, Lww, Member, Presence, Privacy,
    Reaction, Scrub, Stamp, Synced, Tally, Tier, Tombstoned,
};
use propsbot_rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, Restored,
    RoleRow, SCHEMA,
};
use propsbot_store::{Store, StoreError};

/// How often a restore starts over because the archive changed.
const ATTEMPTS: u32 = 5;

/// Classes that the archive has completely.
const WHOLE: [Class; 2] = [Class::Guild, Class::Members];

/// Why a restore failed. A partial restore is marked as such, and can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row that no store would have exported.
    #[error(
        "a row of the {table} of {scope} is inconsistent or belongs elsewhere: was the archive written by \
         another program? `propsbot verify` tells more"
    )]
    Row { table: &'static str, scope: Scope },
    /// The manifest has an invalid id.
    #[error(
        "the archive's manifest has {0:?} where the id of a guild, channel or message should be"
    )]
    NotAnId(String),
    #[error("the process is ending")]
    Ending,
}

/// Fills a store opened with [`Store::open_to_restore`].
/// `told` receives the numbers of rows done and in total.
pub async fn restore(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<RestoreReport, RestoreError> {
    let mut attempt = 1;
    loop {
        match Restore::run(store, archive, told).await {
            Err(RestoreError::Read(ReadError::Superseded)) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

struct Restore<'a> {
    store: &'a Arc<Store>,
    reader: ArchiveReader<'a>,
    told: &'a (dyn Fn(u64, u64) + Sync),
    /// When everything in the archive was known.
    at: Stamp,
    total: u64,
    /// Whether a member of the guild opted out of everything: the archive lacks what they did, so
    /// nothing counts as complete.
    is_veiled: bool,
    done: RestoreReport,
}

impl<'a> Restore<'a> {
    async fn run(
        store: &'a Arc<Store>,
        archive: &'a dyn DataArchive,
        told: &'a (dyn Fn(u64, u64) + Sync),
    ) -> Result<RestoreReport, RestoreError> {
        let reader = ArchiveReader::open_as(archive, &SCHEMA).await?;
        write(store, Store::clear).await?;
        let manifest = reader.manifest().clone();
        let mut it = Self {
            store,
            reader,
            told,
            at: manifest.heard_at.unwrap_or(manifest.created_at).into(),
            total: manifest
                .spaces
                .iter()
                .flat_map(|guild| guild.rows.values())
                .sum(),
            is_veiled: false,
            done: RestoreReport {
                generation: manifest.generation,
                ..RestoreReport::default()
            },
        };
        for guild in &manifest.spaces {
            it.guild(guild).await?;
            for channel in &guild.parts {
                it.channel(guild, channel).await?;
            }
        }
        let (at, manifest) = (it.at, it.reader.hash());
        // The first export reads everything again, and so detects losses.
        let manifests = [(MANIFEST.to_owned(), (manifest, None))].into();
        write(store, move |store| store.restored(at, &manifests)).await?;
        Ok(it.done)
    }

    async fn guild(&mut self, guild: &ManifestSpace) -> Result<(), RestoreError> {
        self.is_veiled = false;
        let guild_id = guild_id(guild)?;
        let Some(reference) = guild.index else {
            return Ok(());
        };
        let index = self.reader.index(&guild.scope(), reference).await?;
        let mut settings = Vec::new();
        self.table::<GuildRow>(&index, |row| settings.extend(row.settings()), |_| {})
            .await?;
        self.put(settings).await?;
        self.table::<ChannelRow>(&index, |_| {}, |_| {}).await?;
        self.table::<RoleRow>(&index, |_| {}, |_| {}).await?;
        self.table::<EmojiRow>(&index, |_| {}, |_| {}).await?;
        self.members(&index).await?;
        let synced = WHOLE.iter().filter_map(|class| {
            Some(Synced {
                guild_id,
                class: *class,
                at: guild
                    .synced
                    .get(&class.to_string())
                    .copied()
                    .flatten()?
                    .into(),
            })
        });
        self.put(synced.collect()).await?;
        let history = guild.history.iter().map(|history| Scrub {
            unheard: history.known_until.map(Stamp::from),
            rechecked: history.reread_at,
            ..Scrub::unknown(guild_id)
        });
        self.put(history.collect()).await
    }

    /// Restores the members and their privacy choices.
    /// The archive doesn't say whether a hidden member has left: assume not.
    async fn members(&mut self, index: &Index) -> Result<(), RestoreError> {
        let mut chosen = Vec::new();
        let row = |row: &MemberRow| chosen.extend(row.privacy());
        self.table::<MemberRow>(index, row, |_| {}).await?;
        let value = Presence {
            nick: None,
            roles: Vec::new(),
            joined_at: None,
            unread: propsbot_model::Unread::default(),
        };
        let presence = Tombstoned {
            last: Some(Lww { at: self.at, value }),
            gone: None,
        };
        let hidden = chosen
            .iter()
            .filter(|chosen| chosen.tier == Tier::Everything);
        self.is_veiled = hidden.clone().next().is_some();
        let hidden = hidden
            .filter(|hidden| !hidden.is_gone())
            .map(|hidden: &Privacy| Member {
                presence: presence.clone(),
                ..Member::unknown(hidden.guild_id, hidden.user_id)
            });
        let hidden: Vec<Member> = hidden.collect();
        self.put(hidden).await?;
        self.put(chosen).await
    }

    async fn channel(
        &mut self,
        guild: &ManifestSpace,
        channel: &ManifestPart,
    ) -> Result<(), RestoreError> {
        self.done.parts += 1;
        let guild_id = guild_id(guild)?;
        let channel_id = id(&channel.id)?;
        if let Some(reference) = channel.index {
            let scope = Scope::part(&guild.id, &channel.id);
            let index = self.reader.index(&scope, reference).await?;
            let mut tally = Tally {
                guild_id,
                channel_id,
                messages: 0,
                deleted: 0,
                reactions: 0,
                props: 0,
                texts_missing: 0,
            };
            let count = |row: &MessageRow| match row.deleted_at {
                None => tally.messages += 1,
                Some(_) => tally.deleted += 1,
            };
            self.table(&index, count, |_| {}).await?;
            let present = |reaction: &Reaction| tally.reactions += u64::from(reaction.is_present());
            self.table::<ReactionRow>(&index, |_| {}, present).await?;
            self.table::<PropsRow>(&index, |_| tally.props += 1, |_| {})
                .await?;
            self.put(vec![tally]).await?;
        }
        if channel.covered.is_empty() || self.is_veiled {
            return Ok(());
        }
        let since = self.at;
        let mut intervals = Vec::with_capacity(channel.covered.len());
        for covered in &channel.covered {
            let Ok(IdRange { after, to }) = covered.try_into() else {
                return Err(RestoreError::NotAnId(format!("{covered:?}")));
            };
            intervals.push(Interval {
                after,
                to,
                by: Evidence::Rest,
                since,
            });
        }
        self.put(vec![Coverage {
            intervals,
            ..Coverage::unknown(guild_id, channel_id)
        }])
        .await
    }

    /// Restores a table partition by partition.
    async fn table<R: Row + Restored>(
        &mut self,
        index: &Index,
        mut row: impl FnMut(&R),
        mut record: impl FnMut(&R::Record),
    ) -> Result<(), RestoreError> {
        let at = self.at;
        let mut partitions = std::pin::pin!(self.reader.table::<R>(index));
        while let Some(rows) = partitions.try_next().await? {
            let count = rows.len() as u64;
            let scope = index.scope();
            if !rows.iter().all(|row| row.is_of(&scope)) {
                return Err(RestoreError::Row {
                    table: R::TABLE,
                    scope,
                });
            }
            rows.iter().for_each(&mut row);
            let own = rows.into_iter().filter(R::is_own);
            let records: Option<Vec<_>> = own.map(|own| own.record(at)).collect();
            let records = records.ok_or_else(|| RestoreError::Row {
                table: R::TABLE,
                scope: index.scope(),
            })?;
            records.iter().for_each(&mut record);
            write(self.store, move |store| store.restore(&records, at)).await?;
            self.done.rows += count;
            (self.told)(self.done.rows, self.total);
        }
        Ok(())
    }

    async fn put<R: Record + Send + 'static>(&self, records: Vec<R>) -> Result<(), RestoreError> {
        let at = self.at;
        write(self.store, move |store| store.restore(&records, at)).await
    }
}

fn guild_id(guild: &ManifestSpace) -> Result<GuildId, RestoreError> {
    id(&guild.id)
}

fn id<T: FromStr>(id: &Id) -> Result<T, RestoreError> {
    let parsed = id.as_str().parse();
    parsed.map_err(|_| RestoreError::NotAnId(id.to_string()))
}

async fn write<T: Send + 'static>(
    store: &Arc<Store>,
    change: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let changed = ask(store, change).await;
    Ok(changed.map_err(|Stopped| RestoreError::Ending)??)
}
