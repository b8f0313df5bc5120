//! What is said in servers where nothing is done.

use propsbot_model::GuildId;

/// The server is not mirrored.
pub(crate) fn not_mirrored(guild: GuildId) -> String {
    format!(
        "I don't work in this server: I mirror only the servers that my operator has chosen. Nothing was \
         recorded. To have this one mirrored, my operator adds its id to `DISCORD_GUILDS` and restarts \
         me: `{guild}`"
    )
}

/// The server was mirrored before.
pub(crate) fn no_longer_mirrored(guild: GuildId) -> String {
    format!(
        "I no longer mirror this server, so nothing was recorded. What I have of it stays until my \
         operator deletes it; with `/privacy` you see and delete what I have of you. To have it mirrored \
         again, my operator adds its id to `DISCORD_GUILDS` and restarts me: `{guild}`"
    )
}

/// The bot is not in the server.
pub(crate) fn not_joined() -> String {
    "I'm not in this server, so nothing was done. If I was added just now, try again in a minute."
        .to_owned()
}

/// What was asked for concerns other servers, too.
pub(crate) fn not_an_operator() -> String {
    "This concerns every server that I mirror, so it is for my operators only: the admins of their own \
     server."
        .to_owned()
}
