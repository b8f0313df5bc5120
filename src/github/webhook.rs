//! GitHub's deliveries: hints that something changed, which is then asked for. Nothing in them is believed.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    routing::any,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use propsbot_mirror::ProviderError;
use serde::Deserialize;
use sha2::Sha256;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info};

use crate::{provider::wrong, vitals::Signals};

/// The longest delivery that is read, in bytes. GitHub allows 25 MiB, which only pushes of thousands of commits come near:
/// the next reading finds what those were about.
const LONGEST: usize = 4 << 20;

/// How many deliveries are read at once. Others are refused, and the next reading finds what they were about.
const AT_ONCE: usize = 16;

/// How long a delivery may take. Source: GitHub's documentation, "Handling webhook deliveries": it waits 10 seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many deliveries are remembered, so that one that comes again changes nothing.
const REMEMBERED: usize = 10_000;

/// How many hints may wait. Others are dropped: the next reading finds what they were about.
const WAITING: usize = 1_000;

/// Where deliveries come in.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address to listen at.
    pub address: SocketAddr,
    /// The webhook's secret.
    pub secret: String,
}

/// What a delivery is about.
#[derive(Debug)]
pub(crate) struct Hint {
    /// The repository's id.
    pub(crate) repository: String,
    /// The ids of things that may have changed, or be gone.
    pub(crate) ids: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    node_id: String,
}

/// A delivery, as far as it is read.
#[derive(Deserialize)]
struct Delivery {
    repository: Named,
    issue: Option<Named>,
    pull_request: Option<Named>,
    comment: Option<Named>,
    review: Option<Named>,
    discussion: Option<Named>,
    release: Option<Named>,
}

struct Inbox {
    secret: String,
    signals: Signals,
    hints: mpsc::Sender<Hint>,
    seen: Mutex<VecDeque<String>>,
    turns: Semaphore,
}

/// The server. Ends when it is dropped.
pub(crate) struct Server {
    pub(crate) hints: mpsc::Receiver<Hint>,
    #[expect(dead_code, reason = "held until nothing is to come in any more")]
    task: AbortOnDropHandle<()>,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// An address that can't be used.
    pub(crate) async fn start(
        webhook: &Webhook,
        signals: &Signals,
        stop: &CancellationToken,
    ) -> Result<Self, ProviderError> {
        let address = webhook.address;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            wrong(format!(
                "could not listen at {address} (GITHUB_WEBHOOK_ADDRESS): {error}; choose another port"
            ))
        })?;
        let (sender, hints) = mpsc::channel(WAITING);
        let inbox = Arc::new(Inbox {
            secret: webhook.secret.clone(),
            signals: signals.clone(),
            hints: sender,
            seen: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        });
        let app = Router::new().fallback(any(receive)).with_state(inbox);
        if let Ok(address) = listener.local_addr() {
            info!(%address, "webhooks are taken");
        }
        let stopped = stop.clone().cancelled_owned();
        let serving = async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                debug!("the webhooks' server ended: {error}");
            }
        };
        let task = AbortOnDropHandle::new(tokio::spawn(serving));
        Ok(Self { hints, task })
    }
}

/// Takes a delivery. Whoever doesn't know the secret learns nothing, and can't take up more than a bounded amount of memory.
async fn receive(State(inbox): State<Arc<Inbox>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("x-hub-signature-256").and_then(|text| text.strip_prefix("sha256="));
    let Some(signature) = signature else {
        return StatusCode::UNAUTHORIZED;
    };
    let Ok(_turn) = inbox.turns.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    let body = match timeout(PATIENCE, to_bytes(body, LONGEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    if !is_signed(&inbox.secret, &body, signature) {
        return StatusCode::UNAUTHORIZED;
    }
    inbox.signals.delivered();
    let Some(id) = header("x-github-delivery") else {
        return StatusCode::BAD_REQUEST;
    };
    if !inbox.is_new(id) {
        return StatusCode::OK;
    }
    // Deliveries such as `ping` are about no repository.
    if let Ok(delivery) = serde_json::from_slice::<Delivery>(&body) {
        let Delivery {
            repository,
            issue,
            pull_request,
            comment,
            review,
            discussion,
            release,
        } = delivery;
        let named = [issue, pull_request, comment, review, discussion, release];
        let hint = Hint {
            repository: repository.node_id,
            ids: named
                .into_iter()
                .flatten()
                .map(|named| named.node_id)
                .collect(),
        };
        if inbox.hints.try_send(hint).is_err() {
            debug!("too many webhooks wait; the next reading finds what they are about");
        }
    }
    StatusCode::ACCEPTED
}

/// Whether this is the body's signature. Takes the same time wherever they differ.
fn is_signed(secret: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = hex::decode(signature) else {
        return false;
    };
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("keys of any length are allowed");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

impl Inbox {
    fn is_new(&self, id: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().any(|seen| seen == id) {
            return false;
        }
        seen.push_back(id.to_owned());
        if seen.len() > REMEMBERED {
            seen.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn checks_signatures() {
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = "It's a Secret to Everybody";
        assert!(is_signed(secret, b"Hello, World!", signature));
        assert!(!is_signed(secret, b"Hello, World?", signature));
        assert!(!is_signed("another", b"Hello, World!", signature));
        assert!(!is_signed(secret, b"Hello, World!", "757107ea"));
    }
}
