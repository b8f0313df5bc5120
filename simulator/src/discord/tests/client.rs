//! A minimal client over plain TCP.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::discord::Discord;

/// A response: status, lower-case header lines, body.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        let list = self.body.as_array().expect("a list");
        list.iter().map(|item| id(&item["id"])).collect()
    }
}

/// Parses an id.
pub(super) fn id(value: &Value) -> u64 {
    value
        .as_str()
        .expect("an id is a string")
        .parse()
        .expect("an id is a number")
}

fn address(discord: &Discord) -> String {
    discord.url().trim_start_matches("http://").to_owned()
}

/// A request with the bot's token.
pub(super) async fn ask(discord: &Discord, method: &str, path: &str, body: Value) -> Answered {
    ask_as(
        discord,
        &format!("Bot {}", discord.token()),
        method,
        path,
        body,
    )
    .await
    .expect("an answer")
}

/// A GET with the bot's token.
pub(super) async fn get(discord: &Discord, path: &str) -> Answered {
    ask(discord, "GET", path, Value::Null).await
}

/// A request with any token; an error if the connection breaks.
pub(super) async fn ask_as(
    discord: &Discord,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> anyhow::Result<Answered> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut stream = TcpStream::connect(address(discord)).await?;
    let request = format!(
        "{method} /api/v10{path} HTTP/1.1\r\nhost: simulator\r\nauthorization: {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| anyhow::anyhow!("no answer"))?;
    let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    anyhow::ensure!(
        status == 204 || length == Some(body.len()),
        "the answer was cut off"
    );
    Ok(Answered {
        status,
        head: head.to_lowercase(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    })
}

/// A WebSocket on the gateway.
pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) async fn open(discord: &Discord) -> Self {
        let mut stream = TcpStream::connect(address(discord))
            .await
            .expect("a connection");
        let request = "GET /gateway?v=10 HTTP/1.1\r\nhost: simulator\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an upgrade"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Self(stream)
    }

    /// Opens, and identifies with these intents.
    pub(super) async fn identified(discord: &Discord, intents: u64, compress: bool) -> Self {
        let mut socket = Self::open(discord).await;
        assert_eq!(socket.next().await.expect("hello")["op"], 10);
        let data = serde_json::json!({"token": discord.token(), "intents": intents, "compress": compress, "properties": {}});
        socket.send(&serde_json::json!({"op": 2, "d": data})).await;
        socket
    }

    pub(super) async fn send(&mut self, payload: &Value) {
        let payload = payload.to_string();
        let mut frame = vec![0x81];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 0x7E);
                frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
            }
        }
        // A zero mask leaves the payload unchanged.
        frame.extend([0; 4]);
        frame.extend(payload.as_bytes());
        self.0.write_all(&frame).await.expect("sent");
    }

    /// The next payload, or the server's close code; 0 if the connection was cut.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        let first = self.0.read_u8().await.map_err(|_| 0_u16)?;
        let length = match self.0.read_u8().await.map_err(|_| 0_u16)? {
            126 => u64::from(self.0.read_u16().await.map_err(|_| 0_u16)?),
            127 => self.0.read_u64().await.map_err(|_| 0_u16)?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("fits")];
        self.0.read_exact(&mut payload).await.map_err(|_| 0_u16)?;
        match first & 0x0F {
            1 => Ok(serde_json::from_slice(&payload).expect("JSON")),
            2 => Ok(
                serde_json::from_reader(flate2::read::ZlibDecoder::new(payload.as_slice()))
                    .expect("zlib of JSON"),
            ),
            8 => Err(payload
                .get(..2)
                .map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))),
            other => panic!("unexpected frame {other}"),
        }
    }

    /// Skips payloads up to an event of this name.
    pub(super) async fn event(&mut self, name: &str) -> Value {
        loop {
            let payload = self.next().await.expect("the connection lasts");
            if payload["t"] == name {
                return payload;
            }
        }
    }
}
