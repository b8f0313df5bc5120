//! What is planned depends on the rows, not on what was exported before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    Change, MANIFEST, Period, Snapshot, Unit,
    rows::{ChannelRow, GuildRow, MessageRow},
};
use propsbot_model::{self as model, AuthorKind, ChannelKind, MessageId, MessageKind, UserId};

const GUILD: GuildId = GuildId(1);
const CHANNELS: [ChannelId; 3] = [ChannelId(10), ChannelId(11), ChannelId(12)];
/// About five rows' worth, so that a few messages make deep splits.
const SMALL: u64 = 1500;

/// An archive as a map of its files, and the store that it mirrors.
#[derive(Default)]
struct World {
    rows: Snapshot,
    files: BTreeMap<String, Vec<u8>>,
    dirty: BTreeSet<Partition>,
    hidden: BTreeSet<ChannelId>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.rows.guilds.push(GuildRow {
            id: GUILD,
            name: "guild".to_owned(),
            owner_id: UserId(1),
            props_channels: None,
            left_at: None,
            keep_deleted_props: None,
            excluded_channels: vec![],
            included_channels: vec![],
            age_restricted: None,
            limits: Vec::new(),
            props_bots: Vec::new(),
        });
        world.rows.channels = CHANNELS.map(channel_row).to_vec();
        world
    }

    fn say(&mut self, channel: ChannelId, id: MessageId, content: &str) {
        self.unsay(channel, id);
        self.rows.messages.push(MessageRow {
            guild_id: GUILD,
            channel_id: channel,
            id,
            deleted_at: None,
            author_id: Some(UserId(7)),
            author_kind: Some(AuthorKind::User),
            kind: Some(MessageKind::DEFAULT),
            content: Some(content.to_owned()),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
            earlier_mentions: Vec::new(),
        });
        self.rows.messages.sort_by_key(|it| (it.channel_id, it.id));
    }

    fn unsay(&mut self, channel: ChannelId, id: MessageId) {
        self.rows
            .messages
            .retain(|it| (it.channel_id, it.id) != (channel, id));
        self.dirty.insert(Partition {
            guild_id: GUILD,
            table: model::Table::Messages,
            channel_day: Some((channel, id.created_at().0.div_euclid(86_400_000))),
        });
    }

    fn request(&self) -> ExportRequest {
        ExportRequest {
            now: Millis(1_800_000_000_000),
            heard_at: None,
            guilds: vec![ExportGuild {
                id: GUILD,
                name: "guild".to_owned(),
                synced: BTreeMap::new(),
                history: None,
                channels: CHANNELS
                    .into_iter()
                    .filter(|it| !self.hidden.contains(it))
                    .map(|id| ExportChannel {
                        id,
                        name: format!("channel-{id}"),
                        covered: Vec::new(),
                    })
                    .collect(),
            }],
            dirty: self.dirty.iter().copied().collect(),
            since: self.files.get(MANIFEST).map(|it| Hash::of(it)),
            only_over: None,
            anew: BTreeSet::new(),
            beside: None,
            made: MadeBoard::default(),
            ..ExportRequest::default()
        }
    }

    fn previous(&self) -> Option<Previous> {
        let bytes = self.files.get(MANIFEST)?;
        Some(Previous {
            hash: Hash::of(bytes),
            manifest: Manifest::parse(bytes).unwrap(),
            indexes: self
                .files
                .iter()
                .filter(|(path, _)| path.starts_with("indexes/"))
                .map(|(path, bytes)| (Hash::of(bytes), Index::parse(path, bytes).unwrap()))
                .collect(),
        })
    }

    fn export(&mut self) -> ExportPlan {
        let request = self.request();
        self.export_as(&request)
    }

    fn export_as(&mut self, request: &ExportRequest) -> ExportPlan {
        let previous = self.previous();
        let files = &mut self.files;
        let mut put = |object: Object| {
            Change::Put(object.clone()).check().unwrap();
            assert!(!files.contains_key(&object.path), "written again");
            files.insert(object.path, object.bytes);
            Ok(())
        };
        let plan = Planner::new(request, &self.rows, &mut put, SMALL)
            .plan(previous.as_ref())
            .unwrap();
        if let Some(manifest) = &plan.manifest {
            files.insert(MANIFEST.to_owned(), manifest.print());
            for path in &plan.remove {
                assert!(files.remove(path).is_some(), "removes what is not there");
            }
        } else {
            assert_eq!(plan.remove, BTreeSet::new());
        }
        self.dirty.clear();
        plan
    }

    fn objects(&self) -> BTreeSet<&String> {
        self.files.keys().filter(|it| *it != MANIFEST).collect()
    }

    fn entries(&self, channel: ChannelId) -> Vec<(String, u64)> {
        let previous = self.previous().unwrap();
        let reference = previous.manifest.guilds[0]
            .channels
            .iter()
            .find(|it| it.id == channel)
            .and_then(|it| it.index);
        let index = reference.map(|it| previous.indexes[&it.hash].clone());
        index.map_or_else(Vec::new, |index| {
            let entries = index.entries(Table::Messages).iter();
            entries.map(|it| (it.period.to_string(), it.rows)).collect()
        })
    }

    /// The partitions by the rule's own words.
    fn by_the_rule(&self, channel: ChannelId) -> Vec<(String, u64)> {
        let rows: Vec<(u64, u64)> = self
            .rows
            .messages
            .iter()
            .filter(|it| it.channel_id == channel)
            .map(|it| (it.id.0, EncodedRow::new(it).bytes.len() as u64))
            .collect();
        let mut partitions = Vec::new();
        split(&rows, Unit::Year, &mut partitions);
        partitions
    }
}

