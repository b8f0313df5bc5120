//! A shard's client: connections, and the session that outlives them.
//!
//! Owns the protocol: what to send when, and how to react. Leaves frames to `connection` and events
//! to `convert`. Source: <https://discord.com/developers/docs/events/gateway>.

use std::time::Duration;

use rand::Rng as _;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    GatewayError, INTENTS, Shard,
    close::{AfterClose, after_close},
    connection::{Connection, Received},
    fleet::Fleet,
    intake::GatewayEvent,
    pacing::Pacing,
    payload::{Payload, op},
    session::{Repair, Sequence, Session},
    starts::{NoTurn, Turn},
};
use crate::{convert, json, wire};
use propsbot_model::UserId;

/// Time limit for the gateway's HELLO.
const HELLO: Duration = Duration::from_secs(15);

/// Time limit for the answer to IDENTIFY or RESUME.
const ANSWER: Duration = Duration::from_secs(20);

/// Bounds of an accepted heartbeat interval.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(10));

/// Heartbeat interval if HELLO names none.
const USUAL_INTERVAL: Duration = Duration::from_millis(41_250);

/// Failed connections in a row before the session is given up: about five minutes.
const WORTH_RESUMING: u32 = 10;

/// Close code that keeps the session resumable.
const BE_BACK: u16 = 4000;

pub(super) struct Client {
    connection: Option<Connection>,
    core: Core,
}

/// Everything except the connection.
struct Core {
    fleet: Fleet,
    shard: Shard,
    pacing: Pacing,
    session: Option<Session>,
    /// When the connection got its session.
    since: Option<Instant>,
    /// The turn to start a session, until Discord answers.
    turn: Option<Turn>,
}

/// Why a shard can't go on.
#[derive(Debug)]
pub(super) enum End {
    /// Only the operator can fix it.
    Final(GatewayError),
    /// Discord wants more shards.
    MoreShards,
}

/// How a connection ended.
enum Ended {
    /// Resume the session on another connection.
    Resume(String),
    Identify(String),
    Stop(End),
}

#[derive(Deserialize)]
struct Hello {
    #[serde(default, deserialize_with = "wire::lenient")]
    heartbeat_interval: Option<u64>,
}

#[derive(Deserialize)]
struct Ready {
    #[serde(default, deserialize_with = "wire::lenient")]
    session_id: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    resume_gateway_url: Option<String>,
    #[serde(default, deserialize_with = "wire::lenient")]
    application: Option<Application>,
}

#[derive(Deserialize)]
struct Application {
    id: UserId,
}

impl Client {
    pub(super) fn new(fleet: Fleet, shard: Shard) -> Self {
        Self {
            connection: None,
            core: Core {
                fleet,
                shard,
                pacing: Pacing::new(shard.count),
                session: None,
                since: None,
                turn: None,
            },
        }
    }

    /// Stays connected until `stop`, or until the shard can't go on.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), End> {
        let intake = self.core.fleet.intake.clone();
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            () = intake.closed() => Err(End::Final(GatewayError::Unheard)),
            end = self.keep_connected() => Err(end),
        };
        if let Some(connection) = &mut self.connection {
            connection.close(1000).await;
        }
        end
    }

    async fn keep_connected(&mut self) -> End {
        loop {
            if let Err(end) = self.connect_once().await {
                return end;
            }
        }
    }

    /// Waits its turn, connects, and serves the connection until it ends.
    async fn connect_once(&mut self) -> Result<(), End> {
        let core = &mut self.core;
        sleep(core.pacing.before_connecting()).await;
        let is_dead = core.session.as_ref().is_some_and(Session::is_dead);
        if is_dead || core.pacing.failures() > WORTH_RESUMING {
            core.session = None;
        }
        if core.session.is_none() {
            core.wait_to_start().await?;
        }
        let url = core
            .session
            .as_ref()
            .and_then(|session| session.url.clone());
        let url = url.unwrap_or_else(|| core.fleet.starts.url());
        match Connection::open(&core.fleet.network, &url).await {
            Ok(connection) => {
                let connection = self.connection.insert(connection);
                let ended = core.serve(connection).await;
                core.turn = None;
                connection.close(BE_BACK).await;
                self.connection = None;
                core.ended(ended)
            }
            Err(why) => {
                core.turn = None;
                core.forget_resume_url();
                core.pacing.ended(None);
                core.note_outage(&why.to_string());
                Ok(())
            }
        }
    }
}

impl Core {
    async fn wait_to_start(&mut self) -> Result<(), End> {
        sleep(self.pacing.before_starting(Instant::now())).await;
        let turn = self.fleet.starts.turn(self.shard).await;
        self.turn = Some(turn.map_err(|none| match none {
            NoTurn::BadToken(error) => End::Final(GatewayError::BadToken(error)),
            NoTurn::MoreShards => End::MoreShards,
        })?);
        Ok(())
    }

