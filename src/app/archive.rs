//! The subcommands that write and read whole archives: `export`, `restore`.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Error,
    bars::{Bars, rows_bar, tell_made},
    console::Console,
    control::{Destination, Running, Session, stopping},
    error::Tried as _,
    plugins::{beside, side_files},
    providers::{Providers, SCHEMAS, configured, provider_of},
    site, tables,
    verify::{as_of, faults},
};
use crate::config::Config;
use propsbot_archive::{
    self as archive, ArchiveReader, DataArchive, Depth, ExportError, ExportProgressBoard, Id,
    Schema, SideFiles, Summary, Verification,
};
use propsbot_backends::{ArchiveSpec, Claims, TablesSpec, drop_copies};
use propsbot_jobs::clock::Clock;
use propsbot_mirror::{
    self as mirror, DataProvider, ExportOptions, ExportTarget, Exports, Follower, StoreError, ask,
    export_and_record, give_up_after, spool_of,
};
use propsbot_model::counted;

/// How long a stopped export may take to release the archive.
const LETTING_GO: Duration = Duration::from_secs(6);

/// What `export` does besides exporting changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExportOrder {
    /// Replace an archive that another store has written.
    pub(super) replace: bool,
    /// Check the whole archive, and recreate what is missing or damaged.
    pub(super) repair: bool,
}

/// Exports once and returns what was written. On `stop`, it releases the archive before it ends.
pub(super) async fn export(
    session: &Session,
    to: Option<&Destination>,
    order: ExportOrder,
    console: &Console,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let _turn = match &session.running {
        Some(Running { turn, .. }) => {
            let turn = stop.run_until_cancelled(turn.lock()).await;
            Some(turn.ok_or_else(stopping)?)
        }
        None => None,
    };
    let give_up = CancellationToken::new();
    let exporting = export_unless(session, to, order, console, &give_up);
    let stopped = async {
        stop.cancelled().await;
        info!("stopping");
    };
    let ended = give_up_after(stopped, LETTING_GO, &give_up, exporting).await;
    ended.unwrap_or_else(|| Err(ExportError::Stopped.into()))
}

async fn export_unless(
    session: &Session,
    to: Option<&Destination>,
    order: ExportOrder,
    console: &Console,
    give_up: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let Session {
        config, provider, ..
    } = session;
    let own = Destination::new(config.archive.clone());
    let to = to.unwrap_or(&own);
    let beside = beside(config)?;
    let exports = something_to_export(&**provider, config).await?;
    let adopted = if order.replace {
        // An older store must bring no one's data back.
        let (access, network) = (&config.access, &config.network);
        let claims = Claims::default();
        let archive = propsbot_backends::open_to_write(to.spec(), access, network, claims)?;
        let adopted = if session.running.is_some() {
            provider.adopt_choices_live(archive.as_ref()).await
        } else {
            provider.adopt_choices(archive.as_ref()).await
        };
        adopted.tried(|| format!("could not adopt the privacy choices that {to} remembers"))?
    } else {
        0
    };
    let target = session.target(to, &exports, beside).await?;
    let begun = Instant::now();
    let mut options = ExportOptions {
        replace: order.replace,
        stop: give_up.clone(),
        ..ExportOptions::default()
    };
    let mut was_sound = true;
    if order.repair {
        let found = checked(to, target.archive.as_ref(), exports.schema()).await?;
        was_sound = found.is_valid();
        options.repair = Some(found.damaged);
    }
    let telling = console.has_bars().then(|| tell_made(target.made.clone()));
    let done = export_and_record(&exports, &target, Clock::now(), &options).await;
    if let Some(telling) = telling {
        Bars::finish(telling).await;
    }
    let done = done.tried(|| format!("could not export to {to}"))?;
    let mut line = if done.changed {
        format!(
            "{to} is at generation {}: {}",
            done.generation,
            written(&done)
        )
    } else if done.mended.is_empty() {
        format!("{to} is at generation {}: nothing changed", done.generation)
    } else {
        format!(
            "{to} stays at generation {}; updated files beside it: {}",
            done.generation,
            done.mended.join(", ")
        )
    };
    if adopted > 0 {
        let _ = write!(
            line,
            "; kept {} that the archive remembered",
            counted(adopted, "privacy choice")
        );
    }
    for withdrawn in explained(&exports, done.withdrawn).await? {
        let _ = write!(line, "\nwithdrawn: {withdrawn}");
    }
    if !was_sound {
        let left = checked(to, target.archive.as_ref(), exports.schema()).await?;
        if !left.is_valid() {
            return Err(Error::Failed(anyhow!(
                "{to} was repaired as far as possible, but these faults remain:\n  {}",
                faults(&left)
            )));
        }
        line.push_str("; the archive was damaged and is repaired");
    } else if order.repair {
        line.push_str("; no faults found");
    }
    if let Some(commit) = &done.commit {
        let (requests, took) = (counted(done.requests, "request"), begun.elapsed());
        let _ = write!(line, "; commit {commit}, {requests}, {took:.1?}");
    }
    if !done.too_large.is_empty() {
        let _ = write!(
            line,
            "; left out because they are too large for the archive: {}",
            done.too_large.join(", ")
        );
    }
    if let Some(behind) = &done.behind {
        return Err(Error::Failed(anyhow!("{line}\nbut {behind}")));
    }
    Ok(vec![line])
}

