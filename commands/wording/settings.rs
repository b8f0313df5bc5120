//! The settings, the log of admin actions, and `/setup`.

use std::fmt::{Display, Write as _};

use super::{LONGEST_MESSAGE, code};
use crate::receivers::Unclear;
use propsbot_jobs::check::PERMISSIONS;
use propsbot_mirror::Finding;
use propsbot_model::{
    AdminAction, ChannelId, Millis, Quota, RecapSetting, RoleId, SETTINGS, Settings,
    SettingsChange, UserId, counted, escape,
};
use propsbot_service::{Destination, EventsPreview, MeetingsPreview, PREVIEW_DAYS, Setup};

/// How many channels, roles or bots a list names.
const NAMED: usize = 12;

/// A channel, role or bot couldn't be read. `pick` is how to name one.
fn unclear(what: &str, pick: &str, setting: &str, unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the {what} “{}”. Type {pick}. Nothing was changed. You typed:\n{}",
        escape(word),
        code(&format!("/settings set {setting}:{typed}"))
    )
}

pub(crate) fn unclear_channels(word: &Unclear, typed: &str) -> String {
    let pick = "# and pick it from the list, or enter `default`";
    unclear("channel", pick, "props_channels", word, typed)
}

pub(crate) fn unclear_roles(word: &Unclear, typed: &str) -> String {
    let pick = "@ and pick it from the list, or enter `everyone`";
    unclear("role", pick, "giver_roles", word, typed)
}

pub(crate) fn unclear_bots(word: &Unclear, typed: &str) -> String {
    let pick = "@ and pick it from the list, or enter `none`";
    unclear("bot", pick, "props_bots", word, typed)
}

/// The input isn't an emoji that the bot can react with.
pub(crate) fn no_emoji(typed: &str) -> String {
    format!(
        "I can't react with that. Pick one of Discord's emoji or one of this server's own, or enter \
         `off`. Nothing was changed. You typed:\n{}",
        code(typed)
    )
}

pub(crate) fn out_of_range(name: &str, value: u64, least: u64, most: u64) -> String {
    format!("`{name}` is {value}, but has to be {least} to {most}. Nothing was changed.")
}

/// A period was chosen without a quota.
pub(crate) fn quota_without_count() -> String {
    "Set `quota` too: it says how many members. Nothing was changed.".to_owned()
}

/// A channel was chosen for the recap, but not how often, or the other way round.
pub(crate) fn incomplete_recap() -> String {
    "The recap needs both `recap` (weekly or monthly) and `recap_channel`. Nothing was changed."
        .to_owned()
}

/// `/settings set` was run without options.
pub(crate) fn nothing_to_change() -> String {
    "Pick at least one option of `/settings set`. Nothing was changed.".to_owned()
}

pub(crate) fn no_setting(typed: &str) -> String {
    format!(
        "There's no setting with that name. Enter one of these: {}, or `all`. You typed:\n{}",
        SETTINGS.map(|setting| format!("`{setting}`")).join(", "),
        code(typed)
    )
}

pub(crate) fn settings(settings: &Settings) -> String {
    let first = ["props_channels", "exceptions"];
    // The hours are in the line of the share.
    let is_told = |name: &&str| first.contains(name) || *name == "scrub_rest_hours";
    let rest = SETTINGS.into_iter().filter(|name| !is_told(name));
    let lines: Vec<String> = first
        .into_iter()
        .chain(rest)
        .map(|name| format!("**{}**: {}", label(name), value(name, settings)))
        .collect();
    fitting(lines.join("\n"))
}

/// What a setting is called.
fn label(setting: &str) -> &'static str {
    match setting {
        "props_channels" => "Props channels",
        "age_restricted" => "Other age-restricted channels",
        "quota" => "Props quota",
        "per_minute" => "Props commands per member",
        "cooldown_minutes" => "Cooldown per recipient",
        "commands_only" => "Plain messages",
        "edit_minutes" => "Mentions added by an edit",
        "props_bots" => "Bots whose posts count as props",
        "giver_roles" => "Who can give props with commands and reactions",
        "acknowledge" => "My reaction to plain props",
        "thanks_emoji" => "Reactions that are thanks",
        "recap" => "Recap",
        "meeting_events" => "Scheduled events",
        "keep_deleted_props" => "If my props message is deleted",
        "undo_minutes" => "Taking props back",
        "look_back_days" => "Look-back after an outage",
        "language" => "Numbers and dates",
        "exceptions" => "Excluded from exports",
        _ => "Check of older history",
    }
}

