//! Which messages are props, case by case.

use super::{community::*, *};
use propsbot_model::{AuthorKind, GuildId, InteractionId, MessageKind, Millis, UserId};
use propsbot_rows::{GuildRow, MessageRow, ReactionRow};

/// Who thanked whom, how often in the text, and how many reactions it found.
type Told = (UserId, Vec<(UserId, u32)>, usize);

fn told(snapshot: &Snapshot) -> Vec<Told> {
    props::props(snapshot, &Rules::new(snapshot))
        .into_values()
        .map(|props| {
            (
                props.giver,
                props.receivers.into_iter().collect(),
                props.reactions.len(),
            )
        })
        .collect()
}

/// The props of a community with a single message and its reactions.
fn of(message: MessageRow, reactions: Vec<ReactionRow>) -> Vec<Told> {
    told(&Snapshot {
        messages: vec![message],
        reactions,
        ..quiet()
    })
}

fn thanks() -> MessageRow {
    message(1, PROPS, ANA, "<@2>", &[(BEN, 1)])
}

/// The row with one change.
fn but<T>(mut row: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut row);
    row
}

#[test]
fn a_mention_in_a_props_channel_is_props() {
    for props in [
        thanks(),
        but(thanks(), |row| row.channel_id = THREAD),
        but(thanks(), |row| row.kind = Some(MessageKind::REPLY)),
    ] {
        assert_eq!(of(props, vec![]), [(ANA, vec![(BEN, 1)], 0)]);
    }
}

#[test]
fn messages_not_written_by_people_are_not_props() {
    let webhook = Some(AuthorKind::Webhook);
    let bot = Some(AuthorKind::Bot);
    let answer = Some(MessageKind::CHAT_INPUT_COMMAND);
    let joined = Some(MessageKind(7));
    for no_props in [
        but(thanks(), |row| row.channel_id = GENERAL),
        but(thanks(), |row| row.author_kind = webhook),
        but(thanks(), |row| row.author_kind = bot),
        but(thanks(), |row| row.kind = answer),
        but(thanks(), |row| row.kind = joined),
        but(thanks(), |row| row.mentions.clear()),
        tombstone(&thanks()),
    ] {
        assert_eq!(of(no_props.clone(), vec![]), [], "{no_props:?}");
    }
}

#[test]
fn counts_each_mention_and_a_pinging_reply_once() {
    let mentions = [(BEN, 2), (CY, 0)];
    assert_eq!(
        of(message(1, PROPS, ANA, "", &mentions), vec![]),
        [(ANA, vec![(BEN, 2), (CY, 1)], 0)]
    );
}

#[test]
fn the_giver_and_unknown_users_receive_nothing() {
    let mentions = [(ANA, 1), (BEN, 1), (NOBODY, 1)];
    assert_eq!(
        of(message(1, PROPS, ANA, "", &mentions), vec![]),
        [(ANA, vec![(BEN, 1)], 0)]
    );
    assert_eq!(
        of(message(1, PROPS, ANA, "", &[(ANA, 3), (NOBODY, 1)]), vec![]),
        []
    );
}

#[test]
fn a_bot_receives_props_by_mention_but_not_by_reply() {
    assert_eq!(
        of(message(1, PROPS, ANA, "", &[(BOT, 1)]), vec![]),
        [(ANA, vec![(BOT, 1)], 0)]
    );
    assert_eq!(
        of(message(1, PROPS, ANA, "aw, thanks", &[(BOT, 0)]), vec![]),
        []
    );
}

#[test]
fn props_in_deleted_channels_do_not_count() {
    let mut snapshot = Snapshot {
        messages: vec![but(thanks(), |row| row.channel_id = THREAD)],
        ..quiet()
    };
    assert_eq!(told(&snapshot).len(), 1);
    let props_channel = snapshot.channels.iter_mut().find(|row| row.id == PROPS);
    props_channel.unwrap().deleted_at = Some(Millis(1));
    assert_eq!(told(&snapshot), []);
}

#[test]
fn a_command_gives_props_in_any_channel() {
    for channel in [GENERAL, PROPS, THREAD] {
        let (props, answer) = command(1, channel, ANA, &[ANA, BEN, CY, NOBODY], "for all");
        let given = Snapshot {
            messages: vec![answer],
            props: vec![props],
            ..quiet()
        };
        assert_eq!(told(&given), [(ANA, vec![(BEN, 1), (CY, 1)], 0)]);
    }
}

