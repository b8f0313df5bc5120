// A forum with one topic and three posts, in an archive in memory: what the example at the crate's root reads.

use std::{ops::RangeInclusive, sync::Arc};

use propsbot_archive::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Forum {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Topic {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Post {
    at: Millis,
    author: String,
    text: String,
}

fn key(time: Millis, sort: impl Into<Vec<u8>>) -> RowKey {
    let sort = sort.into();
    RowKey { time, sort }
}

impl Row for Forum {
    const TABLE: &'static str = "forums";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.id)
    }

    fn key(&self) -> RowKey {
        key(Millis(0), "")
    }
}

impl Row for Topic {
    const TABLE: &'static str = "topics";

    fn is_of(&self, scope: &Scope) -> bool {
        scope.part.is_none()
    }

    fn key(&self) -> RowKey {
        key(Millis(0), self.id.clone())
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(&self.id))
    }
}

impl Row for Post {
    const TABLE: &'static str = "posts";

    fn is_of(&self, scope: &Scope) -> bool {
        scope.part.is_some()
    }

    fn key(&self) -> RowKey {
        key(self.at, self.at.0.to_be_bytes())
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        presence: Presence::Required,
        doc: "",
    }
}

static SCHEMA: Schema = Schema {
    provider: "forum",
    version: 1,
    tables: &[
        Table::of::<Forum>(Level::Space).with("One row.", &[column("id", Kind::Id)]),
        Table::of::<Topic>(Level::Space).with("By `id`.", &[column("id", Kind::Id)]),
        Table::of::<Post>(Level::Part).with(
            "By `at`.",
            &[
                column("at", Kind::Time),
                column("author", Kind::User),
                column("text", Kind::Text),
            ],
        ),
    ],
    spaces: Forum::TABLE,
    parts: Topic::TABLE,
    classes: &[],
    is_id: |id| !id.is_empty(),
    has_numeric_ids: false,
    notes: "",
    readme: |_| String::new(),
    commit_message: |_, _, _| String::new(),
};

/// December 2025, January 2026, February 2026.
const TIMES: [i64; 3] = [1_766_600_000_000, 1_768_000_000_000, 1_770_000_000_000];

struct Forums;

impl Source for Forums {
    fn scan(
        &self,
        _: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let id = "bridges".to_owned();
        let rows = match table {
            "forums" => vec![EncodedRow::new(&Forum { id })],
            "topics" => vec![EncodedRow::new(&Topic { id })],
            _ => {
                let posts = TIMES.map(|at| Post {
                    at: Millis(at),
                    author: "ana".to_owned(),
                    text: format!("posted at {at}"),
                });
                posts.iter().map(EncodedRow::new).collect()
            }
        };
        let mut rows = rows.into_iter().filter(|row| times.contains(&row.key.time));
        rows.try_for_each(each)
    }
}

async fn archived() -> MemoryArchive {
    let (archive, id) = (MemoryArchive::new(), Id::from("bridges"));
    let name = "Bridges".to_owned();
    let part = ExportPart {
        id: id.clone(),
        name: name.clone(),
        covered: Vec::new(),
    };
    let space = ExportSpace {
        id,
        name,
        heard_at: None,
        synced: Default::default(),
        history: None,
        stamps: None,
        parts: vec![part],
    };
    let request = ExportRequest {
        now: Millis(TIMES[2]),
        spaces: vec![space],
        ..ExportRequest::new(&SCHEMA)
    };
    export(&archive, Arc::new(Forums), request).await.unwrap();
    archive
}
