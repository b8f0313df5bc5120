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
    let removed: Vec<String> = lines(old).iter().map(|line| format!("-{line}")).collect();
    let added: Vec<String> = new.lines().map(|line| format!("+{line}")).collect();
    let first = usize::from(!removed.is_empty());
    let hunk = format!("@@ -{first},{} +1,{} @@", removed.len(), added.len());
    let open = is_open(old).then(|| NO_NEWLINE.to_owned());
    let all = [head(file, old), hunk].into_iter().chain(removed);
    joined(all.chain(open).chain(added))
}

/// A file that gets more lines at its end.
fn appended(file: &str, old: Option<&str>, new: &[String]) -> String {
    let lines = lines(old);
    // What can't be printed as it is would not be found again.
    let shown = lines.iter().rev().take(CONTEXT);
    let shown = shown.take_while(|line| printable(line) == **line).count();
    let (above, context) = lines.split_at(lines.len() - shown);
    // An insertion is after a line, anything else at its first line.
    let first = |count: usize| above.len() + usize::from(count > 0);
    let all = shown + new.len();
    let hunk = format!("@@ -{},{shown} +{},{all} @@", first(shown), first(all));
    let last = context.last().filter(|_| is_open(old));
    let kept = &context[..shown - usize::from(last.is_some())];
    let mut patch = vec![head(file, old), hunk];
    patch.extend(kept.iter().map(|line| format!(" {line}")));
    if let Some(last) = last {
        patch.extend([
            format!("-{last}"),
            NO_NEWLINE.to_owned(),
            format!("+{last}"),
        ]);
    }
    patch.extend(new.iter().map(|line| format!("+{line}")));
    joined(patch.into_iter())
}

const NO_NEWLINE: &str = "\\ No newline at end of file";

fn lines(text: Option<&str>) -> Vec<&str> {
    text.into_iter().flat_map(str::lines).collect()
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Whether the last line has no end.
fn is_open(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty() && !text.ends_with('\n'))
}

fn head(file: &str, old: Option<&str>) -> String {
    let from = if old.is_some() {
        format!("a/{file}")
    } else {
        "/dev/null".to_owned()
    };
    format!("--- {from}\n+++ b/{file}")
}
