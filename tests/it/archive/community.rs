//! A small community with a row of every kind, and a channel that needs several blobs.

use propsbot_archive::{ExportPart, ExportRequest, ExportSpace, Id, Mark, Period, Scope, Unit};
use propsbot_model::*;
use propsbot_rows::{Snapshot, *};

const GUILD: GuildId = GuildId(480_200_000_000_000_001);
pub(super) const GENERAL: ChannelId = ChannelId(480_200_000_000_000_002);
pub(crate) const PROPS: ChannelId = ChannelId(480_200_000_000_000_003);
pub(super) const THREAD: ChannelId = ChannelId(1_310_000_000_000_000_001);
const CATEGORY: ChannelId = ChannelId(480_200_000_000_000_004);
const ADA: UserId = UserId(80_351_110_224_678_912);
const GRACE: UserId = UserId(480_300_000_000_000_001);
const WEBHOOK: UserId = UserId(1_442_070_400_000_000_001);

/// The `n`th message of a day, counted from 2025-11-23.
pub(crate) fn message_id(day: i64, n: u64) -> MessageId {
    let time = Millis(1_763_856_000_000 + day * 86_400_000);
    MessageId(MessageId::at(time).0 + (n << 22))
}

fn channel(id: ChannelId, kind: ChannelKind, name: &str) -> ChannelRow {
    ChannelRow {
        id,
        guild_id: GUILD,
        kind,
        name: name.to_owned(),
        parent_id: Some(CATEGORY),
        position: 1,
        nsfw: false,
        props_channel: false,
        overwrites: Vec::new(),
        owner_id: None,
        archived: None,
        archive_timestamp: None,
        deleted_at: None,
    }
}

fn channels() -> Vec<ChannelRow> {
    let category = ChannelRow {
        parent_id: None,
        position: -1,
        ..channel(CATEGORY, ChannelKind::CATEGORY, "Community")
    };
    let props = ChannelRow {
        props_channel: true,
        overwrites: vec![Overwrite {
            kind: OverwriteKind::Role,
            id: GUILD.0,
            allow: 1024,
            deny: u64::MAX,
        }],
        ..channel(PROPS, ChannelKind::TEXT, "props-🎉")
    };
    let thread = ChannelRow {
        parent_id: Some(GENERAL),
        owner_id: Some(ADA),
        archived: Some(true),
        archive_timestamp: Some(Millis(1_764_000_000_000)),
        deleted_at: Some(Millis(1_764_100_000_000)),
        ..channel(THREAD, ChannelKind::PUBLIC_THREAD, "a thread")
    };
    let general = channel(GENERAL, ChannelKind::TEXT, "general");
    vec![general, props, category, thread]
}

fn member(user_id: UserId, username: &str) -> MemberRow {
    MemberRow {
        guild_id: GUILD,
        user_id,
        username: username.to_owned(),
        global_name: Some("Ada \"the\" Countess".to_owned()),
        discriminator: None,
        bot: false,
        system: None,
        member: true,
        nick: None,
        roles: vec![RoleId(480_200_000_000_000_009)],
        joined_at: Some(Millis(1_546_300_800_000)),
        left_at: None,
        privacy: None,
        forgotten_at: None,
        texts_since: None,
        role_history: None,
    }
}

pub(crate) fn message(channel_id: ChannelId, id: MessageId, content: &str) -> MessageRow {
    MessageRow {
        guild_id: GUILD,
        channel_id,
        id,
        deleted_at: None,
        author_id: Some(ADA),
        author_kind: Some(AuthorKind::User),
        kind: Some(MessageKind::DEFAULT),
        content: Some(content.to_owned()),
        mentions: Vec::new(),
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        earlier_mentions: Vec::new(),
    }
}

fn messages() -> Vec<MessageRow> {
    let thanks = MessageRow {
        kind: Some(MessageKind::REPLY),
        mentions: vec![
            Mention {
                user_id: ADA,
                count: 0,
            },
            Mention {
                user_id: GRACE,
                count: 2,
            },
        ],
        reply_to: Some(message_id(0, 0)),
        edited_at: Some(Millis(1_763_999_999_999)),
        ..message(
            PROPS,
            message_id(1, 1),
            "thanks <@480300000000000001> — naïve 思い 🙏",
        )
    };
    let answer = MessageRow {
        author_id: Some(UserId(480_300_000_000_000_003)),
        author_kind: Some(AuthorKind::Bot),
        kind: Some(MessageKind::CHAT_INPUT_COMMAND),
        command: Some(Command {
            id: InteractionId(message_id(1, 2).0),
            user_id: GRACE,
            name: Some("props".to_owned()),
        }),
        ..message(PROPS, message_id(1, 3), "Props!")
    };
    let tombstone = MessageRow {
        deleted_at: Some(Millis(1_764_000_000_001)),
        author_id: None,
        author_kind: None,
        kind: None,
        content: None,
        ..message(PROPS, message_id(1, 4), "")
    };
    let hook = MessageRow {
        author_id: Some(WEBHOOK),
        author_kind: Some(AuthorKind::Webhook),
        ..message(THREAD, message_id(3, 0), "deployed")
    };
    // More than 1 MiB in the year and in December, less on each day.
    let long = (0..300).map(|n| {
        let day = 10 + i64::try_from(n % 3).unwrap();
        message(GENERAL, message_id(day, n), &"words ".repeat(660))
    });
    let mut messages: Vec<MessageRow> = [message(GENERAL, message_id(0, 0), "hello")]
        .into_iter()
        .chain([thanks, answer, tombstone, hook])
        .chain(long)
        .collect();
    messages.sort_by_key(|message| (message.channel_id, message.id));
    messages
}

