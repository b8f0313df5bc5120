//! Checks an archive: structure, hashes, counts, order, partitions, references.
//!
//! Owns what "valid" means beyond being readable. Some channels are checked at a time, with all cores
//! at their blobs; in memory are a few partitions, and of these channels the messages' ids.

mod checks;

use std::{
    collections::{BTreeSet, HashSet},
    fmt, thread,
};

use futures::{
    StreamExt,
    stream::{self, TryStreamExt},
};
use tokio::task::JoinError;

use self::checks::{check_blob, check_index, check_manifest};
use super::{
    ArchiveError, ArchiveReader, CachedArchive, DataArchive, Index, IndexRef, ManifestChannel,
    ManifestGuild, ReadError, Restored, Row, Scope, Table,
    manifest::{Counts, MANIFEST},
    reader::retry,
    rows::{ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow},
};
use propsbot_model::{AuthorKind, UserId, one_line};

/// Channels that are checked at a time.
const CHANNELS: usize = 4;

/// How much of an archive is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The manifest and the indexes; whether the blobs are there is not looked at.
    Structure,
    /// Everything.
    Whole,
}

/// What was checked, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The generation that was checked; 0 if its manifest could not be read.
    pub generation: u64,
    /// What is wrong: sentences that name the object. Empty if the archive is valid.
    pub faults: Vec<String>,
    /// The objects that are missing, cannot be read, or are not as they should be.
    pub damaged: BTreeSet<String>,
    /// Indexes read.
    pub indexes: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Their length together.
    pub bytes: u64,
    /// Rows read, by table.
    pub rows: Counts,
    /// Reactions and props whose message the archive does not hold. That is no fault: the mirror
    /// may know a reaction to a message that it has not fetched yet, or could not.
    pub unresolved: u64,
    /// Messages by people and bots without a row among the members. That is no fault either.
    pub unknown_authors: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: impl fmt::Display) {
        self.faults.push(one_line(&fault.to_string()));
    }

    fn add(&mut self, part: Self) {
        self.faults.extend(part.faults);
        self.damaged.extend(part.damaged);
        self.indexes += part.indexes;
        self.blobs += part.blobs;
        self.bytes += part.bytes;
        for (table, count) in part.rows {
            *self.rows.entry(table).or_default() += count;
        }
        self.unresolved += part.unresolved;
        self.unknown_authors += part.unknown_authors;
    }

    /// Notes what is wrong with an object; passes on what kept us from looking at the archive.
    fn or_fault<T>(
        &mut self,
        path: String,
        read: Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        match read {
            Ok(value) => Ok(Some(value)),
            // A file that this machine cannot read is one that is not there.
            Err(error @ (ReadError::Archive(_) | ReadError::Superseded))
                if !matches!(error, ReadError::Archive(ArchiveError::Io { .. })) =>
            {
                Err(error)
            }
            Err(error) => {
                self.damaged.insert(path);
                self.fault(error);
                Ok(None)
            }
        }
    }

    fn compare(&mut self, scope: Scope, found: &Counts, listed: &Counts) {
        if found != listed {
            self.fault(format_args!(
                "{MANIFEST}: {scope} has {} by its indexes, but is listed with {}",
                Rows(found),
                Rows(listed)
            ));
        }
    }
}

/// Checks an archive, as it was at one moment. An error means that it could not be read at all; what
/// is wrong with it is in the answer.
pub async fn verify(archive: &dyn DataArchive, depth: Depth) -> Result<Verification, ReadError> {
    // What the archive has now, not what was read of it once.
    let fetched = match depth {
        Depth::Whole => CachedArchive::fetched(archive).await?,
        Depth::Structure => None,
    };
    let archive = fetched.as_ref().map_or(archive, |it| it);
    let outcome = retry(archive, |reader| Verifier { reader, depth }.run()).await;
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
    depth: Depth,
}

