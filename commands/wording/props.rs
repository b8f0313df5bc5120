//! Giving props and taking them back.

use super::{LONGEST_MESSAGE, code, settings::no_emoji};
use crate::receivers::Unclear;
use propsbot_jobs::estimate::About;
use propsbot_model::{ChannelId, Millis, Props, Quota, counted, escape};
use propsbot_service::{LONGEST_REASON, MOST_RECEIVERS, Refusal, Undone};

/// What a member typed into `/props`, repeated in refusals so that nothing is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    /// The option `to`.
    pub(crate) to: &'a str,
    /// The option `for`.
    pub(crate) reason: &'a str,
}

/// A receiver couldn't be read.
pub(crate) fn unclear_receivers(unclear: &Unclear, typed: Typed<'_>) -> String {
    let mistake = match unclear {
        Unclear::Group(_) => {
            "Props go to people, not to roles or to everyone. Name the members you mean.".to_owned()
        }
        Unclear::Word(word) => format!(
            "I don't know who “{}” is. Type @ and pick the member from the list.",
            escape(&shortened(word, 100))
        ),
    };
    repeat(&mistake, typed)
}

/// The service refused: says why, and what to do.
#[expect(clippy::too_many_lines, reason = "a sentence or two for each reason")]
pub(crate) fn refused(refusal: &Refusal, typed: Option<Typed<'_>>) -> String {
    let mistake = match refusal {
        Refusal::NoReceivers => {
            "Say who you want to thank: type @ in `to` and pick a member.".to_owned()
        }
        Refusal::TooManyReceivers(count) => format!(
            "That's {count} people; you can thank at most {MOST_RECEIVERS} at once. Use several \
             commands."
        ),
        Refusal::ToSelf => {
            "You can't give props to yourself. Remove yourself from `to`.".to_owned()
        }
        Refusal::ToBot(id) => {
            format!("<@{id}> is a bot and does it for the electricity. Name a person.")
        }
        Refusal::ToStranger(id) => {
            format!("<@{id}> isn't a member of this server. Name someone who is.")
        }
        Refusal::NoReason => "The reason is empty. Say what you're thanking for.".to_owned(),
        Refusal::ReasonTooLong(length) => format!(
            "The reason has {length} characters; the limit is {LONGEST_REASON}. Shorten it."
        ),
        Refusal::MessageTooLong => {
            "That's too long for one message. Shorten the reason a little.".to_owned()
        }
        Refusal::NotAGiver(roles) => {
            let roles: Vec<String> = roles.iter().map(|id| format!("<@&{id}>")).collect();
            format!(
                "Only members with one of these roles can give props with commands here: {}. The \
                 server's admins decide that.",
                roles.join(", ")
            )
        }
        Refusal::QuotaReached { quota, left, again } => quota_reached(*quota, *left, *again),
        Refusal::TooManyTakenBack { again } => format!(
            "You've taken back so many props that thanking more members would ping people too \
             often. You can thank again {}.",
            moment(*again)
        ),
        Refusal::TooFast { per_minute, again } => format!(
            "You can give props {} a minute here, including props you took back. You can give more \
             {}.",
            match per_minute {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            },
            moment(*again)
        ),
        Refusal::NoPropsBot(id) => format!(
            "<@{id}> isn't a bot in this server whose posts can count as props. Name another app's \
             bot. Nothing was changed."
        ),
        Refusal::TooSoon { to, again } => format!(
            "You thanked <@{to}> only a short while ago. You can thank them again {}.",
            moment(*again)
        ),
        Refusal::CannotPost { channel, missing } => cannot_post(*channel, missing),
        Refusal::GiverCannotPost { channel, missing } => format!(
            "Props are posted in <#{channel}>, but you don't have {} there. Ask an admin to change \
             that, or run the command in a props channel.",
            permissions(missing)
        ),
        Refusal::Paused(wait) => format!(
            "Discord has asked me not to post anything for {}, so no props were given. Please try \
             again later.",
            About(*wait)
        ),
        Refusal::ChannelGone(channel) => format!(
            "Props are posted in <#{channel}>, but that channel no longer exists. Ask an admin to \
             choose another with `/setup`, then try again."
        ),
        Refusal::NotPosted(channel) => format!(
            "Discord refused my message in <#{channel}>, so no props were given. Try again in a \
             moment."
        ),
        Refusal::NothingToUndo => {
            "You have no props to take back. (To take back a plain message in a props channel, \
             delete it.)"
                .to_owned()
        }
        Refusal::NotYours => {
            "These props aren't yours. Only the member who gave them can take them back.".to_owned()
        }
        Refusal::TooLateToUndo(0) => "Props can't be taken back here.".to_owned(),
        Refusal::TooLateToUndo(minutes) => {
            format!(
                "Props can be taken back for {} here, and these are older.",
                counted(*minutes, "minute")
            )
        }
        Refusal::NoMessage => {
            "I can't find that message. It may be in another server, in a channel one of us can't \
             see, or too new."
                .to_owned()
        }
        Refusal::NoChannel(id) => format!(
            "I don't know <#{id}> in this server. If it's new, try again in a moment. Nothing was \
             changed."
        ),
        Refusal::NoPropsChannel(id) => format!(
            "<#{id}> can't be a props channel. Choose channels where members write, forums, or \
             categories; a thread follows its channel. Nothing was changed."
        ),
        Refusal::NoRecapChannel { channel, missing } if missing.is_empty() => format!(
            "<#{channel}> can't have the recap. Choose a text or an announcement channel. Nothing was \
             changed."
        ),
        Refusal::NoRecapChannel { channel, missing } => format!(
            "I can't post the recap in <#{channel}>: I don't have {} there. Grant that, then try again. \
             Nothing was changed.",
            permissions(missing)
        ),
        Refusal::NotALogin(typed) => format!(
            "That's no login on GitHub. Type it as it is in the address of the profile, such as octocat. You \
             typed:\n{}",
            code(typed)
        ),
        Refusal::NoRepositories => "There's no repository on GitHub where you could prove it: I don't know of a \
                                    mirrored one. The bot's operator can change that."
            .to_owned(),
        Refusal::NameHidden => "You hide your name, and SourceCred's ledger would show it. If you want that, run `/privacy opt-in` \
                                or `/privacy opt-out` with *My content* first."
            .to_owned(),
        Refusal::TooManyCodes { again } => format!(
            "I can't give you a code now: there were too many. You can ask for another one <t:{}:R>.",
            again.0.div_euclid(1000)
        ),
        Refusal::NothingLinked => {
            "You aren't linked with a GitHub account, so there's nothing to undo.".to_owned()
        }
        Refusal::NoMeeting => {
            "No meeting is running in this channel. Begin one with `/meeting start`.".to_owned()
        }
        Refusal::MeetingRunning => {
            "A meeting is running in this channel already. If you're there, run `/meeting here`; if it's over, \
             end it with `/meeting end`."
                .to_owned()
        }
        Refusal::NoMeetingHere(missing) => format!(
            "I can't keep a list here, because I don't have {}. Ask an admin to change that, or start the \
             meeting in another channel.",
            permissions(missing)
        ),
        Refusal::MeetingFull => {
            "The list is full: the message has no room for more. Nothing was changed.".to_owned()
        }
        Refusal::TooManyHosts(most) => format!("A meeting has at most {most} hosts."),
        Refusal::MeetingInThread => {
            "Meetings are kept in channels, not in threads. Start the meeting in the channel.".to_owned()
        }
        Refusal::StarterCannotPost => {
            "You can't write in this channel, so you can't start a meeting here.".to_owned()
        }
        Refusal::NotTheHost(hosts) => {
            let hosts: Vec<String> = hosts.iter().map(|id| format!("<@{id}>")).collect();
            format!(
                "Only its hosts ({}) and members who can manage the server can end this meeting.",
                hosts.join(", ")
            )
        }
        Refusal::UnusableEmoji(emoji) => no_emoji(emoji),
        Refusal::ExcludedWith { channel, within } => format!(
            "<#{channel}> is in <#{within}>, which is excluded with everything in it. Include \
             <#{within}>, or move <#{channel}> out of it. Nothing was changed."
        ),
        Refusal::NoRole(id) => {
            format!(
                "<@&{id}> isn't a role in this server. Pick one from the list. Nothing was changed."
            )
        }
        Refusal::Unconfirmed {
            channel,
            name,
            category,
        } => unconfirmed(*channel, name, *category),
        Refusal::NotAnOperator => super::not_an_operator(),
        Refusal::NotUpToAdmins => super::not_up_to_admins(),
        Refusal::NoCred => super::cred::no_cred(),
        Refusal::NoArchive => "I run without an archive, so nothing is exported.".to_owned(),
    };
    match typed {
        Some(typed) => repeat(&mistake, typed),
        None => mistake,
    }
}

