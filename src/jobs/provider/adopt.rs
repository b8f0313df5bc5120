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
        let choices = choices(archive).await?;
        if choices.is_empty() {
            return Ok(0);
        }
        let mirror = Mirror::start(self.existing_store().await?).await?;
        let adopted = privacy::adopt(&mirror.store, &mirror.writer, &mirror.clock, choices).await;
        mirror.close().await?;
        Ok(adopted?)
    }

    /// Adopts the choices while [`listen`](propsbot_mirror::DataProvider::listen) or
    /// [`sync`](propsbot_mirror::DataProvider::sync) runs. Returns for how many members.
    ///
    /// # Errors
    /// As `adopt_choices`; the other work is ending.
    pub async fn adopt_choices_live(
        &self,
        archive: &dyn DataArchive,
    ) -> Result<usize, ProviderError> {
        let choices = choices(archive).await?;
        let open = self.live().await?.open;
        Ok(privacy::adopt(&open.store, &open.writer, &open.clock, choices).await?)
    }
}

/// The choices that an archive remembers.
async fn choices(archive: &dyn DataArchive) -> Result<Vec<Privacy>, ReadError> {
    let mut choices = Vec::new();
    let reader = match ArchiveReader::open(archive, &SCHEMA).await {
        // No release wrote format 1, so no member chose anything in it.
        Err(ReadError::Empty | ReadError::FormatOne | ReadError::OtherProvider { .. }) => {
            return Ok(choices);
        }
        reader => reader?,
    };
    let query = Query::table(MEMBERS);
    let mut members = reader.batches(&query);
    while let Some(batch) = members.try_next().await? {
        let rows = batch.rows::<MemberRow>()?;
        choices.extend(rows.iter().filter_map(MemberRow::privacy));
    }
    Ok(choices)
}
