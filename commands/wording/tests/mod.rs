//! Snapshots of every text.

use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::receivers::Unclear;
use propsbot_archive::ExportProgress;
use propsbot_graph::meetings::MeetingsTotal;
use propsbot_jobs::{
    check::{PERMISSIONS, of_clock},
    privacy::Forgotten,
};
use propsbot_mirror::{Finding, Id};
use propsbot_model::{
    AdminAction, ChannelId, Class, Drift, Emoji, GithubLink, GrainWish, GuildId, InteractionId,
    Language, Link, MessageId, Millis, Privacy, Props, PropsOrigin, Quota, QuotaPeriod,
    RecapPeriod, RecapSetting, RoleId, SETTINGS, Settings, SettingsChange, Tier, UserId,
};
use propsbot_service::{
    Destination, EventsPreview, Kept, LinkCode, LinkStanding, MeetingsPreview, Refusal, Setup,
    ThanksPreview, Undone,
};

mod cred;
mod exports;
mod members;
mod reports;
mod settings;
mod status;

const TYPED: Typed<'_> = Typed {
    to: "<@1> @ana",
    reason: "```all``` of it",
};

const NOW: Millis = Millis(1_700_000_000_000);

/// The texts, with zero-width spaces made visible.
fn visible(texts: &[String]) -> String {
    texts.join("\n\n").replace('\u{200b}', "·")
}

#[test]
fn explains_mistakes_and_repeats_what_was_typed() {
    let word = Unclear::Word("@ana".to_owned());
    let group = Unclear::Group("@everyone".to_owned());
    assert_snapshot!(visible(&[
        unclear_receivers(&word, TYPED),
        unclear_receivers(&group, TYPED),
        unclear_channels(&word, "@ana"),
        unclear_roles(&word, "@ana"),
        refused(&Refusal::MessageTooLong, Some(TYPED)),
        perhaps_posted(ChannelId(7), TYPED),
        unclear_props("```that one"),
        unclear_members(&word, "@ana"),
        no_emoji("thanks"),
        no_setting("props"),
        out_of_range("quota", 5_000, 1, 1_000),
        quota_without_count(),
        incomplete_recap(),
        nothing_to_change(),
        no_author(),
    ]));
}

#[test]
fn refusals_say_what_to_do_next() {
    let quota = Quota {
        count: 5,
        period: QuotaPeriod::Day,
    };
    let reached = |left, again| Refusal::QuotaReached { quota, left, again };
    let cannot = |missing| Refusal::CannotPost {
        channel: ChannelId(7),
        missing,
    };
    let all = [
        Refusal::NoReceivers,
        Refusal::TooManyReceivers(30),
        Refusal::ToSelf,
        Refusal::ToBot(UserId(5)),
        Refusal::ToStranger(UserId(6)),
        Refusal::NoReason,
        Refusal::ReasonTooLong(900),
        Refusal::MessageTooLong,
        Refusal::NotAGiver(vec![RoleId(8), RoleId(9)]),
        reached(0, Some(NOW)),
        reached(2, Some(NOW)),
        reached(5, None),
        Refusal::TooSoon {
            to: UserId(5),
            again: NOW,
        },
        Refusal::TooManyTakenBack { again: NOW },
        Refusal::TooFast {
            per_minute: 3,
            again: NOW,
        },
        Refusal::NoPropsBot(UserId(5)),
        cannot(vec!["View Channel", "Send Messages"]),
        cannot(vec![]),
        Refusal::GiverCannotPost {
            channel: ChannelId(7),
            missing: vec!["View Channel"],
        },
        Refusal::Paused(Duration::from_mins(20)),
        Refusal::ChannelGone(ChannelId(7)),
        Refusal::NothingToUndo,
        Refusal::NotYours,
        Refusal::TooLateToUndo(30),
        Refusal::TooLateToUndo(0),
        Refusal::NoMessage,
        Refusal::NoChannel(ChannelId(7)),
        Refusal::NoPropsChannel(ChannelId(7)),
        Refusal::NoRecapChannel {
            channel: ChannelId(7),
            missing: vec![],
        },
        Refusal::NoRecapChannel {
            channel: ChannelId(7),
            missing: vec!["View Channel", "Send Messages"],
        },
        Refusal::NotALogin("octo cat".to_owned()),
        Refusal::NoRepositories,
        Refusal::NameHidden,
        Refusal::TooManyCodes { again: NOW },
        Refusal::NothingLinked,
        Refusal::NoMeeting,
        Refusal::MeetingRunning,
        Refusal::NoMeetingHere(vec!["Send Messages"]),
        Refusal::MeetingFull,
        Refusal::TooManyHosts(10),
        Refusal::MeetingInThread,
        Refusal::StarterCannotPost,
        Refusal::NotTheHost(vec![UserId(5), UserId(6)]),
        Refusal::UnusableEmoji("<:wow:8>".to_owned()),
        Refusal::NotPosted(ChannelId(7)),
        Refusal::ExcludedWith {
            channel: ChannelId(7),
            within: ChannelId(8),
        },
        Refusal::NoRole(RoleId(8)),
        Refusal::Unconfirmed {
            channel: ChannelId(7),
            name: "board-room".to_owned(),
            category: false,
        },
        Refusal::Unconfirmed {
            channel: ChannelId(7),
            name: "board-room".to_owned(),
            category: true,
        },
        Refusal::NoArchive,
        Refusal::NoCred,
    ];
    let texts = all.map(|refusal| refused(&refusal, None));
    assert_snapshot!(visible(&texts));
    assert!(refused(&Refusal::ToSelf, Some(TYPED)).contains("You typed:"));
}