/// A form was open for too long, or its id is made up.
pub(crate) fn outdated_form(typed: Typed<'_>) -> String {
    repeat(
        "This form was open for more than an hour. Open it again.",
        typed,
    )
}

fn unconfirmed(channel: ChannelId, name: &str, category: bool) -> String {
    let (what, everything) = if category {
        (
            format!("Some channels in <#{channel}> are"),
            "everything in its channels, including channels added later",
        )
    } else {
        (format!("<#{channel}> is"), "everything in it")
    };
    format!(
        "{what} private or age-restricted. If you include it, I export {everything}, and anyone who can \
         read the archive can read it. If you want that, repeat its name in `confirm`:\n{}\n\
         Nothing was changed.",
        code(name)
    )
}

fn cannot_post(channel: ChannelId, missing: &[&str]) -> String {
    format!(
        "Props are posted in <#{channel}>, but I don't have {} there. Ask an admin to change that, \
         then try again.",
        permissions(missing)
    )
}

fn permissions(missing: &[&str]) -> String {
    if missing.is_empty() {
        return "permission to post".to_owned();
    }
    let s = if missing.len() > 1 { "s" } else { "" };
    format!("the permission{s} **{}**", missing.join("** and **"))
}

fn quota_reached(quota: Quota, left: u32, again: Option<Millis>) -> String {
    let Quota { count, period } = quota;
    let rule = format!(
        "In this server you can thank {} a {period}, with commands and plain messages",
        counted(count, "member")
    );
    match (left, again) {
        (_, None) => format!("{rule}; this is more than that at once. Name fewer members."),
        (0, Some(again)) => format!(
            "{rule}, and you've reached that limit. You can thank again {}.",
            moment(again)
        ),
        (left, Some(again)) => format!(
            "{rule}. You have {left} left. Name fewer members, or try again {}.",
            moment(again)
        ),
    }
}

