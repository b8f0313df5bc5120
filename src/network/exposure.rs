//! Finds URLs whose traffic others can read.

use reqwest::Url;

/// Returns the URL's host if traffic to it is unencrypted and leaves this machine.
pub fn exposed_host(url: &str) -> Option<String> {
    let url: Url = url.parse().ok()?;
    if !matches!(url.scheme(), "http" | "ws") {
        return None;
    }
    let host = url.host_str()?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = match address.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    (!is_here).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_connections_to_other_machines_are_exposed() {
        for safe in [
            "https://example.org",
            "wss://gateway.example.org",
            "http://localhost:3005",
            "http://127.0.0.2",
            "http://[::1]:80",
            "ws://[::ffff:127.0.0.1]/gateway",
            "no URL",
        ] {
            assert_eq!(exposed_host(safe), None, "{safe}");
        }
        for (exposed, host) in [
            ("http://10.0.0.7:3005", "10.0.0.7"),
            ("ws://gateway.example.org/", "gateway.example.org"),
            ("http://127.0.0.1.example.org", "127.0.0.1.example.org"),
            ("http://0.0.0.0", "0.0.0.0"),
        ] {
            assert_eq!(exposed_host(exposed).as_deref(), Some(host));
        }
    }
}
