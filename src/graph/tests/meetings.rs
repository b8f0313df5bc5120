//! Meetings: which messages are, who was there, and what they mint.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select};

use super::{community::*, *};
use crate::meetings::{EventsTotal, MeetingsConfig, meetings_documents};
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, EventId, EventStatus, GuildId, MessageId, MessageKind,
    Millis, UserId,
};
use propsbot_rows::{EventRow, MessageRow};
use propsbot_sourcecred::{Document, Minted, Types, Unusable};

fn config(more: &str) -> MeetingsConfig {
    let text = format!(r#"{{"meeting_channels": ["{PROPS}// meetings"]{more}}}"#);
    MeetingsConfig::from_json(&text).unwrap()
}

/// What the meetings mint for each member, by id, and all that they mint.
fn minted(snapshot: &Snapshot, config: &MeetingsConfig) -> (BTreeMap<u64, f64>, f64) {
    let documents = meetings_documents(snapshot, config);
    assert!(matches!(documents.unusable(), None | Some(Unusable::Empty)));
    let minted = Minted::of(&documents.graph, &Types::from(&documents.declaration));
    let members = minted.by_person.into_iter().map(|(address, amount)| {
        let parts = serde_json::to_value(address.parts()).unwrap();
        let id = parts.as_array().unwrap().last().unwrap().as_str();
        (id.unwrap().parse().unwrap(), amount)
    });
    (members.collect(), minted.total)
}

#[track_caller]
fn expect(snapshot: &Snapshot, config: &MeetingsConfig, expected: &[(UserId, f64)]) {
    let (members, total) = minted(snapshot, config);
    let ids: Vec<u64> = members.keys().copied().collect();
    let wanted: Vec<u64> = expected.iter().map(|(user, _)| user.0).collect();
    assert_eq!(ids, wanted);
    for (user, amount) in expected {
        assert!(
            (members[&user.0] - amount).abs() < 1e-6,
            "{user}: {members:?}"
        );
    }
    let sum: f64 = expected.iter().map(|(_, amount)| amount).sum();
    assert!((total - sum).abs() < 1e-6, "{total} of {sum}");
}

fn held(content: &str, attended: &[UserId]) -> Snapshot {
    let mentions: Vec<_> = attended.iter().map(|user| (*user, 1)).collect();
    Snapshot {
        messages: vec![message(1, PROPS, ANA, content, &mentions)],
        ..quiet()
    }
}

#[test]
fn whoever_is_mentioned_attended_and_some_had_a_role() {
    let text = "**Weekly sync**\nHosts: <@1>\nNotes: <@2>\nParticipants: <@3>, <@9>, <@404>";
    let snapshot = held(text, &[ANA, BEN, CY, BOT, NOBODY]);
    expect(&snapshot, &config(""), &[(ANA, 3.0), (BEN, 2.0), (CY, 1.0)]);
    let weights =
        r#", "attendance": 0.5, "host": 0, "notes": 4, "words": {"notes": ["participants"]}"#;
    expect(
        &snapshot,
        &config(weights),
        &[(ANA, 0.5), (BEN, 0.5), (CY, 4.5)],
    );
    // Somebody without words, or whose words are hidden, still tells who was there.
    let silent = held("", &[ANA, BEN]);
    expect(&silent, &config(""), &[(ANA, 1.0), (BEN, 1.0)]);
    let absent = held(
        "Hosts: <@1>\nApologies: <@2> <@3>\nLate: <@3>",
        &[ANA, BEN, CY],
    );
    expect(&absent, &config(""), &[(ANA, 3.0), (CY, 1.0)]);
}

#[test]
fn heads_beyond_the_cap_share_what_it_mints() {
    let snapshot = held("Hosts: <@1>", &[ANA, BEN, CY]);
    let capped = config(r#", "mostHeads": 2"#);
    let share = 2.0 / 3.0;
    expect(
        &snapshot,
        &capped,
        &[(ANA, share + 2.0), (BEN, share), (CY, share)],
    );
    let nothing = config(r#", "mostHeads": 0, "host": 0"#);
    let (members, total) = minted_of_nothing(&snapshot, &nothing);
    assert!(members.values().all(|amount| amount.abs() < 1e-9) && total.abs() < 1e-9);
}

/// As [`minted`], for a graph that SourceCred refuses because nothing mints.
fn minted_of_nothing(snapshot: &Snapshot, config: &MeetingsConfig) -> (BTreeMap<u64, f64>, f64) {
    let documents = meetings_documents(snapshot, config);
    assert_eq!(documents.unusable(), Some(Unusable::MintsNothing));
    let minted = Minted::of(&documents.graph, &Types::from(&documents.declaration));
    let members = minted.by_person.into_values().enumerate();
    (
        members
            .map(|(index, amount)| (index as u64, amount))
            .collect(),
        minted.total,
    )
}

fn event(id: u64, start: i64, status: EventStatus, creator: Option<UserId>) -> EventRow {
    EventRow {
        guild_id: GuildId(1),
        id: EventId(id << 22),
        start: Millis(1_600_000_000_000 + start),
        end: None,
        began_at: status
            .is_held()
            .then_some(Millis(1_600_000_000_000 + start)),
        name: "Sync *of* all".to_owned(),
        status,
        creator_id: creator,
        channel_id: None,
        recurring: true,
        user_count: Some(2),
        interested_ids: vec![BEN, CY],
        deleted_at: None,
    }
}

#[test]
fn whoever_scheduled_an_event_that_took_place_hosted_it() {
    let mut snapshot = Snapshot {
        events: vec![
            event(7, 0, EventStatus::COMPLETED, Some(ANA)),
            event(7, 1, EventStatus::ACTIVE, Some(ANA)),
            event(7, 2, EventStatus::SCHEDULED, Some(ANA)),
            event(8, 0, EventStatus::COMPLETED, Some(BEN)),
            event(9, 0, EventStatus::CANCELED, Some(CY)),
            event(10, 0, EventStatus::COMPLETED, Some(BOT)),
            event(11, 0, EventStatus::COMPLETED, None),
        ],
        ..quiet()
    };
    expect(&snapshot, &config(""), &[(ANA, 4.0), (BEN, 2.0)]);
    let weights = r#", "eventHost": 0.5"#;
    expect(&snapshot, &config(weights), &[(ANA, 1.0), (BEN, 0.5)]);
    let times = Millis(1_600_000_000_001)..=Millis(1_600_000_000_001);
    let total = EventsTotal::of(&snapshot, &config(weights), &times);
    let expected = EventsTotal {
        events: 1,
        hosts: 1,
        minted: 0.5,
    };
    assert_eq!(total, expected);
    let documents = meetings_documents(&snapshot, &config(""));
    let mut drawn = documents.graph.nodes.values();
    assert!(
        drawn.any(|node| {
            node.description
                == "Event: [\"Sync &#x2A;of&#x2A; all\"](https://discord.com/events/1/29360128)"
        }),
        "{:?}",
        documents.graph.nodes
    );
    snapshot.events.reverse();
    assert_eq!(meetings_documents(&snapshot, &config("")), documents);
}

#[test]
fn an_event_counts_when_it_began_even_if_it_was_announced_for_later() {
    let years = 5_000 * 365 * 86_400_000;
    let early = EventRow {
        began_at: Some(Millis(1_600_000_000_000)),
        ..event(7, years, EventStatus::ACTIVE, Some(ANA))
    };
    let unknown = EventRow {
        began_at: None,
        ..event(8, years, EventStatus::COMPLETED, Some(BEN))
    };
    let snapshot = Snapshot {
        events: vec![early, unknown],
        ..quiet()
    };
    let graph = meetings_documents(&snapshot, &config("")).graph;
    let times = graph.nodes.values().filter_map(|node| node.timestamp);
    assert_eq!(times.collect::<Vec<_>>(), [Millis(1_600_000_000_000)]);
    let edges: Vec<_> = graph.edges.values().map(|edge| edge.timestamp).collect();
    assert_eq!(edges, [Millis(1_600_000_000_000)]);
}

#[test]
fn only_posts_in_meeting_channels_are_meetings() {
    let meets = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = held("Hosts: <@1>", &[ANA]);
        change(&mut snapshot);
        !meetings_documents(&snapshot, &config(""))
            .graph
            .nodes
            .is_empty()
    };
    let with = |change: &dyn Fn(&mut MessageRow)| meets(&|rows| change(&mut rows.messages[0]));
    assert!(with(&|_| ()));
    // Bots and integrations tell of meetings, too.
    for kind in [AuthorKind::Bot, AuthorKind::Webhook] {
        assert!(with(&|row| row.author_kind = Some(kind)));
    }
    assert!(with(&|row| row.kind = Some(MessageKind::CHAT_INPUT_COMMAND)));
    assert!(!with(&|row| row.kind = Some(MessageKind::THREAD_CREATED)));
    assert!(!with(&|row| row.channel_id = GENERAL));
    assert!(
        !with(&|row| row.channel_id = THREAD),
        "a talk about a meeting is none"
    );
    assert!(!with(&|row| row.mentions[0].count = 0), "a reply's ping");
    assert!(!with(&|row| row.mentions.clear()));
    assert!(!with(&|row| *row = tombstone(row)));
    assert!(!meets(&|rows| rows.channels[1].deleted_at = Some(Millis(1))));
    // A post of a forum begins with a message that has the thread's id.
    assert!(meets(&|rows| {
        let post = message_id(1);
        rows.channels[1].kind = ChannelKind::FORUM;
        rows.channels[2].id = ChannelId(post.0);
        rows.messages[0].channel_id = ChannelId(post.0);
        let mut answer = message(2, ChannelId(post.0), BEN, "", &[(BEN, 1)]);
        answer.id = MessageId(post.0 + 1);
        rows.messages.push(answer);
    }));
}

#[test]
fn names_what_is_wrong_with_a_config() {
    for (file, says) in [
        ("[]", "expected an object"),
        ("{}", "missing field `meeting_channels`"),
        (r#"{"meeting_channels": []}"#, "name at least one channel"),
        (
            r#"{"meeting_channels": ["general"]}"#,
            "\"general\" is not an id",
        ),
        (
            r#"{"meeting_channels": ["1"], "hosts": 1}"#,
            "unknown field `hosts`",
        ),
        (
            r#"{"meeting_channels": ["1"], "host": -1}"#,
            "-1 is not a weight",
        ),
        (
            r#"{"meeting_channels": ["1"], "words": {"cook": []}}"#,
            "unknown field `cook`",
        ),
    ] {
        let error = MeetingsConfig::from_json(file).unwrap_err().to_string();
        assert!(error.contains(says), "{file}: {error}");
    }
    let example = include_str!("../../../docs/meetings.md");
    let json = example.split("```json\n").nth(1).unwrap();
    let json = json.split("```").next().unwrap();
    let explained = MeetingsConfig::from_json(json).unwrap();
    let id = json.split('"').nth(3).unwrap();
    let default = format!(r#"{{"meeting_channels": ["{id}"]}}"#);
    assert_eq!(
        explained,
        MeetingsConfig::from_json(&default).unwrap(),
        "it has the defaults"
    );
}

#[test]
fn the_files_of_a_meeting() {
    let text = "Hosts: <@1>\nNotes: <@2>";
    let documents = meetings_documents(&held(text, &[ANA, BEN]), &config(""));
    for document in Document::ALL {
        let contents: serde_json::Value = parsed(&documents, document);
        insta::assert_snapshot!(
            format!("meetings-{}", document.name()),
            serde_json::to_string_pretty(&contents).unwrap()
        );
    }
}

fn told(index: u64) -> impl Strategy<Value = MessageRow> {
    let user = select(vec![ANA, BEN, CY, BOT, NOBODY]);
    let place = select(vec![GENERAL, PROPS, PROPS, THREAD]);
    let mentions = prop::collection::btree_map(user, 0..3_u32, 0..5);
    let text = "(Hosts: |Notes: |Absent: )?(<@[1239]>)?\n?(<@[123]>){0,2}";
    (place, mentions, text).prop_map(move |(place, mentions, text)| {
        let mentions: Vec<_> = mentions.into_iter().collect();
        message(index, place, BOT, &text, &mentions)
    })
}

proptest! {
    #[test]
    fn what_meetings_mint_reaches_their_members_in_any_order(
        messages in (0..6_u64).map(told).collect::<Vec<_>>().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let (sorted, shuffled) = messages;
        let of = |messages: Vec<MessageRow>| Snapshot { messages, ..quiet() };
        let (sorted, shuffled) = (of(sorted), of(shuffled));
        let config = config(r#", "mostHeads": 2"#);
        prop_assert_eq!(meetings_documents(&sorted, &config), meetings_documents(&shuffled, &config));
        let (members, total) = minted(&sorted, &config);
        let sum: f64 = members.values().sum();
        prop_assert!((sum - total).abs() < 1e-6, "{} of {}", sum, total);
    }
}
