//! Processes a request: its route, whether it is admitted, its response, the log.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

use super::admit::{admit, budget, strike};
use super::answer::{End, broken, flip, respond, truncated};
use super::faults::{Fault, Files, Kind};
use super::graphql::{self, Asked, Unreadable};
use super::record::{Request, Said};
use super::rest::call::{Call, Problem, Reply};
use super::rest::routes::{Route, find};
use super::state::Shared;
use super::viewer::Viewer;

/// Counts a concurrent request until dropped.
struct AtOnce(Arc<Shared>);

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The handler of a request.
enum Target {
    Rest(&'static Route, Vec<String>),
    Graphql(Box<Result<Asked, Unreadable>>),
    Unknown,
}

/// A request being processed.
pub(super) struct Incoming<'a> {
    parts: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) path: &'a str,
    pub(super) kind: Kind,
    pub(super) route: &'static str,
    pub(super) at_once: usize,
    /// What it costs of its primary budget.
    pub(super) points: u32,
    /// The most nodes that it can answer with.
    pub(super) nodes: u64,
}

impl Incoming<'_> {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.parts.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Serves a request.
pub(crate) async fn serve(shared: Arc<Shared>, parts: Parts, body: Bytes) -> Response<Body> {
    let at_once = shared.at_once.fetch_add(1, Ordering::Relaxed) + 1;
    let guard = AtOnce(Arc::clone(&shared));
    // Git blocks, so run off the async threads.
    let served = tokio::task::spawn_blocking(move || {
        let done = handle(&shared, &parts, &body, at_once);
        shared.touch();
        done
    });
    let Ok((end, delay)) = served.await else {
        return broken();
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    drop(guard);
    match end {
        End::Answer(reply, headers) => respond(reply, &headers),
        End::Truncated(reply, headers) => truncated(reply, &headers),
        End::Broken => broken(),
    }
}

fn handle(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: &[u8],
    at_once: usize,
) -> (End, Option<Duration>) {
    let (at, arrived) = (Timestamp::now().as_millisecond(), Instant::now());
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let target = aim(shared, parts, body);
    let (kind, route) = match &target {
        Target::Rest(route, _) => (route.kind, route.template),
        Target::Graphql(asked) => (
            asked
                .as_ref()
                .as_ref()
                .map_or(Kind::Query, |asked| asked.kind),
            "/graphql",
        ),
        Target::Unknown => (Kind::Unknown, "?"),
    };
    let (fields, points, nodes) = match &target {
        Target::Graphql(asked) => asked.as_ref().as_ref().map_or((Vec::new(), 1, 0), |asked| {
            (asked.fields.clone(), asked.cost.points(), asked.cost.nodes)
        }),
        _ => (Vec::new(), 1, 0),
    };
    let incoming = Incoming {
        parts,
        body,
        path,
        kind,
        route,
        at_once,
        points,
        nodes,
    };
    let (end, delay) = answer(shared, &incoming, target);
    let (status, answered): (u16, &[u8]) = match &end {
        End::Answer(reply, _) | End::Truncated(reply, _) => (reply.status, &reply.body),
        End::Broken => (0, &[]),
    };
    let content_type = match &end {
        End::Answer(reply, _) => reply.content_type,
        _ => "",
    };
    let request = Request {
        at,
        arrived,
        method: parts.method.as_str().to_owned(),
        route,
        path: path.to_owned(),
        kind,
        writes: kind.writes(),
        fields,
        status,
        refused: status >= 400 || (kind.graphql() && has_errors(answered)),
        points: if matches!(status, 304 | 401) || route == "/rate_limit" {
            0
        } else {
            points
        },
        sent: body.len() as u64,
        answered: answered.len() as u64,
    };
    let said = Said {
        accept: incoming.header("accept"),
        sent: body,
        content_type,
        answered,
    };
    shared.lock().log.note(request, &said);
    (end, delay)
}

fn has_errors(answer: &[u8]) -> bool {
    std::str::from_utf8(answer).is_ok_and(|text| text.contains("\"errors\":["))
}

fn aim(shared: &Shared, parts: &Parts, body: &[u8]) -> Target {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    if (method, path) == ("POST", "/graphql") {
        return Target::Graphql(Box::new(graphql::read(body)));
    }
    let named = by_id(shared, path);
    match find(method, named.as_deref().unwrap_or(path)) {
        Some((route, params)) => {
            Target::Rest(route, params.iter().map(|part| decode(part)).collect())
        }
        None => Target::Unknown,
    }
}

/// The path with the repository's name in place of its id, which is where lists and redirects lead.
fn by_id(shared: &Shared, path: &str) -> Option<String> {
    let rest = path.strip_prefix("/repositories/")?;
    let (id, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let world = shared.world();
    let found = world.repository(id.parse().ok()?)?;
    Some(format!("/repos/{}{rest}", world.full_name(found)))
}

fn answer(
    shared: &Arc<Shared>,
    incoming: &Incoming<'_>,
    target: Target,
) -> (End, Option<Duration>) {
    let ask = format!("{} {}", incoming.parts.method, incoming.path);
    let (viewer, headers, fault) = match admit(&mut shared.lock(), incoming, &ask) {
        Ok(admitted) => admitted,
        Err(end) => return (*end, None),
    };
    if let Some(end) = strike(shared, fault.as_ref(), &headers) {
        return (end, None);
    }
    let viewer_known = viewer.known;
    let expires = viewer.settings.expires.clone().filter(|_| viewer.known);
    let mut race = None;
    match &fault {
        Some(Fault::Overtaken(files)) => {
            if let Err(error) = shared.somebody_commits(files.clone()) {
                shared.lock().log.violation(format!("simulator: {error:#}"));
            }
        }
        Some(Fault::Raced(files)) => race = Some(files.clone()),
        _ => {}
    }
    let mut reply = match target {
        Target::Unknown => {
            let mut state = shared.lock();
            state.log.violation(format!("unknown route: {ask}"));
            state.log.counters.unknown_routes += 1;
            drop(state);
            Problem::not_found().reply()
        }
        Target::Graphql(asked) => graphql::answer(shared, &viewer, *asked, race),
        Target::Rest(route, params) => rest(shared, viewer, incoming, (route, params), race),
    };
    if incoming.parts.method == "GET" && reply.status == 200 && incoming.kind != Kind::Codeload {
        let known = incoming.header("if-none-match");
        reply = conditional(reply, known, fault == Some(Fault::StaleTag));
    }
    if reply.status == 304 && viewer_known {
        let mut state = shared.lock();
        state.limiter.refund(budget(incoming));
        state.log.counters.not_modified += 1;
        state.log.counters.rest_points -= 1;
    }
    // The budget after this request, including what it used itself.
    let mut headers = if headers.is_empty() {
        headers
    } else {
        shared.lock().limiter.headers(budget(incoming))
    };
    headers.extend(expires.map(|expires| ("github-authentication-token-expiration", expires)));
    match fault {
        Some(Fault::Lost) => (End::Broken, None),
        Some(Fault::DoneBut(status)) => {
            let problem = Problem::new(status, "Server Error");
            (End::Answer(problem.reply(), headers), None)
        }
        Some(Fault::Truncated) => (End::Truncated(reply, headers), None),
        Some(Fault::FlippedBit) => {
            flip(&mut reply);
            (End::Answer(reply, headers), None)
        }
        Some(Fault::Delay(delay)) => (End::Answer(reply, headers), Some(delay)),
        _ => (End::Answer(reply, headers), None),
    }
}

/// Marks an answer with its `ETag`; without a body if the client has that already, or if whatever it has is taken as that.
fn conditional(reply: Reply, known: &str, stale: bool) -> Reply {
    if stale && !known.is_empty() {
        return Reply::none(304).with("etag", known.to_owned());
    }
    let mut hasher = DefaultHasher::new();
    reply.body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let weak = format!("W/{tag}");
    let mut known = known
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"));
    let reply = if known.any(|one| one == tag || one == "*") {
        Reply {
            headers: reply.headers,
            ..Reply::none(304)
        }
    } else {
        reply
    };
    reply.with("etag", weak)
}

fn rest(
    shared: &Arc<Shared>,
    viewer: Viewer,
    incoming: &Incoming<'_>,
    (route, params): (&'static Route, Vec<String>),
    race: Option<Files>,
) -> Reply {
    let world = shared.world();
    let mut source = None;
    if route.template.contains("{repo}") {
        let full_name = format!("{}/{}", params[0], params[1]);
        source = world.repository_named(&full_name);
        if let Some(found) = source {
            if !viewer.sees(found) {
                return Problem::not_found().reply();
            }
            if !world.full_name(found).eq_ignore_ascii_case(&full_name) {
                let rest = incoming.path.trim_start_matches("/repos/");
                let rest = rest
                    .splitn(3, '/')
                    .nth(2)
                    .map_or(String::new(), |rest| format!("/{rest}"));
                let to = format!("{}/repositories/{}{rest}", viewer.settings.url, found.id);
                return Reply::none(301).with("location", to);
            }
        }
    }
    let of_archive = source.is_none() && route.template.contains("{repo}");
    if of_archive && viewer.settings.was_named(&params[0], &params[1]) {
        let former = format!("/{}/{}", params[0], params[1]);
        let now = format!("/{}", viewer.settings.full_name());
        let to = format!(
            "{}{}",
            viewer.settings.url,
            incoming.path.replacen(&former, &now, 1)
        );
        let status = if incoming.parts.method == "GET" {
            301
        } else {
            307
        };
        return Reply::none(status).with("location", to);
    }
    if of_archive && !viewer.settings.is_named(&params[0], &params[1]) {
        return Problem::not_found().reply();
    }
    let handler = if source.is_some() {
        route.source
    } else {
        route.answer
    };
    let Some(handler) = handler else {
        return Problem::not_found().reply();
    };
    let body = match incoming.body {
        b"" => Value::Null,
        bytes => match serde_json::from_slice(bytes) {
            Ok(body @ Value::Object(_)) => body,
            Ok(_) => return Problem::new(400, "Body should be a JSON object").reply(),
            Err(_) => return Problem::new(400, "Problems parsing JSON").reply(),
        },
    };
    let call = Call {
        shared,
        viewer,
        world: &world,
        source,
        params,
        path: incoming.path,
        query: query(incoming.parts.uri.query().unwrap_or_default()),
        body,
        accept: incoming.header("accept"),
        race: Cell::new(race),
    };
    handler(&call).unwrap_or_else(|problem| {
        if let Some(why) = &problem.internal {
            shared.lock().log.violation(format!("simulator: {why}"));
        }
        problem.reply()
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(&value.replace('+', "%20")))
        })
        .collect()
}
