//! Progress as JSON lines on stdout, for programs: one a second and one at every change of phase, then
//! one for each guild's end.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Error, print_line};
use propsbot_jobs::{
    backfill::Summary,
    progress::{Phase, Progress, ProgressBoard},
};
use propsbot_model::{ChannelId, Drift, GuildId, printable_json};

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(1);
/// How often is looked whether the phase has changed.
const LOOK: Duration = Duration::from_millis(50);

/// A line: how far a guild is, or how it ended.
#[derive(Serialize)]
struct Line<'a> {
    guild: String,
    name: &'a str,
    /// `discovering`, `fetching`, `waiting` (before what failed is tried again), `done`.
    phase: &'static str,
    channels_done: u64,
    channels: u64,
    messages: u64,
    lists_done: u64,
    lists: u64,
    requests: u64,
    /// How long it will take at the least; `null` while that is unknown.
    eta_seconds: Option<u64>,
    /// What could not be fetched, but may be later.
    failures: u64,
    /// Only in the last line of a guild.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

/// How a guild ended.
#[derive(Serialize)]
struct End {
    complete: bool,
    /// Why it could not even be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    incomplete_channels: u64,
    unreadable_channels: usize,
    refused: u64,
    /// Lists of reactors that contradict Discord's counts.
    contradicted: u64,
    /// What had changed unheard, of what was thought to be known.
    found: Drift,
    /// What the mirror lacks.
    missing: Vec<String>,
    /// Channels that permissions keep the bot out of: they are not missing.
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Unreadable {
    id: ChannelId,
    name: String,
}

/// Lines that are written until they are finished.
pub(super) struct Lines {
    stop: CancellationToken,
    written: AbortOnDropHandle<Result<(), Error>>,
}

impl Lines {
    pub(super) fn write(board: ProgressBoard) -> Self {
        let stop = CancellationToken::new();
        let written = AbortOnDropHandle::new(tokio::spawn(write(board, stop.clone())));
        Self { stop, written }
    }

    /// No more lines; then the one that says how the guild ended.
    ///
    /// # Errors
    /// A line that could not be written.
    pub(super) async fn finish(
        self,
        (guild, name): (GuildId, &str),
        now: &Progress,
        ended: Result<&Summary, String>,
    ) -> Result<(), Error> {
        self.stop.cancel();
        self.written
            .await
            .context("a task panicked; report this")??;
        let summary = ended.as_ref().map(|it| (*it).clone()).unwrap_or_default();
        let end = End {
            complete: ended.is_ok() && summary.is_complete(),
            error: ended.err(),
            incomplete_channels: summary.incomplete,
            unreadable_channels: summary.unreadable.len(),
            refused: summary.refused,
            contradicted: summary.contradicted,
            found: summary.found,
            missing: summary.missing,
            unreadable: summary
                .unreadable
                .into_iter()
                .map(|(id, name)| Unreadable { id, name })
                .collect(),
        };
        say(&Line {
            phase: "done",
            eta_seconds: None,
            end: Some(end),
            ..line((guild, name), now)
        })
    }
}

async fn write(board: ProgressBoard, stop: CancellationToken) -> Result<(), Error> {
    let mut tick = time::interval(LOOK);
    let mut last: Option<(Phase, time::Instant)> = None;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let now = board.look();
        let is_due = last.is_none_or(|(phase, at)| phase != now.phase || at.elapsed() >= EVERY);
        if let Some((guild, name)) = &now.guild
            && now.phase != Phase::Idle
            && is_due
        {
            last = Some((now.phase, time::Instant::now()));
            say(&line((*guild, name), &now))?;
        }
    }
    Ok(())
}

fn line<'a>((guild, name): (GuildId, &'a str), now: &Progress) -> Line<'a> {
    Line {
        guild: guild.to_string(),
        name,
        phase: match now.phase {
            Phase::Discovering => "discovering",
            Phase::Fetching => "fetching",
            Phase::Waiting => "waiting",
            Phase::Idle => "done",
        },
        channels_done: now.channels_done,
        channels: now.channels,
        messages: now.messages,
        lists_done: now.lists_done,
        lists: now.lists,
        requests: now.requests,
        eta_seconds: now.left.map(|it| it.as_secs()),
        failures: now.failures,
        end: None,
    }
}

fn say(line: &Line<'_>) -> Result<(), Error> {
    let text = serde_json::to_string(line).expect("numbers and texts are JSON");
    print_line(&printable_json(&text))
}
