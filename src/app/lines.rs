//! Progress as JSON lines on stdout: one a second, one at every change of phase, and one when a guild ends.

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
/// How often to check whether the phase has changed.
const LOOK: Duration = Duration::from_millis(50);

/// A line: the progress of a guild, or how it ended.
#[derive(Serialize)]
struct Line<'a> {
    guild: String,
    name: &'a str,
    /// `discovering`, `fetching`, `waiting` (to retry what failed), `done`.
    phase: &'static str,
    channels_done: u64,
    channels: u64,
    messages: u64,
    lists_done: u64,
    lists: u64,
    requests: u64,
    /// The least time it will take; `null` while unknown.
    eta_seconds: Option<u64>,
    /// How much couldn't be fetched yet.
    failures: u64,
    /// Only in the last line of a guild.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

/// How a guild ended.
#[derive(Serialize)]
struct End {
    complete: bool,
    /// Why it couldn't be synced at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    incomplete_channels: u64,
    unreadable_channels: usize,
    refused: u64,
    /// Reaction lists whose length differs from Discord's count.
    contradicted: u64,
    /// Missed changes to history that was already fetched.
    found: Drift,
    /// What the mirror lacks.
    missing: Vec<String>,
    /// Channels that the bot has no permission to read; they don't count as missing.
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Unreadable {
    id: ChannelId,
    name: String,
}

/// Writes lines in a task until they are finished.
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

    /// Stops the task, and writes the line that says how the guild ended.
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
        let summary = ended
            .as_ref()
            .map(|summary| (*summary).clone())
            .unwrap_or_default();
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
        eta_seconds: now.left.map(|left| left.as_secs()),
        failures: now.failures,
        end: None,
    }
}

fn say(line: &Line<'_>) -> Result<(), Error> {
    let text = serde_json::to_string(line).expect("numbers and texts are JSON");
    print_line(&printable_json(&text))
}