    /// Decides what follows the end of a connection.
    fn ended(&mut self, ended: Ended) -> Result<(), End> {
        let lived = self.since.take().map(|since| since.elapsed());
        self.pacing.ended(lived);
        if lived.is_none() {
            self.forget_resume_url();
        } else {
            self.fleet.shards.disconnected(self.shard);
            self.fleet.intake.disconnected(self.shard);
        }
        match ended {
            Ended::Stop(end) => return Err(end),
            Ended::Identify(why) => {
                self.session = None;
                info!("the session with Discord's gateway ended ({why}): starting a new one");
            }
            Ended::Resume(why) if self.session.is_some() => {
                info!("the connection to Discord's gateway ended ({why}): resuming");
            }
            Ended::Resume(why) => self.note_outage(&why),
        }
        Ok(())
    }

    /// Drops an unreachable resume URL: a session can be resumed at any gateway.
    fn forget_resume_url(&mut self) {
        if let Some(session) = &mut self.session {
            session.url = None;
        }
    }

    fn note_outage(&self, why: &str) {
        self.fleet.shards.cannot_connect(self.shard, why);
    }

    fn note_session(&mut self) {
        self.since = Some(Instant::now());
        self.turn = None;
        self.fleet.shards.connected(self.shard);
        self.fleet.signals.hear(self.shard);
    }

    /// Runs the protocol until the connection ends.
    async fn serve(&mut self, connection: &mut Connection) -> Ended {
        let interval = match self.greet(connection).await {
            Ok(interval) => interval,
            Err(end) => return end,
        };
        // A random first beat spreads clients, as Discord asks.
        let first = interval.mul_f64(rand::rng().random_range(0.0..1.0));
        let mut beat = Instant::now() + first;
        let mut is_acknowledged = true;
        let answer_by = Instant::now() + ANSWER;
        loop {
            let received = tokio::select! {
                biased;
                () = sleep_until(beat) => {
                    if !is_acknowledged {
                        return Ended::Resume("a heartbeat was not acknowledged".to_owned());
                    }
                    if let Err(why) = connection.send(&self.heartbeat()).await {
                        return Ended::Resume(why);
                    }
                    is_acknowledged = false;
                    beat = Instant::now() + interval;
                    continue;
                }
                () = sleep_until(answer_by), if self.since.is_none() => {
                    return Ended::Resume(format!("no answer within {} s", ANSWER.as_secs()));
                }
                received = connection.receive() => received,
            };
            let payload = match received {
                Received::Payload(payload) => payload,
                received => match self.repaired(received) {
                    Some(end) => return end,
                    None => continue,
                },
            };
            if self.since.is_some() {
                self.fleet.signals.hear(self.shard);
            }
            match payload.op {
                Some(op::DISPATCH) => {
                    if let Some(end) = self.dispatch(payload) {
                        return end;
                    }
                }
                Some(op::HEARTBEAT) => {
                    if let Err(why) = connection.send(&self.heartbeat()).await {
                        return Ended::Resume(why);
                    }
                }
                Some(op::HEARTBEAT_ACK) => is_acknowledged = true,
                Some(op::RECONNECT) => return Ended::Resume("Discord requested it".to_owned()),
                Some(op::INVALID_SESSION) => {
                    let can_resume = json::read(payload.data.get().as_bytes()).unwrap_or(false);
                    return if can_resume {
                        Ended::Resume("Discord requested it".to_owned())
                    } else {
                        self.pacing.invalidated(Instant::now());
                        Ended::Identify("Discord invalidated it".to_owned())
                    };
                }
                _ => {}
            }
        }
    }

    /// Waits for HELLO, then resumes or identifies. Returns the heartbeat interval.
    async fn greet(&mut self, connection: &mut Connection) -> Result<Duration, Ended> {
        let hello = async {
            loop {
                match connection.receive().await {
                    Received::Payload(payload) if payload.op == Some(op::HELLO) => {
                        break Ok(payload.data);
                    }
                    Received::Payload(_) => {}
                    received => break Err(received),
                }
            }
        };
        let hello = match timeout(HELLO, hello).await {
            Ok(Ok(data)) => json::read::<Hello>(data.get().as_bytes()),
            Ok(Err(received)) => {
                let end = self.repaired(received);
                return Err(end.unwrap_or_else(|| Ended::Resume("no HELLO".to_owned())));
            }
            Err(_) => {
                let why = format!("no HELLO within {} s", HELLO.as_secs());
                return Err(Ended::Resume(why));
            }
        };
        let interval = hello.ok().and_then(|hello| hello.heartbeat_interval);
        let interval = interval.map_or(USUAL_INTERVAL, Duration::from_millis);
        let sent = if let Some(session) = &mut self.session {
            session.resumed();
            let resume = json!({"op": op::RESUME, "d": {
                "token": self.fleet.token.secret(), "session_id": session.id, "seq": session.seq(),
            }});
            connection.send(&resume).await
        } else {
            self.pacing.started(Instant::now());
            if let Some(turn) = &mut self.turn {
                turn.used();
            }
            connection.send(&self.identify()).await
        };
        sent.map_err(Ended::Resume)?;
        let interval = interval.clamp(INTERVALS.0, INTERVALS.1);
        self.fleet.signals.set_heartbeat(interval);
        Ok(interval)
    }

