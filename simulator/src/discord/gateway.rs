//! The gateway: a task per WebSocket, as on Discord's "Gateway" and "Opcodes and Status Codes" pages.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::faults::EventFault;
use super::guild::Guild;
use super::permissions::may_view;
use super::sessions::{Next, Order, intent, is_on};
use super::state::{Presence, Shared, State};
use super::wire::{self, Id, MemberObject, UserObject, tree};

/// Op 9: the session can't be started or resumed.
const INVALID_SESSION: &str = r#"{"t":null,"s":null,"op":9,"d":false}"#;

/// How a connection ends.
enum End {
    /// Closed with a code, or with an empty close frame.
    Close(Option<u16>),
    /// Closed by the client.
    Goodbye,
    /// Cut without a close frame.
    Cut,
}

/// One client on the gateway.
struct Client {
    shared: Arc<Shared>,
    socket: WebSocket,
    number: u64,
    session: Option<String>,
    /// Position in the session's buffer up to which events were sent.
    sent: u64,
    compress: bool,
}

/// Serves one WebSocket until either side ends it.
pub(crate) async fn serve(shared: Arc<Shared>, socket: WebSocket) {
    let (number, wake, interval) = {
        let mut state = shared.lock();
        let (number, wake) = state.sessions.connect();
        (number, wake, state.heartbeat_ms)
    };
    let mut client = Client {
        shared: Arc::clone(&shared),
        socket,
        number,
        session: None,
        sent: 0,
        compress: false,
    };
    let end = client.run(&wake, interval).await;
    shared.lock().sessions.disconnect(number);
    shared.touch();
    if matches!(end, End::Goodbye) {
        // Sends the close frame that responds to the client's.
        let _ = client.socket.recv().await;
    }
    if let End::Close(code) = end {
        let frame = code.map(|code| CloseFrame {
            code,
            reason: reason(code).into(),
        });
        let _ = client.socket.send(Message::Close(frame)).await;
        // Wait for the client's close frame, or a reset may swallow ours.
        let _ = tokio::time::timeout(Duration::from_millis(500), client.socket.recv()).await;
    }
}

/// Discord's close reason for a code.
fn reason(code: u16) -> &'static str {
    match code {
        1001 => "Going away.",
        4001 => "Unknown opcode.",
        4002 => "Error while decoding payload.",
        4003 => "Not authenticated.",
        4004 => "Authentication failed.",
        4005 => "Already authenticated.",
        4007 => "Invalid seq.",
        4008 => "You are being rate limited.",
        4009 => "Session timed out.",
        4010 => "Invalid shard.",
        4011 => "Sharding required.",
        4012 => "Invalid API version.",
        4013 => "Invalid intent(s).",
        4014 => "Disallowed intent(s).",
        _ => "Unknown error.",
    }
}

impl Client {
    async fn run(&mut self, wake: &tokio::sync::Notify, interval: u64) -> End {
        if self.shared.lock().sessions.manners.silent {
            self.shared.stop.clone().cancelled().await;
            return End::Cut;
        }
        let hello = json!({"t": null, "s": null, "op": 10, "d": {"heartbeat_interval": interval, "_trace": []}});
        if self.send(&hello.to_string()).await.is_err() {
            return End::Cut;
        }
        let patience = Duration::from_millis(interval * 3 / 2);
        let mut heard = Instant::now();
        let mut window = (Instant::now(), 0);
        let stop = self.shared.stop.clone();
        loop {
            if let Err(end) = self.send_pending().await {
                return end;
            }
            let text = tokio::select! {
                () = wake.notified() => continue,
                () = stop.cancelled() => return End::Close(Some(1001)),
                () = tokio::time::sleep_until(heard + patience) => return End::Close(Some(4009)),
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
                    Some(Ok(Message::Binary(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(frame))) => {
                        self.take_leave(frame.map(|frame| frame.code));
                        return End::Goodbye;
                    }
                    Some(Err(_)) | None => return End::Cut,
                },
            };
            heard = Instant::now();
            if heard.duration_since(window.0) > Duration::from_mins(1) {
                window = (heard, 0);
            }
            window.1 += 1;
            if window.1 > 120 {
                return End::Close(Some(4008));
            }
            let Ok(payload) = serde_json::from_str::<Value>(&text) else {
                return End::Close(Some(4002));
            };
            self.shared
                .lock()
                .log
                .gateway("from_client", &hide_token(payload.clone()).to_string());
            match self.hear(&payload) {
                Ok(Some(answer)) => {
                    if self.send(&answer).await.is_err() {
                        return End::Cut;
                    }
                }
                Ok(None) => {}
                Err(code) => return End::Close(Some(code)),
            }
            self.shared.touch();
        }
    }

