//! The settings, and what admins changed.

use std::fmt::Write as _;

use super::{LONGEST_MESSAGE, code};
use crate::receivers::Unclear;
use propsbot_model::{
    AdminAction, ChannelId, Millis, Quota, RoleId, SETTINGS, Settings, SettingsChange, UserId,
    escape,
};
use propsbot_service::{Destination, Setup};

/// How many channels a list names.
const NAMED: usize = 12;

/// A channel was named in a way that we do not understand.
pub(crate) fn unclear_channels(unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the channel “{}”. Type # and pick it from the list that appears, or say \
         `default`. Nothing was changed. You typed:\n{}",
        escape(word),
        code(&format!("/settings set props_channels:{typed}"))
    )
}

/// A role was named in a way that we do not understand.
pub(crate) fn unclear_roles(unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the role “{}”. Type @ and pick it from the list that appears, or say \
         `everyone`. Nothing was changed. You typed:\n{}",
        escape(word),
        code(&format!("/settings set giver_roles:{typed}"))
    )
}

/// A bot was named in a way that we do not understand.
pub(crate) fn unclear_bots(unclear: &Unclear, typed: &str) -> String {
    let (Unclear::Group(word) | Unclear::Word(word)) = unclear;
    format!(
        "I don't know the bot “{}”. Type @ and pick it from the list that appears, or say `none`. \
         Nothing was changed. You typed:\n{}",
        escape(word),
        code(&format!("/settings set props_bots:{typed}"))
    )
}

/// What should be an emoji is none.
pub(crate) fn no_emoji(typed: &str) -> String {
    format!(
        "I can't react with that. Pick one of Discord's emoji, or one of this server's own, or say \
         `off`. Nothing was changed. You typed:\n{}",
        code(typed)
    )
}

/// A number is out of range.
pub(crate) fn out_of_range(name: &str, value: u64, least: u64, most: u64) -> String {
    format!("`{name}` is {value}, and may be {least} to {most}. Nothing was changed.")
}

/// A period was chosen where there is no quota.
pub(crate) fn quota_without_count() -> String {
    "Say also how many: `quota`. Nothing was changed.".to_owned()
}

/// No option was chosen.
pub(crate) fn nothing_to_change() -> String {
    "Name what to change: pick one of the options of `/settings set`.".to_owned()
}

/// There is no such setting.
pub(crate) fn no_setting(typed: &str) -> String {
    format!(
        "There is no setting of that name. There are: {}, and `all`. You typed:\n{}",
        SETTINGS.map(|it| format!("`{it}`")).join(", "),
        code(typed)
    )
}

/// The settings.
pub(crate) fn settings(settings: &Settings) -> String {
    let mut lines = vec![
        (
            "Props channels",
            props_channels(settings.props_channels.as_deref()),
        ),
        (
            "Not exported, by your choice",
            channels(&settings.excluded_channels),
        ),
        (
            "Private or age-restricted, but exported",
            channels(&settings.included_channels),
        ),
        (
            "Other age-restricted channels",
            age_restricted(settings.age_restricted),
        ),
        ("Props quota", quota(settings.quota)),
        ("Commands that give props", per_minute(settings.per_minute)),
        (
            "Cooldown per recipient",
            cooldown(settings.cooldown_minutes),
        ),
        ("Plain messages", plain(settings.commands_only)),
        ("Mentions added by an edit", edits(settings.edit_minutes)),
        ("Bots whose posts are props", bots(&settings.props_bots)),
        ("Who may thank with commands", givers(&settings.giver_roles)),
        (
            "Acknowledging plain props",
            acknowledge(settings.acknowledge.as_deref()),
        ),
        (
            "If my message about props is deleted",
            keep(settings.keep_deleted_props),
        ),
        ("Taking props back", undo(settings.undo_minutes)),
        (
            "Read again after an outage",
            format!("the last {} days", settings.look_back_days),
        ),
        (
            "Checking older history",
            audit(settings.audit_share, settings.audit_rest_hours),
        ),
        ("Numbers and dates", language(settings)),
    ];
    let lines: Vec<String> = lines
        .drain(..)
        .map(|(name, value)| format!("**{name}**: {value}"))
        .collect();
    fitting(lines.join("\n"))
}

