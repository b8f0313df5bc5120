//! Records the traffic: a log for assertions, and JSON lines for checks against GitHub's schemas.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::faults::Kind;

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
    pub kind: Kind,
    /// Whether GitHub counts it as creating content.
    pub writes: bool,
    /// GraphQL root fields, such as `createCommitOnBranch`.
    pub fields: Vec<String>,
    /// The response's status; 0 if the connection was broken.
    pub status: u16,
    /// Whether it failed: a status from 400, or GraphQL errors.
    pub refused: bool,
    /// What it cost of its primary budget: 0 for an unchanged answer.
    pub points: u32,
    /// Bytes of the request's body.
    pub sent: u64,
    /// Bytes of the response's body.
    pub answered: u64,
}

/// Counters of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// All requests.
    pub requests: u64,
    /// Requests that GitHub counts as creating content, refused ones included.
    pub writes: u64,
    /// GraphQL requests.
    pub graphql: u64,
    /// Answers of 304, which cost nothing.
    pub not_modified: u64,
    /// Points of GraphQL requests, by their cost. Requests that a limit refused cost nothing.
    pub graphql_points: u64,
    /// REST requests that cost something.
    pub rest_points: u64,
    /// Requests refused by a limit.
    pub rate_limited: u64,
    /// Requests to routes that are not simulated.
    pub unknown_routes: u64,
    /// Bytes of request bodies.
    pub sent: u64,
    /// Bytes of response bodies.
    pub answered: u64,
}

/// The log and the record.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) violations: VecDeque<String>,
    pub(crate) counters: Counters,
    record: Option<BufWriter<File>>,
}

/// The recorded parts of an exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) accept: &'a str,
    pub(crate) sent: &'a [u8],
    pub(crate) content_type: &'a str,
    pub(crate) answered: &'a [u8],
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    at: i64,
    method: &'a str,
    route: &'a str,
    path: &'a str,
    accept: &'a str,
    request: Option<Value>,
    status: u16,
    content_type: &'a str,
    /// Null if it isn't JSON.
    response: Option<&'a RawValue>,
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

    /// Counts what an admitted request costs.
    pub(crate) fn cost(&mut self, graphql: bool, points: u32) {
        let counters = &mut self.counters;
        let spent = if graphql {
            &mut counters.graphql_points
        } else {
            &mut counters.rest_points
        };
        *spent += u64::from(points);
    }

    pub(crate) fn violation(&mut self, what: String) {
        if self.violations.len() == KEPT {
            self.violations.pop_front();
        }
        self.violations.push_back(what);
    }

    /// Logs a request with its response.
    pub(crate) fn note(&mut self, request: Request, said: &Said<'_>) {
        if self.record.is_some() {
            // A file may be JSON too, but isn't an API response, and may span lines.
            let is_json = said.content_type.starts_with("application/json");
            let answer = std::str::from_utf8(said.answered).ok().filter(|_| is_json);
            self.write(&Line {
                r#type: if request.kind.graphql() {
                    "graphql"
                } else {
                    "rest"
                },
                at: request.at,
                method: &request.method,
                route: request.route,
                path: &request.path,
                accept: said.accept,
                request: serde_json::from_slice(said.sent).ok(),
                status: request.status,
                content_type: said.content_type,
                response: answer.and_then(|answer| serde_json::from_str(answer).ok()),
            });
        }
        let counters = &mut self.counters;
        counters.requests += 1;
        counters.writes += u64::from(request.writes);
        counters.graphql += u64::from(request.kind.graphql());
        counters.sent += request.sent;
        counters.answered += request.answered;
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
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
