//! Commit messages of archives in git: what changed since the previous generation.

use std::collections::BTreeMap;

use jiff::Timestamp;

use propsbot_archive::{
    Id, IndexRef, Manifest, ManifestSpace, Millis, format2::manifest::Manifest as SpaceManifest,
};

use super::{MESSAGES, PROPS, REACTIONS};

/// Tables whose growth is reported.
const TOLD: [(&str, &str, &str); 2] =
    [(MESSAGES, "message", "messages"), (PROPS, "props", "props")];

/// The changes since `previous`: `Archive 2026-11-23 10:00 UTC: 128 messages, 9 props, 3 channels`.
///
/// Counts added and removed rows, changed channels, and damaged files that were recreated.
pub(super) fn commit_message(
    manifest: &Manifest,
    previous: Option<&Manifest>,
    anew: usize,
) -> String {
    let rows = |table: &str, manifest: &Manifest| -> i64 {
        let of = |space: &ManifestSpace| space.rows.get(table).copied().unwrap_or_default();
        let all: u64 = manifest.spaces.iter().map(of).sum();
        i64::try_from(all).unwrap_or(i64::MAX)
    };
    let mut parts = Vec::new();
    for (table, one, many) in TOLD {
        let more = rows(table, manifest) - previous.map_or(0, |before| rows(table, before));
        let name = if more.abs() == 1 { one } else { many };
        match more {
            0 => {}
            1.. => parts.push(format!("{more} {name}")),
            _ => parts.push(format!("{} {name} fewer", more.abs())),
        }
    }
    match anew {
        0 => {}
        1 => parts.push("1 damaged file recreated".to_owned()),
        many => parts.push(format!("{many} damaged files recreated")),
    }
    match changed_channels(manifest, previous) {
        0 if parts.is_empty() => parts.push("servers, members or roles".to_owned()),
        0 => {}
        1 => parts.push("1 channel".to_owned()),
        many => parts.push(format!("{many} channels")),
    }
    format!(
        "Archive {}: {}",
        minute(manifest.created_at),
        parts.join(", ")
    )
}

/// Number of channels that were added, removed or changed since `previous`.
fn changed_channels(manifest: &Manifest, previous: Option<&Manifest>) -> usize {
    fn channels(manifest: &Manifest) -> BTreeMap<&Id, IndexRef> {
        let parts = manifest.spaces.iter().flat_map(|space| &space.parts);
        let named = parts.filter_map(|part| Some((&part.id, part.index?)));
        named.collect()
    }
    let (after, before) = (
        channels(manifest),
        previous.map(channels).unwrap_or_default(),
    );
    let changed = after
        .iter()
        .filter(|(id, index)| before.get(*id) != Some(index));
    changed.count() + before.keys().filter(|id| !after.contains_key(*id)).count()
}

/// What an export changed in an archive of format 2, in one line:
/// `Archive 2026-11-23 10:00 UTC: 128 messages and 9 props added, 1 reaction removed, in 2 servers`.
///
/// Counts added and removed rows, channels and servers, and damaged files that were recreated. Takes the
/// servers' manifests after and before the export.
pub fn commit_message_of(
    after: &[&SpaceManifest],
    before: &[&SpaceManifest],
    recreated: usize,
) -> String {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let mut note = |count: &dyn Fn(&SpaceManifest) -> u64, one: &str, many: &str| {
        let sum = |all: &[&SpaceManifest]| -> u64 {
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
        let rows = |manifest: &SpaceManifest| manifest.rows.get(table).copied().unwrap_or_default();
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

/// Tables whose growth is told of archives of format 2.
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
    use super::*;

    fn manifest(messages: u64, props: u64, indexes: &[&str]) -> Manifest {
        let channels: Vec<String> = indexes
            .iter()
            .enumerate()
            .map(|(n, of)| {
                let hash = propsbot_archive::Hash::of(of.as_bytes());
                format!(
                    r#"{{"id":"{}","name":"c","index":{{"hash":"{hash}","bytes":1}},"rows":{{}}}}"#,
                    n + 1
                )
            })
            .collect();
        let json = format!(
            r#"{{"format":1,"provider":"discord","generation":1,"previous":null,
                "created_at":1795428000000,"guilds":[{{"id":"1","name":"g","index":null,"synced":{{}},
                "rows":{{"messages":{messages},"props":{props}}},"channels":[{}]}}]}}"#,
            channels.join(",")
        );
        Manifest::parse(json.as_bytes()).unwrap()
    }

    /// The manifest of a server with these rows and so many channels.
    pub(crate) fn server(name: &str, rows: &[(&str, u64)], channels: usize) -> SpaceManifest {
        SpaceManifest {
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
            parts: propsbot_archive::format2::manifest::Parts {
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
        let told = |after: &[&SpaceManifest], before: &[&SpaceManifest], recreated| {
            let message = commit_message_of(after, before, recreated);
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

    #[test]
    fn reports_what_changed() {
        let before = manifest(10, 2, &["a", "b", "c"]);
        let all = "Archive 2026-11-23 10:00 UTC: 10 messages, 2 props, 3 channels";
        assert_eq!(commit_message(&before, None, 0), all);
        let more = manifest(11, 2, &["a", "B", "c"]);
        let one = "Archive 2026-11-23 10:00 UTC: 1 message, 1 channel";
        assert_eq!(commit_message(&more, Some(&before), 0), one);
        let fewer = manifest(7, 2, &["a", "b"]);
        let gone = "Archive 2026-11-23 10:00 UTC: 3 messages fewer, 1 channel";
        assert_eq!(commit_message(&fewer, Some(&before), 0), gone);
        let repaired = "Archive 2026-11-23 10:00 UTC: 2 damaged files recreated";
        assert_eq!(commit_message(&before, Some(&before), 2), repaired);
        let same = "Archive 2026-11-23 10:00 UTC: servers, members or roles";
        assert_eq!(commit_message(&before, Some(&before), 0), same);
    }
}
