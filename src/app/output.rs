//! What goes to stdout: results that somebody or something waits for.

use std::io::{self, Write as _};

use anyhow::anyhow;

use super::Error;

/// Writes a line to stdout.
///
/// # Errors
/// It did not get there, for example because the disk is full.
pub fn print_line(text: &str) -> Result<(), Error> {
    printed(writeln!(io::stdout(), "{text}"))
}

/// What it means that something was written to stdout, or was not. A reader that closed the pipe, such as
/// `head`, wants no more: that is no error.
///
/// # Errors
/// As [`print_line`].
pub fn printed(outcome: io::Result<()>) -> Result<(), Error> {
    match outcome.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Failed(anyhow!(
            "could not write the result to stdout: {error}"
        ))),
        _ => Ok(()),
    }
}
