//! Texts about how complete the mirror is.

use propsbot_archive::{Neighbour, Summary};
use propsbot_jobs::status::{
    ChannelStatus, ContradictionStatus, FailureStatus, HistoryStatus, ScrubStatus, Totals,
};

use super::{exports::an_export, *};

fn a_status() -> GuildStatus {
    let channel = |id, coverage| ChannelStatus {
        id: ChannelId(id),
        parent: None,
        name: format!("c{id}"),
        totals: Totals::default(),
        coverage,
        intervals: Vec::new(),
    };
    GuildStatus {
        id: GuildId(1),
        name: "The *Makers*".to_owned(),
        current: Some(Millis(1_700_000_000_000)),
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
            texts_missing: 0,
        },
        channels: vec![
            channel(1, CoverageStatus::Live),
            channel(2, CoverageStatus::Partial { gaps: 2 }),
            channel(3, CoverageStatus::Unknown),
            channel(4, CoverageStatus::Unreadable),
        ],
        pending_lists: 5,
        contradictions: [false, true]
            .map(|settled| ContradictionStatus {
                channel: ChannelId(2),
                message: MessageId(8),
                emoji: "👍".to_owned(),
                burst: false,
                counted: 3,
                listed: 1,
                since: Millis(1_700_000_000_000),
                settled,
            })
            .into(),
        history: HistoryStatus {
            known_until: Some(Millis(1_700_000_000_000)),
            reread: None,
        },
        scrub: ScrubStatus {
            on: true,
            share: 20,
            round: 3,
            pages_done: 120,
            pages_estimated: 400,
            shown_within: Some(21_600),
            found_within: Some(172_800),
            drift: Drift {
                edited: 2,
                deleted: 1,
                found: 0,
                reactions: 5,
                threads: 1,
            },
            ..ScrubStatus::default()
        },
        export: Some(an_export(&Ok(Summary::default()))),
        failures: vec![FailureStatus {
            object: "message 2/9".to_owned(),
            reason: "Discord failed".to_owned(),
            times: 3,
            at: Millis(1_700_000_000_000),
        }],
        doing: "listening".to_owned(),
        shards: None,
    }
}

#[test]
fn status_shows_what_is_complete_and_missing() {
    assert_snapshot!(sync_status(&a_status()), @r#"
    **Mirror of The \*Makers\***: listening
    100 messages (2 deleted), 30 reactions, 4 props messages, 12 members
    5 reaction lists still to fetch
    These reaction lists don't match Discord's own counts; I'll ask again after an hour:
    - https://discord.com/channels/1/2/8: 3 counted, 1 listed
    Last complete sync: guild <t:1700000000:R>, members never
    Channels and threads: 1 complete, 1 partial, 1 not fetched yet, 1 unreadable
    - <#2>: 2 gaps
    - <#3>: not fetched yet
    - <#4>: I don't have permission to read it
    Changes to old messages: known up to <t:1700000000:R>; history last re-read never
    Check of older history: round 3, 120 of about 400 pages; any change is found within 6 h, swapped reactions within 48 h; missed changes found: 2 edits, 1 deletion, 0 messages, 5 reactions, 1 thread
    Last export <t:1700000000:R> (took 1s 200ms): Nothing has changed: the archive stays at generation 0.
    **Withdrawn** from the archive: \#secret\_plans (5): not everyone in the guild can read it
    **Couldn't be fetched** (1):
    - message 2/9: Discord failed (3×, last <t:1700000000:R>)
    "#);
}

#[test]
fn status_shows_what_else_is_in_the_archive() {
    let neighbour = |name: &str| Neighbour {
        provider: "github".to_owned(),
        name: name.to_owned(),
        generation: 7,
        created_at: Millis(1_700_000_000_000),
    };
    let export = an_export(&Ok(Summary {
        neighbours: vec![neighbour("octo-org/al*pha"), neighbour("octo-org/beta")],
        ..Summary::default()
    }));
    let status = GuildStatus {
        export: Some(export),
        ..a_status()
    };
    let text = sync_status(&status);
    let says = "Also in the archive:\n- octo-org/al\\*pha (github): generation 7, written <t:1700000000:R>\n- octo-org/beta";
    assert!(text.contains(says), "{text}");
}

#[test]
fn a_long_status_fits_a_message() {
    let mut status = a_status();
    status.channels = (0..500)
        .map(|id| ChannelStatus {
            id: ChannelId(id),
            parent: None,
            name: String::new(),
            totals: Totals::default(),
            coverage: CoverageStatus::Unknown,
            intervals: Vec::new(),
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

#[test]
fn shows_the_status_of_one_channel() {
    let status = a_status();
    let texts: Vec<String> = (1..6)
        .map(|id| channel_status(&status, ChannelId(id)))
        .collect();
    assert_snapshot!(visible(&texts));
}