/// A time that Discord shows relative to now.
pub(super) fn moment(at: Millis) -> String {
    // Rounded up, so that it's never a moment too early.
    format!("<t:{}:R>", at.0.div_euclid(1000) + 1)
}

/// The mistake and everything that was typed, to be copied and corrected.
fn repeat(mistake: &str, typed: Typed<'_>) -> String {
    let typed = code(&format!("/props to:{} for:{}", typed.to, typed.reason));
    format!("{mistake} Nothing was sent. You typed:\n{typed}")
}

/// The props were posted in another channel.
pub(crate) fn posted(channel: ChannelId, url: &str) -> String {
    format!("Your props are in <#{channel}>: {url}")
}

/// Discord didn't confirm whether the props were posted.
pub(crate) fn perhaps_posted(channel: ChannelId, typed: Typed<'_>) -> String {
    let typed = code(&format!("/props to:{} for:{}", typed.to, typed.reason));
    format!(
        "Discord didn't tell me whether your props were posted in <#{channel}>. Look there: if they \
         were, they count; if not, no props were given and you can try again. You typed:\n{typed}"
    )
}

/// The same form was submitted twice.
pub(crate) fn already_given() -> String {
    "You've already given these props; once is enough.".to_owned()
}

pub(crate) fn give_props() -> &'static str {
    "Give props"
}

/// The label of the form's field.
pub(crate) fn what_for() -> &'static str {
    "What for?"
}

/// The placeholder of the form's field.
pub(crate) fn an_example() -> &'static str {
    "for reviewing my PR at midnight"
}

pub(crate) fn no_author() -> String {
    "An integration posted this message, not a person. Props go to people.".to_owned()
}

/// An entry in the list of props that can be taken back: plain text, at most 100 characters.
pub(crate) fn props_choice(props: &Props, first: &str, now: Millis) -> String {
    let minutes = (now.0 - props.id.created_at().0).max(0) / 60_000;
    let others = match props.receivers.len() {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let reason = props
        .reason
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let text = format!(
        "{minutes} min ago, to {}{others}: {reason}",
        shortened(first, 32)
    );
    shortened(&text, 100)
}

/// The props to take back couldn't be read.
pub(crate) fn unclear_props(typed: &str) -> String {
    format!(
        "I don't know which props you mean. Pick them from the list, or paste the link to my \
         message here (*Copy Message Link*). You typed:\n{}",
        code(typed)
    )
}

/// Props were taken back.
pub(crate) fn undone(undone: &Undone) -> String {
    let to: Vec<String> = undone
        .props
        .receivers
        .iter()
        .map(|id| format!("<@{id}>"))
        .collect();
    let to = to.join(", ");
    if undone.message_deleted {
        format!("Done. Your props to {to} are taken back, and my message is deleted.")
    } else {
        format!(
            "Done. Your props to {to} are taken back and no longer count. I couldn't delete my \
             message, so it may still be there."
        )
    }
}

/// The first `most` characters; ends in an ellipsis if there are more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    debug_assert!(most < LONGEST_MESSAGE);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
