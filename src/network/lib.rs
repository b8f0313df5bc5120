//! How connections are made: proxies, certificates and time limits.
//!
//! One policy for Discord's REST and gateway, GitHub, and object stores. It knows none of them.

pub mod body;
mod certificates;
mod connection;
mod exposure;
mod proxies;
mod wait;

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{NoProxy, Proxy};
use rustls::ClientConfig;

use self::proxies::Proxies;
pub use self::{
    connection::Connection,
    exposure::exposed_host,
    wait::{told_wait, told_wait_text},
};

/// Time limit for opening a connection, including DNS, proxy and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection policy. Cheap to clone. The default connects directly and trusts the platform's
/// roots.
#[derive(Clone, Default)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    proxies: Proxies,
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    certificates: [Option<String>; 2],
    /// Loaded on first use: the platform has about 150 roots, and most commands need none.
    tls: OnceLock<ClientConfig>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("proxies", &self.inner.proxies)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// The environment variables that [`Self::new`] reads.
    pub const VARIABLES: [&str; 6] = [
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];

    /// Creates the policy from these variables.
    ///
    /// Proxies mean what they mean to curl. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the
    /// platform's roots, as in OpenSSL.
    ///
    /// # Errors
    /// Each invalid variable, with the reason. Never quotes a value: it may contain a proxy's
    /// password.
    pub fn new(
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<Self, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let proxies = Proxies::new(variables, &mut mistakes);
        let path = |name| variables.get(name).map(String::as_str);
        let tls = OnceLock::new();
        let named = [path("SSL_CERT_FILE"), path("SSL_CERT_DIR")];
        match certificates::configured(named[0], named[1]) {
            Ok(None) => {}
            Ok(Some(roots)) => drop(tls.set(certificates::client_config(roots))),
            Err(mistake) => mistakes.push(mistake),
        }
        if mistakes.is_empty() {
            let inner = Arc::new(Inner {
                proxies,
                certificates: named.map(|path| path.map(str::to_owned)),
                tls,
            });
            Ok(Self { inner })
        } else {
            Err(mistakes)
        }
    }

    /// The TLS configuration. It offers no ALPN protocol, so HTTP is HTTP/1.1.
    pub fn tls(&self) -> &ClientConfig {
        let read = || certificates::client_config(certificates::of_platform());
        self.inner.tls.get_or_init(read)
    }

    /// Returns a builder for an HTTP client that follows the policy.
    ///
    /// Doesn't inflate bodies: callers that enable it must bound their size.
    #[expect(clippy::disallowed_methods, reason = "this is the policy")]
    pub fn client(&self) -> reqwest::ClientBuilder {
        let proxies = &self.inner.proxies;
        let except = proxies.except().and_then(NoProxy::from_string);
        let https = proxies.https().map(Proxy::https);
        let http = proxies.http().map(Proxy::http);
        let builder = reqwest::Client::builder()
            .use_preconfigured_tls(self.tls().clone())
            .connect_timeout(CONNECT_TIMEOUT)
            // reqwest would read the environment itself and inflate bodies.
            .no_proxy()
            .gzip(false);
        https
            .into_iter()
            .chain(http)
            .fold(builder, |builder, proxy| {
                let proxy = proxy.expect("proxies are checked when they are read");
                builder.proxy(proxy.no_proxy(except.clone()))
            })
    }

    /// The variables that make the `git` program follow the policy.
    pub fn for_git(&self) -> Vec<(&'static str, String)> {
        let Inner {
            proxies,
            certificates: [file, folders],
            ..
        } = &*self.inner;
        let set = [
            // curl reads these in lower case only.
            ("http_proxy", proxies.http()),
            ("https_proxy", proxies.https()),
            ("no_proxy", proxies.except()),
            ("GIT_SSL_CAINFO", file.as_deref()),
            ("GIT_SSL_CAPATH", folders.as_deref()),
        ];
        let set = set
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())));
        set.collect()
    }

    /// Opens a connection to this host within [`CONNECT_TIMEOUT`].
    ///
    /// # Errors
    /// Names the host, the proxy if any, and the cause.
    pub async fn connect(&self, host: &str, port: u16, tls: bool) -> io::Result<Connection> {
        let opening = connection::open(self.tls(), &self.inner.proxies, host, port, tls);
        opening.await
    }

    /// Describes the route to a URL for messages: its host, and its proxy if any.
    pub fn way_to(&self, url: &str) -> String {
        let Ok(url) = url.parse::<http::Uri>() else {
            return url.to_owned();
        };
        let host = url.authority().map_or("", |authority| authority.as_str());
        // The part before the host may contain credentials.
        let host = host.rsplit('@').next().unwrap_or_default();
        match self.inner.proxies.of(&url) {
            Some(proxy) => format!("{host} through the proxy {}", proxies::shown(proxy.uri())),
            None => host.to_owned(),
        }
    }
}

/// Returns a client for our own loopback server, of the reqwest version that serenity uses.
#[expect(clippy::disallowed_methods, reason = "this is the policy")]
pub fn loopback_client() -> serenity_reqwest::Client {
    let client = serenity_reqwest::Client::builder().no_proxy().build();
    client.expect("a client without settings can always be built")
}

/// Returns the root cause of an error, without the layers that libraries wrap around it.
pub fn cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
