//! The README of an archive of Discord servers.

use std::fmt::Write as _;

use propsbot_archive::{FIGURES, Manifest, one_line};
use propsbot_model::{Class, Millis, escape};

use super::{MEMBERS, MESSAGES, PROPS, REACTIONS, commit_message::minute};

/// Tables whose row counts are shown, with their labels.
const TOLD: [(&str, &str); 4] = [
    (MESSAGES, "messages"),
    (REACTIONS, "reactions"),
    (PROPS, "props from commands"),
    (MEMBERS, "members seen"),
];

pub(super) fn readme(servers: &[&Manifest]) -> String {
    let mut text = String::from("# An archive of Discord servers\n\n");
    text.push_str(FIGURES[0]);
    text.push_str("| server | channels |");
    for (_, name) in TOLD {
        let _ = write!(text, " {name} |");
    }
    text.push_str(" complete as of | written |\n|---|---:|");
    text.push_str(&"---:|".repeat(TOLD.len()));
    text.push_str("---|---|\n");
    for server in servers {
        let name = escape(&one_line(&server.name));
        let (id, channels) = (&server.space, server.parts.count);
        let _ = write!(text, "| {name} (`{id}`) | {channels} |");
        for (table, _) in TOLD {
            let rows = server.rows.get(table).copied().unwrap_or_default();
            let _ = write!(text, " {rows} |");
        }
        let complete = complete(server).map_or_else(|| "never".to_owned(), minute);
        let _ = writeln!(text, " {complete} | {} |", minute(server.created_at));
    }
    text.push_str(FIGURES[1]);
    text.push('\n');
    text.push_str(READING.trim_start());
    text
}

/// When all classes of a server's data were last known to be complete.
fn complete(server: &Manifest) -> Option<Millis> {
    let times = Class::ALL.map(|class| server.synced.get(class.name()).copied().flatten());
    let all: Option<Vec<_>> = times.into_iter().collect();
    all.and_then(|times| times.into_iter().min())
}

const READING: &str = r#"
The Discord bot propsbot keeps this archive: what everyone in these servers can read, who reacted to it, and who
thanked whom, so that [SourceCred](https://sourcecred.io) can compute cred from it. Channels that aren't public are
left out unless an admin included them. What members chose to hide isn't here.

You need no Discord account and no propsbot to read it: [`FORMAT.md`](FORMAT.md) says how every file is written, what
each column means, and what counts as props. In short:

- `manifest.json` names the servers. `spaces/ID.json` is a server's manifest, which leads to all of its files.
- Files in `rows/` are gzipped [MessagePack](https://msgpack.org): messages, reactions, props, members and more. Each
  row is in exactly one file, so the rows of all files together are the archive.
- A message's `content` is its text as Discord has it: a mention is `<@id>`, and `members` has that id's name.

All messages, in Python (`pip install msgpack`):

```python
import glob, gzip, msgpack

for path in glob.glob("rows/*/*.msgpack.gz"):
    for table in msgpack.load(gzip.open(path))["tables"]:
        if table["table"] == "messages":
            for row in table["rows"]:
                print(row["channel_id"], row["author_id"], row["content"])
```

That reads every file that is there; FORMAT.md shows how to read only what the manifests name, and how to check it.
`propsbot verify` does so, too. `propsbot restore` rebuilds the bot's store from this archive, and `propsbot graph`
makes SourceCred's graph. propsbot writes this page; what you change here is lost.
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit_message::tests::server;

    #[test]
    fn says_what_there_is_and_how_to_read_it() {
        let mut props = server("Props | *Co*", &[("messages", 12), ("props", 3)], 4);
        let some = readme(&[&props]);
        let row = r"| Props \| \*Co\* (`81`) | 4 | 12 | 0 | 3 | 0 | never | 2026-11-23 10:00 UTC |";
        assert!(some.contains(row), "{some}");
        for class in Class::ALL {
            props
                .synced
                .insert(class.to_string(), Some(Millis(1_795_424_400_000)));
        }
        let all = readme(&[&props, &props]);
        assert_eq!(
            all.matches("| 2026-11-23 09:00 UTC | 2026-11-23 10:00 UTC |")
                .count(),
            2
        );
        let without = |text: &str| {
            let (before, rest) = text.split_once(FIGURES[0]).unwrap();
            before.to_owned() + rest.split_once(FIGURES[1]).unwrap().1
        };
        assert_eq!(without(&some), without(&all));
        assert!(all.contains("(FORMAT.md)"));
    }
}
