//! The archive's own README: what it is and how it is read, for whoever finds it.
//!
//! How much there is changes with every message, and an export of one message shall touch no more files
//! than it has to. So a README says as of which generation its figures are, and goes out with those
//! exports that change more than that, or what is beside the figures.

use std::fmt::Write as _;

use super::{FORMAT, Manifest, ManifestGuild, Table, headline::minute};
use propsbot_model::{Class, escape, one_line};

/// Where it is.
pub const README: &str = "README.md";

/// What is around the figures.
const FIGURES: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// The tables whose rows are told, and what they are called.
const TOLD: [(Table, &str); 4] = [
    (Table::Messages, "messages"),
    (Table::Reactions, "reactions"),
    (Table::Props, "props by command"),
    (Table::Members, "members seen"),
];

const READING: &str = r#"
propsbot, a Discord bot, keeps it: it mirrors what everyone in these servers may read, for
[SourceCred](https://sourcecred.io) to compute cred from. What is not public there is not in here, unless an admin
chose otherwise.

`manifest.json` is where reading begins. It names an index for each server and channel; an index names blobs; a blob
is a [MessagePack](https://msgpack.org) array of rows (messages, reactions, props, members, …), each a map from names
to values. The name of an index or blob is the SHA-256 of its bytes. How much there is right now, and as of when, the
manifest says: `rows`, `created_at` (milliseconds since 1970), and `synced`, when the mirror last knew all of it.

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

propsbot checks all of it with `propsbot verify`, rebuilds its store from it with `propsbot restore`, and makes
SourceCred's graph of it with `propsbot graph`. This file is written with the archive: changes to it are lost.
"#;

impl Manifest {
    /// The README of an archive with this manifest.
    pub fn readme(&self) -> Vec<u8> {
        let mut text = String::from("# An archive of Discord servers\n\n");
        text.push_str(FIGURES[0]);
        self.tell_figures(&mut text);
        text.push_str(FIGURES[1]);
        let _ = write!(text, "\nIts format is number {FORMAT}. ");
        text.push_str(READING.trim_start());
        text.into_bytes()
    }

    /// Whether this is a README of an archive with this manifest, or one that was, before some messages
    /// came.
    pub(super) fn fits(&self, readme: &[u8]) -> bool {
        let readme = String::from_utf8_lossy(readme);
        let own = String::from_utf8_lossy(&self.readme()).into_owned();
        without_figures(&readme) == without_figures(&own)
    }

    /// Whether the README says of the manifest before that what is no more, figures aside.
    pub(super) fn names_others(&self, before: &Self) -> bool {
        let names = |it: &Self| -> Vec<_> {
            let guilds = it.guilds.iter();
            guilds.map(|it| (it.id, it.name.clone())).collect()
        };
        names(self) != names(before)
    }

    fn tell_figures(&self, text: &mut String) {
        let at = minute(self.created_at);
        let _ = writeln!(
            text,
            "As of generation {}, exported {at}:\n",
            self.generation
        );
        text.push_str("| server | channels |");
        for (_, name) in TOLD {
            let _ = write!(text, " {name} |");
        }
        text.push_str(" last synced |\n|---|---:|");
        text.push_str(&"---:|".repeat(TOLD.len()));
        text.push_str("---|\n");
        for guild in &self.guilds {
            let name = escape(&one_line(&guild.name));
            let (id, channels) = (guild.id, guild.channels.len());
            let _ = write!(text, "| {name} (`{id}`) | {channels} |");
            for (table, _) in TOLD {
                let rows = guild.rows.get(&table).copied().unwrap_or_default();
                let _ = write!(text, " {rows} |");
            }
            let _ = writeln!(text, " {} |", synced(guild));
        }
    }
}

/// When the mirror last knew all of a guild.
fn synced(guild: &ManifestGuild) -> String {
    let times = Class::ALL.map(|it| guild.synced.get(&it).copied().flatten());
    let all: Option<Vec<_>> = times.into_iter().collect();
    let least = all.and_then(|it| it.into_iter().min());
    least.map_or_else(|| "never yet".to_owned(), minute)
}

/// What is before the figures, and after them.
fn without_figures(readme: &str) -> Option<(&str, &str)> {
    let (before, rest) = readme.split_once(FIGURES[0])?;
    let (_, after) = rest.split_once(FIGURES[1])?;
    Some((before, after))
}
