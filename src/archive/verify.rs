//! Checks an archive: structure, hashes, counts, order, partitions, references.
//!
//! Owns what "valid" means beyond being readable. Holds one partition in memory at a time, and of
//! one channel the messages' ids.

use std::{collections::BTreeSet, fmt};

use super::{
    ArchiveReader, DataArchive, Entry, Index, IndexRef, Manifest, ManifestGuild, ReadError, Row,
    Scope, Table,
    manifest::{Counts, MANIFEST},
    partition::{LIMIT, undersized},
    reader::retry,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow},
    table::array_header,
};

/// What was checked, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The generation that was checked; 0 if its manifest could not be read.
    pub generation: u64,
    /// What is wrong: sentences that name the object. Empty if the archive is valid.
    pub faults: Vec<String>,
    /// Indexes read.
    pub indexes: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Rows read, by table.
    pub rows: Counts,
    /// Reactions and props whose message the archive does not hold. That is no fault: the mirror
    /// may know a reaction to a message that it has not fetched yet, or could not.
    pub unresolved: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: impl fmt::Display) {
        self.faults.push(fault.to_string());
    }
}

/// Checks the whole archive, as it was at one moment. An error means that it could not be read at
/// all; what is wrong with it is in the answer.
pub async fn verify(archive: &dyn DataArchive) -> Result<Verification, ReadError> {
    let outcome = retry(archive, Verifier::run).await;
    match outcome {
        Err(error @ (ReadError::Empty | ReadError::Format(_))) => {
            let mut found = Verification::default();
            found.fault(error);
            Ok(found)
        }
        outcome => outcome,
    }
}

struct Verifier<'a> {
    reader: ArchiveReader<'a>,
    found: Verification,
}

impl<'a> Verifier<'a> {
    async fn run(reader: ArchiveReader<'a>) -> Result<Verification, ReadError> {
        let manifest = reader.manifest().clone();
        let mut it = Self {
            reader,
            found: Verification {
                generation: manifest.generation,
                ..Verification::default()
            },
        };
        it.manifest(&manifest);
        for guild in &manifest.guilds {
            it.guild(guild).await?;
        }
        Ok(it.found)
    }

    fn manifest(&mut self, manifest: &Manifest) {
        let Manifest {
            generation,
            previous,
            ..
        } = manifest;
        if *generation == 0 || (*generation == 1) != previous.is_none() {
            self.found.fault(format_args!(
                "{MANIFEST}: generation {generation} {} a predecessor",
                if previous.is_none() {
                    "without"
                } else {
                    "with"
                }
            ));
        }
        if !manifest.guilds.is_sorted_by(|one, next| one.id < next.id) {
            self.found.fault(format_args!(
                "{MANIFEST}: guilds are out of order or repeated"
            ));
        }
        for guild in &manifest.guilds {
            if !guild.channels.is_sorted_by(|one, next| one.id < next.id) {
                self.found.fault(format_args!(
                    "{MANIFEST}: channels of guild {} are out of order or repeated",
                    guild.id
                ));
            }
        }
    }

    async fn guild(&mut self, guild: &ManifestGuild) -> Result<(), ReadError> {
        let scope = guild.scope();
        let mut total = Counts::new();
        let mut channels_with_row = BTreeSet::new();
        if let Some(index) = self.index(scope, guild.index).await? {
            total = index.rows();
            self.table::<GuildRow>(&index, |_| {}).await?;
            self.table::<ChannelRow>(&index, |row| {
                channels_with_row.insert(row.id);
            })
            .await?;
            self.table::<RoleRow>(&index, |_| {}).await?;
            self.table::<EmojiRow>(&index, |_| {}).await?;
            self.table::<MemberRow>(&index, |_| {}).await?;
        }
        if total.get(&Table::Guilds) != Some(&1) {
            self.found
                .fault(format_args!("{MANIFEST}: {scope} has no row of its own"));
        }
        let listed: BTreeSet<_> = guild.channels.iter().map(|it| it.id).collect();
        for id in listed.difference(&channels_with_row) {
            self.found.fault(format_args!(
                "{MANIFEST}: channel {id} of {scope} has no row"
            ));
        }
        for id in channels_with_row.difference(&listed) {
            self.found.fault(format_args!(
                "{MANIFEST}: channel {id} of {scope} has a row, but is not listed"
            ));
        }
        for channel in &guild.channels {
            let scope = Scope::channel(guild.id, channel.id);
            let rows = match self.index(scope, channel.index).await? {
                Some(index) => self.channel(&index).await?,
                None => Counts::new(),
            };
            self.counts(scope, &rows, &channel.rows);
            for (table, count) in &channel.rows {
                *total.entry(*table).or_default() += count;
            }
        }
        self.counts(scope, &total, &guild.rows);
        Ok(())
    }

