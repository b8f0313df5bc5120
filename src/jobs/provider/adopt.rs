//! Adopts the privacy choices that an archive remembers.

use futures::TryStreamExt as _;

use super::{DiscordProvider, mirror::Mirror};
use crate::privacy;
use propsbot_archive::{ArchiveReader, DataArchive, Query, ReadError};
use propsbot_mirror::ProviderError;
use propsbot_model::Privacy;
use propsbot_rows::{MEMBERS, MemberRow, SCHEMA};

impl DiscordProvider {
    /// Returns for how many members.
    pub(super) async fn adopt_choices_from(
        &self,
        archive: &dyn DataArchive,
    ) -> Result<usize, ProviderError> {
        let reader = match ArchiveReader::open(archive, &SCHEMA).await {
            // No release wrote format 1, so no member chose anything in it.
            Err(ReadError::Empty | ReadError::FormatOne) => return Ok(0),
            reader => reader?,
        };
        let query = Query::table(MEMBERS);
        let (mut members, mut choices) = (reader.batches(&query), Vec::<Privacy>::new());
        while let Some(batch) = members.try_next().await? {
            let rows = batch.rows::<MemberRow>()?;
            choices.extend(rows.iter().filter_map(MemberRow::privacy));
        }
        if choices.is_empty() {
            return Ok(0);
        }
        let mirror = Mirror::start(self.existing_store().await?).await?;
        let adopted = privacy::adopt(&mirror.store, &mirror.writer, &mirror.clock, choices).await;
        mirror.close().await?;
        Ok(adopted?)
    }
}
