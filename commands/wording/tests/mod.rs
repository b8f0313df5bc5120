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
mod reports;
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

fn chosen_settings() -> Settings {
    Settings {
        props_channels: Some(vec![ChannelId(7), ChannelId(8)]),
        excluded_channels: (10..30).map(ChannelId).collect(),
        included_channels: vec![ChannelId(9)],
        quota: Some(Quota {
            count: 5,
            period: QuotaPeriod::Week,
        }),
        cooldown_minutes: 60,
        giver_roles: vec![RoleId(3)],
        acknowledge: Some("<:wow:8>".to_owned()),
        keep_deleted_props: true,
        undo_minutes: 10,
        recap: Some(RecapSetting {
            channel_id: ChannelId(6),
            every: RecapPeriod::Month,
        }),
        language: Language::German,
        ..Settings::default_for(GuildId(1))
    }
}

#[test]
fn shows_settings() {
    let none = Settings {
        props_channels: Some(vec![]),
        acknowledge: None,
        undo_minutes: 0,
        scrub_share: 0,
        ..Settings::default_for(GuildId(1))
    };
    assert_snapshot!(visible(&[
        settings(&Settings::default_for(GuildId(1))),
        settings_changed(&chosen_settings()),
        settings(&none),
    ]));
    let many = Settings {
        props_channels: Some((1..500).map(ChannelId).collect()),
        giver_roles: (1..500).map(RoleId).collect(),
        ..chosen_settings()
    };
    assert!(settings_changed(&many).chars().count() <= LONGEST_MESSAGE);
}

#[test]
fn lists_admin_actions_within_the_limit() {
    let chosen = chosen_settings();
    let mut all: Vec<SettingsChange> = SETTINGS
        .iter()
        .map(|name| SettingsChange::reset(name, chosen.clone()).unwrap())
        .collect();
    all.push(SettingsChange::Exclude(ChannelId(7)));
    let texts: Vec<String> = all.chunks(1).map(changes).collect();
    let action = |what: String| AdminAction {
        guild_id: GuildId(1),
        id: InteractionId(1),
        at: NOW,
        by: UserId(480_300_000_000_000_005),
        what,
    };
    let few = [
        action(action_include(ChannelId(7))),
        action(action_export()),
    ];
    assert_snapshot!(visible(&[
        texts.join("\n"),
        admin_actions(&[]),
        admin_actions(&few),
    ]));
    let many = vec![action("x".repeat(500)); 10];
    let text = admin_actions(&many);
    assert!(text.chars().count() <= LONGEST_MESSAGE);
    assert!(text.ends_with("- and 7 older ones\n"), "{text}");
    let everything = changes(&vec![SettingsChange::Exclude(ChannelId(u64::MAX)); 100]);
    assert!(everything.chars().count() <= 500);
}

#[test]
fn other_servers_learn_what_the_operator_can_do() {
    let guest = Setup {
        settings: Settings::default_for(GuildId(1)),
        destination: Destination::Operators,
        exported: vec![],
        withheld: vec![],
        age_restricted: vec![],
        preview: vec![],
        meetings: None,
        events: None,
        findings: vec![],
    };
    let setup = setup(&guest);
    let line = setup.lines().find(|line| line.starts_with("**2."));
    assert_snapshot!(visible(&[
        line.unwrap().to_owned(),
        not_mirrored(UpTo::Operator(GuildId(7))),
        no_longer_mirrored(UpTo::Operator(GuildId(7))),
        not_mirrored(UpTo::Admins),
        no_longer_mirrored(UpTo::Admins),
        mirror_is_off(),
        mirror_is_on(),
        confirm_stop(),
        mirror_stopped(),
        not_up_to_admins(),
        not_joined(),
        refused(&Refusal::NotAnOperator, None),
    ]));
}

