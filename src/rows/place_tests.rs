//! The store marks and indexes a record where its exported row lies, whatever is redacted of it.

use std::ops::Range;

use proptest::prelude::*;

use super::{
    ChannelRow, EmojiRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow, ReactionRow,
    Redactor, RoleRow, SCHEMA,
};
use propsbot_archive::{Level, Row, Scope};
use propsbot_mirror::Record;
use propsbot_model::{
    Author, AuthorKind, Channel, ChannelId, ChannelKind, EmojiId, EmojiKey, EventDetails, EventId,
    EventStatus, Evidence, Guild, GuildEmoji, GuildEntity, GuildId, InteractionId, Life, Link,
    Member, Message, MessageId, MessageKind, MessageState, Millis, Occurrence, Privacy, Props,
    PropsOrigin, Reaction, Role, RoleId, ScheduledEvent, Seen, Settings, Stamp, Tier, Tombstoned,
    UserId,
};

/// Ids of people who may have made any choice.
const USERS: Range<u64> = 1..4;

/// Asserts that the row lies where its record says.
fn assert_place<R: Record, W: Row>(record: &R, row: &W) {
    let place = record.place().unwrap();
    let scope = Scope {
        space: place.space,
        part: place.part.as_ref().map(|(part, _)| part.clone()),
    };
    assert!(row.is_of(&scope), "{} of {scope}", W::TABLE);
    assert_eq!(SCHEMA.table(W::TABLE).unwrap().level, scope.level());
    match place.part {
        Some((_, time)) => assert_eq!(row.key().time, time, "{}", W::TABLE),
        None => assert_eq!(scope.level(), Level::Space),
    }
}

fn stamp() -> impl Strategy<Value = Stamp> {
    // Around the messages' times, and anywhere.
    prop_oneof![
        (1_400_000_000_000_000..1_900_000_000_000_000_i64).prop_map(Stamp),
        any::<i64>().prop_map(Stamp),
    ]
}

fn seen() -> impl Strategy<Value = Option<Seen>> {
    let by = prop_oneof![Just(Evidence::Gateway), Just(Evidence::Rest)];
    prop::option::of((stamp(), by).prop_map(|(at, by)| Seen { at, by }))
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![1 << 40..1_u64 << 62, any::<u64>()]
}

/// What anyone may have chosen.
fn redactor() -> impl Strategy<Value = Redactor> {
    let tier = prop::sample::select(vec![
        Tier::None,
        Tier::Content,
        Tier::Identity,
        Tier::Everything,
    ]);
    let chosen = (tier, any::<i64>());
    prop::collection::vec(chosen, USERS.count()).prop_map(|chosen| {
        Redactor::new(USERS.zip(chosen).map(|(user, (tier, since))| Privacy {
            tier,
            since: Millis(since),
            ..Privacy::unchosen(GuildId(1), UserId(user))
        }))
    })
}

