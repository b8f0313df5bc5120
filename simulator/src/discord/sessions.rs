//! Gateway sessions: what each client asked for, and what is still to be sent.
//!
//! A session's buffer is both queue and replay: a connection reads it from its own position, so events dispatched
//! during a resume follow the replayed ones. It is bounded: a client that falls too far behind loses its session, as
//! on Discord.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

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
    /// Intents that must be enabled in the developer portal.
    pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
    pub const ALL: u64 = ((1 << 17) - 1) | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);
}

/// Number of events a session keeps for a slow or absent client.
const KEPT: usize = 200_000;
/// How many disconnected sessions are kept, and for how long.
const KEPT_SESSIONS: usize = 4;
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
}

impl Event {
    pub(crate) fn new(name: &str, intents: u64, data: &Value) -> Self {
        Self {
            name: name.to_owned(),
            intents,
            data: data.to_string(),
            bare: None,
        }
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
    pub(crate) seq: u64,
    buffer: VecDeque<(u64, Arc<str>)>,
    /// The fault of an event, and whether its replays have it, too.
    faults: BTreeMap<u64, (EventFault, bool)>,
    connection: Option<u64>,
    left_at: i64,
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

    pub(crate) fn identify(&mut self, connection: u64, intents: u64, compress: bool) -> String {
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
            if event.intents == 0 || session.intents & event.intents != 0 {
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
    fn push(&mut self, name: &str, data: &str) {
        self.seq += 1;
        let payload = format!(r#"{{"t":"{name}","s":{},"op":0,"d":{data}}}"#, self.seq);
        self.buffer.push_back((self.seq, payload.into()));
        if self.buffer.len() > KEPT {
            self.buffer.pop_front();
        }
    }
}
