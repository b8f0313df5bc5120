//! Asking Discord over REST: one client that keeps Discord's limits, tries again where that helps,
//! and tells apart what does not.
//!
//! Owns requests and their outcome. Refuses to know what an answer means: see `history`.
//! Source: <https://discord.com/developers/docs/topics/rate-limits>.

mod forward;
mod refusal;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Client, Method, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use twilight_http_ratelimiting::{Endpoint, RateLimiter};

pub use self::forward::Forwarder;
use self::refusal::Refusal;
use super::{
    OFFICIAL_ORIGIN, Pace, RestError, Route, Token,
    budget::{Budget, Permit, Urgency},
    headers::{ahead, limits},
    outage::Outage,
    pause::DOUBTED,
};
use propsbot_model::Millis;
use propsbot_network::{
    Network,
    body::{BodyError, BodyLimit},
    cause,
};

/// What Discord asks every client to call itself. Source:
/// <https://discord.com/developers/docs/reference#user-agent>.
pub(super) const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/sourcecred, ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// How large an answer may be, and how large few are: a page of 100 messages has some 100 KB, and can
/// have about 30 MB if each of them has all that Discord allows.
const LARGEST_ANSWER: usize = 32 << 20;
const USUAL_ANSWER: usize = 512 << 10;

/// How long an answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of Discord's REST interface. Cheap to clone; clones share the limits.
#[derive(Clone)]
pub struct Rest {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    network: Network,
    bodies: BodyLimit,
    /// The origin and `/api/v10/`.
    base: String,
    authorization: HeaderValue,
    /// Each bucket: what is left of it, and one request in flight.
    buckets: RateLimiter,
    /// All buckets together.
    budget: Budget,
    /// By how many milliseconds Discord's clock was ahead of ours at its last answer.
    ahead: AtomicI64,
    /// What the answers told of the limits.
    pace: Mutex<Pace>,
    /// Requests sent so far.
    sent: AtomicU64,
    /// Asks whether a long pause still holds, where nobody else does.
    trying: Mutex<Option<AbortOnDropHandle<()>>>,
    outage: Outage,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("base", &self.inner.base)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// A client for `origin` (such as `http://127.0.0.1:3005`), or for Discord itself.
    ///
    /// Must be called within a tokio runtime, which then keeps the limits for as long as there is
    /// a clone.
    pub fn new(origin: Option<&str>, token: &Token, network: &Network) -> Self {
        let origin = origin.unwrap_or(OFFICIAL_ORIGIN).trim_end_matches('/');
        let client = network
            .client()
            .gzip(true)
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()
            .expect("a client can be built of what was checked when it was read");
        Self {
            inner: Arc::new(Inner {
                client,
                network: network.clone(),
                bodies: BodyLimit::new(USUAL_ANSWER, LARGEST_ANSWER),
                base: format!("{origin}/api/v10/"),
                authorization: token.authorization(),
                // Its own global limit would neither know ours nor keep a reserve.
                buckets: RateLimiter::new(u16::MAX),
                budget: Budget::new(origin == OFFICIAL_ORIGIN),
                ahead: AtomicI64::new(0),
                pace: Mutex::new(Pace::USUAL),
                sent: AtomicU64::new(0),
                trying: Mutex::default(),
                outage: Outage::new(),
            }),
        }
    }

    /// How its connections are made.
    pub fn network(&self) -> &Network {
        &self.inner.network
    }

    /// What Discord's clock tells at this time of ours, as of its last answer.
    pub fn discord_time(&self, ours: Millis) -> Millis {
        Millis(ours.0 + self.inner.ahead.load(Ordering::Relaxed))
    }

    /// How fast history can be read, as far as the answers have told.
    pub fn pace(&self) -> Pace {
        if self.inner.budget.is_lifted() {
            return Pace::UNLIMITED;
        }
        *self.inner.pace()
    }

    /// How many requests were sent so far, by this client and its clones.
    pub fn sent(&self) -> u64 {
        self.inner.sent.load(Ordering::Relaxed)
    }

    /// How long nothing is asked, because Discord wants a pause of all requests.
    pub fn paused(&self) -> Option<Duration> {
        self.inner.budget.paused()
    }

    /// Why Discord does not answer, as long as it does not.
    pub fn outages(&self) -> watch::Receiver<Option<String>> {
        self.inner.outage.watch()
    }

    /// Whether an outage was told: what fails because of it need not be told too.
    pub fn is_out(&self) -> bool {
        self.inner.outage.watch().borrow().is_some()
    }

