//! Processes a request: route, token, planned fault, rate limits, response, log.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use flate2::{Compress, Compression, FlushCompress};
use serde_json::{Value, json};

use super::call::{Call, Problem, Reply};
use super::odd;
use super::routes::{Route, find};
use crate::discord::faults::Fault;
use crate::discord::limits::{Headers, Key, Limited};
use crate::discord::record::Request;
use crate::discord::snowflake::wall_clock;
use crate::discord::state::{Shared, State};

/// How a request ends.
enum End {
    Answer(Reply, Headers),
    /// The connection breaks.
    Broken,
    /// A body of this many MiB, compressed.
    GzipBomb(usize),
    /// A body that sends a byte per interval.
    Trickle(Duration),
}

/// Serves a request.
pub(crate) async fn serve(shared: Arc<Shared>, parts: Parts, body: Bytes) -> Response<Body> {
    let whole = parts
        .uri
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_owned();
    let found = find(parts.method.as_str(), bare_path(parts.uri.path()));
    let template = found.as_ref().map_or("?", |(route, _)| route.template);
    let (body, files) = read_body(&parts, &body);
    let request = Request {
        at: wall_clock(),
        arrived: Instant::now(),
        method: parts.method.as_str().to_owned(),
        route: template,
        path: whole,
        status: 0,
        body: (!body.is_null()).then(|| body.clone()),
    };
    let (end, delay) = {
        let mut state = shared.lock();
        let answered = answer(&mut state, &parts, found, body, files);
        let (status, bytes): (u16, &[u8]) = match &answered.0 {
            End::Answer(reply, _) => (reply.status, &reply.body),
            End::Broken => (0, &[]),
            End::GzipBomb(_) | End::Trickle(_) => (200, &[]),
        };
        state.log.rest(Request { status, ..request }, bytes);
        answered
    };
    shared.touch();
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    match end {
        End::Answer(reply, headers) => response(reply, headers),
        End::Broken => broken(),
        End::GzipBomb(mebibytes) => gzip_bomb(mebibytes),
        End::Trickle(each) => trickle(each),
    }
}

/// The path without `/api` and `/v10`.
fn bare_path(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/api") else {
        return path;
    };
    let Some(versioned) = rest.strip_prefix("/v") else {
        return rest;
    };
    let digits = versioned.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.starts_with('/') && digits.len() < versioned.len() {
        digits
    } else {
        rest
    }
}

