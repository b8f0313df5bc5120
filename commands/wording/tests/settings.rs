//! Texts about a server's settings.

use super::*;

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

fn nothing_set(destination: Destination) -> Setup {
    Setup {
        settings: Settings::default_for(GuildId(1)),
        destination,
        exported: vec![],
        withheld: vec![],
        age_restricted: vec![],
        preview: vec![],
        meetings: None,
        events: None,
        findings: vec![],
    }
}

#[test]
fn other_servers_learn_what_the_operator_can_do() {
    let setup = setup(&nothing_set(Destination::Operators));
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
    assert_snapshot!(visible(&[
        setup(&lacking(2)),
        setup(&nothing_set(Destination::Nowhere)),
        choose_props_channels().to_owned(),
    ]));
    assert!(setup(&lacking(500)).chars().count() <= LONGEST_MESSAGE);
}
