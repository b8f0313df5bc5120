//! Gateway sessions: what each client asked for, and what is still to be sent.
//!
//! A session's buffer is both queue and replay: a connection reads it from its own position, so events dispatched
//! during a resume follow the replayed ones. It is bounded: a client that falls too far behind loses its session, as
//! on Discord.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::faults::{EventFault, Manners};
use super::snowflake::wall_clock;

/// Gateway intents, as on Discord's "Gateway" page.
pub mod intent {
    pub const GUILDS: u64 = 1;
    pub const GUILD_MEMBERS: u64 = 1 << 1;
    pub const GUILD_EXPRESSIONS: u64 = 1 << 3;
    pub const GUILD_PRESENCES: u64 = 1 << 8;
    pub const GUILD_MESSAGES: u64 = 1 << 9;
    pub const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
    pub const MESSAGE_CONTENT: u64 = 1 << 15;
    pub const GUILD_SCHEDULED_EVENTS: u64 = 1 << 16;
    /// Intents that must be enabled in the developer portal.
    pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
    pub const ALL: u64 = ((1 << 17) - 1) | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);
}

/// Number of events a session keeps for a slow or absent client.
const KEPT: usize = 200_000;
/// How many disconnected sessions are kept, and for how long.
const KEPT_SESSIONS: usize = 64;
const KEPT_MS: i64 = 300_000;

/// An event for the sessions that asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// Any of these intents suffices; 0 for everyone.
    pub(crate) intents: u64,
    pub(crate) data: String,
    /// The data for sessions without `MESSAGE_CONTENT`, if different.
    pub(crate) bare: Option<String>,
    /// Whose shard gets it.
    pub(crate) to: Recipient,
}

/// Which shards get an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    Everyone,
    /// The shard of this guild.
    Guild(u64),
    /// Shard 0 gets direct messages.
    Direct,
}

impl Event {
    pub(crate) fn new(name: &str, intents: u64, data: &Value) -> Self {
        Self {
            name: name.to_owned(),
            intents,
            data: data.to_string(),
            bare: None,
            to: Recipient::Everyone,
        }
    }

    pub(crate) fn to(self, to: Recipient) -> Self {
        Self { to, ..self }
    }
}

/// A control message to a connection.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Send this payload, such as op 7 or op 9.
    Send(String),
    /// Close with a code, or with an empty close frame.
    Close(Option<u16>),
    /// Cut the connection.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) intents: u64,
    pub(crate) compress: bool,
    /// Its shard: id and count.
    pub(crate) shard: [u64; 2],
    pub(crate) seq: u64,
    buffer: VecDeque<(u64, Arc<str>)>,
    /// The fault of an event, and whether its replays have it, too.
    faults: BTreeMap<u64, (EventFault, bool)>,
    connection: Option<u64>,
    left_at: i64,
}

/// An IDENTIFY, accepted or not.
#[derive(Debug, Clone, Copy)]
pub struct Identify {
    /// When it arrived.
    pub at: Instant,
    /// The shard's id and the number of shards.
    pub shard: [u64; 2],
}

/// How Discord divides a bot among shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharding {
    /// The recommended number of shards.
    pub(crate) recommended: u64,
    /// The least number of shards: fewer are refused.
    pub(crate) required: u64,
    /// The number of lanes: shards whose ids have the same remainder share one.
    pub(crate) concurrency: u64,
    /// The time between two identifies of a lane.
    pub(crate) pace: Duration,
}