/// What the store exports. It has, or had, something to export: any other would empty the archive.
/// (A store whose spaces were all forgotten still withdraws them.)
async fn something_to_export(
    provider: &dyn DataProvider,
    config: &Config,
) -> Result<Arc<dyn Exports>, Error> {
    let exports = provider.exports().await?;
    let is_empty = ask(&exports, |exports| {
        Ok::<_, StoreError>(exports.is_empty()? && exports.ledger().read()?.last.is_empty())
    });
    if is_empty.await?? {
        return Err(Error::Failed(anyhow!(
            "the store at {} (STORE_PATH) is empty, so there is nothing to export; `propsbot sync` fills it",
            config.store_path.display()
        )));
    }
    Ok(exports)
}

/// A line about each part that is withdrawn from an archive.
async fn explained(exports: &Arc<dyn Exports>, withdrawn: Vec<Id>) -> Result<Vec<String>, Error> {
    if withdrawn.is_empty() {
        return Ok(Vec::new());
    }
    let explained = ask(exports, move |exports| {
        let parts = exports.explain(&withdrawn)?;
        let lines = parts.iter().map(|part| exports.describe(part));
        Ok::<_, StoreError>(lines.collect())
    });
    Ok(explained.await??)
}

/// The faults of an archive; an empty one has none.
async fn checked(
    to: &Destination,
    archive: &dyn DataArchive,
    schema: &'static Schema,
) -> Result<Verification, Error> {
    let found = archive::verify(archive, schema, Depth::Whole).await;
    let found = found.tried(|| format!("could not verify {to}"))?;
    // There is nothing to repair in what is no archive of this program.
    if !found.is_valid() && found.damaged.is_empty() && found.manifests.is_empty() {
        return Err(Error::Failed(anyhow!("{to}: {}", faults(&found))));
    }
    Ok(found)
}

impl Session {
    /// What to export to. A running process has one for `ARCHIVE` already.
    async fn target(
        &self,
        to: &Destination,
        exports: &Arc<dyn Exports>,
        beside: Arc<dyn SideFiles>,
    ) -> Result<ExportTarget, Error> {
        let running = self.running.as_ref();
        let is_own = to.to_string() == self.config.archive.to_string()
            && to.spec().absolute() == self.config.archive.absolute();
        match running.and_then(|running| running.target.as_ref()) {
            Some(target) if is_own => Ok(target.clone()),
            _ => target(&self.config, to, exports, beside).await,
        }
    }
}

/// Everything that follows the archive, one after the other.
pub(super) struct Followers(Vec<Arc<dyn Follower>>);

impl Followers {
    pub(super) fn of(
        all: impl IntoIterator<Item = Option<Arc<dyn Follower>>>,
    ) -> Option<Arc<dyn Follower>> {
        let all: Vec<_> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| Arc::new(Self(all)) as Arc<dyn Follower>)
    }
}

#[async_trait]
impl Follower for Followers {
    /// One that fails keeps none from following.
    async fn follow(&self, stop: &CancellationToken) -> Result<(), String> {
        let mut behind = Vec::new();
        for follower in &self.0 {
            behind.extend(follower.follow(stop).await.err());
        }
        if behind.is_empty() {
            return Ok(());
        }
        Err(behind.join("; "))
    }
}

