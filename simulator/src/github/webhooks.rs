//! Webhooks: what happens in the world is told to an address, signed and in order, but not reliably.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::rest::source::markers::marker;
use super::rest::source::wire::{View, into_event, repository};
use super::state::{Settings, Shared};
use super::world::{Event, World};

/// How long GitHub waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happens to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Dropped,
    /// It arrives twice, with the same id.
    Twice,
    /// It arrives after the next one.
    Late,
}

/// A delivery as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: &'static str,
    pub body: String,
    /// The answer's status; none if there was none, or if it was dropped.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
struct Outbox {
    url: Option<String>,
    secret: String,
    waiting: VecDeque<(Delivery, String)>,
    late: Vec<(Delivery, String)>,
    fates: VecDeque<Fate>,
    sent: Vec<Delivery>,
    number: u64,
}

/// Deliveries to come, and those that were.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    outbox: Mutex<Outbox>,
    more: Notify,
}

impl Webhooks {
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, url: &str, secret: &str) {
        let mut outbox = self.lock();
        outbox.url = Some(url.to_owned());
        secret.clone_into(&mut outbox.secret);
    }

    pub(crate) fn fate(&self, fate: Fate, times: usize) {
        self.lock().fates.extend(std::iter::repeat_n(fate, times));
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.lock().sent.clone()
    }
}

/// Queues what happened in the world.
pub(crate) fn tell(shared: &Shared, world: &mut World) {
    let events = world.take_events();
    let settings = shared.lock().settings.clone();
    let mut outbox = shared.webhooks.lock();
    if outbox.url.is_none() {
        return;
    }
    for event in events {
        let Some(body) = payload(&settings, world, &event) else {
            continue;
        };
        let body = body.to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(outbox.secret.as_bytes()).expect("keys have any length");
        mac.update(body.as_bytes());
        let mut signature = "sha256=".to_owned();
        for byte in mac.finalize().into_bytes() {
            _ = write!(signature, "{byte:02x}");
        }
        outbox.number += 1;
        let id = format!("72d3162e-cc78-11e3-81ab-{:012x}", outbox.number);
        let delivery = Delivery {
            id,
            event: event.name,
            body,
            status: None,
        };
        match outbox.fates.pop_front() {
            Some(Fate::Dropped) => outbox.sent.push(delivery),
            Some(Fate::Twice) => {
                outbox
                    .waiting
                    .push_back((delivery.clone(), signature.clone()));
                outbox.waiting.push_back((delivery, signature));
            }
            Some(Fate::Late) => outbox.late.push((delivery, signature)),
            None => {
                outbox.waiting.push_back((delivery, signature));
                let late = std::mem::take(&mut outbox.late);
                outbox.waiting.extend(late);
            }
        }
    }
    drop(outbox);
    shared.webhooks.more.notify_one();
}

/// The body for an event. Of a repository that the token no longer sees, only that is told.
fn payload(settings: &Settings, world: &World, event: &Event) -> Option<Value> {
    let view = View {
        base: &settings.url,
        world,
        role: settings.role,
    };
    let Some(home) = world.sees(event.repository) else {
        let gone = json!({"id": event.repository, "full_name": event.full_name});
        let told = event.name == "repository";
        return told.then(|| json!({"action": event.action, "repository": gone}));
    };
    let mut body = json!({"repository": repository(view, home)});
    if let Some((before, after)) = event.push {
        let sha = |at: Option<usize>| {
            at.map_or_else(|| "0".repeat(40), |at| home.commits[at].sha.clone())
        };
        body["ref"] = json!(format!("refs/heads/{}", home.branch));
        body["before"] = json!(sha(before));
        body["after"] = json!(sha(after));
        let before = home.history(before);
        let known = after.is_some_and(|after| before.contains(&after));
        body["forced"] = json!(known && !before.is_empty());
        let new = home
            .history(after)
            .into_iter()
            .filter(|at| !before.contains(at));
        let commit = |at: usize| {
            let commit = &home.commits[at];
            json!({"id": commit.sha, "message": commit.message, "timestamp": super::world::time(commit.at)})
        };
        body["commits"] = json!(new.map(commit).collect::<Vec<_>>());
        return Some(body);
    }
    body["action"] = json!(event.action);
    if let Some(item) = &event.item {
        into_event(view, item, &mut body);
    }
    if let Some(about) = &event.marker {
        body[event.name] = marker(view, about);
    }
    Some(body)
}

/// Sends what waits, one after the other, until the end.
pub(crate) async fn deliver(shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let work = async {
        loop {
            let next = {
                let mut outbox = shared.webhooks.lock();
                let next = outbox.waiting.pop_front();
                next.zip(outbox.url.clone())
            };
            let Some(((mut delivery, signature), url)) = next else {
                shared.webhooks.more.notified().await;
                continue;
            };
            let sent = tokio::time::timeout(PATIENCE, post(&url, &delivery, &signature)).await;
            match sent {
                Ok(Ok(status)) => delivery.status = Some(status),
                Ok(Err(error)) => tracing::warn!("a webhook was not delivered: {error:#}"),
                Err(_) => tracing::warn!("a webhook was not answered"),
            }
            shared.webhooks.lock().sent.push(delivery);
            shared.touch();
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Posts over plain HTTP, which is all there is on loopback.
async fn post(url: &str, delivery: &Delivery, signature: &str) -> anyhow::Result<u16> {
    let rest = url
        .strip_prefix("http://")
        .context("a webhook's address begins with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut stream = TcpStream::connect(host).await?;
    let (
        Delivery {
            id, event, body, ..
        },
        length,
    ) = (delivery, delivery.body.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: GitHub-Hookshot/044aadd\r\naccept: */*\r\n\
         content-type: application/json\r\nx-github-event: {event}\r\nx-github-delivery: {id}\r\n\
         x-github-hook-id: 292430182\r\nx-hub-signature-256: {signature}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer);
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.context("no HTTP")
}