    /// The client closed. These codes also end its session.
    fn take_leave(&mut self, code: Option<u16>) {
        if let (Some(1000 | 1001), Some(session)) = (code, &self.session) {
            self.shared.lock().sessions.end(session);
        }
    }

    /// Sends pending payloads: orders first, then events.
    async fn send_pending(&mut self) -> Result<(), End> {
        loop {
            let next =
                self.shared
                    .lock()
                    .sessions
                    .next(self.number, self.session.as_deref(), self.sent);
            match next {
                Next::Order(Order::Send(payload)) => {
                    self.send(&payload).await?;
                    let lost = serde_json::from_str::<Value>(&payload)
                        .is_ok_and(|p| p["op"] == 9 && p["d"] == false);
                    if lost {
                        self.session = None;
                        self.sent = 0;
                    }
                }
                Next::Order(Order::Close(code)) => return Err(End::Close(code)),
                Next::Order(Order::Cut) => return Err(End::Cut),
                Next::Events(payloads, sent) => {
                    for (payload, fault) in payloads {
                        match fault {
                            None => self.send(&payload).await?,
                            Some(fault) => self.send_broken(&payload, fault).await?,
                        }
                    }
                    self.sent = sent;
                }
                Next::Gone => return Err(End::Close(Some(4000))),
                Next::Idle => return Ok(()),
            }
        }
    }

    async fn send(&mut self, payload: &str) -> Result<(), End> {
        self.shared.lock().log.gateway("to_client", payload);
        let message = if self.compress {
            Message::Binary(zlib(payload).into())
        } else {
            Message::Text(payload.into())
        };
        self.socket.send(message).await.map_err(|_| End::Cut)
    }

    /// Sends an event with this fault.
    async fn send_broken(&mut self, payload: &str, fault: EventFault) -> Result<(), End> {
        let note = format!("{fault:?}: {payload}");
        self.shared.lock().log.gateway("to_client", &note);
        let padded = |size: usize| {
            let blanks = size.saturating_sub(payload.len());
            payload.to_owned() + &" ".repeat(blanks)
        };
        let message = match fault {
            EventFault::Lost => return Ok(()),
            EventFault::Cut => {
                let half = (0..payload.len() / 2).rfind(|at| payload.is_char_boundary(*at));
                let half = &payload[..half.unwrap_or(0)];
                if self.compress {
                    Message::Binary(zlib(half).into())
                } else {
                    Message::Text(half.into())
                }
            }
            EventFault::BrokenZlib => {
                let mut bytes = zlib(payload);
                let middle = bytes.len() / 2;
                bytes[middle..].fill(0xff);
                Message::Binary(bytes.into())
            }
            EventFault::Oversize(size) => Message::Text(padded(size).into()),
            EventFault::Bomb(size) => Message::Binary(zlib(&padded(size)).into()),
        };
        self.socket.send(message).await.map_err(|_| End::Cut)
    }

    /// Processes a client's payload. Returns the response, or a close code.
    fn hear(&mut self, payload: &Value) -> Result<Option<String>, u16> {
        let data = &payload["d"];
        match payload["op"].as_u64() {
            Some(1) => {
                if let (Some(session), Some(seq)) = (&self.session, data.as_u64()) {
                    self.shared.lock().sessions.heard(session, seq);
                }
                if self.shared.lock().sessions.manners.deaf {
                    return Ok(None);
                }
                Ok(Some(
                    json!({"t": null, "s": null, "op": 11, "d": null}).to_string(),
                ))
            }
            Some(2) => self.identify(data),
            Some(6) => self.resume(data),
            Some(3 | 4 | 8 | 31) if self.session.is_none() => Err(4003),
            Some(8) => {
                self.send_members(data);
                Ok(None)
            }
            Some(3 | 4 | 31) => Ok(None),
            _ => Err(4001),
        }
    }

