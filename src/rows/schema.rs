//! The schema of Discord's tables: the scope and sort key of each row.

use std::ops::RangeInclusive;

use propsbot_archive::{self as archive, Id, Level, Millis, Row, RowKey, Schema, Scope, Table};
use propsbot_mirror::{self as mirror, Mark};
use propsbot_model::{
    AuthorKind, ChannelId, Class, GuildId, MessageId, Stamp, reaction_time, tables,
};

use super::{
    ChannelRow, EmojiRow, EventRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow,
    ReactionRow, Restored, RoleRow, commit_message::commit_message, readme::readme,
};

pub const GUILDS: &str = "guilds";
pub const CHANNELS: &str = "channels";
pub const ROLES: &str = "roles";
pub const EMOJIS: &str = "emojis";
pub const MEMBERS: &str = "members";
pub const MESSAGES: &str = "messages";
pub const REACTIONS: &str = "reactions";
pub const PROPS: &str = "props";
pub const LINKS: &str = "links";
pub const EVENTS: &str = "events";

/// The schema of Discord archives. Guilds are spaces; channels and threads are parts.
pub static SCHEMA: Schema = Schema {
    provider: "discord",
    version: 1,
    tables: &[
        Table::of::<GuildRow>(Level::Space).with("One row.", GuildRow::COLUMNS),
        Table::of::<ChannelRow>(Level::Space).with("Including threads and categories. By `id`.", ChannelRow::COLUMNS),
        Table::of::<RoleRow>(Level::Space).with("By `id`.", RoleRow::COLUMNS),
        Table::of::<EmojiRow>(Level::Space).with("Custom emojis that were seen. By `id`.", EmojiRow::COLUMNS),
        Table::of::<MemberRow>(Level::Space).with("Everyone who was seen in the guild. By `user_id`.", MemberRow::COLUMNS),
        Table::of::<MessageRow>(Level::Part).with("By `id`.", MessageRow::COLUMNS),
        Table::of::<ReactionRow>(Level::Part).with("Present and past, to messages that are here. By `message_id`, then the emoji (Unicode first, by UTF-8 bytes; then custom ones by \
             id), then `burst` (false first), then `user_id`. A row's time is `added_at` if `added_by` is \
             \"gateway\" and that isn't before its message, and else its message's.", ReactionRow::COLUMNS).belonging_to(MESSAGES).with_month_of("message_month"),
        Table::of::<PropsRow>(Level::Part).with("Props given with a command. By `id`.", PropsRow::COLUMNS),
        Table::of::<LinkRow>(Level::Space).with("What members asked of SourceCred's ledger with `/link`; none of those who hide their name. By `user_id`.", LinkRow::COLUMNS),
        Table::of::<EventRow>(Level::Space).with("Scheduled events, if an admin wants them here. A recurring event has a row for each start; one that was moved \
             before it began has only its last. By `id`, then `start`.", EventRow::COLUMNS),
    ],
    spaces: GUILDS,
    parts: CHANNELS,
    classes: &[
        Class::Guild.name(),
        Class::Channels.name(),
        Class::Threads.name(),
        Class::Members.name(),
        Class::Messages.name(),
        Class::Reactions.name(),
    ],
    is_id: |id| {
        id.parse::<u64>()
            .is_ok_and(|number| number.to_string() == id)
    },
    has_numeric_ids: true,
    notes: include_str!("discord.md"),
    readme,
    commit_message,
};

/// The archive's tables that each of the store's tables is exported to.
const EXPORTED_AS: [(mirror::Table, &[&str]); 12] = [
    (tables::GUILDS, &[GUILDS, EVENTS]),
    // Who may read a channel decides about its events.
    (tables::CHANNELS, &[CHANNELS, EVENTS]),
    (tables::ROLES, &[ROLES, EVENTS]),
    (tables::EMOJIS, &[EMOJIS]),
    (tables::MEMBERS, &[MEMBERS]),
    (tables::MESSAGES, &[MESSAGES]),
    (tables::REACTIONS, &[REACTIONS]),
    (tables::PROPS, &[PROPS]),
    (tables::LINKS, &[LINKS]),
    // Settings are columns of guilds and channels.
    (tables::SETTINGS, &[GUILDS, CHANNELS, EVENTS]),
    // A privacy choice affects the redaction of all the member's rows.
    (
        tables::PRIVACY,
        &[
            GUILDS, CHANNELS, MEMBERS, MESSAGES, REACTIONS, PROPS, LINKS, EVENTS,
        ],
    ),
    (tables::SCHEDULED_EVENTS, &[EVENTS]),
];

/// What a change in the store affects in the archive.
pub fn marks(changed: &Mark) -> Vec<archive::Mark> {
    let table = |(table, _): &&(mirror::Table, _)| changed.is_of(*table);
    let tables = EXPORTED_AS.iter().find(table);
    let tables = tables.map_or(&[][..], |(_, tables)| tables);
    let mark = |table: &&'static str| archive::Mark {
        scope: changed.scope(),
        table,
        period: changed.period,
    };
    tables.iter().map(mark).collect()
}

