//! Commit messages of archives in git: what changed since the previous generation.

use std::collections::BTreeMap;

use jiff::Timestamp;

use propsbot_archive::{Id, IndexRef, Manifest, ManifestSpace, Millis};

use super::{MESSAGES, PROPS};

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

pub(super) fn minute(at: Millis) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(
        |_| "at an unknown time".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
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
