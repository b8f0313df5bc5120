//! A provider for tests, whose tables are as Discord's: topics with posts, and likes, which may come late.

use serde::{Deserialize, Serialize};

use crate::{
    Column, Id, Kind, Level, Millis, Presence,
    Presence::{Nullable, Optional, Required},
    Row, RowKey, Schema, Scope, Table,
};

const EPOCH: i64 = 1_420_070_400_000;

pub(crate) static SCHEMA: Schema = Schema {
    provider: "forum",
    version: 1,
    tables: &[
        Table::of::<Forum>(Level::Space).with("One row.", &[ID, NAME]),
        Table::of::<Topic>(Level::Space).with("By `id`.", &[FORUM, ID, NAME]),
        Table::of::<Post>(Level::Part).with(
            "By `id`.",
            &[
                FORUM,
                TOPIC,
                ID,
                column("author", Kind::User, Required),
                column("text", Kind::Text, Nullable),
                column("mentions", Kind::List(&Kind::User), Required),
                column("edited_at", Kind::Time, Nullable),
            ],
        ),
        Table::of::<Like>(Level::Part)
            .with(
                "By `post`, `emoji` and `user`.",
                &[
                    FORUM,
                    TOPIC,
                    column("post", Kind::Id, Required),
                    column("user", Kind::User, Required),
                    column("emoji", Kind::Text, Required),
                    column("added_at", Kind::Time, Nullable),
                    column("added_by", Kind::OneOf(&["gateway", "rest"]), Nullable),
                    column("removed_at", Kind::Time, Optional),
                ],
            )
            .belonging_to(Post::TABLE),
    ],
    spaces: Forum::TABLE,
    parts: Topic::TABLE,
    classes: &[],
    is_id: |id| {
        id.parse::<u64>()
            .is_ok_and(|number| number.to_string() == id)
    },
    has_numeric_ids: true,
    notes: "",
    readme: |manifests| {
        let names = manifests.iter().map(|manifest| &manifest.name);
        let [begin, end] = crate::FIGURES;
        let rows: u64 = manifests
            .iter()
            .flat_map(|manifest| manifest.rows.values())
            .sum();
        format!("{:?}\n{begin}{rows} rows\n{end}", names.collect::<Vec<_>>())
    },
    commit_message: |_, _, _| "Export".to_owned(),
};

const fn column(name: &'static str, kind: Kind, presence: Presence) -> Column {
    Column {
        name,
        kind,
        presence,
        doc: "",
    }
}

const ID: Column = column("id", Kind::Id, Required);
const NAME: Column = column("name", Kind::Text, Required);
const FORUM: Column = column("forum", Kind::Id, Required);
const TOPIC: Column = column("topic", Kind::Id, Required);

/// The id of what was made at this time.
pub(super) fn id_at(at: Millis, number: u64) -> u64 {
    (u64::try_from(at.0 - EPOCH).unwrap() << 22) | number
}

pub(super) fn time_of(id: u64) -> Millis {
    Millis(i64::try_from(id >> 22).unwrap() + EPOCH)
}

/// An id, as decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forum {
    pub(super) id: Number,
    pub(super) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) forum: Number,
    pub(super) id: Number,
    pub(super) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) forum: Number,
    pub(super) topic: Number,
    pub(super) id: Number,
    pub(super) author: Number,
    pub(super) text: Option<String>,
    pub(super) mentions: Vec<Number>,
    pub(super) edited_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Like {
    pub(super) forum: Number,
    pub(super) topic: Number,
    pub(super) post: Number,
    pub(super) user: Number,
    pub(super) emoji: String,
    pub(super) added_at: Option<Millis>,
    pub(super) added_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) removed_at: Option<Millis>,
}

fn is_topic(scope: &Scope, forum: Number, topic: Number) -> bool {
    *scope == Scope::part(forum.0, topic.0)
}

fn key(id: u64) -> RowKey {
    RowKey {
        time: time_of(id),
        sort: id.to_be_bytes().into(),
    }
}

impl Row for Forum {
    const TABLE: &'static str = "forums";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(self.id.0)
    }

    fn key(&self) -> RowKey {
        key(self.id.0)
    }
}

impl Row for Topic {
    const TABLE: &'static str = "topics";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(self.forum.0)
    }

    fn key(&self) -> RowKey {
        key(self.id.0)
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(self.id.0))
    }
}

impl Row for Post {
    const TABLE: &'static str = "posts";

    fn is_of(&self, scope: &Scope) -> bool {
        is_topic(scope, self.forum, self.topic)
    }

    fn id(&self) -> Option<u64> {
        Some(self.id.0)
    }

    fn key(&self) -> RowKey {
        key(self.id.0)
    }
}

impl Row for Like {
    const TABLE: &'static str = "likes";

    fn refers_to(&self) -> Option<(&'static str, u64)> {
        Some((Post::TABLE, self.post.0))
    }

    fn belongs_to(&self) -> Option<Millis> {
        Some(time_of(self.post.0))
    }

    fn is_of(&self, scope: &Scope) -> bool {
        is_topic(scope, self.forum, self.topic)
    }

    /// The time at which it was seen being given, if it was; else that of its post.
    fn key(&self) -> RowKey {
        let posted = time_of(self.post.0);
        let seen = self
            .added_at
            .filter(|_| self.added_by.as_deref() == Some("gateway"));
        RowKey {
            time: seen.map_or(posted, |seen| seen.max(posted)),
            sort: [
                &self.post.0.to_be_bytes()[..],
                self.emoji.as_bytes(),
                &[0],
                &self.user.0.to_be_bytes(),
            ]
            .concat(),
        }
    }
}
