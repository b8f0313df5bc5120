//! `tables`: brings Parquet files up to date with an archive.

use std::sync::Arc;

use anyhow::anyhow;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Error, error::Tried as _, providers::provider_of};
use crate::config::Config;
use propsbot_archive::Schema;
use propsbot_backends::{Access, ArchiveSpec, Claims, TablesSpec};
use propsbot_mirror::Follower;
use propsbot_model::counted;
use propsbot_network::Network;
use propsbot_tables::{Tables, TablesError, TablesPlace, Updated};

/// The tables of a provider.
fn tables_of(schema: &'static Schema) -> Tables {
    let derived = if schema.provider == propsbot_rows::SCHEMA.provider {
        &propsbot_graph::tables::DERIVED[..]
    } else {
        &[]
    };
    Tables::new(schema, derived)
}

/// Brings the tables in a place up to date with an archive.
pub async fn tables(
    config: &Config,
    from: &ArchiveSpec,
    out: &TablesSpec,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    check_place(out, from)?;
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let provider = provider_of(config, archive.as_ref()).await;
    let provider = provider.tried(|| format!("could not read {from}"))?;
    let (access, network) = (&config.access, &config.network);
    let place = out.open(access, network, Claims::default(), None)?;
    let tables = tables_of(provider.schema());
    let updated = tables.update(archive.as_ref(), place.as_ref(), stop).await;
    let updated =
        updated.tried(|| format!("could not bring the tables in {out} up to date with {from}"))?;
    Ok(vec![format!(
        "the tables in {out} are up to date: {}",
        told(&updated)
    )])
}

/// Tables that follow an archive; `None` if none are configured. `claims` are the store's.
pub(super) fn follower(
    config: &Config,
    archive: &ArchiveSpec,
    schema: &'static Schema,
    claims: &Claims,
) -> Result<Option<Arc<dyn Follower>>, Error> {
    let Some(spec) = &config.tables else {
        return Ok(None);
    };
    check_place(spec, archive)?;
    let scratch = Some(config.store_path.join("tables"));
    let (access, network) = (&config.access, &config.network);
    Ok(Some(Arc::new(FollowingTables {
        archive: archive.clone(),
        place: spec.open(access, network, claims.clone(), scratch)?,
        spec: spec.clone(),
        tables: tables_of(schema),
        access: access.clone(),
        network: network.clone(),
    })))
}

/// Tables that follow an archive.
struct FollowingTables {
    archive: ArchiveSpec,
    spec: TablesSpec,
    place: Box<dyn TablesPlace>,
    tables: Tables,
    access: Access,
    network: Network,
}

#[async_trait]
impl Follower for FollowingTables {
    async fn follow(&self, stop: &CancellationToken) -> Result<(), String> {
        let followed = async {
            let archive =
                propsbot_backends::open_to_read(&self.archive, &self.access, &self.network)?;
            let (archive, place) = (archive.as_ref(), self.place.as_ref());
            self.tables.update(archive, place, stop).await
        };
        let tables = &self.spec;
        let updated = followed.await.map_err(|error| {
            format!("could not bring the tables in {tables} up to date: {error}")
        })?;
        info!(
            files = updated.written,
            bytes = updated.bytes,
            removed = updated.removed,
            "the tables are up to date"
        );
        Ok(())
    }
}

/// Refuses a place that shares files with the archive.
fn check_place(tables: &TablesSpec, archive: &ArchiveSpec) -> Result<(), Error> {
    let overlaps = tables.overlaps(archive);
    if overlaps.tried(|| format!("could not look at {tables}"))? {
        return Err(Error::Wrong(anyhow!(
            "{tables} and {archive} are within one another, and tables are never in an archive: choose another \
             place for them"
        )));
    }
    Ok(())
}

/// What was done, in a few words.
fn told(updated: &Updated) -> String {
    if (updated.written, updated.removed) == (0, 0) {
        return "nothing changed".to_owned();
    }
    format!(
        "{} ({}) written, {} removed",
        counted(updated.written, "file"),
        counted(updated.bytes, "byte"),
        counted(updated.removed, "file")
    )
}

impl From<TablesError> for Error {
    fn from(error: TablesError) -> Self {
        match error {
            TablesError::Read(error) => error.into(),
            TablesError::Place(error) => error.into(),
            TablesError::NotTables | TablesError::OtherProvider { .. } => Self::Wrong(error.into()),
            error => Self::Failed(error.into()),
        }
    }
}