proptest! {
    #[test]
    fn records_are_marked_where_their_rows_lie(
        redactor in redactor(),
        (guild, channel, id) in (id(), id(), id()),
        (user, added, confirmed, removed) in (USERS, seen(), prop::option::of(stamp()), seen()),
        custom in prop::option::of(any::<u64>()),
        is_props_channel in any::<bool>(),
    ) {
        let (guild_id, channel_id) = (GuildId(guild), ChannelId(channel));
        let message_id = MessageId(id);
        let message = Message {
            id: message_id,
            channel_id,
            guild_id,
            author: Author { id: UserId(user), kind: AuthorKind::User },
            kind: MessageKind::DEFAULT,
            content: "thanks".to_owned(),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: confirmed.map(Stamp::millis),
            by_webhook: None,
            unread: propsbot_model::Unread::default(),
            earlier: Vec::new(),
        };
        let alive = MessageState::alive(Stamp(1), message);
        let deleted = MessageState { state: Life::Deleted(Millis(1)), ..alive.clone() };
        for state in [alive, deleted] {
            assert_place(&state, &MessageRow::from(&state));
            if let Some(row) = redactor.message(&state, is_props_channel) {
                assert_place(&state, &row);
            }
        }
        let emoji = custom.map_or(EmojiKey::Unicode("👍".to_owned()), |id| EmojiKey::Custom(EmojiId(id)));
        let reaction = Reaction {
            guild_id, channel_id, message_id, user_id: UserId(user), emoji, burst: false, added, confirmed, removed,
        };
        assert_place(&reaction, &ReactionRow::from(&reaction));
        if let Some(row) = redactor.reaction(&reaction) {
            assert_place(&reaction, &row);
        }
        let props = Props {
            id: InteractionId(id),
            guild_id,
            channel_id,
            message_id: added.map(|_| MessageId(guild)),
            giver: UserId(user),
            receivers: vec![UserId(user + 1)],
            reason: "help".to_owned(),
            origin: PropsOrigin::Command,
            withdrawn: removed.map(|seen| seen.at.millis()),
            about: None,
        };
        assert_place(&props, &PropsRow::from(&props));
        if let Some(row) = redactor.props(&props) {
            assert_place(&props, &row);
        }
    }

    #[test]
    fn records_of_a_guild_are_marked_in_it(redactor in redactor(), guild in id(), id in id(), user in USERS) {
        let guild_id = GuildId(guild);
        let mut known = GuildEntity::<Guild>::unknown(guild_id, guild);
        known.state = kept(Guild {
            id: guild_id,
            name: "a guild".to_owned(),
            owner_id: UserId(user),
            unread: propsbot_model::Unread::default(),
        });
        let settings = Settings::default_for(guild_id);
        let row = redactor.guild(GuildRow::new(&known, &settings).unwrap());
        assert_place(&known, &row);
        assert_place(&settings, &row);
        let mut channel = GuildEntity::<Channel>::unknown(guild_id, id);
        channel.state = kept(Channel {
            id: ChannelId(id),
            guild_id,
            kind: ChannelKind::TEXT,
            name: "general".to_owned(),
            parent_id: None,
            position: 0,
            nsfw: false,
            overwrites: Vec::new(),
            thread: None,
            unread: propsbot_model::Unread::default(),
        });
        let row = redactor.channel(ChannelRow::new(&channel, &settings).unwrap());
        assert_place(&channel, &row);
        assert_place(&settings, &row);
        let mut role = GuildEntity::<Role>::unknown(guild_id, id);
        role.state = kept(Role {
            id: RoleId(id),
            guild_id,
            name: "helpers".to_owned(),
            position: 1,
            permissions: 0,
            managed: false,
            unread: propsbot_model::Unread::default(),
        });
        assert_place(&role, &RoleRow::new(&role).unwrap());
        let mut emoji = GuildEntity::<GuildEmoji>::unknown(guild_id, id);
        emoji.state = kept(GuildEmoji {
            id: EmojiId(id),
            guild_id,
            name: None,
            animated: false,
            own: true,
            unread: propsbot_model::Unread::default(),
        });
        assert_place(&emoji, &EmojiRow::new(&emoji).unwrap());
        let mut event = ScheduledEvent::unknown(guild_id, EventId(id));
        for start in [-1, 0, i64::MAX] {
            let details = EventDetails {
                    name: "call".to_owned(),
                    status: EventStatus::ACTIVE,
                    creator_id: Some(UserId(user)),
                    channel_id: None,
                    end: None,
                    user_count: None,
                    recurring: true,
};
event.see(Occurrence::seen(Millis(start), Stamp(1), details));
        }
        let rows = redactor.event(&event);
        assert_eq!(rows.len(), 3);
        assert!(rows.is_sorted_by_key(Row::key), "{rows:?}");
        for row in rows {
            assert_place(&event, &row);
        }
        let member = Member::unknown(guild_id, UserId(user));
        assert_place(&member, &MemberRow::from(&member));
        let link = Link::none(guild_id, UserId(user));
        if let Some(row) = redactor.link(&link) {
            assert_place(&link, &row);
        }
        assert_place(&link, &LinkRow::from(&link));
        for row in redactor.member(&member) {
            assert_place(&member, &row);
            assert_place(&Privacy::unchosen(guild_id, UserId(user)), &row);
        }
    }
}

fn kept<T: Ord + propsbot_model::Fields>(value: T) -> Tombstoned<T> {
    let mut kept = Tombstoned::default();
    kept.see(Stamp(1), value);
    kept
}
