//! Logs to stderr: one line for each event, as text or as JSON, whatever it quotes.

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

use crate::config::{Config, LogConfig, LogFormat, Mistakes};
use propsbot_archive::{one_line, printable_json};
use propsbot_discord::log_filter;

/// Sends logs to stderr.
///
/// # Errors
/// An invalid filter, or a logger that is already installed.
pub fn log(config: &LogConfig) -> Result<(), Mistakes> {
    let mistake = |error: String| Mistakes(vec![("RUST_LOG", error)]);
    let filter = EnvFilter::try_new(log_filter(&config.filter))
        .map_err(|error| mistake(error.to_string()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    let installed = match config.format {
        LogFormat::Text => log
            .with_writer(io::stderr)
            .with_ansi(config.colour && io::stderr().is_terminal())
            .fmt_fields(debug_fn(field).delimited(" "))
            .try_init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(|| PrintableJson)
            .try_init(),
    };
    installed.map_err(|error| mistake(error.to_string()))
}

/// Writes JSON to stderr so that nothing in it steers a terminal.
struct PrintableJson;

impl io::Write for PrintableJson {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        // The formatter writes whole lines.
        let line = printable_json(&String::from_utf8_lossy(json));
        io::stderr().write_all(line.as_bytes())?;
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
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
