use serde_json::{Value, json};

use super::*;
use crate::Items;
use propsbot_model::{EmojiId, Millis};

const GUILD: GuildId = GuildId(1);

fn user(id: u64) -> Value {
    json!({"id": id.to_string(), "username": format!("user{id}"), "discriminator": "0"})
}

/// Reads a message as Discord sends it, with these fields changed.
fn read(changes: Value) -> PagedMessage {
    let mut message = json!({
        "id": "100", "channel_id": "2", "author": user(3), "type": 0, "content": "hi",
        "mentions": [], "timestamp": "2024-01-01T00:00:00.000000+00:00",
        "edited_timestamp": null, "flags": 0, "unheard_of": {"a": [1]},
    });
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    message.as_object_mut().unwrap().extend(changes);
    serde_json::from_value::<Message>(message)
        .unwrap()
        .into_paged(GUILD, ChannelId(2))
}

#[test]
fn reads_a_plain_message() {
    let paged = read(json!({"edited_timestamp": "2016-04-30T11:18:25.796000+00:00"}));
    assert_eq!(paged.message.author.kind, AuthorKind::User);
    assert_eq!(paged.message.edited_at, Some(Millis(1_462_015_105_796)));
    let author = paged.author.unwrap();
    assert_eq!(
        (author.username.as_str(), author.discriminator),
        ("user3", None)
    );
}

#[test]
fn counts_how_often_the_text_names_a_user() {
    let paged = read(json!({
        "content": "<@5> <@!5> <@6 <@&5> <@7> <@05>", "mentions": [user(9), user(5), user(5)],
    }));
    let mention = |id, count| Mention {
        user_id: UserId(id),
        count,
    };
    // 9 is only pinged by a reply; 7 isn't a known user.
    assert_eq!(paged.message.mentions, [mention(5, 2), mention(9, 0)]);
}

#[test]
fn a_commands_answer_is_the_bots_despite_its_webhook() {
    let bot = json!({"id": "50", "username": "propsbot", "discriminator": "1234", "bot": true});
    let interaction = json!({"id": "77", "type": 2, "name": "props", "user": user(3)});
    let paged = read(json!({
        "type": 20, "author": bot, "webhook_id": "50", "application_id": "50",
        "interaction_metadata": {"id": "77", "type": 2, "user": user(3)},
        "interaction": interaction,
    }));
    assert_eq!(paged.message.author.kind, AuthorKind::Bot);
    assert_eq!(paged.message.by_webhook, Some(true));
    assert_eq!(paged.author.unwrap().discriminator, Some(1234));
    let command = paged.message.command.unwrap();
    assert_eq!(
        (command.id, command.user_id),
        (InteractionId(77), UserId(3))
    );
    assert_eq!(command.name.as_deref(), Some("props"));
}

#[test]
fn a_webhooks_author_is_not_a_user() {
    let paged = read(json!({"webhook_id": "60", "application_id": "50"}));
    assert_eq!(paged.message.author.kind, AuthorKind::Webhook);
    assert_eq!((paged.author, paged.message.by_webhook), (None, None));
}

#[test]
fn only_a_reply_answers_another_message() {
    let reference = json!({"type": 0, "message_id": "99", "channel_id": "2"});
    let reply = read(json!({"type": 19, "message_reference": reference}));
    assert_eq!(reply.message.reply_to, Some(MessageId(99)));
    let pin = read(json!({"type": 6, "message_reference": reference}));
    assert_eq!(pin.message.reply_to, None);
}

#[test]
fn counts_normal_and_burst_reactions_separately() {
    let paged = read(json!({"reactions": [
        {"emoji": {"id": null, "name": "🙏"}, "count": 3, "count_details": {"normal": 1, "burst": 2}},
        {"emoji": {"id": "8", "name": null}, "count": 4},
    ]}));
    assert!(paged.message.unread.is_empty());
    let count = |emoji, normal, burst| ReactionCount {
        emoji,
        normal,
        burst,
    };
    assert_eq!(
        paged.counts,
        [
            count(model::Emoji::unicode("🙏"), 1, 2),
            count(model::Emoji::custom(EmojiId(8), None, false), 4, 0),
        ]
    );
}

