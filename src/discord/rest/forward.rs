//! Sending serenity's own requests: answers to interactions, and the few messages that commands post.
//!
//! serenity gives no headers with a refusal, so it cannot obey a 429, and it reads bodies of any
//! length, and refuses a message for one odd field. It is therefore pointed to a server on loopback,
//! which sends each request by [`Rest`]'s client: a 429 is waited for as long as the interaction lives,
//! bodies are bounded, and messages are made readable. Knows nothing of what is sent.

use std::{
    io,
    net::SocketAddr,
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

/// Where serenity's routes begin.
const ROUTES: &str = "/api/v10/";

/// How long Discord waits for the first answer to an interaction, and for all others. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding>.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
const LATER_ANSWERS: Duration = Duration::from_mins(15);

/// The most that is sent at once: a picture, or files of a member's data. Source: the upload limit.
const LARGEST_REQUEST: usize = 32 << 20;

/// Makes an answer readable.
type Readable = fn(&[u8]) -> Vec<u8>;

/// A server on loopback that sends what it is given to Discord; it ends when this is dropped.
pub struct Forwarder {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Forwarder {
    /// `readable` makes of Discord's answer to a message what serenity reads. Must be called within the
    /// runtime on which `rest` was made.
    ///
    /// # Errors
    /// The system has no socket on loopback to give.
    pub async fn start(rest: Rest, readable: Readable) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener, rest, readable));
        Ok(Self {
            address,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// serenity's client, which sends everything here.
    pub fn http(&self, token: &Token) -> Http {
        // Without serenity's own rate limiter: with it, the origin would be ignored.
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
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let rest = rest.clone();
        connections.spawn(async move {
            let forward = service_fn(|request| rest.forward(request, readable));
            // An error closes the connection: serenity is told nothing, as Discord told nothing.
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
    /// Sends a request, and again as long as a 429 asks for it and its time allows. An error: no answer
    /// came, and it may have been done.
    async fn forward(
        &self,
        request: Request<Incoming>,
        readable: Readable,
    ) -> io::Result<Response<Full<Bytes>>> {
        let inner = &*self.inner;
        let (head, body) = request.into_parts();
        // Others on this machine have no business here.
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
        // Of these, only messages are ever posted or changed.
        let is_in_channel = route.starts_with("channels/");
        let is_message = is_in_channel || route.starts_with("webhooks/");
        let begun = Instant::now();
        loop {
            // What concerns interactions does not count.
            let _turn = if is_in_channel {
                Some(inner.budget.turn(Urgency::AtOnce).await)
            } else {
                None
            };
            let sent = Instant::now();
            let request = inner.client.request(head.method.clone(), url.clone());
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
                    tracing::debug!(wait = ?refusal.wait, "Discord limits answers: sending again");
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
