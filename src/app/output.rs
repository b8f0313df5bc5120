//! Results on stdout.

use std::io::{self, Write as _};

use anyhow::anyhow;

use super::Error;
use propsbot_model::printable;

/// Writes a line to stdout.
///
/// # Errors
/// Stdout couldn't be written, for example because the disk is full.
pub fn print_line(text: &str) -> Result<(), Error> {
    printed(writeln!(io::stdout(), "{text}"))
}

/// Flushes stdout and converts the outcome of writing to it. A closed pipe, as with `head`, is no error.
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

/// Writes text to stdout. `false` if nobody reads it any more.
///
/// # Errors
/// As [`print_line`].
pub(super) fn write_text(text: &str) -> Result<bool, Error> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        outcome => printed(outcome).map(|()| true),
    }
}

/// Writes lines to stderr. If that is closed, there is nobody to tell.
pub(super) fn notify(lines: &[String]) {
    let _ = writeln!(io::stderr(), "{}", printable(&lines.join("\n")));
}
