//! Archives that are named soundly and say what isn't so, and others that say what no reader knows yet.

use propsbot_archive::{Hash, ROOT, file::Kind};
use rmpv::Value;

use crate::{
    edits::{
        DAY, add, base, bytes, drop_message, index, line, list, manifest, message, move_row,
        nothing, now, one, open, push, reaction, remove, repeat_reaction, rows_of, set, swap, text,
        unknown_table,
    },
    files::{Files, at, field},
};

/// What somebody made of an archive.
pub(crate) struct Lie {
    pub(crate) name: &'static str,
    /// Whether it is read all the same.
    pub(crate) is_read: bool,
    pub(crate) tell: fn(&mut Files),
}

macro_rules! lies {
    ($($verdict:ident $name:literal: $tell:expr;)*) => {
        vec![$(Lie { name: $name, is_read: stringify!($verdict) == "read", tell: $tell }),*]
    };
}

/// Each way to forge an archive.
#[expect(clippy::too_many_lines, reason = "it is a list")]
pub(crate) fn lies() -> Vec<Lie> {
    lies! {
        refused "the channel of a message is another": |files| message(files, |row| set(row, "channel_id", "1"));
        refused "the guild of a message is another": |files| message(files, |row| set(row, "guild_id", "1"));
        refused "a message is of another period": |files| message(files, |row| {
            let id: u64 = text(row, "id").parse().unwrap();
            set(row, "id", (id + ((40 * 86_400_000) << 22)).to_string());
        });
        refused "a message of the future": |files| message(files, |row| set(row, "id", u64::MAX.to_string()));
        refused "an id is a number": |files| message(files, |row| {
            let id: u64 = text(row, "id").parse().unwrap();
            set(row, "id", id);
        });
        refused "an id has a leading zero": |files| message(files, |row| {
            set(row, "author_id", format!("0{}", text(row, "author_id")));
        });
        refused "an id is bytes": |files| message(files, |row| {
            set(row, "author_id", Value::Binary(text(row, "author_id").into()));
        });
        refused "a variant is a number": |files| message(files, |row| set(row, "author_kind", 0));
        refused "a variant that isn't there": |files| message(files, |row| set(row, "author_kind", "fax"));
        refused "a list is null": |files| message(files, |row| set(row, "mentions", Value::Nil));
        refused "a list is a text": |files| message(files, |row| set(row, "mentions", "1"));
        refused "a time is a float": |files| message(files, |row| set(row, "edited_at", Value::F64(1.0)));
        refused "a deleted message with an author": |files| message(files, |row| set(row, "deleted_at", 1));
        refused "a message without its author": |files| message(files, |row| set(row, "author_id", Value::Nil));
        refused "a field is absent": |files| message(files, |row| remove(row, "content"));
        refused "the last field is absent": |files| message(files, |row| remove(row, "edited_at"));
        refused "a field comes twice": |files| message(files, |row| add(row, "content", "again"));
        refused "fields in another order": |files| message(files, |row| {
            let Value::Map(fields) = row else { panic!("no map") };
            fields.swap(0, 1);
        });
        refused "a row is an array": |files| message(files, |row| *row = Value::Array(Vec::new()));
        read "a field that no reader knows": |files| message(files, |row| add(row, "polls", 1));
        read "a list in a field that no reader knows": |files| message(files, |row| {
            add(row, "polls", Value::Array(vec![1.into(), "two".into(), Value::Map(Vec::new())]));
        });
        read "another text": |files| message(files, |row| set(row, "content", "forged"));
        refused "a text in a longer form": |files| bytes(files, "reactions", b"\xa5burst", b"\xd9\x05burst");
        refused "a map in a longer form": |files| bytes(files, "messages", b"\x82\xa5space", b"\xde\x00\x02\xa5space");
        refused "something after the rows": |files| {
            let path = base(files, "messages");
            let bytes = [&files.bytes(&path)[..], b"\x91"].concat();
            files.replace(&path, &bytes, &nothing());
        };
        refused "a reaction before anyone could see it": |files| reaction(files, |row| {
            set(row, "added_by", "gateway");
            set(row, "added_at", i64::MAX);
        });
        refused "a reaction without an emoji": |files| reaction(files, |row| {
            set(row, "emoji", Value::Nil);
            set(row, "emoji_id", Value::Nil);
        });
        refused "a reaction in two files": repeat_reaction;
        refused "a reaction to a message that is missing": drop_message;
        refused "a row in the wrong file": move_row;
        refused "rows in another order": |files| {
            let path = base(files, "messages");
            files.change(&path, |value| {
                swap(at(value, "tables/0/rows"), 0, 1);
                nothing()
            });
        };
        refused "a row twice in a file": |files| {
            let path = base(files, "messages");
            files.change(&path, |value| {
                let row = at(value, "tables/0/rows/last").clone();
                push(at(value, "tables/0/rows"), row);
                one("messages", 1)
            });
        };
        refused "a row more than is counted": |files| {
            let path = base(files, "emojis");
            files.change(&path, |value| {
                let Value::Array(rows) = at(value, "tables/0/rows") else { panic!("no rows") };
                rows.pop();
                nothing()
            });
        };
        refused "a part without its row": |files| {
            let path = base(files, "channels");
            let (_, entries) = index(files, "messages", 1);
            let mut messages = files.value(&rows_of(&entries[0]));
            let part = text(at(&mut messages, "tables/0"), "part");
            let (_, entries) = index(files, "channels", 1);
            let own = entries.iter().map(rows_of);
            let has = |value: &Value| {
                let rows = &field(&field(value, "tables").unwrap()[0], "rows").unwrap().as_array().unwrap();
                rows.iter().position(|row| text(row, "id") == part)
            };
            let mut own = own.filter_map(|path| Some((has(&files.value(&path))?, path)));
            let (number, path) = own.next().unwrap_or((0, path));
            drop(own);
            files.change(&path, |value| {
                let Value::Array(rows) = at(value, "tables/0/rows") else { panic!("no rows") };
                rows.remove(number);
                one("channels", -1)
            });
        };
        refused "rows of a part that isn't listed": |files| {
            let path = open(files);
            files.change(&path, |value| {
                set(value, "tables/0/part", "1");
                let Value::Array(rows) = at(value, "tables/0/rows") else { panic!("no rows") };
                for row in rows {
                    set(row, "channel_id", "1");
                }
                nothing()
            });
        };
        refused "rows of another space": |files| {
            let path = open(files);
            files.change(&path, |value| {
                set(value, "space", "1");
                nothing()
            });
        };
        read "a table that no reader knows": unknown_table;
        read "a table that no reader knows in an open file": |files| {
            let path = open(files);
            files.change(&path, |value| {
                let mut group = at(value, "tables/last").clone();
                set(&mut group, "table", "polls");
                let rows = field(&group, "rows").unwrap().as_array().unwrap().len();
                push(at(value, "tables"), group);
                one("polls", i64::try_from(rows).unwrap())
            });
        };
        read "a key that no reader knows in an open file": |files| {
            let path = open(files);
            files.change(&path, |value| {
                add(value, "polls", 1);
                add(at(value, "tables/0"), "polls", 1);
                nothing()
            });
        };
        refused "a table without rows": |files| {
            let path = open(files);
            files.change(&path, |value| {
                let mut group = at(value, "tables/last").clone();
                set(&mut group, "table", "polls");
                set(&mut group, "rows", Value::Array(Vec::new()));
                push(at(value, "tables"), group);
                nothing()
            });
        };
        refused "another part's line": |files| line(files, |line| set(line, "id", "1"));
        refused "a part that isn't listed": |files| list(files, Kind::Parts, |lines| {
            let Value::Array(lines) = lines else { panic!("no lines") };
            lines.pop();
        });
        refused "a part that is listed twice": |files| list(files, Kind::Parts, |lines| {
            let line = at(lines, "last").clone();
            push(lines, line);
        });
        refused "a line without its index": |files| line(files, |line| set(line, "index", Value::Nil));
        refused "a line counts a row more": |files| line(files, |line| {
            let rows = at(line, "rows/messages").as_i64().unwrap();
            set(line, "rows/messages", rows + 1);
        });
        refused "a part is covered beyond what was heard": |files| line(files, |line| {
            set(line, "covered/last/to", now() + 3600 * 24);
        });
        refused "a part is covered from its end": |files| line(files, |line| {
            set(line, "covered/0/after", i64::MAX);
        });
        read "a key that no reader knows in a line": |files| line(files, |line| add(line, "polls", 1));
        refused "an index is of another part": |files| {
            let (path, _) = index(files, "messages", 1);
            files.change(&path, |index| {
                set(index, "part", "1");
                nothing()
            });
        };
        refused "an index has a file's other period": |files| {
            let (path, _) = index(files, "messages", 1);
            files.change(&path, |index| {
                set(index, "tables/messages/0/period", "2016-01");
                nothing()
            });
        };
        read "a key that no reader knows in an index": |files| list(files, Kind::Index, |index| add(index, "polls", 1));
        refused "a file is longer than is read": |files| {
            let (path, _) = index(files, "messages", 1);
            files.change(&path, |index| {
                set(index, "tables/messages/0/bytes", 1_u64 << 40);
                nothing()
            });
        };
        refused "the last generation that a number can tell": |files| manifest(files, |own| {
            set(own, "generation", u64::MAX);
        });
        refused "generation 0": |files| manifest(files, |own| set(own, "generation", 0));
        refused "a first generation with a predecessor": |files| manifest(files, |own| set(own, "generation", 1));
        refused "written in the future": |files| manifest(files, |own| set(own, "created_at", now() + 2 * DAY));
        read "written by a clock that is an hour fast": |files| manifest(files, |own| {
            set(own, "created_at", now() + DAY / 24);
        });
        refused "heard after it was written": |files| manifest(files, |own| {
            let written = at(own, "created_at").as_i64().unwrap();
            set(own, "heard_at", written + 1);
        });
        refused "covered beyond what was heard": |files| manifest(files, |own| {
            let written = at(own, "created_at").as_i64().unwrap();
            set(own, "covered_to", written + 1);
        });
        refused "an exception that is covered beyond what was heard": |files| manifest(files, |own| {
            let Value::Map(fields) = at(own, "exceptions") else { panic!("no map") };
            let range = [("after", now()), ("to", now() + 1)].map(|(name, time)| (name.into(), time.into()));
            fields.insert(0, ("1".into(), Value::Array(vec![Value::Map(range.into())])));
        });
        refused "a newest time before the newest row": |files| manifest(files, |own| {
            let newest = at(own, "newest").as_i64().unwrap();
            set(own, "newest", newest - 60 * DAY);
        });
        refused "an hour is missing": |files| manifest(files, |own| {
            let Value::Array(hours) = at(own, "hours") else { panic!("no hours") };
            hours.pop();
        });
        refused "an hour comes twice": |files| manifest(files, |own| {
            let hour = at(own, "hours/last").clone();
            push(at(own, "hours"), hour);
        });
        refused "hours begin later": |files| manifest(files, |own| set(own, "stamps/hours_from", "2099-01-01"));
        refused "a manifest counts a row more": |files| manifest(files, |own| {
            let rows = at(own, "rows/members").as_i64().unwrap();
            set(own, "rows/members", rows + 1);
        });
        refused "the manifest of another space": |files| manifest(files, |own| set(own, "space", "1"));
        refused "the schema's key is absent": |files| manifest(files, |own| remove(own, "schema"));
        refused "a key that may be null is absent": |files| manifest(files, |own| remove(own, "history"));
        refused "a key comes twice": |files| manifest(files, |own| add(own, "name", "again"));
        read "a key that no reader knows in a manifest": |files| manifest(files, |own| add(own, "polls", 1));
        refused "a wrong checksum": |files| {
            let path = files.manifest();
            let text = String::from_utf8(files.bytes(&path)).unwrap();
            let (body, _) = text.split_once(",\"checksum\"").unwrap();
            let text = format!("{body},\"checksum\":\"{}\"}}\n", Hash::of(b"another"));
            files.0.insert(path, text.into());
        };
        refused "a space that isn't there": |files| files.change(ROOT, |root| {
            push(at(root, "spaces"), u64::MAX.to_string().into());
            nothing()
        });
        refused "a root of another provider": |files| files.change(ROOT, |root| {
            set(root, "provider", "forum");
            nothing()
        });
        refused "a manifest of another provider": |files| manifest(files, |own| set(own, "provider", "forum"));
        read "a key that no reader knows in the root": |files| files.change(ROOT, |root| {
            add(root, "polls", 1);
            nothing()
        });
        read "files that nothing names": |files| {
            files.0.insert("rows/00/more.msgpack.gz".to_owned(), vec![0; 100]);
        };
    }
}
