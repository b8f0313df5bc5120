//! What changed from one generation to the next, in a line that people read: the commit message of an
//! archive in git.

use jiff::Timestamp;

use super::{Manifest, ManifestGuild, Table};
use propsbot_model::Millis;

/// Tables whose growth is told.
const TOLD: [(Table, &str, &str); 2] = [
    (Table::Messages, "message", "messages"),
    (Table::Props, "props", "props"),
];

impl Manifest {
    /// What it says that `previous` did not, such as `Archive 2026-11-23 10:00 UTC: 128 messages, 9
    /// props, 3 channels`: how many more rows there are (or fewer), and in how many channels
    /// something changed, and how many damaged files are made anew.
    pub fn headline(&self, previous: Option<&Self>, anew: usize) -> String {
        let rows = |table: Table, manifest: &Self| -> i64 {
            let of = |it: &ManifestGuild| it.rows.get(&table).copied().unwrap_or_default();
            let all: u64 = manifest.guilds.iter().map(of).sum();
            i64::try_from(all).unwrap_or(i64::MAX)
        };
        let mut parts = Vec::new();
        for (table, one, many) in TOLD {
            let more = rows(table, self) - previous.map_or(0, |it| rows(table, it));
            let name = if more.abs() == 1 { one } else { many };
            match more {
                0 => {}
                1.. => parts.push(format!("{more} {name}")),
                _ => parts.push(format!("{} {name} fewer", more.abs())),
            }
        }
        match anew {
            0 => {}
            1 => parts.push("1 damaged file made anew".to_owned()),
            many => parts.push(format!("{many} damaged files made anew")),
        }
        match self.changed_channels(previous) {
            0 if parts.is_empty() => parts.push("servers, members or roles".to_owned()),
            0 => {}
            1 => parts.push("1 channel".to_owned()),
            many => parts.push(format!("{many} channels")),
        }
        format!("Archive {}: {}", minute(self.created_at), parts.join(", "))
    }

    /// Channels that have other rows than in `previous`, came, or went.
    fn changed_channels(&self, previous: Option<&Self>) -> usize {
        let channels = |manifest: &Self| {
            let all = manifest.guilds.iter().flat_map(|it| &it.channels);
            let named = all.filter_map(|it| Some((it.id, it.index?)));
            named.collect::<std::collections::BTreeMap<_, _>>()
        };
        let (after, before) = (channels(self), previous.map(channels).unwrap_or_default());
        let changed = after.iter().filter(|(id, it)| before.get(id) != Some(it));
        changed.count() + before.keys().filter(|it| !after.contains_key(it)).count()
    }
}

/// A time as people write it.
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
                let hash = super::super::Hash::of(of.as_bytes());
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
    fn it_tells_what_is_new() {
        let before = manifest(10, 2, &["a", "b", "c"]);
        let all = "Archive 2026-11-23 10:00 UTC: 10 messages, 2 props, 3 channels";
        assert_eq!(before.headline(None, 0), all);
        let more = manifest(11, 2, &["a", "B", "c"]);
        let one = "Archive 2026-11-23 10:00 UTC: 1 message, 1 channel";
        assert_eq!(more.headline(Some(&before), 0), one);
        let fewer = manifest(7, 2, &["a", "b"]);
        let gone = "Archive 2026-11-23 10:00 UTC: 3 messages fewer, 1 channel";
        assert_eq!(fewer.headline(Some(&before), 0), gone);
        let repaired = "Archive 2026-11-23 10:00 UTC: 2 damaged files made anew";
        assert_eq!(before.headline(Some(&before), 2), repaired);
        let same = "Archive 2026-11-23 10:00 UTC: servers, members or roles";
        assert_eq!(before.headline(Some(&before), 0), same);
    }
}
