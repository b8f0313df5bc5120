use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use propsbot_model::{ChannelKind, Evidence, GuildId, Interval, Stamp};

fn covered(pairs: &[(u64, u64)]) -> Coverage {
    let mut coverage = Coverage::unknown(GuildId(1), ChannelId(1));
    for (after, to) in pairs {
        coverage.add(Interval {
            after: MessageId(*after),
            to: MessageId(*to),
            by: Evidence::Rest,
            since: Stamp(0),
        });
    }
    coverage
}

/// Coverage, Discord's last message, and the expected reads, newest first; 0 for "the newest".
#[test]
fn reads_what_is_not_covered() {
    type Case<'a> = (Option<&'a [(u64, u64)]>, Option<u64>, &'a [(u64, u64)]);
    let cases: [Case<'_>; 9] = [
        (None, Some(9), &[(0, 0)]),
        (None, None, &[(0, 0)]),
        (Some(&[(0, 9)]), Some(9), &[]),
        (Some(&[(0, 9)]), Some(12), &[(9, 0)]),
        (Some(&[(0, 9)]), Some(7), &[(9, 0)]),
        (Some(&[(0, 9)]), None, &[(9, 0)]),
        (Some(&[]), None, &[(0, 0)]),
        (Some(&[(0, 2), (5, 9)]), Some(9), &[(2, 5)]),
        (Some(&[(3, 9)]), None, &[(9, 0), (0, 3)]),
    ];
    for (known, last, expected) in cases {
        let known = known.map(covered);
        let found = reads(known.as_ref(), last.map(MessageId), LookBack::default());
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.after.0, found.to.unwrap_or_default().0))
            .collect();
        assert_eq!(found, expected, "{known:?} {last:?}");
    }
}

#[test]
fn reads_recent_messages_again() {
    let now = Millis(1_760_000_000_000);
    let (old, recent) = (MessageId::at(Millis(now.0 - 1000)), MessageId::at(now));
    let read = |top: MessageId| {
        let mut known = covered(&[(0, top.0)]);
        known.unseen_since = Some(Millis(now.0 + 500).into());
        let look_back = LookBack {
            window: 700,
            ahead: 200,
        };
        reads(Some(&known), Some(top), look_back)
    };
    assert_eq!(read(old), []);
    let again = Read {
        after: MessageId(recent.0 - 1),
        to: None,
    };
    assert_eq!(read(recent), [again]);
}

/// A live channel missed Discord's last message: read the newest and go live again.
#[test]
fn reads_the_newest_messages_of_a_lagging_live_channel() {
    let session = Some(3);
    let known = |top: u64| {
        let mut coverage = covered(&[(0, top)]);
        coverage.live = Some(propsbot_model::Live {
            session: 3,
            after: MessageId(top),
            since: Stamp(0),
        });
        BTreeMap::from([(ChannelId(1), coverage)])
    };
    let world = BTreeMap::from([(ChannelId(1), BTreeSet::from([5, 9]))]);
    let settings = Settings::default_for(propsbot_model::GuildId(1));
    for (top, reads) in [(9, 0), (12, 0), (5, 1)] {
        let settled = Settled {
            coverage: &known(top),
            newest: &BTreeMap::new(),
            pending: Vec::new(),
            settings: &settings,
            session,
            look_back: LookBack::default(),
            recheck: None,
            now: Millis(1_760_000_000_000),
        };
        let plan = plan(&described(&world, true), settled);
        let channel = &plan.channels[0];
        assert_eq!(channel.reads.len(), reads, "known to {top}");
        assert_eq!(channel.go_live, session.filter(|_| reads > 0));
    }
}

#[test]
fn lists_threads_archived_since_the_last_list() {
    let at = |ms: i64| Stamp::from(Millis(ms));
    let now = at(1_760_000_000_000);
    let since = |listed| archived_since(listed, now);
    assert_eq!(since(None), Millis(0));
    let leeway = 600_000;
    assert_eq!(since(Some(now)), Millis(1_760_000_000_000 - leeway));
    // Recorded while the clock was wrong.
    assert_eq!(since(Some(at(1_770_000_000_000))), Millis(0));
}

/// Page size in the small worlds below.
const PAGE: usize = 3;

/// A channel: its messages, its coverage, and whether Discord names its last message.
type Place = (BTreeSet<u64>, Vec<(u64, u64)>);

fn place() -> impl Strategy<Value = Place> {
    (
        proptest::collection::btree_set(1..60u64, 0..20),
        proptest::collection::vec((0..60u64, 0..60u64), 0..5),
    )
}

