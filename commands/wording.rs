//! What members and admins read. Every text is made here, from plain values.

use std::fmt::Write as _;

use super::receivers::Unclear;
use crate::{
    model::{Settings, escape},
    service::{LONGEST_REASON, MOST_RECEIVERS, Refusal},
    status::{AuditStatus, CoverageStatus, GuildStatus},
};

/// The most characters that Discord takes in a message. Source:
/// <https://discord.com/developers/docs/resources/message#create-message-jsonform-params>.
pub const LONGEST_MESSAGE: usize = 2_000;

/// How many channels and failures a status names.
const NAMED: usize = 8;

/// What a member typed into `/props`, to give it back where it was refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed<'a> {
    /// The option `to`.
    pub(super) to: &'a str,
    /// The option `for`.
    pub(super) reason: &'a str,
}

/// Somebody was named in a way that we do not understand.
pub(super) fn unclear_receivers(unclear: &Unclear, typed: Typed<'_>) -> String {
    let mistake = match unclear {
        Unclear::Group(_) => {
            "Props go to people, not to a role or to everyone. Name the members you mean."
                .to_owned()
        }
        Unclear::Word(word) => format!(
            "I don't know who “{}” is. Type @ and pick the member from the list that appears.",
            escape(word)
        ),
    };
    repeat(&mistake, typed)
}

/// A channel was named in a way that we do not understand.
pub(super) fn unclear_channels(unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the channel “{}”. Type # and pick it from the list that appears, or say \
         `default`. Nothing was changed. You typed:\n{}",
        escape(word),
        code(&format!("/settings set props_channels:{typed}"))
    )
}

/// The message would be longer than Discord takes.
pub(super) fn too_long(typed: Typed<'_>) -> String {
    repeat(
        "That is too long for one message. Shorten the reason a little.",
        typed,
    )
}

/// The service refused, for this reason.
pub(super) fn refused(refusal: &Refusal, typed: Option<Typed<'_>>) -> String {
    let mistake = match refusal {
        Refusal::NoReceivers => "Say whom you thank: type @ in `to` and pick a member.".to_owned(),
        Refusal::TooManyReceivers(count) => format!(
            "That are {count} people; props go to at most {MOST_RECEIVERS} at once. Thank them in \
             several messages."
        ),
        Refusal::ToSelf => {
            "You can't give props to yourself. Take yourself out of `to`.".to_owned()
        }
        Refusal::ToBot(id) => {
            format!("<@{id}> is a bot, and does it for the electricity. Name a person.")
        }
        Refusal::ToStranger(id) => {
            format!("<@{id}> is not a member of this server. Name somebody who is.")
        }
        Refusal::NoReason => "Say what for: the reason is empty.".to_owned(),
        Refusal::ReasonTooLong(length) => format!(
            "The reason has {length} characters; at most {LONGEST_REASON} are possible. Shorten it."
        ),
        Refusal::NoTextChannel(id) => format!(
            "<#{id}> is no text channel of this server. Name channels in which members write; \
             nothing was changed."
        ),
    };
    match typed {
        Some(typed) => repeat(&mistake, typed),
        None => mistake,
    }
}

/// A mistake, and all that was typed, so that it can be copied and mended.
fn repeat(mistake: &str, typed: Typed<'_>) -> String {
    let typed = code(&format!("/props to:{} for:{}", typed.to, typed.reason));
    format!("{mistake} Nothing was sent. You typed:\n{typed}")
}

/// Text to be copied, as it is. No text ends the block, or makes the message too long.
fn code(text: &str) -> String {
    let text: String = text
        .replace("```", "`\u{200b}``")
        .chars()
        .take(1_600)
        .collect();
    format!("```\n{text}\n```")
}

/// An option that was not understood.
pub(super) fn unreadable_option(input: Option<&str>) -> String {
    match input {
        Some(input) => format!(
            "I don't understand this part of the command:\n{}\nChange it and try again.",
            code(input)
        ),
        None => "I don't understand a part of the command. Change it and try again.".to_owned(),
    }
}

/// The command is for those who may manage the server.
pub(super) fn needs_manage_server() -> String {
    "This command is for members with the permission **Manage Server**. Ask one of them.".to_owned()
}

/// The command was run in a direct message.
pub(super) fn only_in_servers() -> String {
    "This works in a server's channels only, not in direct messages.".to_owned()
}

/// The member's app shows a command as it was before an update of ours.
pub(super) fn outdated_command() -> String {
    "This command has changed since your app last looked. Reload Discord (Ctrl+R) and try again."
        .to_owned()
}