    async fn channel(&mut self, index: &Index) -> Result<Counts, ReadError> {
        // In the order of their ids, unless a fault was found.
        let mut messages = Vec::new();
        self.table::<MessageRow>(index, |row| messages.push(row.id))
            .await?;
        let mut unresolved = 0;
        self.table::<ReactionRow>(index, |row| {
            unresolved += u64::from(messages.binary_search(&row.message_id).is_err());
        })
        .await?;
        self.table::<PropsRow>(index, |row| {
            let known = row
                .message_id
                .is_none_or(|id| messages.binary_search(&id).is_ok());
            unresolved += u64::from(!known);
        })
        .await?;
        self.found.unresolved += unresolved;
        Ok(index.rows())
    }

    fn counts(&mut self, scope: Scope, found: &Counts, listed: &Counts) {
        if found != listed {
            self.found.fault(format_args!(
                "{MANIFEST}: {scope} has {} by its indexes, but is listed with {}",
                Rows(found),
                Rows(listed)
            ));
        }
    }

    async fn index(
        &mut self,
        scope: Scope,
        reference: Option<IndexRef>,
    ) -> Result<Option<Index>, ReadError> {
        let Some(reference) = reference else {
            return Ok(None);
        };
        let path = reference.path();
        let read = self.reader.index(scope, reference).await;
        let Some(index) = self.or_fault(read)? else {
            return Ok(None);
        };
        self.found.indexes += 1;
        for (table, entries) in &index.tables {
            if !scope.tables().contains(table) {
                self.found
                    .fault(format_args!("{path}: {scope} cannot have {table}"));
            }
            if entries.is_empty() {
                self.found.fault(format_args!(
                    "{path}: {table} without partitions are listed"
                ));
            }
            let apart = |one: &Entry, next: &Entry| {
                one.period < next.period && !one.period.contains(next.period)
            };
            if !entries.is_sorted_by(apart) {
                self.found.fault(format_args!(
                    "{path}: partitions of {table} overlap or are out of order"
                ));
            }
            for entry in entries {
                if entry.bytes > LIMIT && entry.period.unit().finer().is_some() {
                    self.found.fault(format_args!(
                        "{path}: {table} in {} are too long for one partition",
                        entry.period
                    ));
                }
            }
            for period in undersized(entries.iter().map(|it| (it.period, it.bytes)), LIMIT) {
                self.found.fault(format_args!(
                    "{path}: {table} in {period} are split, but short enough for one partition"
                ));
            }
        }
        Ok(Some(index))
    }

    /// Checks every blob of a table, and shows its rows.
    async fn table<R: Row>(
        &mut self,
        index: &Index,
        mut show: impl FnMut(&R),
    ) -> Result<(), ReadError> {
        let scope = index.scope();
        for entry in index.entries(R::TABLE) {
            let path = entry.blob.blob_path();
            let read = self.reader.partition_and_length::<R>(scope, entry).await;
            let Some((rows, length)) = self.or_fault(read)? else {
                continue;
            };
            self.found.blobs += 1;
            *self.found.rows.entry(R::TABLE).or_default() += entry.rows;
            if rows.is_empty() {
                self.found.fault(format_args!("{path} has no rows"));
            }
            let head = array_header(rows.len()).len() as u64;
            if length != head + entry.bytes {
                self.found.fault(format_args!(
                    "{path} is {length} bytes long, not the {} and {head} that its index says",
                    entry.bytes
                ));
            }
            let keys: Vec<_> = rows.iter().map(Row::key).collect();
            if !keys.is_sorted_by(|one, next| one < next) {
                self.found
                    .fault(format_args!("{path}: rows are out of order or repeated"));
            }
            let ids = entry.period.ids();
            if let Some(key) = keys.iter().find(|it| !ids.contains(&it.id)) {
                self.found.fault(format_args!(
                    "{path}: row {} is not of {}",
                    key.id, entry.period
                ));
            }
            if let Some(row) = rows.iter().find(|it| it.scope() != scope) {
                self.found.fault(format_args!(
                    "{path} has a row of {}, not of {scope}",
                    row.scope()
                ));
            }
            rows.iter().for_each(&mut show);
        }
        Ok(())
    }

    /// Notes what is wrong with the archive; passes on what kept us from looking at it.
    fn or_fault<T>(&mut self, read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ (ReadError::Archive(_) | ReadError::Superseded)) => Err(error),
            Err(error) => {
                self.found.fault(error);
                Ok(None)
            }
        }
    }
}

/// Row counts in words.
struct Rows<'a>(&'a Counts);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no rows");
        }
        for (i, (table, count)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {table}")?;
        }
        Ok(())
    }
}
