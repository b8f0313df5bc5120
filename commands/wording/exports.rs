//! What admins read about the archive.

use std::{fmt::Write as _, time::Duration};

use super::{LONGEST_MESSAGE, code, escaped_line, first_of, settings::channels};
use propsbot_archive::{ExportProgress, Summary, Verification};
use propsbot_jobs::export::describe;
use propsbot_mirror::{ExportOutcome, FinishedExport};
use propsbot_model::{Language, counted, escape, one_line};
use propsbot_service::ArchiveStatus;

/// How many faults or withdrawn channels a message lists.
const NAMED: usize = 8;

/// How many characters of a commit's id are shown, as git does.
const SHORT: usize = 7;

pub(crate) fn exporting(made: ExportProgress, language: Language) -> String {
    format!(
        "Exporting{}… I'll tell you here when it's done.",
        progress(made, language)
    )
}

/// What an export has made until now; empty before the first file.
fn progress(made: ExportProgress, language: Language) -> String {
    match made.files {
        0 => String::new(),
        files => format!(
            " ({}, {} so far)",
            language.counted(files, "new file"),
            language.counted(made.bytes, "byte")
        ),
    }
}

/// A check of the archive is running.
pub(crate) fn verifying() -> String {
    "Checking every file of the archive… I'll tell you here when it's done.".to_owned()
}

pub(crate) fn exported(outcome: &ExportOutcome, language: Language) -> String {
    match outcome {
        Ok(done) if done.changed => {
            let mut text = format!(
                "Exported: the archive is at {}; {}, {}",
                version(done, language),
                language.counted(done.files, "new file"),
                language.counted(done.bytes, "byte"),
            );
            if done.requests > 0 {
                let _ = write!(text, ", {}", language.counted(done.requests, "request"));
            }
            text.push('.');
            text.push_str(&left_out(&done.too_large));
            if !done.withdrawn.is_empty() {
                let withdrawn = channels(&done.withdrawn);
                let _ = write!(text, " Withdrawn from the archive: {withdrawn}.");
            }
            text + &behind(done)
        }
        Ok(done) => format!(
            "Nothing has changed: the archive stays at {}.{}{}",
            version(done, language),
            left_out(&done.too_large),
            behind(done),
        ),
        Err(error) => format!(
            "Nothing was exported. I'll try again at the next scheduled export. Reason:\n{}",
            code(error)
        ),
    }
}

/// What could not be brought up to date after the export.
fn behind(done: &Summary) -> String {
    let behind = done.behind.as_ref();
    behind.map_or_else(String::new, |behind| {
        format!(
            " But something else failed; I'll try it again after the next export. Reason:\n{}",
            code(behind)
        )
    })
}

/// The files that are too large for the archive.
fn left_out(too_large: &[String]) -> String {
    if too_large.is_empty() {
        return String::new();
    }
    let files: Vec<String> = too_large.iter().map(|file| code(file)).collect();
    format!(
        " Too large for the archive, so left out: {}.",
        files.join(", ")
    )
}

/// The archive's generation, and its commit if it is a git repository.
fn version(done: &Summary, language: Language) -> String {
    let generation = language.number(done.generation);
    match done.commit.as_ref().and_then(|commit| commit.get(..SHORT)) {
        None => format!("generation {generation}"),
        Some(commit) => format!("generation {generation} (commit `{commit}`)"),
    }
}

/// When an export ran, its result, and the channels it withdrew. `what` says which export.
fn report(what: &str, export: &FinishedExport, language: Language) -> String {
    let at = export.at.0.div_euclid(1000);
    // A tenth of a second is fine enough.
    let took = humantime::format_duration(Duration::from_millis(export.took_ms / 100 * 100));
    let outcome = exported(&export.outcome, language);
    let mut text = format!("{what} <t:{at}:R> (took {took}): {outcome}\n");
    if !export.withdrawn.is_empty() {
        let names = export.withdrawn.iter().take(NAMED);
        let names: Vec<String> = names.map(|channel| escape(&describe(channel))).collect();
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

/// The last export; empty if there was none.
pub(crate) fn last_export(last: Option<&FinishedExport>) -> String {
    last.map(|export| {
        let report = report("Last export", export, Language::International);
        report + &neighbours(export)
    })
    .unwrap_or_default()
}

/// What the archive has of other providers, as the export found it; empty if there is nothing.
fn neighbours(export: &FinishedExport) -> String {
    let Ok(Summary { neighbours, .. }) = &export.outcome else {
        return String::new();
    };
    let lines: Vec<String> = neighbours
        .iter()
        .map(|space| {
            let written = space.created_at.0.div_euclid(1000);
            let (name, provider) = (escaped_line(&space.name), escaped_line(&space.provider));
            let generation = space.generation;
            format!("- {name} ({provider}): generation {generation}, written <t:{written}:R>\n")
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "Also in the archive:\n".to_owned();
    first_of(&mut text, &lines);
    text
}

/// When the last export ran, its result, and when the next one is due.
pub(crate) fn archive_status(status: &ArchiveStatus, language: Language) -> String {
    let mut text = format!("**Archive**: `{}`\n", status.destination.replace('`', "'"));
    let (board, exports) = (&status.board, &status.report);
    match &exports.last {
        None => text.push_str("No export yet.\n"),
        Some(last) => text.push_str(&report("Last export", last, language)),
    }
    if let Some(written) = exports
        .written
        .as_ref()
        .filter(|_| exports.last != exports.written)
    {
        text.push_str(&report("Last export with changes", written, language));
    }
    if let Some(since) = board.running_since {
        let _ = writeln!(
            text,
            "An export is running; it started <t:{}:R>{}.",
            since.0.div_euclid(1000),
            progress(board.made, language)
        );
    }
    if let Some(next) = board.next.filter(|_| board.running_since.is_none()) {
        let _ = writeln!(
            text,
            "The next export is due <t:{}:R>.",
            next.0.div_euclid(1000)
        );
    }
    text
}

pub(crate) fn verified(found: &Result<Verification, String>, language: Language) -> String {
    let found = match found {
        Ok(found) => found,
        Err(error) => return format!("I couldn't check the archive. Reason:\n{}", code(error)),
    };
    let checked = checked(found, language);
    let count = found.faults.len() + found.more_faults;
    let mut text = match count {
        0 => format!("The archive is intact. {checked} No faults."),
        _ => format!("**{}.** {checked}\n", counted(count, "fault")),
    };
    for fault in found.faults.iter().take(NAMED) {
        let _ = writeln!(text, "- {}", escape(fault));
    }
    if count > NAMED {
        let _ = writeln!(
            text,
            "- and {} more: `propsbot verify` lists them",
            count - NAMED
        );
    }
    text.chars().take(LONGEST_MESSAGE).collect()
}

/// Which generations were checked, how old they are, and how much that was.
fn checked(found: &Verification, language: Language) -> String {
    let mut text = String::new();
    for manifest in found.manifests.iter().take(NAMED) {
        let _ = write!(
            text,
            "{}: generation {}, exported <t:{}:R>. ",
            escape(&one_line(&manifest.name)),
            language.number(manifest.generation),
            manifest.created_at.0.div_euclid(1000)
        );
    }
    let rows = found.read.rows.values().sum();
    let _ = write!(
        text,
        "{}, {}.",
        language.counted(found.read.files, "file"),
        language.counted(rows, "row")
    );
    text
}
