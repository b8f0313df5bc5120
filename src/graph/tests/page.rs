//! The page that an archive carries says what counts as props: its program, run on an archive, gives the graph's answer.

use std::{collections::BTreeMap, fs, ops::RangeInclusive, path::Path, process::Command};

use jiff::{Timestamp, tz::TimeZone};
use proptest::{prelude::*, sample::select};

use super::{community::*, *};
use propsbot_archive::{
    EncodedRow, Id, Row, Schema, Scope, SourceError,
    document::format_md,
    file::{FileRef, Kind, PartRow},
    manifest::{ROOT, Root, manifest_path},
    plan::plan,
    request::{Changed, ExportPart, Files, Request, Source},
};
use propsbot_model::{
    AuthorKind, EarlierMention, EmojiId, Evidence, GuildId, Limits, MessageId, MessageKind, Millis,
    Quota, QuotaPeriod, ReactionThanks, RoleId, UserId,
};
use propsbot_rows::{GuildRow, MessageRow, PropsRow, RoleSpanRow, SCHEMA};

const DAN: UserId = UserId(480_300_000_000_000_004);
const EVE: UserId = UserId(480_300_000_000_000_005);
const HOUR: u64 = 60;

/// The rows of a snapshot, but for roles and emojis.
struct Rows(Vec<PartRow>);

impl Rows {
    fn of(snapshot: &Snapshot) -> Self {
        fn rows<R: Row>(
            rows: &[R],
            part: impl Fn(&R) -> Option<Id>,
        ) -> impl Iterator<Item = PartRow> {
            rows.iter().map(move |row| PartRow {
                part: part(row),
                table: R::TABLE,
                row: EncodedRow::new(row),
            })
        }
        let mut all: Vec<PartRow> = rows(&snapshot.guilds, |_| None)
            .chain(rows(&snapshot.channels, |_| None))
            .chain(rows(&snapshot.members, |_| None))
            .chain(rows(&snapshot.messages, |row| {
                Some(Id::new(row.channel_id))
            }))
            .chain(rows(&snapshot.props, |row| Some(Id::new(row.channel_id))))
            .chain(rows(&snapshot.reactions, |row| {
                Some(Id::new(row.channel_id))
            }))
            .collect();
        all.sort_by_key(|row| row.row.key.time);
        Self(all)
    }

    fn of_parts(&self) -> impl Iterator<Item = &PartRow> {
        self.0.iter().filter(|row| row.part.is_some())
    }
}

impl Source for Rows {
    fn newest(&self, _: &Id, _: Millis) -> Result<Option<Millis>, SourceError> {
        Ok(self.of_parts().last().map(|row| row.row.key.time))
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let is_of = |row: &&PartRow| {
            (&row.part, row.table) == (&scope.part, table) && times.contains(&row.row.key.time)
        };
        self.0
            .iter()
            .filter(is_of)
            .try_for_each(|row| each(row.row.clone()))
    }

    fn recent(
        &self,
        _: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut rows = self
            .of_parts()
            .filter(|row| times.contains(&row.row.key.time));
        rows.try_for_each(|row| each(row.clone()))
    }
}

/// A new archive's.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: Kind, _: FileRef) -> Result<Vec<u8>, SourceError> {
        unreachable!("nothing was exported before")
    }
}

/// Exports to a folder.
fn export(snapshot: &Snapshot, folder: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let space = Id::new(GUILD);
    let now = Millis(1_800_000_000_000);
    let parts = snapshot.channels.iter().map(|channel| ExportPart {
        id: Id::new(channel.id),
        name: channel.name.clone(),
        covered: Vec::new(),
    });
    let request = Request {
        schema: &SCHEMA as &'static Schema,
        now,
        heard_at: Some(now),
        id: space.clone(),
        name: "a guild".to_owned(),
        synced: SCHEMA
            .classes
            .iter()
            .map(|class| ((*class).to_owned(), None))
            .collect(),
        history: None,
        stamps: None,
        parts: parts.collect(),
        changed: Changed::Everything,
        damaged: std::collections::BTreeSet::new(),
    };
    let mut put = |object: propsbot_archive::Object| {
        write(&object.path, &object.bytes);
        Ok(())
    };
    let plan = plan(None, &request, &Rows::of(snapshot), &NoFiles, &mut put).unwrap();
    write(&manifest_path(&space), &plan.manifest.unwrap().1);
    write(ROOT, &Root::print(SCHEMA.provider, vec![space]));
}

