//! Opens single connections for protocols other than HTTP.

use std::io;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::Intercept,
    },
    rt::TokioIo,
};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower::{BoxError, ServiceExt as _};

use super::{
    CONNECT_TIMEOUT, cause,
    proxies::{Proxies, shown},
};

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, with TLS if requested.
pub type Connection = Box<dyn Stream>;

pub(super) async fn open(
    tls: &ClientConfig,
    proxies: &Proxies,
    host: &str,
    port: u16,
    with_tls: bool,
) -> io::Result<Connection> {
    let scheme = if with_tls { "https" } else { "http" };
    let bare = host.trim_matches(['[', ']']);
    let bracketed = if bare.contains(':') {
        format!("[{bare}]")
    } else {
        bare.to_owned()
    };
    let target: Uri = format!("{scheme}://{bracketed}:{port}/")
        .parse()
        .map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host:?} isn't a host name"),
            )
        })?;
    let proxy = proxies.of(&target);
    let through = proxy.as_ref().map_or_else(String::new, |proxy| {
        format!(" through the proxy {}", shown(proxy.uri()))
    });
    let told = |kind, why: &str| {
        io::Error::new(
            kind,
            format!("can't connect to {bracketed}:{port}{through}: {why}"),
        )
    };
    let opening = timeout(CONNECT_TIMEOUT, reach(tls, proxy, target));
    match opening.await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(told(io::ErrorKind::Other, &cause(&*error))),
        Err(_) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            let why = format!("no answer within {seconds} s");
            Err(told(io::ErrorKind::TimedOut, &why))
        }
    }
}

/// Connects to the target, through the proxy if there is one, and starts TLS.
async fn reach(
    tls: &ClientConfig,
    proxy: Option<Intercept>,
    target: Uri,
) -> Result<Connection, BoxError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let Some(proxy) = proxy else {
        let stream = over_tls(tls, tcp).oneshot(target).await?;
        return Ok(Box::new(TokioIo::new(stream)));
    };
    let at = proxy.uri().clone();
    let scheme = at.scheme_str().unwrap_or_default();
    if scheme.starts_with("socks5") {
        let mut socks = SocksV5::new(at.clone(), tcp).local_dns(scheme == "socks5");
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        let stream = over_tls(tls, socks).oneshot(target).await?;
        return Ok(Box::new(TokioIo::new(stream)));
    }
    let mut tunnel = Tunnel::new(at, over_tls(tls, tcp));
    if let Some(secret) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(secret.clone());
    }
    let stream = over_tls(tls, tunnel).oneshot(target).await?;
    Ok(Box::new(TokioIo::new(stream)))
}

/// Adds TLS to `inner` for `https` URLs.
fn over_tls<C>(tls: &ClientConfig, inner: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(inner)
}
