//! `tables`: brings Parquet files up to date with an archive.

use std::sync::Arc;

use anyhow::anyhow;
use async_trait::async_trait;
use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Error,
    error::Tried as _,
    providers::{Providers, SCHEMAS},
};
use crate::config::Config;
use propsbot_archive::Schema;
use propsbot_backends::{Access, ArchiveSpec, Claims, TablesSpec};
use propsbot_mirror::Follower;
use propsbot_model::counted;
use propsbot_network::Network;
use propsbot_tables::{Tables, TablesError, TablesPlace, Updated};

/// Which tables to write, and where.
#[derive(Args, Clone, Debug)]
pub struct TablesOrder {
    /// The place for the tables and nothing else: a folder, or one in an object store
    #[arg(long, value_name = "PLACE")]
    pub out: TablesSpec,
    /// Only the tables of this provider, if the archive has spaces of several
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
}

/// The tables of a provider.
fn tables_of(schema: &'static Schema) -> Tables {
    let derived = if schema.provider == propsbot_rows::SCHEMA.provider {
        &propsbot_graph::tables::DERIVED[..]
    } else {
        &[]
    };
    Tables::new(schema, derived)
}

/// Brings the tables in a place up to date with an archive: those of one provider, or, where the archive has spaces of
/// several, those of each in a folder of its name.
pub async fn tables(
    config: &Config,
    from: &ArchiveSpec,
    TablesOrder {
        out,
        provider: only,
    }: &TablesOrder,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    check_place(out, from)?;
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let archive = archive.as_ref();
    let providers = Providers::of(archive).await;
    let providers = providers.tried(|| format!("could not read {from}"))?;
    let places = match only {
        Some(only) => {
            let left = SCHEMAS.into_iter().find(|schema| schema.provider == *only);
            let schema = match (providers.named(only), left) {
                (Ok(schema), _) => schema,
                // The archive's last spaces of it were withdrawn, so nothing may stay here.
                (Err(_), Some(schema)) if is_used(config, out).await? => schema,
                (Err(error), _) => return Err(Error::Wrong(error)),
            };
            vec![(schema, out.clone())]
        }
        None => places(config, &providers, out).await?,
    };
    let mut lines = Vec::new();
    for (schema, out) in places {
        let (access, network) = (&config.access, &config.network);
        let place = out.open(access, network, Claims::default(), None)?;
        let updated = tables_of(schema)
            .update(archive, place.as_ref(), stop)
            .await;
        let updated = updated
            .tried(|| format!("could not bring the tables in {out} up to date with {from}"))?;
        lines.push(format!(
            "the tables in {out} are up to date: {}",
            told(&updated)
        ));
    }
    lines.extend(providers.left_out().filter(|_| only.is_none()));
    Ok(lines)
}

/// Where the tables of each provider go: into folders if there are several, or were. What is in the folder of a provider
/// that the archive no longer has spaces of goes, too.
async fn places(
    config: &Config,
    providers: &Providers,
    out: &TablesSpec,
) -> Result<Vec<(&'static Schema, TablesSpec)>, Error> {
    let (mut places, mut are_left) = (Vec::new(), false);
    let schemas = providers.schemas();
    for schema in SCHEMAS {
        let folder = out.within(schema.provider);
        let is_there = schemas.iter().any(|one| one.provider == schema.provider);
        let is_left = is_used(config, &folder).await?;
        are_left |= is_left;
        if is_there || is_left {
            places.push((schema, folder));
        }
    }
    let is_one = is_used(config, out).await?;
    match &*schemas {
        [schema] if is_one || !are_left => Ok(vec![(*schema, out.clone())]),
        _ if is_one => Err(Error::Wrong(anyhow!(
            "{out} has the tables of one provider, and the archive has spaces of several: choose another place, in which \
             each has a folder, or one of them with --provider"
        ))),
        _ => Ok(places),
    }
}

/// Whether a place has tables.
async fn is_used(config: &Config, out: &TablesSpec) -> Result<bool, Error> {
    let used = out.is_used(&config.access, &config.network).await;
    used.tried(|| format!("could not look at {out}"))
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
