//! What the bot is asked about itself: collects the values of health and metrics.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use propsbot_backends::ArchiveSpec;
use propsbot_jobs::{clock::Clock, cred::CredBoard};
use propsbot_mirror::{ExportControl, ProviderError, footprint};
use propsbot_model::Millis;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    metrics::{Gauges, Observed},
    problems::Health,
};
use crate::{
    app::providers::{Provider, ProviderVitals},
    config::Config,
};

/// How often gauges are measured at most.
const MEASURED: Duration = Duration::from_secs(5);

/// How many times as long as a measurement takes to wait for the next one.
const REST: u32 = 50;

/// How often all of the store is read, to measure what it holds.
const READ_THROUGH: Duration = Duration::from_hours(1);

/// Answers what is asked about a running bot, at once: it reads neither the store nor the disk.
pub(super) struct Monitor {
    provider: Provider,
    started: (Instant, Millis),
    export_interval: Duration,
    store_path: PathBuf,
    /// The archive, if it is a folder.
    archive: Option<PathBuf>,
    by_guild: bool,
    exports: Mutex<Option<ExportControl>>,
    cred: Mutex<CredBoard>,
    gauges: Mutex<Gauges>,
}

impl Monitor {
    pub(super) fn new(config: &Config, provider: Provider) -> Self {
        Self {
            provider,
            started: (Instant::now(), Clock::now()),
            export_interval: config.export_interval,
            store_path: config.store_path.clone(),
            archive: match &config.archive {
                ArchiveSpec::Folder(path) => Some(path.clone()),
                _ => None,
            },
            by_guild: config.health.by_guild,
            exports: Mutex::default(),
            cred: Mutex::default(),
            gauges: Mutex::default(),
        }
    }

    /// Watches these exports and this cred from now on.
    pub(super) fn watch(&self, exports: ExportControl, cred: CredBoard) {
        *lock(&self.cred) = cred;
        *lock(&self.exports) = Some(exports);
    }

    /// What is wrong now, a sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        self.health().problems(Instant::now(), Clock::now())
    }

    /// Why the bot isn't mirroring now, a sentence each.
    pub(super) fn unready(&self) -> Vec<String> {
        self.health().unready(Instant::now(), Clock::now())
    }

    /// Everything that is measured.
    pub(super) fn observe(&self) -> Observed {
        let health = self.health();
        let (now, wall) = (Instant::now(), Clock::now());
        let is_healthy = health.problems(now, wall).is_empty();
        let vitals = health.vitals;
        let heard = match &vitals {
            ProviderVitals::Discord(vitals) => {
                vitals.gateway.as_ref().and_then(|gateway| gateway.heard)
            }
            ProviderVitals::Github(vitals) => vitals.heard,
        };
        let heard_at = heard.map(|heard| {
            let ago = now.saturating_duration_since(heard).as_millis();
            Millis(
                wall.0
                    .saturating_sub_unsigned(u64::try_from(ago).unwrap_or(u64::MAX)),
            )
        });
        let exports = lock(&self.exports);
        Observed {
            started_at: self.started.1,
            is_healthy,
            heard_at,
            vitals,
            export_interval: self.export_interval,
            exports: exports
                .as_ref()
                .map(ExportControl::look)
                .unwrap_or_default(),
            cred_as_of: lock(&self.cred).oldest(),
            gauges: lock(&self.gauges).clone(),
            by_guild: self.by_guild,
            resident_bytes: resident_bytes(),
        }
    }

    fn health(&self) -> Health {
        let exports = lock(&self.exports).as_ref().map(ExportControl::look);
        Health {
            started: self.started.0,
            vitals: self.provider.vitals(),
            free_bytes: lock(&self.gauges).store_free_bytes,
            exports_fail_since: exports.and_then(|exports| exports.failing_since),
            export_interval: self.export_interval,
        }
    }

    /// Measures what can't be told at once, again and again until stopped. The store must be open.
    pub(super) async fn measure(&self, stop: CancellationToken) {
        let mut read_through: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let is_due = read_through.is_none_or(|last| last.elapsed() > READ_THROUGH);
            let disk = self.measure_disk().await;
            let store = self.measure_store(is_due).await;
            if store.is_ok() && is_due {
                read_through = Some(begun);
            }
            for error in [disk, store, self.measure_archive().await] {
                if let Err(error) = error {
                    debug!(%error, "could not measure the store or the archive");
                }
            }
            let wait = MEASURED.max(begun.elapsed() * REST);
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }
}

impl Monitor {
    async fn measure_disk(&self) -> Result<(), MeasureError> {
        let path = self.store_path.clone();
        let store = spawn_blocking(move || footprint(&path)).await??;
        let mut gauges = lock(&self.gauges);
        gauges.store_disk_bytes = Some(store.bytes);
        // A file system that doesn't tell has as much as there can be.
        gauges.store_free_bytes = Some(store.free).filter(|free| *free < u64::MAX);
        Ok(())
    }

    async fn measure_archive(&self) -> Result<(), MeasureError> {
        if let Some(archive) = self.archive.clone() {
            let archive = spawn_blocking(move || footprint(&archive)).await??;
            lock(&self.gauges).archive_bytes = Some(archive.bytes);
        }
        Ok(())
    }

    async fn measure_store(&self, reads_through: bool) -> Result<(), MeasureError> {
        let census = self.provider.census().await?;
        lock(&self.gauges).census = Some(census);
        if reads_through {
            let logical = self.provider.store_logical_bytes().await?;
            lock(&self.gauges).store_logical_bytes = Some(logical);
        }
        Ok(())
    }
}

/// Why something can't be measured.
#[derive(Debug, thiserror::Error)]
enum MeasureError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// The bytes of memory that the process uses; `None` where the system doesn't tell.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
