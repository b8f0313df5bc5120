//! Answers in servers where I do nothing.

use propsbot_model::GuildId;

pub(crate) fn not_mirrored(guild: GuildId) -> String {
    format!(
        "I don't work in this server: I mirror only the servers my operator has chosen. Nothing was \
         recorded. To have this one mirrored, ask my operator to add its id to `DISCORD_GUILDS` \
         and restart me: `{guild}`"
    )
}

pub(crate) fn no_longer_mirrored(guild: GuildId) -> String {
    format!(
        "I no longer mirror this server, so nothing was recorded. What I already have from it stays \
         until my operator deletes it; use `/privacy` to see or delete what I have about you. To have \
         it mirrored again, ask my operator to add its id to `DISCORD_GUILDS` and restart me: `{guild}`"
    )
}

/// The bot is not a member of the server.
pub(crate) fn not_joined() -> String {
    "I'm not in this server, so I did nothing. If I was added just now, try again in a minute."
        .to_owned()
}

/// The command affects all servers.
pub(crate) fn not_an_operator() -> String {
    "This affects every server I mirror, so only my operators can do it: the admins of their own \
     server."
        .to_owned()
}