/// The settings, after they were changed.
pub(crate) fn settings_changed(it: &Settings) -> String {
    fitting(format!("Done. The settings are now:\n{}", settings(it)))
}

/// What was changed, for the list of what admins did.
pub(crate) fn changes(changes: &[SettingsChange]) -> String {
    let texts: Vec<String> = changes.iter().map(change).collect();
    let mut text = texts.join("; ");
    if text.chars().count() > 500 {
        text = text.chars().take(499).chain(['…']).collect();
    }
    text
}

fn change(it: &SettingsChange) -> String {
    match it {
        SettingsChange::PropsChannels(list) => {
            format!("props channels: {}", props_channels(list.as_deref()))
        }
        SettingsChange::Include { channel, .. } => action_include(*channel),
        SettingsChange::Exclude(channel) => format!("<#{channel}> is not exported"),
        SettingsChange::NoExceptions => "no channel is an exception any more".to_owned(),
        SettingsChange::Quota(it) => format!("quota: {}", quota(*it)),
        SettingsChange::Cooldown(minutes) => format!("cooldown: {}", cooldown(*minutes)),
        SettingsChange::GiverRoles(roles) => format!("who may thank: {}", givers(roles)),
        SettingsChange::Acknowledge(emoji) => {
            format!("acknowledging: {}", acknowledge(emoji.as_deref()))
        }
        SettingsChange::KeepDeletedProps(it) => format!("deleted messages: {}", keep(*it)),
        SettingsChange::UndoMinutes(minutes) => format!("taking back: {}", undo(*minutes)),
        SettingsChange::LookBackDays(days) => format!("look-back: {days} days"),
        SettingsChange::AuditShare(share) => format!("checking older history: {share} ‰"),
        SettingsChange::AuditRestHours(hours) => {
            format!("between two checks of older history: {hours} hours")
        }
        SettingsChange::Language(it) => format!("numbers and dates: {it}"),
        SettingsChange::AgeRestricted(it) => {
            format!("age-restricted channels: {}", age_restricted(*it))
        }
        SettingsChange::PerMinute(times) => {
            format!("commands that give props: {}", per_minute(*times))
        }
        SettingsChange::CommandsOnly(only) => format!("plain messages: {}", plain(*only)),
        SettingsChange::EditMinutes(minutes) => {
            format!("mentions added by an edit: {}", edits(*minutes))
        }
        SettingsChange::PropsBots(list) => format!("bots whose posts are props: {}", bots(list)),
    }
}

/// A channel was included by explicit word.
pub(crate) fn action_include(channel: ChannelId) -> String {
    format!("<#{channel}> is exported")
}

/// An export was asked for.
pub(crate) fn action_export() -> String {
    "asked for an export".to_owned()
}

/// What admins did of late.
pub(crate) fn admin_actions(actions: &[AdminAction]) -> String {
    if actions.is_empty() {
        return "No admin has changed anything yet.".to_owned();
    }
    let mut text = "**What admins did of late**\n".to_owned();
    let mut left = actions.len();
    for it in actions {
        let at = it.at.0.div_euclid(1000);
        let by = if it.by.is_anonymous() {
            "somebody who had their data deleted".to_owned()
        } else {
            format!("<@{}>", it.by)
        };
        let line = format!("- <t:{at}:f> {by}: {}\n", it.what);
        if text.chars().count() + line.chars().count() > LONGEST_MESSAGE - 40 {
            break;
        }
        text.push_str(&line);
        left -= 1;
    }
    if left > 0 {
        let _ = writeln!(text, "- and {left} more, older");
    }
    text
}

/// What stands in the list of channels before one is chosen.
pub(crate) fn choose_props_channels() -> &'static str {
    "Choose the props channels"
}