/// Even the longest input, all of which must be escaped, gives an answer that Discord accepts.
#[test]
fn quotes_any_input_harmlessly_and_within_the_limit() {
    let (to, reason) = ("`@".repeat(500), "*".repeat(500));
    let typed = Typed {
        to: &to,
        reason: &reason,
    };
    for unclear in [Unclear::Word(to.clone()), Unclear::Group(to.clone())] {
        let text = unclear_receivers(&unclear, typed);
        assert!(text.chars().count() <= LONGEST_MESSAGE, "{}", text.len());
    }
    for text in [
        refused(&Refusal::MessageTooLong, Some(typed)),
        perhaps_posted(ChannelId(u64::MAX), typed),
        unclear_props(&to),
        no_emoji(&to),
        unreadable_option(Some(&to)),
    ] {
        assert!(text.chars().count() <= LONGEST_MESSAGE, "{text}");
        // Only the code block's own fences.
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }
}

fn some_props() -> Props {
    Props {
        id: InteractionId::at(Millis(NOW.0 - 130_000)),
        guild_id: GuildId(1),
        channel_id: ChannelId(2),
        message_id: Some(MessageId(3)),
        giver: UserId(4),
        receivers: vec![UserId(5), UserId(6)],
        reason: "for\n**all**".to_owned(),
        origin: PropsOrigin::Command,
        withdrawn: None,
        about: None,
    }
}

#[test]
fn confirms_what_was_done() {
    let undone_with = |message_deleted| Undone {
        props: some_props(),
        message_deleted,
    };
    let long = Props {
        reason: "🙏".repeat(500),
        receivers: vec![UserId(5)],
        ..some_props()
    };
    let choices = [
        props_choice(&some_props(), "Ana \u{202e}✨", NOW),
        props_choice(&long, &"W".repeat(32), NOW),
        props_choice(&some_props(), &"W".repeat(64), NOW),
    ];
    // Discord's limit.
    assert!(choices.iter().all(|choice| choice.chars().count() <= 100));
    assert_snapshot!(visible(&[
        posted(ChannelId(7), "https://discord.com/channels/1/7/8"),
        already_given(),
        undone(&undone_with(true)),
        undone(&undone_with(false)),
        choices.join("\n"),
        give_props().to_owned(),
        what_for().to_owned(),
        an_example().to_owned(),
    ]));
}

#[test]
fn help_lists_the_given_commands() {
    let commands = [
        ("props".to_owned(), "Thank *somebody*".to_owned()),
        ("settings set".to_owned(), "Change settings".to_owned()),
    ];
    assert_snapshot!(visible(&[
        help(&commands, false),
        help(&commands[..1], true)
    ]));
}

#[test]
fn explains_other_errors() {
    let texts = [
        unreadable_option(None),
        unreadable_option(Some("x")),
        needs_manage_server(),
        only_in_servers(),
        outdated_command(),
        outdated_button(),
        so_far("Exporting…", Duration::from_millis(61_800)),
        our_fault(),
    ];
    assert_snapshot!(texts.join("\n"), @r#"
    I don't understand part of the command. Change it and try again.
    I don't understand this part of the command:
    ```
    x
    ```
    Change it and try again.
    This command needs the **Manage Server** permission. Ask a member who has it.
    This only works in a server's channels, not in direct messages.
    This command has changed since your app last loaded it. Reload Discord (Ctrl+R) and try again.
    This is from before my last update, and I can't use it any more. Please run the command again.
    Exporting… (1m 1s so far)
    That didn't work, and it wasn't your fault. Try again in a minute. The bot's operator can find the reason in the log.
    "#);
}