pub fn ids(times: &RangeInclusive<Millis>) -> RangeInclusive<u64> {
    let after = Millis(times.end().0.saturating_add(1));
    let first_after = MessageId::at(after);
    let last = if first_after.created_at() < after {
        Some(u64::MAX) // they end after the last time that an id can tell
    } else {
        first_after.0.checked_sub(1)
    };
    match last {
        Some(last) => MessageId::at(*times.start()).0..=last,
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "this is how to spell an empty one"
        )]
        None => 1..=0, // they end before Discord's ids begin
    }
}

fn key(id: u64) -> RowKey {
    RowKey {
        time: MessageId(id).created_at(),
        sort: id.to_be_bytes().into(),
    }
}

fn contradicts_itself<R: Restored>(row: R) -> bool {
    row.is_own() && row.record(Stamp::default()).is_none()
}

/// Whether this is the id `number`. (`Schema::is_id` has checked its notation.)
fn is(id: &Id, number: u64) -> bool {
    id.as_str().parse() == Ok(number)
}

fn is_guild(scope: &Scope, guild: GuildId) -> bool {
    scope.part.is_none() && is(&scope.space, guild.0)
}

fn is_channel(scope: &Scope, guild: GuildId, channel: ChannelId) -> bool {
    let part = scope.part.as_ref();
    part.is_some_and(|part| is(part, channel.0)) && is(&scope.space, guild.0)
}

/// Implements [`Row`] for tables keyed by one id: scope check, key field, other methods.
macro_rules! rows {
    ($($row:ident in $table:ident, $is_of:ident($($scope:ident),*), by $id:ident { $($more:item)* })*) => {$(
        impl Row for $row {
            const TABLE: &'static str = $table;

            fn is_of(&self, scope: &Scope) -> bool {
                $is_of(scope, $(self.$scope),*)
            }

            fn key(&self) -> RowKey {
                key(self.$id.0)
            }

            fn contradicts_itself(self) -> bool {
                contradicts_itself(self)
            }

            $($more)*
        }
    )*};
}

rows! {
    GuildRow in GUILDS, is_guild(id), by id {}
    ChannelRow in CHANNELS, is_guild(guild_id), by id {
        fn part(&self) -> Option<Id> {
            Some(Id::new(self.id))
        }
    }
    RoleRow in ROLES, is_guild(guild_id), by id {}
    EmojiRow in EMOJIS, is_guild(guild_id), by id {}
    MemberRow in MEMBERS, is_guild(guild_id), by user_id {
        fn id(&self) -> Option<u64> {
            Some(self.user_id.0)
        }
    }
    MessageRow in MESSAGES, is_channel(guild_id, channel_id), by id {
        fn id(&self) -> Option<u64> {
            Some(self.id.0)
        }

        fn refers_to(&self) -> Option<(&'static str, u64)> {
            let is_member = self.author_kind != Some(AuthorKind::Webhook);
            self.author_id.filter(|_| is_member).map(|id| (MEMBERS, id.0))
        }
    }
    LinkRow in LINKS, is_guild(guild_id), by user_id {}
    PropsRow in PROPS, is_channel(guild_id, channel_id), by id {
        fn refers_to(&self) -> Option<(&'static str, u64)> {
            self.message_id.map(|id| (MESSAGES, id.0))
        }

        fn belongs_to(&self) -> Option<Millis> {
            self.message_id.map(MessageId::created_at)
        }
    }
}

impl Row for ReactionRow {
    const TABLE: &'static str = REACTIONS;

    fn is_of(&self, scope: &Scope) -> bool {
        is_channel(scope, self.guild_id, self.channel_id)
    }

    /// Sorted by message, emoji (Unicode first), burst, user.
    fn key(&self) -> RowKey {
        let mut key = key(self.message_id.0);
        key.time = reaction_time(self.message_id, self.added_at.zip(self.added_by));
        match self.emoji_id {
            None => {
                key.sort.push(0);
                let emoji = self.emoji.as_deref().unwrap_or_default();
                for byte in emoji.bytes() {
                    key.sort.push(byte);
                    // Escape zeros: no emoji may be a prefix of another.
                    if byte == 0 {
                        key.sort.push(1);
                    }
                }
                key.sort.extend([0, 0]);
            }
            Some(id) => {
                key.sort.push(1);
                key.sort.extend(id.0.to_be_bytes());
            }
        }
        key.sort.push(u8::from(self.burst));
        key.sort.extend(self.user_id.0.to_be_bytes());
        key
    }

    fn refers_to(&self) -> Option<(&'static str, u64)> {
        Some((MESSAGES, self.message_id.0))
    }

    fn belongs_to(&self) -> Option<Millis> {
        Some(self.message_id.created_at())
    }

    fn contradicts_itself(self) -> bool {
        contradicts_itself(self)
    }
}

impl Row for EventRow {
    const TABLE: &'static str = EVENTS;

    fn is_of(&self, scope: &Scope) -> bool {
        is_guild(scope, self.guild_id)
    }

