use serde::Deserialize;

use super::field::{Digits, Each, Time, Told, lenient};
use propsbot_model::{self as model, Field, Presence, RoleId, Unread, UserId};

/// A user. Source: <https://discord.com/developers/docs/resources/user#user-object>.
#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) id: UserId,
    #[serde(default)]
    pub(crate) username: Told<String>,
    #[serde(default)]
    pub(crate) global_name: Told<Option<String>>,
    #[serde(default)]
    pub(crate) discriminator: Told<Digits>,
    #[serde(default)]
    pub(crate) bot: Told<bool>,
    #[serde(default)]
    pub(crate) system: Told<bool>,
    /// In gateway events, mentioned users carry their membership.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) member: Option<Box<Membership>>,
}

impl From<User> for model::User {
    fn from(user: User) -> Self {
        let mut unread = Unread::default();
        Self {
            id: user.id,
            username: user.username.required(Field::Name, &mut unread),
            global_name: user.global_name.optional(Field::GlobalName, &mut unread),
            discriminator: user
                .discriminator
                .optional(Field::Discriminator, &mut unread)
                .0,
            bot: user.bot.optional(Field::Bot, &mut unread),
            system: user.system.optional(Field::System, &mut unread),
            unread,
        }
    }
}

/// A user's membership in a guild. Source:
/// <https://discord.com/developers/docs/resources/guild#guild-member-object>.
#[derive(Deserialize)]
pub(crate) struct Membership {
    #[serde(default)]
    pub(crate) nick: Told<Option<String>>,
    #[serde(default = "Each::untold")]
    pub(crate) roles: Each<RoleId>,
    #[serde(default)]
    pub(crate) joined_at: Told<Option<Time>>,
}

impl From<Membership> for Presence {
    fn from(of: Membership) -> Self {
        let mut unread = Unread::default();
        let mut roles = of.roles.readable(Field::Roles, &mut unread);
        roles.sort_unstable();
        let joined_at = of.joined_at.optional(Field::JoinedAt, &mut unread);
        Self {
            nick: of.nick.optional(Field::Nick, &mut unread),
            roles,
            joined_at: joined_at.map(|Time(at)| at),
            unread,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Member {
    pub(crate) user: User,
    #[serde(flatten)]
    pub(crate) membership: Membership,
}

impl Member {
    pub(crate) fn into_pair(self) -> (model::User, Presence) {
        (self.user.into(), self.membership.into())
    }
}
