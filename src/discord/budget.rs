//! The budget across all routes: 48 requests per second, most urgent first.
//!
//! Also stops before too many refusals get the address banned. `twilight-http-ratelimiting` keeps
//! the buckets of single routes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::MonotonicClock, middleware::NoOpMiddleware, state};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::pause::{Next, Pause};

/// Requests per second, of the 50 that Discord allows a bot over all routes. The rest is for what
/// serenity sends; answers to interactions don't count. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#global-rate-limit>.
pub const PER_SECOND: NonZeroU32 = NonZeroU32::new(48).expect("48 is not 0");

/// Burst size: with it, at most 50 requests pass in any second.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

/// Requests in flight, including answers still being processed. Bounds connections and, with the
/// body limit, memory. Discord's limit needs fewer unless answers take two seconds.
const AT_ONCE: usize = 100;

/// Refused requests per [`REFUSAL_WINDOW`] after which we stop; Discord bans an address at 10,000.
/// Source:
/// <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.
const REFUSALS: usize = 9_000;

const REFUSAL_WINDOW: Duration = Duration::from_mins(10);

type Limiter =
    RateLimiter<state::NotKeyed, state::InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

/// Priority of a request; the greatest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Channel history, by how long the channel's requests will still take: the longest channel
    /// determines when everything is done.
    History(Duration),
    /// The same for a props channel.
    Props(Duration),
    /// Something or someone is waiting for it.
    AtOnce,
}

/// Permission to send a request. Keep it while processing the answer: their number is bounded.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
    /// Held for a large answer.
    pub(super) large: Option<OwnedSemaphorePermit>,
    /// When it was given; the request is sent later.
    pub(super) given: Instant,
}

/// A waiter's rank, by urgency, then by arrival; the last one goes first.
type Rank = (Urgency, Reverse<u64>);

/// The budget across all routes.
///
/// Discord's own origin is always limited. Another origin whose answers name no limits has none, or
/// is a proxy that keeps them for us: the budget is lifted until an answer names one.
pub(super) struct Budget {
    shared: Arc<Shared>,
    _handing_out: AbortOnDropHandle<()>,
    refusals: Mutex<VecDeque<Instant>>,
}

struct Shared {
    limiter: Limiter,
    places: Arc<Semaphore>,
    waiting: Mutex<BTreeMap<Rank, oneshot::Sender<Permit>>>,
    came: Notify,
    number: AtomicU64,
    /// Limits are known to exist.
    limited: AtomicBool,
    lifted: AtomicBool,
    pause: Mutex<Pause>,
    /// The pause ended early.
    resumed: Notify,
}

impl Budget {
    /// Creates a budget; `official` for Discord's own origin. Call it within a tokio runtime.
    pub(super) fn new(official: bool) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        let shared = Arc::new(Shared {
            // governor's default clock takes up to 0.2 s to calibrate at startup.
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Mutex::default(),
            came: Notify::new(),
            number: AtomicU64::new(0),
            limited: AtomicBool::new(official),
            lifted: AtomicBool::new(false),
            pause: Mutex::default(),
            resumed: Notify::new(),
        });
        let handing_out = tokio::spawn(Arc::clone(&shared).hand_out());
        Self {
            shared,
            _handing_out: AbortOnDropHandle::new(handing_out),
            refusals: Mutex::new(VecDeque::new()),
        }
    }

    /// Returns whether the server has no limits to keep.
    pub(super) fn is_lifted(&self) -> bool {
        self.shared.lifted.load(Ordering::Relaxed)
    }

    /// Waits until a request may be sent and none is more urgent.
    pub(super) async fn turn(&self, urgency: Urgency) -> Permit {
        let (turn, given) = oneshot::channel();
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.waiting).insert((urgency, Reverse(number)), turn);
        self.shared.came.notify_one();
        given
            .await
            .expect("the task that hands out permits lives as long as the budget")
    }

    /// Records whether an answer named a limit or was a 429.
    pub(super) fn note(&self, limits: bool) {
        let Shared {
            limited, lifted, ..
        } = &*self.shared;
        if limits {
            limited.store(true, Ordering::Relaxed);
            lifted.store(false, Ordering::Relaxed);
        } else if !limited.load(Ordering::Relaxed) {
            lifted.store(true, Ordering::Relaxed);
        }
    }

    /// Pauses all requests after a global 429 to a request sent at `sent`.
    /// Returns whether to report it.
    pub(super) fn pause(&self, wait: Duration, sent: Instant) -> bool {
        lock(&self.shared.pause).ask(wait, sent, Instant::now())
    }

    /// Ends a pause when a later request is answered; returns how long it lasted if it was
    /// reported.
    pub(super) fn answered(&self, sent: Instant) -> Option<Duration> {
        let (is_told, lasted) = lock(&self.shared.pause).answered(sent, Instant::now())?;
        self.shared.resumed.notify_one();
        is_told.then_some(lasted)
    }

    /// Returns how much of a pause is left.
    pub(super) fn paused(&self) -> Option<Duration> {
        lock(&self.shared.pause).left(Instant::now())
    }

    /// Counts an answer of 401, 403, or a 429 that was our fault.
    pub(super) fn refused(&self) {
        lock(&self.refusals).push_back(Instant::now());
    }

    /// Returns how long to send nothing after too many recent refusals.
    pub(super) fn must_stop(&self) -> Option<Duration> {
        let mut refusals = lock(&self.refusals);
        let now = Instant::now();
        while let Some(first) = refusals.front() {
            let age = now.duration_since(*first);
            if age < REFUSAL_WINDOW {
                return (refusals.len() >= REFUSALS).then(|| REFUSAL_WINDOW.saturating_sub(age));
            }
            refusals.pop_front();
        }
        None
    }
}

