//! What members and admins read. Every text is made here, from plain values.

mod exports;
mod guilds;
mod privacy;
mod props;
mod reports;
mod settings;

use std::{fmt::Write as _, time::Duration};

use propsbot_model::{ChannelId, Millis, escape, jump_url, one_line};
use propsbot_service::status::{
    AuditStatus, ChannelStatus, CoverageStatus, FailureStatus, GuildStatus, HistoryStatus, Totals,
};

pub(super) use exports::*;
pub(super) use guilds::*;
pub(super) use privacy::*;
pub(super) use props::*;
pub use propsbot_service::LONGEST_MESSAGE;
pub(super) use reports::*;
pub(super) use settings::*;

/// How many channels and failures a status names.
const NAMED: usize = 8;

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

/// A command that only another version has.
pub(super) fn unknown_command() -> String {
    "I don't have this command any more. Reload Discord (Ctrl+R) to see the ones I have, or try \
     `/help`. Nothing was done."
        .to_owned()
}

/// A button, list or form of an earlier version of ours.
pub(super) fn outdated_button() -> String {
    "This is from before an update of mine, and I can't make sense of it any more. Run the command \
     again, please."
        .to_owned()
}

/// Long work that is under way: what it does, and for how long it has.
pub(super) fn so_far(doing: &str, took: Duration) -> String {
    let took = humantime::format_duration(Duration::from_secs(took.as_secs()));
    format!("{doing} ({took} so far)")
}

/// Something that only the bot's operator can mend.
pub(super) fn our_fault() -> String {
    "That did not work, and it was not your fault. The bot's operator finds the reason in its log; \
     try again in a minute."
        .to_owned()
}

/// Discord sent what a member did in a form that cannot be read.
pub fn unreadable_interaction() -> String {
    "Sorry, I can't read what Discord sent me about that, so I did nothing. Try again; if it keeps \
     happening, tell the bot's operator."
        .to_owned()
}

/// There are more commands at this moment than can be run.
pub fn too_busy() -> String {
    "I can't run this right now: too many commands came at once. I did nothing; try again in a minute."
        .to_owned()
}

/// How whole the mirror is: first what matters most.
pub(super) fn sync_status(status: &GuildStatus) -> String {
    let mut text = format!(
        "**Mirror of {}**: {}\n",
        escaped_line(&status.name),
        escaped_line(&status.doing)
    );
    let totals = &status.totals;
    let _ = writeln!(
        text,
        "{} messages ({} deleted), {} reactions, {} props, {} members",
        totals.messages, totals.deleted, totals.reactions, totals.props, status.members
    );
    if status.totals.texts_missing > 0 {
        let missing = status.totals.texts_missing;
        let _ = writeln!(
            text,
            "{missing} messages lack their text: Discord kept it back (see below)"
        );
    }
    if status.pending_lists > 0 {
        let _ = writeln!(
            text,
            "{} lists of reactions still to fetch",
            status.pending_lists
        );
    }
    text.push_str(&contradictions(status));
    text.push_str(&classes(status));
    text.push_str(&channels(status));
    text.push_str(&history_known(&status.history));
    text.push_str(&audit(&status.audit));
    text.push_str(&last_export(status.export.as_ref()));
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

/// Lists of reactors that are not as long as Discord counts.
fn contradictions(status: &GuildStatus) -> String {
    let open = status.contradictions.iter().filter(|list| !list.settled);
    let open: Vec<String> = open
        .map(|list| {
            let link = jump_url(status.id, list.channel, list.message);
            let (counted, listed) = (list.counted, list.listed);
            format!("- {link}: {counted} counted, {listed} listed\n")
        })
        .collect();
    if open.is_empty() {
        return String::new();
    }
    let mut text =
        "Discord's lists of who reacted don't match its counts here; I'll ask again after an \
                    hour:\n"
            .to_owned();
    first_of(&mut text, &open);
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
        let (count, why) = coverage(channel);
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

/// Which class a channel belongs to, and what is not whole there.
fn coverage(channel: &ChannelStatus) -> (usize, Option<String>) {
    match channel.coverage {
        CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. } => (0, None),
        CoverageStatus::Partial { gaps } => (1, Some(format!("{gaps} gaps"))),
        CoverageStatus::Unknown => (2, Some("not looked at yet".to_owned())),
        CoverageStatus::Unreadable => (3, Some("I may not read it".to_owned())),
    }
}

/// How whole the mirror of one channel is.
pub(super) fn channel_status(status: &GuildStatus, id: ChannelId) -> String {
    let Some(channel) = status.channels.iter().find(|it| it.id == id) else {
        return forum_status(status, id);
    };
    let known = match channel.coverage {
        CoverageStatus::Live => "complete, and new messages arrive as they are posted".to_owned(),
        CoverageStatus::Empty => "nothing was posted yet".to_owned(),
        CoverageStatus::Complete { .. } => "complete up to the last message I know of".to_owned(),
        _ => coverage(channel).1.unwrap_or_default(),
    };
    let mut text = format!("**<#{id}>**: {known}\n{}", amounts(&channel.totals));
    text.push_str(&failures_of(&failures_in(status, &[id])));
    text.chars().take(LONGEST_MESSAGE).collect()
}

/// How whole the mirror is of a channel that holds only posts.
fn forum_status(status: &GuildStatus, id: ChannelId) -> String {
    let posts = || {
        status
            .channels
            .iter()
            .filter(|channel| channel.parent == Some(id))
    };
    let total = posts().count();
    if total == 0 {
        return format!("I know nothing of messages in <#{id}>: it has none, or I may not see it.");
    }
    let mut totals = Totals::default();
    for post in posts() {
        totals.add(&post.totals);
    }
    let is_whole = |post: &&ChannelStatus| {
        matches!(
            post.coverage,
            CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. }
        )
    };
    let whole = posts().filter(is_whole).count();
    let plural = if total == 1 { "" } else { "s" };
    let mut text = format!(
        "**<#{id}>**: {total} post{plural}, {whole} complete\n{}",
        amounts(&totals)
    );
    let ids: Vec<ChannelId> = posts().map(|post| post.id).chain([id]).collect();
    text.push_str(&failures_of(&failures_in(status, &ids)));
    text.chars().take(LONGEST_MESSAGE).collect()
}