/// Who thanked whom and how often in a month, by the page's program.
fn by_the_page(snapshot: &Snapshot, month: &str) -> BTreeMap<(String, String), u64> {
    let folder = tempfile::tempdir().unwrap();
    export(snapshot, folder.path());
    let page = format_md(&[&SCHEMA]);
    let python = page
        .split("```python\n")
        .skip(1)
        .map(|code| code.split("```").next().unwrap());
    let output = Command::new("python3")
        .args(["-c", &python.collect::<String>()])
        .arg(folder.path())
        .arg(month)
        .output()
        .expect("python3 is needed to test the reader that archives carry");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    // Before, it prints a line about the space.
    let lines = printed.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (
            (words[0].to_owned(), words[1].to_owned()),
            words[2].parse().unwrap(),
        )
    });
    lines.collect()
}

/// The same by the graph: its edges to receivers, which name the giver.
fn by_the_graph(snapshot: &Snapshot, month: &str) -> BTreeMap<(String, String), u64> {
    let documents = props_documents(snapshot, &Weights::default());
    let graph = &parsed(&documents, Document::Graph)[1]["graphJSON"][1];
    let mut thanks = BTreeMap::new();
    for edge in graph["edges"].as_array().unwrap() {
        let at = Timestamp::from_millisecond(edge["timestampMs"].as_i64().unwrap()).unwrap();
        let at = TimeZone::UTC.to_datetime(at).strftime("%Y-%m").to_string();
        let address: Vec<&str> = edge["address"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part.as_str().unwrap())
            .collect();
        if let ["external", "props", "PROPS", _, giver, _, _, receiver] = address[..]
            && at == month
        {
            *thanks
                .entry((giver.to_owned(), receiver.to_owned()))
                .or_default() += 1;
        }
    }
    thanks
}

fn user() -> impl Strategy<Value = UserId> {
    select(vec![ANA, BEN, CY, BOT, NOBODY, DAN, DAN, EVE, EVE])
}

