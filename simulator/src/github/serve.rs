//! Processes a request: route, token, rate limits, planned fault, response, log.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{End, broken, flip, respond, truncated};
use super::faults::{Fault, Files, Kind, Met};
use super::graphql::{self, Asked, Unreadable};
use super::limits::{Budget, Headers, Limited};
use super::record::{Request, Said};
use super::rest::call::{Call, Problem, Reply};
use super::rest::routes::{Route, find};
use super::state::{Shared, State};
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
struct Incoming<'a> {
    parts: &'a Parts,
    body: &'a [u8],
    path: &'a str,
    kind: Kind,
    route: &'static str,
    at_once: usize,
    /// What it costs of its primary budget.
    points: u32,
    /// The most nodes that it can answer with.
    nodes: u64,
}

impl Incoming<'_> {
    fn header(&self, name: &str) -> &str {
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
    let tag = incoming.header("if-none-match");
    if let Some(end) = strike(shared, fault.as_ref(), &headers, tag) {
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
        reply = conditional(reply, incoming.header("if-none-match"));
    }
    if reply.status == 304 && viewer_known {
        let mut state = shared.lock();
        state.limiter.refund(budget(incoming));
        state.log.counters.not_modified += 1;
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

/// Marks an answer with its `ETag`; without a body if the client has that already.
fn conditional(reply: Reply, known: &str) -> Reply {
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

fn budget(incoming: &Incoming<'_>) -> Budget {
    if incoming.kind.graphql() {
        Budget::Graphql
    } else if incoming.header("authorization").is_empty() {
        Budget::Anonymous
    } else {
        Budget::Core
    }
}

type Admitted = (Viewer, Headers, Option<Fault>);

/// Checks everything independent of the route, and counts the request.
fn admit(state: &mut State, incoming: &Incoming<'_>, ask: &str) -> Result<Admitted, Box<End>> {
    let refuse = |problem: Problem, headers| Box::new(End::Answer(problem.reply(), headers));
    let kind = incoming.kind;
    let met = Met {
        kind,
        path: incoming.path,
        nodes: incoming.nodes,
        body: incoming.body,
    };
    let given = incoming.header("authorization");
    let token = given.split_once(' ').filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")
    });
    let token = token.map(|(_, token)| token);
    let viewer = Viewer {
        settings: state.settings.clone(),
        known: token == Some(state.settings.token.as_str()),
    };
    if kind == Kind::Codeload {
        return Ok((viewer, Vec::new(), state.faults.meet(&met)));
    }
    if incoming.header("user-agent").is_empty() {
        state.log.violation(format!("no user-agent: {ask}"));
        let what = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).";
        return Err(refuse(Problem::new(403, what), Vec::new()));
    }
    if !given.is_empty() && !viewer.known {
        state.log.violation(format!("bad credentials: {ask}"));
        return Err(refuse(Problem::new(401, "Bad credentials"), Vec::new()));
    }
    if kind.graphql() && !viewer.known {
        state.log.violation(format!("no token: {ask}"));
        let what = "This endpoint requires you to be authenticated.";
        return Err(refuse(Problem::new(401, what), Vec::new()));
    }
    let budget = budget(incoming);
    // Reading the rate limit is free.
    if incoming.route != "/rate_limit"
        && let Err(limited) = state
            .limiter
            .take(kind, (budget, incoming.points), incoming.at_once)
    {
        state.log.counters.rate_limited += 1;
        return Err(Box::new(too_many(state, limited, budget, ask)));
    }
    let headers = state.limiter.headers(budget);
    if incoming.body.len() > state.limiter.limits.body {
        let size = incoming.body.len();
        state
            .log
            .violation(format!("a body of {size} bytes: {ask}"));
        return Err(refuse(Problem::new(413, "Payload Too Large"), headers));
    }
    Ok((viewer, headers, state.faults.meet(&met)))
}

/// What GitHub's proxies show when nothing behind them answers.
const UNICORN: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head><body><p><strong>We had issues producing the response to your request.</strong></p></body></html>\n";

const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID.";

fn too_many(state: &mut State, limited: Limited, budget: Budget, ask: &str) -> End {
    let mut headers = state.limiter.headers(budget);
    let reply = match limited {
        Limited::Secondary(wait, what) => {
            state.log.violation(format!("too much {what}: {ask}"));
            if state.limiter.limits.says_retry_after {
                headers.push(("retry-after", wait.as_secs_f64().ceil().to_string()));
            }
            Problem::new(state.limiter.limits.secondary_status, SECONDARY).reply()
        }
        Limited::Primary => {
            state
                .log
                .violation(format!("the primary rate limit is used up: {ask}"));
            let what = "API rate limit exceeded for user ID 1.";
            if budget == Budget::Graphql {
                let errors = json!([{"type": "RATE_LIMITED", "message": what}]);
                Reply::json(200, &json!({"errors": errors}))
            } else {
                Problem::new(403, what).reply()
            }
        }
    };
    End::Answer(reply, headers)
}

/// A planned fault's response in place of the route's.
fn strike(shared: &Shared, fault: Option<&Fault>, headers: &Headers, tag: &str) -> Option<End> {
    let mut headers = headers.clone();
    let reply = match fault? {
        Fault::Status(status) => Problem::new(*status, &format!("{status}: planned fault")).reply(),
        Fault::SecondaryLimit {
            status,
            retry_after,
        } => {
            headers.extend(retry_after.map(|wait| ("retry-after", wait.to_string())));
            shared.lock().log.counters.rate_limited += 1;
            Problem::new(*status, SECONDARY).reply()
        }
        Fault::PrimaryLimit { reset_in } => {
            let reset = Timestamp::now() + *reset_in;
            headers.retain(|(name, _)| {
                !matches!(*name, "x-ratelimit-remaining" | "x-ratelimit-reset")
            });
            headers.push(("x-ratelimit-remaining", "0".to_owned()));
            headers.push(("x-ratelimit-reset", (reset.as_second() + 1).to_string()));
            shared.lock().log.counters.rate_limited += 1;
            Problem::new(403, "API rate limit exceeded for user ID 1.").reply()
        }
        Fault::Answer(status, body) => Reply {
            status: *status,
            ..Reply::bytes(super::rest::call::JSON, body.clone().into_bytes())
        },
        Fault::Huge(mebibytes) => {
            let blanks = vec![b' '; mebibytes << 20];
            Reply::bytes(super::rest::call::JSON, blanks)
        }
        Fault::Html(status) => Reply {
            status: *status,
            ..Reply::bytes("text/html; charset=utf-8", UNICORN.as_bytes().to_vec())
        },
        Fault::QueryTimeout(status) => {
            let what = "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug. Please include `0400:1D3F:2A1B4C:2B5D6E:65F1A2B3` when reporting this issue.";
            Reply::json(
                *status,
                &json!({"data": null, "errors": [{"message": what}]}),
            )
        }
        Fault::ResourceLimits => {
            let what = "Resource limits for this query exceeded.";
            let error = json!({"type": "RESOURCE_LIMITS_EXCEEDED", "message": what});
            Reply::json(200, &json!({"data": null, "errors": [error]}))
        }
        Fault::StaleTag if !tag.is_empty() => Reply::none(304).with("etag", tag.to_owned()),
        Fault::Reset => return Some(End::Broken),
        _ => return None,
    };
    Some(End::Answer(reply, headers))
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
            if !found.is_visible() {
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
