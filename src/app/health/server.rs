//! The server at `HEALTH_ADDRESS`. Bounds what a client may take: connections, bytes, and time.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    metrics::{Format, Metrics},
    monitor::Monitor,
};

/// How many clients may be connected. Others wait.
const CONNECTIONS: usize = 16;

/// How many headers a request may have, and how many bytes its head.
const HEADERS: usize = 32;
const HEAD_BYTES: usize = 16 << 10;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(5);

/// How long a connection may last, however many requests it makes.
const CONNECTION: Duration = Duration::from_mins(1);

/// How long to wait after a failure to accept, such as too many open files.
const AGAIN: Duration = Duration::from_secs(1);

/// Binds the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers requests until stopped.
pub(super) async fn serve(listener: TcpListener, monitor: Arc<Monitor>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut clients = JoinSet::new();
    let accepting = async {
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.expect("the places are never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let monitor = Arc::clone(&monitor);
                    clients.spawn(async move {
                        let _place = place;
                        if timeout(CONNECTION, attend(stream, monitor)).await.is_err() {
                            debug!("closed a connection to HEALTH_ADDRESS after its time");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept a connection at HEALTH_ADDRESS");
                    sleep(AGAIN).await;
                }
            }
            while clients.try_join_next().is_some() {}
        }
    };
    stop.run_until_cancelled(accepting).await;
    clients.shutdown().await;
}

async fn attend(stream: TcpStream, monitor: Arc<Monitor>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&request, &monitor);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        debug!(%error, "a connection to HEALTH_ADDRESS ended early");
    }
}

fn answer(request: &Request<Incoming>, monitor: &Monitor) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n".to_owned());
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match request.uri().path() {
        "/healthz" => verdict(&monitor.problems()),
        "/readyz" => verdict(&monitor.unready()),
        "/metrics" => {
            let accepted = request.headers().get_all(ACCEPT).iter();
            let accepted = accepted.filter_map(|value| value.to_str().ok());
            let format = Format::accepted(accepted);
            let metrics = Metrics::of(&monitor.observe()).encode(format);
            response(StatusCode::OK, format.content_type(), metrics)
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "There are /healthz, /readyz and /metrics.\n".to_owned(),
        ),
    }
}

/// 200 if nothing is wrong, otherwise 503 with what is.
fn verdict(problems: &[String]) -> Response<Full<Bytes>> {
    if problems.is_empty() {
        return text(StatusCode::OK, "ok\n".to_owned());
    }
    text(StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
