//! The subcommand `verify`, and what is said of the manifests that any subcommand reads.

use std::time::Duration;

use anyhow::anyhow;
use propsbot_archive::{
    self as archive, Depth, Manifest, Millis, ReadError, Schema, Verification, one_line,
};
use propsbot_backends::ArchiveSpec;
use propsbot_jobs::clock::Clock;
use propsbot_model::counted;

use super::{Error, error::Tried as _, providers::Providers};
use crate::config::Config;

/// Checks an archive.
///
/// # Errors
/// Any fault; the message names each on a line of its own.
pub async fn verify(
    config: &Config,
    spec: &ArchiveSpec,
    depth: Depth,
) -> Result<Vec<String>, Error> {
    let archive = propsbot_backends::open(spec, &config.access, &config.network)?;
    let tried = || format!("could not verify {spec}");
    let providers = Providers::of(archive.as_ref()).await.tried(tried)?;
    let schemas = providers.schemas();
    let verified = archive::verify_each(archive.as_ref(), &schemas, depth).await;
    let verified = verified.tried(tried)?;
    let (mut lines, mut is_valid) = (Vec::new(), true);
    for (schema, found) in schemas.iter().zip(verified) {
        let of = match &*schemas {
            [_] => spec.to_string(),
            _ => format!("{spec}, {}", schema.provider),
        };
        is_valid &= found.is_valid();
        if found.manifests.is_empty() && !found.is_valid() {
            lines.push(format!("{of}: {}", faults(&found)));
            continue;
        }
        lines.extend(as_of(&found.manifests, Clock::now()).tried(tried)?);
        lines.extend(checked_lines(&of, &found, depth));
        if found.is_valid() {
            lines.extend(incomplete(&found.manifests, schema));
        }
    }
    lines.extend(providers.left_out());
    if is_valid {
        return Ok(lines);
    }
    Err(Error::Failed(anyhow!(lines.join("\n"))))
}

/// What was found in an archive, or in one provider's part of it.
fn checked_lines(of: &str, found: &Verification, depth: Depth) -> Vec<String> {
    let rows = found.read.rows.iter();
    let rows: Vec<String> = rows
        .map(|(table, count)| format!("{table} {count}"))
        .collect();
    let rows = match depth {
        Depth::Whole => format!("rows: {}", rows.join(", ")),
        Depth::Structure => "rows not checked".to_owned(),
    };
    let files = counted(found.read.files, "file");
    if !found.is_valid() {
        let count = found.faults.len() + found.more_faults;
        let count = counted(count, "fault");
        return vec![format!(
            "{of}: {files}: {rows}. {count}:\n  {}",
            faults(found)
        )];
    }
    let mut lines = vec![format!("{of}: {files}; {rows}. No faults.")];
    let unresolved = found.read.unresolved.iter();
    let unresolved: Vec<String> = unresolved
        .map(|((table, to), rows)| format!("{table} without their {to}: {rows}"))
        .collect();
    if !unresolved.is_empty() {
        lines.push(format!(
            "This is not a fault (see docs/archive-format.md): {}",
            unresolved.join(", ")
        ));
    }
    lines
}

/// The listed faults, one a line, and how many more there are.
pub(super) fn faults(found: &Verification) -> String {
    let mut faults = found.faults.clone();
    if found.more_faults > 0 {
        faults.push(format!("and {} more", found.more_faults));
    }
    faults.join("\n  ")
}

/// Which generation of each space is read, and how old it is. Fails if one is from the future.
pub(super) fn as_of(manifests: &[Manifest], now: Millis) -> Result<Vec<String>, ReadError> {
    let one = |manifest: &Manifest| {
        manifest.check_clock(now)?;
        let age = now.0.saturating_sub(manifest.created_at.0);
        let minutes = u64::try_from(age / 60_000).unwrap_or_default();
        let age = match minutes {
            0 => "just now".to_owned(),
            minutes => {
                let age = Duration::from_secs(minutes * 60);
                format!("{} ago", humantime::format_duration(age))
            }
        };
        let (name, generation) = (one_line(&manifest.name), manifest.generation);
        Ok(format!("{name}: generation {generation}, exported {age}"))
    };
    manifests.iter().map(one).collect()
}

/// Warnings about what was never completely synced when it was exported.
pub(super) fn incomplete(manifests: &[Manifest], schema: &Schema) -> Vec<String> {
    let never = |space: &Manifest| {
        let is_synced = |class: &&str| matches!(space.synced.get(*class), Some(Some(_)));
        let classes = schema.classes.iter().copied();
        let classes: Vec<&str> = classes.filter(|class| !is_synced(class)).collect();
        (!classes.is_empty()).then(|| {
            format!(
                "warning: {} was incomplete when exported: {}. Cred is computed from what is there; \
                 `propsbot sync` fetches the rest",
                one_line(&space.name),
                classes.join(", ")
            )
        })
    };
    manifests.iter().filter_map(never).collect()
}
