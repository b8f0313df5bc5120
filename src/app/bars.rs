//! Progress bars on the terminal: what the board says, ten times a second.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use crate::jobs::progress::{Phase, ProgressBoard};

/// Bars that are shown until they are finished. On what is no terminal nothing is shown.
pub(super) struct Bars {
    stop: CancellationToken,
    shown: JoinHandle<()>,
}

impl Bars {
    pub(super) fn show(board: ProgressBoard) -> Self {
        let stop = CancellationToken::new();
        let shown = tokio::spawn(draw(board, stop.clone()));
        Self { stop, shown }
    }

    pub(super) async fn finish(self) {
        self.stop.cancel();
        // A bar that could not be drawn is no reason to fail.
        let _ = self.shown.await;
    }
}

async fn draw(board: ProgressBoard, stop: CancellationToken) {
    let bars = MultiProgress::new();
    let style = |template: &str| {
        ProgressStyle::with_template(template)
            .expect("the template is a constant")
            .progress_chars("━╸─")
    };
    let bar = |template: &str| {
        let bar = bars.add(ProgressBar::new(0));
        bar.set_style(style(template));
        bar
    };
    let channels = bar("{prefix:>12.bold} [{bar:30.cyan/dim}] {pos}/{len} channels  {msg}");
    let lists = bar("{prefix:>12.bold} [{bar:30.cyan/dim}] {pos}/{len} lists  {elapsed} elapsed");
    lists.set_prefix("Reactions");
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        let stopping = stop.is_cancelled();
        let now = board.look();
        let name = now.guild.as_ref().map_or("", |(_, name)| name);
        channels.set_prefix(match now.phase {
            Phase::Discovering => "Looking",
            Phase::Idle | Phase::Fetching => "Messages",
        });
        channels.set_length(now.channels);
        channels.set_position(now.channels_done);
        channels.set_message(format!("{} messages of {name}", now.messages));
        lists.set_length(now.lists);
        lists.set_position(now.lists_done);
        if stopping {
            break;
        }
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    channels.abandon();
    lists.abandon();
}
