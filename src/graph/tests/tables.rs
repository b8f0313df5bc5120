//! Derived tables agree with the graph, the leaderboard and what is known of each channel.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use indexmap::IndexMap;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::{community::*, page::guild, *};
use crate::tables::{CoverageRow, Origin, ThanksRow, WhyNot};
use propsbot_archive::{
    Column, Counts, Covered, ExportPart, ExportRequest, ExportSpace, ExportedRows, Id, Kind, Line,
    Presence, ReadError,
};
use propsbot_model::{ChannelId, InteractionId, MessageId, Millis, Tier, UserId};
use propsbot_rows::MemberRow;

/// Computes a table from the rows of the guild.
pub(super) fn computed<T>(
    snapshot: &Snapshot,
    table: impl FnOnce(&dyn RowSource) -> Result<T, ReadError>,
) -> T {
    let parts = snapshot.channels.iter().map(|channel| ExportPart {
        id: Id::new(channel.id),
        name: channel.name.clone(),
        covered: Vec::new(),
    });
    let mut request = ExportRequest::new(&SCHEMA);
    request.spaces = vec![ExportSpace {
        id: Id::new(GUILD),
        name: String::new(),
        heard_at: None,
        synced: IndexMap::new(),
        history: None,
        stamps: None,
        parts: parts.collect(),
    }];
    table(&ExportedRows::new(snapshot, &request)).unwrap()
}

fn thanks_of(snapshot: &Snapshot) -> Vec<ThanksRow> {
    computed(snapshot, crate::tables::thanks)
}

/// Received, given, and the reactions to what was received, by member.
type Standings = BTreeMap<UserId, (usize, usize, usize)>;

/// The leaderboard as a query of `thanks` and `members` gives it.
fn queried(snapshot: &Snapshot) -> Standings {
    let members = computed(snapshot, crate::tables::members).into_iter();
    let known: BTreeSet<UserId> = members.map(|member| member.row.user_id).collect();
    let mut standings = Standings::new();
    let mut given = BTreeSet::new();
    for row in thanks_of(snapshot).into_iter().filter(|row| row.counted) {
        let receiver = standings.entry(row.receiver_id).or_default();
        receiver.0 += 1;
        receiver.2 += row.reactions as usize;
        if known.contains(&row.giver_id) && given.insert((row.message_id, row.giver_id)) {
            standings.entry(row.giver_id).or_default().1 += 1;
        }
    }
    standings
}

fn standing(snapshot: &Snapshot) -> Standings {
    let all = standings(snapshot).into_iter();
    all.map(|one| (one.member, (one.received, one.given, one.reactions)))
        .collect()
}

/// Who thanked whom, where, when and how often, as the graph has it.
fn drawn(snapshot: &Snapshot) -> BTreeSet<(MessageId, UserId, UserId, Millis, u32)> {
    let graph = props_graph(snapshot, &Weights::default());
    let edges = graph.edges.iter().filter_map(|(address, edge)| {
        let parts = serde_json::to_value(address.parts()).unwrap();
        let parts = parts.as_array().unwrap().iter();
        let address_parts: Vec<&str> = parts.map(|part| part.as_str().unwrap()).collect();
        let ["external", "props", "PROPS", _, giver, message, _, receiver] = address_parts[..]
        else {
            return None;
        };
        let weight = graph
            .edge_weights
            .get(address)
            .map_or(1.0, |weight| weight.forwards.get());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        let times = weight as u32;
        Some((
            message.parse().unwrap(),
            giver.parse().unwrap(),
            receiver.parse().unwrap(),
            edge.timestamp,
            times,
        ))
    });
    edges.collect()
}

