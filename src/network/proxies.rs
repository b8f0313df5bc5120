//! Chooses the proxy for a URL.
//!
//! Owns parsing of the usual variables; `hyper-util` matches URLs against them, as curl does.

use std::{collections::BTreeMap, fmt};

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

pub(super) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: Option<String>,
    matcher: Matcher,
}

impl Default for Proxies {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            except: None,
            matcher: Matcher::builder().build(),
        }
    }
}

/// Hides passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.matcher.fmt(f)
    }
}

impl Proxies {
    pub(super) fn new(
        variables: &BTreeMap<&'static str, String>,
        mistakes: &mut Vec<(&'static str, String)>,
    ) -> Self {
        let mut proxy = |name| {
            let url = proxy_url(variables.get(name)?);
            let noted = url.map_err(|why| mistakes.push((name, why.to_owned())));
            noted.ok()
        };
        let all = proxy("ALL_PROXY");
        let http = proxy("HTTP_PROXY").or_else(|| all.clone());
        let https = proxy("HTTPS_PROXY").or(all);
        let except = variables.get("NO_PROXY").cloned();
        let matcher = Matcher::builder()
            .http(http.clone().unwrap_or_default())
            .https(https.clone().unwrap_or_default())
            .no(except.clone().unwrap_or_default())
            .build();
        Self {
            http,
            https,
            except,
            matcher,
        }
    }

    pub(super) fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    pub(super) fn https(&self) -> Option<&str> {
        self.https.as_deref()
    }

    /// The value of `NO_PROXY`.
    pub(super) fn except(&self) -> Option<&str> {
        self.except.as_deref()
    }

    pub(super) fn of(&self, url: &Uri) -> Option<Intercept> {
        self.matcher.intercept(url)
    }
}

/// Completes and validates a proxy's URL.
fn proxy_url(text: &str) -> Result<String, &'static str> {
    const HELP: &str =
        "isn't a proxy URL: use http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT";
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = url.parse().map_err(|_| HELP)?;
    let is_known = match uri.scheme_str() {
        Some("http" | "https") => true,
        // SOCKS has no default port that all libraries agree on.
        Some("socks5" | "socks5h") => uri.port().is_some(),
        _ => false,
    };
    if !is_known {
        return Err(HELP);
    }
    // Reject what the libraries would silently ignore.
    let is_read = Matcher::builder().all(url.clone()).build();
    let is_read = is_read
        .intercept(&Uri::from_static("https://discord.com/"))
        .is_some();
    if is_read && reqwest::Proxy::all(&url).is_ok() {
        Ok(url)
    } else {
        Err(HELP)
    }
}

/// Returns a proxy's host and port for display, without its password.
pub(super) fn shown(proxy: &Uri) -> String {
    let host = proxy.host().unwrap_or_default();
    match proxy.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&'static str, &str)]) -> (Proxies, Vec<(&'static str, String)>) {
        let variables = pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let mut mistakes = Vec::new();
        let proxies = Proxies::new(&variables.collect(), &mut mistakes);
        (proxies, mistakes)
    }

    #[test]
    fn a_scheme_uses_its_own_proxy_or_the_general_one() {
        let (proxies, mistakes) = proxies(&[
            ("ALL_PROXY", "socks5://socks.test:1080"),
            ("HTTPS_PROXY", "proxy.test:3128"),
            ("NO_PROXY", "inside.test, 10.0.0.0/8"),
        ]);
        assert_eq!(mistakes, []);
        for (url, goes) in [
            ("https://discord.com/", Some("proxy.test:3128")),
            ("http://discord.com/", Some("socks.test:1080")),
            ("https://git.inside.test/", None),
            ("https://10.1.2.3/", None),
        ] {
            let proxy = proxies.of(&url.parse().unwrap());
            let proxy = proxy.map(|proxy| shown(proxy.uri()));
            assert_eq!(proxy.as_deref(), goes, "{url}");
        }
    }

    #[test]
    fn refuses_invalid_proxies_without_quoting_them() {
        for text in [
            "ftp://user:secret@proxy.test",
            "http://user:secret@",
            "socks5://user:secret@proxy.test",
            "user:secret @proxy",
        ] {
            let (_, mistakes) = proxies(&[("HTTPS_PROXY", text)]);
            assert_eq!(mistakes.len(), 1, "{text}");
            assert!(!mistakes[0].1.contains("secret"), "{mistakes:?}");
        }
    }

    #[test]
    fn hides_passwords() {
        let (proxies, _) = proxies(&[("ALL_PROXY", "http://user:secret@proxy.test:3128")]);
        assert!(!format!("{proxies:?}").contains("secret"));
        let proxy = proxies
            .of(&Uri::from_static("https://discord.com/"))
            .unwrap();
        assert_eq!(shown(proxy.uri()), "proxy.test:3128");
    }
}