impl Verifier<'_> {
    async fn run(self) -> Result<Verification, ReadError> {
        let manifest = self.reader.manifest();
        let mut found = Verification {
            generation: manifest.generation,
            ..Verification::default()
        };
        check_manifest(manifest, &mut found);
        for guild in &manifest.guilds {
            self.guild(guild, &mut found).await?;
        }
        Ok(found)
    }

    async fn guild(
        &self,
        guild: &ManifestGuild,
        found: &mut Verification,
    ) -> Result<(), ReadError> {
        let scope = guild.scope();
        let mut total = Counts::new();
        let mut members = HashSet::new();
        let mut with_row = BTreeSet::new();
        if let Some(index) = self.index(scope, guild.index, found).await? {
            total = index.rows();
            self.table(&index, |_: &GuildRow| (), found).await?;
            let channels = self.table(&index, |it: &ChannelRow| it.id, found).await?;
            with_row.extend(channels);
            self.table(&index, |_: &RoleRow| (), found).await?;
            self.table(&index, |_: &EmojiRow| (), found).await?;
            let users = self.table(&index, |it: &MemberRow| it.user_id, found);
            members.extend(users.await?);
        }
        if total.get(&Table::Guilds) != Some(&1) {
            found.fault(format_args!("{MANIFEST}: {scope} has no row of its own"));
        }
        if self.depth == Depth::Whole {
            let listed: BTreeSet<_> = guild.channels.iter().map(|it| it.id).collect();
            for id in listed.difference(&with_row) {
                found.fault(format_args!(
                    "{MANIFEST}: channel {id} of {scope} has no row"
                ));
            }
            for id in with_row.difference(&listed) {
                found.fault(format_args!(
                    "{MANIFEST}: channel {id} of {scope} has a row, but is not listed"
                ));
            }
        }
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime, and
        // no command could wait for it.
        let channels = guild.channels.iter();
        let channels: Vec<_> = channels
            .map(|channel| self.channel(guild, channel, &members))
            .collect();
        let mut channels = stream::iter(channels).buffered(CHANNELS);
        while let Some((rows, part)) = channels.try_next().await? {
            found.add(part);
            for (table, count) in rows {
                *total.entry(table).or_default() += count;
            }
        }
        found.compare(scope, &total, &guild.rows);
        Ok(())
    }

    async fn channel(
        &self,
        guild: &ManifestGuild,
        channel: &ManifestChannel,
        members: &HashSet<UserId>,
    ) -> Result<(Counts, Verification), ReadError> {
        let scope = Scope::channel(guild.id, channel.id);
        let mut found = Verification::default();
        let apart = channel
            .covered
            .is_sorted_by(|one, next| one.to <= next.after);
        if !apart || channel.covered.iter().any(|it| it.after >= it.to) {
            found.fault(format_args!(
                "{MANIFEST}: what is covered of {scope} overlaps, is out of order or empty"
            ));
        }
        if let Some(index) = self.index(scope, channel.index, &mut found).await? {
            self.rows_of_channel(&index, members, &mut found).await?;
            found.compare(scope, &index.rows(), &channel.rows);
        } else {
            found.compare(scope, &Counts::new(), &channel.rows);
        }
        Ok((channel.rows.clone(), found))
    }

    async fn rows_of_channel(
        &self,
        index: &Index,
        members: &HashSet<UserId>,
        found: &mut Verification,
    ) -> Result<(), ReadError> {
        let author = |it: &MessageRow| {
            let known = it.author_kind != Some(AuthorKind::Webhook);
            (it.id, it.author_id.filter(|_| known))
        };
        let messages = self.table(index, author, found).await?;
        let authors = messages.iter().filter_map(|(_, author)| *author);
        found.unknown_authors += authors.filter(|it| !members.contains(it)).count() as u64;
        // In the order of their ids, unless a fault was found.
        let is_known = |id| messages.binary_search_by_key(&id, |(id, _)| *id).is_ok();
        let reacted = self.table(index, |it: &ReactionRow| it.message_id, found);
        let reacted = reacted.await?.into_iter();
        let said = self.table(index, |it: &PropsRow| it.message_id, found);
        let said = said.await?.into_iter().flatten();
        found.unresolved += reacted.chain(said).filter(|id| !is_known(*id)).count() as u64;
        Ok(())
    }

    async fn index(
        &self,
        scope: Scope,
        reference: Option<IndexRef>,
        found: &mut Verification,
    ) -> Result<Option<Index>, ReadError> {
        let Some(reference) = reference else {
            return Ok(None);
        };
        let read = self.reader.index(scope, reference).await;
        let index = found.or_fault(reference.path(), read)?;
        if let Some(index) = &index {
            found.indexes += 1;
            check_index(&reference.path(), index, found);
        }
        Ok(index)
    }

    /// Checks every blob of a table, and returns what is wanted of its rows.
    async fn table<R: Row + Restored, T: Send + 'static>(
        &self,
        index: &Index,
        wanted: fn(&R) -> T,
        found: &mut Verification,
    ) -> Result<Vec<T>, ReadError> {
        if self.depth == Depth::Structure {
            return Ok(Vec::new());
        }
        let scope = index.scope();
        let mut all = Vec::new();
        let entries = index.entries(R::TABLE).iter();
        let checks: Vec<_> = entries
            .map(async |entry| {
                let path = entry.blob.blob_path();
                let bytes = match self.reader.blob(R::TABLE, scope, entry).await {
                    Ok(bytes) => bytes,
                    Err(error) => return (path, Err(error)),
                };
                let entry = *entry;
                let check = move || check_blob(scope, &entry, &bytes, wanted);
                let checked = tokio::task::spawn_blocking(check).await;
                let stopped = |error: JoinError| ArchiveError::Stopped(error.to_string()).into();
                (path, checked.map_err(stopped).and_then(|it| it))
            })
            .collect();
        let mut checks =
            stream::iter(checks).buffered(thread::available_parallelism().map_or(1, usize::from));
        while let Some((path, checked)) = checks.next().await {
            if let Some((some, part)) = found.or_fault(path, checked)? {
                found.add(part);
                all.extend(some);
            }
        }
        Ok(all)
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
