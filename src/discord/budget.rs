//! How much may be asked of Discord in all: 48 requests a second, whatever is most urgent first, and
//! few that are refused.
//!
//! Knows no addresses and sends nothing. Buckets of single routes are `twilight-http-ratelimiting`'s.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
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

/// Requests a second, of the 50 that Discord allows a bot over all routes. Answers to interactions
/// do not count; the rest is for whatever else serenity sends. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#global-rate-limit>.
pub const PER_SECOND: NonZeroU32 = NonZeroU32::new(48).expect("48 is not 0");

/// Requests at once: with them, at most 50 pass in any second.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");

/// Requests under way, and answers that are still being dealt with: how many connections, and with
/// the limit of a body what memory they may take. More than Discord's limit needs unless an answer takes two seconds.
const AT_ONCE: usize = 100;

/// Refused requests in [`REFUSAL_WINDOW`] after which we stop asking, short of the 10,000 that get
/// an address banned. Source:
/// <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.
const REFUSALS: usize = 9_000;

/// The time in which refused requests are counted.
const REFUSAL_WINDOW: Duration = Duration::from_mins(10);

type Limiter =
    RateLimiter<state::NotKeyed, state::InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

/// Which of the requests that may all be sent goes first: the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// History of a channel whose requests will still take so long: the whole cannot be done
    /// before it.
    History(Duration),
    /// History of a props channel.
    Props(Duration),
    /// What somebody or everything else waits for.
    AtOnce,
}

/// The turn to send a request. Whoever keeps it once the answer is there says that the answer is
/// still being dealt with: only so many of them exist at a time.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
    /// Held if the answer is a large one.
    pub(super) large: Option<OwnedSemaphorePermit>,
    /// When it was given: the request is later than that.
    pub(super) given: Instant,
}

/// Who waits for a turn: by urgency, then in the order in which they came.
struct Waiting {
    rank: (Urgency, Reverse<u64>),
    turn: oneshot::Sender<Permit>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The budget of all routes together.
///
/// At Discord's own origin it is always in force. Another origin that answers without naming
/// limits either has none or is a proxy that keeps them for us: from its first such answer the
/// budget is lifted, until it does name one.
pub(super) struct Budget {
    shared: Arc<Shared>,
    _handing_out: AbortOnDropHandle<()>,
    refusals: Mutex<VecDeque<Instant>>,
}

struct Shared {
    limiter: Limiter,
    places: Arc<Semaphore>,
    waiting: Mutex<BinaryHeap<Waiting>>,
    came: Notify,
    number: AtomicU64,
    /// Limits are known to exist.
    limited: AtomicBool,
    lifted: AtomicBool,
    pause: Mutex<Pause>,
    /// The pause is over before its time.
    resumed: Notify,
}

impl Budget {
    /// `official`: the origin is Discord's own. Must be called within a tokio runtime.
    pub(super) fn new(official: bool) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        let shared = Arc::new(Shared {
            // Not governor's default clock: calibrating that one costs up to 0.2 s at the start.
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

    /// Whether the server limits nothing that we would have to keep.
    pub(super) fn is_lifted(&self) -> bool {
        self.shared.lifted.load(Ordering::Relaxed)
    }

    /// Waits until one more request may be sent, and no other is more urgent.
    pub(super) async fn turn(&self, urgency: Urgency) -> Permit {
        let (turn, given) = oneshot::channel();
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        let rank = (urgency, Reverse(number));
        lock(&self.shared.waiting).push(Waiting { rank, turn });
        self.shared.came.notify_one();
        given
            .await
            .expect("whoever hands out turns goes on for as long as the budget")
    }

    /// Takes note of an answer: whether it named a limit or was a 429.
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

    /// Holds all requests back for a while: a request of this time was answered by a global 429.
    /// Returns whether this begins a pause.
    pub(super) fn pause(&self, wait: Duration, sent: Instant) -> bool {
        lock(&self.shared.pause).ask(wait, sent, Instant::now())
    }

    /// A request of this time was answered. Returns how long the pause lasted that this ends, if it was
    /// told of.
    pub(super) fn answered(&self, sent: Instant) -> Option<Duration> {
        let (is_told, lasted) = lock(&self.shared.pause).answered(sent, Instant::now())?;
        self.shared.resumed.notify_one();
        is_told.then_some(lasted)
    }

    /// How much of a pause is left.
    pub(super) fn paused(&self) -> Option<Duration> {
        lock(&self.shared.pause).left(Instant::now())
    }

    /// Counts an answer of 401, 403, or a 429 that was our fault.
    pub(super) fn refused(&self) {
        lock(&self.refusals).push_back(Instant::now());
    }

    /// How long to ask nothing, where too much was refused of late.
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
    /// Gives one turn after the other, for as long as there is a budget.
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

    /// Gives the turn to the most urgent of those who still wait.
    fn give(&self, mut turn: Permit) {
        loop {
            let Some(first) = lock(&self.waiting).pop() else {
                return;
            };
            match first.turn.send(turn) {
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
    async fn discord_itself_is_always_limited() {
        let budget = Budget::new(true);
        budget.note(false);
        assert!(!budget.is_lifted());
    }

    #[tokio::test]
    async fn another_origin_is_limited_until_it_answers_without_limits_and_from_when_it_names_one()
    {
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

    /// What is most urgent goes first, equals in their order; who gave up waiting takes no turn.
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

    /// Answers that are still held count as if they were under way.
    #[tokio::test]
    async fn holds_back_while_answers_are_dealt_with() {
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
