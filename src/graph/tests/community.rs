//! Communities made by hand, with as few words as possible.

use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, EmojiId, Evidence, GuildId, InteractionId, Mention,
    MessageId, MessageKind, Millis, PropsOrigin, UserId,
};
use propsbot_rows::{ChannelRow, EmojiRow, MemberRow, MessageRow, PropsRow, ReactionRow, Snapshot};

pub(super) const GUILD: GuildId = GuildId(100);
pub(super) const GENERAL: ChannelId = ChannelId(200);
pub(super) const PROPS: ChannelId = ChannelId(201);
pub(super) const THREAD: ChannelId = ChannelId(202);

pub(super) const ANA: UserId = UserId(1);
pub(super) const BEN: UserId = UserId(2);
pub(super) const CY: UserId = UserId(3);
pub(super) const BOT: UserId = UserId(9);
/// Of whom no row tells.
pub(super) const NOBODY: UserId = UserId(404);

/// The `index`th message: one a minute.
pub(super) fn message_id(index: u64) -> MessageId {
    MessageId(MessageId::at(Millis(1_700_000_000_000)).0 + ((index * 60_000) << 22))
}

pub(super) fn member(id: UserId, username: &str) -> MemberRow {
    MemberRow {
        guild_id: GUILD,
        user_id: id,
        username: username.to_owned(),
        global_name: None,
        discriminator: None,
        bot: false,
        system: None,
        member: true,
        nick: None,
        roles: Vec::new(),
        joined_at: None,
        left_at: None,
        privacy: None,
        forgotten_at: None,
        texts_since: None,
        role_history: None,
    }
}

fn channel(id: ChannelId, kind: ChannelKind, name: &str) -> ChannelRow {
    ChannelRow {
        id,
        guild_id: GUILD,
        kind,
        name: name.to_owned(),
        parent_id: None,
        position: 0,
        nsfw: false,
        props_channel: id == PROPS,
        overwrites: Vec::new(),
        owner_id: None,
        archived: None,
        archive_timestamp: None,
        deleted_at: None,
    }
}

/// A plain message of a person, with whom it mentions and how often.
pub(super) fn message(
    index: u64,
    channel_id: ChannelId,
    author: UserId,
    content: &str,
    mentions: &[(UserId, u32)],
) -> MessageRow {
    MessageRow {
        guild_id: GUILD,
        channel_id,
        id: message_id(index),
        deleted_at: None,
        author_id: Some(author),
        author_kind: Some(AuthorKind::User),
        kind: Some(MessageKind::DEFAULT),
        content: Some(content.to_owned()),
        mentions: mentions
            .iter()
            .map(|&(user_id, count)| Mention { user_id, count })
            .collect(),
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        earlier_mentions: Vec::new(),
    }
}

/// What is left of a deleted message.
pub(super) fn tombstone(row: &MessageRow) -> MessageRow {
    MessageRow {
        guild_id: row.guild_id,
        channel_id: row.channel_id,
        id: row.id,
        deleted_at: Some(Millis(1)),
        author_id: None,
        author_kind: None,
        kind: None,
        content: None,
        mentions: Vec::new(),
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        earlier_mentions: Vec::new(),
    }
}

/// Props by command, and the bot's answer that tells of them.
pub(super) fn command(
    index: u64,
    channel_id: ChannelId,
    giver: UserId,
    receivers: &[UserId],
    reason: &str,
) -> (PropsRow, MessageRow) {
    let mentions: Vec<_> = receivers.iter().map(|id| (*id, 1)).collect();
    let answer = MessageRow {
        author_kind: Some(AuthorKind::Bot),
        kind: Some(MessageKind::CHAT_INPUT_COMMAND),
        ..message(index, channel_id, BOT, reason, &mentions)
    };
    let props = PropsRow {
        id: InteractionId(answer.id.0 - 1),
        guild_id: GUILD,
        channel_id,
        message_id: Some(answer.id),
        giver_id: giver,
        receiver_ids: receivers.to_vec(),
        reason: reason.to_owned(),
        origin: PropsOrigin::Command,
        withdrawn_at: None,
        about_channel_id: None,
        about_message_id: None,
    };
    (props, answer)
}

pub(super) fn reaction(on: &MessageRow, user_id: UserId, emoji: &str) -> ReactionRow {
    ReactionRow {
        guild_id: on.guild_id,
        channel_id: on.channel_id,
        message_id: on.id,
        user_id,
        emoji_id: None,
        emoji: Some(emoji.to_owned()),
        burst: false,
        added_at: Some(Millis(1)),
        added_by: Some(Evidence::Rest),
        removed_at: None,
        removed_by: None,
    }
}

/// Three people, a bot, a channel, a props channel and a thread in it; nothing has been said.
pub(super) fn quiet() -> Snapshot {
    let mut thread = channel(THREAD, ChannelKind::PUBLIC_THREAD, "kudos");
    thread.parent_id = Some(PROPS);
    Snapshot {
        channels: vec![
            channel(GENERAL, ChannelKind::TEXT, "general"),
            channel(PROPS, ChannelKind::TEXT, "props"),
            thread,
        ],
        members: vec![
            MemberRow {
                nick: Some("Ana ✨".to_owned()),
                ..member(ANA, "ana")
            },
            member(BEN, "ben_b"),
            MemberRow {
                member: false,
                left_at: Some(Millis(1_700_000_000_001)),
                ..member(CY, "cy")
            },
            MemberRow {
                bot: true,
                discriminator: Some(42),
                ..member(BOT, "PropsBot")
            },
        ],
        ..Snapshot::default()
    }
}

/// A little of everything.
pub(super) fn tiny() -> Snapshot {
    let plain = message(1, PROPS, ANA, "<@2> <@2> **thanks** for <b>", &[(BEN, 2)]);
    let (props, answer) = command(2, GENERAL, BEN, &[ANA, CY], "for the [docs](https://x.y)");
    let reactions = vec![
        reaction(&plain, CY, "🎉"),
        reaction(&plain, BEN, "\u{fe0f}"),
        ReactionRow {
            emoji_id: Some(EmojiId(77)),
            emoji: None,
            ..reaction(&answer, ANA, "")
        },
    ];
    Snapshot {
        emojis: vec![EmojiRow {
            id: EmojiId(77),
            guild_id: GUILD,
            name: Some("wow".to_owned()),
            animated: false,
            own: true,
            deleted_at: None,
        }],
        messages: vec![plain, answer],
        props: vec![props],
        reactions,
        ..quiet()
    }
}
