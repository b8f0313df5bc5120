use std::collections::VecDeque;

use futures::FutureExt as _;

use super::*;
use crate::{Rest, Token};
use propsbot_network::Network;

const DAY: Duration = Duration::from_hours(24);

fn told(shards: u32, concurrency: u32, remaining: u64) -> GatewayAddress {
    GatewayAddress {
        url: "ws://127.0.0.1:9".to_owned(),
        shards,
        concurrency,
        limit: Some(StartLimit {
            remaining,
            reset_after: DAY,
        }),
    }
}

/// Nothing listens there.
fn starts(told: GatewayAddress, between: Duration) -> Arc<Starts> {
    let token = Token::new("a.b.c").unwrap();
    let rest = Rest::new(Some("http://127.0.0.1:9"), &token, &Network::default());
    Starts::new(DiscordApi::new(rest), told, between)
}

#[tokio::test]
async fn shards_share_lanes_by_their_ids() {
    for concurrency in [1, 4, 16] {
        let starts = starts(told(16, concurrency, 1_000), Duration::ZERO);
        let turn = async |id| starts.turn(Shard { id, count: 16 }).await.unwrap();
        let mut turns: VecDeque<Turn> = VecDeque::new();
        for id in 0..concurrency {
            turns.push_back(turn(id).await);
        }
        // The lanes are taken. Each turn that ends lets the next shard of its lane start.
        for id in concurrency..16 {
            assert!(turn(id).now_or_never().is_none(), "{id} of {concurrency}");
            turns.pop_front();
            turns.push_back(turn(id).await);
        }
    }
}

#[tokio::test]
async fn a_lane_waits_after_discords_answer() {
    let between = Duration::from_millis(50);
    let starts = starts(told(3, 1, 1_000), between);
    for id in 0..3 {
        let mut turn = starts.turn(Shard { id, count: 3 }).await.unwrap();
        turn.used();
        let answered = Instant::now();
        drop(turn);
        let next = starts.turn(Shard { id, count: 3 }).await.unwrap();
        assert!(answered.elapsed() >= between);
        // An unused turn costs no wait and no start.
        drop(next);
    }
    assert_eq!(starts.change(|known| known.limit.unwrap().remaining), 997);
}

#[test]
fn keeps_discords_session_start_limit() {
    let now = Instant::now();
    let mut known = Known::new(told(2, 1, 2), now);
    let of = known.take(now).unwrap();
    known.take(now).unwrap();
    // A start under way may fail, and then there is one left.
    assert!(known.take(now).unwrap_err() <= BETWEEN_STARTS);
    assert!(!known.is_fresh(now));
    known.give_back(of, false);
    let of = known.take(now).unwrap();
    known.give_back(of, true);
    known.give_back(of, true);
    let wait = known.take(now).unwrap_err();
    assert!(wait >= LONGEST_RESET && wait < LONGEST_RESET + Duration::from_secs(1));
    // After the reset, Discord is asked again.
    known.is_stale = false;
    assert!(!known.is_fresh(now + DAY));
    known.learn(told(2, 1, 0), now);
    assert!(known.used_up(now).is_some());
    let mut unlimited = told(2, 1, 0);
    unlimited.limit = None;
    known.learn(unlimited, now);
    assert_eq!(known.used_up(now), None);
}

#[test]
fn counts_starts_under_way_against_a_new_answer() {
    let now = Instant::now();
    let mut known = Known::new(told(4, 4, 4), now);
    known.take(now).unwrap();
    known.learn(told(4, 4, 2), now);
    known.take(now).unwrap();
    assert!(known.take(now).is_err());
}

#[test]
fn more_shards_must_all_be_able_to_start() {
    let now = Instant::now();
    assert!(Known::new(told(4, 1, 4), now).wants_more_than(2));
    assert!(!Known::new(told(4, 1, 3), now).wants_more_than(2));
    assert!(!Known::new(told(4, 1, 100), now).wants_more_than(4));
    assert!(!Known::new(told(2, 1, 100), now).wants_more_than(4));
}
