//! Which files of rows a space has. Reads manifests, lists and indexes, but no rows.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{
    check,
    error::{ReadError, damaged},
    file::FileRef,
    files::READS,
    manifest::{Counts, Line, Open, manifest_path},
    period::Period,
    query::{Query, Tally},
    reader::SpaceReader,
};
use crate::Id;

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFile {
    /// Whose rows it has; `None`: those of several parts, or of the space itself.
    pub part: Option<Id>,
    /// The times of its rows.
    pub period: Period,
    /// Which file.
    pub file: FileRef,
    /// How many rows, by table.
    pub rows: Counts,
}

impl SpaceReader<'_> {
    /// The space's files of rows.
    ///
    /// # Errors
    /// A list or index can't be read, or is damaged.
    pub async fn row_files(&self) -> Result<Vec<RowFile>, ReadError> {
        let lists = self.lists(&Query::all(), Tally::default()).await?;
        let (lines, days) = (lists.lines, lists.days);
        let own = check::together(self.schema(), self.manifest(), &lines, &days);
        let own = own.map_err(damaged(&manifest_path(&self.manifest().space)))?;
        let open = days.iter().chain(&self.manifest().hours);
        let mut files: Vec<RowFile> = open.map(open_file).collect();
        let mut indexes = Vec::new();
        if let Some(index) = self.manifest().index {
            indexes.push(self.indexed(None, index, own));
        }
        for Line {
            id, index, rows, ..
        } in lines
        {
            indexes.extend(index.map(|index| self.indexed(Some(id), index, rows)));
        }
        let mut indexes = stream::iter(indexes).buffered(READS);
        while let Some(indexed) = indexes.try_next().await? {
            files.extend(indexed);
        }
        Ok(files)
    }

    async fn indexed(
        &self,
        part: Option<Id>,
        file: FileRef,
        listed: Counts,
    ) -> Result<Vec<RowFile>, ReadError> {
        let index = self.index(part.as_ref(), file, Some(&listed)).await?;
        let tables = index.tables.into_iter();
        let files = tables.flat_map(|(table, entries)| {
            let part = part.clone();
            let entries = entries.into_iter();
            entries.map(move |entry| RowFile {
                part: part.clone(),
                period: entry.period,
                file: entry.file,
                rows: [(table.clone(), entry.rows)].into(),
            })
        });
        Ok(files.collect())
    }
}

fn open_file(open: &Open) -> RowFile {
    RowFile {
        part: None,
        period: open.period,
        file: open.file,
        rows: open.rows.clone(),
    }
}