    /// Sorted by event, start.
    fn key(&self) -> RowKey {
        let mut key = key(self.id.0);
        // Times before 1970 come first.
        let start = self.start.0.cast_unsigned() ^ (1 << 63);
        key.sort.extend(start.to_be_bytes());
        key
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use propsbot_archive::{EncodedRow, format_md};
    use propsbot_model::{EmojiId, Evidence, MessageId, Overwrite, OverwriteKind, UserId};

    /// `docs/archive-format.md` is the page that archives carry. If it isn't, this writes it.
    #[test]
    fn the_docs_have_the_page_that_archives_carry() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/archive-format.md");
        let page = format_md(&[&SCHEMA]);
        if fs::read_to_string(&path).unwrap_or_default() != page {
            fs::write(&path, page).unwrap();
            panic!("docs/archive-format.md was out of date and is up to date now: commit it");
        }
    }

    #[test]
    fn the_schema_has_every_class() {
        assert_eq!(SCHEMA.classes, Class::ALL.map(Class::name));
    }

    /// The row as other languages decode it: names and plain values.
    fn seen_elsewhere<R: Row>(row: &R) -> serde_json::Value {
        rmp_serde::from_slice(&EncodedRow::new(row).bytes).unwrap()
    }

    fn reaction() -> ReactionRow {
        ReactionRow {
            guild_id: GuildId(1),
            channel_id: ChannelId(2),
            message_id: MessageId(1_442_070_400_000_000_001),
            user_id: UserId(4),
            emoji_id: None,
            emoji: Some("#️⃣".to_owned()),
            burst: false,
            added_at: Some(Millis(1_700_000_000_000)),
            added_by: Some(Evidence::Gateway),
            removed_at: None,
            removed_by: None,
        }
    }

    #[test]
    fn rows_are_maps_of_plain_values() {
        assert_eq!(
            seen_elsewhere(&reaction()),
            serde_json::json!({
                "guild_id": "1", "channel_id": "2", "message_id": "1442070400000000001",
                "user_id": "4", "emoji_id": null, "emoji": "#️⃣", "burst": false,
                "added_at": 1_700_000_000_000_i64, "added_by": "gateway",
                "removed_at": null, "removed_by": null,
            })
        );
        let channel = ChannelRow {
            id: ChannelId(2),
            guild_id: GuildId(1),
            kind: propsbot_model::ChannelKind::TEXT,
            name: "props".to_owned(),
            parent_id: None,
            position: -1,
            nsfw: false,
            props_channel: true,
            overwrites: vec![Overwrite {
                kind: OverwriteKind::Role,
                id: 1,
                allow: 1024,
                deny: 0,
            }],
            owner_id: None,
            archived: None,
            archive_timestamp: None,
            deleted_at: None,
        };
        let seen = seen_elsewhere(&channel);
        assert_eq!(seen["kind"], 0);
        assert_eq!(seen["position"], -1);
        assert_eq!(
            seen["overwrites"],
            serde_json::json!([{"kind": "role", "id": "1", "allow": "1024", "deny": "0"}])
        );
    }

    #[test]
    fn sorts_reactions_by_message_emoji_burst_and_user() {
        let custom = ReactionRow {
            emoji: None,
            emoji_id: Some(EmojiId(1)),
            user_id: UserId(0),
            ..reaction()
        };
        let burst = ReactionRow {
            burst: true,
            user_id: UserId(0),
            ..reaction()
        };
        let later = ReactionRow {
            message_id: MessageId(u64::MAX),
            ..reaction()
        };
        let sorted = [reaction(), burst, custom, later];
        assert!(sorted.is_sorted_by_key(Row::key));
    }

    /// Byte keys sort like the typed keys.
    #[test]
    fn byte_keys_sort_like_typed_keys() {
        let emojis = [
            (None, Some("a")),
            (None, Some("a\0")),
            (None, Some("a\u{1}")),
            (None, Some("ab")),
            (None, Some("b")),
            (Some(EmojiId(2)), None),
            (Some(EmojiId(256)), None),
        ];
        let mut rows = Vec::new();
        for message in [1, 1 << 22, u64::MAX].map(MessageId) {
            for (emoji_id, emoji) in emojis {
                for burst in [false, true] {
                    for user_id in [1, 256, u64::MAX].map(UserId) {
                        rows.push(ReactionRow {
                            message_id: message,
                            emoji_id,
                            emoji: emoji.map(str::to_owned),
                            burst,
                            user_id,
                            ..reaction()
                        });
                    }
                }
            }
        }
        assert!(rows.is_sorted_by(|one, next| one.key() < next.key()));
    }

    #[test]
    fn time_ranges_map_to_id_ranges() {
        let id = MessageId(1_442_070_400_000_000_001);
        let at = id.created_at();
        let before = Millis(at.0 - 1);
        let all = Millis(i64::MIN)..=Millis(i64::MAX);
        assert_eq!(ids(&all), 0..=u64::MAX);
        assert!(ids(&(at..=at)).contains(&id.0));
        assert_eq!(ids(&(before..=before)).end() + 1, *ids(&(at..=at)).start());
        assert!(ids(&(Millis(0)..=Millis(1_420_070_399_999))).is_empty());
    }
}
