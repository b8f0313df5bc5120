//! Converts serenity's objects that commands pass on.

use serenity::model::{id, user as users};

use propsbot_model::{
    ChannelId, EmojiId, Field, GuildId, InteractionId, MessageId, RoleId, Unread, User, UserId,
};

/// Converts serenity's ids.
pub trait IntoModel {
    type Model;

    fn into_model(self) -> Self::Model;
}

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl IntoModel for id::$name {
            type Model = $name;

            fn into_model(self) -> $name {
                $name(self.get())
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

/// Converts the user who ran a command.
pub fn user(of: &users::User) -> User {
    let mut unread = Unread::default();
    if of.name.is_empty() {
        unread.add(Field::Name);
    }
    User {
        id: of.id.into_model(),
        username: of.name.clone(),
        global_name: of.global_name.clone(),
        discriminator: of.discriminator.map(std::num::NonZero::get),
        bot: of.bot,
        system: of.system,
        unread,
    }
}
