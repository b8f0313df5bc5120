//! A provider for tests: forums with topics and posts. Its ids are text, and its platform is a list
//! in memory.

mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use propsbot_archive::{
    self as archive, ArchiveReader, DataArchive, Depth, EncodedRow, ExportPart, ExportSpace, Id,
    Level, MemoryArchive, Millis, PartRow, Row, RowKey, Schema, Scope, Source, SourceError, verify,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    Contents, DataProvider, Dirty, Domain, ExportOptions, ExportTarget, ExportTurn, ExportView,
    Exports, Finding, ForgetRequest, Ledger, Mirror, Observed, Place, Progress, ProviderError,
    ReadRows, Record, Rows, SpaceStatus, Stamp, StoreError, SyncRequest, SyncedSpace, SyncedState,
    Table, View, export, export_control, export_regularly,
};

static SCHEMA: Schema = Schema {
    provider: "forum",
    version: 1,
    tables: &[
        archive::Table::of::<Forum>(Level::Space),
        archive::Table::of::<Topic>(Level::Space),
        archive::Table::of::<Post>(Level::Part),
    ],
    classes: &["posts"],
    spaces: Forum::TABLE,
    parts: Topic::TABLE,
    is_id: |id| !id.is_empty(),
    has_numeric_ids: false,
    notes: "",
    readme: |forums| format!("{} forums\n", forums.len()),
    commit_message: |_, _, _| "Export".to_owned(),
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Forum {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Topic {
    forum: String,
    title: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Post {
    forum: String,
    topic: String,
    number: u64,
    at: Millis,
    author: String,
    text: String,
}

/// An author's request to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wish {
    author: String,
}

impl Row for Forum {
    const TABLE: &'static str = "forums";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.name)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.name.clone().into(),
        }
    }
}

impl Row for Topic {
    const TABLE: &'static str = "topics";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::space(&self.forum)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: Millis(0),
            sort: self.title.clone().into(),
        }
    }

    fn part(&self) -> Option<Id> {
        Some(Id::new(&self.title))
    }
}

impl Row for Post {
    const TABLE: &'static str = "posts";

    fn is_of(&self, scope: &Scope) -> bool {
        *scope == Scope::part(&self.forum, &self.topic)
    }

    fn key(&self) -> RowKey {
        RowKey {
            time: self.at,
            sort: self.number.to_be_bytes().into(),
        }
    }
}

impl Record for Post {
    type Key = (String, String, u64);

    const TABLE: Table = Table {
        number: 1,
        name: "posts",
    };

    fn key(&self) -> Self::Key {
        (self.forum.clone(), self.topic.clone(), self.number)
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_part(&self.forum, &self.topic, self.at))
    }
}

impl Record for Wish {
    type Key = String;

    const TABLE: Table = Table {
        number: 2,
        name: "wishes",
    };

    fn key(&self) -> String {
        self.author.clone()
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_space("all"))
    }
}

/// What the platform reports.
enum Fact {
    Posted(Post),
    Forget(String),
}

struct Seen {
    at: Stamp,
    fact: Fact,
}

impl Observed for Seen {
    fn at(&self) -> Stamp {
        self.at
    }

    fn is_event(&self) -> bool {
        true
    }
}

struct Forums;

/// Reads all rows.
struct Reader(View);

impl From<View> for Reader {
    fn from(view: View) -> Self {
        Self(view)
    }
}

impl Domain for Forums {
    type Observation = Seen;
    type Missing = ();
    type Reader = Reader;

    const DELETION_RULES: u8 = 1;

    fn merge<S: Rows>(rows: &mut S, seen: &Seen) -> Result<Vec<()>, S::Error> {
        match &seen.fact {
            Fact::Posted(post) => {
                if rows.get::<Wish>(post.author.clone())?.is_none() {
                    rows.update(post.clone(), |known| *known = post.clone())?;
                }
            }
            Fact::Forget(author) => {
                let author = author.clone();
                for post in rows.scan::<Post>(())? {
                    if post.author == author {
                        rows.delete(&post)?;
                    }
                }
                rows.put(&Wish { author })?;
            }
        }
        Ok(Vec::new())
    }
}

/// The platform: a list of posts that notifies of each new one.
#[derive(Default)]
struct Platform {
    posts: Mutex<Vec<Post>>,
    news: Notify,
}

impl Platform {
    fn post(&self, forum: &str, topic: &str, author: &str, text: &str) {
        let mut posts = self.posts.lock().unwrap();
        let number = posts.len() as u64;
        posts.push(Post {
            forum: forum.to_owned(),
            topic: topic.to_owned(),
            number,
            at: Millis(1_700_000_000_000 + i64::try_from(number).unwrap() * 3_600_000),
            author: author.to_owned(),
            text: text.to_owned(),
        });
        self.news.notify_one();
    }
}

/// The mirror of all forums.
struct Store(Mirror<Forums>);

struct Provider {
    platform: Arc<Platform>,
    store: Arc<Store>,
}

impl Provider {
    fn new(platform: &Arc<Platform>, path: &Path) -> Self {
        Self {
            platform: Arc::clone(platform),
            store: Arc::new(Store(Mirror::open(path).unwrap())),
        }
    }

    fn posts(&self) -> Vec<Post> {
        self.store.0.0.scan(()).unwrap()
    }

    /// Fetches all posts.
    fn fetch(&self) -> Result<(), ProviderError> {
        let posts = self.platform.posts.lock().unwrap().clone();
        let seen = posts.into_iter().enumerate().map(|(index, post)| Seen {
            at: Stamp(i64::try_from(index).unwrap()),
            fact: Fact::Posted(post),
        });
        self.merge(seen.collect())
    }

