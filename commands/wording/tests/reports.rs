//! Snapshots of the reports on thanks.

use insta::assert_snapshot;

use super::{super::*, visible};
use propsbot_graph::{
    EdgeWeights, Explanation, NoProps, NoReaction, NotReceived, Part, PartEdge, PartNode,
};
use propsbot_model::{
    ChannelId, Emoji, EmojiId, EmojiKey, GuildId, Language, MessageId, Millis, Quota, QuotaPeriod,
    RecapPeriod, UserId,
};
use propsbot_service::{
    CredFailure, CredStanding, HistoryPage, HistoryReport, Leaderboard, LeaderboardQuery,
    MessageCred, Period, RankBy, Ranked, RecapReport, Score, Side, Thanked, Why,
};
use propsbot_sourcecred::Weight;

const GUILD: GuildId = GuildId(1);

/// A name of 32 characters, all of which have a meaning in Discord's Markdown.
const HOSTILE: &str = "**@everyone**\u{202e}`<@1>`||[x](y)~~#";

fn query(by: RankBy, period: Period) -> LeaderboardQuery {
    LeaderboardQuery {
        guild_id: GUILD,
        channel_id: ChannelId(2),
        now: Millis(0),
        period,
        by,
        page: 0,
    }
}

fn board(names: &[&str], pages: usize) -> Leaderboard {
    let ranked = names.iter().zip(1..).map(|(name, rank)| Ranked {
        rank,
        user_id: UserId(u64::MAX),
        name: (*name).to_owned(),
        username: format!("user{rank}"),
        score: Score::Props(12_345 / u64::try_from(rank).unwrap()),
    });
    Leaderboard {
        ranked: ranked.collect(),
        most: Some(Score::Props(12_345)),
        page: 0,
        pages,
        language: Language::German,
        cred: None,
    }
}

#[test]
fn shows_a_leaderboard_as_list_and_alt_text() {
    let few = board(&["Ana ✨", "مُحَمَّد", HOSTILE, "line\nbreak"], 3);
    let one = board(&["Ana"], 1);
    let received = query(RankBy::Props(Side::Received), Period::Month);
    let given = query(RankBy::Props(Side::Given), Period::Always);
    assert_snapshot!(shown(&[
        leaderboard(&received, &few),
        leaderboard(&given, &one),
        chart_alt_text(&received, &few),
        empty_leaderboard(
            &query(RankBy::Props(Side::Given), Period::Week),
            &board(&[], 0)
        ),
        chart_title(&query(RankBy::Props(Side::Received), Period::Year)),
        format!("{} {} {} {}", higher(), lower(), newer(), older()),
    ]));
    let most = board(&[HOSTILE; 10], 10_000);
    assert!(leaderboard(&received, &most).chars().count() <= LONGEST_MESSAGE);
    assert!(chart_alt_text(&received, &most).chars().count() <= 1_024);
}

#[test]
fn shows_a_leaderboard_by_cred_and_how_old_it_is() {
    let of = |names: &[&str], standing| {
        let mut board = board(names, 1);
        for entry in &mut board.ranked {
            entry.score = Score::Cred(entry.score.number() / 10.0);
        }
        board.cred = Some(standing);
        board
    };
    let as_of = CredStanding {
        as_of: Some(Millis(1_700_000_000_000)),
        ..CredStanding::default()
    };
    let both = CredStanding {
        github_as_of: Some(Millis(1_600_000_000_000)),
        ..as_of.clone()
    };
    let failed = CredStanding {
        failure: Some(CredFailure::Misconfigured),
        ..CredStanding::default()
    };
    let month = query(RankBy::Cred, Period::Month);
    let always = query(RankBy::Cred, Period::Always);
    let few = of(&["Ana ✨", HOSTILE], both.clone());
    assert_snapshot!(shown(&[
        leaderboard(&month, &few),
        leaderboard(&always, &of(&["Ana"], as_of.clone())),
        chart_alt_text(&month, &few),
        empty_leaderboard(&month, &of(&[], as_of)),
        empty_leaderboard(&month, &of(&[], both.clone())),
        empty_leaderboard(&month, &of(&[], failed)),
    ]));
    let most = of(&[HOSTILE; 10], both);
    assert!(leaderboard(&month, &most).chars().count() <= LONGEST_MESSAGE);
}

