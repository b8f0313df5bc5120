//! Every text as it is read.

use insta::assert_snapshot;

use super::*;
use crate::{
    model::{ChannelId, Class, Drift, GuildId, Millis, UserId},
    status::{AuditStatus, ChannelStatus, FailureStatus, Totals},
};

const TYPED: Typed<'_> = Typed {
    to: "<@1> @ana",
    reason: "```all``` of it",
};

#[test]
fn mistakes_are_explained_and_nothing_typed_is_lost() {
    let word = Unclear::Word("@ana".to_owned());
    assert_snapshot!(unclear_receivers(&word, TYPED).replace('\u{200b}', "·"), @r#"
    I don't know who “@·ana” is. Type @ and pick the member from the list that appears. Nothing was sent. You typed:
    ```
    /props to:<@1> @ana for:`·``all`·`` of it
    ```
    "#);
    let group = Unclear::Group("@everyone".to_owned());
    assert_snapshot!(unclear_receivers(&group, TYPED).replace('\u{200b}', "·"), @r#"
    Props go to people, not to a role or to everyone. Name the members you mean. Nothing was sent. You typed:
    ```
    /props to:<@1> @ana for:`·``all`·`` of it
    ```
    "#);
    assert_snapshot!(unclear_channels(&word, "@ana").replace('\u{200b}', "·"), @r#"
    I don't know the channel “@·ana”. Type # and pick it from the list that appears, or say `default`. Nothing was changed. You typed:
    ```
    /settings set props_channels:@ana
    ```
    "#);
    assert_snapshot!(too_long(TYPED).replace('\u{200b}', "·"), @r#"
    That is too long for one message. Shorten the reason a little. Nothing was sent. You typed:
    ```
    /props to:<@1> @ana for:`·``all`·`` of it
    ```
    "#);
}

#[test]
fn refusals_say_what_to_change() {
    let all = [
        Refusal::NoReceivers,
        Refusal::TooManyReceivers(30),
        Refusal::ToSelf,
        Refusal::ToBot(UserId(5)),
        Refusal::ToStranger(UserId(6)),
        Refusal::NoReason,
        Refusal::ReasonTooLong(900),
        Refusal::NoTextChannel(ChannelId(7)),
    ];
    let texts: Vec<String> = all.iter().map(|it| refused(it, None)).collect();
    assert_snapshot!(texts.join("\n"), @r#"
    Say whom you thank: type @ in `to` and pick a member.
    That are 30 people; props go to at most 20 at once. Thank them in several messages.
    You can't give props to yourself. Take yourself out of `to`.
    <@5> is a bot, and does it for the electricity. Name a person.
    <@6> is not a member of this server. Name somebody who is.
    Say what for: the reason is empty.
    The reason has 900 characters; at most 500 are possible. Shorten it.
    <#7> is no text channel of this server. Name channels in which members write; nothing was changed.
    "#);
    assert!(refused(&Refusal::ToSelf, Some(TYPED)).contains("You typed:"));
}

#[test]
fn what_else_can_go_wrong() {
    let texts = [
        unreadable_option(None),
        unreadable_option(Some("x")),
        needs_manage_server(),
        only_in_servers(),
        outdated_command(),
        our_fault(),
    ];
    assert_snapshot!(texts.join("\n"), @r#"
    I don't understand a part of the command. Change it and try again.
    I don't understand this part of the command:
    ```
    x
    ```
    Change it and try again.
    This command is for members with the permission **Manage Server**. Ask one of them.
    This works in a server's channels only, not in direct messages.
    This command has changed since your app last looked. Reload Discord (Ctrl+R) and try again.
    That did not work, and it was not your fault. The bot's operator finds the reason in its log; try again in a minute.
    "#);
}

#[test]
fn settings_name_the_props_channels() {
    let of = |channels: Option<Vec<u64>>| Settings {
        props_channels: channels.map(|it| it.into_iter().map(ChannelId).collect()),
        ..Settings::default_for(GuildId(1))
    };
    assert_snapshot!(settings(&of(None)), @"**Props channels**: all text channels with “props” in their name (the default)");
    assert_snapshot!(settings(&of(Some(vec![]))), @"**Props channels**: none; only `/props` gives props");
    assert_snapshot!(settings_changed(&of(Some(vec![7, 8]))), @"Done. **Props channels** now: <#7>, <#8>");
}

fn a_status() -> GuildStatus {
    let channel = |id, coverage| ChannelStatus {
        id: ChannelId(id),
        name: format!("c{id}"),
        totals: Totals::default(),
        coverage,
    };
    GuildStatus {
        id: GuildId(1),
        name: "The *Makers*".to_owned(),
        synced: [
            (Class::Guild, Some(Millis(1_700_000_000_000))),
            (Class::Members, None),
        ]
        .into(),
        members: 12,
        totals: Totals {
            messages: 100,
            deleted: 2,
            reactions: 30,
            props: 4,
        },
        channels: vec![
            channel(1, CoverageStatus::Live),
            channel(2, CoverageStatus::Partial { gaps: 2 }),
            channel(3, CoverageStatus::Unknown),
            channel(4, CoverageStatus::Unreadable),
        ],
        pending_lists: 5,
        audit: AuditStatus {
            on: true,
            share: 20,
            round: 3,
            pages_done: 120,
            pages_estimated: 400,
            found_within: Some(21_600),
            drift: Drift {
                edited: 2,
                deleted: 1,
                found: 0,
                reactions: 5,
                threads: 1,
            },
            ..AuditStatus::default()
        },
        failures: vec![FailureStatus {
            object: "message 2/9".to_owned(),
            reason: "Discord failed".to_owned(),
            times: 3,
            at: Millis(1_700_000_000_000),
        }],
        doing: "listening".to_owned(),
    }
}

#[test]
fn a_status_says_what_is_there_and_what_is_not() {
    assert_snapshot!(sync_status(&a_status()), @r#"
    **Mirror of The \*Makers\***: listening
    100 messages (2 deleted), 30 reactions, 4 props, 12 members
    5 lists of reactions still to fetch
    Last complete: guild <t:1700000000:R>, members never
    Channels and threads: 1 complete, 1 in part, 1 not yet, 1 unreadable
    - <#2>: 2 gaps
    - <#3>: not looked at yet
    - <#4>: I may not read it
    Audit: round 3, 120 of about 400 pages; any change is found within 6 h; found 2 edits, 1 deletions, 0 messages, 5 reactions, 1 threads unheard of
    **Could not be fetched** (1):
    - message 2/9: Discord failed (3×, last <t:1700000000:R>)
    "#);
}

#[test]
fn a_long_status_still_fits_a_message() {
    let mut status = a_status();
    status.channels = (0..500)
        .map(|id| ChannelStatus {
            id: ChannelId(id),
            name: String::new(),
            totals: Totals::default(),
            coverage: CoverageStatus::Unknown,
        })
        .collect();
    status.failures = vec![
        FailureStatus {
            reason: "why ".repeat(200),
            ..status.failures[0].clone()
        };
        40
    ];
    let text = sync_status(&status);
    assert!(text.chars().count() <= LONGEST_MESSAGE);
    assert!(text.contains("- and 492 more"));
}