fn counted(snapshot: &Snapshot) -> BTreeSet<(MessageId, UserId, UserId, Millis, u32)> {
    let rows = thanks_of(snapshot).into_iter().filter(|row| row.counted);
    rows.map(|row| {
        (
            row.message_id.unwrap(),
            row.giver_id,
            row.receiver_id,
            row.dated_at,
            row.times,
        )
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn thanks_counts_what_the_graph_and_the_leaderboard_count(snapshot in guild()) {
        prop_assert_eq!(counted(&snapshot), drawn(&snapshot));
        prop_assert_eq!(queried(&snapshot), standing(&snapshot));
        let mut keys = BTreeSet::new();
        for row in thanks_of(&snapshot) {
            prop_assert!(keys.insert((row.origin as u8, row.message_id, row.command_id, row.giver_id, row.receiver_id)));
            prop_assert_eq!(row.counted, row.why_not.is_none());
            prop_assert_eq!(row.counted, row.times > 0);
        }
    }

    #[test]
    fn thanks_counts_reactions_as_the_leaderboard_does(mut snapshot in invariants::community()) {
        // What lies in no known channel is in no archive.
        let is_known = |id| snapshot.channels.iter().any(|channel| channel.id == id);
        snapshot.messages.retain(|row| is_known(row.channel_id));
        snapshot.reactions.retain(|row| is_known(row.channel_id));
        snapshot.props.retain(|row| is_known(row.channel_id));
        prop_assert_eq!(queried(&snapshot), standing(&snapshot));
    }
}

/// Whether a column may have this value.
fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Id | Kind::User | Kind::Bits => value
            .as_str()
            .is_some_and(|text| text.parse::<u64>().is_ok()),
        Kind::Text => value.is_string(),
        Kind::OneOf(texts) => value.as_str().is_some_and(|text| texts.contains(&text)),
        Kind::Time | Kind::Integer => value.is_i64(),
        Kind::Bool => value.is_boolean(),
        Kind::List(kind) => value
            .as_array()
            .is_some_and(|all| all.iter().all(|one| fits(*kind, one))),
        Kind::Map(_) => value.is_object(),
    }
}

/// Holds the rows against their columns, as an archive's rows are held against theirs.
fn hold<T: Serialize>(rows: &[T], columns: &[Column]) {
    assert!(!rows.is_empty());
    for row in rows {
        let mut bytes = Vec::new();
        let mut serializer = rmp_serde::Serializer::new(&mut bytes)
            .with_struct_map()
            .with_human_readable();
        row.serialize(&mut serializer).unwrap();
        let fields: IndexMap<String, Value> = rmp_serde::from_slice(&bytes).unwrap();
        let mut columns = columns.iter().filter(|column| {
            column.presence != Presence::Optional || fields.contains_key(column.name)
        });
        for (name, value) in &fields {
            let column = columns.next().unwrap();
            assert_eq!(column.name, name);
            let is_nil = column.presence != Presence::Required && value.is_null();
            assert!(is_nil || fits(column.kind, value), "{name}: {value}");
        }
        assert!(columns.next().is_none());
    }
}

#[test]
fn rows_have_the_columns_that_are_promised() {
    let mut snapshot = tiny();
    snapshot.members[0].privacy = Some(Tier::Content);
    snapshot.messages[1] = tombstone(&snapshot.messages[1]);
    hold(&thanks_of(&snapshot), crate::tables::THANKS);
    hold(
        &computed(&snapshot, crate::tables::members),
        crate::tables::MEMBERS,
    );
    hold(&covered(), crate::tables::COVERAGE);
    let archived = SCHEMA.table("members").unwrap().columns;
    assert_eq!(crate::tables::MEMBERS.get(..archived.len()), Some(archived));
}

/// What the columns of a derived table are called, what they say, and what that means.
fn described(columns: &[Column]) -> String {
    let kind = |kind: Kind| match kind {
        Kind::Id | Kind::User => "id".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::OneOf(texts) => format!("`{}`", texts.join("`, `")),
        Kind::Time => "time".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Bool => "bool".to_owned(),
        other => panic!("no derived column has {other:?}"),
    };
    let row = |column: &Column| {
        let or_null = match column.presence {
            Presence::Required => "",
            Presence::Nullable | Presence::Optional => ", or null",
        };
        format!(
            "| `{}` | {}{or_null} | {} |\n",
            column.name,
            kind(column.kind),
            column.doc
        )
    };
    let rows: String = columns.iter().map(row).collect();
    format!("| column | values | meaning |\n|---|---|---|\n{rows}")
}

/// `docs/analytics.md` has the columns of the derived tables. If it hasn't, this writes them.
#[test]
fn the_docs_have_the_columns_of_derived_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/analytics.md");
    let page = fs::read_to_string(&path).unwrap();
    let archived = SCHEMA.table("members").unwrap().columns.len();
    let derived = [
        (
            "thanks",
            "by the month of `dated_at`",
            crate::tables::THANKS,
        ),
        (
            "members",
            "those of the archive's table, and",
            &crate::tables::MEMBERS[archived..],
        ),
        (
            "coverage",
            "one row for each time of a channel without a gap",
            crate::tables::COVERAGE,
        ),
    ];
    let derived = derived
        .map(|(name, says, columns)| format!("**`{name}`**: {says}\n\n{}", described(columns)));
    let (before, rest) = page.split_once("<!-- derived -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /derived -->\n").unwrap();
    let current = format!(
        "{before}<!-- derived -->\n{}<!-- /derived -->\n{after}",
        derived.join("\n")
    );
    if page != current {
        fs::write(&path, current).unwrap();
        panic!("docs/analytics.md was out of date and is up to date now: commit it");
    }
}