#[test]
fn a_command_counts_while_its_answer_exists() {
    let (props, answer) = command(1, GENERAL, ANA, &[BEN], "for all");
    let snapshot = |props, messages| Snapshot {
        messages,
        props: vec![props],
        ..quiet()
    };
    let unseen = but(props.clone(), |row| row.message_id = None);
    assert_eq!(told(&snapshot(unseen, vec![answer.clone()])), []);
    assert_eq!(told(&snapshot(props.clone(), vec![tombstone(&answer)])), []);
    assert_eq!(told(&snapshot(props, vec![])), []);
}

#[test]
fn props_that_were_taken_back_do_not_count() {
    let (props, answer) = command(1, GENERAL, ANA, &[BEN], "for all");
    let snapshot = Snapshot {
        messages: vec![answer],
        props: vec![but(props, |row| row.withdrawn_at = Some(Millis(1)))],
        ..quiet()
    };
    assert_eq!(told(&snapshot), []);
    assert!(props_graph(&snapshot, &Weights::default()).nodes.is_empty());
}

fn keeping(keeps: Option<bool>) -> GuildRow {
    GuildRow {
        id: GUILD,
        name: String::new(),
        owner_id: ANA,
        props_channels: None,
        left_at: None,
        keep_deleted_props: keeps,
        excluded_channels: vec![],
        included_channels: vec![],
        age_restricted: None,
        reaction_thanks: Vec::new(),
        meeting_events: None,
        limits: vec![],
        props_bots: vec![],
    }
}

#[test]
fn a_guild_can_keep_command_props_of_deleted_messages() {
    let (props, answer) = command(1, GENERAL, ANA, &[BEN], "for all");
    let snapshot = |props, keeps| Snapshot {
        guilds: vec![keeping(keeps)],
        messages: vec![
            tombstone(&answer),
            tombstone(&but(thanks(), |row| row.id.0 += 9)),
        ],
        props: vec![props],
        ..quiet()
    };
    assert_eq!(told(&snapshot(props.clone(), None)), []);
    assert_eq!(
        told(&snapshot(props.clone(), Some(true))),
        [(ANA, vec![(BEN, 1)], 0)]
    );
    let taken_back = but(props, |row| row.withdrawn_at = Some(Millis(1)));
    assert_eq!(told(&snapshot(taken_back, Some(true))), []);
}

#[test]
fn a_guild_can_keep_command_props_of_deleted_channels() {
    let (props, answer) = command(1, PROPS, ANA, &[BEN], "for all");
    let snapshot = |keeps| {
        let mut snapshot = Snapshot {
            guilds: vec![keeping(keeps)],
            messages: vec![answer.clone(), but(thanks(), |message| message.id.0 += 9)],
            props: vec![props.clone()],
            ..quiet()
        };
        for channel in &mut snapshot.channels {
            channel.deleted_at = Some(Millis(1));
        }
        snapshot
    };
    assert_eq!(told(&snapshot(None)), []);
    assert_eq!(told(&snapshot(Some(true))), [(ANA, vec![(BEN, 1)], 0)]);
}

/// The contribution was made when the message was written, not when somebody gave props for it.
#[test]
fn props_for_a_message_have_its_time_and_link() {
    let (props, answer) = command(500, GENERAL, ANA, &[BEN], "for all");
    let thanked = message_id(3);
    let snapshot = Snapshot {
        messages: vec![answer],
        props: vec![but(props, |row| {
            row.about_channel_id = Some(THREAD);
            row.about_message_id = Some(thanked);
        })],
        ..quiet()
    };
    let graph = props_graph(&snapshot, &Weights::default());
    let at = thanked.created_at();
    assert_eq!(graph.edges.len(), 2);
    assert!(graph.edges.values().all(|row| row.timestamp == at));
    let link = format!("/{THREAD}/{thanked})");
    let of_props: Vec<_> = graph
        .nodes
        .values()
        .filter(|row| row.timestamp.is_some())
        .collect();
    assert_eq!(of_props.len(), 1);
    assert_eq!(of_props[0].timestamp, Some(at));
    assert!(
        of_props[0].description.ends_with(&link),
        "{:?}",
        of_props[0]
    );
}

