//! The archive's own README: what it is and how it is read, for whoever finds it.
//!
//! It says nothing that changes with every message, so that an export of one message touches no more
//! files than it has to: how much there is, and as of when, the manifest says.

use std::fmt::Write as _;

use super::{FORMAT, Manifest};
use crate::model::escape;

/// Where it is.
pub const README: &str = "README.md";

const READING: &str = r#"
propsbot, a Discord bot, keeps it: it mirrors what everyone in these servers may read, for
[SourceCred](https://sourcecred.io) to compute cred from. What is not public there is not in here, unless an admin
chose otherwise.

`manifest.json` is where reading begins. It names an index for each server and channel; an index names blobs; a blob
is a [MessagePack](https://msgpack.org) array of rows (messages, reactions, props, members, …), each a map from names
to values. The name of an index or blob is the SHA-256 of its bytes. How much there is, and as of when, the manifest
says: `rows`, `created_at` (milliseconds since 1970), and `synced`, when the mirror last knew all of it.

All messages, in Python (`pip install msgpack`):

```python
import json, msgpack

def path(kind, name, suffix):
    return f"{kind}/{name[:2]}/{name}.{suffix}"

for guild in json.load(open("manifest.json"))["guilds"]:
    for channel in guild["channels"]:
        if channel["index"] is None:
            continue
        index = json.load(open(path("indexes", channel["index"]["hash"], "json")))
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
        for guild in &self.guilds {
            let name = escape(&guild.name);
            let _ = writeln!(text, "- {name} (`{}`)", guild.id);
        }
        let _ = write!(text, "\nIts format is number {FORMAT}. ");
        text.push_str(READING.trim_start());
        text.into_bytes()
    }
}
