//! What the two ends of the socket tell each other: JSON, one value a line.
//!
//! Each end first sends its [`Hello`], then the client a [`Request`], then the server [`Event`]s up to
//! an [`Event::End`].

use std::{io, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

use super::StoreCommand;

/// Version of the protocol: of [`Request`] and [`Event`], with all that is in them. [`Hello`] itself
/// never changes, apart from new fields.
pub(super) const VERSION: u32 = 2;

/// The longest line from a client, in bytes.
pub(super) const LONGEST_REQUEST: usize = 64 << 10;
/// The longest line from a server.
pub(super) const LONGEST_EVENT: usize = 8 << 20;
/// How much text an event has before the next line of it gets an event of its own.
pub(super) const TEXT: usize = 256 << 10;

/// How long the other end may take for its next line if it owes one, or to make room for one.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may take to make room for the next event: its output may be shown page by page.
pub(super) const PAGE: Duration = Duration::from_mins(5);

/// The first line in each direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The sender's [`VERSION`].
    pub(super) propsbot_control: u32,
    /// The sender's release, for people.
    pub(super) release: String,
}

impl Hello {
    pub(super) fn own() -> Self {
        Self {
            propsbot_control: VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What the client wants. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) command: StoreCommand,
    /// The client's `ARCHIVE`, to tell it if the server's is another one.
    pub(super) archive: String,
}

/// What the server tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Event {
    /// Text for stdout, to be ended by a line break.
    Out(String),
    /// Text for stderr.
    Note(String),
    /// The end, with the exit code. `error` says why if it isn't 0.
    End { code: u8, error: String },
}

/// Why nothing more can be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("the connection was closed")]
    Closed,
    #[error("it took too long")]
    Late,
    #[error("the line is too long")]
    TooLong,
    #[error("the line has an unexpected form: {0}")]
    Unexpected(#[from] serde_json::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<LinesCodecError> for LineError {
    fn from(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Self::TooLong,
            LinesCodecError::Io(error) => Self::Io(error),
        }
    }
}

/// A connection that carries JSON values.
pub(super) struct Lines(Framed<UnixStream, LinesCodec>);

impl Lines {
    /// `longest` bounds the lines from the other end.
    pub(super) fn new(stream: UnixStream, longest: usize) -> Self {
        Self(Framed::new(
            stream,
            LinesCodec::new_with_max_length(longest),
        ))
    }

    /// Sends a value, within [`PATIENCE`].
    pub(super) async fn send(&mut self, value: &impl Serialize) -> Result<(), LineError> {
        self.send_within(PATIENCE, value).await
    }

    pub(super) async fn send_within(
        &mut self,
        patience: Duration,
        value: &impl Serialize,
    ) -> Result<(), LineError> {
        let line = serde_json::to_string(value)?;
        let sent = timeout(patience, self.0.send(line)).await;
        Ok(sent.map_err(|_| LineError::Late)??)
    }

    /// The next value, however long it takes.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, LineError> {
        let line = self.0.next().await.ok_or(LineError::Closed)??;
        Ok(serde_json::from_str(&line)?)
    }

    /// The next value, within [`PATIENCE`].
    pub(super) async fn soon<T: DeserializeOwned>(&mut self) -> Result<T, LineError> {
        self.within(PATIENCE).await
    }

    pub(super) async fn within<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
    ) -> Result<T, LineError> {
        let next = timeout(patience, self.next()).await;
        next.map_err(|_| LineError::Late)?
    }

    /// Waits until the other end closes the connection, or sends what is out of turn.
    pub(super) async fn closed(&mut self) {
        let _ = self.0.next().await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Destination, *};
    use propsbot_archive::Id;

    /// Whoever changes one of these lines has to raise [`VERSION`], too.
    #[test]
    fn lines_have_the_form_of_version_2() {
        assert_eq!(VERSION, 2);
        let request = |command: StoreCommand| {
            let archive = "dir:/archive".to_owned();
            serde_json::to_value(Request { command, archive }).unwrap()["command"].take()
        };
        let to = Some(Destination::new("dir:/copy".parse().unwrap()));
        for (command, line) in [
            (
                StoreCommand::Status {
                    json: true,
                    max_age: None,
                },
                json!({"status": {"json": true, "max_age": null}}),
            ),
            (
                StoreCommand::Export {
                    to: None,
                    replace: false,
                    repair: true,
                },
                json!({"export": {"to": null, "replace": false, "repair": true}}),
            ),
            (
                StoreCommand::DryRun { to },
                json!({"dry_run": {"to": {"name": "dir:/copy", "place": "dir:/copy"}}}),
            ),
            (
                StoreCommand::Forget {
                    user: Some(Id::new(7)),
                    guild: None,
                },
                json!({"forget": {"user": "7", "guild": null}}),
            ),
            (
                StoreCommand::Recheck {
                    guild: Some(Id::new(9)),
                    json: false,
                },
                json!({"recheck": {"guild": "9", "json": false}}),
            ),
        ] {
            assert_eq!(request(command.clone()), line);
            assert_eq!(
                serde_json::from_value::<StoreCommand>(line).unwrap(),
                command
            );
        }
        let hello = json!({"propsbot_control": 2, "release": env!("CARGO_PKG_VERSION")});
        assert_eq!(serde_json::to_value(Hello::own()).unwrap(), hello);
        for (event, line) in [
            (Event::Out("a".to_owned()), json!({"out": "a"})),
            (Event::Note("a".to_owned()), json!({"note": "a"})),
            (
                Event::End {
                    code: 1,
                    error: "a".to_owned(),
                },
                json!({"end": {"code": 1, "error": "a"}}),
            ),
        ] {
            assert_eq!(serde_json::to_value(event).unwrap(), line);
        }
    }
}
