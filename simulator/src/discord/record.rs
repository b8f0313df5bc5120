//! Records the traffic: a log for assertions, and JSON lines for checks against Discord's schemas.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::snowflake::wall_clock;

/// Number of requests and violations kept; counters continue.
const KEPT: usize = 500_000;

/// A request and its outcome.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it arrived, in milliseconds since 1970.
    pub at: i64,
    /// When it arrived, for measuring.
    pub arrived: Instant,
    /// The method.
    pub method: String,
    /// The route with its parameters' names, `?` for an unknown one.
    pub route: &'static str,
    /// Path and query as sent.
    pub path: String,
    /// The response's status; 0 if the connection was broken.
    pub status: u16,
    /// The request's JSON.
    pub body: Option<Value>,
}

/// Counters of requests and events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// All requests.
    pub requests: u64,
    /// Requests answered with 429.
    pub rate_limited: u64,
    /// Requests that count towards Discord's ban (10,000 in ten minutes): 401, 403, and 429 unless shared.
    pub invalid: u64,
    /// Requests to routes that do not exist.
    pub unknown_routes: u64,
    /// IDENTIFYs that got a session.
    pub identifies: u64,
    /// All IDENTIFYs.
    pub identify_attempts: u64,
    /// Gateway resumes.
    pub resumes: u64,
    /// Events dispatched to at least one session.
    pub events: u64,
}

/// The log and the record.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) violations: VecDeque<String>,
    pub(crate) counters: Counters,
    record: Option<BufWriter<File>>,
}

#[derive(Serialize)]
struct RestLine<'a> {
    r#type: &'static str,
    at: i64,
    method: &'a str,
    route: &'a str,
    path: &'a str,
    request: Option<&'a Value>,
    status: u16,
    response: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct GatewayLine<'a> {
    r#type: &'static str,
    at: i64,
    direction: &'a str,
    payload: &'a RawValue,
}

impl Log {
    pub(crate) fn new(record: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            File::create(path)
                .with_context(|| format!("cannot record traffic to {}", path.display()))
        };
        Ok(Self {
            record: record.map(open).transpose()?.map(BufWriter::new),
            ..Self::default()
        })
    }

    pub(crate) fn violation(&mut self, what: String) {
        if self.violations.len() == KEPT {
            self.violations.pop_front();
        }
        self.violations.push_back(what);
    }

    /// Logs a request with its response.
    pub(crate) fn rest(&mut self, request: Request, answer: &[u8]) {
        if self.record.is_some() {
            let text = std::str::from_utf8(answer).unwrap_or_default();
            let line = RestLine {
                r#type: "rest",
                at: request.at,
                method: &request.method,
                route: request.route,
                path: &request.path,
                request: request.body.as_ref(),
                status: request.status,
                response: serde_json::from_str(text).ok(),
            };
            self.write(&line);
        }
        self.counters.requests += 1;
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// Logs a gateway payload.
    pub(crate) fn gateway(&mut self, direction: &str, payload: &str) {
        if self.record.is_some()
            && let Ok(payload) = serde_json::from_str(payload)
        {
            self.write(&GatewayLine {
                r#type: "gateway",
                at: wall_clock(),
                direction,
                payload,
            });
        }
    }

    fn write(&mut self, line: &impl Serialize) {
        if let Some(record) = &mut self.record {
            let written = serde_json::to_writer(&mut *record, line)
                .map_err(std::io::Error::from)
                .and_then(|()| record.write_all(b"\n"));
            if let Err(error) = written {
                tracing::error!("recording stops: {error}");
                self.record = None;
            }
        }
    }

    /// Flushes the record to disk.
    pub(crate) fn flush(&mut self) {
        if let Some(record) = &mut self.record
            && let Err(error) = record.flush()
        {
            tracing::error!("the record could not be written: {error}");
        }
    }
}