fn recap_of(board: Leaderboard, newcomers: u64) -> RecapReport {
    RecapReport {
        // A week from Monday, 13 November 2023.
        period: Millis(1_699_833_600_000)..Millis(1_700_438_400_000),
        thanks: 12_345,
        receivers: 1,
        board,
        newcomers: (0..newcomers).map(|id| UserId(u64::MAX - id)).collect(),
    }
}

#[test]
fn shows_a_recap_within_the_limit() {
    let some = recap_of(board(&["Ana ✨", HOSTILE], 1), 1);
    let hidden = RecapReport {
        thanks: 1,
        receivers: 0,
        ..recap_of(board(&[], 1), 0)
    };
    assert_snapshot!(shown(&[
        recap(RecapPeriod::Week, &some),
        recap(RecapPeriod::Month, &hidden),
        recap_chart_title(&some),
        recap_alt_text(&some),
        recap_failure(&HOSTILE),
    ]));
    let most = recap_of(board(&[HOSTILE; 10], 1), 50);
    let text = recap(RecapPeriod::Week, &most);
    assert!(text.chars().count() <= LONGEST_MESSAGE);
    assert!(text.ends_with("can read."), "{text}");
    assert!(recap_failure(&"x".repeat(5_000)).len() < 1_000);
}

/// The texts, with zero-width spaces and isolates made visible.
fn shown(texts: &[String]) -> String {
    visible(texts).replace(['\u{2068}', '\u{2069}'], "¦")
}

fn thanks(giver: &str, receivers: &[&str], reason: &str) -> Thanked {
    Thanked {
        at: Millis(1_700_000_000_000),
        giver: giver.to_owned(),
        receivers: receivers.iter().map(|name| (*name).to_owned()).collect(),
        reason: reason.to_owned(),
        message: (ChannelId(u64::MAX), MessageId(u64::MAX)),
    }
}

#[test]
fn shows_a_history_within_the_limit() {
    let some = HistoryReport {
        member: None,
        thanks: vec![
            thanks("Ana", &["Ben"], "the *review*\nat midnight"),
            thanks(HOSTILE, &["Ben", "Cho", "Dan"], " "),
        ],
        newer: None,
        older: Some(HistoryPage::Before(5)),
    };
    let of = |member: &str, thanks: Vec<Thanked>| HistoryReport {
        member: Some(member.to_owned()),
        thanks,
        newer: None,
        older: None,
    };
    let all = || some.thanks.clone();
    assert_snapshot!(shown(&[
        history(GUILD, None, &some),
        history(GUILD, None, &of("Ana", all())),
        history(GUILD, Some(Side::Given), &of("Ana", vec![])),
        history(GUILD, Some(Side::Received), &of(HOSTILE, vec![])),
        thanks_choice(&some.thanks[0]),
        thanks_choice(&some.thanks[1]),
    ]));
    let long = thanks(HOSTILE, &[HOSTILE; 20], &"*".repeat(500));
    let text = history(GUILD, None, &of(HOSTILE, vec![long.clone(); 5]));
    assert!(text.chars().count() <= LONGEST_MESSAGE, "{text}");
    assert!(text.ends_with('\n'), "{text}");
    assert!(thanks_choice(&long).chars().count() <= 100);
}

fn explained(no_props: Option<NoProps>) -> Explanation {
    Explanation {
        no_props,
        nodes: vec![],
        edges: vec![],
        left_out: vec![],
        idle: vec![],
        mints: 0.0,
    }
}

