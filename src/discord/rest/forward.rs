//! Sends serenity's own requests: answers to interactions, and messages that commands post.
//!
//! serenity hides the headers of a refusal, so it can't obey a 429; it reads bodies of any length,
//! and rejects a message for one odd field. So it talks to our server on loopback, which forwards
//! each request through [`Rest`]: that waits out 429s while the interaction lives, bounds bodies,
//! and cleans messages up. It doesn't know what it forwards.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap},
};
use serenity::http::{Http, HttpBuilder};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::{Refusal, Rest};
use crate::{Token, budget::Urgency};
use propsbot_network::{self as network, cause};

/// Path prefix of serenity's routes.
const ROUTES: &str = "/api/v10/";

/// Time limits for the first answer to an interaction, and for all later ones. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding>.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
const LATER_ANSWERS: Duration = Duration::from_mins(15);

/// Largest request: a picture, or files of a member's data. Source: Discord's upload limit.
const LARGEST_REQUEST: usize = 32 << 20;

/// Cleans a message up so that serenity can read it.
type Readable = fn(&[u8]) -> Vec<u8>;

/// Loopback server that forwards requests to Discord; stops when dropped.
pub struct Forwarder {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Forwarder {
    /// Starts the server. `readable` cleans up messages in Discord's answers.
    /// Call it within the runtime that `rest` was created on.
    ///
    /// # Errors
    /// Loopback has no free socket.
    pub async fn start(rest: Rest, readable: Readable) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener, rest, readable));
        Ok(Self {
            address,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Returns a serenity client that sends everything to this server.
    pub fn http(&self, token: &Token) -> Http {
        // serenity's rate limiter would ignore the origin.
        HttpBuilder::new(token.secret())
            .client(network::loopback_client())
            .ratelimiter_disabled(true)
            .proxy(format!("http://{}", self.address))
            .build()
    }
}

async fn serve(listener: TcpListener, rest: Rest, readable: Readable) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let rest = rest.clone();
        connections.spawn(async move {
            let forward = service_fn(|request| rest.forward(request, readable));
            // Closes the connection on an error: serenity gets no answer, just as we got none.
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), forward);
            let _ = serving.await;
        });
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl Rest {
    /// Forwards a request, repeating it after a 429 while there is time.
    /// On an error no answer came, but Discord may have carried it out.
    async fn forward(
        &self,
        request: Request<Incoming>,
        readable: Readable,
    ) -> io::Result<Response<Full<Bytes>>> {
        let inner = &*self.inner;
        let (head, body) = request.into_parts();
        // Keep other programs on this machine out.
        if head.headers.get(AUTHORIZATION) != Some(&inner.authorization) {
            return Ok(plain(StatusCode::FORBIDDEN));
        }
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let url = path.strip_prefix(ROUTES).and_then(|route| {
            let url = Url::parse(&format!("{}{route}", inner.base)).ok()?;
            Some((route, url))
        });
        let Some((route, url)) = url else {
            return Ok(plain(StatusCode::NOT_FOUND));
        };
        let Ok(body) = Limited::new(body, LARGEST_REQUEST).collect().await else {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let body = body.to_bytes();
        let mut headers = HeaderMap::new();
        for name in [AUTHORIZATION, CONTENT_TYPE] {
            if let Some(value) = head.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let patience = if route.starts_with("interactions/") {
            FIRST_ANSWER
        } else {
            LATER_ANSWERS
        };
        // Only messages are posted or changed on these routes.
        let is_in_channel = route.starts_with("channels/");
        let is_message = is_in_channel || route.starts_with("webhooks/");
        let begun = Instant::now();
        loop {
            // Requests about interactions don't count against the limit.
            let _turn = if is_in_channel {
                Some(inner.budget.turn(Urgency::AtOnce).await)
            } else {
                None
            };
            let sent = Instant::now();
            let request = inner.client.request(head.method.clone(), url.clone());
            inner.forwarded.fetch_add(1, Ordering::Relaxed);
            let answer = request.headers(headers.clone()).body(body.clone()).send();
            let answer = answer
                .await
                .map_err(|error| io::Error::other(cause(&error)))?;
            let status = answer.status();
            let kind = answer.headers().get(CONTENT_TYPE).cloned();
            let bytes = if status.is_success() {
                let read = inner.bodies.read(answer).await;
                let bytes = read.map_err(io::Error::other)?.bytes;
                if is_message && !bytes.is_empty() {
                    readable(&bytes)
                } else {
                    bytes
                }
            } else {
                let refusal = Refusal::read(answer).await;
                inner.heed(&refusal, sent);
                let is_limit = status == StatusCode::TOO_MANY_REQUESTS;
                if is_limit && begun.elapsed() + refusal.wait < patience {
                    tracing::debug!(wait = ?refusal.wait, "Discord rate-limits this answer; retrying");
                    tokio::time::sleep(refusal.wait).await;
                    continue;
                }
                refusal.body
            };
            let mut response = Response::new(Full::from(bytes));
            *response.status_mut() = status;
            if let Some(kind) = kind {
                response.headers_mut().insert(CONTENT_TYPE, kind);
            }
            return Ok(response);
        }
    }
}
