//! People: the user, the same everywhere, and the member that a user is in one guild.

use serde::{Deserialize, Serialize};

use super::{
    Field, GuildId, Lww, Millis, RoleHistory, RoleId, Stamp, Tombstoned, Unread, UserId,
    unread::fields,
};

/// A user as Discord shows one. Source: <https://discord.com/developers/docs/resources/user>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The unique name.
    pub username: String,
    /// The name to show, where the user has chosen one.
    pub global_name: Option<String>,
    /// The four digits that bots still have; `None` where Discord says `"0"`.
    pub discriminator: Option<u16>,
    /// Whether it is an application.
    pub bot: bool,
    /// Whether it is Discord's own, as Clyde and the urgent messages are.
    #[serde(default)]
    pub system: bool,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(
    User: Name => username, GlobalName => global_name, Discriminator => discriminator, Bot => bot,
    System => system,
);

/// What a user is in a guild while a member of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Presence {
    /// The name in this guild, where one was chosen.
    pub nick: Option<String>,
    /// The roles, sorted; the one that everyone has is not named.
    pub roles: Vec<RoleId>,
    /// When the user joined.
    pub joined_at: Option<Millis>,
    /// Which fields could not be read when it was last seen.
    #[serde(default, skip_serializing_if = "Unread::is_empty")]
    pub unread: Unread,
}

fields!(Presence: Nick => nick, Roles => roles, JoinedAt => joined_at);

/// A user who was seen in a guild: a member, one who left, or the author of a message, of a
/// reaction, of whom nothing else is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The guild.
    pub guild_id: GuildId,
    /// The user.
    pub user_id: UserId,
    /// The user's names, as last seen.
    pub user: Option<Lww<User>>,
    /// The membership, kept when it ends.
    pub presence: Tombstoned<Presence>,
    /// The roles, and the membership itself, over time.
    #[serde(default)]
    pub history: RoleHistory,
}

impl Member {
    /// A user of whom nothing is known yet.
    pub fn unknown(guild_id: GuildId, user_id: UserId) -> Self {
        Self {
            guild_id,
            user_id,
            user: None,
            presence: Tombstoned::default(),
            history: RoleHistory::default(),
        }
    }

    /// Somebody who had their data deleted: it is not kept whether they are still a member, so they are
    /// taken for one.
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

    /// The user was a member at `at`, with the roles that Discord named; roles that could not be
    /// read say nothing.
    pub fn see(&mut self, at: Stamp, presence: Presence, named: &[RoleId]) {
        if !presence.unread.has(Field::Roles) {
            self.history.see(at, Some(named));
        }
        self.presence.see(at, presence);
    }

    /// The user was no member at `at`.
    pub fn miss(&mut self, at: Stamp) {
        self.presence.miss(at);
        self.history.see(at, None);
    }
}
