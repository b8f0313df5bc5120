//! Giving props and taking them back.

use super::{
    LONGEST_MESSAGE, code,
    settings::{members, no_emoji},
};
use crate::receivers::Unclear;
use propsbot_jobs::estimate::About;
use propsbot_model::{ChannelId, Millis, Props, Quota, escape};
use propsbot_service::{LONGEST_REASON, MOST_RECEIVERS, Refusal, Undone};

/// What a member typed into `/props`, to give it back where it was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    /// The option `to`.
    pub(crate) to: &'a str,
    /// The option `for`.
    pub(crate) reason: &'a str,
}

/// Somebody was named in a way that we do not understand.
pub(crate) fn unclear_receivers(unclear: &Unclear, typed: Typed<'_>) -> String {
    let mistake = match unclear {
        Unclear::Group(_) => {
            "Props go to people, not to a role or to everyone. Name the members you mean."
                .to_owned()
        }
        Unclear::Word(word) => format!(
            "I don't know who “{}” is. Type @ and pick the member from the list that appears.",
            escape(&shortened(word, 100))
        ),
    };
    repeat(&mistake, typed)
}

/// The service refused, for this reason.
#[expect(clippy::too_many_lines, reason = "a sentence or two for each reason")]
pub(crate) fn refused(refusal: &Refusal, typed: Option<Typed<'_>>) -> String {
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
        Refusal::MessageTooLong => {
            "That is too long for one message. Shorten the reason a little.".to_owned()
        }
        Refusal::NotAGiver(roles) => {
            let roles: Vec<String> = roles.iter().map(|id| format!("<@&{id}>")).collect();
            format!(
                "Here, only members with one of these roles give props with commands: {}. The \
                 server's admins decide on that.",
                roles.join(", ")
            )
        }
        Refusal::QuotaReached { quota, left, again } => quota_reached(*quota, *left, *again),
        Refusal::TooManyTakenBack { again } => format!(
            "You took back so many props that thanking more members would ping people too often. \
             You can thank again {}.",
            moment(*again)
        ),
        Refusal::TooFast { per_minute, again } => format!(
            "Here, you can give props {} a minute, props you took back included. You can give more {}.",
            match per_minute {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            },
            moment(*again)
        ),
        Refusal::NoPropsBot(id) => format!(
            "<@{id}> is not a bot in this server whose posts can be props. Name another app's bot. \
             Nothing was changed."
        ),
        Refusal::TooSoon { to, again } => format!(
            "You thanked <@{to}> only a short while ago. You can do so again {}.",
            moment(*again)
        ),
        Refusal::CannotPost { channel, missing } => cannot_post(*channel, missing),
        Refusal::GiverCannotPost { channel, missing } => format!(
            "Props are posted in <#{channel}>, and you lack {} there. Ask an admin to change that, \
             or run the command in a channel for props.",
            permissions(missing)
        ),
        Refusal::Paused(wait) => format!(
            "Discord has asked me not to post anything for {}. Nothing was given; please try again \
             later.",
            About(*wait)
        ),
        Refusal::ChannelGone(channel) => format!(
            "Props are posted in <#{channel}>, and that channel is gone. Ask an admin to choose \
             another with `/setup`, then try again."
        ),
        Refusal::NotPosted(channel) => format!(
            "Discord refused my message in <#{channel}>, so nothing was given. Try again in a moment."
        ),
        Refusal::NothingToUndo => {
            "There are no props of yours to take back. (Plain messages in a props channel are \
             taken back by deleting them.)"
                .to_owned()
        }
        Refusal::NotYours => {
            "These props are somebody else's: only they take them back.".to_owned()
        }
        Refusal::TooLateToUndo(0) => "Here, props can't be taken back.".to_owned(),
        Refusal::TooLateToUndo(minutes) => {
            format!("Here, props can be taken back for {minutes} minutes, and these are older.")
        }
        Refusal::NoMessage => "I know of no such message that you may read: it is of another \
                               server, in a channel that you or I do not see, or too new."
            .to_owned(),
        Refusal::NoChannel(id) => format!(
            "I don't know <#{id}> in this server. If it is new, try again in a moment; nothing \
             was changed."
        ),
        Refusal::NoPropsChannel(id) => format!(
            "<#{id}> can't be a props channel. Name channels in which members write, forums, or \
             categories; a thread follows its channel. Nothing was changed."
        ),
        Refusal::UnusableEmoji(emoji) => no_emoji(emoji),
        Refusal::ExcludedWith { channel, within } => format!(
            "<#{channel}> is in <#{within}>, which is excluded with everything in it. Include \
             <#{within}>, or move <#{channel}> out of it. Nothing was changed."
        ),
        Refusal::NoRole(id) => {
            format!(
                "<@&{id}> is no role of this server. Pick one from the list; nothing was changed."
            )
        }
        Refusal::Unconfirmed {
            channel,
            name,
            category,
        } => unconfirmed(*channel, name, *category),
        Refusal::NotAnOperator => super::not_an_operator(),
        Refusal::NoArchive => "I run without an archive: nothing is exported.".to_owned(),
    };
    match typed {
        Some(typed) => repeat(&mistake, typed),
        None => mistake,
    }
}

