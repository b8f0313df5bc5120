//! Logs to stderr: one line for each event, whatever text it quotes.

use std::{
    fmt,
    io::{self, IsTerminal as _},
};

use tracing::{field::Field, warn};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    fmt::format::{Writer, debug_fn},
};

use crate::config::{Config, Mistakes};
use propsbot_archive::one_line;
use propsbot_discord::log_filter;

/// Sends logs to stderr, filtered by `filter`, the value of `RUST_LOG`.
///
/// # Errors
/// An invalid filter, or a logger that is already installed.
pub fn log(filter: &str) -> Result<(), Mistakes> {
    let mistake = |error: String| Mistakes(vec![("RUST_LOG", error)]);
    let filter =
        EnvFilter::try_new(log_filter(filter)).map_err(|error| mistake(error.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .fmt_fields(debug_fn(field).delimited(" "))
        .try_init()
        .map_err(|error| mistake(error.to_string()))
}

/// Warns of tokens and keys that are sent unencrypted.
pub fn warn_of_exposed_secrets(config: &Config) {
    for (variable, host) in config.exposed_secrets() {
        warn!(
            variable,
            host, "the connection is not encrypted, so others can read the secret; use https"
        );
    }
}

/// Writes a log field on one line, whatever it contains.
fn field(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = one_line(&format!("{value:?}"));
    match field.name() {
        "message" => to.write_str(&value),
        // The code location, as reported by libraries that use `log`.
        name if name.starts_with("log.") => Ok(()),
        name => write!(to, "{name}={value}"),
    }
}