impl Default for Sharding {
    fn default() -> Self {
        Self {
            recommended: 1,
            required: 1,
            concurrency: 1,
            pace: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
struct Connection {
    number: u64,
    wake: Arc<Notify>,
    orders: VecDeque<Order>,
}

/// A connection's next step.
pub(crate) enum Next {
    Order(Order),
    /// Payloads with their faults, and the position after the last.
    Events(Vec<(Arc<str>, Option<EventFault>)>, u64),
    /// The session was lost.
    Gone,
    Idle,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Vec<Session>,
    connections: Vec<Connection>,
    numbers: u64,
    pub(crate) holding: bool,
    pub(crate) dropping: bool,
    withheld: VecDeque<Event>,
    /// Faults of the next events, and whether their replays have them, too.
    pub(crate) planned: VecDeque<(EventFault, bool)>,
    pub(crate) manners: Manners,
    /// The resume URL in READY, if not this server's.
    pub(crate) resume_url: Option<String>,
    /// Remaining session starts, and milliseconds until the reset.
    pub(crate) starts_left: Option<(u64, u64)>,
    /// Events given to at least one session.
    pub(crate) dispatched: u64,
    pub(crate) identifies: u64,
    /// Including refused and ignored ones.
    pub(crate) identify_attempts: u64,
    pub(crate) sharding: Sharding,
    /// All IDENTIFYs, oldest first.
    pub(crate) identify_log: Vec<Identify>,
    pub(crate) resumes: u64,
}

impl Sessions {
    pub(crate) fn connect(&mut self) -> (u64, Arc<Notify>) {
        self.numbers += 1;
        let wake = Arc::new(Notify::new());
        self.connections.push(Connection {
            number: self.numbers,
            wake: Arc::clone(&wake),
            orders: VecDeque::new(),
        });
        (self.numbers, wake)
    }

    pub(crate) fn disconnect(&mut self, number: u64) {
        self.connections
            .retain(|connection| connection.number != number);
        for session in self
            .all
            .iter_mut()
            .filter(|session| session.connection == Some(number))
        {
            session.connection = None;
            session.left_at = wall_clock();
        }
    }

    /// Records an IDENTIFY. Returns how long ago its lane had the last one, if that is too short.
    pub(crate) fn pace(&mut self, shard: [u64; 2]) -> Option<Duration> {
        self.identify_attempts += 1;
        let at = Instant::now();
        let Sharding {
            concurrency, pace, ..
        } = self.sharding;
        let lane = |of: [u64; 2]| of[0] % concurrency;
        let mut earlier = self.identify_log.iter().rev();
        let last = earlier.find(|earlier| lane(earlier.shard) == lane(shard));
        let since = last.map(|last| at.duration_since(last.at));
        self.identify_log.push(Identify { at, shard });
        since.filter(|since| *since < pace)
    }

    pub(crate) fn identify(
        &mut self,
        connection: u64,
        intents: u64,
        compress: bool,
        shard: [u64; 2],
    ) -> String {
        self.forget_old();
        self.identifies += 1;
        let id = format!(
            "{:032x}",
            0x5e55_1000_0000_0000_u128 + u128::from(self.identifies)
        );
        self.all.push(Session {
            id: id.clone(),
            intents,
            compress,
            shard,
            seq: 0,
            buffer: VecDeque::new(),
            faults: BTreeMap::new(),
            connection: Some(connection),
            left_at: 0,
        });
        id
    }

    /// Attaches a new connection to a session, reading from `seq`. None if the session doesn't exist; an error if it
    /// never got that far.
    pub(crate) fn resume(
        &mut self,
        connection: u64,
        id: &str,
        seq: u64,
    ) -> Option<Result<bool, ()>> {
        self.forget_old();
        let session = self.all.iter_mut().find(|session| session.id == id)?;
        if seq > session.seq {
            return Some(Err(()));
        }
        if session
            .buffer
            .front()
            .map_or(seq != session.seq, |(first, _)| seq + 1 < *first)
        {
            self.all.retain(|session| session.id != id);
            return None;
        }
        let before = session.connection.replace(connection);
        let compress = session.compress;
        self.resumes += 1;
        if let Some(before) = before {
            self.order(before, Order::Close(Some(4000)));
        }
        Some(Ok(compress))
    }

    fn forget_old(&mut self) {
        let old = wall_clock() - KEPT_MS;
        self.all
            .retain(|session| session.connection.is_some() || session.left_at > old);
        while self
            .all
            .iter()
            .filter(|session| session.connection.is_none())
            .count()
            > KEPT_SESSIONS
        {
            if let Some(oldest) = self
                .all
                .iter()
                .position(|session| session.connection.is_none())
            {
                self.all.remove(oldest);
            }
        }
    }

    pub(crate) fn heard(&mut self, id: &str, seq: u64) {
        if let Some(session) = self.all.iter_mut().find(|session| session.id == id) {
            while session
                .buffer
                .front()
                .is_some_and(|(first, _)| *first <= seq)
            {
                session.buffer.pop_front();
            }
        }
    }

    /// The next step of a connection, given its session and position.
    pub(crate) fn next(&mut self, number: u64, session: Option<&str>, sent: u64) -> Next {
        let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.number == number)
        else {
            return Next::Gone;
        };
        if let Some(order) = connection.orders.pop_front() {
            return Next::Order(order);
        }
        let Some(id) = session else { return Next::Idle };
        let Some(session) = self
            .all
            .iter_mut()
            .find(|s| s.id == id && s.connection == Some(number))
        else {
            return Next::Gone;
        };
        if sent >= session.seq {
            return Next::Idle;
        }
        let from = session.buffer.partition_point(|(seq, _)| *seq <= sent);
        match session.buffer.get(from) {
            Some((first, _)) if *first == sent + 1 => {}
            _ => return Next::Gone,
        }
        let batch: Vec<_> = session
            .buffer
            .range(from..)
            .take(256)
            .map(|(seq, payload)| {
                let fault = session.faults.get(seq).copied();
                if let Some((_, false)) = fault {
                    session.faults.remove(seq);
                }
                (Arc::clone(payload), fault.map(|(fault, _)| fault))
            })
            .collect();
        let sent = sent + batch.len() as u64;
        Next::Events(batch, sent)
    }

    /// Puts an event into one session, whatever it asked for.
    pub(crate) fn push_to(&mut self, id: &str, name: &str, data: &str) {
        if let Some(session) = self.all.iter_mut().find(|session| session.id == id) {
            session.push(name, data);
        }
    }

    /// Dispatches to every session that asked for it, unless events are held back.
    pub(crate) fn dispatch(&mut self, event: Event) {
        if self.dropping {
            return;
        }
        if self.holding {
            if self.withheld.len() < KEPT {
                self.withheld.push_back(event);
            }
            return;
        }
        let mut any = false;
        let fault = self.planned.pop_front();
        for session in &mut self.all {
            let is_asked_for = event.intents == 0 || session.intents & event.intents != 0;
            if is_asked_for && session.gets(event.to) {
                let bare = event
                    .bare
                    .as_deref()
                    .filter(|_| session.intents & intent::MESSAGE_CONTENT == 0);
                session.push(&event.name, bare.unwrap_or(&event.data));
                if let Some(fault) = fault {
                    session.faults.insert(session.seq, fault);
                }
                any = true;
            }
        }
        self.dispatched += u64::from(any);
        self.wake_all();
    }

    pub(crate) fn release(&mut self) {
        self.holding = false;
        for event in std::mem::take(&mut self.withheld) {
            self.dispatch(event);
        }
    }

    fn wake_all(&self) {
        for connection in &self.connections {
            connection.wake.notify_one();
        }
    }

    fn order(&mut self, number: u64, order: Order) {
        if let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.number == number)
        {
            connection.orders.push_back(order);
            connection.wake.notify_one();
        }
    }

    /// Sends an order to every connection.
    pub(crate) fn order_all(&mut self, order: &Order) {
        for number in self
            .connections
            .iter()
            .map(|connection| connection.number)
            .collect::<Vec<_>>()
        {
            self.order(number, order.clone());
        }
    }

    /// Sends an order to a shard's connection. Returns its session.
    pub(crate) fn order_shard(&mut self, shard: u64, order: Order) -> Option<String> {
        let session = self
            .all
            .iter()
            .find(|session| session.shard[0] == shard && session.connection.is_some())?;
        let (id, connection) = (session.id.clone(), session.connection?);
        self.order(connection, order);
        Some(id)
    }

    /// Op 9 to every connection; unless resumable, the sessions are lost.
    pub(crate) fn invalidate(&mut self, resumable: bool) {
        self.order_all(&Order::Send(
            json!({"op": 9, "d": resumable, "s": null, "t": null}).to_string(),
        ));
        if !resumable {
            self.all.clear();
        }
    }

    /// Ends a session at the client's request.
    pub(crate) fn end(&mut self, id: &str) {
        self.all.retain(|session| session.id != id);
    }

    /// Forgets every session and breaks every connection.
    pub(crate) fn lose(&mut self) {
        self.all.clear();
        self.order_all(&Order::Cut);
    }

    pub(crate) fn connected(&self) -> usize {
        self.all
            .iter()
            .filter(|session| session.connection.is_some())
            .count()
    }
}

impl Session {
    /// Whether its shard gets events of this guild.
    pub(crate) fn gets(&self, to: Recipient) -> bool {
        match to {
            Recipient::Everyone => true,
            Recipient::Guild(guild) => is_on(self.shard, guild),
            Recipient::Direct => self.shard[0] == 0,
        }
    }

    fn push(&mut self, name: &str, data: &str) {
        self.seq += 1;
        let payload = format!(r#"{{"t":"{name}","s":{},"op":0,"d":{data}}}"#, self.seq);
        self.buffer.push_back((self.seq, payload.into()));
        if self.buffer.len() > KEPT {
            self.buffer.pop_front();
        }
    }
}

/// Whether a guild is on this shard, as on Discord's "Gateway" page.
pub(crate) fn is_on([id, count]: [u64; 2], guild: u64) -> bool {
    (guild >> 22) % count == id
}
