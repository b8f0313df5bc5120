//! The recap.

use std::fmt::{Display, Write as _};

use super::{
    first_chars,
    reports::{alt_text, line, score},
};
use propsbot_model::{Language, Millis, RecapPeriod, UserId};
use propsbot_service::RecapReport;

/// How many newcomers a recap names.
const NEWCOMERS: usize = 10;

/// How long the reason of a failure may be.
const REASON: usize = 300;

const DAY_MS: i64 = 86_400_000;

/// The recap. It has ids instead of names, so that what the mirror keeps of it follows the members' privacy
/// choices; nobody is pinged.
pub(crate) fn recap(every: RecapPeriod, report: &RecapReport) -> String {
    let language = report.board.language;
    let mut text = format!("{} · {}\n", every.heading(), days(report));
    let _ = write!(
        text,
        "Props were given {}",
        language.counted(report.thanks, "time")
    );
    if report.receivers > 0 {
        let _ = write!(
            text,
            ", to {}",
            language.counted(report.receivers, "member")
        );
    }
    text.push_str(".\n");
    for entry in &report.board.ranked {
        let count = score(language, entry.score);
        // Escaped, because Discord would renumber the lines.
        let _ = writeln!(text, "{}\\. <@{}>: {count}", entry.rank, entry.user_id);
    }
    text.push_str(&newcomers(language, &report.newcomers));
    text.push_str("-# Counts channels that every member can read.");
    first_chars(text)
}

fn newcomers(language: Language, newcomers: &[UserId]) -> String {
    if newcomers.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> = newcomers
        .iter()
        .take(NEWCOMERS)
        .map(|newcomer| format!("<@{newcomer}>"))
        .collect();
    let more = newcomers.len().saturating_sub(NEWCOMERS);
    if more > 0 {
        names.push(format!("{} more", language.number(more as u64)));
    }
    format!("🎉 Thanked for the first time: {}\n", names.join(", "))
}

pub(crate) fn recap_chart_title(report: &RecapReport) -> String {
    format!("Props received · {}", days(report))
}

pub(crate) fn recap_alt_text(report: &RecapReport) -> String {
    alt_text(&recap_chart_title(report), &report.board)
}

/// Why a recap wasn't posted, for admins.
pub(crate) fn recap_failure(error: &dyn Display) -> String {
    line(&error.to_string(), REASON)
}

/// The first and last day of the period.
fn days(report: &RecapReport) -> String {
    let date = |time| report.board.language.date(time);
    let last = Millis(report.period.end.0 - DAY_MS);
    format!("{} to {}", date(report.period.start), date(last))
}
