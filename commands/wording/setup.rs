//! `/setup`: what is set, what is missing, and what to do next.

use std::fmt::Write as _;

use super::{
    first_chars,
    settings::{NAMED, channels, props_channels, quota},
};
use propsbot_jobs::check::PERMISSIONS;
use propsbot_mirror::Finding;
use propsbot_model::{ChannelId, counted};
use propsbot_service::{Destination, EventsPreview, MeetingsPreview, PREVIEW_DAYS, Setup};

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
    first_chars(text)
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
