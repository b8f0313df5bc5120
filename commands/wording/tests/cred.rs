//! Snapshots of what is said of cred.

use insta::assert_snapshot;

use super::{super::*, visible};
use propsbot_model::{ChannelId, GuildId, Language, MessageId, Millis};
use propsbot_service::{
    Contribution, ContributionWhat, CredFailure, CredReport, CredStanding, FoundCred, MemberCred,
    MessageCred, Thanked,
};

const GUILD: GuildId = GuildId(1);
const WEEK: i64 = 7 * 86_400_000;
const AS_OF: Millis = Millis(1_700_000_000_000);
/// A name of 32 characters, all of which have a meaning in Discord's Markdown.
const HOSTILE: &str = "**@everyone**\u{202e}`<@1>`||[x](y)~~#";

fn report(member: &str, is_own: bool, found: FoundCred) -> CredReport {
    CredReport {
        member: member.to_owned(),
        is_own,
        found,
        standing: CredStanding {
            as_of: Some(AS_OF),
            ..CredStanding::default()
        },
        language: Language::German,
    }
}

fn thanks(name: &str, reason: &str) -> ContributionWhat {
    ContributionWhat::Thanks(Thanked {
        at: Millis(1_690_000_000_000),
        giver: name.to_owned(),
        receivers: vec![name.to_owned(), "Ben".to_owned()],
        reason: reason.to_owned(),
        message: (ChannelId(u64::MAX), MessageId(u64::MAX)),
    })
}

fn other(description: &str, link: &str) -> ContributionWhat {
    ContributionWhat::Other(description.to_owned(), Some(link.to_owned()))
}

fn member(top: Vec<ContributionWhat>) -> FoundCred {
    let cred = 4_567.891;
    let top = top.into_iter().map(|what| Contribution { cred, what });
    FoundCred::Member(MemberCred {
        total: 12_345.678,
        by_week: [0.0, 0.5, 12.25, 3.0]
            .into_iter()
            .zip(0..)
            .map(|(cred, week)| (Millis(1_699_142_400_000 + week * WEEK), cred))
            .collect(),
        rank: Some((3, 41)),
        top: top.collect(),
    })
}

fn shown(texts: &[String]) -> String {
    visible(texts).replace(['\u{2068}', '\u{2069}'], "¦")
}

#[test]
fn tells_cred_within_the_limit() {
    let others = vec![
        thanks("Ana", "the *review*"),
        ContributionWhat::Reaction(ChannelId(5), MessageId(6)),
        ContributionWhat::Meeting(ChannelId(5), MessageId(7)),
        ContributionWhat::Message(ChannelId(5), MessageId(8)),
        other("Fix [the] build", "https://a.example/1"),
    ];
    let some = report("Ana", true, member(others));
    let trend = |report: &CredReport| match &report.found {
        FoundCred::Member(cred) => trend_alt_text(report, cred),
        _ => unreachable!(),
    };
    assert_snapshot!(shown(&[
        cred(GUILD, &some),
        cred(
            GUILD,
            &report(
                HOSTILE,
                false,
                member(vec![
                    other("x", "javascript:y"),
                    other("y", "https://z> @here")
                ])
            )
        ),
        cred(GUILD, &report("Ana", false, member(vec![]))),
        trend(&some),
    ]));
    let long = thanks(HOSTILE, &"*".repeat(500));
    let mut longest = report(HOSTILE, true, member(vec![long; 3]));
    longest.standing.failure = Some(CredFailure::Failed);
    let text = cred(GUILD, &longest);
    assert!(
        text.chars().count() <= LONGEST_MESSAGE && text.ends_with("log.\n"),
        "{text}"
    );
    assert!(trend(&longest).chars().count() <= 1_024);
}

#[test]
fn says_why_there_is_no_cred() {
    let with = |found: FoundCred, is_own, standing: CredStanding| {
        let report = CredReport {
            standing,
            ..report("Ana", is_own, found)
        };
        cred(GUILD, &report)
    };
    let computing = || CredStanding {
        is_computing: true,
        ..CredStanding::default()
    };
    let failed = |failure| CredStanding {
        failure: Some(failure),
        as_of: Some(AS_OF),
        ..CredStanding::default()
    };
    assert_snapshot!(shown(&[
        with(FoundCred::NotYet, true, CredStanding::default()),
        with(FoundCred::NotYet, true, computing()),
        with(
            FoundCred::NotYet,
            true,
            CredStanding {
                as_of: None,
                ..failed(CredFailure::TooLarge(2_048))
            }
        ),
        with(FoundCred::Hidden, true, failed(CredFailure::TooSlow(10))),
        with(FoundCred::Hidden, false, failed(CredFailure::Misconfigured)),
        with(FoundCred::Nothing, true, failed(CredFailure::Failed)),
        with(
            FoundCred::Nothing,
            false,
            CredStanding {
                as_of: Some(AS_OF),
                ..computing()
            }
        ),
        no_cred(),
    ]));
}

#[test]
fn tells_what_a_message_brought() {
    let of = |brought| {
        cred::of_message(&MessageCred {
            brought,
            standing: CredStanding {
                as_of: Some(AS_OF),
                ..CredStanding::default()
            },
            language: Language::International,
        })
    };
    assert_snapshot!(shown(&[of(Some(1.2345)), of(None)]));
}
