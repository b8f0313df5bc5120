//! Tells how the running process is, at `HEALTH_ADDRESS`: `/healthz`, `/readyz` and `/metrics`.

mod metrics;
mod monitor;
mod problems;
mod server;

use std::sync::Arc;

use anyhow::Context as _;
use propsbot_jobs::cred::CredBoard;
use propsbot_mirror::ExportControl;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::monitor::Monitor;
use super::{Error, providers::Provider};
use crate::config::Config;

/// The server at `HEALTH_ADDRESS`, with what it tells. Ends when it is dropped.
pub(super) struct HealthServer {
    monitor: Arc<Monitor>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl HealthServer {
    /// Starts to answer, if an address is configured. The store needn't be open.
    ///
    /// # Errors
    /// The address can't be used.
    pub(super) async fn start(config: &Config, provider: &Provider) -> Result<Option<Self>, Error> {
        let Some(address) = config.health.address else {
            return Ok(None);
        };
        let listener = server::bind(address).await.with_context(|| {
            format!("could not listen at {address} (HEALTH_ADDRESS); choose another port")
        });
        let listener = listener.map_err(Error::Wrong)?;
        info!(address = %listener.local_addr()?, "health and metrics are served");
        let monitor = Arc::new(Monitor::new(config, provider.clone()));
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(server::serve(listener, Arc::clone(&monitor), stop.clone()));
        Ok(Some(Self {
            monitor,
            tasks,
            stop,
        }))
    }

    /// Tells about the store, which is open now, and about these exports and this cred.
    pub(super) fn watch(&mut self, exports: ExportControl, cred: CredBoard) {
        self.monitor.watch(exports, cred);
        let (monitor, stop) = (Arc::clone(&self.monitor), self.stop.clone());
        self.tasks.spawn(async move { monitor.measure(stop).await });
    }

    /// Stops answering.
    pub(super) async fn finish(mut self) {
        self.stop.cancel();
        // What measures may be waiting for the disk.
        self.tasks.shutdown().await;
    }
}
