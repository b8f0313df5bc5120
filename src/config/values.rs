//! How the text of a variable becomes a value.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use propsbot_discord::OFFICIAL_ORIGIN;
use propsbot_jobs::mirrored::Selection;
use propsbot_model::GuildId;

use super::LogFormat;

/// The shortest time between two exports.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn origin(text: &str) -> Result<String, String> {
    let fail = |why: &str| {
        format!("{text:?} {why}; use an origin such as {OFFICIAL_ORIGIN} or http://127.0.0.1:3005")
    };
    let url: reqwest::Url = text.parse().map_err(|_| fail("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(fail("is not an http or https URL"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(fail("has a path (/api/v10 is added for you)"));
    }
    Ok(url.origin().ascii_serialization())
}

/// Checks that a token can be sent in a header.
pub(super) fn secret(text: &str) -> Result<String, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("is not a token: it contains spaces or other characters that tokens never have")
    }
}

/// Parses ids separated by commas or spaces, in order and without duplicates.
pub(super) fn ids(text: &str, of: &str) -> Result<Vec<u64>, String> {
    let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let mut ids = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        match word.parse::<u64>() {
            Ok(id) if id > 0 && word.bytes().all(|digit| digit.is_ascii_digit()) => {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            _ => {
                return Err(format!(
                    "{word:?} is not a {of} id such as 1234567890123456789. To find one, turn on Developer \
                     Mode in Discord (Advanced), right-click the {of}, then \"Copy ID\""
                ));
            }
        }
    }
    Ok(ids)
}

/// Parses `all`, or ids of guilds.
pub(super) fn selection(text: &str) -> Result<Selection, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Selection::Admins);
    }
    let guilds: Vec<GuildId> = ids(text, "guild")?.into_iter().map(GuildId).collect();
    Ok(if guilds.is_empty() {
        Selection::First
    } else {
        Selection::Named(guilds)
    })
}

pub(super) fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

/// The folder for cached copies of remote archives; `None` on a platform without a cache folder.
pub(super) fn cache(named: Option<&str>) -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let platform = || {
        let folders = etcetera::choose_base_strategy().ok()?;
        Some(folders.cache_dir().join("propsbot"))
    };
    named.map(PathBuf::from).or_else(platform)
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an IP address with a port, such as 127.0.0.1:9090 or [::1]:9090")
    })
}

pub(super) fn server(text: String) -> Result<String, String> {
    let url: Result<reqwest::Url, _> = text.parse();
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(format!(
            "{text:?} is not an http or https URL such as https://example.org"
        )),
    }
}

pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is not a duration such as 30m or 1h: {error}"))?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!("{text:?} is too short; use at least 1s"));
    }
    Ok(interval)
}

pub(super) fn mebibytes(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number of MiB such as 2048, or 0 for none"))
}
