//! Progress bars on the terminal: what the board says, ten times a second.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use crate::jobs::progress::{Phase, ProgressBoard, log_regularly};

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
    let looking = bars.add(ProgressBar::new_spinner().with_style(style("{spinner} {msg}")));
    let mut fetching: Option<(ProgressBar, ProgressBar)> = None;
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        let stopping = stop.is_cancelled();
        let now = board.look();
        let name = now.guild.as_ref().map_or("", |(_, name)| name);
        looking.set_message(format!(
            "looking at the channels, threads and members of {name}"
        ));
        looking.tick();
        if now.phase != Phase::Discovering && now.channels > 0 {
            looking.finish_and_clear();
            let (channels, lists) = fetching.get_or_insert_with(|| {
                let bar = |template| bars.add(ProgressBar::new(0).with_style(style(template)));
                (
                    bar("  messages  [{bar:30.cyan/dim}] {pos}/{len} channels, {msg}"),
                    bar("  reactions [{bar:30.cyan/dim}] {pos}/{len} lists, {elapsed}"),
                )
            });
            channels.set_length(now.channels);
            channels.set_position(now.channels_done);
            channels.set_message(format!("{} messages of {name}", now.messages));
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
    for bar in fetching
        .into_iter()
        .flat_map(|(channels, lists)| [channels, lists])
    {
        bar.abandon();
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
