//! Tests of lists of reactors that contradict Discord's counts.
//!
//! One message, one emoji. Pages report a count, lists report users; either may be wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{convergence::Memory, merge};
use propsbot_mirror::ReadRows as _;
use propsbot_model::{
    Author, AuthorKind, CONTRADICTED_FOR, ChannelId, Emoji, Evidence, Fact, GuildId, Message,
    MessageId, MessageKind, Observation, Page, PagedMessage, Pending, Reaction, ReactionCount,
    ReactionEvent, Slice, Stamp, Unread, User, UserId,
};

const GUILD: GuildId = GuildId(1);
const CHANNEL: ChannelId = ChannelId(2);
const MESSAGE: MessageId = MessageId(3);
const HOUR: i64 = CONTRADICTED_FOR * 1000;

fn emoji() -> Emoji {
    Emoji::unicode("👍")
}

fn user(id: u64) -> User {
    User {
        id: UserId(id),
        username: format!("u{id}"),
        global_name: None,
        discriminator: None,
        bot: false,
        system: false,
        unread: Unread::default(),
    }
}

#[derive(Clone, Debug)]
enum Told {
    /// A page with this count. It requests the list even if the count matches.
    Count(u64, bool),
    List(BTreeSet<u64>),
    Added(u64),
    Removed(u64),
}

impl Told {
    fn list(users: impl IntoIterator<Item = u64>) -> Self {
        Self::List(users.into_iter().collect())
    }

    fn fact(&self) -> Fact {
        let event = |by| ReactionEvent {
            guild_id: GUILD,
            channel_id: CHANNEL,
            message_id: MESSAGE,
            user_id: UserId(by),
            emoji: emoji(),
            burst: false,
        };
        match self {
            Self::Count(count, again) => Fact::Page(page(*count, *again)),
            Self::List(users) => Fact::Reactors {
                guild_id: GUILD,
                channel_id: CHANNEL,
                message_id: MESSAGE,
                emoji: emoji(),
                burst: false,
                users: users.iter().copied().map(user).collect(),
            },
            Self::Added(by) => Fact::Reacted(event(*by)),
            Self::Removed(by) => Fact::Unreacted(event(*by)),
        }
    }
}

