//! The settings, and the log of admin actions.

use std::fmt::{Display, Write as _};

use super::{LONGEST_MESSAGE, code, first_chars};
use crate::receivers::Unclear;
use propsbot_model::{
    AdminAction, ChannelId, Millis, Quota, RecapSetting, RoleId, SETTINGS, Settings,
    SettingsChange, UserId, counted, escape,
};

/// How many channels, roles or bots a list names.
pub(super) const NAMED: usize = 12;

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
    first_chars(lines.join("\n"))
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
    first_chars(format!(
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

fn age_restricted(export: bool) -> String {
    if export {
        "exported if everyone can read them".to_owned()
    } else {
        "not exported".to_owned()
    }
}

pub(super) fn props_channels(chosen: Option<&[ChannelId]>) -> String {
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

pub(super) fn quota(quota: Option<Quota>) -> String {
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