    /// Asks for `route` and reads the answer with `read`. An answer that cannot be read is asked
    /// for again, as one that does not come: it may have been cut, or be a proxy's.
    pub async fn get<T>(
        &self,
        route: &Route<'_>,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, RestError> {
        let answer = self.get_and_hold(route, Urgency::AtOnce, read).await?;
        Ok(answer.0)
    }

    /// As [`Self::get`], after all that is more urgent. Until the turn is dropped the answer counts
    /// as being dealt with. Whoever holds one must not wait for another request.
    pub async fn get_and_hold<T>(
        &self,
        route: &Route<'_>,
        urgency: Urgency,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, Permit), RestError> {
        self.ask(&Method::GET, route, None, urgency, read).await
    }

    /// Replaces what is at `route` by this JSON.
    pub async fn put(&self, route: &Route<'_>, json: Vec<u8>) -> Result<(), RestError> {
        let put = self.ask(&Method::PUT, route, Some(json), Urgency::AtOnce, |_| Ok(()));
        put.await.map(|_| ())
    }

    /// Adds this JSON at `route`, and reads the answer with `read`. It is sent again where no answer
    /// came: what must not be there twice has to say so itself.
    pub async fn post<T>(
        &self,
        route: &Route<'_>,
        json: Vec<u8>,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, RestError> {
        let post = self.ask(&Method::POST, route, Some(json), Urgency::AtOnce, read);
        post.await.map(|(answer, _)| answer)
    }

    /// Makes what is at `route` be there, which takes no words.
    pub async fn touch(&self, route: &Route<'_>) -> Result<(), RestError> {
        let put = self.ask(&Method::PUT, route, None, Urgency::AtOnce, |_| Ok(()));
        put.await.map(|_| ())
    }

    /// Deletes what is at `route`.
    pub async fn delete(&self, route: &Route<'_>) -> Result<(), RestError> {
        let delete = self.ask(&Method::DELETE, route, None, Urgency::AtOnce, |_| Ok(()));
        delete.await.map(|_| ())
    }

    /// Asks until there is a final answer: 5 more times where that may help, obeying the waits
    /// that Discord asks for. A refusal to read something is believed the second time, and a refused
    /// token only if `GET /users/@me` refuses it too.
    async fn ask<T>(
        &self,
        method: &Method,
        route: &Route<'_>,
        body: Option<Vec<u8>>,
        urgency: Urgency,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<(T, Permit), RestError> {
        let address = format!("{}{}", self.inner.base, route.address());
        let url = Url::parse(&address).map_err(|error| RestError::Unreachable {
            what: address.clone(),
            cause: format!("not an address ({error}); check DISCORD_API_URL"),
        })?;
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(5)
            .with_jitter();
        let once = async || {
            let asked = self.inner.once(method, route, &url, body.clone(), urgency);
            let (answer, turn) = asked.await?;
            let answer = read(&answer).map_err(|error| RestError::unreadable(route, &error))?;
            Ok((answer, turn))
        };
        let begun = Instant::now();
        let doubted = AtomicBool::new(*method != Method::GET);
        let doubts = |rest_error: &RestError| {
            rest_error.is_doubtful() && !doubted.swap(true, Ordering::Relaxed)
        };
        let answer = once
            .retry(waits)
            .when(|error: &RestError| error.retry().is_some() || doubts(error))
            .adjust(|error, next| Some(next?.max(error.retry().unwrap_or_default())))
            .notify(|error, wait| tracing::debug!(%error, ?wait, "asking Discord again"))
            .await;
        if let Err(error @ (RestError::Unreachable { .. } | RestError::Failing { .. })) = &answer {
            let why = match error {
                RestError::Failing { .. } => format!("{}: {error}", self.inner.way()),
                error => error.to_string(),
            };
            self.inner.outage.failed(begun, &why);
        }
        if answer.is_err() && self.paused().is_some_and(|left| left > DOUBTED) {
            self.try_until_resumed();
        }
        match answer {
            Err(RestError::BadToken) if self.is_token_good().await => Err(RestError::Failing {
                what: route.to_string(),
                status: StatusCode::UNAUTHORIZED.as_u16(),
            }),
            answer => answer,
        }
    }

    /// Has one request wait for the end of the pause, so that its end is noticed.
    fn try_until_resumed(&self) {
        let mut trying = self
            .inner
            .trying
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if trying.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let rest = self.clone();
        let task = tokio::spawn(async move {
            while rest.paused().is_some() {
                rest.is_token_good().await;
                // What fails without being sent fails at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        *trying = Some(AbortOnDropHandle::new(task));
    }

    /// Whether the token may still be good, whatever was refused because of it: unless Discord says no.
    async fn is_token_good(&self) -> bool {
        let me = &Route::Me;
        let Ok(url) = Url::parse(&format!("{}{}", self.inner.base, me.address())) else {
            return false;
        };
        let asked = self
            .inner
            .once(&Method::GET, me, &url, None, Urgency::AtOnce);
        !matches!(asked.await, Err(RestError::BadToken))
    }
}

impl Inner {
    async fn once(
        &self,
        method: &Method,
        route: &Route<'_>,
        url: &Url,
        body: Option<Vec<u8>>,
        urgency: Urgency,
    ) -> Result<(impl Deref<Target = [u8]> + use<>, Permit), RestError> {
        if let Some(wait) = self.budget.must_stop() {
            let what = route.to_string();
            return Err(RestError::TooManyRefused { what, wait });
        }
        // A server without limits has no buckets to wait for.
        let permit = if self.budget.is_lifted() {
            None
        } else {
            Some(self.buckets.acquire(endpoint(method, route)).await)
        };
        let mut turn = self.budget.turn(urgency).await;

        let mut request = self
            .client
            .request(method.clone(), url.clone())
            .header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body);
        }
        let sent = Instant::now();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(route, &error))?;
        let status = answer.status();
        tracing::trace!(%method, %route, status = status.as_u16(), took = ?sent.elapsed(), "asked Discord");

        if !status.is_server_error() {
            self.outage.answered(Instant::now());
        }
        if let Some(ahead) = ahead(answer.headers()) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        let limits = limits(answer.headers());
        let named_limits = limits.is_some() || status == StatusCode::TOO_MANY_REQUESTS;
        if named_limits || !status.is_server_error() {
            self.budget.note(named_limits);
        }
        if let Some(limits) = &limits {
            let per = limits.reset_at.saturating_duration_since(Instant::now());
            self.pace().learn(route, limits, per);
        }
        if let Some(permit) = permit {
            permit.complete(limits);
        }
        if !status.is_success() {
            let refusal = Refusal::read(answer).await;
            self.heed(&refusal, turn.given);
            return Err(refusal.meaning(route.to_string()));
        }
        if let Some(lasted) = self.budget.answered(turn.given) {
            tracing::info!(lasted = %whole_seconds(lasted), "Discord takes requests again");
        }
        let body = match self.bodies.read(answer).await {
            Ok(body) => body,
            Err(BodyError::Broken(error)) => return Err(self.unreachable(route, &error)),
            Err(BodyError::TooLarge(most)) => {
                return Err(RestError::TooLarge {
                    what: route.to_string(),
                    host: self.way(),
                    most,
                });
            }
        };
        turn.large = body.large;
        Ok((body.bytes, turn))
    }

    /// Where requests go, in words.
    fn way(&self) -> String {
        self.network.way_to(&self.base)
    }

    /// No answer came, or half of one.
    fn unreachable(&self, route: &Route<'_>, error: &reqwest::Error) -> RestError {
        let way = self.way();
        let cause = cause(error);
        let cause = if error.is_timeout() {
            format!("{way} took too long")
        } else if error.is_connect() {
            format!("can't connect to {way}: {cause}")
        } else {
            format!("the connection to {way} broke: {cause}")
        };
        let what = route.to_string();
        RestError::Unreachable { what, cause }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a refusal of a request of this time.
    fn heed(&self, refusal: &Refusal, sent: Instant) {
        if refusal.counts() {
            self.budget.refused();
        }
        let Refusal {
            status,
            wait,
            global,
            ..
        } = *refusal;
        if status == 429 && global && self.budget.pause(wait, sent) {
            tracing::warn!(
                host = self.way(),
                "Discord wants no requests for {}{}",
                whole_seconds(wait),
                if wait > DOUBTED {
                    " or longer: asking now and then whether that still holds"
                } else {
                    ""
                }
            );
        }
    }
}

fn whole_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

fn endpoint(method: &Method, route: &Route<'_>) -> Endpoint {
    Endpoint {
        method: match *method {
            Method::PUT => twilight_http_ratelimiting::Method::Put,
            Method::POST => twilight_http_ratelimiting::Method::Post,
            Method::DELETE => twilight_http_ratelimiting::Method::Delete,
            _ => twilight_http_ratelimiting::Method::Get,
        },
        path: route.bucket(),
    }
}