impl Shared {
    /// Hands out permits one by one, as long as the budget lives.
    async fn hand_out(self: Arc<Self>) {
        loop {
            while lock(&self.waiting).is_empty() {
                self.came.notified().await;
            }
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("places are never closed");
            if !self.lifted.load(Ordering::Relaxed) {
                self.limiter.until_ready().await;
            }
            while let Next::Wait(until) = self.next() {
                tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => {}
                    () = self.resumed.notified() => {}
                }
            }
            self.give(Permit {
                _place: place,
                large: None,
                given: Instant::now(),
            });
        }
    }

    /// Gives the permit to the most urgent request still waiting.
    fn give(&self, mut turn: Permit) {
        loop {
            let Some((_, first)) = lock(&self.waiting).pop_last() else {
                return;
            };
            match first.send(turn) {
                Ok(()) => return,
                Err(back) => turn = back,
            }
        }
    }

    fn next(&self) -> Next {
        lock(&self.pause).next(Instant::now())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn always_limits_discord_itself() {
        let budget = Budget::new(true);
        budget.note(false);
        assert!(!budget.is_lifted());
    }

    #[tokio::test]
    async fn another_origin_decides_by_naming_limits() {
        let budget = Budget::new(false);
        assert!(!budget.is_lifted());
        budget.note(false);
        assert!(budget.is_lifted());
        budget.note(true);
        assert!(!budget.is_lifted());
        budget.note(false);
        assert!(!budget.is_lifted(), "it was seen to limit");
    }

    #[tokio::test]
    async fn stops_before_the_address_is_banned() {
        let budget = Budget::new(true);
        for _ in 1..REFUSALS {
            budget.refused();
        }
        assert_eq!(budget.must_stop(), None);
        budget.refused();
        assert!(
            budget
                .must_stop()
                .is_some_and(|wait| wait <= REFUSAL_WINDOW)
        );
    }

    #[tokio::test]
    async fn lets_no_more_than_50_through_in_any_second() {
        let budget = Budget::new(true);
        let mut sent = Vec::new();
        for _ in 0..60 {
            drop(budget.turn(Urgency::AtOnce).await);
            sent.push(Instant::now());
        }
        for (first, fifty_later) in sent.iter().zip(&sent[50..]) {
            let took = fifty_later.duration_since(*first);
            assert!(took >= Duration::from_secs(1), "{took:?}");
        }
    }

    /// Most urgent first, equals in order of arrival; abandoned requests take no permit.
    #[tokio::test]
    async fn the_most_urgent_goes_first() {
        let budget = Arc::new(Budget::new(true));
        let order = Arc::new(Mutex::new(Vec::new()));
        budget.pause(Duration::from_millis(100), Instant::now());
        let history = |seconds| Urgency::History(Duration::from_secs(seconds));
        let waits = [
            history(5),
            history(9),
            history(5),
            Urgency::Props(Duration::ZERO),
            Urgency::AtOnce,
        ];
        let gone = tokio::time::timeout(Duration::from_millis(1), budget.turn(Urgency::AtOnce));
        assert!(gone.await.is_err());
        let mut tasks = tokio::task::JoinSet::new();
        for (number, urgency) in waits.into_iter().enumerate() {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.spawn(async move {
                let _turn = budget.turn(urgency).await;
                lock(&order).push(number);
            });
        }
        tasks.join_all().await;
        assert_eq!(*lock(&order), [4, 3, 1, 0, 2]);
    }

    /// Answers still held count as in flight.
    #[tokio::test]
    async fn waits_while_too_many_answers_are_processed() {
        let budget = Budget::new(false);
        budget.note(false);
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(budget.turn(Urgency::AtOnce).await);
        }
        let mut next = Box::pin(budget.turn(Urgency::AtOnce));
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut next).await;
        assert!(waited.is_err());
        held.pop();
        next.await;
    }
}