fn answer(
    state: &mut State,
    parts: &Parts,
    found: Option<(&'static Route, Vec<String>)>,
    body: Value,
    files: Vec<(String, Vec<u8>)>,
) -> (End, Option<Duration>) {
    let ask = format!("{} {}", parts.method, parts.uri.path());
    let Some((route, raw)) = found else {
        state.log.violation(format!("unknown route: {ask}"));
        state.log.counters.unknown_routes += 1;
        return (
            refuse(state, &Problem::new(404, 0, "404: Not Found"), Vec::new()),
            None,
        );
    };
    if !parts.uri.path().is_ascii() {
        state
            .log
            .violation(format!("path is not percent-encoded: {ask}"));
    }
    let fault = state.faults.meet(route.method, route.template);
    let resource = route.resource(&raw);
    let exempt =
        route.template.starts_with("/interactions/") || route.template.starts_with("/webhooks/");
    let key = Key {
        bucket: route.bucket,
        route: route.template,
        resource,
        exempt,
    };
    let (headers, limited) = if route.template.starts_with("/interactions/") {
        (Vec::new(), None)
    } else {
        state.limiter.take(&key)
    };
    if let Some(limited) = limited {
        state.log.violation(format!(
            "rate limited{}: {ask}",
            if limited.global { " globally" } else { "" }
        ));
        return (too_many(state, limited, headers), None);
    }
    if route.wants_token() && !authorized(state, parts) {
        state.log.violation(format!("unauthorized: {ask}"));
        return (refuse(state, &Problem::unauthorized(), headers), None);
    }
    if let Some(end) = strike(state, fault.as_ref(), &headers) {
        return (end, None);
    }
    let delay = match fault {
        Some(Fault::Delay(wait)) => Some(wait),
        _ => None,
    };
    let mut headers = headers;
    if let Some(Fault::Headers(other)) = &fault {
        headers.retain(|(name, _)| other.iter().all(|(other, _)| other != name));
        headers.extend(other.iter().cloned());
    }
    let params = raw.iter().map(|part| decode(part)).collect();
    let call = Call {
        params,
        query: query(parts.uri.query().unwrap_or_default()),
        body,
        files,
        is_lost: fault == Some(Fault::Lost),
    };
    let visited = visit_target(state, route, &call);
    let answered = (route.answer)(state, &call);
    state.visit(visited);
    let end = match answered {
        Ok(mut reply) => {
            let name = format!("{} {}", route.method, route.template);
            reply.body = state.faults.mutations.apply(&name, reply.body);
            let reply = match &fault {
                Some(Fault::Without(places)) => odd::without(reply, places),
                Some(Fault::Endless(step)) => {
                    odd::endless(reply, route.template, &call, *step, wall_clock())
                }
                _ => reply,
            };
            End::Answer(reply, headers)
        }
        Err(problem) => refuse(state, &problem, headers),
    };
    if fault == Some(Fault::Lost) {
        (End::Broken, delay)
    } else {
        (end, delay)
    }
}

/// Visits the guild that a request concerns; returns the previous one.
fn visit_target(state: &mut State, route: &Route, call: &Call) -> u64 {
    let target = route.target(state, call);
    state.visit(state.guild_of(target))
}

/// A planned fault's response in place of the route's.
fn strike(state: &mut State, fault: Option<&Fault>, headers: &Headers) -> Option<End> {
    let answered = |status, body| End::Answer(Reply { status, body }, headers.clone());
    match fault? {
        Fault::Status(status) => {
            let problem = Problem::new(*status, 0, &format!("{status}: planned fault"));
            Some(refuse(state, &problem, headers.clone()))
        }
        Fault::RateLimited {
            retry_after,
            global,
            shared,
        } => {
            let limited = Limited {
                retry_after: *retry_after,
                global: *global,
                shared: *shared,
            };
            Some(too_many(state, limited, headers.clone()))
        }
        Fault::Answer(status, body) => Some(answered(*status, body.clone().into_bytes())),
        Fault::AnswerWith(status, other, body) => {
            let mut headers = headers.clone();
            headers.extend(other.iter().cloned());
            state.log.counters.rate_limited += u64::from(*status == 429);
            let body = body.clone().into_bytes();
            let status = *status;
            Some(End::Answer(Reply { status, body }, headers))
        }
        Fault::GzipBomb(mebibytes) => Some(End::GzipBomb(*mebibytes)),
        Fault::Trickle(each) => Some(End::Trickle(*each)),
        Fault::Malformed => Some(answered(200, b"[{\"id\": \"1\", \"cont".to_vec())),
        Fault::Reset => Some(End::Broken),
        Fault::Delay(_)
        | Fault::Lost
        | Fault::Headers(_)
        | Fault::Without(_)
        | Fault::Endless(_) => None,
    }
}

fn authorized(state: &State, parts: &Parts) -> bool {
    let given = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    given
        .strip_prefix("Bot ")
        .is_some_and(|token| token == state.token)
}

fn refuse(state: &mut State, problem: &Problem, headers: Headers) -> End {
    state.log.counters.invalid += u64::from(matches!(problem.status, 401 | 403 | 429));
    End::Answer(problem.reply(), headers)
}

fn too_many(state: &mut State, limited: Limited, mut headers: Headers) -> End {
    state.log.counters.rate_limited += 1;
    state.log.counters.invalid += u64::from(!limited.shared);
    let scope = match (limited.global, limited.shared) {
        (true, _) => "global",
        (_, true) => "shared",
        _ => "user",
    };
    headers.push(("retry-after", format!("{:.3}", limited.retry_after)));
    headers.push(("x-ratelimit-scope", scope.to_owned()));
    if limited.global {
        headers.push(("x-ratelimit-global", "true".to_owned()));
    }
    let body = json!({"message": "You are being rate limited.", "retry_after": limited.retry_after, "global": limited.global});
    End::Answer(
        Reply {
            status: 429,
            body: body.to_string().into_bytes(),
        },
        headers,
    )
}

fn response(reply: Reply, headers: Headers) -> Response<Body> {
    let empty = reply.body.is_empty();
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !empty {
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json"));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A response whose body fails before its first byte: the server closes the connection mid-response.
fn broken() -> Response<Body> {
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "planned fault");
    Response::new(Body::from_stream(futures::stream::once(async {
        Err::<Bytes, _>(reset)
    })))
}

/// An empty list in this many MiB of spaces. One MiB is compressed, and repeated.
fn gzip_bomb(mebibytes: usize) -> Response<Body> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(64 << 10);
    compress
        .compress_vec(&vec![b' '; 1 << 20], &mut block, FlushCompress::Full)
        .expect("blanks can be compressed");
    let block = Bytes::from(block);
    let head = Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let blocks = std::iter::repeat_n(block, mebibytes);
    let parts = std::iter::once(head).chain(blocks);
    let body = futures::stream::iter(parts.map(Ok::<_, io::Error>));
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("content-encoding", HeaderValue::from_static("gzip"));
    response
}

/// An endless list: a space per interval.
fn trickle(each: Duration) -> Response<Body> {
    let body = futures::stream::unfold(b"[".as_slice(), move |next| async move {
        tokio::time::sleep(each).await;
        Some((
            Ok::<_, io::Error>(Bytes::from_static(next)),
            b" ".as_slice(),
        ))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        if *first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

/// The JSON of a body, plain or as `payload_json` with files, and the files by name.
fn read_body(parts: &Parts, body: &Bytes) -> (Value, Vec<(String, Vec<u8>)>) {
    let kind = parts
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(boundary) = kind
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split("boundary=").nth(1))
    else {
        return (
            serde_json::from_slice(body).unwrap_or(Value::Null),
            Vec::new(),
        );
    };
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let mut json = Value::Null;
    let mut files = Vec::new();
    let mut rest = &body[..];
    while let Some((part, after)) = cut(rest, boundary.as_bytes()) {
        rest = after;
        let Some((head, content)) = cut(part, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(head);
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        if head.contains("name=\"payload_json\"") {
            json = serde_json::from_slice(content).unwrap_or(Value::Null);
        } else if let Some(name) = head
            .split("filename=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
        {
            files.push((name.to_owned(), content.to_vec()));
        }
    }
    (json, files)
}

/// The bytes before and after the first occurrence.
fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = bytes.windows(at.len()).position(|pair| pair == at)?;
    Some((&bytes[..found], &bytes[found + at.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_encodings() {
        assert_eq!(bare_path("/api/v10/users/@me"), "/users/@me");
        assert_eq!(bare_path("/api/users/@me"), "/users/@me");
        assert_eq!(bare_path("/users/@me"), "/users/@me");
        assert_eq!(decode("%23%EF%B8%8F%E2%83%A3"), "#️⃣");
        assert_eq!(
            query("after=1&before=2020-01-01T00%3A00%3A00%2B00%3A00")[1].1,
            "2020-01-01T00:00:00+00:00"
        );
    }
}
