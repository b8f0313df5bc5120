//! What a query reads: the rows that it asks for, from the files that have any, and from no others.

use std::sync::Mutex;

use async_trait::async_trait;
use proptest::prelude::*;

use super::{
    damage::{inflate, kind},
    forum::{id_at, time_of},
    promise::{SMALL, START, Step, Story, step, topic_id},
    *,
};
use crate::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Level,
    file::decode,
    layout::LIMITS,
    manifest::{Days, Index, ONE_LIST, parse},
};

/// An archive that notes what is read of it.
pub(super) struct Noting {
    archive: MemoryArchive,
    read: Mutex<Vec<String>>,
}

impl Noting {
    pub(super) fn of(files: &Stored) -> Self {
        Self {
            archive: files.clone().into(),
            read: Mutex::default(),
        }
    }

    /// What was read since the last time, sorted.
    pub(super) fn take(&self) -> Vec<String> {
        let mut read = std::mem::take(&mut *self.read.lock().unwrap());
        read.sort();
        read
    }
}

#[async_trait]
impl DataArchive for Noting {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.read.lock().unwrap().push(path.to_owned());
        self.archive.read(path, longest).await
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        self.archive.write(bases).await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }
}

type KeyedRow = ((Option<Id>, &'static str, Vec<u8>), EncodedRow);

/// What a query read.
struct Asked {
    /// By part, table and key, as they are written.
    rows: Vec<KeyedRow>,
    /// The files that were read, and those that should be.
    read: Vec<String>,
    needed: Vec<String>,
}

async fn ask(files: &Stored, limits: Limits, query: &Query) -> Result<Asked, ReadError> {
    fn take<R: Row>(batch: &Batch, asked: &mut Asked) {
        let rows = batch.rows::<R>().unwrap();
        assert_eq!(batch.json().count(), rows.len());
        for ((row, raw), json) in rows.iter().zip(batch.raw()).zip(batch.json()) {
            let encoded = EncodedRow::new(row);
            assert_eq!((raw.bytes, raw.time), (&*encoded.bytes, encoded.key.time));
            assert_eq!(raw.belongs_to, row.belongs_to());
            let json = serde_json::from_value::<R>(json.unwrap().into()).unwrap();
            assert_eq!(EncodedRow::new(&json), encoded);
            let key = encoded.key.sort.clone();
            let key = (batch.scope.part.clone(), R::TABLE, key);
            asked.rows.push((key, encoded));
        }
    }
    let archive = Noting::of(files);
    let reader = ArchiveReader::open(&archive, &SCHEMA).await?.within(limits);
    let mut asked = Asked {
        rows: Vec::new(),
        read: Vec::new(),
        needed: Vec::new(),
    };
    let mut batches = reader.batches(query);
    while let Some(batch) = batches.try_next().await? {
        match batch.table {
            Forum::TABLE => take::<Forum>(&batch, &mut asked),
            Topic::TABLE => take::<Topic>(&batch, &mut asked),
            Post::TABLE => take::<Post>(&batch, &mut asked),
            Like::TABLE => take::<Like>(&batch, &mut asked),
            _ => unreachable!(),
        }
    }
    drop(batches);
    asked.read = archive.take();
    let needed = reader.needed(query).await?;
    for file in &needed {
        let found = &files[&file.path];
        let inflated = kind(&file.path).map(|_| inflate(found));
        let bytes = inflated.as_ref().unwrap_or(found).len();
        assert_eq!(file.bytes, bytes as u64, "{file:?}");
    }
    asked.needed = needed.into_iter().map(|file| file.path).collect();
    asked.needed.sort();
    // It reads only what names the files of rows.
    let mut named = asked.needed.clone();
    named.retain(|path| {
        path.starts_with("parts/") || path.starts_with("days/") || path.starts_with("indexes/")
    });
    assert_eq!(archive.take(), named);
    Ok(asked)
}

/// When a row is of, when that it belongs to, and its users.
fn facts(table: &str, row: &EncodedRow) -> (Millis, Option<Millis>, Vec<Number>) {
    match table {
        Post::TABLE => {
            let post: Post = row.decode().unwrap();
            (time_of(post.id.0), None, vec![post.author])
        }
        Like::TABLE => {
            let like: Like = row.decode().unwrap();
            (like.key().time, Some(time_of(like.post.0)), vec![like.user])
        }
        _ => (row.key.time, None, Vec::new()),
    }
}

fn asks_for(query: &Query, part: Option<&Id>, table: &str, row: &EncodedRow) -> bool {
    let (time, item, users) = facts(table, row);
    let has_user = |user: &Id| users.iter().any(|of| of.0.to_string() == user.as_str());
    query.has_table(table)
        && part.is_none_or(|part| query.has_part(part))
        && query.times.contains(&time)
        && (query.item_times == ALWAYS || item.is_some_and(|item| query.item_times.contains(&item)))
        && query.user.as_ref().is_none_or(has_user)
}

/// The files that a query needs, by what is in them.
fn needed(files: &Stored, query: &Query) -> Vec<String> {
    let manifest_at = manifest_path(&Id::new(FORUM));
    let manifest: Manifest = parse(&files[&manifest_at]).unwrap();
    let reaches = |table: &str, times: &RangeInclusive<Millis>| {
        let items = query.item_times.clone();
        let from = match table {
            Like::TABLE => (*query.times.start()).max(*items.start()),
            _ if items != ALWAYS => return false,
            _ => *query.times.start(),
        };
        query.has_table(table) && from <= *times.end() && times.start() <= query.times.end()
    };
    let either = |times: &RangeInclusive<Millis>| {
        [Post::TABLE, Like::TABLE]
            .iter()
            .any(|table| reaches(table, times))
    };
    let is_of_parts = query.has_table(Post::TABLE) || query.has_table(Like::TABLE);
    let describes =
        query.has_table(Topic::TABLE) && (&query.times, &query.item_times) == (&ALWAYS, &ALWAYS);
    let base = manifest.stamps.map_or(ALWAYS, |stamps| {
        Millis(i64::MIN)..=Millis(stamps.days_from.start().0 - 1)
    });
    let mut needed = BTreeSet::from([ROOT.to_owned(), manifest_at]);
    let mut open = manifest.hours;
    for (path, file) in files {
        let is_needed = match path.split('/').next().unwrap() {
            "parts" => is_of_parts || describes,
            "days" => {
                let days: Days = parse(&inflate(file)).unwrap();
                open.extend(days.days);
                is_of_parts && either(&manifest.stamps.unwrap().days())
            }
            "indexes" => {
                let index: Index = parse(&inflate(file)).unwrap();
                let times = if index.part.is_some() { &base } else { &ALWAYS };
                let is_asked = index.part.as_ref().is_none_or(|part| query.has_part(part));
                for (table, entries) in &index.tables {
                    let entries = entries
                        .iter()
                        .filter(|entry| is_asked && reaches(table, &entry.period.times()));
                    needed.extend(entries.map(|entry| named(Kind::Rows, entry.file.hash)));
                }
                is_asked && index.tables.keys().any(|table| reaches(table, times))
            }
            _ => false,
        };
        if is_needed {
            needed.insert(path.clone());
        }
    }
    for open in open {
        let path = named(Kind::Rows, open.file.hash);
        let groups = decode(&SCHEMA, &Id::new(FORUM), &inflate(&files[&path])).unwrap();
        if groups
            .iter()
            .any(|group| reaches(&group.name, &open.period.times()))
        {
            needed.insert(path);
        }
    }
    needed.into_iter().collect()
}

/// A query of a story that began at [`START`] and took this long.
fn query() -> impl Strategy<Value = Query> {
    let tables = prop::sample::subsequence(
        vec![Forum::TABLE, Topic::TABLE, Post::TABLE, Like::TABLE],
        1..=4,
    );
    let topics = prop::collection::btree_set(0..3_u64, 1..=2);
    let time = prop_oneof![
        4 => -3 * DAY..3 * DAY,
        2 => -70 * DAY..70 * DAY,
        1 => -3000 * DAY..2000 * DAY,
    ];
    let times = (time.clone(), time).prop_map(|(one, other)| {
        let at = |time: i64| Millis(START.0 + time);
        at(one.min(other))..=at(one.max(other))
    });
    let times = prop_oneof![1 => Just(ALWAYS), 2 => times];
    let user = prop_oneof![
        Just(Id::new(5)),
        (0..50_u64).prop_map(|number| Id::new(id_at(Millis(1_500_000_000_000), number))),
    ];
    (
        prop::option::of(topics),
        prop::option::of(tables),
        times.clone(),
        prop_oneof![2 => Just(ALWAYS), 1 => times],
        prop::option::weighted(0.3, user),
    )
        .prop_map(|(topics, tables, times, item_times, user)| Query {
            parts: topics.map(|topics| {
                topics
                    .into_iter()
                    .map(|topic| Id::new(topic_id(topic)))
                    .collect()
            }),
            tables: tables.map(|tables| tables.into_iter().collect()),
            times,
            item_times,
            user,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_query_reads_what_it_asks_for_and_no_other_file(
        steps in prop::collection::vec(step(), 1..80),
        queries in prop::collection::vec(query(), 1..12),
    ) {
        let mut story = Story::new();
        for step in &steps {
            story.carry_out(step);
        }
        story.carry_out(&Step::Export);
        let files = story.world.all_files();
        let all = story.world.rows(|_, _, _| true);
        for query in queries {
            let shown = |part: &&Id| all.contains_key(&(None, Topic::TABLE, key_of(part)));
            let hidden = query.parts.iter().flatten().find(|part| !shown(part));
            let asked = in_runtime(ask(&files, SMALL, &query));
            let is_of_parts = query.has_level(&SCHEMA, Level::Part);
            if let Some(hidden) = hidden.filter(|_| is_of_parts) {
                let missing = matches!(&asked, Err(ReadError::NoPart { missing, .. }) if missing == hidden);
                prop_assert!(missing);
                continue;
            }
            let asked = asked.unwrap();
            prop_assert_eq!(&asked.read, &needed(&files, &query));
            prop_assert_eq!(&asked.needed, &asked.read);
            let rows: BTreeMap<_, _> = asked.rows.iter().cloned().collect();
            prop_assert_eq!(rows.len(), asked.rows.len());
            let wanted = story.world.mirror.rows.iter().filter(|(key, row)| {
                all.contains_key(key) && asks_for(&query, key.0.as_ref(), key.1, row)
            });
            prop_assert!(rows.iter().map(|(key, row)| (key, &row.bytes)).eq(wanted.map(|(key, row)| (key, &row.bytes))));
        }
    }
}

/// The key of a topic's row.
fn key_of(topic: &Id) -> Vec<u8> {
    topic.as_str().parse::<u64>().unwrap().to_be_bytes().into()
}

/// Of one part, each file is older than the one before, and within a file, rows are in the order of their keys.
#[tokio::test]
async fn one_part_comes_newest_first() {
    let (mut world, now) = (World::new(SMALL), Millis(1_795_438_800_000));
    let (topic, other) = (topic_id(0), topic_id(1));
    world.topic(topic, "a topic");
    world.topic(other, "another");
    for number in 0..60 {
        let ago = i64::try_from(number * number).unwrap() * HOUR;
        world.post(
            topic,
            id_at(Millis(now.0 - ago), number),
            "Thank you all",
            None,
        );
        world.post(
            other,
            id_at(Millis(now.0 - ago), 100 + number),
            "Thank you all",
            None,
        );
    }
    world.export(now);
    let query = Query {
        parts: Some([Id::new(topic)].into()),
        ..Query::table(Post::TABLE)
    };
    let archive = MemoryArchive::from(world.all_files());
    let reader = ArchiveReader::open(&archive, &SCHEMA)
        .await
        .unwrap()
        .within(SMALL);
    let batches: Vec<Batch> = reader.batches(&query).try_collect().await.unwrap();
    let times = batches
        .iter()
        .flat_map(|batch| batch.raw().rev().map(|row| row.time));
    let times: Vec<Millis> = times.collect();
    assert_eq!(times.len(), 60);
    assert!(
        batches.len() > 9 && times.is_sorted_by(|one, next| one > next),
        "{times:?}"
    );
}

#[tokio::test]
async fn of_many_parts_only_the_shards_of_those_asked_for_are_read() {
    let (mut world, now) = (World::new(LIMITS), Millis(1_795_438_800_000));
    let topics = u64::try_from(ONE_LIST).unwrap() + 44;
    for topic in 0..topics {
        world.topic(topic_id(topic), &format!("topic {topic}"));
        world.post(
            topic_id(topic),
            id_at(Millis(now.0 - 90 * DAY), topic),
            "old",
            None,
        );
        world.post(
            topic_id(topic),
            id_at(Millis(now.0 - 2 * HOUR), topic),
            "new",
            None,
        );
    }
    world.export(now);
    let files = world.all_files();
    let wanted = Id::new(topic_id(7));
    let mut query = Query {
        parts: Some([wanted.clone()].into()),
        ..Query::table(Post::TABLE)
    };
    let asked = ask(&files, LIMITS, &query).await.unwrap();
    assert_eq!(asked.read, asked.needed);
    assert_eq!(asked.rows.len(), 2);
    let of = |folder: &str| {
        asked
            .read
            .iter()
            .filter(|path| path.starts_with(folder))
            .count()
    };
    // The directory and a shard; its index; its base and one open file.
    assert_eq!(
        (of("parts/"), of("indexes/"), of("rows/"), asked.read.len()),
        (2, 1, 2, 7)
    );

    query.times = Millis(now.0 - DAY)..=now;
    let recent = ask(&files, LIMITS, &query).await.unwrap();
    assert_eq!((recent.rows.len(), recent.read.len()), (1, 5));

    query.parts = Some([wanted, Id::new(5)].into());
    let refused = ask(&files, LIMITS, &query).await.err().unwrap().to_string();
    let says = "the archive has no part 5; it has ";
    assert!(
        refused.starts_with(says)
            && refused.contains(" (topic 0), ")
            && refused.ends_with(" and 280 more"),
        "{refused}"
    );
}

#[tokio::test]
async fn only_the_manifest_of_the_space_asked_for_is_read() {
    let archive = MemoryArchive::new();
    let forums = forums::forums();
    forums.export(&archive, forums.request()).await;
    let noting = Noting {
        archive,
        read: Mutex::default(),
    };
    let only = Id::new(8);
    let reader = ArchiveReader::open_only(&noting, &SCHEMA, Some(&only))
        .await
        .unwrap();
    assert_eq!(noting.take(), [ROOT, "spaces/8.json"]);
    let rows: Vec<Batch> = reader
        .batches(&Query::table(Forum::TABLE))
        .try_collect()
        .await
        .unwrap();
    assert_eq!((rows.len(), rows[0].scope.clone()), (1, Scope::space(8)));
    let missing = ArchiveReader::open_only(&noting, &SCHEMA, Some(&Id::new(9))).await;
    let missing = missing.err().unwrap().to_string();
    assert_eq!(missing, "the archive has no space 9; it has 7, 8");
}
