//! The lists of a space: which parts it has, and where their rows lie.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{
    check,
    error::{ReadError, damaged},
    file::{FileRef, Kind, named},
    files::READS,
    layout::Stamps,
    manifest::{Line, ONE_LIST, Open, Shard, manifest_path, shard_of},
    query::{Query, Tally},
    reader::SpaceReader,
};
use crate::Level;

/// What the lists of a space say about what is asked for.
#[derive(Default)]
pub(super) struct Lists {
    /// The parts, by id.
    pub(super) lines: Vec<Line>,
    pub(super) has_all_parts: bool,
    /// The open files by day.
    pub(super) days: Vec<Open>,
    pub(super) has_all_days: bool,
    pub(super) tally: Tally,
}

impl SpaceReader<'_> {
    /// The lists that say where the rows are that are asked for.
    pub(super) async fn lists(&self, query: &Query, tally: Tally) -> Result<Lists, ReadError> {
        let mut lists = Lists {
            tally,
            ..Lists::default()
        };
        let is_of_parts = self.asks_for_parts(query);
        if is_of_parts || self.describes_parts(query) {
            self.lines(query, &mut lists).await?;
        }
        let days = self.manifest().stamps.map(Stamps::days);
        let mut tables = self.schema().tables_of(Level::Part);
        let is_reached = days.is_some_and(|days| {
            query.is_whole() || tables.any(|table| query.reaches(self.schema(), table.name, &days))
        });
        if is_of_parts && is_reached {
            lists.days = self.days(&mut lists.tally).await?;
        }
        lists.has_all_days = self.manifest().days.is_none() || !lists.days.is_empty();
        Ok(lists)
    }

    /// The list of parts: of those that are asked for, at least. Checks it as a whole if it reads all of it.
    pub(super) async fn lines(&self, query: &Query, found: &mut Lists) -> Result<(), ReadError> {
        self.read_lines(query, found).await?;
        if found.has_all_parts {
            let manifest = self.manifest();
            let checked = check::parts(manifest, &found.lines);
            checked.map_err(damaged(&manifest_path(&manifest.space)))?;
        }
        Ok(())
    }

    async fn read_lines(&self, query: &Query, found: &mut Lists) -> Result<(), ReadError> {
        let parts = self.manifest().parts;
        found.has_all_parts = true;
        let Some(file) = parts.list else {
            return Ok(());
        };
        let mut lists = vec![(None, file)];
        if parts.count > ONE_LIST {
            let bytes = self.file(Kind::Directory, file, &mut found.tally).await?;
            let directory = check::directory(self.manifest(), &bytes);
            let directory = directory.map_err(damaged(&named(Kind::Directory, file.hash)))?;
            let shards = directory.shards.into_iter();
            let wanted = query.parts.iter().flatten().map(shard_of);
            let wanted: BTreeSet<u8> = wanted.collect();
            let is_wanted = |shard: &Shard| query.parts.is_none() || wanted.contains(&shard.shard);
            let (wanted, others): (Vec<_>, Vec<_>) = shards.partition(is_wanted);
            found.has_all_parts = others.is_empty();
            let wanted = wanted.into_iter();
            lists = wanted
                .map(|shard| (Some(shard.shard), shard.file))
                .collect();
        }
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let reads: Vec<_> = lists
            .into_iter()
            .map(|(shard, file)| self.list(shard, file))
            .collect();
        let mut lists = stream::iter(reads).buffered(READS);
        while let Some((file, lines)) = lists.try_next().await? {
            found.tally.read(named(Kind::Parts, file.hash), file.bytes);
            found.lines.extend(lines);
        }
        found.lines.sort_by(|one, next| one.id.cmp(&next.id));
        Ok(())
    }

    async fn list(
        &self,
        shard: Option<u8>,
        file: FileRef,
    ) -> Result<(FileRef, Vec<Line>), ReadError> {
        let bytes = self.files().read(Kind::Parts, file).await?;
        let list = check::list(self.schema(), self.manifest(), shard, &bytes);
        let list = list.map_err(damaged(&named(Kind::Parts, file.hash)))?;
        Ok((file, list))
    }

    async fn days(&self, tally: &mut Tally) -> Result<Vec<Open>, ReadError> {
        let Some(file) = self.manifest().days else {
            return Ok(Vec::new());
        };
        let bytes = self.file(Kind::Days, file, tally).await?;
        let days = check::days(self.manifest(), &bytes);
        days.map_err(damaged(&named(Kind::Days, file.hash)))
    }

    async fn file(
        &self,
        kind: Kind,
        file: FileRef,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, ReadError> {
        let bytes = self.files().read(kind, file).await?;
        tally.read(named(kind, file.hash), file.bytes);
        Ok(bytes)
    }
}