/// The first run, guided.
pub(crate) fn setup(setup: &Setup) -> String {
    let mut text = "**1. Where are thanks given?** ".to_owned();
    let chosen = setup.settings.props_channels.as_deref();
    let _ = writeln!(text, "Now: {}.", props_channels(chosen));
    text.push_str(
        "Plain messages there that mention somebody are props; `/props` given elsewhere is posted \
         in the first of those you choose below that the giver can write in.\n",
    );
    let _ = writeln!(
        text,
        "Props quota: {}. `/settings` has more, such as a cooldown, or props by commands only.",
        quota(setup.settings.quota)
    );
    match &setup.destination {
        Destination::Archive(destination) => {
            let _ = writeln!(
                text,
                "**2. Where do they go?** I export to `{}`.",
                destination.replace('`', "'")
            );
        }
        Destination::Nowhere => {
            text.push_str("**2. Where do they go?** I run without an archive.\n");
        }
        Destination::Operators => {
            text.push_str("**2. Where do they go?** To the archive that my operator keeps.\n");
        }
    }
    let _ = writeln!(
        text,
        "**3. What is exported?** {} channels that everyone may read: {}. Not exported: {}. \
         `/settings exclude` and `/settings include` make exceptions; members opt out with \
         `/privacy`.",
        setup.exported.len(),
        channels(&setup.exported),
        channels(&setup.withheld)
    );
    if !setup.age_restricted.is_empty() {
        let _ = writeln!(
            text,
            "Age-restricted, so not exported: {}. `/settings set age_restricted:True` exports them.",
            channels(&setup.age_restricted)
        );
    }
    text.push_str("**4. What do I lack?** ");
    if setup.needs.is_empty() {
        text.push_str("Nothing: I have all the permissions I need.\n");
    } else {
        text.push_str("These permissions; where I lack the first two, I mirror nothing:\n");
        for needs in setup.needs.iter().take(NAMED) {
            let _ = writeln!(text, "- <#{}>: {}", needs.channel, needs.missing.join(", "));
        }
        if setup.needs.len() > NAMED {
            let _ = writeln!(text, "- and {} channels more", setup.needs.len() - NAMED);
        }
    }
    fitting(text)
}

fn age_restricted(export: bool) -> String {
    if export {
        "exported if everyone may read them".to_owned()
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

fn channels(list: &[ChannelId]) -> String {
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
            members(count)
        ),
    }
}

/// So many members, each time counted.
pub(super) fn members(count: u32) -> String {
    match count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    }
}

fn per_minute(times: u32) -> String {
    match times {
        0 => "as often as members like".to_owned(),
        1 => "once a minute".to_owned(),
        times => format!("{times} times a minute"),
    }
}

fn plain(commands_only: bool) -> String {
    if commands_only {
        "never props; only commands give them".to_owned()
    } else {
        "props in props channels".to_owned()
    }
}

fn edits(minutes: u32) -> String {
    match minutes {
        0 => "never count".to_owned(),
        1 => "count for a minute after the message was posted".to_owned(),
        minutes => format!("count for {minutes} minutes after the message was posted"),
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
        0 => "no wait".to_owned(),
        minutes => format!("{minutes} minutes"),
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

fn acknowledge(emoji: Option<&str>) -> String {
    emoji.map_or_else(|| "no".to_owned(), |emoji| format!("with {emoji}"))
}

fn keep(keep: bool) -> String {
    if keep {
        "they hold all the same".to_owned()
    } else {
        "they count no more".to_owned()
    }
}

fn undo(minutes: u16) -> String {
    match minutes {
        0 => "not possible".to_owned(),
        minutes => format!("for {minutes} minutes"),
    }
}

fn audit(share: u16, hours: u16) -> String {
    match share {
        0 => "no".to_owned(),
        share => format!("with {share} ‰ of my requests, every {hours} hours at the most"),
    }
}

fn language(settings: &Settings) -> String {
    let language = settings.language;
    let example = language.date(Millis(1_700_000_000_000));
    format!("{language}: {} and {example}", language.number(1_234))
}

/// As much as a message takes.
fn fitting(text: String) -> String {
    if text.chars().count() <= LONGEST_MESSAGE {
        return text;
    }
    text.chars()
        .take(LONGEST_MESSAGE - 1)
        .chain(['…'])
        .collect()
}