    fn merge(&self, group: Vec<Seen>) -> Result<(), ProviderError> {
        self.store.0.merge(&[group])?;
        Ok(())
    }
}

#[async_trait]
impl DataProvider for Provider {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn sync(
        &self,
        _: &SyncRequest,
        _: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        self.fetch()?;
        let spaces = self.status().await?.into_iter();
        let synced = spaces.map(|space| SyncedSpace {
            space: space.space,
            state: SyncedState::Complete,
            text: space.text,
        });
        Ok(synced.collect())
    }

    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        while stop
            .run_until_cancelled(self.platform.news.notified())
            .await
            .is_some()
        {
            self.fetch()?;
        }
        Ok(())
    }

    fn progress(&self) -> Vec<Progress> {
        Vec::new()
    }

    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for post in self.posts() {
            *counts.entry(post.forum).or_default() += 1;
        }
        let status = counts.into_iter().map(|(forum, posts)| SpaceStatus {
            text: format!("{forum}: {posts} posts"),
            space: Id::new(&forum),
            name: forum,
            details: posts.into(),
            lacks: Vec::new(),
            current: None,
        });
        Ok(status.collect())
    }

    async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError> {
        Ok(self.store.clone())
    }

    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<String, ProviderError> {
        let reader = ArchiveReader::open(archive, &SCHEMA).await?;
        let posts = reader.rows::<Post>().await?;
        let store = &self.store.0;
        store.restore(&posts, Stamp(0))?;
        store.restored(Stamp(0), &reader.origins())?;
        let rows = posts.len() as u64;
        told(rows, rows);
        Ok(format!("{rows} posts"))
    }

    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        let ForgetRequest::User { user, .. } = request else {
            return Err(ProviderError::Wrong("only users can be forgotten".into()));
        };
        self.merge(vec![Seen {
            at: Stamp(1_000),
            fact: Fact::Forget(user.to_string()),
        }])?;
        Ok(vec![format!("deleted the posts of {user}")])
    }
}

impl Exports for Store {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rules(&self) -> u8 {
        1
    }

    fn view(&self) -> Result<ExportView, StoreError> {
        let Reader(view) = self.0.view();
        let mut topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for post in view.scan::<Post>(())? {
            topics.entry(post.forum).or_default().insert(post.topic);
        }
        let spaces = topics.into_iter().map(|(forum, topics)| ExportSpace {
            id: Id::new(&forum),
            name: forum,
            heard_at: None,
            synced: [("posts".to_owned(), None)].into_iter().collect(),
            history: None,
            stamps: None,
            parts: topics
                .into_iter()
                .map(|topic| ExportPart {
                    id: Id::new(&topic),
                    name: topic,
                    covered: Vec::new(),
                })
                .collect(),
        });
        let marks = view.scan::<Dirty>(())?;
        let changed = marks.iter().filter(|dirty| !is_wish(dirty));
        Ok(ExportView {
            contents: Contents {
                spaces: spaces.collect(),
                changed: changed
                    .map(|dirty| archive::Mark {
                        scope: dirty.mark.scope(),
                        table: <Post as Row>::TABLE,
                        period: dirty.mark.period,
                    })
                    .collect(),
                carries_out_choices: marks.iter().any(is_wish),
                has_choices: !view.scan::<Wish>(())?.is_empty(),
                marks,
            },
            rows: Arc::new(Posts(view)),
        })
    }

    fn is_current(&self, contents: &Contents) -> Result<bool, StoreError> {
        let marks = self.0.0.scan::<Dirty>(())?;
        let now = marks.iter().filter(|dirty| is_wish(dirty));
        Ok(now.eq(contents.marks.iter().filter(|dirty| is_wish(dirty))))
    }

    fn ledger(&self) -> &dyn Ledger {
        &self.0
    }
}

fn is_wish(dirty: &Dirty) -> bool {
    dirty.mark.is_of(Wish::TABLE)
}

struct Posts(View);

impl Source for Posts {
    fn newest(&self, forum: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let rows = self.0.recent(forum, Millis(i64::MIN)..=clock);
        Ok(rows.last().transpose()?.map(|row| row.time))
    }

    fn recent(
        &self,
        forum: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        for row in self.0.recent(forum, times) {
            let post: Post = row?.read()?;
            each(PartRow {
                part: Some(Id::new(&post.topic)),
                table: <Post as Row>::TABLE,
                row: EncodedRow::new(&post),
            })?;
        }
        Ok(())
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        fn each_of<R: Row>(
            rows: &[R],
            times: &RangeInclusive<Millis>,
            each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
        ) -> Result<(), SourceError> {
            let mut rows = rows.iter().filter(|row| times.contains(&row.key().time));
            rows.try_for_each(|row| each(EncodedRow::new(row)))
        }
        let forum = scope.space.to_string();
        match (table, &scope.part) {
            (Forum::TABLE, None) => each_of(&[Forum { name: forum }], &times, each),
            (Topic::TABLE, None) => {
                let posts = self.0.scan::<Post>(forum)?.into_iter();
                let topics: BTreeMap<String, Topic> = posts
                    .map(|Post { forum, topic, .. }| (topic.clone(), (forum, topic)))
                    .map(|(key, (forum, title))| (key, Topic { forum, title }))
                    .collect();
                each_of(&topics.into_values().collect::<Vec<_>>(), &times, each)
            }
            (_, Some(topic)) => {
                let posts = self.0.scan::<Post>((forum, topic.to_string()))?;
                each_of(&posts, &times, each)
            }
            _ => Err(format!("there is no table {table}").into()),
        }
    }
}
