//! Tests what each event, as Discord sends it, translates to.

use serde_json::{Value, json};

use super::*;
use propsbot_model::{Emoji, EmojiKey, Field};

const GUILD: GuildId = GuildId(1);
const BOT: UserId = UserId(50);

/// Translates the event `name` with this payload.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write json!({..}) in place"
)]
fn read(name: &str, payload: Value) -> (Vec<Fact>, Option<Signal>) {
    let data = serde_json::value::to_raw_value(&payload).unwrap();
    let event = GatewayEvent::new(name.to_owned(), data);
    let translated = translate(&event, Stamp(7), BOT);
    assert!(
        translated
            .observations
            .iter()
            .all(|observation| observation.at == Stamp(7))
    );
    let facts = translated
        .observations
        .into_iter()
        .map(|observation| observation.fact)
        .collect();
    (facts, translated.signal)
}

fn user(id: u64) -> Value {
    json!({"id": id.to_string(), "username": format!("user{id}"), "discriminator": "0"})
}

fn member() -> Value {
    json!({"roles": ["9"], "nick": null, "joined_at": "2020-01-01T00:00:00Z", "deaf": false,
        "mute": false, "flags": 0})
}

fn a_message() -> Value {
    json!({
        "id": "100", "channel_id": "2", "guild_id": "1", "author": user(3), "member": member(),
        "content": "thanks <@4>", "timestamp": "2024-01-01T00:00:00Z", "edited_timestamp": null,
        "tts": false, "mention_everyone": false, "mentions": [user(4)], "mention_roles": [],
        "attachments": [], "embeds": [], "pinned": false, "type": 0,
    })
}

fn with(mut object: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    object.as_object_mut().unwrap().extend(changes);
    object
}

fn is_member(fact: &Fact, id: u64) -> bool {
    matches!(fact, Fact::Member(GUILD, user, _) if user.id == UserId(id))
}

#[test]
fn a_message_names_its_users_first() {
    let (facts, signal) = read("MESSAGE_CREATE", a_message());
    assert_eq!(signal, None);
    let [author, mentioned, Fact::Posted(message)] = facts.as_slice() else {
        panic!("{facts:?}")
    };
    assert!(is_member(author, 3));
    assert!(matches!(mentioned, Fact::User(GUILD, user) if user.id == UserId(4)));
    assert_eq!((message.id, message.guild_id), (MessageId(100), GUILD));
    assert_eq!(message.mentions[0].count, 1);
}

#[test]
fn ignores_ephemeral_and_direct_messages() {
    for changes in [json!({"flags": 64}), json!({"guild_id": null})] {
        assert_eq!(
            read("MESSAGE_CREATE", with(a_message(), changes)),
            Translation::default()
        );
    }
}

#[test]
fn an_incomplete_update_has_the_message_fetched() {
    let edited = json!({"edited_timestamp": "2016-04-30T11:18:25.796Z", "content": "new"});
    let (facts, _) = read("MESSAGE_UPDATE", with(a_message(), edited));
    let Some(Fact::Message(message)) = facts.last() else {
        panic!("{facts:?}")
    };
    assert_eq!(message.content, "new");
    assert_eq!(message.edited_at.unwrap().0, 1_462_015_105_796);

    let part = json!({"id": "100", "channel_id": "2", "guild_id": "1", "embeds": []});
    let reread = Signal::Reread(GUILD, ChannelId(2), MessageId(100));
    assert_eq!(read("MESSAGE_UPDATE", part), (vec![], Some(reread)));
}

#[test]
fn reads_events_that_serenity_rejects() {
    let odd = with(a_message(), json!({"pinned": "odd", "embeds": 3}));
    let (facts, signal) = read("MESSAGE_CREATE", odd);
    assert_eq!(signal, None);
    assert!(matches!(facts.last(), Some(Fact::Posted(_))), "{facts:?}");
}

#[test]
fn an_unreadable_message_is_fetched_again() {
    let (facts, signal) = read("MESSAGE_CREATE", with(a_message(), json!({"author": 1})));
    assert_eq!(facts, vec![]);
    assert_eq!(
        signal,
        Some(Signal::Reread(GUILD, ChannelId(2), MessageId(100)))
    );
}

#[test]
fn whoever_declines_an_occurrence_is_not_interested() {
    let told = |name: &str, response: Value| {
        let payload = json!({
            "guild_id": "1", "guild_scheduled_event_id": "7", "user_id": "8", "response": response,
        });
        let (facts, _) = read(&format!("GUILD_SCHEDULED_EVENT_USER_{name}"), payload);
        match facts.as_slice() {
            [Fact::Interest(GUILD, _, UserId(8), is_interested)] => *is_interested,
            other => panic!("{other:?}"),
        }
    };
    assert!(told("ADD", json!(null)) && told("ADD", json!(1)));
    assert!(!told("ADD", json!(0)) && !told("REMOVE", json!(1)));
}

