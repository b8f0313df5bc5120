//! Derived tables agree with the graph, the leaderboard and what is known of each channel.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    community::*,
    page::{DAN, guild},
    *,
};
use crate::tables::{CoverageRow, DERIVED, DerivedMemberRow, Origin, ThanksRow, WhyNot};
use propsbot_archive::{
    Covered, EncodedRow, ExportPart, ExportRequest, ExportSpace, ExportedRows, Id, Kind, Presence,
    Row, Scope,
};
use propsbot_model::{GuildId, InteractionId, MessageId, Millis, Tier, UserId};
use propsbot_rows::{GuildRow, MemberRow};

const OTHER: GuildId = GuildId(101);
const HEARD: Millis = Millis(1_800_000_000_000);

/// The rows of a derived table, and the space of each.
fn encoded(snapshot: &Snapshot, table: &str) -> Vec<(Id, EncodedRow)> {
    let spaces = snapshot.guilds.iter().map(|guild| {
        let channels = snapshot
            .channels
            .iter()
            .filter(|row| row.guild_id == guild.id);
        let parts = channels.map(|channel| ExportPart {
            id: Id::new(channel.id),
            name: channel.name.clone(),
            covered: vec![
                Covered {
                    after: Millis(10),
                    to: Millis(20),
                },
                Covered {
                    after: Millis(30),
                    to: Millis(i64::MAX),
                },
            ],
        });
        ExportSpace {
            id: Id::new(guild.id),
            name: guild.name.clone(),
            heard_at: Some(HEARD),
            synced: IndexMap::new(),
            history: None,
            stamps: None,
            parts: parts.collect(),
        }
    });
    let mut request = ExportRequest::new(&SCHEMA);
    request.spaces = spaces.collect();
    let derived = DERIVED
        .iter()
        .find(|derived| derived.table.name == table)
        .unwrap();
    let mut rows = Vec::new();
    (derived.rows)(&ExportedRows::new(snapshot, &request), &mut |space, row| {
        rows.push((space.clone(), row));
    })
    .unwrap();
    rows
}

fn rows<R: Row>(snapshot: &Snapshot) -> Vec<R> {
    let rows = encoded(snapshot, R::TABLE).into_iter();
    rows.map(|(space, encoded)| {
        let row: R = encoded.decode().unwrap();
        assert!(row.is_of(&Scope::space(&space)) || encoded.part.is_none());
        row
    })
    .collect()
}

fn guild_row(id: GuildId) -> GuildRow {
    GuildRow {
        id,
        name: String::new(),
        owner_id: ANA,
        props_channels: None,
        left_at: None,
        keep_deleted_props: None,
        excluded_channels: vec![],
        included_channels: vec![],
        limits: vec![],
        props_bots: vec![],
        age_restricted: None,
    }
}

fn community(snapshot: Snapshot) -> Snapshot {
    Snapshot {
        guilds: vec![guild_row(GUILD)],
        ..snapshot
    }
}

/// Received, given, and the reactions to what was received, by member.
type Standings = BTreeMap<UserId, (usize, usize, usize)>;

