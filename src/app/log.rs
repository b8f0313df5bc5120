//! Logs on stderr: one line for each event, whatever names and servers say.

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
use propsbot_discord::log_filter;
use propsbot_model::one_line;

/// Sends logs to stderr, as `filter` (the value of `RUST_LOG`) asks.
///
/// # Errors
/// A filter that is none, or logs that go somewhere already.
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

/// Warns where a token or key can be read on its way.
pub fn warn_of_exposed_secrets(config: &Config) {
    for (variable, host) in config.exposed_secrets() {
        warn!(
            variable,
            host,
            "the connection is not encrypted: others can read the secret on its way; use https"
        );
    }
}

/// A field of what is logged, on one line whatever it says.
fn field(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = one_line(&format!("{value:?}"));
    match field.name() {
        "message" => to.write_str(&value),
        // Where it was logged, as libraries that use `log` tell it.
        name if name.starts_with("log.") => Ok(()),
        name => write!(to, "{name}={value}"),
    }
}
