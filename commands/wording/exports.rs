//! What admins are told of the archive.

use std::{fmt::Write as _, time::Duration};

use super::{LONGEST_MESSAGE, code};
use crate::{
    jobs::export::ExportOutcome,
    model::{Language, escape},
    service::ArchiveStatus,
};

/// How many faults are named.
const NAMED: usize = 8;

/// An export is being made.
pub(in crate::commands) fn exporting() -> String {
    "Exporting… I write here when it is done.".to_owned()
}

/// An archive is being checked.
pub(in crate::commands) fn verifying() -> String {
    "Checking every file of the archive… I write here when it is done.".to_owned()
}

/// What came of an export.
pub(in crate::commands) fn exported(outcome: &ExportOutcome, language: Language) -> String {
    match outcome {
        Ok(done) if done.changed => format!(
            "Exported: the archive is at generation {}; {} rows in {} new files, {} bytes.",
            language.number(done.generation),
            language.number(done.rows),
            language.number(done.blobs + done.indexes),
            language.number(done.bytes)
        ),
        Ok(done) => format!(
            "Nothing has changed: the archive stays at generation {}.",
            language.number(done.generation)
        ),
        Err(error) => format!(
            "Nothing was exported; it is tried again at the next time. Why: {}",
            code(error)
        ),
    }
}

/// When the last export was, what came of it, and when the next one is due.
pub(in crate::commands) fn archive_status(status: &ArchiveStatus, language: Language) -> String {
    let mut text = format!("**Archive**: `{}`\n", status.destination.replace('`', "'"));
    let board = &status.board;
    match &board.last {
        None => text.push_str("No export yet since I was started.\n"),
        Some(last) => {
            let at = last.at.0.div_euclid(1000);
            // A tenth of a second is fine enough.
            let took = Duration::from_millis(
                u64::try_from(last.took.as_millis()).unwrap_or(0) / 100 * 100,
            );
            let took = humantime::format_duration(took);
            let outcome = exported(&last.outcome, language);
            let _ = writeln!(text, "Last export <t:{at}:R> (it took {took}): {outcome}");
        }
    }
    if let Some(since) = board.running_since {
        let _ = writeln!(
            text,
            "One is being made, since <t:{}:R>.",
            since.0.div_euclid(1000)
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
pub(in crate::commands) fn verified(found: &Result<(String, Vec<String>), String>) -> String {
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
