//! What each privacy tier exports.

use super::*;
use crate::Restored as _;
use propsbot_model::{
    Author, AuthorKind, ChannelId, EmojiKey, EventDetails, EventId, EventStatus, GithubLink,
    GuildId, InteractionId, Lww, Mention, Message, MessageId, MessageKind, Millis, Occurrence,
    Overwrite, Presence, PropsOrigin, Stamp, Tombstoned, User,
};

const GUILD: GuildId = GuildId(1);
const ANA: UserId = UserId(480_300_000_000_000_001);
const BEN: UserId = UserId(480_300_000_000_000_002);

fn redactor(tier: Tier) -> Redactor {
    Redactor::new([Privacy {
        tier,
        since: Millis(1),
        ..Privacy::unchosen(GUILD, ANA)
    }])
}

fn message(author: UserId, content: &str, mentions: &[UserId]) -> MessageState {
    let message = Message {
        id: MessageId(480_300_000_000_000_100),
        channel_id: ChannelId(2),
        guild_id: GUILD,
        author: Author {
            id: author,
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: content.to_owned(),
        mentions: mentions
            .iter()
            .map(|id| Mention {
                user_id: *id,
                count: 1,
            })
            .collect(),
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        unread: propsbot_model::Unread::default(),
        earlier: Vec::new(),
    };
    MessageState::alive(Stamp(1), message)
}

fn ana() -> Member {
    let presence = Presence {
        nick: Some("Queen Ana".to_owned()),
        roles: vec![],
        joined_at: Some(Millis(1)),
        unread: propsbot_model::Unread::default(),
    };
    let mut kept = Tombstoned::default();
    kept.see(Stamp(1), presence);
    Member {
        guild_id: GUILD,
        user_id: ANA,
        user: Some(Lww {
            at: Stamp(1),
            value: User {
                id: ANA,
                username: "ana".to_owned(),
                global_name: Some("Ana".to_owned()),
                discriminator: None,
                bot: false,
                system: false,
                unread: propsbot_model::Unread::default(),
            },
        }),
        presence: kept,
        history: propsbot_model::RoleHistory::default(),
    }
}

fn props(giver: UserId, receiver: UserId) -> Props {
    Props {
        id: InteractionId(480_300_000_000_000_200),
        guild_id: GUILD,
        channel_id: ChannelId(2),
        message_id: None,
        giver,
        receivers: vec![receiver],
        reason: format!("hello <@{receiver}>"),
        origin: PropsOrigin::Command,
        withdrawn: None,
        about: None,
    }
}

#[test]
fn shows_members_without_a_choice_unchanged() {
    for redactor in [Redactor::default(), redactor(Tier::None)] {
        assert_eq!(redactor.member(&ana()), [MemberRow::from(&ana())]);
        let said = message(ANA, "hi", &[BEN]);
        assert_eq!(
            redactor.message(&said, false),
            Some(MessageRow::from(&said))
        );
        let given = props(ANA, BEN);
        assert_eq!(redactor.props(&given), Some(PropsRow::from(&given)));
    }
}

#[test]
fn blanks_texts_and_reasons_of_members_who_hide_them() {
    for tier in Tier::OUT {
        let redactor = redactor(tier);
        let row = redactor.message(&message(ANA, "my secret", &[BEN]), true);
        assert_eq!(row.unwrap().content.as_deref(), Some(""), "{tier}");
        assert_eq!(
            redactor.props(&props(ANA, BEN)).unwrap().reason,
            "",
            "{tier}"
        );
        let others = redactor.message(&message(BEN, "hi", &[]), false).unwrap();
        assert_eq!(others.content.as_deref(), Some("hi"));
    }
}

#[test]
fn replaces_names_by_stable_pseudonyms() {
    let rows = redactor(Tier::Identity).member(&ana());
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(row.user_id, ANA);
    assert!(row.username.starts_with("member-"), "{}", row.username);
    assert_eq!((&row.nick, &row.global_name), (&None, &None));
    assert_eq!(rows, redactor(Tier::Identity).member(&ana()));
    let named = redactor(Tier::Content).member(&ana());
    assert_eq!(named[0].nick.as_deref(), Some("Queen Ana"));
}

#[test]
fn keeps_only_thanks_of_members_who_hide_everything() {
    let redactor = redactor(Tier::Everything);
    let rows = redactor.member(&ana());
    let [nobody, chosen] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert!(nobody.user_id.is_anonymous() && nobody.username.is_empty());
    assert_eq!(
        (chosen.user_id, chosen.privacy),
        (ANA, Some(Tier::Everything))
    );
    assert!(chosen.username.is_empty() && !chosen.member && chosen.joined_at.is_none());
    let mut left = ana();
    left.presence.miss(Stamp(2));
    assert_eq!(redactor.member(&left), rows);

    // Only thanks are exported of Ana's messages.
    assert_eq!(redactor.message(&message(ANA, "hi", &[BEN]), false), None);
    assert_eq!(redactor.message(&message(ANA, "hi", &[]), true), None);
    let thanks = redactor
        .message(&message(ANA, "thanks", &[BEN]), true)
        .unwrap();
    assert_eq!(thanks.author_id, Some(nobody.user_id));
    let given = redactor.props(&props(ANA, BEN)).unwrap();
    assert_eq!(
        (given.giver_id, given.receiver_ids),
        (nobody.user_id, vec![BEN])
    );

    // Messages to her are exported in full.
    let text = format!("<@{ANA}>: thanks <@{BEN}>");
    let to_her = redactor
        .message(&message(BEN, &text, &[ANA]), true)
        .unwrap();
    assert_eq!(to_her.author_id, Some(BEN));
    assert_eq!(to_her.mentions[0].user_id, nobody.user_id);
    let shown = format!("<@{}>: thanks <@{BEN}>", nobody.user_id);
    assert_eq!(to_her.content, Some(shown));
    let received = redactor.props(&props(BEN, ANA)).unwrap();
    assert_eq!(received.receiver_ids, [nobody.user_id]);
    assert_eq!(received.reason, format!("hello <@{}>", nobody.user_id));
    // None of these rows contains her id.
    for text in [
        serde_json::to_string(&thanks).unwrap(),
        serde_json::to_string(&to_her).unwrap(),
        serde_json::to_string(&received).unwrap(),
    ] {
        assert!(!text.contains(&ANA.to_string()), "{text}");
    }

    let reaction = |user_id| Reaction {
        guild_id: GUILD,
        channel_id: ChannelId(2),
        message_id: MessageId(3),
        user_id,
        emoji: EmojiKey::Unicode("🎉".to_owned()),
        burst: false,
        added: None,
        confirmed: None,
        removed: None,
    };
    assert_eq!(redactor.reaction(&reaction(ANA)), None);
    assert_eq!(redactor.reaction(&reaction(ANA.anonymous())), None);
    assert!(redactor.reaction(&reaction(BEN)).is_some());
}

/// Giver and receiver are distinct in a row, but can't be identified or linked across rows.
#[test]
fn hidden_users_in_a_row_get_distinct_pseudonyms() {
    let cy = UserId(480_300_000_000_000_003);
    let hide = |user_id| Privacy {
        tier: Tier::Everything,
        since: Millis(1),
        ..Privacy::unchosen(GUILD, user_id)
    };
    let redactor = Redactor::new([hide(cy), hide(ANA)]);
    let nobody = UserId::nobody;
    for (giver, receiver) in [(ANA, cy), (cy, ANA)] {
        let row = redactor.props(&props(giver, receiver)).unwrap();
        assert_eq!(
            (row.giver_id, row.receiver_ids),
            (nobody(1), vec![nobody(2)])
        );
        let thanks = message(giver, "", &[BEN, receiver]);
        let row = redactor.message(&thanks, true).unwrap();
        let mentioned: Vec<_> = row.mentions.iter().map(|mention| mention.user_id).collect();
        assert_eq!(
            (row.author_id, mentioned),
            (Some(nobody(1)), vec![nobody(2), BEN])
        );
    }
    // There are as many pseudonym members as one row can contain, all alike.
    let rows: Vec<MemberRow> = [ANA, cy]
        .iter()
        .flat_map(|id| {
            redactor.member(&Member {
                user_id: *id,
                ..ana()
            })
        })
        .filter(|ana| ana.user_id.is_anonymous())
        .collect();
    assert_eq!((rows[0].user_id, rows[1].user_id), (nobody(1), nobody(2)));
    let renumbered = MemberRow {
        user_id: nobody(2),
        ..rows[0].clone()
    };
    assert_eq!(rows[1], renumbered);
}

/// A restored store has rows with pseudonyms; members who opt out later get other numbers.
#[test]
fn keeps_existing_pseudonyms() {
    let redactor = redactor(Tier::Everything);
    let nobody = UserId::nobody;
    let row = redactor.props(&props(nobody(1), ANA)).unwrap();
    assert_eq!(
        (row.giver_id, row.receiver_ids),
        (nobody(1), vec![nobody(2)])
    );
    let row = redactor.message(&message(nobody(1), "", &[nobody(2), ANA]), true);
    let row = row.unwrap();
    let mentioned: Vec<_> = row.mentions.iter().map(|mention| mention.user_id).collect();
    assert_eq!(
        (row.author_id, mentioned),
        (Some(nobody(1)), vec![nobody(2), nobody(3)])
    );
    let untouched = message(nobody(1), "", &[nobody(2), BEN]);
    assert_eq!(
        redactor.message(&untouched, true),
        Some(MessageRow::from(&untouched))
    );
}

/// Only the row with their choice contains the id.
#[test]
fn removes_hidden_ids_from_text_and_overwrites() {
    let redactor = redactor(Tier::Everything);
    let by_name = format!("`<@!{ANA}>` and <@{ANA}>");
    let said = redactor
        .message(&message(BEN, &by_name, &[]), true)
        .unwrap();
    assert_eq!(said.content.unwrap(), "`<@!1>` and <@1>");
    let for_her = Props {
        reason: by_name,
        ..props(BEN, BEN)
    };
    assert_eq!(redactor.props(&for_her).unwrap().reason, "`<@!1>` and <@1>");
    let member = Overwrite {
        kind: OverwriteKind::Member,
        id: ANA.0,
        allow: 1,
        deny: 0,
    };
    let of = |row: ChannelRow| serde_json::to_string(&redactor.channel(row)).unwrap();
    let thread = ChannelRow {
        owner_id: Some(ANA),
        overwrites: vec![
            member,
            Overwrite {
                id: BEN.0,
                ..member
            },
        ],
        ..channel()
    };
    let shown = of(thread);
    assert!(
        !shown.contains(&ANA.to_string()) && shown.contains(&BEN.to_string()),
        "{shown}"
    );
    let guild = GuildRow {
        owner_id: ANA,
        ..guild()
    };
    assert_eq!(redactor.guild(guild).owner_id, UserId::nobody(1));
}

fn channel() -> ChannelRow {
    serde_json::from_value(serde_json::json!({
        "id": "2", "guild_id": "1", "kind": 11, "name": "thread", "parent_id": null, "position": 0,
        "nsfw": false, "props_channel": false, "overwrites": [], "owner_id": null,
        "archived": false, "archive_timestamp": null, "deleted_at": null,
    }))
    .unwrap()
}

fn guild() -> GuildRow {
    serde_json::from_value(serde_json::json!({
        "id": "1", "name": "Guild", "owner_id": "9", "props_channels": null, "left_at": null,
    }))
    .unwrap()
}

#[test]
fn blanks_thread_titles_of_members_who_hide_text() {
    let thread = |owner| ChannelRow {
        owner_id: Some(owner),
        ..channel()
    };
    for tier in Tier::OUT {
        let redactor = redactor(tier);
        assert_eq!(redactor.channel(thread(ANA)).name, "", "{tier}");
        assert_eq!(redactor.channel(thread(BEN)).name, "thread", "{tier}");
    }
}

#[test]
fn opting_in_again_keeps_earlier_texts_hidden() {
    let said = message(ANA, "my secret", &[]);
    let sent = said.id.created_at();
    for (since, shown) in [(sent, ""), (Millis(sent.0 - 1), "my secret")] {
        let redactor = Redactor::new([Privacy {
            texts_since: Some(since),
            ..Privacy::unchosen(GUILD, ANA)
        }]);
        let row = redactor.message(&said, false).unwrap();
        assert_eq!(row.content.as_deref(), Some(shown));
    }
}

/// Props from others still refer to a pseudonym, which has a member row.
#[test]
fn returning_members_keep_a_pseudonym_for_deleted_data() {
    let redactor = Redactor::new([Privacy {
        forgotten: Some(Millis(1)),
        ..Privacy::unchosen(GUILD, ANA)
    }]);
    let rows = redactor.member(&ana());
    let ids: Vec<UserId> = rows.iter().map(|row| row.user_id).collect();
    assert_eq!(ids, [UserId::nobody(1), ANA]);
    assert_eq!(rows[0].privacy, Some(Tier::Everything));
    assert_eq!(rows[1].username, "ana");
}

#[test]
fn a_link_goes_out_only_with_the_name() {
    let link = Link {
        github: Some(GithubLink {
            since: Millis(1),
            undone: None,
            id: "U_1".to_owned(),
            login: "ana-gh".to_owned(),
        }),
        ..Link::none(GUILD, ANA)
    };
    for (tier, is_shown) in [
        (Tier::None, true),
        (Tier::Content, true),
        (Tier::Identity, false),
        (Tier::Everything, false),
    ] {
        let row = redactor(tier).link(&link);
        assert_eq!(row.is_some(), is_shown, "{tier}");
        let restored = row.and_then(|row| row.record(Stamp(1)));
        assert_eq!(restored, Some(link.clone()).filter(|_| is_shown));
    }
}

#[test]
fn events_hide_what_their_creator_and_the_interested_hide() {
    let shown = |tier| {
        let mut event = ScheduledEvent::unknown(GUILD, EventId(480_300_000_000_000_900));
        let details = EventDetails {
            name: format!("Call with <@{ANA}>"),
            status: EventStatus::ACTIVE,
            creator_id: Some(ANA),
            channel_id: None,
            end: None,
            user_count: Some(2),
            recurring: false,
        };
        event.see(Occurrence::seen(Millis(5), Stamp(1), details));
        event.list(Stamp(1), &[ANA, BEN].into());
        let [row] = <[EventRow; 1]>::try_from(redactor(tier).event(&event)).unwrap();
        (row.name, row.creator_id, row.interested_ids)
    };
    let name = format!("Call with <@{ANA}>");
    assert_eq!(shown(Tier::None), (name, Some(ANA), vec![ANA, BEN]));
    let hushed = (String::new(), Some(ANA), vec![ANA, BEN]);
    assert_eq!(shown(Tier::Content), hushed);
    assert_eq!(shown(Tier::Identity), hushed);
    assert_eq!(shown(Tier::Everything), (String::new(), None, vec![BEN]));
}
