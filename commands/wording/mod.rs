//! Every text that members and admins read, made from plain values.

mod cred;
mod exports;
mod guilds;
mod link;
mod meeting;
mod privacy;
mod props;
mod recap;
mod reports;
mod settings;
mod setup;

use std::{fmt::Write as _, time::Duration};

use propsbot_jobs::status::{
    ChannelStatus, CoverageStatus, FailureStatus, GuildStatus, HistoryStatus, ScrubStatus, Totals,
};
use propsbot_model::{ChannelId, Millis, counted, escape, jump_url, one_line};

pub(super) use cred::*;
pub(super) use exports::*;
pub(super) use guilds::*;
pub(super) use link::*;
pub(super) use meeting::*;
pub(super) use privacy::*;
pub(super) use props::*;
pub use propsbot_service::LONGEST_MESSAGE;
pub(super) use recap::*;
pub(super) use reports::*;
pub(super) use settings::*;
pub(super) use setup::*;

/// How many channels or failures a status lists.
const NAMED: usize = 8;

/// The text in a code block, to be copied. No text can end the block or make the message too long.
fn code(text: &str) -> String {
    let text: String = text
        .replace("```", "`\u{200b}``")
        .chars()
        .take(1_600)
        .collect();
    format!("```\n{text}\n```")
}

/// An option couldn't be read.
pub(super) fn unreadable_option(input: Option<&str>) -> String {
    match input {
        Some(input) => format!(
            "I don't understand this part of the command:\n{}\nChange it and try again.",
            code(input)
        ),
        None => "I don't understand part of the command. Change it and try again.".to_owned(),
    }
}

/// The command is only for members who can manage the server.
pub(super) fn needs_manage_server() -> String {
    "This command needs the **Manage Server** permission. Ask a member who has it.".to_owned()
}

/// The command was run in a direct message.
pub(super) fn only_in_servers() -> String {
    "This only works in a server's channels, not in direct messages.".to_owned()
}

/// The member's app shows a command as it was before an update.
pub(super) fn outdated_command() -> String {
    "This command has changed since your app last loaded it. Reload Discord (Ctrl+R) and try again."
        .to_owned()
}

/// Only another version of the bot has this command.
pub(super) fn unknown_command() -> String {
    "I no longer have this command, so I did nothing. Reload Discord (Ctrl+R) to see the ones I have, \
     or try `/help`."
        .to_owned()
}

/// The button, list or form comes from an earlier version of the bot.
pub(super) fn outdated_button() -> String {
    "This is from before my last update, and I can't use it any more. Please run the command again."
        .to_owned()
}

/// Long work is running: `doing` says what, `took` for how long.
pub(super) fn so_far(doing: &str, took: Duration) -> String {
    let took = humantime::format_duration(Duration::from_secs(took.as_secs()));
    format!("{doing} ({took} so far)")
}

/// Something only the bot's operator can fix.
pub(super) fn our_fault() -> String {
    "That didn't work, and it wasn't your fault. Try again in a minute. The bot's operator can find the \
     reason in the log."
        .to_owned()
}

/// An interaction from Discord couldn't be read.
pub fn unreadable_interaction() -> String {
    "Sorry, I couldn't read what Discord sent me, so I did nothing. Try again; if it keeps happening, \
     tell the bot's operator."
        .to_owned()
}

/// Too many commands arrived at once.
pub fn too_busy() -> String {
    "I'm getting too many commands at once, so I didn't run this one. Try again in a minute."
        .to_owned()
}

/// How complete the mirror is; what matters most comes first.
pub(super) fn sync_status(status: &GuildStatus) -> String {
    let mut text = format!(
        "**Mirror of {}**: {}\n",
        escaped_line(&status.name),
        escaped_line(&status.doing)
    );
    let totals = &status.totals;
    let _ = writeln!(
        text,
        "{}, {}",
        amounts(totals),
        counted(status.members, "member")
    );
    if let Some(shards) = status.shards {
        let (connected, all) = (shards.connected, shards.all);
        let _ = writeln!(text, "{connected} of {all} shards connected");
    }
    if totals.texts_missing > 0 {
        let missing = counted(totals.texts_missing, "message");
        let _ = writeln!(
            text,
            "{missing} without text: Discord withheld it (see below)"
        );
    }
    if status.pending_lists > 0 {
        let pending = counted(status.pending_lists, "reaction list");
        let _ = writeln!(text, "{pending} still to fetch");
    }
    text.push_str(&contradictions(status));
    text.push_str(&classes(status));
    text.push_str(&channels(status));
    text.push_str(&known_history(&status.history));
    text.push_str(&scrub(&status.scrub));
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

/// Reaction lists whose length differs from Discord's count.
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
        "These reaction lists don't match Discord's own counts; I'll ask again after an hour:\n"
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
    format!("Last complete sync: {}\n", classes.join(", "))
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
        "Channels and threads: {complete} complete, {partial} partial, {unknown} not fetched yet, \
         {unreadable} unreadable\n"
    );
    first_of(&mut text, &open);
    text
}

/// The index of a channel's coverage in the counts, and what is missing there.
fn coverage(channel: &ChannelStatus) -> (usize, Option<String>) {
    match channel.coverage {
        CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. } => (0, None),
        CoverageStatus::Partial { gaps } => (1, Some(counted(gaps, "gap"))),
        CoverageStatus::Unknown => (2, Some("not fetched yet".to_owned())),
        CoverageStatus::Unreadable => (3, Some("I don't have permission to read it".to_owned())),
    }
}

