//! What SourceCred would have written into the instance, as a patch.

use serde::Serialize;

use super::{
    Configured,
    instance::{ATTRIBUTIONS, DEPENDENCIES, Instance, LEDGER},
};
use propsbot_archive::{printable, printable_json};
use propsbot_sourcecred::cred::Cred;

/// How many lines of a file's end the patch shows at most, so that `patch` finds the place.
const CONTEXT: usize = 3;

/// The patch; empty if SourceCred would have changed nothing.
pub(super) fn patch(
    instance: &Instance<'_>,
    cred: &Cred,
    before: &Configured,
) -> anyhow::Result<String> {
    let mut patch = String::new();
    let (dependencies, attributions) = before;
    if dependencies != cred.dependencies() {
        let new = json(&cred.dependencies())?;
        patch += &replaced(DEPENDENCIES, instance.text(DEPENDENCIES)?.as_deref(), &new);
    }
    if attributions != cred.attributions() {
        let new = json(&cred.attributions())?;
        patch += &replaced(ATTRIBUTIONS, instance.text(ATTRIBUTIONS)?.as_deref(), &new);
    }
    let lines: Vec<String> = cred
        .ledger()
        .added()
        .iter()
        .map(|event| printable_json(&event.line()))
        .collect();
    if !lines.is_empty() {
        let old = instance.text(LEDGER)?;
        patch += &match old.as_deref() {
            Some(old) if !old.starts_with('{') => {
                // The list that earlier versions of SourceCred wrote, or nothing.
                let events = old.lines().filter(|line| line.starts_with('{'));
                let events = events.map(|line| line.trim_end_matches([',', '\r']).to_owned());
                let all: Vec<String> = events.chain(lines).collect();
                replaced(LEDGER, Some(old), &all.join("\n"))
            }
            old => appended(LEDGER, old, &lines),
        };
    }
    Ok(patch)
}

fn json(new: &impl Serialize) -> anyhow::Result<String> {
    let mut json = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    new.serialize(&mut serde_json::Serializer::with_formatter(
        &mut json, indent,
    ))?;
    Ok(String::from_utf8(json)?)
}

/// A file whose whole content is replaced.
fn replaced(file: &str, old: Option<&str>, new: &str) -> String {
    let old_lines = old.map_or(0, |old| old.lines().count());
    let mut patch = head(file, old);
    let first = usize::from(old_lines > 0);
    patch += &format!("@@ -{first},{old_lines} +1,{} @@\n", new.lines().count());
    for line in old.into_iter().flat_map(str::lines) {
        patch += &format!("-{line}\n");
    }
    if old.is_some_and(|old| !old.ends_with('\n') && !old.is_empty()) {
        patch += NO_NEWLINE;
    }
    for line in new.lines() {
        patch += &format!("+{line}\n");
    }
    patch
}

/// A file that gets more lines at its end.
fn appended(file: &str, old: Option<&str>, new: &[String]) -> String {
    let lines: Vec<&str> = old.map_or_else(Vec::new, |old| old.lines().collect());
    // What can't be printed as it is would not be found again.
    let shown = lines.iter().rev().take(CONTEXT);
    let shown = shown.take_while(|line| printable(line) == **line).count();
    let context = &lines[lines.len() - shown..];
    let first = |count: usize| {
        // An insertion is after a line, anything else at its first line.
        if count == 0 {
            lines.len()
        } else {
            lines.len() - context.len() + 1
        }
    };
    let all = context.len() + new.len();
    let mut patch = head(file, old);
    let (from, to) = (first(context.len()), first(all));
    let mut line = |text: &str| {
        patch += text;
        patch.push('\n');
    };
    line(&format!("@@ -{from},{} +{to},{all} @@", context.len()));
    let is_open = old.is_some_and(|old| !old.is_empty() && !old.ends_with('\n'));
    for (index, text) in context.iter().enumerate() {
        if is_open && index + 1 == context.len() {
            line(&format!("-{text}\n{}+{text}", NO_NEWLINE));
        } else {
            line(&format!(" {text}"));
        }
    }
    for text in new {
        line(&format!("+{text}"));
    }
    patch
}

const NO_NEWLINE: &str = "\\ No newline at end of file\n";

fn head(file: &str, old: Option<&str>) -> String {
    let from = if old.is_some() {
        format!("a/{file}")
    } else {
        "/dev/null".to_owned()
    };
    format!("--- {from}\n+++ b/{file}\n")
}
