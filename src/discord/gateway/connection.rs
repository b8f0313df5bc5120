//! One WebSocket connection to the gateway.
//!
//! Owns opening, reading, writing and closing it, and its memory bounds. Knows nothing of sessions.

use std::{fmt, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as SocketError, Message,
        error::ProtocolError,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::payload::{self, Broken, LARGEST_FRAME, Payload};
use propsbot_network::{self as network, Network};

/// Time limit for the WebSocket handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Time limit for sending a payload.
const SENDING: Duration = Duration::from_secs(10);

/// Time limit for the gateway's answer to a close frame.
const GOODBYE: Duration = Duration::from_millis(500);

pub(super) struct Connection {
    socket: WebSocketStream<network::Connection>,
    is_closed: bool,
}

pub(super) enum Received {
    Payload(Payload),
    /// An unreadable frame. The connection stays usable.
    Broken(Broken),
    /// Closed by the gateway, with this code if any.
    Closed(Option<u16>),
    /// The connection broke, for this reason.
    Lost(String),
    /// Its data breaks the protocol or our bounds; nothing more can be read.
    Unusable(String),
}

/// Why connecting failed.
#[derive(Debug)]
pub(super) struct NoConnection(String);

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Connection {
    /// Connects to the gateway at this `ws` or `wss` URL.
    ///
    /// # Errors
    /// Names the host and the cause.
    pub(super) async fn open(network: &Network, url: &str) -> Result<Self, NoConnection> {
        let failed = |why: String| NoConnection(why);
        let mut url = Url::parse(url)
            .map_err(|error| failed(format!("{url:?} isn't a gateway URL: {error}")))?;
        let with_tls = match url.scheme() {
            "wss" => true,
            "ws" => false,
            other => {
                return Err(failed(format!(
                    "a gateway URL starts with wss, not {other}"
                )));
            }
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url
            .port_or_known_default()
            .unwrap_or(if with_tls { 443 } else { 80 });
        url.query_pairs_mut()
            .clear()
            .append_pair("v", "10")
            .append_pair("encoding", "json");
        let stream = network
            .connect(&host, port, with_tls)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let config = WebSocketConfig::default()
            .max_frame_size(Some(LARGEST_FRAME))
            .max_message_size(Some(LARGEST_FRAME));
        let shaking = client_async_with_config(url.as_str(), stream, Some(config));
        let socket = match timeout(HANDSHAKE, shaking).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return Err(failed(format!("{host} refused the WebSocket: {error}"))),
            Err(_) => {
                let seconds = HANDSHAKE.as_secs();
                return Err(failed(format!("{host} didn't answer within {seconds} s")));
            }
        };
        Ok(Self {
            socket,
            is_closed: false,
        })
    }

    /// Waits for the next item. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            let read = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => payload::from_text(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => payload::from_binary(&bytes),
                Some(Ok(Message::Close(frame))) => {
                    self.is_closed = true;
                    return Received::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => continue,
                Some(Err(
                    error @ (SocketError::Capacity(_)
                    | SocketError::Protocol(_)
                    | SocketError::Utf8(_)),
                )) if !is_cut(&error) => return Received::Unusable(described(&error)),
                Some(Err(error)) => return Received::Lost(described(&error)),
                None => return Received::Lost("connection cut".to_owned()),
            };
            return read.map_or_else(Received::Broken, Received::Payload);
        }
    }

    /// Sends a payload.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn send(&mut self, payload: &Value) -> Result<(), String> {
        let sending = self.socket.send(Message::text(payload.to_string()));
        match timeout(SENDING, sending).await {
            Ok(sent) => sent.map_err(|error| described(&error)),
            Err(_) => Err("sending timed out".to_owned()),
        }
    }

    /// Closes the connection with this code; code 1000 also ends the session.
    pub(super) async fn close(&mut self, code: u16) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let closing = async {
            // Wait for the answer: a reset could overtake our close frame.
            if self.socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        if timeout(GOODBYE, closing).await.is_err() {
            tracing::debug!("the gateway didn't answer the close frame in time");
        }
    }
}

/// Returns whether the other side vanished without a close frame.
fn is_cut(error: &SocketError) -> bool {
    matches!(
        error,
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

/// Describes an error without its payload.
fn described(error: &SocketError) -> String {
    match error {
        SocketError::WriteBufferFull(_) => "the write buffer is full".to_owned(),
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => {
            "connection closed".to_owned()
        }
        error => error.to_string(),
    }
}