#[test]
fn setup_shows_what_is_set_and_missing() {
    let lacking = |needs: u64| Setup {
        settings: chosen_settings(),
        destination: Destination::Archive("dir:./archive".to_owned()),
        exported: vec![ChannelId(7), ChannelId(8)],
        withheld: vec![ChannelId(9)],
        age_restricted: vec![ChannelId(10)],
        preview: vec![
            ThanksPreview {
                emoji: Emoji::unicode("🙏"),
                thanks: 12,
                givers: 5,
                receivers: 7,
            },
            ThanksPreview {
                emoji: Emoji::unicode("🎉"),
                thanks: 1,
                givers: 1,
                receivers: 1,
            },
        ],
        meetings: Some(MeetingsPreview {
            channels: vec![ChannelId(7)],
            total: MeetingsTotal {
                meetings: 4,
                members: 9,
                minted: 31.0,
            },
        }),
        events: Some(EventsPreview::Announced {
            events: 3,
            hosts: 1,
        }),
        findings: [of_clock(Some(90_000))]
            .into_iter()
            .chain((0..needs).map(|id| {
                let found = Finding::wrong(PERMISSIONS, "missing View Channel, Add Reactions");
                found.of(Id::new(1), Some(Id::new(id)))
            }))
            .collect(),
    };
    let none = Setup {
        settings: Settings::default_for(GuildId(1)),
        destination: Destination::Nowhere,
        exported: vec![],
        withheld: vec![],
        age_restricted: vec![],
        preview: vec![],
        meetings: None,
        events: None,
        findings: vec![],
    };
    assert_snapshot!(visible(&[
        setup(&lacking(2)),
        setup(&none),
        choose_props_channels().to_owned(),
    ]));
    assert!(setup(&lacking(500)).chars().count() <= LONGEST_MESSAGE);
}

#[test]
fn tells_members_how_they_are_linked() {
    let code = LinkCode {
        login: "octo_cat".to_owned(),
        text: "propsbot link AAAABBBBCCCCDDDD".to_owned(),
        given: NOW,
    };
    let long = "o".repeat(140);
    let repositories = vec![long; 7];
    let none = LinkStanding {
        link: Link::none(GuildId(1), UserId(2)),
        code: None,
        tier: Tier::None,
    };
    let github = GithubLink {
        since: NOW,
        undone: None,
        id: "U_1".to_owned(),
        login: "octo_cat".to_owned(),
    };
    let wanted = GrainWish {
        since: NOW,
        wanted: true,
    };
    let linked = LinkStanding {
        link: Link {
            github: Some(github),
            grain: Some(wanted),
            ..none.link.clone()
        },
        tier: Tier::Identity,
        ..none.clone()
    };
    let waiting = LinkStanding {
        code: Some(code.clone()),
        ..none.clone()
    };
    let short = ["octo-org/alpha".to_owned()];
    assert!(link_code(&code, &repositories).chars().count() <= LONGEST_MESSAGE);
    assert_snapshot!(visible(&[
        link_code(&code, &short),
        check_link_button().to_owned(),
        link_standing(&none, NOW),
        link_standing(&waiting, NOW),
        link_standing(&waiting, Millis(NOW.0 + 3_600_001)),
        link_standing(&linked, NOW),
        link_undone("octo_cat"),
        grain_asked(true),
        grain_asked(false),
    ]));
}

#[test]
fn tells_members_what_is_kept_about_them() {
    let kept = |tier, forgotten| Kept {
        privacy: Privacy {
            tier,
            since: NOW,
            forgotten,
            ..Privacy::unchosen(GuildId(1), UserId(2))
        },
        exported_within: Some(Duration::from_hours(1)),
    };
    let no_archive = Kept {
        exported_within: None,
        ..kept(Tier::Everything, Some(NOW))
    };
    let done = Forgotten {
        messages: 3,
        reactions: 2,
        props: 1,
    };
    let mut texts = vec![privacy(&kept(Tier::None, None)), privacy(&no_archive)];
    texts.extend([Tier::None, Tier::Content, Tier::Identity, Tier::Everything].map(chosen));
    texts.extend([
        still_blanking(),
        privacy_done(),
        personal_data(0),
        personal_data(12),
        confirm_deletion(),
        delete_button().to_owned(),
        forgotten(&done),
    ]);
    assert!(
        texts
            .iter()
            .all(|text| text.chars().count() <= LONGEST_MESSAGE)
    );
    assert_snapshot!(visible(&texts));
}
