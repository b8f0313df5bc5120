//! Where a command's output goes while it runs: this process's own, or a client's.

use tokio::sync::mpsc;

use super::{Error, control::Event, output};

#[derive(Clone)]
pub(super) enum Console {
    Own,
    /// A command in another process. What it doesn't read any more is dropped.
    Client(mpsc::Sender<Event>),
}

impl Console {
    /// Writes text to stdout.
    ///
    /// # Errors
    /// As [`output::print_line`].
    pub(super) async fn print(&self, text: String) -> Result<(), Error> {
        match self {
            Self::Own => output::print_line(&text),
            Self::Client(events) => {
                let _ = events.send(Event::Out(text)).await;
                Ok(())
            }
        }
    }

    /// Writes text to stderr.
    pub(super) async fn notify(&self, text: String) {
        match self {
            Self::Own => output::notify(&[text]),
            Self::Client(events) => {
                let _ = events.send(Event::Note(text)).await;
            }
        }
    }

    /// Whether progress bars may be drawn on this process's terminal.
    pub(super) fn has_bars(&self) -> bool {
        matches!(self, Self::Own)
    }
}