    fn identify(&mut self, data: &Value) -> Result<Option<String>, u16> {
        if self.session.is_some() {
            return Err(4005);
        }
        let mut state = self.shared.lock();
        let state = &mut *state;
        let Some(shard) = shard_of(data) else {
            return Err(4010);
        };
        let too_soon = state.sessions.pace(shard);
        if !is_token(state, data) {
            state
                .log
                .violation("gateway: identify with a bad token".to_owned());
            return Err(4004);
        }
        if let Some((left, _)) = &mut state.sessions.starts_left {
            if *left == 0 {
                let violation = "gateway: identify beyond the session start limit";
                state.log.violation(violation.to_owned());
                return Err(4004);
            }
            *left -= 1;
        }
        let manners = state.sessions.manners;
        if let Some(code) = manners.refuses_identify {
            return Err(code);
        }
        if manners.ignores_identify {
            return Ok(None);
        }
        if let Some(since) = too_soon {
            let violation = format!("gateway: shard {shard:?} identified {since:?} after its lane");
            state.log.violation(violation);
            return Ok(Some(INVALID_SESSION.to_owned()));
        }
        if shard[1] < state.sessions.sharding.required {
            return Err(4011);
        }
        let intents = data["intents"].as_u64().ok_or(4013_u16)?;
        if intents & !intent::ALL != 0 {
            return Err(4013);
        }
        if intents & intent::PRIVILEGED & !state.privileged != 0 {
            return Err(4014);
        }
        self.compress = data["compress"].as_bool().unwrap_or(false);
        let id = state
            .sessions
            .identify(self.number, intents, self.compress, shard);
        state
            .sessions
            .push_to(&id, "READY", &ready(state, &id, shard).to_string());
        let here = state.guilds().into_iter();
        let here =
            here.filter(|(guild, presence)| *presence == Presence::Here && is_on(shard, guild.id));
        let told: Vec<String> = here
            .map(|(guild, _)| wire::guild_create(guild).to_string())
            .collect();
        for guild in told.iter().filter(|_| intents & intent::GUILDS != 0) {
            state.sessions.push_to(&id, "GUILD_CREATE", guild);
        }
        self.session = Some(id);
        self.sent = 0;
        Ok(None)
    }

    fn resume(&mut self, data: &Value) -> Result<Option<String>, u16> {
        if self.session.is_some() {
            return Err(4005);
        }
        let mut state = self.shared.lock();
        if !is_token(&state, data) {
            return Err(4004);
        }
        let manners = state.sessions.manners;
        if let Some(code) = manners.refuses_resume {
            return Err(code);
        }
        if manners.ignores_resume {
            return Ok(None);
        }
        let id = data["session_id"].as_str().unwrap_or_default();
        let seq = data["seq"].as_u64().unwrap_or(0);
        match state.sessions.resume(self.number, id, seq) {
            None => Ok(Some(INVALID_SESSION.to_owned())),
            Some(Err(())) => Err(4007),
            Some(Ok(compress)) => {
                self.compress = compress;
                self.session = Some(id.to_owned());
                self.sent = seq;
                state.sessions.push_to(id, "RESUMED", r#"{"_trace":[]}"#);
                Ok(None)
            }
        }
    }

    /// Responds to "Request Guild Members" with `GUILD_MEMBERS_CHUNK` events.
    fn send_members(&self, data: &Value) {
        let Some(session) = &self.session else { return };
        let mut state = self.shared.lock();
        let state = &mut *state;
        let wanted: Option<Vec<u64>> = match &data["user_ids"] {
            Value::Array(ids) => Some(ids.iter().filter_map(id_in).collect()),
            Value::Null => None,
            one => Some(id_in(one).into_iter().collect()),
        };
        let query = data["query"].as_str().unwrap_or_default().to_lowercase();
        let found: Vec<Value> = members(&state.guild)
            .filter(|(id, name, _)| match &wanted {
                Some(wanted) => wanted.contains(id),
                None => name.to_lowercase().starts_with(&query),
            })
            .map(|(_, _, member)| member)
            .collect();
        let limit = data["limit"]
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0);
        let found = &found[..limit.unwrap_or(found.len()).min(found.len())];
        let chunks: Vec<&[Value]> = if found.is_empty() {
            vec![&[]]
        } else {
            found.chunks(1000).collect()
        };
        for (index, chunk) in chunks.iter().enumerate() {
            let chunk = json!({
                "guild_id": Id(state.guild.id), "members": chunk, "chunk_index": index, "chunk_count": chunks.len(),
                "nonce": data["nonce"],
            });
            state
                .sessions
                .push_to(session, "GUILD_MEMBERS_CHUNK", &chunk.to_string());
        }
    }
}

