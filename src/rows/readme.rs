//! The README of an archive of Discord servers.

use std::fmt::Write as _;

use propsbot_archive::{FIGURES, FORMAT, Manifest, ManifestSpace, one_line};
use propsbot_model::{Class, escape};

use super::{MEMBERS, MESSAGES, PROPS, REACTIONS, commit_message::minute};

/// Tables whose row counts are shown, with their labels.
const TOLD: [(&str, &str); 4] = [
    (MESSAGES, "messages"),
    (REACTIONS, "reactions"),
    (PROPS, "props from commands"),
    (MEMBERS, "members seen"),
];

const READING: &str = r#"
The Discord bot propsbot writes this archive. It mirrors what everyone in these servers can read, so that
[SourceCred](https://sourcecred.io) can compute cred from it. Channels that aren't public are left out, unless an
admin included them.

Start at `manifest.json`. It names an index for each server and channel; an index names blobs; a blob is a
[MessagePack](https://msgpack.org) array of rows (messages, reactions, props, members, …), each a map from names to
values. The name of an index or blob is the SHA-256 hash of its contents. The manifest also has the current row counts
(`rows`), its time (`created_at`, milliseconds since 1970), and when the mirror was last complete (`synced`).

All messages, in Python (`pip install msgpack`):

```python
import json, msgpack

def path(kind, name, suffix):
    return f"{kind}/{name[:2]}/{name}.{suffix}"

for guild in json.load(open("manifest.json", encoding="utf-8"))["guilds"]:
    for channel in guild["channels"]:
        if channel["index"] is None:
            continue
        index = json.load(open(path("indexes", channel["index"]["hash"], "json"), encoding="utf-8"))
        for part in index["tables"].get("messages", []):
            for row in msgpack.load(open(path("blobs", part["blob"], "msgpack"), "rb")):
                print(channel["name"], row["author_id"], row["content"])
```

`propsbot verify` checks the archive, `propsbot restore` rebuilds the bot's store from it, and `propsbot graph` builds
SourceCred's graph from it. This file is generated: changes to it are lost.
"#;

/// The README of an archive with this manifest.
pub(super) fn readme(manifest: &Manifest) -> String {
    let mut text = String::from("# An archive of Discord servers\n\n");
    text.push_str(FIGURES[0]);
    tell_figures(manifest, &mut text);
    text.push_str(FIGURES[1]);
    let _ = write!(text, "\nIts format is number {FORMAT}. ");
    text.push_str(READING.trim_start());
    text
}

fn tell_figures(manifest: &Manifest, text: &mut String) {
    let (at, generation) = (minute(manifest.created_at), manifest.generation);
    let _ = writeln!(text, "As of generation {generation}, exported {at}:\n");
    text.push_str("| server | channels |");
    for (_, name) in TOLD {
        let _ = write!(text, " {name} |");
    }
    text.push_str(" last synced |\n|---|---:|");
    text.push_str(&"---:|".repeat(TOLD.len()));
    text.push_str("---|\n");
    for guild in &manifest.spaces {
        let name = escape(&one_line(&guild.name));
        let (id, channels) = (&guild.id, guild.parts.len());
        let _ = write!(text, "| {name} (`{id}`) | {channels} |");
        for (table, _) in TOLD {
            let rows = guild.rows.get(table).copied().unwrap_or_default();
            let _ = write!(text, " {rows} |");
        }
        let _ = writeln!(text, " {} |", synced(guild));
    }
}

/// When all of a guild's data was last complete.
fn synced(guild: &ManifestSpace) -> String {
    let times = Class::ALL.map(|class| guild.synced.get(&class.to_string()).copied().flatten());
    let all: Option<Vec<_>> = times.into_iter().collect();
    let least = all.and_then(|times| times.into_iter().min());
    least.map_or_else(|| "never".to_owned(), minute)
}