/// A message, and the row of a command if it answers one.
fn said(index: u64) -> impl Strategy<Value = (MessageRow, Option<PropsRow>)> {
    let place = select(vec![GENERAL, PROPS, PROPS, THREAD]);
    let mentions = prop::collection::btree_map(user(), 0..3_u32, 1..4);
    let kind = select(vec![
        (AuthorKind::User, MessageKind::DEFAULT),
        (AuthorKind::User, MessageKind::DEFAULT),
        (AuthorKind::User, MessageKind::REPLY),
        (AuthorKind::User, MessageKind::CHAT_INPUT_COMMAND),
        (AuthorKind::Bot, MessageKind::DEFAULT),
        (AuthorKind::Webhook, MessageKind::DEFAULT),
    ]);
    let edit = prop::option::of((0..25_u64, 0..25_u64));
    (place, user(), mentions, any::<bool>(), kind, edit, 0..12).prop_map(
        move |(place, author, mentions, by_command, kind, edit, fate)| {
            let after = |minutes: u64| message_id(index + minutes).created_at();
            let (mut props, mut message) = if by_command {
                let receivers: Vec<_> = mentions.into_keys().collect();
                let (mut props, answer) = command(index, place, author, &receivers, "");
                if let Some((days, _)) = edit {
                    props.about_channel_id = Some(GENERAL);
                    props.about_message_id =
                        Some(message_id(index.saturating_sub(days * 24 * HOUR)));
                }
                (Some(props), answer)
            } else {
                let first = mentions.keys().next().copied();
                let mentions: Vec<_> = mentions.into_iter().collect();
                let mut message = message(index, place, author, "", &mentions);
                (message.author_kind, message.kind) = (Some(kind.0), Some(kind.1));
                if let Some((edited, earlier)) = edit {
                    message.edited_at = Some(after(edited));
                    message.earlier_mentions = first
                        .filter(|_| earlier < edited)
                        .map(|user_id| EarlierMention {
                            user_id,
                            at: after(earlier),
                        })
                        .into_iter()
                        .collect();
                }
                (None, message)
            };
            match (fate, &mut props) {
                (0, _) => message = tombstone(&message),
                (1, Some(props)) => props.withdrawn_at = Some(after(5)),
                (2, Some(props)) => props.message_id = None,
                (3, Some(props)) => props.message_id = Some(MessageId(message.id.0 + 1)),
                _ => {}
            }
            (message, props)
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let period = select(QuotaPeriod::ALL.to_vec());
    let quota =
        prop::option::of((0..5_u32, period).prop_map(|(count, period)| Quota { count, period }));
    (0..800_u64, quota, 0..4, 0..20_u32).prop_map(|(since, quota, commands_only, edit_minutes)| {
        Limits {
            since: message_id(since * HOUR).created_at(),
            quota,
            commands_only: commands_only == 0,
            edit_minutes,
        }
    })
}

fn reaction_thanks() -> impl Strategy<Value = ReactionThanks> {
    let emoji = prop::option::of(select(vec!["🙏", "❤", "<:wow:8>"]));
    let roles = select(vec![vec![], vec![], vec![RoleId(5)]]);
    (0..800_u64, emoji, select(vec![0, 0, 3_000]), roles).prop_map(
        |(since, emoji, minutes, roles)| {
            let since = message_id(since * HOUR).created_at();
            ReactionThanks::new(since, emoji, minutes, &roles)
        },
    )
}

/// Reactions to messages, by their place: who, with what, after how many hours, and whether it was removed.
type Reacted = (usize, UserId, usize, Option<i64>, bool);

fn reacted() -> impl Strategy<Value = Vec<Reacted>> {
    let after = prop::option::of(-5..400_i64);
    let one = (0..60_usize, user(), 0..4_usize, after, any::<bool>());
    prop::collection::vec(one, 0..60)
}

/// Adds the reactions, each once.
fn react(snapshot: &mut Snapshot, all: Vec<Reacted>) {
    for (index, user, emoji, after, burst) in all {
        let on = &snapshot.messages[index];
        let mut row = reaction(on, user, ["🙏", "❤\u{fe0f}", "👍", ""][emoji]);
        if emoji == 3 {
            (row.emoji, row.emoji_id) = (None, Some(EmojiId(8)));
        }
        row.burst = burst;
        if let Some(hours) = after {
            row.added_at = Some(Millis(on.id.created_at().0 + hours * 3_600_000));
            row.added_by = Some(Evidence::Gateway);
            row.removed_at = (hours % 7 == 0).then_some(Millis(1_800_000_000_000));
        }
        let key = row.key().sort;
        let is_known = snapshot
            .reactions
            .iter()
            .any(|known| known.key().sort == key);
        if !is_known {
            snapshot.reactions.push(row);
        }
    }
}

/// A guild in which much was said in a month, and every rule of props matters.
pub(super) fn guild() -> impl Strategy<Value = Snapshot> {
    let said: Vec<_> = (0..60).map(|number| said(number * 13 * HOUR)).collect();
    let limits = prop::collection::vec(limits(), 0..4);
    let states = prop::collection::vec(reaction_thanks(), 0..4);
    (said, limits, any::<[bool; 3]>(), states, reacted()).prop_map(
        |(said, mut limits, [keeps, has_bots, is_deleted], mut states, reacted)| {
            states.sort_by_key(|state| state.since);
            states.dedup_by_key(|state| state.since);
            limits.sort_by_key(|limits| limits.since);
            limits.dedup_by_key(|limits| limits.since);
            let mut snapshot = quiet();
            snapshot
                .members
                .extend([member(DAN, "dan"), member(EVE, "eve")]);
            snapshot.members[2].system = Some(true);
            snapshot.members[1].roles = vec![RoleId(5)];
            snapshot.members[0].role_history = Some(vec![
                RoleSpanRow {
                    since: message_id(100 * HOUR).created_at(),
                    roles: Some(vec![RoleId(5)]),
                },
                RoleSpanRow {
                    since: message_id(500 * HOUR).created_at(),
                    roles: Some(Vec::new()),
                },
            ]);
            snapshot.members.sort_by_key(|row| row.user_id);
            if is_deleted {
                snapshot.channels[0].deleted_at = Some(Millis(1_750_000_000_000));
            }
            snapshot.guilds = vec![GuildRow {
                id: GuildId(GUILD.0),
                name: "a guild".to_owned(),
                owner_id: DAN,
                props_channels: None,
                left_at: None,
                keep_deleted_props: keeps.then_some(true),
                excluded_channels: Vec::new(),
                included_channels: Vec::new(),
                limits,
                props_bots: if has_bots { vec![BOT, EVE] } else { Vec::new() },
                age_restricted: None,
                reaction_thanks: states,
                meeting_events: None,
            }];
            for (message, props) in said {
                snapshot.messages.push(message);
                snapshot.props.extend(props);
            }
            react(&mut snapshot, reacted);
            snapshot
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn the_page_and_the_graph_tell_the_same_thanks(snapshot in guild()) {
        let thanks = by_the_graph(&snapshot, "2023-12");
        prop_assert_eq!(&by_the_page(&snapshot, "2023-12"), &thanks);
    }
}
