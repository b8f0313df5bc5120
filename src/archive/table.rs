//! Tables, rows and how they are written: what makes a row belong where it lies.
//!
//! Owns the encoding of rows and of blobs, and the order of rows. Knows nothing of the fields but
//! what scope and key need.

use std::{fmt, io::ErrorKind};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow,
};
use propsbot_model::{ChannelId, EmojiKey, GuildId, UserId};

/// The archive's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// [`GuildRow`]
    Guilds,
    /// [`ChannelRow`]
    Channels,
    /// [`RoleRow`]
    Roles,
    /// [`EmojiRow`]
    Emojis,
    /// [`MemberRow`]
    Members,
    /// [`MessageRow`]
    Messages,
    /// [`ReactionRow`]
    Reactions,
    /// [`PropsRow`]
    Props,
}

impl Table {
    /// The tables that are kept by guild.
    pub const OF_GUILD: [Self; 5] = [
        Self::Guilds,
        Self::Channels,
        Self::Roles,
        Self::Emojis,
        Self::Members,
    ];

    /// The tables that are kept by channel.
    pub const OF_CHANNEL: [Self; 3] = [Self::Messages, Self::Reactions, Self::Props];
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guilds => "guilds",
            Self::Channels => "channels",
            Self::Roles => "roles",
            Self::Emojis => "emojis",
            Self::Members => "members",
            Self::Messages => "messages",
            Self::Reactions => "reactions",
            Self::Props => "props",
        })
    }
}

/// Whose rows an index lists: a guild's own, or one of its channels'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel or thread; `None` for the tables that are kept by guild.
    pub channel_id: Option<ChannelId>,
}

impl Scope {
    /// The tables kept for a guild itself.
    pub fn guild(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            channel_id: None,
        }
    }

    /// The tables kept for a channel.
    pub fn channel(guild_id: GuildId, channel_id: ChannelId) -> Self {
        Self {
            guild_id,
            channel_id: Some(channel_id),
        }
    }

    /// The tables that it has.
    pub fn tables(self) -> &'static [Table] {
        match self.channel_id {
            None => &Table::OF_GUILD,
            Some(_) => &Table::OF_CHANNEL,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channel_id {
            None => write!(f, "guild {}", self.guild_id),
            Some(channel) => write!(f, "channel {channel} of guild {}", self.guild_id),
        }
    }
}

/// A row's place among those of its table and scope, each of which has another. Rows are sorted
/// by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The id whose time decides the row's partition.
    pub id: u64,
    /// What tells the reactions to one message apart.
    pub reaction: Option<(EmojiKey, bool, UserId)>,
}

/// A row of one of the archive's tables.
pub trait Row: Serialize + DeserializeOwned + Send + 'static {
    /// Its table.
    const TABLE: Table;

    /// Whose row it is.
    fn scope(&self) -> Scope;

    /// Its place in the table.
    fn key(&self) -> RowKey;
}

macro_rules! rows {
    ($($row:ident: $table:ident, |$it:ident| $scope:expr, $id:expr;)*) => {$(
        impl Row for $row {
            const TABLE: Table = Table::$table;

            fn scope(&self) -> Scope {
                let $it = self;
                $scope
            }

            fn key(&self) -> RowKey {
                let $it = self;
                RowKey { id: $id.0, reaction: None }
            }
        }
    )*};
}

rows! {
    GuildRow: Guilds, |it| Scope::guild(it.id), it.id;
    ChannelRow: Channels, |it| Scope::guild(it.guild_id), it.id;
    RoleRow: Roles, |it| Scope::guild(it.guild_id), it.id;
    EmojiRow: Emojis, |it| Scope::guild(it.guild_id), it.id;
    MemberRow: Members, |it| Scope::guild(it.guild_id), it.user_id;
    MessageRow: Messages, |it| Scope::channel(it.guild_id, it.channel_id), it.id;
    PropsRow: Props, |it| Scope::channel(it.guild_id, it.channel_id), it.id;
}

impl Row for ReactionRow {
    const TABLE: Table = Table::Reactions;

    fn scope(&self) -> Scope {
        Scope::channel(self.guild_id, self.channel_id)
    }

    fn key(&self) -> RowKey {
        let emoji = match self.emoji_id {
            Some(id) => EmojiKey::Custom(id),
            None => EmojiKey::Unicode(self.emoji.clone().unwrap_or_default()),
        };
        RowKey {
            id: self.message_id.0,
            reaction: Some((emoji, self.burst, self.user_id)),
        }
    }
}

/// A row as it is written, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRow {
    /// Where it is sorted.
    pub key: RowKey,
    /// The row, as a map from names to values.
    pub bytes: Vec<u8>,
}

impl EncodedRow {
    /// Writes the row.
    pub fn new<R: Row>(row: &R) -> Self {
        let mut bytes = Vec::new();
        let mut serializer = rmp_serde::Serializer::new(&mut bytes)
            .with_struct_map()
            .with_human_readable();
        row.serialize(&mut serializer)
            .expect("rows hold only what MessagePack can say, and memory takes it");
        Self {
            key: row.key(),
            bytes,
        }
    }
}

/// The blob of these rows: an array of them, in the given order.
pub(super) fn encode_blob(rows: &[EncodedRow]) -> Vec<u8> {
    let mut bytes = array_header(rows.len());
    for row in rows {
        bytes.extend_from_slice(&row.bytes);
    }
    bytes
}

/// The head of an array of this length, in its shortest form.
pub(super) fn array_header(len: usize) -> Vec<u8> {
    if let Ok(len @ 0..=15) = u8::try_from(len) {
        vec![0x90 | len]
    } else if let Ok(len) = u16::try_from(len) {
        [&[0xdc][..], &len.to_be_bytes()].concat()
    } else {
        let len = u32::try_from(len).expect("a blob holds fewer rows than 2^32");
        [&[0xdd][..], &len.to_be_bytes()].concat()
    }
}

impl EncodedRow {
    /// Reads the row.
    pub fn decode<R: Row>(&self) -> Result<R, rmp_serde::decode::Error> {
        let mut row = rmp_serde::Deserializer::from_read_ref(&self.bytes[..]).with_human_readable();
        R::deserialize(&mut row)
    }
}

/// The rows of a blob. Fields that this version does not know are passed over.
pub(super) fn decode_blob<R: Row>(bytes: &[u8]) -> Result<Vec<R>, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    let rows = Vec::deserialize(&mut deserializer)?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(end))
            if end.kind() == ErrorKind::UnexpectedEof =>
        {
            Ok(rows)
        }
        _ => Err(serde::de::Error::custom("more follows its rows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::{EmojiId, Evidence, MessageId, Millis, Overwrite, OverwriteKind};

    /// As a reader in another language sees it: names and plain values.
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
    fn a_blob_is_read_back_and_is_what_messagepack_libraries_write() {
        for count in [0_u64, 1, 15, 16, 70_000] {
            let rows: Vec<ReactionRow> = (0..count)
                .map(|user| ReactionRow {
                    user_id: UserId(user),
                    ..reaction()
                })
                .collect();
            let encoded: Vec<EncodedRow> = rows.iter().map(EncodedRow::new).collect();
            let blob = encode_blob(&encoded);
            assert_eq!(decode_blob::<ReactionRow>(&blob).unwrap(), rows);
            let mut whole = Vec::new();
            rows.serialize(
                &mut rmp_serde::Serializer::new(&mut whole)
                    .with_struct_map()
                    .with_human_readable(),
            )
            .unwrap();
            assert!(whole == blob);
        }
    }

    #[test]
    fn reactions_are_sorted_by_message_emoji_burst_and_user() {
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
}
