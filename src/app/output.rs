//! Results on stdout.

use std::io::{self, Write as _};

use anyhow::anyhow;

use super::Error;

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
