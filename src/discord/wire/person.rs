//! Users and members.

use serde::Deserialize;

use super::field::{digits, lenient, time};
use crate::model::{self, Millis, Presence, RoleId, UserId};

/// A user. Source: <https://discord.com/developers/docs/resources/user#user-object>.
#[derive(Deserialize)]
pub(in crate::discord) struct User {
    pub(in crate::discord) id: UserId,
    #[serde(default)]
    pub(in crate::discord) username: String,
    #[serde(default)]
    pub(in crate::discord) global_name: Option<String>,
    #[serde(default, deserialize_with = "digits")]
    pub(in crate::discord) discriminator: Option<u16>,
    #[serde(default)]
    pub(in crate::discord) bot: bool,
    /// In gateway events, mentioned users carry their membership.
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::discord) member: Option<Box<Membership>>,
}

impl From<User> for model::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            global_name: user.global_name,
            discriminator: user.discriminator,
            bot: user.bot,
        }
    }
}

/// What a user is in a guild. Source:
/// <https://discord.com/developers/docs/resources/guild#guild-member-object>.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::discord) struct Membership {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::discord) nick: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::discord) roles: Vec<RoleId>,
    #[serde(deserialize_with = "time")]
    pub(in crate::discord) joined_at: Option<Millis>,
}

impl From<Membership> for Presence {
    fn from(of: Membership) -> Self {
        let mut roles = of.roles;
        roles.sort_unstable();
        Self {
            nick: of.nick,
            roles,
            joined_at: of.joined_at,
        }
    }
}

/// A member with the user it is.
#[derive(Deserialize)]
pub(in crate::discord) struct Member {
    pub(in crate::discord) user: User,
    #[serde(flatten)]
    pub(in crate::discord) membership: Membership,
}

impl Member {
    /// The user, and what it is in the guild.
    pub(in crate::discord) fn into_pair(self) -> (model::User, Presence) {
        (self.user.into(), self.membership.into())
    }
}
