//! The rows of an archive, their schema, and the records that the mirror keeps.

use propsbot_archive::{self as archive, Column, Id, Kind, Level, Millis, Presence};
use propsbot_archive::{Row, RowKey, Schema, Scope};
use propsbot_mirror::{Place, Record, Stamp, Table};
use serde::{Deserialize, Serialize};

use crate::api::Listed;

pub(crate) static SCHEMA: Schema = Schema {
    provider: "discourse",
    version: 1,
    tables: &[
        archive::Table::of::<Site>(Level::Space).with("One row.", &[SITE, TITLE]),
        archive::Table::of::<Topic>(Level::Space).with("By `id`.", &[SITE, ID, TITLE, CREATED]),
        archive::Table::of::<Forgotten>(Level::Space).with("By `user`.", &[SITE, USER]),
        archive::Table::of::<Post>(Level::Part).with(
            "By `created_at` and `id`. The time of a row is `created_at`.",
            &[
                SITE,
                column("topic", Kind::Integer, Presence::Required, "its topic"),
                ID,
                column("number", Kind::Integer, Presence::Required, "in its topic"),
                CREATED,
                column("updated_at", Kind::Time, Presence::Required, "last edit"),
                column("author", Kind::User, Presence::Nullable, "the user's id"),
                column("username", Kind::Text, Presence::Nullable, "at that time"),
                column("text", Kind::Text, Presence::Nullable, "HTML; nil if gone"),
                column("likes", Kind::Integer, Presence::Required, "how many"),
                column("is_deleted", Kind::Bool, Presence::Required, "a tombstone"),
            ],
        ),
    ],
    classes: &["topics", "posts"],
    spaces: Site::TABLE,
    parts: Topic::TABLE,
    is_id: |id| !id.is_empty(),
    has_numeric_ids: false,
    notes: "",
    readme: |sites| format!("Topics and posts of {} Discourse forums\n", sites.len()),
    commit_message: |_, _, _| "Export".to_owned(),
};

const fn column(name: &'static str, kind: Kind, presence: Presence, doc: &'static str) -> Column {
    Column {
        name,
        kind,
        presence,
        doc,
    }
}

const SITE: Column = column("site", Kind::Id, Presence::Required, "the site's host");
const ID: Column = column("id", Kind::Integer, Presence::Required, "Discourse's id");
const TITLE: Column = column("title", Kind::Text, Presence::Required, "what it is called");
const USER: Column = column("user", Kind::User, Presence::Required, "who asked for it");
const CREATED: Column = column("created_at", Kind::Time, Presence::Required, "made then");

/// A forum: a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) site: String,
    pub(crate) title: String,
}

/// A topic: a part. Without a title, it is gone, and its row is not exported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) site: String,
    pub(crate) id: u64,
    pub(crate) title: Option<String>,
    pub(crate) created_at: Millis,
}

/// A post.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Post {
    pub(crate) site: String,
    pub(crate) topic: u64,
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) created_at: Millis,
    pub(crate) updated_at: Millis,
    pub(crate) author: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) likes: u64,
    pub(crate) is_deleted: bool,
}

impl Post {
    /// What stays of it once it is deleted.
    pub(crate) fn tombstone(&self) -> Self {
        Self {
            text: None,
            likes: 0,
            is_deleted: true,
            ..self.clone()
        }
    }

    /// What stays of it once its author is forgotten.
    pub(crate) fn without_author(&self) -> Self {
        Self {
            author: None,
            username: None,
            text: None,
            ..self.clone()
        }
    }
}

/// A user's choice to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Forgotten {
    pub(crate) site: String,
    pub(crate) user: String,
}

impl Row for Site {
    const TABLE: &'static str = "sites";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.site)
    }

    fn key(&self) -> RowKey {
        of_no_time(&self.site)
    }
}

impl Row for Topic {
    const TABLE: &'static str = "topics";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.site)
    }

    fn key(&self) -> RowKey {
        of_no_time(self.id.to_be_bytes())
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(self.id))
    }
}

impl Row for Post {
    const TABLE: &'static str = "posts";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::part(&self.site, self.topic)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: self.created_at,
            sort: self.id.to_be_bytes().into(),
        }
    }
}

impl Row for Forgotten {
    const TABLE: &'static str = "forgotten";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.site)
    }

    fn key(&self) -> RowKey {
        of_no_time(&self.user)
    }
}

fn of_no_time(sort: impl AsRef<[u8]>) -> RowKey {
    RowKey {
        time: Millis(0),
        sort: sort.as_ref().into(),
    }
}

/// A row in the mirror, and when what it says held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept<R> {
    pub(crate) row: R,
    pub(crate) seen: Stamp,
}

/// That a topic was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) site: String,
    pub(crate) topic: u64,
    /// What the list of topics said of it then; `None` if it wasn't listed.
    pub(crate) listed: Option<Listed>,
    /// Whether all of its posts were read.
    pub(crate) is_whole: bool,
}

/// That a class of data was complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Synced {
    pub(crate) site: String,
    pub(crate) class: String,
}

const fn table(number: u8, name: &'static str) -> Table {
    Table { number, name }
}

impl Record for Kept<Site> {
    type Key = String;

    const TABLE: Table = table(1, "sites");

    fn key(&self) -> String {
        self.row.site.clone()
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(&self.row.site))
    }
}

impl Record for Kept<Topic> {
    type Key = (String, u64);

    const TABLE: Table = table(2, "topics");

    fn key(&self) -> Self::Key {
        (self.row.site.clone(), self.row.id)
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(&self.row.site))
    }
}

impl Record for Kept<Post> {
    type Key = (String, u64, u64);

    const TABLE: Table = table(3, "posts");

    fn key(&self) -> Self::Key {
        (self.row.site.clone(), self.row.topic, self.row.id)
    }

    fn place(&self) -> Option<Place> {
        let Post { site, topic, .. } = &self.row;
        Some(Place::of_part(site, topic, self.row.created_at))
    }
}

impl Record for Kept<Forgotten> {
    type Key = (String, String);

    const TABLE: Table = table(4, "forgotten");

    fn key(&self) -> Self::Key {
        (self.row.site.clone(), self.row.user.clone())
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space(&self.row.site))
    }
}

impl Record for Kept<Read> {
    type Key = (String, u64);

    const TABLE: Table = table(5, "reads");

    fn key(&self) -> Self::Key {
        (self.row.site.clone(), self.row.topic)
    }
}

impl Record for Kept<Synced> {
    type Key = (String, String);

    const TABLE: Table = table(6, "synced");

    fn key(&self) -> Self::Key {
        (self.row.site.clone(), self.row.class.clone())
    }
}