fn page(count: u64, again: bool) -> Page {
    let message = Message {
        id: MESSAGE,
        channel_id: CHANNEL,
        guild_id: GUILD,
        author: Author {
            id: UserId(1),
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: "hello".to_owned(),
        mentions: vec![],
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        unread: Unread::default(),
        earlier: Vec::new(),
    };
    let counted = ReactionCount {
        emoji: emoji(),
        normal: count,
        burst: 0,
    };
    let paged = PagedMessage {
        message,
        author: None,
        mentioned: vec![],
        counts: (count > 0).then_some(counted).into_iter().collect(),
        thread: None,
        replied: None,
    };
    Page {
        guild_id: GUILD,
        channel_id: CHANNEL,
        after: MessageId(0),
        to: MESSAGE,
        newest: true,
        messages: vec![paged],
        unreadable: vec![],
        told: vec![],
        gone: BTreeSet::new(),
        lacks_some: false,
        before: None,
        lists: again.then_some(Slice::ALL),
    }
}

/// Merges one; returns whether the list is then to be fetched.
fn tell(rows: &mut Memory, at: i64, told: &Told) -> bool {
    let by = match told {
        Told::Count(..) | Told::List(_) => Evidence::Rest,
        Told::Added(_) | Told::Removed(_) => Evidence::Gateway,
    };
    let (at, fact) = (Stamp(at), told.fact());
    !merge(rows, &Observation { at, by, fact })
        .unwrap()
        .is_empty()
}

fn known(rows: &Memory) -> Vec<u64> {
    let all: Vec<Reaction> = rows.scan(()).unwrap();
    let present = all.iter().filter(|reaction| reaction.is_present());
    present.map(|present| present.user_id.0).collect()
}

fn pending(rows: &Memory) -> Option<Pending> {
    rows.scan(()).unwrap().pop()
}

/// Merges all in order, a minute apart.
fn after(told: &[Told]) -> Memory {
    let mut rows = Memory::default();
    for (at, told) in told.iter().enumerate() {
        tell(&mut rows, minute(at), told);
    }
    rows
}

fn minute(n: usize) -> i64 {
    i64::try_from(n + 1).unwrap() * 60_000_000
}

#[test]
fn a_list_shorter_than_the_count_removes_nothing() {
    for short in [vec![], vec![11], vec![12]] {
        let mut rows = after(&[Told::Added(11), Told::Added(12), Told::Count(2, true)]);
        tell(&mut rows, HOUR, &Told::list(short.clone()));
        assert_eq!(known(&rows), [11, 12], "{short:?}");
        let list = pending(&rows).unwrap();
        assert!(list.is_contradicted() && list.is_missing(), "{list:?}");
        // Nothing is requested for an hour, whatever the pages report.
        assert!(!tell(&mut rows, HOUR + 1, &Told::Count(2, false)));
        assert!(!tell(&mut rows, HOUR + 2, &Told::Count(2, true)));
        assert!(pending(&rows).unwrap().is_contradicted());
        // A list that agrees ends the contradiction.
        tell(&mut rows, HOUR + 3, &Told::list([11, 12]));
        assert_eq!(pending(&rows), None, "{short:?}");
    }
}

#[test]
fn believes_two_equal_lists_an_hour_apart() {
    // Below the count, above it, an empty list, and a count of zero.
    for (count, users) in [
        (2, vec![]),
        (5, vec![11, 12]),
        (1, vec![11, 12, 13]),
        (0, vec![11]),
    ] {
        for (first, second) in [(HOUR, 2 * HOUR), (2 * HOUR, HOUR)] {
            let mut rows = after(&[Told::Added(10), Told::Count(count, true)]);
            let list = Told::list(users.clone());
            tell(&mut rows, first, &list);
            tell(&mut rows, HOUR + HOUR / 2, &list);
            assert!(pending(&rows).unwrap().is_contradicted(), "too soon");
            tell(&mut rows, second, &list);
            let noted = pending(&rows).unwrap();
            assert!(noted.is_settled() && !noted.is_missing(), "{noted:?}");
            assert_eq!(noted.contradiction.unwrap().listed, users.len() as u64);
            assert_eq!(known(&rows), users, "{count}");
        }
    }
}

#[test]
fn fetches_a_settled_list_only_after_a_change() {
    let settled = || {
        let mut rows = after(&[Told::Count(2, false)]);
        for at in [HOUR, 2 * HOUR] {
            tell(&mut rows, at, &Told::list([11, 12, 13]));
        }
        assert!(pending(&rows).unwrap().is_settled());
        rows
    };
    let later = 3 * HOUR;
    let mut rows = settled();
    assert!(!tell(&mut rows, later, &Told::Count(2, false)));
    // A re-read confirms the known difference.
    assert!(tell(&mut rows, later + 1, &Told::Count(2, true)));
    assert!(!pending(&rows).unwrap().is_missing());
    tell(&mut rows, later + 2, &Told::list([11, 12, 13]));
    assert!(pending(&rows).unwrap().is_settled());
    // A re-read finds a swap.
    tell(&mut rows, later + 3, &Told::Count(2, true));
    tell(&mut rows, later + 4, &Told::list([11, 12, 14]));
    assert_eq!(known(&rows), [11, 12, 14]);
    assert!(pending(&rows).unwrap().is_settled());

    // One more was received and counted: the difference stays.
    let mut rows = settled();
    tell(&mut rows, later, &Told::Added(14));
    assert!(!tell(&mut rows, later + 1, &Told::Count(3, false)));
    // One more was received but not counted, or counted but not received.
    let mut rows = settled();
    tell(&mut rows, later, &Told::Added(14));
    assert!(tell(&mut rows, later + 1, &Told::Count(2, false)));
    assert!(pending(&rows).unwrap().is_missing());
    let mut rows = settled();
    assert!(tell(&mut rows, later, &Told::Count(1, false)));
    // The count is right again.
    let mut rows = settled();
    assert!(!tell(&mut rows, later, &Told::Count(3, false)));
    assert_eq!(pending(&rows), None);
    // All were taken back.
    let mut rows = settled();
    assert!(tell(&mut rows, later, &Told::Count(0, false)));
    tell(&mut rows, later + 1, &Told::list([]));
    assert_eq!((known(&rows), pending(&rows)), (vec![], None));
}

#[test]
fn fetches_the_list_before_removing_uncounted_reactions() {
    let mut rows = after(&[Told::Added(11), Told::Count(0, false)]);
    assert_eq!(known(&rows), [11]);
    assert_eq!(pending(&rows).unwrap().count, 0);
    tell(&mut rows, HOUR, &Told::list([]));
    assert_eq!((known(&rows), pending(&rows)), (vec![], None));
}

#[test]
fn a_new_count_starts_a_new_contradiction() {
    let mut rows = after(&[Told::Count(3, false)]);
    tell(&mut rows, HOUR, &Told::list([11]));
    assert!(tell(&mut rows, HOUR + 1, &Told::Count(2, false)));
    tell(&mut rows, 2 * HOUR, &Told::list([11]));
    assert!(pending(&rows).unwrap().is_contradicted());
    // The count now matches what is known: the list is fetched once more, and agrees.
    assert!(tell(&mut rows, 2 * HOUR + 1, &Told::Count(1, false)));
    assert!(pending(&rows).unwrap().is_missing());
    tell(&mut rows, 2 * HOUR + 2, &Told::list([11]));
    assert_eq!((known(&rows), pending(&rows)), (vec![11], None));
}

#[test]
fn fetches_a_list_once_when_two_pages_need_it() {
    for again in [false, true] {
        let mut rows = after(&[]);
        assert!(tell(&mut rows, HOUR, &Told::Count(2, again)));
        assert!(!tell(&mut rows, HOUR + 1, &Told::Count(2, again)));
        assert!(tell(&mut rows, HOUR + 2, &Told::Count(3, again)));
        assert_eq!(pending(&rows).unwrap().counted, Stamp(HOUR + 2));
    }
}

fn told() -> impl Strategy<Value = Told> {
    let users = proptest::collection::btree_set(10..14u64, 0..4);
    prop_oneof![
        (0..5u64, any::<bool>()).prop_map(|(count, again)| Told::Count(count, again)),
        users.prop_map(Told::List),
        (10..14u64).prop_map(Told::Added),
        (10..14u64).prop_map(Told::Removed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// After any facts, right or wrong: once the count and the list agree, the mirror has exactly
    /// that, and nothing is left to fetch. Repeating the facts changes nothing.
    #[test]
    fn agreement_ends_every_contradiction(
        told_before in proptest::collection::vec((told(), 1..4_000_000_000i64), 0..20),
        truth in proptest::collection::btree_set(10..14u64, 0..4),
        twice in any::<bool>(),
    ) {
        let mut rows = Memory::default();
        let mut at = 0;
        for (told, wait) in &told_before {
            at += wait;
            tell(&mut rows, at, told);
            if twice {
                tell(&mut rows, at, told);
            }
        }
        let count = truth.len() as u64;
        tell(&mut rows, at + 1, &Told::Count(count, true));
        let list = Told::List(truth.clone());
        tell(&mut rows, at + 2, &list);
        if pending(&rows).is_some_and(|pending| pending.is_missing()) {
            // The count was found wrong, and is now right.
            tell(&mut rows, at + 2 + HOUR, &list);
        }
        prop_assert_eq!(known(&rows), truth.into_iter().collect::<Vec<_>>());
        prop_assert!(pending(&rows).is_none_or(|pending| !pending.is_missing()));
    }

    /// Incomplete or too long lists remove nothing within an hour, in any order, and leave the
    /// message incomplete.
    #[test]
    fn wrong_lists_remove_nothing(
        lists in proptest::collection::vec((proptest::collection::btree_set(10..18u64, 0..8), 0..59usize), 1..8),
        twice in any::<bool>(),
    ) {
        let mut told = vec![Told::Added(10), Told::Added(11), Told::Added(12), Told::Added(13)];
        told.push(Told::Count(4, true));
        let mut rows = after(&told);
        let mut wrong = false;
        for (list, at) in lists.into_iter().filter(|(list, _)| list.len() != 4) {
            wrong = true;
            for _ in 0..=usize::from(twice) {
                tell(&mut rows, minute(10 + at), &Told::List(list.clone()));
            }
        }
        prop_assert!((10..14).all(|id| known(&rows).contains(&id)));
        prop_assert_eq!(pending(&rows).unwrap().is_missing(), wrong);
    }
}