#[test]
fn two_rows_with_one_answer_count_once() {
    let (props, answer) = command(1, GENERAL, ANA, &[BEN], "for all");
    let again = but(props.clone(), |row| {
        row.id = InteractionId(row.id.0 + 1);
        row.giver_id = CY;
    });
    let snapshot = Snapshot {
        messages: vec![answer],
        props: vec![again, props],
        ..quiet()
    };
    assert_eq!(told(&snapshot), [(ANA, vec![(BEN, 1)], 0)]);
}

#[test]
fn props_by_an_unknown_giver_still_count() {
    let snapshot = Snapshot {
        messages: vec![message(1, PROPS, NOBODY, "", &[(BEN, 1)])],
        ..quiet()
    };
    let graph = props_graph(&snapshot, &Weights::default());
    assert_eq!((graph.nodes.len(), graph.edges.len()), (2, 1));
    assert!(standings(&snapshot).iter().all(|row| row.member == BEN));
}

#[test]
fn reactions_count_once_per_known_member_and_emoji() {
    let on = thanks();
    let reactions = vec![
        reaction(&on, ANA, "🎉"),
        reaction(&on, BEN, "🎉"),
        reaction(&on, CY, "🎉"),
        reaction(&on, CY, "👍"),
        but(reaction(&on, CY, "👍"), |row| row.burst = true),
        but(reaction(&on, CY, "❌"), |row| {
            row.removed_at = Some(Millis(2));
        }),
        but(reaction(&on, CY, ""), |row| row.emoji = None),
        reaction(&on, BOT, "🎉"),
        reaction(&on, NOBODY, "🎉"),
    ];
    assert_eq!(of(on, reactions), [(ANA, vec![(BEN, 1)], 4)]);
}

#[test]
fn reactions_have_their_emojis_weight_unless_it_is_0() {
    let on = thanks();
    let snapshot = Snapshot {
        reactions: vec![
            reaction(&on, BEN, "🎉"),
            reaction(&on, CY, "🎉"),
            reaction(&on, CY, "👍"),
            reaction(&on, CY, "👀"),
        ],
        messages: vec![on],
        ..quiet()
    };
    let weights =
        Weights::from_json(r#"{"emojis": {"🎉": 2.5, "👀": 0}, "receiverReaction": 0}"#).unwrap();
    let graph = props_graph(&snapshot, &weights);
    let reactions: Vec<_> = graph
        .nodes
        .keys()
        .filter(|address| address.has_prefix(&prefix::PROPS.reactions()))
        .map(|address| graph.node_weights.get(address).map(|weight| weight.get()))
        .collect();
    // Cy's party, then Cy's thumb; Ben's party was for props to himself.
    assert_eq!(reactions, [Some(2.5), None]);
}

#[test]
fn a_user_in_two_guilds_is_one_node() {
    let elsewhere = but(member(ANA, ""), |row| row.guild_id = GuildId(50));
    let snapshot = but(tiny(), |row| row.members.insert(0, elsewhere));
    assert_eq!(
        props_documents(&snapshot, &Weights::default()),
        props_documents(&tiny(), &Weights::default())
    );
}

#[test]
fn equal_names_get_an_id() {
    let mut snapshot = quiet();
    let names = [
        "Sam",
        "sam",
        "ünïcödé",
        "",
        &"long".repeat(10),
        &"Long".repeat(10),
    ];
    snapshot.members = (1000..)
        .zip(names)
        .map(|(id, name)| member(UserId(id), name))
        .collect();
    let mentions: Vec<_> = (1001..1006).map(|id| (UserId(id), 1)).collect();
    snapshot.messages = vec![message(1, PROPS, UserId(1000), "", &mentions)];
    let graph = props_graph(&snapshot, &Weights::default());
    let proposed: Vec<_> = identity_proposals(&snapshot, &graph)
        .into_iter()
        .map(|identity_proposal| identity_proposal.name)
        .collect();
    assert_eq!(
        proposed,
        [
            "Sam",
            "sam-1001",
            "n-c-d",
            "discord-1003",
            "longlonglonglonglonglonglonglon",
            "LongLongLongLongLongLongLo-1005",
        ]
    );
}

#[test]
fn reasons_name_people_instead_of_ids() {
    let snapshot = quiet();
    let members = members::Members::new(&snapshot);
    let named = |text| members.named_in(text);
    assert_eq!(
        named("<@1> and <@!2>: <a:wow:5>"),
        "@Ana ✨ and @ben_b: :wow:"
    );
    assert_eq!(
        named("1 < 2 <@404> <@&7> <#8> <:x> <"),
        "1 < 2 @someone <@&7> <#8> <:x> <"
    );
}
