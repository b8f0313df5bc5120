//! Adopts the privacy choices that an archive remembers.

use super::{DiscordProvider, mirror::Mirror};
use crate::privacy;
use propsbot_archive::{ArchiveReader, DataArchive, Level, ReadError};
use propsbot_mirror::ProviderError;
use propsbot_model::Privacy;
use propsbot_rows::{MemberRow, SCHEMA};

impl DiscordProvider {
    /// Returns for how many members.
    pub(super) async fn adopt_choices_from(
        &self,
        archive: &dyn DataArchive,
    ) -> Result<usize, ProviderError> {
        let reader = match ArchiveReader::open_as(archive, &SCHEMA).await {
            Err(ReadError::Empty) => return Ok(0),
            reader => reader?,
        };
        let chosen = |row: &MemberRow| row.privacy().is_some();
        let rows: Vec<MemberRow> = reader.select(Level::Space, |_| true, chosen).await?;
        let choices: Vec<Privacy> = rows.iter().filter_map(MemberRow::privacy).collect();
        if choices.is_empty() {
            return Ok(0);
        }
        let mirror = Mirror::start(self.existing_store().await?).await?;
        let adopted = privacy::adopt(&mirror.store, &mirror.writer, &mirror.clock, choices).await;
        mirror.close().await?;
        Ok(adopted?)
    }
}