fn value(setting: &str, of: &Settings) -> String {
    match setting {
        "props_channels" => props_channels(of.props_channels.as_deref()),
        "age_restricted" => age_restricted(of.age_restricted),
        "quota" => quota(of.quota),
        "per_minute" => per_minute(of.per_minute),
        "cooldown_minutes" => cooldown(of.cooldown_minutes),
        "commands_only" => plain(of.commands_only),
        "edit_minutes" => edits(of.edit_minutes),
        "props_bots" => bots(&of.props_bots),
        "giver_roles" => givers(&of.giver_roles),
        "acknowledge" => of.acknowledge.as_deref().unwrap_or("none").to_owned(),
        "thanks_emoji" => thanks_emoji(of.thanks_emoji.as_deref()),
        "recap" => recap(of.recap),
        "meeting_events" => meeting_events(of.meeting_events),
        "keep_deleted_props" => keep(of.keep_deleted_props),
        "undo_minutes" => undo(of.undo_minutes),
        "look_back_days" => look_back(of.look_back_days),
        "language" => language(of),
        "exceptions" => format!(
            "{}\n**Exported although private or age-restricted**: {}",
            channels(&of.excluded_channels),
            channels(&of.included_channels)
        ),
        _ => scrub(of.scrub_share, of.scrub_rest_hours),
    }
}

pub(crate) fn settings_changed(changed: &Settings) -> String {
    fitting(format!(
        "Done. The settings are now:\n{}",
        settings(changed)
    ))
}

/// The changes, for the log of admin actions.
pub(crate) fn changes(changes: &[SettingsChange]) -> String {
    let texts: Vec<String> = changes.iter().map(change).collect();
    let mut text = texts.join("; ");
    if text.chars().count() > 500 {
        text = text.chars().take(499).chain(['…']).collect();
    }
    text
}

fn change(change: &SettingsChange) -> String {
    match change {
        SettingsChange::Include { channel, .. } => action_include(*channel),
        SettingsChange::Exclude(channel) => format!("<#{channel}> excluded from exports"),
        SettingsChange::NoExceptions => "all export exceptions removed".to_owned(),
        SettingsChange::Quota(Some(Quota { count, period })) => {
            format!(
                "props quota: {} a {period} (UTC)",
                counted(*count, "member")
            )
        }
        SettingsChange::ScrubShare(share @ 1..) => {
            format!("check of older history: {share}‰ of my requests")
        }
        SettingsChange::ScrubRestHours(hours) => {
            format!("check of older history: {}", rounds(*hours))
        }
        other => {
            let mut changed = Settings::default();
            other.clone().apply(&mut changed);
            let (first, rest) = label(other.name()).split_at(1);
            let value = value(other.name(), &changed);
            format!("{}{rest}: {value}", first.to_lowercase())
        }
    }
}

/// An admin included a channel, for the log of admin actions.
pub(crate) fn action_include(channel: ChannelId) -> String {
    format!("<#{channel}> included in exports")
}

/// An admin started an export, for the log of admin actions.
pub(crate) fn action_export() -> String {
    "started an export".to_owned()
}

/// The log of admin actions, newest first, as far as it fits a message.
pub(crate) fn admin_actions(actions: &[AdminAction]) -> String {
    if actions.is_empty() {
        return "No admin has changed anything yet.".to_owned();
    }
    let mut text = "**What admins did recently**\n".to_owned();
    let mut left = actions.len();
    for action in actions {
        let at = action.at.0.div_euclid(1000);
        let by = if action.by.is_anonymous() {
            "someone whose data was deleted".to_owned()
        } else {
            format!("<@{}>", action.by)
        };
        let line = format!("- <t:{at}:f> {by}: {}\n", action.what);
        if text.chars().count() + line.chars().count() > LONGEST_MESSAGE - 40 {
            break;
        }
        text.push_str(&line);
        left -= 1;
    }
    if left > 0 {
        let _ = writeln!(text, "- and {}", counted(left, "older one"));
    }
    text
}

pub(crate) fn choose_props_channels() -> &'static str {
    "Choose the props channels"
}

