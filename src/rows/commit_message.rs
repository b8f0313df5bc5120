//! Commit messages of archives in git: what changed since the previous generation.

use jiff::Timestamp;

use propsbot_archive::{Manifest, Millis};

use super::{MESSAGES, PROPS, REACTIONS};

/// What an export changed in one line:
/// `Archive 2026-11-23 10:00 UTC: 128 messages and 9 props added, 1 reaction removed, in 2 servers`.
///
/// Counts added and removed rows, channels and servers, and damaged files that were recreated. Takes the
/// servers' manifests after and before the export.
pub(super) fn commit_message(
    after: &[&Manifest],
    before: &[&Manifest],
    recreated: usize,
) -> String {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let mut note = |count: &dyn Fn(&Manifest) -> u64, one: &str, many: &str| {
        let sum = |all: &[&Manifest]| -> u64 {
            let each = all.iter().map(|manifest| count(manifest));
            each.fold(0, u64::saturating_add)
        };
        let (after, before) = (sum(after), sum(before));
        let list = if after > before {
            &mut added
        } else {
            &mut removed
        };
        match after.abs_diff(before) {
            0 => {}
            1 => list.push(format!("1 {one}")),
            count => list.push(format!("{count} {many}")),
        }
    };
    for (table, one, many) in COUNTED {
        let rows = |manifest: &Manifest| manifest.rows.get(table).copied().unwrap_or_default();
        note(&rows, one, many);
    }
    note(
        &|manifest| manifest.parts.count as u64,
        "channel",
        "channels",
    );
    note(&|_| 1, "server", "servers");
    let mut parts = Vec::new();
    for (list, what) in [(added, "added"), (removed, "removed")] {
        if let Some(list) = listed(&list) {
            parts.push(format!("{list} {what}"));
        }
    }
    match recreated {
        0 => {}
        1 => parts.push("1 damaged file recreated".to_owned()),
        many => parts.push(format!("{many} damaged files recreated")),
    }
    if parts.is_empty() {
        parts.push("edits, members or settings".to_owned());
    }
    let changed = after.iter().filter(|manifest| !before.contains(manifest));
    if let many @ 2.. = changed.count() {
        parts.push(format!("in {many} servers"));
    }
    let at = after
        .iter()
        .chain(before)
        .map(|manifest| manifest.created_at)
        .max();
    format!(
        "Archive {}: {}",
        at.map_or_else(String::new, minute),
        parts.join(", ")
    )
}

/// Tables whose growth is told.
const COUNTED: [(&str, &str, &str); 3] = [
    (MESSAGES, "message", "messages"),
    (REACTIONS, "reaction", "reactions"),
    (PROPS, "props message", "props"),
];

/// `one, two and three`; `None` if there are none.
fn listed(items: &[String]) -> Option<String> {
    let (last, first) = items.split_last()?;
    Some(if first.is_empty() {
        last.clone()
    } else {
        format!("{} and {last}", first.join(", "))
    })
}

pub(super) fn minute(at: Millis) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(
        |_| "at an unknown time".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use propsbot_archive::Id;

    use super::*;

    pub(crate) fn server(name: &str, rows: &[(&str, u64)], channels: usize) -> Manifest {
        Manifest {
            format: 2,
            provider: "discord".to_owned(),
            schema: 1,
            space: Id::new(81),
            name: name.to_owned(),
            generation: 7,
            previous: None,
            created_at: Millis(1_795_428_000_000),
            heard_at: None,
            newest: None,
            synced: [("messages".to_owned(), Some(Millis(1_795_428_000_000)))]
                .into_iter()
                .collect(),
            history: None,
            stamps: None,
            rows: rows
                .iter()
                .map(|(table, count)| ((*table).to_owned(), *count))
                .collect(),
            index: None,
            hours: Vec::new(),
            days: None,
            parts: propsbot_archive::Parts {
                count: channels,
                list: None,
            },
            covered_to: None,
            exceptions: std::iter::empty().collect(),
        }
    }

    #[test]
    fn tells_what_an_export_changed() {
        let before = server(
            "Props",
            &[("messages", 10), ("reactions", 5), ("props", 2)],
            3,
        );
        let after = server(
            "Props",
            &[("messages", 12), ("reactions", 4), ("props", 3)],
            3,
        );
        let new = server("Other", &[("messages", 1)], 1);
        let told = |after: &[&Manifest], before: &[&Manifest], recreated| {
            let message = commit_message(after, before, recreated);
            message
                .strip_prefix("Archive 2026-11-23 10:00 UTC: ")
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            told(&[&after, &new], &[&before, &new], 0),
            "2 messages and 1 props message added, 1 reaction removed"
        );
        assert_eq!(
            told(&[&after, &new], &[&before], 0),
            "3 messages, 1 props message, 1 channel and 1 server added, 1 reaction removed, in 2 servers"
        );
        assert_eq!(
            told(&[&after], &[&after, &new], 0),
            "1 message, 1 channel and 1 server removed"
        );
        assert_eq!(told(&[&after], &[&after], 0), "edits, members or settings");
        assert_eq!(told(&[&after], &[&after], 2), "2 damaged files recreated");
    }
}
