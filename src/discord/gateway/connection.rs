//! One WebSocket to the gateway.
//!
//! Owns how it is opened, read, written and closed, and how much of it may be in memory. Knows nothing
//! of sessions.

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

/// How long the gateway may take to agree to speak WebSocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a payload of ours may take to be sent.
const SENDING: Duration = Duration::from_secs(10);

/// How long the gateway may take to answer a close frame.
const GOODBYE: Duration = Duration::from_millis(500);

/// An open connection.
pub(super) struct Connection {
    socket: WebSocketStream<network::Connection>,
    is_closed: bool,
}

/// What comes over a connection.
pub(super) enum Received {
    Payload(Payload),
    /// A frame that cannot be read. The connection goes on.
    Broken(Broken),
    /// The gateway closed it, with this code if it told one.
    Closed(Option<u16>),
    /// It broke, and this is why.
    Lost(String),
    /// What it brought breaks its rules or our bounds, and nothing can be read after it.
    Unusable(String),
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct NoConnection(String);

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Connection {
    /// Opens a connection to the gateway at this `ws` or `wss` address.
    ///
    /// # Errors
    /// They name the host and the cause.
    pub(super) async fn open(network: &Network, url: &str) -> Result<Self, NoConnection> {
        let failed = |why: String| NoConnection(why);
        let mut url = Url::parse(url)
            .map_err(|error| failed(format!("{url:?} is no address of a gateway: {error}")))?;
        let with_tls = match url.scheme() {
            "wss" => true,
            "ws" => false,
            other => return Err(failed(format!("a gateway speaks wss, not {other}"))),
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
            Ok(Err(error)) => return Err(failed(format!("{host} takes no WebSocket: {error}"))),
            Err(_) => {
                let seconds = HANDSHAKE.as_secs();
                return Err(failed(format!("{host} did not answer for {seconds} s")));
            }
        };
        Ok(Self {
            socket,
            is_closed: false,
        })
    }

    /// Waits for what comes next. Nothing is lost if it is waited for no longer.
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
                None => return Received::Lost("it was cut".to_owned()),
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
            Err(_) => Err("it takes nothing any more".to_owned()),
        }
    }

    /// Closes the connection with this code; after 1000 the session is over, too.
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
            // Without the answer, ours might be lost in a reset.
            if self.socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        if timeout(GOODBYE, closing).await.is_err() {
            tracing::debug!("the gateway took its time to say goodbye; gone without it");
        }
    }
}

/// Whether the other side went without a word.
fn is_cut(error: &SocketError) -> bool {
    matches!(
        error,
        SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

/// What went wrong with a connection. Payloads are not part of it.
fn described(error: &SocketError) -> String {
    match error {
        SocketError::WriteBufferFull(_) => "it takes nothing any more".to_owned(),
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => "it was closed".to_owned(),
        error => error.to_string(),
    }
}