fn described(world: &BTreeMap<ChannelId, BTreeSet<u64>>, tells_last: bool) -> Described {
    let guild = Guild {
        id: propsbot_model::GuildId(1),
        name: String::new(),
        owner_id: UserId(1),
        unread: propsbot_model::Unread::default(),
    };
    let everyone = Role {
        id: RoleId(1),
        guild_id: guild.id,
        name: String::new(),
        position: 0,
        permissions: u64::MAX,
        managed: false,
        unread: propsbot_model::Unread::default(),
    };
    let channels = world.iter().map(|(id, messages)| Listed {
        channel: Channel {
            id: *id,
            guild_id: guild.id,
            kind: ChannelKind::TEXT,
            name: format!("channel{id}"),
            parent_id: None,
            position: 0,
            nsfw: false,
            overwrites: Vec::new(),
            thread: None,
            unread: propsbot_model::Unread::default(),
        },
        last_message_id: messages
            .last()
            .filter(|_| tells_last)
            .map(|id| MessageId(*id)),
    });
    Described {
        at: Stamp(0),
        channels: channels.collect(),
        guild,
        roles: vec![everyone],
        bot: UserId(2),
        bot_roles: Vec::new(),
        kept_threads: BTreeSet::new(),
    }
}

/// The newest covered message of each channel.
fn newest_known(
    world: &BTreeMap<ChannelId, BTreeSet<u64>>,
    ledger: &BTreeMap<ChannelId, Coverage>,
) -> BTreeMap<ChannelId, MessageId> {
    let newest = ledger.iter().filter_map(|(id, known)| {
        let mut messages = world[id].iter().rev().map(|id| MessageId(*id));
        Some((*id, messages.find(|message| known.covers(*message))?))
    });
    newest.collect()
}

/// Runs a plan in a world; returns its requests.
fn carry_out(
    plan: &Plan,
    world: &BTreeMap<ChannelId, BTreeSet<u64>>,
    ledger: &mut BTreeMap<ChannelId, Coverage>,
) -> Vec<(ChannelId, u64)> {
    let mut requests = Vec::new();
    for channel in &plan.channels {
        let id = channel.channel_id;
        let coverage = ledger
            .entry(id)
            .or_insert(Coverage::unknown(GuildId(1), id));
        for read in &channel.reads {
            let mut before = read.to.map_or(u64::MAX, |to| to.0 + 1);
            loop {
                requests.push((id, before));
                let page: Vec<u64> = world[&id]
                    .range(..before)
                    .rev()
                    .take(PAGE)
                    .copied()
                    .collect();
                let oldest = page.last().copied().unwrap_or_default();
                let after = if page.len() < PAGE { 0 } else { oldest - 1 };
                let to = match before {
                    u64::MAX => page.first().copied().unwrap_or_default(),
                    before => before - 1,
                };
                coverage.add(Interval {
                    after: MessageId(after),
                    to: MessageId(to),
                    by: Evidence::Rest,
                    since: Stamp(0),
                });
                if after <= read.after.0 {
                    break;
                }
                before = oldest;
            }
        }
    }
    requests
}

proptest! {
    /// For any world and coverage, the plan covers everything, reads nothing twice, reads nothing
    /// that was covered except on a shared page, and leaves nothing for the next plan.
    #[test]
    fn a_plan_covers_everything_once(
        places in proptest::collection::vec(place(), 1..4),
        names_last in any::<bool>(),
    ) {
        let mut world = BTreeMap::new();
        let mut ledger = BTreeMap::new();
        for (n, (messages, known)) in places.into_iter().enumerate() {
            let id = ChannelId(n as u64 + 10);
            let mut coverage = covered(&known);
            coverage.channel_id = id;
            world.insert(id, messages);
            if !known.is_empty() {
                ledger.insert(id, coverage);
            }
        }
        let settings = Settings::default_for(propsbot_model::GuildId(1));
        let known = |ledger: &BTreeMap<ChannelId, Coverage>| {
            let newest = newest_known(&world, ledger);
            let described = described(&world, names_last);
            plan(&described, Settled {
                recheck: None,
                coverage: ledger,
                newest: &newest,
                pending: Vec::new(),
                settings: &settings,
                session: None,
                look_back: LookBack::default(),
                now: Millis(1_760_000_000_000),
            })
        };
        // The planner can't tell an empty world from one without last messages.
        let tells_last = names_last && world.values().any(|world| !world.is_empty());
        let before = ledger.clone();
        let first = known(&ledger);
        let requests = carry_out(&first, &world, &mut ledger);
        let distinct: BTreeSet<_> = requests.iter().collect();
        prop_assert_eq!(distinct.len(), requests.len(), "{:?}", requests);
        for (id, messages) in &world {
            let last = MessageId(messages.last().copied().unwrap_or_default());
            prop_assert_eq!(ledger[id].gaps(last), vec![]);
            let is_whole = |coverage: &Coverage| coverage.gaps(last).is_empty() && coverage.top() == last;
            if tells_last && before.get(id).is_some_and(is_whole) {
                prop_assert!(requests.iter().all(|(asked, _)| asked != id));
            }
        }
        let again = known(&ledger);
        prop_assert_eq!(uncovered(&again, &ledger), vec![]);
        if tells_last {
            let reads: usize = again.channels.iter().map(|channel| channel.reads.len()).sum();
            prop_assert_eq!(reads, 0, "{:?}", again);
        }
    }
}