#[test]
fn an_odd_message_does_not_fail_the_page() {
    let page = json!([
        {"id": "3", "channel_id": "2", "author": user(1), "type": 9999},
        {"id": "2", "channel_id": "2", "author": 7, "type": 0},
        {"id": [], "channel_id": "2"},
    ]);
    let page = Items::<Message>::read(page.to_string().as_bytes()).unwrap();
    assert_eq!((page.unreadable, page.len), (vec![2], 3));
    let [message] = page.items.as_slice() else {
        panic!("one can be read")
    };
    assert_eq!(message.kind, Told::As(Small(255)));
}

#[test]
fn an_odd_field_spoils_only_itself() {
    let odd_user = json!({"id": 3, "username": null, "global_name": 7, "bot": null,
        "discriminator": [], "member": 1});
    let paged = read(json!({
        "id": 100, "channel_id": [], "author": odd_user, "type": "0", "flags": "0",
        "mentions": [7, user(5), {"id": []}], "message_reference": 1,
        "interaction": [], "interaction_metadata": null, "webhook_id": null,
        "edited_timestamp": 17, "member": "none",
        "reactions": [{"emoji": {"name": "🙏", "animated": null}, "count": "2",
            "count_details": []}, {"emoji": {"id": [], "name": "props"}, "count": 1}],
    }));
    let message = &paged.message;
    assert_eq!((message.id, message.kind.0), (MessageId(100), 0));
    assert_eq!((message.content.as_str(), message.edited_at), ("hi", None));
    assert_eq!(message.author.kind, AuthorKind::User);
    let author = paged.author.unwrap();
    assert_eq!(author.discriminator, None);
    assert_eq!(paged.mentioned.len(), 1);
    assert_eq!((paged.counts[0].normal, paged.counts[0].burst), (2, 0));
    assert_eq!(
        message.unread.to_string(),
        "author, mentions, reply, command, editing time, reaction counts"
    );
    let fields = "name, display name, discriminator, bot flag";
    assert_eq!(author.unread.to_string(), fields);
    let nothing = read(json!({"flags": null, "edited_timestamp": null}));
    assert!(nothing.message.unread.is_empty());
}

#[test]
fn never_guesses_unreadable_fields() {
    for (odd, field) in [
        (json!({"webhook_id": "odd"}), Field::Author),
        (json!({"interaction_metadata": 7}), Field::Command),
        (json!({"content": 7}), Field::Content),
        (json!({"type": "unheard of"}), Field::Kind),
        (json!({"reactions": 7}), Field::Reactions),
        (json!({"mentions": null}), Field::Mentions),
    ] {
        let message = read(odd.clone()).message;
        assert!(message.unread.has(field), "{odd}");
    }
    // A possible webhook isn't a member.
    let author = read(json!({"webhook_id": "odd"})).message.author;
    assert_eq!(author.kind, AuthorKind::Webhook);
}

#[test]
fn a_text_is_missing_only_without_other_content() {
    let missing = |changes| read(changes).message.text_is_missing();
    assert!(missing(json!({"content": ""})));
    assert!(missing(
        json!({"content": "", "type": 19, "attachments": [], "poll": null})
    ));
    // Answers of other applications are hidden from us too, once sent.
    assert!(missing(json!({"content": "", "type": 23})));
    assert!(!missing(json!({})));
    assert!(!missing(json!({"content": "", "type": 7})));
    assert!(missing(json!({"content": "", "type": 20})));
    assert!(!missing(json!({"content": "", "type": 20, "flags": 128})));
    // Without its removed embeds, it may have nothing else: only fetching it shows.
    assert!(missing(json!({"content": "", "type": 20, "flags": 4})));
    for extra in [
        json!({"content": "", "attachments": [{"id": "1"}]}),
        json!({"content": "", "embeds": [{}]}),
        json!({"content": "", "components": [{"type": 1}]}),
        json!({"content": "", "poll": {"question": {}}}),
        json!({"content": "", "sticker_items": [{"id": "1"}]}),
        json!({"content": "", "message_snapshots": [{"message": {}}]}),
    ] {
        assert!(!missing(extra.clone()), "{extra}");
    }
}