/// The answer to `/setup`.
pub(crate) fn setup(setup: &Setup) -> String {
    let mut text = "**1. Where do members give thanks?** ".to_owned();
    let chosen = setup.settings.props_channels.as_deref();
    let _ = writeln!(text, "Now: {}.", props_channels(chosen));
    text.push_str(
        "Plain messages there that mention someone are props. Props given elsewhere with `/props` are \
         posted in the first of the channels you choose below that the giver can write in.\n",
    );
    let _ = writeln!(
        text,
        "Props quota: {}. `/settings` has more, such as a cooldown or props by commands only.",
        quota(setup.settings.quota)
    );
    text.push_str(&thanks_by_reaction(setup));
    text.push_str(&meetings(setup));
    text.push_str(&events(setup));
    match &setup.destination {
        Destination::Archive(destination) => {
            let _ = writeln!(
                text,
                "**2. Where does the data go?** I export to `{}`.",
                destination.replace('`', "'")
            );
        }
        Destination::Nowhere => {
            text.push_str("**2. Where does the data go?** Nowhere: I run without an archive.\n");
        }
        Destination::Operators => {
            text.push_str("**2. Where does the data go?** To my operator's archive.\n");
        }
    }
    let _ = writeln!(
        text,
        "**3. What is exported?** {}. Not exported: {}. `/settings exclude` and `/settings include` \
         make exceptions; members opt out with `/privacy`.",
        exported(&setup.exported),
        channels(&setup.withheld)
    );
    if !setup.age_restricted.is_empty() {
        let _ = writeln!(
            text,
            "Not exported because they're age-restricted: {}. `/settings set age_restricted:True` exports \
             them.",
            channels(&setup.age_restricted)
        );
    }
    text.push_str("**4. What's wrong?**");
    text.push_str(&wrong(&setup.findings));
    fitting(text)
}

/// Whether reactions are thanks, and what they would have given.
fn thanks_by_reaction(setup: &Setup) -> String {
    if let Some(emoji) = &setup.settings.thanks_emoji {
        return format!("A reaction with {emoji} thanks the message's author.\n");
    }
    let would: Vec<String> = setup
        .preview
        .iter()
        .map(|preview| {
            format!(
                "{} {} from {} to {}",
                preview.emoji,
                counted(preview.thanks, "time"),
                counted(preview.givers, "member"),
                counted(preview.receivers, "member")
            )
        })
        .collect();
    let Some(first) = setup.preview.first() else {
        return "Reactions aren't thanks. `/settings set thanks_emoji` makes one emoji thank the \
                message's author.\n"
            .to_owned();
    };
    format!(
        "Reactions aren't thanks. In the last {PREVIEW_DAYS} days, each of these would have thanked: {}. \
         To switch one on, from then on: `/settings set thanks_emoji:{}`\n",
        would.join("; "),
        first.emoji
    )
}

/// What the meetings plugin would have counted.
fn meetings(setup: &Setup) -> String {
    let Some(MeetingsPreview {
        channels: counted_in,
        total,
    }) = &setup.meetings
    else {
        return String::new();
    };
    let language = setup.settings.language;
    format!(
        "Meetings in {}: in the last {PREVIEW_DAYS} days, the `meetings` plugin would have \
         counted {} with {}, and minted {} cred. My operator can switch it on.\n",
        channels(counted_in),
        counted(total.meetings, "meeting"),
        counted(total.members, "member"),
        language.decimal(total.minted)
    )
}

/// What scheduled events give the meetings plugin, or how to have them.
fn events(setup: &Setup) -> String {
    match setup.events {
        None => String::new(),
        Some(EventsPreview::Announced { events, hosts }) => format!(
            "Scheduled events: I don't keep them. {} announced, by {}. `/settings set meeting_events:True` \
             has me keep and export them; the `meetings` plugin then credits their hosts.\n",
            if events == 1 {
                "1 is".to_owned()
            } else {
                format!("{events} are")
            },
            counted(hosts, "member")
        ),
        Some(EventsPreview::Kept(total)) => format!(
            "Scheduled events: in the last {PREVIEW_DAYS} days, {} took place, by {}. The `meetings` plugin \
             gives their hosts {} cred.\n",
            counted(total.events, "event"),
            counted(total.hosts, "host"),
            setup.settings.language.decimal(total.minted)
        ),
    }
}

/// What a check found, with what to do: for channels once, for everything else each time.
fn wrong(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return " Nothing: I have all I need.\n".to_owned();
    }
    let (channels, others): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|found| found.check == PERMISSIONS);
    let mut text = "\n".to_owned();
    for found in others {
        let _ = writeln!(text, "- {} {}", found.outcome.sign(), found.sentence());
    }
    for found in channels.iter().take(NAMED) {
        let place = found.part.as_ref().map(|id| format!("<#{id}>: "));
        let (sign, place) = (found.outcome.sign(), place.unwrap_or_default());
        let _ = writeln!(text, "- {sign} {place}{}", found.text);
    }
    if channels.len() > NAMED {
        let more = counted(channels.len() - NAMED, "more channel");
        let _ = writeln!(text, "- and {more}");
    }
    if !channels.is_empty() {
        text.push_str(
            "I can't mirror a channel without **View Channel** and **Read Message History** (Edit Channel, \
             Permissions). If I'm to stay out of a channel marked with !, all is well.\n",
        );
    }
    text
}

