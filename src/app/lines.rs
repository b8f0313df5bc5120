//! Progress as JSON lines on stdout: one a second, one at every change of phase, and one when a space ends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{self, Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Error, console::Console};
use propsbot_archive::{Id, printable_json};
use propsbot_mirror::DataProvider;

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(1);
/// How often to check whether the phase has changed.
const LOOK: Duration = Duration::from_millis(50);

/// Writes lines in a task until they are finished.
pub(super) struct Lines {
    stop: CancellationToken,
    written: AbortOnDropHandle<Result<(), Error>>,
}

impl Lines {
    pub(super) fn write(provider: Arc<dyn DataProvider>, console: Console) -> Self {
        let stop = CancellationToken::new();
        let writing = write(provider, console, stop.clone());
        let written = AbortOnDropHandle::new(tokio::spawn(writing));
        Self { stop, written }
    }

    /// Writes the last lines.
    ///
    /// # Errors
    /// A line that could not be written.
    pub(super) async fn finish(self) -> Result<(), Error> {
        self.stop.cancel();
        self.written.await.context("a task panicked; report this")?
    }
}

async fn write(
    provider: Arc<dyn DataProvider>,
    console: Console,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut tick = time::interval(LOOK);
    let mut last: BTreeMap<Id, (&'static str, Instant)> = BTreeMap::new();
    loop {
        let goes_on = stop.run_until_cancelled(tick.tick()).await.is_some();
        for now in provider.progress() {
            let is_due = match last.get(&now.space) {
                None => true,
                Some((phase, _)) if *phase != now.phase => true,
                Some((_, at)) => !now.is_done && at.elapsed() >= EVERY,
            };
            if is_due {
                last.insert(now.space, (now.phase, Instant::now()));
                let line = printable_json(&Value::Object(now.details).to_string());
                console.print(line).await?;
            }
        }
        if !goes_on {
            return Ok(());
        }
    }
}