/// A form was open for too long, or its id is made up.
pub(crate) fn outdated_form(typed: Typed<'_>) -> String {
    repeat(
        "This form was open for more than an hour, so nothing was given. Open it again.",
        typed,
    )
}

fn unconfirmed(channel: ChannelId, name: &str, category: bool) -> String {
    let (hidden, restricted, what) = if category {
        (
            "all channels in ",
            "some of them are",
            "Everything in its channels, including channels that are added later,",
        )
    } else {
        ("", "it is", "Everything in it")
    };
    format!(
        "Not everyone may read {hidden}<#{channel}>, or {restricted} age-restricted. {what} would be exported for whoever reads \
         the archive. If you want that, repeat its name in `confirm`: {}\nNothing was changed.",
        code(name)
    )
}

fn cannot_post(channel: ChannelId, missing: &[&str]) -> String {
    format!(
        "Props are posted in <#{channel}>, and I lack {} there. Ask an admin to change that, then \
         try again.",
        permissions(missing)
    )
}

fn permissions(missing: &[&str]) -> String {
    if missing.is_empty() {
        return "the permission to do so".to_owned();
    }
    let s = if missing.len() > 1 { "s" } else { "" };
    format!("the permission{s} **{}**", missing.join("** and **"))
}

fn quota_reached(quota: Quota, left: u32, again: Option<Millis>) -> String {
    let Quota { count, period } = quota;
    let rule = format!(
        "Here, you can thank {} a {period}, with commands and plain messages",
        members(count)
    );
    match (left, again) {
        (_, None) => format!("{rule}; that's more at once. Name fewer members."),
        (0, Some(again)) => format!(
            "{rule}, and you have. You can thank again {}.",
            moment(again)
        ),
        (left, Some(again)) => format!(
            "{rule}. You have {left} left. Name fewer members, or try again {}.",
            moment(again)
        ),
    }
}

/// A moment, as Discord shows it to each reader.
pub(super) fn moment(at: Millis) -> String {
    // Rounded up, or "now" would be a moment too early.
    format!("<t:{}:R>", at.0.div_euclid(1000) + 1)
}

/// A mistake, and all that was typed, so that it can be copied and mended.
fn repeat(mistake: &str, typed: Typed<'_>) -> String {
    let typed = code(&format!("/props to:{} for:{}", typed.to, typed.reason));
    format!("{mistake} Nothing was sent. You typed:\n{typed}")
}

/// Where the props were posted.
pub(crate) fn posted(channel: ChannelId, url: &str) -> String {
    format!("Your props are in <#{channel}>: {url}")
}

/// Discord did not say whether the props were posted.
pub(crate) fn perhaps_posted(channel: ChannelId, typed: Typed<'_>) -> String {
    let typed = code(&format!("/props to:{} for:{}", typed.to, typed.reason));
    format!(
        "Discord did not tell me whether your props arrived in <#{channel}>. Look there: if they \
         did, they count; if not, nothing was given, and you can try again. You typed:\n{typed}"
    )
}

/// The same form was sent twice.
pub(crate) fn already_given() -> String {
    "You have given these props already: once is enough.".to_owned()
}

/// The title of the form.
pub(crate) fn give_props() -> &'static str {
    "Give props"
}

/// The label of the form's field.
pub(crate) fn what_for() -> &'static str {
    "What for?"
}

/// What stands in the form's field before anything is typed.
pub(crate) fn an_example() -> &'static str {
    "for reviewing my PR at midnight"
}

/// The message has no author who could be thanked.
pub(crate) fn nobody_wrote_it() -> String {
    "An integration posted this message, and nobody in person. Props go to people.".to_owned()
}

/// Props that can be taken back, in a list to choose from: plain text, at most 100 characters.
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

/// The props to take back were named in a way that we do not understand.
pub(crate) fn unclear_props(typed: &str) -> String {
    format!(
        "I don't know which props you mean. Pick them from the list, or paste the link of my \
         message here (*Copy Message Link*). You typed:\n{}",
        code(typed)
    )
}

/// Props were taken back.
pub(crate) fn undone(it: &Undone) -> String {
    let to: Vec<String> = it
        .props
        .receivers
        .iter()
        .map(|id| format!("<@{id}>"))
        .collect();
    let to = to.join(", ");
    if it.message_deleted {
        format!("Done: your props to {to} are taken back, and my message is gone.")
    } else {
        format!(
            "Done: your props to {to} are taken back and no longer count. My message may still \
             stand: I could not delete it."
        )
    }
}

/// The first characters, and a sign that there are more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    debug_assert!(most < LONGEST_MESSAGE);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