type Change<'a> = &'a dyn Fn(&mut Snapshot);

#[test]
fn says_why_thanks_do_not_count() {
    let why = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = quiet();
        snapshot
            .messages
            .push(message(1, PROPS, ANA, "<@2>", &[(BEN, 1)]));
        let (props, answer) = command(2, GENERAL, ANA, &[BEN], "");
        snapshot.messages.push(answer);
        snapshot.props.push(props);
        change(&mut snapshot);
        let rows = thanks_of(&snapshot);
        let of = |origin| rows.iter().find(|row| row.origin == origin);
        [Origin::Message, Origin::Command].map(|origin| of(origin).map(|row| row.why_not))
    };
    let counts = Some(None);
    let because = |why| Some(Some(why));
    assert_eq!(why(&|_| ()), [counts, counts]);
    let cases: [(Change<'_>, _); 9] = [
        (
            &|rows| rows.members.retain(|row| row.user_id != BEN),
            [because(WhyNot::Unknown); 2],
        ),
        (
            &|rows| rows.channels[1].deleted_at = Some(Millis(1)),
            [because(WhyNot::ChannelDeleted), counts],
        ),
        (
            &|rows| rows.messages = rows.messages.iter().map(tombstone).collect(),
            [None, because(WhyNot::MessageDeleted)],
        ),
        (
            &|rows| rows.messages.clear(),
            [None, because(WhyNot::NoMessage)],
        ),
        (
            &|rows| rows.props[0].withdrawn_at = Some(Millis(1)),
            [counts, because(WhyNot::Withdrawn)],
        ),
        (
            &|rows| rows.props[0].giver_id = BEN,
            [counts, because(WhyNot::ToSelf)],
        ),
        (
            &|rows| {
                rows.messages[0].mentions[0] = propsbot_model::Mention {
                    user_id: BOT,
                    count: 0,
                }
            },
            [because(WhyNot::BotAnswered), counts],
        ),
        (
            &|rows| rows.messages[0].channel_id = GENERAL,
            [None, counts],
        ),
        (
            &|rows| rows.messages[0].author_id = Some(BEN),
            [because(WhyNot::ToSelf), counts],
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(why(change), expected);
    }
}

#[test]
fn a_message_belongs_to_the_first_command_that_claims_it() {
    let mut snapshot = tiny();
    let mut later = snapshot.props[0].clone();
    later.id = InteractionId(later.id.0 + 1);
    snapshot.props.push(later);
    let mut rows = thanks_of(&snapshot);
    rows.retain(|row| row.origin == Origin::Command && row.receiver_id == CY);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.message_id, row.why_not))
        .collect();
    assert_eq!(
        told,
        [(Some(message_id(2)), None), (None, Some(WhyNot::NoMessage))]
    );
}

#[test]
fn members_are_named_as_the_bot_names_them() {
    let (dan, eve) = (UserId(7 << 22), UserId(8 << 22));
    let mut snapshot = quiet();
    snapshot.members.extend([
        MemberRow {
            global_name: Some("Dan!".to_owned()),
            ..member(dan, "dan")
        },
        MemberRow {
            privacy: Some(Tier::Identity),
            ..member(eve, "member-1")
        },
        MemberRow {
            privacy: Some(Tier::Everything),
            ..member(UserId(77), "")
        },
    ]);
    let rows = computed(&snapshot, crate::tables::members);
    let told = |user| {
        let row = rows.iter().find(|row| row.row.user_id == user).unwrap();
        (row.name.as_str(), row.named)
    };
    assert_eq!(rows.len(), snapshot.members.len());
    assert_eq!(told(ANA), ("Ana ✨", false));
    assert_eq!(told(dan), ("Dan!", true));
    assert_eq!(told(eve), ("member-1", false));
    assert_eq!(told(UserId(77)), ("someone", false));
}

fn covered() -> Vec<CoverageRow> {
    let line = |id: ChannelId| Line {
        id: Id::new(id),
        name: String::new(),
        index: None,
        rows: Counts::default(),
        covered: Vec::new(),
    };
    let times = |after, to| Covered {
        after: Millis(after),
        to: Millis(to),
    };
    let channels = [
        (line(GENERAL), vec![]),
        (line(PROPS), vec![times(10, 20), times(30, 40)]),
    ];
    crate::tables::coverage(&Id::new(GUILD), &channels).collect()
}

#[test]
fn coverage_has_a_row_for_each_time_without_a_gap() {
    let told: Vec<_> = covered()
        .iter()
        .map(|row| (row.channel_id.to_string(), row.after.0, row.until.0))
        .collect();
    assert_eq!(
        told,
        [(PROPS.to_string(), 10, 20), (PROPS.to_string(), 30, 40)]
    );
}