#[test]
fn merges_overlapping_reads() {
    let range = |after, to| IdRange {
        after: MessageId(after),
        to: MessageId(to),
    };
    let read = |after, to: Option<u64>| Read {
        after: MessageId(after),
        to: to.map(MessageId),
    };
    let reads = [read(50, None), read(10, Some(20))];
    for (ranges, expected) in [
        (vec![], reads.to_vec()),
        (vec![range(60, 70)], reads.to_vec()),
        (vec![range(15, 60)], vec![read(10, None)]),
        (
            vec![range(2, 5), range(20, 30)],
            vec![read(50, None), read(10, Some(30)), read(2, Some(5))],
        ),
    ] {
        assert_eq!(united(&reads, &ranges), expected, "{ranges:?}");
    }
}

/// Coverage that ends with a time goes on after the newest message. Discord's last message is trusted if it
/// is ours.
#[test]
fn trusts_a_last_message_that_is_our_newest() {
    let settings = Settings::default_for(GuildId(1));
    // Coverage's end, our newest message, Discord's last one; whether the newest are read, and the witness.
    for (top, newest, last, reads, witness) in [
        (9, Some(5), Some(5), false, 5),
        (9, Some(5), Some(7), true, 7),
        (9, Some(5), Some(4), true, 4),
        (9, None, None, false, 9),
        (9, Some(5), None, true, 5),
        (9, Some(9), Some(9), false, 9),
        (9, Some(9), Some(5), true, 5),
        (5, Some(9), Some(9), true, 9),
    ] {
        let settled = Settled {
            coverage: &BTreeMap::from([(ChannelId(1), covered(&[(0, top)]))]),
            newest: &newest
                .map(|id| (ChannelId(1), MessageId(id)))
                .into_iter()
                .collect(),
            pending: Vec::new(),
            settings: &settings,
            session: None,
            look_back: LookBack::default(),
            recheck: None,
            now: Millis(1_760_000_000_000),
        };
        // Another channel has a message, so Discord tells last messages.
        let world = BTreeMap::from([
            (ChannelId(1), last.into_iter().collect()),
            (ChannelId(2), BTreeSet::from([3])),
        ]);
        let plan = plan(&described(&world, true), settled);
        let mut channels = plan.channels.iter();
        let channel = channels
            .find(|channel| channel.channel_id == ChannelId(1))
            .unwrap();
        let case = format!("{top} {newest:?} {last:?}");
        assert_eq!(!channel.reads.is_empty(), reads, "{case}");
        assert_eq!(channel.witness, Some(MessageId(witness)), "{case}");
    }
}

/// A last message id from the future is ignored: the newest messages are read.
#[test]
fn ignores_a_last_message_from_the_future() {
    let now = Millis(1_760_000_000_000);
    let settings = Settings::default_for(propsbot_model::GuildId(1));
    let hour = 3_600_000;
    for (last, is_believed) in [(now.0, true), (now.0 + 1_000, true), (now.0 + hour, false)] {
        let last = MessageId::at(Millis(last));
        let world = BTreeMap::from([(ChannelId(1), BTreeSet::from([last.0]))]);
        let settled = Settled {
            coverage: &BTreeMap::from([(ChannelId(1), covered(&[(0, 5)]))]),
            newest: &BTreeMap::new(),
            pending: Vec::new(),
            settings: &settings,
            session: None,
            look_back: LookBack::default(),
            recheck: None,
            now,
        };
        let plan = plan(&described(&world, true), settled);
        let channel = &plan.channels[0];
        assert_eq!(channel.last_message_id, is_believed.then_some(last));
        assert_eq!(channel.reads.len(), 1);
    }
}
