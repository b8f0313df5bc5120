//! Restores an empty store from an archive.
//!
//! Owns what a restored store may claim to know. What the archive lacks, such as channels that
//! aren't public, is unknown and fetched again; nothing that such channels are part of counts as
//! complete.
//!
//! Rows are written as they are read, whatever their order: a record is put under its own key, and
//! none is merged. Members come before all channels, so that what they hide is known in time.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use futures::TryStreamExt;

use super::clock::Clock;
use propsbot_archive::{
    ArchiveReader, Batch, Covered, DataArchive, Id, Manifest, Query, ReadError, Row, Scope,
    SpaceReader,
};
use propsbot_mirror::{Ending, Record, ask};
use propsbot_model::{
    ChannelId, Class, Coverage, EventId, Evidence, GuildId, Interval, Lww, Member, Millis,
    Presence, Privacy, ScheduledEvent, Scrub, Session, Stamp, Synced, Tally, Tier, Tombstoned,
    counted,
};
use propsbot_rows::{
    CHANNELS, ChannelRow, EMOJIS, EVENTS, EmojiRow, EventRow, GUILDS, GuildRow, LINKS, LinkRow,
    MEMBERS, MESSAGES, MemberRow, MessageRow, PROPS, PropsRow, REACTIONS, ROLES, ReactionRow,
    Restored, RoleRow, SCHEMA, covered_ids,
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
    #[error(
        "a row of the {table} of {scope} is inconsistent or belongs elsewhere: was the archive written by \
         another program? `propsbot verify` tells more"
    )]
    Row { table: &'static str, scope: Scope },
    #[error("the archive has {0:?} where the id of a guild or channel should be")]
    NotAnId(String),
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// Fills a store opened with [`Store::open_to_restore`].
/// `told` receives the numbers of rows done and in total. Returns what was restored, for people.
pub async fn restore(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<String, RestoreError> {
    let mut attempt = 1;
    loop {
        match run(store, archive, told).await {
            Err(RestoreError::Read(ReadError::Superseded)) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn run(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<String, RestoreError> {
    let reader = ArchiveReader::open(archive, &SCHEMA).await?;
    write(store, Store::clear).await?;
    let manifests = reader.manifests();
    let now = Clock::now();
    let newest = manifests.iter().map(|manifest| heard(manifest, now)).max();
    let newest = newest.unwrap_or_default();
    let rows = manifests.iter().flat_map(|manifest| manifest.rows.values());
    let mut restore = Restore {
        store,
        told,
        now,
        newest,
        total: rows.copied().fold(0, u64::saturating_add),
        channels: 0,
        rows: 0,
    };
    for space in reader.spaces() {
        restore.guild(space).await?;
    }
    let from = reader.origins();
    let done = format!(
        "{}, {}. The archive doesn't hold private channels: `propsbot sync` or `propsbot run` fetches those \
         again and continues from here",
        counted(restore.channels, "channel"),
        counted(restore.rows, "row")
    );
    // The first export reads everything again, and so detects losses.
    write(store, move |store| store.restored(newest, &from)).await?;
    Ok(done)
}

/// When the mirror of a space had last heard from Discord. The exporter's clock may be fast: nothing is known of
/// what comes after now.
fn heard(manifest: &Manifest, now: Millis) -> Stamp {
    manifest
        .heard_at
        .unwrap_or(manifest.created_at)
        .min(now)
        .into()
}

struct Restore<'a> {
    store: &'a Arc<Store>,
    told: &'a (dyn Fn(u64, u64) + Sync),
    now: Millis,
    /// When the guild was last heard of that was heard of last.
    newest: Stamp,
    total: u64,
    channels: u64,
    rows: u64,
}

/// What the rows of a guild say together.
#[derive(Default)]
struct Guild {
    chosen: Vec<Privacy>,
    tallies: BTreeMap<ChannelId, Tally>,
    events: BTreeMap<EventId, ScheduledEvent>,
}

impl Guild {
    fn tally(&mut self, guild_id: GuildId, channel_id: ChannelId) -> &mut Tally {
        self.tallies.entry(channel_id).or_insert(Tally {
            guild_id,
            channel_id,
            messages: 0,
            deleted: 0,
            reactions: 0,
            props: 0,
            texts_missing: 0,
        })
    }
}

impl Restore<'_> {
    async fn guild(&mut self, space: &SpaceReader<'_>) -> Result<(), RestoreError> {
        let manifest = space.manifest();
        let guild_id: GuildId = id(&manifest.space)?;
        let at = heard(manifest, self.now);
        let mut guild = Guild::default();
        let query = Query::all();
        let mut batches = space.batches(&query);
        while let Some(batch) = batches.try_next().await? {
            self.batch(&batch, at, &mut guild).await?;
        }
        let tallies = guild.tallies.into_values().collect();
        self.put::<Tally>(tallies).await?;
        self.put(guild.events.into_values().collect()).await?;
        let is_veiled = guild.chosen.iter().any(|own| own.tier == Tier::Everything);
        self.privacy(guild.chosen, at).await?;
        self.coverage(space, guild_id, at, is_veiled).await?;
        let synced = WHOLE.iter().filter_map(|class| {
            Some(Synced {
                guild_id,
                class: *class,
                at: manifest
                    .synced
                    .get(&class.to_string())
                    .copied()
                    .flatten()?
                    .into(),
            })
        });
        self.put(synced.collect()).await?;
        let history = manifest.history.iter().map(|history| Scrub {
            unheard: history.known_until.map(Stamp::from),
            rechecked: history.reread_at,
            ..Scrub::unknown(guild_id)
        });
        self.put(history.collect()).await?;
        // Of this guild, nothing later was heard.
        self.put(vec![Session {
            unheard: Some(at),
            ..Session::none(guild_id)
        }])
        .await
    }

    async fn batch(
        &mut self,
        batch: &Batch,
        at: Stamp,
        guild: &mut Guild,
    ) -> Result<(), RestoreError> {
        match batch.table {
            GUILDS => {
                let rows = batch.rows::<GuildRow>()?;
                let settings = rows.iter().filter_map(GuildRow::settings).collect();
                self.put(settings).await?;
                self.rows(batch, rows, at).await?;
            }
            CHANNELS => {
                self.rows(batch, batch.rows::<ChannelRow>()?, at).await?;
            }
            ROLES => {
                self.rows(batch, batch.rows::<RoleRow>()?, at).await?;
            }
            EMOJIS => {
                self.rows(batch, batch.rows::<EmojiRow>()?, at).await?;
            }
            MEMBERS => {
                let rows = batch.rows::<MemberRow>()?;
                guild
                    .chosen
                    .extend(rows.iter().filter_map(MemberRow::privacy));
                self.rows(batch, rows, at).await?;
            }
            MESSAGES => {
                let states = self.rows(batch, batch.rows::<MessageRow>()?, at).await?;
                for state in states {
                    let tally = guild.tally(state.guild_id, state.channel_id);
                    if state.message().is_some() {
                        tally.messages += 1;
                    } else {
                        tally.deleted += 1;
                    }
                }
            }
            REACTIONS => {
                let reactions = self.rows(batch, batch.rows::<ReactionRow>()?, at).await?;
                for reaction in reactions.iter().filter(|reaction| reaction.is_present()) {
                    guild
                        .tally(reaction.guild_id, reaction.channel_id)
                        .reactions += 1;
                }
            }
            PROPS => {
                for props in self.rows(batch, batch.rows::<PropsRow>()?, at).await? {
                    guild.tally(props.guild_id, props.channel_id).props += 1;
                }
            }
            LINKS => {
                self.rows(batch, batch.rows::<LinkRow>()?, at).await?;
            }
            EVENTS => {
                let rows = batch.rows::<EventRow>()?;
                self.rows += rows.len() as u64;
                for row in rows {
                    let unknown = ScheduledEvent::unknown(row.guild_id, row.id);
                    row.add_to(guild.events.entry(unknown.id).or_insert(unknown), at);
                }
                (self.told)(self.rows, self.total);
            }
            _ => {}
        }
        Ok(())
    }

    async fn rows<R: Row + Restored>(
        &mut self,
        batch: &Batch,
        rows: Vec<R>,
        at: Stamp,
    ) -> Result<Vec<R::Record>, RestoreError> {
        let count = rows.len() as u64;
        let own = rows.into_iter().filter(R::is_own);
        let records: Option<Vec<_>> = own.map(|own| own.record(at)).collect();
        let records = records.ok_or_else(|| RestoreError::Row {
            table: R::TABLE,
            scope: batch.scope.clone(),
        })?;
        let newest = self.newest;
        let put = move |store: &Store| store.restore(&records, newest).map(|()| records);
        let records = write(self.store, put).await?;
        self.rows += count;
        (self.told)(self.rows, self.total);
        Ok(records)
    }

    /// Writes members' privacy choices, and those members whose rows say nothing else.
    /// The archive doesn't say whether a hidden member has left: assume not.
    async fn privacy(&self, chosen: Vec<Privacy>, at: Stamp) -> Result<(), RestoreError> {
        let value = Presence {
            nick: None,
            roles: Vec::new(),
            joined_at: None,
            unread: propsbot_model::Unread::default(),
        };
        let presence = Tombstoned {
            last: Some(Lww { at, value }),
            gone: None,
        };
        let hidden = chosen
            .iter()
            .filter(|chosen| chosen.tier == Tier::Everything && !chosen.is_gone())
            .map(|hidden| Member {
                presence: presence.clone(),
                ..Member::unknown(hidden.guild_id, hidden.user_id)
            });
        self.put(hidden.collect()).await?;
        self.put(chosen).await
    }

    /// Writes what is covered; nothing if the archive lacks what a hidden member did.
    async fn coverage(
        &mut self,
        space: &SpaceReader<'_>,
        guild_id: GuildId,
        at: Stamp,
        is_veiled: bool,
    ) -> Result<(), RestoreError> {
        let mut known = Vec::new();
        for (line, covered) in space.parts().await? {
            self.channels += 1;
            let ranges = covered.into_iter().filter_map(|range| {
                covered_ids(Covered {
                    to: range.to.min(self.now),
                    ..range
                })
            });
            let intervals: Vec<Interval> = ranges
                .map(|range| Interval {
                    after: range.after,
                    to: range.to,
                    by: Evidence::Rest,
                    since: at,
                })
                .collect();
            if !intervals.is_empty() && !is_veiled {
                known.push(Coverage {
                    intervals,
                    ..Coverage::unknown(guild_id, id(&line.id)?)
                });
            }
        }
        self.put(known).await
    }

    async fn put<R: Record + Send + 'static>(&self, records: Vec<R>) -> Result<(), RestoreError> {
        let newest = self.newest;
        write(self.store, move |store| store.restore(&records, newest)).await
    }
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
    Ok(changed??)
}