/// The leaderboard as a query of `thanks` and `members` gives it.
fn queried(snapshot: &Snapshot) -> Standings {
    let known: BTreeSet<UserId> = rows::<DerivedMemberRow>(snapshot)
        .into_iter()
        .filter(|member| member.main)
        .map(|member| member.row.user_id)
        .collect();
    let mut standings = Standings::new();
    let mut given = BTreeSet::new();
    for row in rows::<ThanksRow>(snapshot)
        .into_iter()
        .filter(|row| row.counted)
    {
        let receiver = standings.entry(row.receiver_id).or_default();
        receiver.0 += 1;
        receiver.2 += row.reactions as usize;
        if known.contains(&row.giver_id) && given.insert(row.message_id) {
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
    let rows = rows::<ThanksRow>(snapshot)
        .into_iter()
        .filter(|row| row.counted);
    rows.map(|row| {
        (
            row.message_id.unwrap(),
            row.giver_id,
            row.receiver_id,
            row.at,
            row.times,
        )
    })
    .collect()
}

/// The guild, and another one with copies of its rows of messages. Only the other one knows Dan.
fn with_another_guild(snapshot: &Snapshot) -> Snapshot {
    let mut both = snapshot.clone();
    let mut other = snapshot.clone();
    for row in &mut other.guilds {
        row.id = OTHER;
    }
    let moved = 1 << 40;
    for row in &mut other.channels {
        row.guild_id = OTHER;
        row.id.0 += moved;
        if let Some(parent) = &mut row.parent_id {
            parent.0 += moved;
        }
    }
    for row in &mut other.members {
        row.guild_id = OTHER;
        row.nick = Some("elsewhere".to_owned());
    }
    for row in &mut other.messages {
        row.guild_id = OTHER;
        row.channel_id.0 += moved;
        row.id.0 += 8;
    }
    for row in &mut other.props {
        row.guild_id = OTHER;
        row.channel_id.0 += moved;
        row.id.0 += 8;
        if let Some(id) = &mut row.message_id {
            id.0 += 8;
        }
    }
    both.members.retain(|row| row.user_id != DAN);
    both.guilds.extend(other.guilds);
    both.channels.extend(other.channels);
    both.members.extend(other.members);
    both.messages.extend(other.messages);
    both.props.extend(other.props);
    both
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn thanks_counts_what_the_graph_and_the_leaderboard_count(snapshot in guild()) {
        for snapshot in [with_another_guild(&snapshot), snapshot] {
            prop_assert_eq!(counted(&snapshot), drawn(&snapshot));
            prop_assert_eq!(queried(&snapshot), standing(&snapshot));
            let mut keys = BTreeSet::new();
            for (space, row) in encoded(&snapshot, ThanksRow::TABLE) {
                prop_assert!(keys.insert((space, row.key.clone())));
                let row: ThanksRow = row.decode().unwrap();
                prop_assert_eq!(row.counted, row.why_not.is_none());
                prop_assert_eq!(row.counted, row.times > 0);
            }
        }
    }

    #[test]
    fn thanks_counts_reactions_as_the_leaderboard_does(snapshot in invariants::community()) {
        let mut snapshot = community(snapshot);
        // What lies in no known channel is in no archive.
        let is_known = |id| snapshot.channels.iter().any(|channel| channel.id == id);
        snapshot.messages.retain(|row| is_known(row.channel_id));
        snapshot.reactions.retain(|row| is_known(row.channel_id));
        snapshot.props.retain(|row| is_known(row.channel_id));
        prop_assert_eq!(queried(&snapshot), standing(&snapshot));
    }
}

/// The rows say what their columns say, in their order.
#[test]
fn rows_have_the_columns_that_are_promised() {
    fn fits(kind: Kind, value: &Value) -> bool {
        match kind {
            Kind::Id | Kind::Bits => value
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
    let mut snapshot = community(tiny());
    snapshot.members[0].privacy = Some(Tier::Content);
    snapshot.props[0].withdrawn_at = Some(Millis(1));
    for derived in DERIVED {
        let rows = encoded(&snapshot, derived.table.name);
        assert!(!rows.is_empty());
        for (_, row) in rows {
            let fields: IndexMap<String, Value> = rmp_serde::from_slice(&row.bytes).unwrap();
            let mut columns = derived.table.columns.iter();
            for (name, value) in &fields {
                let column = columns
                    .by_ref()
                    .find(|column| column.name == name || column.presence != Presence::Optional);
                let column = column.unwrap();
                assert_eq!(column.name, name, "{}", derived.table.name);
                let may_be_nil = column.presence != Presence::Required;
                assert!(
                    may_be_nil && value.is_null() || fits(column.kind, value),
                    "{name}: {value}"
                );
            }
            assert!(columns.all(|column| column.presence == Presence::Optional));
        }
        let replaced = SCHEMA
            .table(derived.table.name)
            .map_or(&[][..], |table| table.columns);
        assert_eq!(derived.table.columns.get(..replaced.len()), Some(replaced));
    }
}

type Change<'a> = &'a dyn Fn(&mut Snapshot);

#[test]
fn says_why_thanks_do_not_count() {
    let why = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = community(quiet());
        snapshot
            .messages
            .push(message(1, PROPS, ANA, "<@2>", &[(BEN, 1)]));
        let (props, answer) = command(2, GENERAL, ANA, &[BEN], "");
        snapshot.messages.push(answer);
        snapshot.props.push(props);
        change(&mut snapshot);
        let rows = rows::<ThanksRow>(&snapshot);
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
    let mut snapshot = community(tiny());
    let mut later = snapshot.props[0].clone();
    later.id = InteractionId(later.id.0 + 1);
    snapshot.props.push(later);
    let mut rows = rows::<ThanksRow>(&snapshot);
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
    let hidden = UserId(77);
    let mut snapshot = community(quiet());
    snapshot.guilds.push(guild_row(OTHER));
    snapshot.members.extend([
        MemberRow {
            guild_id: OTHER,
            nick: Some("Annie".to_owned()),
            ..member(ANA, "ana")
        },
        MemberRow {
            guild_id: OTHER,
            ..member(DAN, "dan")
        },
        MemberRow {
            privacy: Some(Tier::Identity),
            ..member(UserId(9 << 22), "member-1")
        },
        MemberRow {
            privacy: Some(Tier::Everything),
            ..member(hidden, "")
        },
    ]);
    let rows = rows::<DerivedMemberRow>(&snapshot);
    let told = |guild, user| {
        let mut rows = rows
            .iter()
            .filter(|row| (row.row.guild_id, row.row.user_id) == (guild, user));
        let row = rows.next().unwrap();
        (row.name.as_str(), row.named, row.main)
    };
    assert_eq!(rows.len(), snapshot.members.len());
    assert_eq!(told(OTHER, DAN), ("dan", true, true));
    assert_eq!(told(OTHER, ANA), ("Annie", false, false));
    assert_eq!(told(GUILD, ANA), ("Ana ✨", false, true));
    assert_eq!(told(GUILD, UserId(9 << 22)), ("member-1", false, true));
    assert_eq!(told(GUILD, hidden), ("someone", false, true));
}

#[test]
fn coverage_ends_where_the_archive_was_last_heard_of() {
    let rows = rows::<CoverageRow>(&community(quiet()));
    let of_props: Vec<_> = rows
        .iter()
        .filter(|row| row.channel_id == Id::new(PROPS))
        .map(|row| (row.after, row.to))
        .collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(of_props, [(Millis(10), Millis(20)), (Millis(30), HEARD)]);
}