fn amounts(totals: &Totals) -> String {
    format!(
        "{} messages ({} deleted), {} reactions, {} props\n",
        totals.messages, totals.deleted, totals.reactions, totals.props
    )
}

/// What could not be fetched of these channels.
fn failures_in<'a>(status: &'a GuildStatus, channels: &[ChannelId]) -> Vec<&'a FailureStatus> {
    let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
    let named = |failure: &&FailureStatus| channels.iter().any(|id| failure.object.contains(id));
    status.failures.iter().filter(named).collect()
}

fn history_known(history: &HistoryStatus) -> String {
    let when = |at: Option<Millis>| {
        at.map_or_else(
            || "never".to_owned(),
            |at| format!("<t:{}:R>", at.0.div_euclid(1000)),
        )
    };
    format!(
        "Changes to old messages: all known until {}; history last re-read {}\n",
        when(history.known_until),
        when(history.reread)
    )
}

fn audit(audit: &AuditStatus) -> String {
    let found = audit.drift;
    let drift = format!(
        "found {} edits, {} deletions, {} messages, {} reactions, {} threads unheard of",
        found.edited, found.deleted, found.found, found.reactions, found.threads
    );
    match audit.shown_within.zip(audit.found_within) {
        Some((shown, found)) => format!(
            "Audit: round {}, {} of about {} pages; any change is found within {} h, swapped reactions \
             within {} h; {drift}\n",
            audit.round,
            audit.pages_done,
            audit.pages_estimated,
            shown.div_ceil(3600),
            found.div_ceil(3600),
        ),
        None => format!("Audit: off; {drift}\n"),
    }
}

fn failures(status: &GuildStatus) -> String {
    failures_of(&status.failures.iter().collect::<Vec<_>>())
}

fn failures_of(failures: &[&FailureStatus]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut text = format!("**Could not be fetched** ({}):\n", failures.len());
    let lines: Vec<String> = failures
        .iter()
        .map(|it| {
            let at = it.at.0.div_euclid(1000);
            let (object, reason) = (escaped_line(&it.object), escaped_line(&it.reason));
            format!("- {object}: {reason} ({}×, last <t:{at}:R>)\n", it.times)
        })
        .collect();
    first_of(&mut text, &lines);
    text
}

/// What a member may do here.
pub(super) fn help(commands: &[(String, String)], admin: bool) -> String {
    let mut text =
        "I keep this server's thanks: give them with `/props`, with *Give props* in the \
                    menu of a member or message (*Apps*), or by mentioning somebody in a props \
                    channel. *Why this cred?* in a message's menu tells what it counts.\n"
            .to_owned();
    for (name, description) in commands {
        let _ = writeln!(text, "- `/{name}`: {}", escape(description));
    }
    if admin {
        text.push_str("Begin with `/setup`; `/sync-status` tells how whole the mirror is.\n");
    }
    text.chars().take(LONGEST_MESSAGE).collect()
}

/// A name, or what a server said: harmless, and on one line.
fn escaped_line(text: &str) -> String {
    escape(&one_line(text))
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
