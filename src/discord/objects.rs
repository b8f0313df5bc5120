//! serenity's objects in our words, as far as commands hand them on.

use serenity::model::{id, user as users};

use crate::model::{
    ChannelId, EmojiId, Field, GuildId, InteractionId, MessageId, RoleId, Unread, User, UserId,
};

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl From<id::$name> for $name {
            fn from(id: id::$name) -> Self {
                Self(id.get())
            }
        }
    )*};
}

ids!(
    GuildId,
    ChannelId,
    MessageId,
    UserId,
    RoleId,
    EmojiId,
    InteractionId
);

/// The user who ran a command.
pub fn user(of: &users::User) -> User {
    let mut unread = Unread::default();
    if of.name.is_empty() {
        unread.add(Field::Name);
    }
    User {
        id: of.id.into(),
        username: of.name.clone(),
        global_name: of.global_name.clone(),
        discriminator: of.discriminator.map(std::num::NonZero::get),
        bot: of.bot,
        system: of.system,
        unread,
    }
}