fn split(rows: &[(u64, u64)], unit: Unit, partitions: &mut Vec<(String, u64)>) {
    let period = |id: u64| Period::of(unit, MessageId(id).created_at());
    for rows in rows.chunk_by(|one, other| period(one.0) == period(other.0)) {
        let bytes: u64 = rows.iter().map(|it| it.1).sum();
        match unit.finer() {
            Some(finer) if bytes > SMALL => split(rows, finer, partitions),
            _ => partitions.push((period(rows[0].0).to_string(), rows.len() as u64)),
        }
    }
}

fn channel_row(id: ChannelId) -> ChannelRow {
    ChannelRow {
        id,
        guild_id: GUILD,
        kind: ChannelKind::TEXT,
        name: format!("channel-{id}"),
        parent_id: None,
        position: 0,
        nsfw: false,
        props_channel: false,
        overwrites: Vec::new(),
        owner_id: None,
        archived: None,
        archive_timestamp: None,
        deleted_at: None,
    }
}

/// 2026-01-30T00:00:00 and so many seconds.
fn id_at(seconds: i64, sequence: u64) -> MessageId {
    let time = Millis(1_769_731_200_000 + seconds * 1000);
    MessageId(MessageId::at(time).0 + sequence)
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize, MessageId, usize),
    Unsay(usize, MessageId),
    Hide(usize),
    Show(usize),
    Export,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few moments at many distances: the same second, minute, hour, day, month, year, and others.
    let seconds = prop::sample::select(vec![
        0, 1, 2, 59, 60, 61, 3599, 3600, 7200, 86_399, 86_400, 172_800, 200_000, 3_000_000,
        31_000_000, 31_536_000, 40_000_000,
    ]);
    let id = (seconds, 0..4_u64).prop_map(|(seconds, sequence)| id_at(seconds, sequence));
    let channel = 0..CHANNELS.len();
    let step = prop_oneof![
        8 => (channel.clone(), id.clone(), 0..1200_usize).prop_map(|(c, id, len)| Step::Say(c, id, len)),
        4 => (channel.clone(), id).prop_map(|(c, id)| Step::Unsay(c, id)),
        1 => channel.clone().prop_map(Step::Hide),
        1 => channel.prop_map(Step::Show),
        3 => Just(Step::Export),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn exports_in_any_order_end_in_the_same_bytes_as_one_from_scratch(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Say(c, id, len) => world.say(CHANNELS[c], id, &"x".repeat(len)),
                Step::Unsay(c, id) => world.unsay(CHANNELS[c], id),
                Step::Hide(c) => { world.hidden.insert(CHANNELS[c]); }
                Step::Show(c) => { world.hidden.remove(&CHANNELS[c]); }
                Step::Export => { world.export(); }
            }
        }
        world.export();
        let mut scratch = World {
            rows: world.rows.clone(),
            hidden: world.hidden.clone(),
            ..World::default()
        };
        scratch.export();
        prop_assert_eq!(world.objects(), scratch.objects());
        let guilds = |world: &World| world.previous().unwrap().manifest.guilds;
        prop_assert_eq!(guilds(&world), guilds(&scratch));
        for channel in CHANNELS {
            if world.hidden.contains(&channel) {
                continue;
            }
            prop_assert_eq!(world.entries(channel), world.by_the_rule(channel));
        }
    }
}

