//! Progress bars on the terminal, redrawn ten times a second.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    sync::Arc,
    time::Duration,
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tracing::info;

use propsbot_archive::{ExportProgress, ExportProgressBoard, Id};
use propsbot_mirror::{DataProvider, Progress};
use propsbot_model::counted;

/// How often progress is logged.
const LOGGED: Duration = Duration::from_secs(15);

/// Progress bars. Finish them before printing anything else, or they erase it. If stderr isn't a terminal,
/// progress is logged instead.
pub(super) struct Bars {
    stop: CancellationToken,
    shown: JoinHandle<()>,
}

impl Bars {
    pub(super) fn show(provider: Arc<dyn DataProvider>) -> Self {
        let stop = CancellationToken::new();
        let shown = if io::stderr().is_terminal() {
            tokio::spawn(draw(provider, stop.clone()))
        } else {
            tokio::spawn(log_regularly(provider, stop.clone()))
        };
        Self { stop, shown }
    }

    pub(super) async fn finish(self) {
        self.stop.cancel();
        // Failing to draw a bar is no reason to fail.
        let _ = self.shown.await;
    }
}

/// Logs how far the work on each space is, until it is stopped.
pub(super) async fn log_regularly(provider: Arc<dyn DataProvider>, stop: CancellationToken) {
    while stop
        .run_until_cancelled(time::sleep(LOGGED))
        .await
        .is_some()
    {
        for now in provider.progress() {
            if now.is_done || now.gauges.is_empty() {
                continue;
            }
            let gauges = now.gauges.iter();
            let gauges = gauges.map(|gauge| {
                format!(
                    "{} {}/{} {}",
                    gauge.label, gauge.done, gauge.total, gauge.unit
                )
            });
            let gauges: Vec<String> = gauges.collect();
            info!(space = %now.space, "{} ({})", now.text, gauges.join("; "));
        }
    }
}

async fn draw(provider: Arc<dyn DataProvider>, stop: CancellationToken) {
    let all = MultiProgress::new();
    let mut shown: BTreeMap<Id, SpaceBars> = BTreeMap::new();
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        let stopping = stop.is_cancelled();
        for now in provider.progress() {
            let bars = shown.entry(now.space.clone());
            bars.or_insert_with(|| SpaceBars::below(&all)).show(now);
        }
        if stopping {
            break;
        }
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    shown.into_values().for_each(SpaceBars::end);
}

/// The bars of one space: the current work, and, once it's known, how much of it is done.
struct SpaceBars {
    all: MultiProgress,
    doing: ProgressBar,
    gauges: Vec<ProgressBar>,
}

impl SpaceBars {
    /// Adds the bars of another space below the others.
    fn below(all: &MultiProgress) -> Self {
        // Exactly as wide as the terminal.
        let doing = ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}"));
        Self {
            all: all.clone(),
            doing: all.add(doing),
            gauges: Vec::new(),
        }
    }

    fn show(&mut self, now: Progress) {
        self.doing.set_message(now.text);
        self.doing.tick();
        for (index, gauge) in now.gauges.into_iter().enumerate() {
            if index == self.gauges.len() {
                let above = self.gauges.last().unwrap_or(&self.doing);
                let bar = ProgressBar::new(0)
                    .with_style(style("  {prefix:9} [{bar:20.cyan/dim}] {pos}/{len} {msg}"))
                    .with_prefix(gauge.label);
                self.gauges.push(self.all.insert_after(above, bar));
            }
            let bar = &self.gauges[index];
            bar.set_length(gauge.total);
            bar.set_position(gauge.done);
            bar.set_message(gauge.unit);
        }
    }

    fn end(self) {
        self.doing.finish_and_clear();
        self.gauges.iter().for_each(ProgressBar::abandon);
    }
}

/// Shows what an export has made until it's finished; nothing if stderr isn't a terminal.
pub(super) fn tell_made(board: ExportProgressBoard) -> Bars {
    let bar = ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}"));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let shown = tokio::spawn(async move {
        let mut tick = time::interval(Duration::from_millis(100));
        while stopped.run_until_cancelled(tick.tick()).await.is_some() {
            let ExportProgress { files, bytes } = board.look();
            bar.set_message(format!(
                "exporting: {}, {}",
                counted(files, "new file"),
                HumanBytes(bytes)
            ));
            bar.tick();
        }
        bar.finish_and_clear();
    });
    Bars { stop, shown }
}

/// A bar that counts rows; nothing if stderr isn't a terminal.
pub(super) fn rows_bar() -> ProgressBar {
    ProgressBar::new(0).with_style(style("  rows [{bar:30.cyan/dim}] {pos}/{len}, {elapsed}"))
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    style.progress_chars("━╸─")
}