/// How complete the mirror of one channel is.
pub(super) fn channel_status(status: &GuildStatus, id: ChannelId) -> String {
    let Some(channel) = status.channels.iter().find(|channel| channel.id == id) else {
        return forum_status(status, id);
    };
    let known = match channel.coverage {
        CoverageStatus::Live => "complete, and new messages arrive as they're posted".to_owned(),
        CoverageStatus::Empty => "no messages yet".to_owned(),
        CoverageStatus::Complete { .. } => "complete up to the last message I know".to_owned(),
        _ => coverage(channel).1.unwrap_or_default(),
    };
    let mut text = format!("**<#{id}>**: {known}\n{}\n", amounts(&channel.totals));
    text.push_str(&failures_of(&failures_in(status, &[id])));
    text.chars().take(LONGEST_MESSAGE).collect()
}

/// How complete the mirror of a forum is: a channel that holds only posts.
fn forum_status(status: &GuildStatus, id: ChannelId) -> String {
    let posts = || {
        status
            .channels
            .iter()
            .filter(|channel| channel.parent == Some(id))
    };
    let total = posts().count();
    if total == 0 {
        return format!("I have no messages from <#{id}>: it's empty, or I can't see it.");
    }
    let mut totals = Totals::default();
    for post in posts() {
        totals.add(&post.totals);
    }
    let is_complete = |post: &&ChannelStatus| {
        matches!(
            post.coverage,
            CoverageStatus::Live | CoverageStatus::Empty | CoverageStatus::Complete { .. }
        )
    };
    let complete = posts().filter(is_complete).count();
    let mut text = format!(
        "**<#{id}>**: {}, {complete} complete\n{}\n",
        counted(total, "post"),
        amounts(&totals)
    );
    let ids: Vec<ChannelId> = posts().map(|post| post.id).chain([id]).collect();
    text.push_str(&failures_of(&failures_in(status, &ids)));
    text.chars().take(LONGEST_MESSAGE).collect()
}

fn amounts(totals: &Totals) -> String {
    format!(
        "{} ({} deleted), {}, {}",
        counted(totals.messages, "message"),
        totals.deleted,
        counted(totals.reactions, "reaction"),
        counted(totals.props, "props message")
    )
}

/// What couldn't be fetched from these channels.
fn failures_in<'a>(status: &'a GuildStatus, channels: &[ChannelId]) -> Vec<&'a FailureStatus> {
    let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
    let named = |failure: &&FailureStatus| channels.iter().any(|id| failure.object.contains(id));
    status.failures.iter().filter(named).collect()
}

fn known_history(history: &HistoryStatus) -> String {
    let when = |at: Option<Millis>, never: &str| match at {
        None => never.to_owned(),
        Some(at) => format!("<t:{}:R>", at.0.div_euclid(1000)),
    };
    format!(
        "Changes to old messages: known up to {}; history last re-read {}\n",
        when(history.known_until, "no time yet"),
        when(history.reread, "never")
    )
}

/// How far the check of older history is, and what it found.
fn scrub(scrub: &ScrubStatus) -> String {
    let found = scrub.drift;
    let drift = format!(
        "missed changes found: {}, {}, {}, {}, {}",
        counted(found.edited, "edit"),
        counted(found.deleted, "deletion"),
        counted(found.found, "message"),
        counted(found.reactions, "reaction"),
        counted(found.threads, "thread")
    );
    match scrub.shown_within.zip(scrub.found_within) {
        Some((shown, found)) => format!(
            "Check of older history: round {}, {} of about {}; any change is found within {} h, swapped \
             reactions within {} h; {drift}\n",
            scrub.round,
            scrub.pages_done,
            counted(scrub.pages_estimated, "page"),
            shown.div_ceil(3600),
            found.div_ceil(3600),
        ),
        None => format!("Check of older history: off; {drift}\n"),
    }
}

fn failures(status: &GuildStatus) -> String {
    failures_of(&status.failures.iter().collect::<Vec<_>>())
}

fn failures_of(failures: &[&FailureStatus]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut text = format!("**Couldn't be fetched** ({}):\n", failures.len());
    let lines: Vec<String> = failures
        .iter()
        .map(|failure| {
            let at = failure.at.0.div_euclid(1000);
            let object = escaped_line(&failure.object);
            let reason = escaped_line(&failure.reason);
            format!(
                "- {object}: {reason} ({}×, last <t:{at}:R>)\n",
                failure.times
            )
        })
        .collect();
    first_of(&mut text, &lines);
    text
}

/// The commands a member can use, as names with descriptions.
pub(super) fn help(commands: &[(String, String)], admin: bool) -> String {
    let mut text =
        "I keep track of this server's thanks. Give props with `/props`, with *Give props* in \
                    the menu of a member or message (under *Apps*), or by mentioning someone in a \
                    props channel. *Why this cred?* in a message's menu explains what it counts for.\n"
            .to_owned();
    for (name, description) in commands {
        let _ = writeln!(text, "- `/{name}`: {}", escape(description));
    }
    if admin {
        text.push_str("Start with `/setup`; `/sync-status` shows how complete the mirror is.\n");
    }
    text.chars().take(LONGEST_MESSAGE).collect()
}

/// As much of the text as fits a message.
fn first_chars(text: String) -> String {
    if text.chars().count() <= LONGEST_MESSAGE {
        return text;
    }
    let kept = text.chars().take(LONGEST_MESSAGE - 1);
    kept.chain(['…']).collect()
}

/// A name, or text from a server, escaped and on one line.
fn escaped_line(text: &str) -> String {
    escape(&one_line(text))
}

/// Appends the first few lines, and how many more there are.
fn first_of(text: &mut String, lines: &[String]) {
    text.extend(lines.iter().take(NAMED).map(String::as_str));
    if lines.len() > NAMED {
        let _ = writeln!(text, "- and {} more", lines.len() - NAMED);
    }
}

#[cfg(test)]
mod tests;
