//! Answers in servers that I don't mirror, and about switching the mirror on and off.

use propsbot_model::GuildId;

/// Who decides whether a server is mirrored.
#[derive(Clone, Copy)]
pub(crate) enum UpTo {
    Admins,
    /// The operator, who needs this id.
    Operator(GuildId),
}

pub(crate) fn not_mirrored(up_to: UpTo) -> String {
    match up_to {
        UpTo::Admins => {
            "I don't mirror this server, so nothing was recorded. An admin can switch the \
                         mirror on with `/setup`."
                .to_owned()
        }
        UpTo::Operator(guild) => format!(
            "I don't work in this server: I mirror only the servers my operator has chosen. Nothing was \
             recorded. To have this one mirrored, ask my operator to add its id to `DISCORD_GUILDS` \
             and restart me: `{guild}`"
        ),
    }
}

pub(crate) fn no_longer_mirrored(up_to: UpTo) -> String {
    let again = match up_to {
        UpTo::Admins => "An admin can switch the mirror on again with `/setup`.".to_owned(),
        UpTo::Operator(guild) => format!(
            "To have it mirrored again, ask my operator to add its id to `DISCORD_GUILDS` and restart \
             me: `{guild}`"
        ),
    };
    format!(
        "I no longer mirror this server, so nothing was recorded. What I already have from it stays \
         until my operator deletes it; use `/privacy` to see or delete what I have about you. {again}"
    )
}

/// The bot is not a member of the server.
pub(crate) fn not_joined() -> String {
    "I'm not in this server, so I did nothing. If I was added just now, try again in a minute."
        .to_owned()
}

/// The command affects all servers.
pub(crate) fn not_an_operator() -> String {
    "This affects every server I mirror, so only my operators can do it.".to_owned()
}

/// The operator decides whether a server is mirrored.
pub(crate) fn not_up_to_admins() -> String {
    "Only my operator decides which servers I mirror.".to_owned()
}

/// `/setup` in a server whose mirror is off.
pub(crate) fn mirror_is_off() -> String {
    "**I don't mirror this server, and I keep nothing of what happens here.** Its admins decide \
     whether I do.\n\
     If you switch the mirror on, I fetch the history of the channels that I can see, and then keep \
     what happens there: messages, reactions, members. Members can give props. I export only channels \
     that everyone can read. Members can opt out and delete their data with `/privacy`.\n\
     You can switch it off again at any time."
        .to_owned()
}

pub(crate) fn mirror_button() -> &'static str {
    "Mirror this server"
}

/// The mirror was switched on.
pub(crate) fn mirror_is_on() -> String {
    "**I mirror this server from now on.** I'm fetching its history; `/sync-status` shows how far I \
     am. Next, choose the props channels with `/setup`, and tell your members what I keep: `/privacy \
     show` does that."
        .to_owned()
}

pub(crate) fn ask_to_stop_button() -> &'static str {
    "Stop mirroring this server…"
}

/// Asks before the mirror is switched off.
pub(crate) fn confirm_stop() -> String {
    "**Stop mirroring this server?** I then keep nothing of what happens here, and nobody can give \
     props. What I already have stays in my store and in the archive, and members can still see and \
     delete theirs with `/privacy`. To have all of it deleted, ask my operator. If you switch the \
     mirror on again, I fetch what I missed."
        .to_owned()
}

pub(crate) fn stop_button() -> &'static str {
    "Stop mirroring"
}

pub(crate) fn stay_button() -> &'static str {
    "Keep mirroring"
}

/// The mirror was switched off.
pub(crate) fn mirror_stopped() -> String {
    "I no longer mirror this server. What I already have stays until my operator deletes it. An admin \
     can switch the mirror on again with `/setup`."
        .to_owned()
}

/// The entry in the log of admin actions.
pub(crate) fn mirror_switched(is_on: bool) -> &'static str {
    if is_on {
        "switched the mirror on"
    } else {
        "switched the mirror off"
    }
}
