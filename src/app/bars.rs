//! Progress bars on the terminal: what the board says, ten times a second.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use crate::jobs::progress::{Phase, Progress, ProgressBoard, log_regularly};

/// Bars that are shown until they are finished. Where stderr is no terminal, the log tells instead.
pub(super) struct Bars {
    stop: CancellationToken,
    shown: JoinHandle<()>,
}

impl Bars {
    pub(super) fn show(board: ProgressBoard) -> Self {
        let stop = CancellationToken::new();
        let shown = if io::stderr().is_terminal() {
            tokio::spawn(draw(board, stop.clone()))
        } else {
            tokio::spawn(log_regularly(board, stop.clone()))
        };
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
    // As wide as the terminal, and no wider.
    let doing = bars.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
    let mut fetching: Option<(ProgressBar, ProgressBar)> = None;
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        let stopping = stop.is_cancelled();
        let now = board.look();
        doing.set_message(line(&now));
        doing.tick();
        if now.phase != Phase::Discovering && now.channels > 0 {
            let (channels, lists) = fetching.get_or_insert_with(|| {
                let bar = |template| bars.add(ProgressBar::new(0).with_style(style(template)));
                (
                    bar("  messages  [{bar:20.cyan/dim}] {pos}/{len} channels, {msg} messages"),
                    bar("  reactions [{bar:20.cyan/dim}] {pos}/{len} lists"),
                )
            });
            channels.set_length(now.channels);
            channels.set_position(now.channels_done);
            channels.set_message(now.messages.to_string());
            lists.set_length(now.lists);
            lists.set_position(now.lists_done);
        }
        if stopping {
            break;
        }
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    doing.finish_and_clear();
    for bar in fetching
        .into_iter()
        .flat_map(|(channels, lists)| [channels, lists])
    {
        bar.abandon();
    }
}

/// What is being done, the shortest and most wanted first.
fn line(now: &Progress) -> String {
    let name = now.guild.as_ref().map_or("", |(_, name)| name);
    match now.phase {
        Phase::Idle => String::new(),
        Phase::Discovering => format!("looking at the channels, threads and members of {name}"),
        Phase::Fetching => format!("{}, {} requests: {name}", now.time_left(), now.requests),
        Phase::Waiting => format!("waiting to try again what failed: {name}"),
    }
}

/// A bar that counts rows; nothing where stderr is no terminal.
pub(super) fn rows_bar() -> ProgressBar {
    ProgressBar::new(0).with_style(style("  rows [{bar:30.cyan/dim}] {pos}/{len}, {elapsed}"))
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    style.progress_chars("━╸─")
}
