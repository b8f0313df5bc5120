//! The progress of the work on each guild.

use serde::Serialize;
use serde_json::{Map, Value};

use super::DiscordProvider;
use crate::{
    backfill::{BackfillError, Summary},
    progress::{self, Phase},
};
use propsbot_archive::Id;
use propsbot_mirror::{Gauge, Progress};
use propsbot_model::{ChannelId, Drift, GuildId, counted, one_line};

/// How a guild's sync ended.
pub(super) struct Ended {
    name: String,
    /// The result, or why the guild couldn't be synced at all.
    outcome: Result<Summary, String>,
}

/// The progress of a guild, or how its sync ended, for programs.
#[derive(Serialize)]
struct Details<'a> {
    guild: GuildId,
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
    /// Only after the end.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    end: Option<End<'a>>,
}

/// How a guild's sync ended.
#[derive(Serialize)]
struct End<'a> {
    complete: bool,
    /// Why it couldn't be synced at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    incomplete_channels: u64,
    unreadable_channels: usize,
    refused: u64,
    /// Reaction lists whose length differs from Discord's count.
    contradicted: u64,
    /// Missed changes to history that was already fetched.
    found: Drift,
    missing: &'a [String],
    /// Channels that the bot has no permission to read; they don't count as missing.
    unreadable: Vec<Unreadable<'a>>,
}

#[derive(Serialize)]
struct Unreadable<'a> {
    id: ChannelId,
    name: &'a str,
}

impl DiscordProvider {
    /// Forgets how earlier syncs ended, before another one begins.
    pub fn begin_progress(&self) {
        self.ended.lock().expect("no insertion panics").clear();
    }

    /// Records how a guild's sync ended.
    pub(super) fn ended(&self, guild: GuildId, name: &str, done: &Result<Summary, BackfillError>) {
        let ended = Ended {
            name: name.to_owned(),
            outcome: match done {
                Ok(summary) => Ok(summary.clone()),
                Err(error) => Err(error.to_string()),
            },
        };
        let mut all = self.ended.lock().expect("no insertion panics");
        all.insert(guild, ended);
    }

    pub(super) fn progress_of_guilds(&self) -> Vec<Progress> {
        let boards = self.boards.all().into_iter();
        let ended = self.ended.lock().expect("no insertion panics");
        boards
            .filter_map(|(guild, board)| of_guild(guild, &board.look(), ended.get(&guild)))
            .collect()
    }
}

/// `None` if there is no work in progress and none has ended.
fn of_guild(guild: GuildId, now: &progress::Progress, ended: Option<&Ended>) -> Option<Progress> {
    let named = now.guild.as_ref().map(|(_, name)| name);
    let name = ended.map(|ended| &ended.name).or(named)?;
    let phase = match now.phase {
        _ if ended.is_some() => "done",
        Phase::Discovering => "discovering",
        Phase::Fetching => "fetching",
        Phase::Waiting => "waiting",
        Phase::Idle => return None,
    };
    let details = Details {
        guild,
        name,
        phase,
        channels_done: now.channels_done,
        channels: now.channels,
        messages: now.messages,
        lists_done: now.lists_done,
        lists: now.lists,
        requests: now.requests,
        eta_seconds: now
            .left
            .filter(|_| ended.is_none())
            .map(|left| left.as_secs()),
        failures: now.failures,
        end: ended.map(|ended| end(&ended.outcome)),
    };
    Some(Progress {
        space: Id::new(guild),
        phase,
        is_done: ended.is_some(),
        text: text(now),
        gauges: gauges(now),
        details: map(&details),
    })
}

fn end(outcome: &Result<Summary, String>) -> End<'_> {
    let summary = outcome.as_ref().ok();
    let unreadable = summary.map_or(&[][..], |summary| &summary.unreadable);
    End {
        complete: summary.is_some_and(Summary::is_complete),
        error: outcome.as_ref().err().map(String::as_str),
        incomplete_channels: summary.map_or(0, |summary| summary.incomplete),
        unreadable_channels: unreadable.len(),
        refused: summary.map_or(0, |summary| summary.refused),
        contradicted: summary.map_or(0, |summary| summary.contradicted),
        found: summary.map_or_else(Drift::default, |summary| summary.found),
        missing: summary.map_or(&[][..], |summary| &summary.missing),
        unreadable: unreadable
            .iter()
            .map(|(id, name)| Unreadable { id: *id, name })
            .collect(),
    }
}

fn map(details: &Details<'_>) -> Map<String, Value> {
    match serde_json::to_value(details) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("the details are a struct of numbers and texts"),
    }
}

/// A line on the current work; short and important parts come first.
fn text(now: &progress::Progress) -> String {
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

fn gauges(now: &progress::Progress) -> Vec<Gauge> {
    if now.phase == Phase::Discovering || now.channels == 0 {
        return Vec::new();
    }
    vec![
        Gauge {
            label: "messages",
            done: now.channels_done,
            total: now.channels,
            unit: format!("channels, {} messages", now.messages),
        },
        Gauge {
            label: "reactions",
            done: now.lists_done,
            total: now.lists,
            unit: "lists".to_owned(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_control_the_terminal() {
        for phase in [Phase::Discovering, Phase::Fetching, Phase::Waiting] {
            let now = progress::Progress {
                phase,
                guild: Some((GuildId(1), "a\u{1b}[2J\nb\u{202e}".to_owned())),
                ..progress::Progress::default()
            };
            assert!(text(&now).contains("a[2J b"), "{:?}", text(&now));
        }
    }
}