pub(super) async fn target(
    config: &Config,
    to: &Destination,
    exports: &Arc<dyn Exports>,
    beside: Arc<dyn SideFiles>,
) -> Result<ExportTarget, Error> {
    let spec = to.spec();
    let mut claims = Claims {
        provider: Some(exports.schema().provider),
        ..Claims::default()
    };
    let places = [
        Some(spec.takes_claims()),
        config.tables.as_ref().map(TablesSpec::takes_claims),
    ];
    if places.contains(&Some(true)) {
        let own = claims.name.clone();
        let former = ask(exports, move |exports| exports.ledger().claims(&own)).await??;
        claims.former.extend(former);
    }
    let (access, network) = (&config.access, &config.network);
    let copies = config.access.clone();
    let followers = [
        tables::follower(config, spec, exports.schema(), &claims)?,
        site::follower(config, spec)?,
    ];
    Ok(ExportTarget {
        name: to.to_string(),
        archive: propsbot_backends::open_to_write(spec, access, network, claims)?.into(),
        others: &SCHEMAS,
        beside: Some(beside),
        follower: Followers::of(followers),
        made: ExportProgressBoard::default(),
        spool: spool_of(&config.store_path),
        drop_copies: Some(Arc::new(move || drop_copies(&copies))),
    })
}

/// Returns what an export would write, and for every part whether it's exported.
pub(super) async fn dry_run(
    session: &Session,
    to: Option<&Destination>,
) -> Result<Vec<String>, Error> {
    let own = Destination::new(session.config.archive.clone());
    let to = to.unwrap_or(&own);
    let beside = beside(&session.config)?;
    let exports = session.provider.exports().await?;
    let target = session.target(to, &exports, beside).await?;
    let would = mirror::dry_run(&exports, &target, Clock::now())
        .await
        .tried(|| format!("could not work out what an export to {to} would write"))?;
    let mut lines = vec![if would.changed {
        format!(
            "{to} would be at generation {}: {}",
            would.generation,
            written(&would)
        )
    } else {
        format!("{to} would stay at generation {}", would.generation)
    }];
    // What readers are about to lose comes first.
    let withdrawn = explained(&exports, would.withdrawn).await?.into_iter();
    lines.extend(withdrawn.map(|part| format!("would be withdrawn: {part}")));
    if !would.added.is_empty() {
        let ids: Vec<String> = would.added.iter().map(ToString::to_string).collect();
        lines.push(format!("new in the archive: {}", ids.join(", ")));
    }
    if session.config.sourcecred.is_some() {
        let paths = side_files(configured(&session.config));
        lines.push(format!(
            "beside the archive, for SourceCred: {}",
            paths.join(", ")
        ));
    }
    lines.extend(ask(&exports, Exports::decisions).await??);
    Ok(lines)
}

/// Fills an empty store from an archive.
pub async fn restore(config: &Config, spec: &ArchiveSpec) -> Result<Vec<String>, Error> {
    let archive = propsbot_backends::open_to_read(spec, &config.access, &config.network)?;
    let tried = || format!("could not read {spec}");
    let providers = Providers::of(archive.as_ref()).await.tried(tried)?;
    let schema = providers.preferred(config);
    let provider = provider_of(config, schema);
    // Read it first: a wrong address must not leave a half-restored store behind.
    let reader = ArchiveReader::open(archive.as_ref(), schema).await;
    let mut lines = as_of(&reader.tried(tried)?.manifests(), Clock::now()).tried(tried)?;
    let bar = rows_bar();
    let told = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let done = provider.restore(archive.as_ref(), &told).await;
    bar.finish_and_clear();
    let done = done.tried(|| format!("could not restore {spec}"))?;
    lines.push(format!(
        "restored {spec} into {}: {done}",
        config.store_path.display()
    ));
    let schemas = providers.schemas().into_iter();
    let others = schemas.filter(|other| other.provider != schema.provider);
    lines.extend(others.map(|other| {
        format!(
            "the archive's spaces of {} belong in a store of their own: docs/github.md says how",
            other.provider
        )
    }));
    Ok(lines)
}

fn written(summary: &Summary) -> String {
    format!(
        "{} ({}), {} removed",
        counted(summary.files, "new file"),
        counted(summary.bytes, "byte"),
        counted(summary.removed, "file")
    )
}