/// Something that only the bot's operator can mend.
pub(super) fn our_fault() -> String {
    "That did not work, and it was not your fault. The bot's operator finds the reason in its log; \
     try again in a minute."
        .to_owned()
}

/// The settings.
pub(super) fn settings(settings: &Settings) -> String {
    format!("**Props channels**: {}", props_channels(settings))
}

/// The settings, after they were changed.
pub(super) fn settings_changed(settings: &Settings) -> String {
    format!("Done. **Props channels** now: {}", props_channels(settings))
}

fn props_channels(settings: &Settings) -> String {
    match settings.props_channels.as_deref() {
        None => "all text channels with “props” in their name (the default)".to_owned(),
        Some([]) => "none; only `/props` gives props".to_owned(),
        Some(channels) => {
            let channels: Vec<String> = channels.iter().map(|id| format!("<#{id}>")).collect();
            channels.join(", ")
        }
    }
}

/// How whole the mirror is: first what matters most.
pub(super) fn sync_status(status: &GuildStatus) -> String {
    let mut text = format!(
        "**Mirror of {}**: {}\n",
        escape(&status.name),
        escape(&status.doing)
    );
    let totals = &status.totals;
    let _ = writeln!(
        text,
        "{} messages ({} deleted), {} reactions, {} props, {} members",
        totals.messages, totals.deleted, totals.reactions, totals.props, status.members
    );
    if status.pending_lists > 0 {
        let _ = writeln!(
            text,
            "{} lists of reactions still to fetch",
            status.pending_lists
        );
    }
    text.push_str(&classes(status));
    text.push_str(&channels(status));
    text.push_str(&audit(&status.audit));
    text.push_str(&failures(status));
    if text.chars().count() > LONGEST_MESSAGE {
        text = text
            .chars()
            .take(LONGEST_MESSAGE - 1)
            .chain(['…'])
            .collect();
    }
    text
}

fn classes(status: &GuildStatus) -> String {
    let classes: Vec<String> = status
        .synced
        .iter()
        .map(|(class, at)| match at {
            Some(at) => format!("{class} <t:{}:R>", at.0.div_euclid(1000)),
            None => format!("{class} never"),
        })
        .collect();
    format!("Last complete: {}\n", classes.join(", "))
}

fn channels(status: &GuildStatus) -> String {
    let mut counts = [0_usize; 4];
    let mut open = Vec::new();
    for channel in &status.channels {
        let (count, why) = match channel.coverage {
            CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. } => {
                (0, None)
            }
            CoverageStatus::Partial { gaps } => (1, Some(format!("{gaps} gaps"))),
            CoverageStatus::Unknown => (2, Some("not looked at yet".to_owned())),
            CoverageStatus::Unreadable => (3, Some("I may not read it".to_owned())),
        };
        counts[count] += 1;
        open.extend(why.map(|why| format!("- <#{}>: {why}\n", channel.id)));
    }
    let [complete, partial, unknown, unreadable] = counts;
    let mut text = format!(
        "Channels and threads: {complete} complete, {partial} in part, {unknown} not yet, \
         {unreadable} unreadable\n"
    );
    first_of(&mut text, &open);
    text
}

fn audit(audit: &AuditStatus) -> String {
    let found = audit.drift;
    let drift = format!(
        "found {} edits, {} deletions, {} messages, {} reactions, {} threads unheard of",
        found.edited, found.deleted, found.found, found.reactions, found.threads
    );
    match audit.found_within {
        Some(seconds) => format!(
            "Audit: round {}, {} of about {} pages; any change is found within {} h; {drift}\n",
            audit.round,
            audit.pages_done,
            audit.pages_estimated,
            seconds.div_ceil(3600),
        ),
        None => format!("Audit: off; {drift}\n"),
    }
}

fn failures(status: &GuildStatus) -> String {
    if status.failures.is_empty() {
        return String::new();
    }
    let mut text = format!("**Could not be fetched** ({}):\n", status.failures.len());
    let failures: Vec<String> = status
        .failures
        .iter()
        .map(|it| {
            let at = it.at.0.div_euclid(1000);
            let (object, reason) = (escape(&it.object), escape(&it.reason));
            format!("- {object}: {reason} ({}×, last <t:{at}:R>)\n", it.times)
        })
        .collect();
    first_of(&mut text, &failures);
    text
}

/// The first few lines, and how many there are besides.
fn first_of(text: &mut String, lines: &[String]) {
    text.extend(lines.iter().take(NAMED).map(String::as_str));
    if lines.len() > NAMED {
        let _ = writeln!(text, "- and {} more", lines.len() - NAMED);
    }
}

#[cfg(test)]
mod tests;
