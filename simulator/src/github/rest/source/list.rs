//! Lists: filtered by time, sorted, and cut into pages with `Link` headers.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::super::call::{Call, Problem, Reply};

/// The time in a parameter, in seconds since 1970.
pub(super) fn time(call: &Call<'_>, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = call.asked(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| Problem::failed("Search", name, "invalid");
    let time: Timestamp = text.parse().map_err(wrong)?;
    Ok(Some(time.as_second()))
}

/// By what a list can be sorted: creation, update, id.
pub(super) struct Keys {
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) id: u64,
}

/// Sorts by `sort` and `direction`.
pub(super) fn sort<T>(call: &Call<'_>, all: &mut [T], descends: bool, keys: impl Fn(&T) -> Keys) {
    let by_update = call.asked("sort") == Some("updated");
    all.sort_by_cached_key(|one| {
        let keys = keys(one);
        (
            if by_update {
                keys.updated
            } else {
                keys.created
            },
            keys.id,
        )
    });
    let descends = match call.asked("direction") {
        Some(direction) => direction == "desc",
        None => descends,
    };
    if descends {
        all.reverse();
    }
}

/// The page that was asked for. `path` is where the list is, within its repository if it has one.
pub(super) fn page<T>(call: &Call<'_>, path: &str, all: &[T], wire: impl Fn(&T) -> Value) -> Reply {
    let (size, page) = (call.number("per_page", 30).min(100), call.number("page", 1));
    let from = (page - 1).saturating_mul(size);
    let shown: Vec<_> = all.iter().skip(from).take(size).map(wire).collect();
    let reply = Reply::json(200, &shown);
    let last = all.len().div_ceil(size).max(1);
    let base = &call.viewer.settings.url;
    let home = call
        .source
        .map_or_else(String::new, |home| format!("/repositories/{}", home.id));
    let mut query = String::new();
    for (name, value) in call.query.iter().filter(|(name, _)| name != "page") {
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        _ = write!(query, "{name}={value}&");
    }
    let to = |number: usize, rel: &str| {
        format!("<{base}{home}{path}?{query}page={number}>; rel=\"{rel}\"")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(to((page - 1).min(last), "prev"));
    }
    if page < last {
        links.push(to(page + 1, "next"));
        links.push(to(last, "last"));
    }
    if page > 1 {
        links.push(to(1, "first"));
    }
    if links.is_empty() {
        reply
    } else {
        reply.with("link", links.join(", "))
    }
}
