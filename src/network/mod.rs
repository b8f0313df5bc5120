//! The way out: through which proxy, with whose certificates, and how long connecting may take.
//!
//! Owns one policy for Discord's REST and gateway, GitHub and object stores. Knows none of them.

mod certificates;
mod connection;
mod proxies;

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::ClientConfig;

pub use self::connection::Connection;
use self::proxies::Proxies;

/// How long a connection may take to open: name look-up, proxy and TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are made. Cheap to clone. The default one is direct, with the platform's roots.
#[derive(Clone, Default)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    proxies: Proxies,
    /// Read when first needed: the platform has some 150 of them, and most commands need none.
    tls: OnceLock<ClientConfig>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("proxies", &self.inner.proxies)
            .finish_non_exhaustive()
    }
}

/// A client builder of this version of reqwest: its own ideas of proxies and roots are off.
macro_rules! client_builder {
    ($network:ident, $reqwest:ident) => {{
        let proxies = &$network.inner.proxies;
        let except = proxies.except().and_then($reqwest::NoProxy::from_string);
        let builder = $reqwest::Client::builder()
            .use_preconfigured_tls($network.tls().clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy();
        let checked = "checked when it was read";
        let https = proxies.https().map($reqwest::Proxy::https);
        let http = proxies.http().map($reqwest::Proxy::http);
        https
            .into_iter()
            .chain(http)
            .fold(builder, |builder, proxy| {
                builder.proxy(proxy.expect(checked).no_proxy(except.clone()))
            })
    }};
}

impl Network {
    /// The variables that [`Self::new`] takes, in capital letters.
    pub const VARIABLES: [&str; 6] = [
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];

    /// The policy that these variables ask for. Proxies mean what they mean to curl; `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` replace the platform's roots, as they do for OpenSSL.
    ///
    /// # Errors
    /// Each variable that cannot be used, with the reason. A value is not quoted: it may hold a
    /// proxy's password.
    pub fn new(
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let proxies = Proxies::new(variables, &mut mistakes);
        let path = |name| variables.get(name).map(String::as_str);
        let tls = OnceLock::new();
        match certificates::configured(path("SSL_CERT_FILE"), path("SSL_CERT_DIR")) {
            Ok(None) => {}
            Ok(Some(roots)) => drop(tls.set(certificates::client_config(roots))),
            Err(mistake) => mistakes.push(mistake),
        }
        if mistakes.is_empty() {
            let inner = Arc::new(Inner { proxies, tls });
            Ok(Self { inner })
        } else {
            Err(mistakes)
        }
    }

    /// Whom TLS trusts. It offers no protocol, so HTTP is HTTP/1.1.
    pub fn tls(&self) -> &ClientConfig {
        let read = || certificates::client_config(certificates::of_platform());
        self.inner.tls.get_or_init(read)
    }

    /// An HTTP client that follows the policy, to be completed.
    pub fn client(&self) -> reqwest::ClientBuilder {
        client_builder!(self, reqwest)
    }

    /// The same for serenity, which takes the version before.
    pub fn serenity_client(&self) -> serenity_reqwest::ClientBuilder {
        client_builder!(self, serenity_reqwest)
    }

    /// Opens a connection to this host, within [`CONNECT_TIMEOUT`].
    ///
    /// # Errors
    /// They name the host, the proxy if there is one, and the cause.
    pub async fn connect(&self, host: &str, port: u16, tls: bool) -> io::Result<Connection> {
        let opening = connection::open(self.tls(), &self.inner.proxies, host, port, tls);
        opening.await
    }

    /// The proxy, as `host:port`, through which this origin is reached.
    pub fn proxy_of(&self, url: &http::Uri) -> Option<String> {
        let proxy = self.inner.proxies.of(url)?;
        Some(proxies::shown(proxy.uri()))
    }
}

/// What is at the bottom of an error: libraries wrap it in many words.
pub fn cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