#[test]
fn reports_an_unreadable_event_once() {
    let said = read("GUILD_ROLE_UPDATE", json!({"guild_id": "1", "role": 7}));
    let event = "GUILD_ROLE_UPDATE".to_owned();
    let guild = Some(GUILD);
    assert_eq!(said, (vec![], Some(Signal::Unreadable { guild, event })));
    for somebody_elses in ["A_NEW_KIND", "TYPING_START"] {
        let said = read(somebody_elses, json!({"guild_id": "1", "odd": 7}));
        assert_eq!(said, Translation::default());
    }
}

#[test]
fn an_update_without_text_never_empties_a_message() {
    let odd = with(a_message(), json!({"content": null, "embeds": 3}));
    let (facts, signal) = read("MESSAGE_UPDATE", odd);
    assert!(
        !facts.iter().any(|fact| matches!(fact, Fact::Message(_))),
        "{facts:?}"
    );
    let reread = Signal::Reread(GUILD, ChannelId(2), MessageId(100));
    assert_eq!(signal, Some(reread));
}

#[test]
fn an_odd_guild_is_read_and_deletes_nothing() {
    let guild = json!({"id": "1", "name": "g", "owner_id": "3", "unavailable": null,
        "roles": [{"id": "9"}, 7], "emojis": [{"id": "8", "name": 3}, {"id": "7", "name": "x"}, 5],
        "channels": [{"id": "2", "type": 0}, {"id": "4"}],
        "guild_scheduled_events": [{"id": "5"}, {"id": "6", "scheduled_start_time": "2026-01-01T00:00:00Z",
            "name": "call", "status": 2, "entity_type": 3}]});
    let (facts, signal) = read("GUILD_CREATE", guild);
    let [
        Fact::Guild(_),
        Fact::Emoji(_),
        Fact::Emoji(_),
        Fact::Role(role),
        Fact::Channel(channel),
        Fact::Channel(untyped),
        Fact::Event(..),
    ] = facts.as_slice()
    else {
        panic!("{facts:?}")
    };
    assert_eq!((role.id.0, channel.id.0, untyped.id.0), (9, 2, 4));
    assert!(role.unread.has(Field::Permissions) && untyped.unread.has(Field::Kind));
    assert!(matches!(signal, Some(Signal::GuildAvailable(GUILD, _))));
}

#[test]
fn tells_burst_from_normal_reactions() {
    let emoji = json!({"id": null, "name": "🙏"});
    let payload = json!({"user_id": "3", "channel_id": "2", "message_id": "100",
        "guild_id": "1", "emoji": emoji, "burst": true, "type": 1,
        "member": with(member(), json!({"user": user(3)}))});
    let (facts, _) = read("MESSAGE_REACTION_ADD", payload);
    assert!(is_member(&facts[0], 3));
    let Fact::Reacted(event) = &facts[1] else {
        panic!("{facts:?}")
    };
    assert!(event.burst);
    assert_eq!(event.emoji, Emoji::unicode("🙏"));
}

#[test]
fn clears_reactions_of_one_emoji() {
    let payload = json!({"channel_id": "2", "guild_id": "1", "message_id": "100",
        "emoji": {"id": "8", "name": null}});
    let (facts, _) = read("MESSAGE_REACTION_REMOVE_EMOJI", payload);
    let key = EmojiKey::Custom(propsbot_model::EmojiId(8));
    assert_eq!(
        facts,
        [Fact::ReactionsCleared(
            GUILD,
            ChannelId(2),
            MessageId(100),
            Some(key)
        )]
    );
}

#[test]
fn an_outage_is_not_a_departure() {
    let outage = read("GUILD_DELETE", json!({"id": "1", "unavailable": true}));
    assert_eq!(outage, (vec![], Some(Signal::GuildUnavailable(GUILD))));
    let left = read("GUILD_DELETE", json!({"id": "1"}));
    assert_eq!(
        left,
        (vec![Fact::GuildGone(GUILD)], Some(Signal::GuildLeft(GUILD)))
    );
}

#[test]
fn the_bots_own_roles_change_what_it_sees() {
    let update = |id| with(member(), json!({"guild_id": "1", "user": user(id)}));
    let (facts, signal) = read("GUILD_MEMBER_UPDATE", update(3));
    assert!(is_member(&facts[0], 3) && signal.is_none());
    let (_, signal) = read("GUILD_MEMBER_UPDATE", update(BOT.0));
    assert_eq!(signal, Some(Signal::ShapeChanged(GUILD)));
}

#[test]
fn a_channel_comes_with_its_overwrites() {
    let (facts, signal) = read(
        "CHANNEL_UPDATE",
        json!({"id": "2", "type": 0, "guild_id": "1", "name": "x", "position": 1,
            "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]}),
    );
    let Fact::Channel(channel) = &facts[0] else {
        panic!("{facts:?}")
    };
    assert_eq!(channel.overwrites[0].deny, 1024);
    assert_eq!(signal, Some(Signal::ShapeChanged(GUILD)));
}