    fn identify(&self) -> serde_json::Value {
        json!({"op": op::IDENTIFY, "d": {
            "token": self.fleet.token.secret(),
            "intents": INTENTS,
            "compress": true,
            "large_threshold": 250,
            "shard": [self.shard.id, self.shard.count],
            "properties": {"os": std::env::consts::OS, "browser": "propsbot", "device": "propsbot"},
        }})
    }

    fn heartbeat(&self) -> serde_json::Value {
        json!({"op": op::HEARTBEAT, "d": self.session.as_ref().map(Session::seq)})
    }

    /// Handles anything but a payload; `None` if the connection can continue.
    fn repaired(&mut self, received: Received) -> Option<Ended> {
        match received {
            Received::Payload(_) => None,
            Received::Broken(broken) => {
                warn!("the gateway sent something unreadable: {broken}");
                self.repair(&broken.to_string())
            }
            Received::Closed(code) => Some(match after_close(code, self.shard) {
                AfterClose::Stop(error) => Ended::Stop(End::Final(error)),
                AfterClose::MoreShards => Ended::Stop(End::MoreShards),
                AfterClose::Identify => Ended::Identify(told(code)),
                AfterClose::Resume => Ended::Resume(told(code)),
            }),
            Received::Lost(why) => Some(Ended::Resume(why)),
            // If the same data comes again, only a new session gets past it.
            Received::Unusable(why) => {
                warn!("the gateway sent something unreadable: {why}");
                Some(match self.session.as_mut().map(Session::repair) {
                    Some(Repair::Lose) => Ended::Identify(why),
                    Some(Repair::Resume) | None => Ended::Resume(why),
                })
            }
        }
    }

    /// Handles a missing or broken event.
    fn repair(&mut self, why: &str) -> Option<Ended> {
        match self.session.as_mut().map(Session::repair) {
            Some(Repair::Lose) => {
                warn!("Discord's gateway lost an event ({why}): fetching its content instead");
                self.fleet.intake.lose(self.shard);
                None
            }
            Some(Repair::Resume) | None => Some(Ended::Resume(why.to_owned())),
        }
    }

    /// Passes an event to the queue or the interaction handler.
    fn dispatch(&mut self, payload: Payload) -> Option<Ended> {
        let Payload {
            name, data, seq, ..
        } = payload;
        self.fleet.signals.count(&name);
        let mut sequence = Sequence::Next;
        if name == "READY" {
            self.begin(&data, seq);
        } else if let Some(session) = &mut self.session {
            sequence = session.receive(seq);
            if sequence == Sequence::Lost {
                self.fleet.intake.lose(self.shard);
            }
            if sequence == Sequence::Gap {
                if let Some(end) = self.repair("a sequence number is missing") {
                    return Some(end);
                }
                if let (Some(session), Some(seq)) = (&mut self.session, seq) {
                    session.skip_to(seq);
                }
            }
        }
        if self.since.is_none() {
            self.note_session();
        }
        if name == "INTERACTION_CREATE" {
            // Answer each interaction once.
            if sequence != Sequence::Again {
                self.fleet.interactions.receive(data);
            }
        } else if convert::is_needed(&name) {
            self.fleet
                .intake
                .take(self.shard, GatewayEvent::new(name, data));
        }
        None
    }

    fn begin(&mut self, data: &RawValue, seq: Option<u64>) {
        let Ok(ready) = json::read::<Ready>(data.get().as_bytes()) else {
            return;
        };
        // Don't resume unencrypted if the gateway itself is encrypted.
        let is_plain = self.fleet.starts.url().starts_with("ws:");
        let is_safe = |url: &String| url.starts_with("wss:") || is_plain;
        let url = ready.resume_gateway_url.filter(is_safe);
        self.session = ready
            .session_id
            .map(|id| Session::new(id, url, seq.unwrap_or(0)));
        self.fleet
            .interactions
            .begin(ready.application.map(|application| application.id));
    }
}

fn told(code: Option<u16>) -> String {
    code.map_or_else(
        || "connection closed".to_owned(),
        |code| format!("connection closed with code {code}"),
    )
}
