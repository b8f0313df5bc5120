//! Users, who are the same in every guild, and members of one guild.

use serde::{Deserialize, Serialize};

use super::{
    Field, GuildId, Lww, Millis, RoleHistory, RoleId, Stamp, Tombstoned, Unread, UserId,
    unread::fields,
};

/// A user. Source: <https://discord.com/developers/docs/resources/user>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub username: String,
    /// The display name, if set.
    pub global_name: Option<String>,
    /// The four digits that bots still have; `None` for Discord's `"0"`.
    pub discriminator: Option<u16>,
    pub bot: bool,
    /// Whether it belongs to Discord itself, like Clyde.
    #[serde(default)]
    pub system: bool,
    /// Fields that couldn't be read when last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(
    User: Name => username, GlobalName => global_name, Discriminator => discriminator, Bot => bot,
    System => system,
);

/// A user's membership in a guild.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Presence {
    /// The name in this guild, if set.
    pub nick: Option<String>,
    /// Sorted; without `@everyone`.
    pub roles: Vec<RoleId>,
    pub joined_at: Option<Millis>,
    /// Fields that couldn't be read when last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(Presence: Nick => nick, Roles => roles, JoinedAt => joined_at);

/// A user seen in a guild: a current or former member, or only the author of a message or reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub guild_id: GuildId,
    pub user_id: UserId,
    /// Names as last seen.
    pub user: Option<Lww<User>>,
    /// Kept after the membership ends.
    pub presence: Tombstoned<Presence>,
    /// Roles and membership over time.
    #[serde(default)]
    pub history: RoleHistory,
}

impl Member {
    /// A user without known data.
    pub fn unknown(guild_id: GuildId, user_id: UserId) -> Self {
        Self {
            guild_id,
            user_id,
            user: None,
            presence: Tombstoned::default(),
            history: RoleHistory::default(),
        }
    }

    /// A user with deleted data. Appears as a current member, since membership isn't kept.
    pub fn nameless(guild_id: GuildId, user_id: UserId) -> Self {
        let mut member = Self::unknown(guild_id, user_id);
        let nothing = Presence {
            nick: None,
            roles: Vec::new(),
            joined_at: None,
            unread: Unread::default(),
        };
        member.presence.see(Stamp::default(), nothing);
        member
    }

    /// Records membership at `at`, with the roles Discord listed; unreadable roles say nothing.
    pub fn see(&mut self, at: Stamp, presence: Presence, named: &[RoleId]) {
        if !presence.unread.has(Field::Roles) {
            self.history.see(at, Some(named));
        }
        self.presence.see(at, presence);
    }

    /// Records that the user wasn't a member at `at`.
    pub fn miss(&mut self, at: Stamp) {
        self.presence.miss(at);
        self.history.see(at, None);
    }
}