fn exported(list: &[ChannelId]) -> String {
    if list.is_empty() {
        return "No channels: there are none that everyone can read".to_owned();
    }
    let count = counted(list.len(), "channel");
    format!(
        "{count} that everyone can read or an admin included: {}",
        channels(list)
    )
}

fn age_restricted(export: bool) -> String {
    if export {
        "exported if everyone can read them".to_owned()
    } else {
        "not exported".to_owned()
    }
}

fn props_channels(chosen: Option<&[ChannelId]>) -> String {
    match chosen {
        None => "all text channels with “props” in their name (the default)".to_owned(),
        Some([]) => "none; only commands give props".to_owned(),
        Some(list) => channels(list),
    }
}

/// The channels by name, shortened if they are many.
pub(super) fn channels(list: &[impl Display]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let named: Vec<String> = list
        .iter()
        .take(NAMED)
        .map(|id| format!("<#{id}>"))
        .collect();
    let more = list.len().saturating_sub(NAMED);
    if more > 0 {
        format!("{} and {more} more", named.join(", "))
    } else {
        named.join(", ")
    }
}

fn quota(quota: Option<Quota>) -> String {
    match quota {
        None => "none".to_owned(),
        Some(Quota { count, period }) => format!(
            "each member can thank {} a {period} (UTC), with commands and plain messages",
            counted(count, "member")
        ),
    }
}

fn per_minute(times: u32) -> String {
    match times {
        0 => "no limit".to_owned(),
        1 => "once a minute".to_owned(),
        times => format!("{times} times a minute"),
    }
}

fn plain(commands_only: bool) -> String {
    if commands_only {
        "not props; only commands give props".to_owned()
    } else {
        "props in props channels".to_owned()
    }
}

fn edits(minutes: u32) -> String {
    match minutes {
        0 => "never count".to_owned(),
        minutes => format!(
            "count for {} after the message is posted",
            counted(minutes, "minute")
        ),
    }
}

fn bots(list: &[UserId]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let named: Vec<String> = list
        .iter()
        .take(NAMED)
        .map(|id| format!("<@{id}>"))
        .collect();
    named.join(", ")
}

fn cooldown(minutes: u32) -> String {
    match minutes {
        0 => "none".to_owned(),
        minutes => counted(minutes, "minute"),
    }
}

fn givers(roles: &[RoleId]) -> String {
    if roles.is_empty() {
        return "everyone".to_owned();
    }
    let roles: Vec<String> = roles
        .iter()
        .take(NAMED)
        .map(|id| format!("<@&{id}>"))
        .collect();
    roles.join(", ")
}

fn thanks_emoji(emoji: Option<&str>) -> String {
    match emoji {
        None => "none".to_owned(),
        Some(emoji) => format!("{emoji} thanks the message's author"),
    }
}

fn recap(recap: Option<RecapSetting>) -> String {
    match recap {
        None => "none".to_owned(),
        Some(recap) => format!("{}, in <#{}>", recap.every, recap.channel_id),
    }
}

fn meeting_events(are_kept: bool) -> String {
    if are_kept {
        "kept and exported, with who is interested".to_owned()
    } else {
        "not kept".to_owned()
    }
}

fn keep(keep: bool) -> String {
    if keep {
        "the props still count".to_owned()
    } else {
        "the props no longer count".to_owned()
    }
}

fn undo(minutes: u16) -> String {
    match minutes {
        0 => "not possible".to_owned(),
        minutes => format!("possible for {}", counted(minutes, "minute")),
    }
}

fn look_back(days: u16) -> String {
    match days {
        0 => "none".to_owned(),
        1 => "the last day".to_owned(),
        days => format!("the last {days} days"),
    }
}

fn scrub(share: u16, hours: u16) -> String {
    match share {
        0 => "off".to_owned(),
        share => format!("{share}‰ of my requests, {}", rounds(hours)),
    }
}

/// How often a round of the check begins.
fn rounds(hours: u16) -> String {
    match hours {
        0 => "without a pause between rounds".to_owned(),
        1 => "a round at most every hour".to_owned(),
        hours => format!("a round at most every {hours} hours"),
    }
}

fn language(settings: &Settings) -> String {
    let language = settings.language;
    let example = language.date(Millis(1_700_000_000_000));
    format!("{language}: {} and {example}", language.number(1_234))
}

/// The text, cut to what a message can hold.
fn fitting(text: String) -> String {
    if text.chars().count() <= LONGEST_MESSAGE {
        return text;
    }
    text.chars()
        .take(LONGEST_MESSAGE - 1)
        .chain(['…'])
        .collect()
}