fn members(guild: &Guild) -> impl Iterator<Item = (u64, &str, Value)> {
    guild.members.values().filter_map(|member| {
        let user = guild.users.get(&member.user)?;
        Some((
            member.user,
            user.username.as_str(),
            tree(MemberObject {
                member,
                user: Some(user),
            }),
        ))
    })
}

fn id_in(value: &Value) -> Option<u64> {
    value
        .as_str()
        .and_then(|id| id.parse().ok())
        .or_else(|| value.as_u64())
}

fn is_token(state: &State, data: &Value) -> bool {
    let token = data["token"].as_str().unwrap_or_default();
    token.strip_prefix("Bot ").unwrap_or(token) == state.token
}

/// The shard that IDENTIFY names: id and count; `None` if it is no shard.
fn shard_of(data: &Value) -> Option<[u64; 2]> {
    let shard = match &data["shard"] {
        Value::Null => return Some([0, 1]),
        Value::Array(shard) => shard,
        _ => return None,
    };
    let [id, count] = shard.as_slice() else {
        return None;
    };
    let (id, count) = (id.as_u64()?, count.as_u64()?);
    (id < count).then_some([id, count])
}

/// The record must not contain the token.
fn hide_token(mut payload: Value) -> Value {
    if let Some(token) = payload.pointer_mut("/d/token") {
        *token = "hidden".into();
    }
    payload
}

fn ready(state: &State, session: &str, shard: [u64; 2]) -> Value {
    let guild = &state.guild;
    let mut user = tree(guild.users.get(&guild.bot).map(UserObject));
    user["verified"] = true.into();
    user["mfa_enabled"] = true.into();
    user["email"] = Value::Null;
    let url = state.url.replacen("http", "ws", 1) + "/gateway";
    let joined = state.guilds().into_iter();
    let joined =
        joined.filter(|(guild, presence)| *presence != Presence::Removed && is_on(shard, guild.id));
    let guilds: Vec<Value> = joined
        .map(|(guild, _)| json!({"id": Id(guild.id), "unavailable": true}))
        .collect();
    json!({
        "v": 10, "user": user, "guilds": guilds, "session_id": session, "session_type": "normal",
        "resume_gateway_url": state.sessions.resume_url.clone().unwrap_or(url), "shard": shard,
        "application": {"id": Id(guild.bot), "flags": state.application_flags()},
        "private_channels": [], "relationships": [], "presences": [], "user_settings": {}, "_trace": [],
    })
}

fn zlib(payload: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(
        Vec::with_capacity(payload.len() / 3 + 64),
        Compression::fast(),
    );
    encoder
        .write_all(payload.as_bytes())
        .expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// The channels the bot sees, to tell what a permission change revealed.
pub(crate) fn visible(guild: &Guild) -> Vec<u64> {
    guild
        .channels
        .values()
        .filter(|c| c.thread.is_none() && may_view(guild, guild.bot, c))
        .map(|c| c.id)
        .collect()
}
