//! How a request ends: completely, cut off, damaged, or without a response.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::limits::Headers;
use super::rest::call::{Reply, from_base64};

/// How a request ends.
#[derive(Debug)]
pub(crate) enum End {
    Answer(Reply, Headers),
    /// The connection breaks in the middle of the body.
    Truncated(Reply, Headers),
    /// The connection breaks.
    Broken,
}

pub(crate) fn respond(reply: Reply, headers: &Headers) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    if !reply.content_type.is_empty() {
        set("content-type", reply.content_type);
    }
    set("server", "github.com");
    set("x-github-media-type", "github.v3; format=json");
    for (name, value) in headers.iter().chain(&reply.headers) {
        set(name, value);
    }
    *response.body_mut() = Body::from(reply.body);
    response
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "planned fault")
}

/// A response whose body fails before its first byte: the server closes the connection mid-response.
pub(crate) fn broken() -> Response<Body> {
    let nothing = futures::stream::once(async { Err::<Bytes, _>(reset()) });
    Response::new(Body::from_stream(nothing))
}

/// The complete head, and half of the body.
pub(crate) fn truncated(mut reply: Reply, headers: &Headers) -> Response<Body> {
    let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
    reply
        .headers
        .push(("content-length", reply.body.len().to_string()));
    reply.body.clear();
    let parts = futures::stream::iter([Ok(half), Err(reset())]);
    let mut response = respond(reply, headers);
    *response.body_mut() = Body::from_stream(parts);
    response
}

/// Flips a bit in the middle of the content.
pub(crate) fn flip(reply: &mut Reply) {
    let turn = |bytes: &mut [u8]| {
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
    };
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let content = body.as_ref().and_then(|body| body.get("content")?.as_str());
    match (content.and_then(from_base64), body) {
        (Some(mut bytes), Some(mut body)) => {
            turn(&mut bytes);
            body["content"] = json!(STANDARD.encode(bytes));
            reply.body = body.to_string().into_bytes();
        }
        _ => turn(&mut reply.body),
    }
}