fn reaction(emoji: Option<&str>, user_id: UserId, burst: bool) -> ReactionRow {
    ReactionRow {
        guild_id: GUILD,
        channel_id: PROPS,
        message_id: message_id(1, 1),
        user_id,
        emoji_id: emoji.is_none().then_some(EmojiId(480_200_000_000_000_010)),
        emoji: emoji.map(str::to_owned),
        burst,
        added_at: Some(Millis(1_764_000_000_000)),
        added_by: Some(Evidence::Gateway),
        removed_at: None,
        removed_by: None,
    }
}

fn reactions() -> Vec<ReactionRow> {
    let gone = ReactionRow {
        added_at: None,
        added_by: None,
        removed_at: Some(Millis(1_764_000_000_002)),
        removed_by: Some(Evidence::Rest),
        ..reaction(None, ADA, false)
    };
    let of_an_unknown_message = ReactionRow {
        message_id: message_id(2, 0),
        ..reaction(Some("👍"), GRACE, false)
    };
    vec![
        reaction(Some("#️⃣"), ADA, false),
        reaction(Some("👍"), ADA, false),
        reaction(Some("👍"), GRACE, false),
        reaction(Some("👍"), ADA, true),
        gone,
        of_an_unknown_message,
    ]
}

/// The rows in the store.
pub(crate) fn rows() -> Snapshot {
    Snapshot {
        events: Vec::new(),
        guilds: vec![GuildRow {
            id: GUILD,
            name: "The Community".to_owned(),
            owner_id: ADA,
            props_channels: Some(vec![PROPS]),
            left_at: None,
            keep_deleted_props: None,
            excluded_channels: vec![],
            included_channels: vec![],
            age_restricted: None,
            reaction_thanks: Vec::new(),
            meeting_events: None,
            limits: Vec::new(),
            props_bots: Vec::new(),
        }],
        channels: channels(),
        roles: vec![RoleRow {
            id: RoleId(GUILD.0),
            guild_id: GUILD,
            name: "@everyone".to_owned(),
            position: 0,
            permissions: 1 << 53 | 1024,
            managed: false,
            deleted_at: None,
        }],
        emojis: vec![EmojiRow {
            id: EmojiId(480_200_000_000_000_010),
            guild_id: GUILD,
            name: Some("heart_of_gold".to_owned()),
            animated: true,
            own: true,
            deleted_at: None,
        }],
        members: vec![
            member(ADA, "ada"),
            MemberRow {
                username: String::new(),
                global_name: None,
                discriminator: Some(42),
                bot: true,
                member: false,
                nick: Some("amazing".to_owned()),
                roles: Vec::new(),
                left_at: Some(Millis(1_764_000_000_003)),
                ..member(GRACE, "")
            },
        ],
        messages: messages(),
        reactions: reactions(),
        props: vec![PropsRow {
            id: InteractionId(message_id(1, 2).0),
            guild_id: GUILD,
            channel_id: PROPS,
            message_id: Some(message_id(1, 3)),
            giver_id: GRACE,
            receiver_ids: vec![ADA, UserId(480_300_000_000_000_002)],
            reason: "for the engine".to_owned(),
            origin: PropsOrigin::Command,
            withdrawn_at: None,
            about_channel_id: None,
            about_message_id: None,
        }],
        links: Vec::new(),
    }
}

/// A request to export everything.
pub(crate) fn request(rows: &Snapshot) -> ExportRequest {
    ExportRequest {
        now: Millis(1_765_000_000_000),
        spaces: vec![ExportSpace {
            id: Id::new(GUILD),
            name: "The Community".to_owned(),
            heard_at: None,
            synced: Class::ALL
                .map(|class| {
                    let at = Millis(1_764_999_999_000);
                    (class.to_string(), (class == Class::Messages).then_some(at))
                })
                .into(),
            history: None,
            stamps: None,
            parts: rows
                .channels
                .iter()
                .map(|channel| ExportPart {
                    id: Id::new(channel.id),
                    name: channel.name.clone(),
                    covered: Vec::new(),
                })
                .collect(),
        }],
        ..ExportRequest::new(&SCHEMA)
    }
}

/// Marks the channel's messages of a day, counted from 2025-11-23, as changed.
pub(super) fn mark(channel: ChannelId, day: i64) -> Mark {
    Mark {
        scope: Scope::part(GUILD, channel),
        table: MESSAGES,
        period: Some(Period::of(Unit::Day, message_id(day, 0).created_at())),
    }
}
