//! What admins are told of the archive.

use std::{fmt::Write as _, time::Duration};

use super::{LONGEST_MESSAGE, code};
use propsbot_jobs::export::{ExportOutcome, LastExport, Made, Summary};
use propsbot_model::{ChannelId, Language, escape};
use propsbot_service::ArchiveStatus;

/// How many faults or channels are named.
const NAMED: usize = 8;

/// How much of a commit's name is shown, as git does.
const SHORT: usize = 7;

/// An export is being made.
pub(crate) fn exporting(made: Made, language: Language) -> String {
    format!(
        "Exporting{}… I write here when it is done.",
        so_much(made, language)
    )
}

/// What was made so far; nothing before the first file.
fn so_much(made: Made, language: Language) -> String {
    match made.files {
        0 => String::new(),
        files => format!(
            " ({} new files, {} bytes so far)",
            language.number(files),
            language.number(made.bytes)
        ),
    }
}

/// An archive is being checked.
pub(crate) fn verifying() -> String {
    "Checking every file of the archive… I write here when it is done.".to_owned()
}

/// What came of an export.
pub(crate) fn exported(outcome: &ExportOutcome, language: Language) -> String {
    match outcome {
        Ok(done) if done.changed => format!(
            "Exported: the archive is at {}; {} rows in {} new files, {} bytes{}.{}",
            version(done, language),
            language.number(done.rows),
            language.number(done.blobs + done.indexes),
            language.number(done.bytes),
            match done.requests {
                0 => String::new(),
                some => format!(", {} requests", language.number(some)),
            },
            left_out(&done.too_large) + &withdrawn(&done.withdrawn_channels),
        ),
        Ok(done) => format!(
            "Nothing has changed: the archive stays at {}.{}",
            version(done, language),
            left_out(&done.too_large),
        ),
        Err(error) => format!(
            "Nothing was exported; it is tried again at the next time. Why: {}",
            code(error)
        ),
    }
}

/// Which channels are not in the archive any more.
fn withdrawn(channels: &[ChannelId]) -> String {
    if channels.is_empty() {
        return String::new();
    }
    let named = channels.iter().take(NAMED).map(|id| format!("<#{id}>"));
    let named = named.collect::<Vec<_>>().join(", ");
    format!(" Withdrawn from it ({}): {named}.", channels.len())
}

/// What the archive does not take.
fn left_out(too_large: &[String]) -> String {
    if too_large.is_empty() {
        return String::new();
    }
    let files: Vec<String> = too_large.iter().map(|it| code(it)).collect();
    format!(" Too large for it, so left out: {}.", files.join(", "))
}

/// Which generation it is, and in which commit.
fn version(done: &Summary, language: Language) -> String {
    let generation = language.number(done.generation);
    match done.commit.as_ref().and_then(|it| it.get(..SHORT)) {
        None => format!("generation {generation}"),
        Some(commit) => format!("generation {generation} (commit `{commit}`)"),
    }
}

/// What came of an export, and when.
fn told(what: &str, export: &LastExport, language: Language) -> String {
    let at = export.at.0.div_euclid(1000);
    // A tenth of a second is fine enough.
    let took = humantime::format_duration(Duration::from_millis(export.took_ms / 100 * 100));
    let outcome = exported(&export.outcome, language);
    let mut text = format!("{what} <t:{at}:R> (it took {took}): {outcome}\n");
    if !export.withdrawn.is_empty() {
        let names = export.withdrawn.iter().take(NAMED);
        let names: Vec<String> = names.map(|it| escape(&it.to_string())).collect();
        let more = match export.withdrawn.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let _ = writeln!(
            text,
            "**Withdrawn** from the archive: {}{more}",
            names.join(", ")
        );
    }
    text
}

/// The last export, in a line; nothing if there was none.
pub(crate) fn last_export(last: Option<&LastExport>) -> String {
    last.map(|it| told("Last export", it, Language::International))
        .unwrap_or_default()
}

/// When the last export was, what came of it, and when the next one is due.
pub(crate) fn archive_status(status: &ArchiveStatus, language: Language) -> String {
    let mut text = format!("**Archive**: `{}`\n", status.destination.replace('`', "'"));
    let (board, report) = (&status.board, &status.report);
    match &report.last {
        None => text.push_str("No export yet.\n"),
        Some(last) => text.push_str(&told("Last export", last, language)),
    }
    if let Some(written) = report
        .written
        .as_ref()
        .filter(|_| report.last != report.written)
    {
        text.push_str(&told("The last that wrote something", written, language));
    }
    if let Some(since) = board.running_since {
        let _ = writeln!(
            text,
            "One is being made, since <t:{}:R>{}.",
            since.0.div_euclid(1000),
            so_much(board.made, language)
        );
    }
    if let Some(next) = board.next.filter(|_| board.running_since.is_none()) {
        let _ = writeln!(
            text,
            "The next one is due <t:{}:R>.",
            next.0.div_euclid(1000)
        );
    }
    text
}

/// What a check found.
pub(crate) fn verified(found: &Result<(String, Vec<String>), String>) -> String {
    let (checked, faults) = match found {
        Ok(found) => found,
        Err(error) => return format!("The archive could not be checked: {}", code(error)),
    };
    if faults.is_empty() {
        return format!("The archive is sound: {}. No fault.", escape(checked));
    }
    let mut text = format!("**{} faults** in {}:\n", faults.len(), escape(checked));
    for fault in faults.iter().take(NAMED) {
        let _ = writeln!(text, "- {}", escape(fault));
    }
    if faults.len() > NAMED {
        let _ = writeln!(
            text,
            "- and {} more: `propsbot verify` names them all",
            faults.len() - NAMED
        );
    }
    text.chars().take(LONGEST_MESSAGE).collect()
}
