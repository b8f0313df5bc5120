//! Progress bars on the terminal, redrawn ten times a second.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use propsbot_archive::{ExportProgress, ExportProgressBoard};
use propsbot_jobs::{
    guilds::PerGuild,
    progress::{Phase, Progress, ProgressBoard, log_regularly},
};
use propsbot_model::{GuildId, counted, one_line};

/// Progress bars. Finish them before printing anything else, or they erase it. If stderr isn't a terminal,
/// progress is logged instead.
pub(super) struct Bars {
    stop: CancellationToken,
    shown: JoinHandle<()>,
}

impl Bars {
    pub(super) fn show(boards: PerGuild<ProgressBoard>) -> Self {
        let stop = CancellationToken::new();
        let shown = if io::stderr().is_terminal() {
            tokio::spawn(draw(boards, stop.clone()))
        } else {
            tokio::spawn(log_regularly(boards, stop.clone()))
        };
        Self { stop, shown }
    }

    pub(super) async fn finish(self) {
        self.stop.cancel();
        // Failing to draw a bar is no reason to fail.
        let _ = self.shown.await;
    }
}

async fn draw(boards: PerGuild<ProgressBoard>, stop: CancellationToken) {
    let all = MultiProgress::new();
    let mut shown: BTreeMap<GuildId, GuildBars> = BTreeMap::new();
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        let stopping = stop.is_cancelled();
        for (guild, board) in boards.all() {
            let bars = shown.entry(guild).or_insert_with(|| GuildBars::below(&all));
            bars.show(&board.look());
        }
        if stopping {
            break;
        }
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    shown.into_values().for_each(GuildBars::end);
}

/// The bars of one guild: the current work, and, once it's known, how much of it is done.
struct GuildBars {
    all: MultiProgress,
    doing: ProgressBar,
    fetching: Option<(ProgressBar, ProgressBar)>,
}

impl GuildBars {
    /// Adds the bars of another guild below the others.
    fn below(all: &MultiProgress) -> Self {
        // Exactly as wide as the terminal.
        let doing = ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}"));
        Self {
            all: all.clone(),
            doing: all.add(doing),
            fetching: None,
        }
    }

    fn show(&mut self, now: &Progress) {
        self.doing.set_message(line(now));
        self.doing.tick();
        if now.phase == Phase::Discovering || now.channels == 0 {
            return;
        }
        let (channels, lists) = self.fetching.get_or_insert_with(|| {
            let bar = |template, above: &ProgressBar| {
                let bar = ProgressBar::new(0).with_style(style(template));
                self.all.insert_after(above, bar)
            };
            let messages = "  messages  [{bar:20.cyan/dim}] {pos}/{len} channels, {msg} messages";
            let channels = bar(messages, &self.doing);
            let lists = bar(
                "  reactions [{bar:20.cyan/dim}] {pos}/{len} lists",
                &channels,
            );
            (channels, lists)
        });
        channels.set_length(now.channels);
        channels.set_position(now.channels_done);
        channels.set_message(now.messages.to_string());
        lists.set_length(now.lists);
        lists.set_position(now.lists_done);
    }

    fn end(self) {
        self.doing.finish_and_clear();
        for bar in self
            .fetching
            .into_iter()
            .flat_map(|(channels, lists)| [channels, lists])
        {
            bar.abandon();
        }
    }
}

/// The current work; the short and important parts come first.
fn line(now: &Progress) -> String {
    let name = now.guild.as_ref().map(|(_, name)| one_line(name));
    let name = name.unwrap_or_default();
    match now.phase {
        Phase::Idle => String::new(),
        Phase::Discovering => format!("listing the channels, threads and members of {name}"),
        Phase::Fetching => format!(
            "{}, {}: {name}",
            now.time_left(),
            counted(now.requests, "request")
        ),
        Phase::Waiting => format!("waiting to retry what failed: {name}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_control_the_terminal() {
        for phase in [Phase::Discovering, Phase::Fetching, Phase::Waiting] {
            let now = Progress {
                phase,
                guild: Some((GuildId(1), "a\u{1b}[2J\nb\u{202e}".to_owned())),
                ..Progress::default()
            };
            assert!(line(&now).contains("a[2J b"), "{:?}", line(&now));
        }
    }
}