#[test]
fn one_new_message_writes_one_blob_and_one_index() {
    let mut world = World::new();
    for day in 0..60 {
        world.say(CHANNELS[0], id_at(day * 86_400, 0), &"x".repeat(300));
    }
    assert!(world.export().summary.blobs > 10);
    world.say(CHANNELS[0], id_at(60 * 86_400, 0), "hello");
    let plan = world.export();
    assert_eq!((plan.summary.blobs, plan.summary.indexes), (1, 1));
    assert_eq!(plan.summary.generation, 2);
}

#[test]
fn sync_times_alone_make_no_generation() {
    let mut world = World::new();
    world.say(CHANNELS[0], id_at(0, 0), "hello");
    assert!(world.export().summary.changed);
    let mut request = world.request();
    request.now = Millis(1_900_000_000_000);
    request.guilds[0].synced.insert(Class::Messages, Millis(1));
    let plan = world.export_as(&request);
    assert_eq!(plan.manifest, None);
    assert_eq!(
        plan.summary,
        Summary {
            generation: 1,
            manifest: world.request().since,
            ..Summary::default()
        }
    );
}

#[test]
fn an_archive_of_unknown_state_is_read_anew_and_only_what_differs_is_written() {
    let mut world = World::new();
    for channel in CHANNELS {
        world.say(channel, id_at(0, 0), "hello");
    }
    let exported = world.export().summary.manifest;
    assert_eq!(exported, world.request().since);
    let unknown = ExportRequest {
        since: None,
        ..world.request()
    };
    let plan = world.export_as(&unknown);
    assert_eq!(plan.manifest, None);
    assert_eq!(plan.summary.manifest, exported);

    // A change that another archive was told of, and this one was not.
    world.say(CHANNELS[1], id_at(0, 0), "changed");
    world.dirty.clear();
    let elsewhere = ExportRequest {
        since: Some(Hash::of(b"another archive's manifest")),
        ..world.request()
    };
    let summary = world.export_as(&elsewhere).summary;
    assert_eq!((summary.blobs, summary.indexes), (1, 1));
    assert_eq!(summary.manifest, world.request().since);
}

#[test]
fn a_withdrawn_channel_is_gone_to_the_last_byte_and_back_when_it_returns() {
    let mut world = World::new();
    for channel in CHANNELS {
        world.say(channel, id_at(0, 0), &format!("secret of {channel}"));
    }
    world.export();
    let before = world.previous().unwrap().manifest.guilds;
    world.hidden.insert(CHANNELS[1]);
    let plan = world.export();
    assert_eq!(plan.summary.withdrawn_channels, [CHANNELS[1]]);
    for (path, bytes) in &world.files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("secret of 11"), "{path}");
        assert!(!text.contains("channel-11"), "{path}");
    }
    world.hidden.clear();
    let plan = world.export();
    assert_eq!(plan.summary.added_channels, [CHANNELS[1]]);
    assert_eq!(world.previous().unwrap().manifest.guilds, before);
}

#[test]
fn a_guild_that_is_not_asked_for_is_withdrawn() {
    let mut world = World::new();
    world.say(CHANNELS[0], id_at(0, 0), "hello");
    world.export();
    let request = ExportRequest {
        guilds: Vec::new(),
        ..world.request()
    };
    world.export_as(&request);
    assert_eq!(world.objects(), BTreeSet::new());
}

#[test]
fn settings_touch_the_guild_and_its_channels() {
    let mut world = World::new();
    world.export();
    world.rows.guilds[0].props_channels = Some(vec![CHANNELS[2]]);
    world.rows.channels[2].props_channel = true;
    world.dirty.insert(Partition {
        guild_id: GUILD,
        table: model::Table::Settings,
        channel_day: None,
    });
    assert_eq!(world.export().summary.blobs, 2);
}

#[test]
fn a_source_that_breaks_order_is_found_out() {
    struct Backwards(Vec<EncodedRow>);
    impl Source for Backwards {
        fn scan(
            &self,
            _: Scope,
            table: Table,
            _: RangeInclusive<u64>,
            each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
        ) -> Result<(), SourceError> {
            let rows = self.0.iter().filter(|_| table == Table::Messages);
            rows.cloned().try_for_each(each)
        }
    }
    let mut world = World::new();
    world.say(CHANNELS[0], id_at(0, 0), "one");
    world.say(CHANNELS[0], id_at(1, 0), "two");
    let rows = world.rows.messages.iter().rev().map(EncodedRow::new);
    let source = Backwards(rows.collect());
    let error = plan(None, &world.request(), &source, &mut |_| Ok(())).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the messages of channel 10 of guild 1"),
        "{text}"
    );
    assert!(text.contains("out of order"), "{text}");
}