fn counting(many: usize) -> Explanation {
    let (ana, ben) = (
        Part::Member("Ana".to_owned()),
        Part::Member(HOSTILE.to_owned()),
    );
    let custom = Emoji {
        key: EmojiKey::Custom(EmojiId(77)),
        name: Some("wow".to_owned()),
        animated: false,
    };
    let wow = Part::Reaction(custom, "Cho".to_owned());
    let weights = EdgeWeights::default();
    let edge = |from: &Part, says: &'static str, to: &Part, weight| PartEdge {
        from: from.clone(),
        says: says.into(),
        to: to.clone(),
        weight,
    };
    let mut edges = vec![
        edge(&ana, "authors props", &Part::Props, weights.authors),
        edge(&wow, "reacts to", &Part::Props, weights.reacts_to),
    ];
    edges.extend(vec![
        edge(
            &Part::Props,
            "gives props to",
            &ben,
            weights.gives_props
        );
        many
    ]);
    let plain = Emoji {
        key: EmojiKey::Unicode("*".to_owned()),
        name: None,
        animated: false,
    };
    let by = |name: &str| Part::Reaction(plain.clone(), name.to_owned());
    let mut idle = vec![
        (by("Ana"), Some(NoReaction::Removed)),
        (by("a bot"), Some(NoReaction::ByBot)),
        (by("somebody"), Some(NoReaction::ByUnknown)),
        (by("Ana"), Some(NoReaction::NoEmoji)),
        (by("Ana"), Some(NoReaction::ToSelf)),
        (by("Ana"), Some(NoReaction::MayNotGive)),
        (by("Ana"), Some(NoReaction::TooSoon(30))),
        (
            by("Ana"),
            Some(NoReaction::OverQuota(Quota {
                count: 50,
                period: QuotaPeriod::Day,
            })),
        ),
        (by("Ana"), Some(NoReaction::NoAuthor)),
    ];
    idle.extend(vec![(by(HOSTILE), None); many]);
    Explanation {
        nodes: vec![
            PartNode {
                part: Part::Props,
                mints: Weight::ONE,
            },
            PartNode {
                part: wow,
                mints: Weight::ONE,
            },
        ],
        edges,
        left_out: vec![
            ("Ana".to_owned(), NotReceived::Giver),
            ("somebody".to_owned(), NotReceived::Unknown),
            ("PropsBot".to_owned(), NotReceived::BotAnswered),
        ],
        idle,
        mints: 2.0,
        ..explained(None)
    }
}

/// The explanation of a message whose author is thanked by a reaction.
fn thanked(like: &Explanation) -> Explanation {
    let pray = Part::Thanks(Emoji::unicode("🙏"), "Ana".to_owned());
    Explanation {
        nodes: vec![PartNode {
            part: pray,
            mints: Weight::ONE,
        }],
        edges: vec![],
        mints: 1.0,
        no_props: Some(NoProps::NoPropsChannel),
        ..like.clone()
    }
}

#[test]
fn why_lists_nodes_edges_and_weights() {
    let of = |explanation: Option<Explanation>, exported, thanked_in| Why {
        explanation,
        exported,
        thanked_in,
        cred: exported.then(|| MessageCred {
            brought: Some(1.2345),
            standing: CredStanding::default(),
            language: Language::International,
        }),
    };
    let why = |report: &Why| super::super::why(GUILD, report);
    let place = (ChannelId(5), MessageId(6));
    assert_snapshot!(shown(&[
        why(&of(Some(counting(1)), true, (vec![], false))),
        why(&of(Some(counting(0)), false, (vec![], false))),
        why(&of(None, true, (vec![place], true))),
        why(&of(Some(thanked(&counting(0))), true, (vec![], false))),
        no_link("```that one"),
        elsewhere(),
    ]));
    let reasons = [
        NoProps::ChannelDeleted,
        NoProps::MessageDeleted,
        NoProps::Withdrawn,
        NoProps::NoPropsChannel,
        NoProps::ByWebhook,
        NoProps::ByBot,
        NoProps::NotWritten,
        NoProps::NobodyThanked,
        NoProps::CommandsOnly,
        NoProps::OverQuota(Quota {
            count: 50,
            period: QuotaPeriod::Day,
        }),
    ];
    let texts =
        reasons.map(|reason| why(&of(Some(explained(Some(reason))), true, (vec![], false))));
    assert_snapshot!(shown(&texts));
    let long = why(&of(Some(counting(500)), true, (vec![place; 5], true)));
    assert!(long.chars().count() <= LONGEST_MESSAGE, "{long}");
    assert!(
        long.ends_with("\n**Cred**: it has brought **1.23** in all.\n"),
        "{long}"
    );
}
