//! GitHub's refusals: which error a response stands for.
//!
//! Pure: responses come in as values. Sources:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api> and
//! <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::DATE, header::RETRY_AFTER};
use jiff::fmt::{rfc2822, strtime};
use serde::Deserialize;

use super::GithubError;
use propsbot_network::told_wait;

/// The longest wait that is believed: GitHub's budgets reset within an hour.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Refusals by lower-case parts of GitHub's messages, and their remedies. The first match counts.
/// Sources: GitHub's documentation of each, and its users' reports of API responses.
const REMEDIES: [(&[&str], &str); 6] = [
    (
        &["saml enforcement", "saml sso"],
        "authorize GITHUB_TOKEN for the organization (the token's page on GitHub, \"Configure SSO\")",
    ),
    (
        &["ip allow list"],
        "have an owner of the organization add this machine's address to its IP allow list, or run the \
         bot on a machine whose address is in it",
    ),
    (
        &["token's lifetime"],
        "make a new fine-grained token that expires within the time that the organization allows",
    ),
    (
        &[
            "personal access token (classic)",
            "personal access tokens (classic)",
        ],
        "make a fine-grained token with \"Contents: read and write\" on this repository",
    ),
    (
        &["secret", "push protection"],
        "GitHub's push protection takes something that a member wrote for a secret, and refuses it each \
         time. Delete that text where it was written if it is one; else allow it with the link that GitHub \
         gives, or switch push protection off for this repository (Settings, \"Advanced Security\")",
    ),
    (
        &[
            "repository access blocked",
            "is disabled",
            "is locked",
            "data quota",
            "over quota",
        ],
        "GitHub has locked the repository, or it is full. Its owner finds out why in GitHub's mail and \
         the repository's settings; until then, name another one in ARCHIVE",
    ),
];

/// Messages that say the branch has moved.
const OVERTAKEN: [&str; 4] = [
    "but expected",
    "expected branch to point",
    "expectedheadoid",
    "reference cannot be updated",
];

/// Messages that say a rule protects the branch.
const PROTECTED: [&str; 7] = [
    "rule violations",
    "creations being restricted",
    "protected branch",
    "through a pull request",
    "required status check",
    "not authorized to push",
    "verified signatures",
];

/// Messages that say there were too many requests.
const LIMITED: [&str; 3] = ["rate limit", "abuse detection", "submitted too quickly"];

fn says_one_of(message: &str, words: &[&str]) -> bool {
    let message = message.to_lowercase();
    words.iter().any(|word| message.contains(word))
}

/// The body of an error response.
#[derive(Default, Deserialize)]
struct Account {
    #[serde(default)]
    message: String,
}

/// The error for a response other than 2xx.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> GithubError {
    let account: Account = serde_json::from_slice(body).unwrap_or_default();
    let message = account.message;
    let is_limit = says_one_of(&message, &LIMITED) || headers.contains_key(RETRY_AFTER);
    match status.as_u16() {
        401 => GithubError::BadToken,
        429 => GithubError::Limited(wait(headers)),
        403 if is_limit || used_up(headers) => GithubError::Limited(wait(headers)),
        404 => GithubError::NoRepository,
        409 if message.contains("is empty") => GithubError::NoCommit,
        408 | 413 | 500.. => GithubError::Failing(status.to_string()),
        status => named(status, message),
    }
}

/// The error for GitHub's message, if the status doesn't decide.
fn named(status: u16, message: String) -> GithubError {
    let remedy = REMEDIES
        .iter()
        .find(|(words, _)| says_one_of(&message, words));
    if let Some((_, remedy)) = remedy {
        let message = propsbot_archive::one_line(&message);
        GithubError::Remedied { message, remedy }
    } else if says_one_of(&message, &PROTECTED) {
        let first = message
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        GithubError::Protected(first.collect::<Vec<_>>().join(" "))
    } else if message.contains("was archived") {
        GithubError::Archived
    } else if says_one_of(&message, &OVERTAKEN) {
        GithubError::Overtaken
    } else if status == 403 {
        GithubError::NoRights(message)
    } else {
        GithubError::Refused { status, message }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphqlError {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    message: String,
}

impl GraphqlError {
    /// What the error means. The status was 200 in any case.
    pub(super) fn meaning(self, headers: &HeaderMap) -> GithubError {
        let Self { r#type, message } = self;
        match r#type.as_deref().unwrap_or_default() {
            "RESOURCE_LIMITS_EXCEEDED" => GithubError::TooMuch(message),
            "RATE_LIMITED" | "RATE_LIMIT" => GithubError::Limited(wait(headers)),
            // Only the message identifies a secondary limit.
            _ if says_one_of(&message, &LIMITED) => GithubError::Limited(wait(headers)),
            _ if message.contains("requested for deletion") => GithubError::NoFile(message),
            "STALE_DATA" => GithubError::Overtaken,
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" => named(403, message),
            "NOT_FOUND" if says_one_of(&message, &["branch", "ref", "commit"]) => {
                GithubError::Overtaken
            }
            "NOT_FOUND" => GithubError::NoRepository,
            // GitHub's message for a time-out.
            _ if message.contains("Something went wrong") => GithubError::Failing("200".to_owned()),
            _ => named(200, message),
        }
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Whether the budget of the request is used up.
pub(super) fn used_up(headers: &HeaderMap) -> bool {
    number(headers, "x-ratelimit-remaining") == Some(0)
}

/// How long GitHub asks us to wait, if it does: as `Retry-After`, or until a used-up budget resets,
/// by GitHub's own clock.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let told = number(headers, RETRY_AFTER.as_str());
    let told = told.or_else(|| {
        let reset = number(headers, "x-ratelimit-reset").filter(|_| used_up(headers))?;
        let now = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
        Some(
            reset
                .saturating_sub(now.timestamp().as_second())
                .saturating_add(1),
        )
    });
    #[expect(clippy::cast_precision_loss, reason = "what is so long is clamped")]
    told_wait(told.filter(|seconds| *seconds >= 0)? as f64, LONGEST_WAIT)
}

/// When the token expires, in milliseconds since 1970. Source:
/// <https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api>.
pub(super) fn expiration(headers: &HeaderMap) -> Option<i64> {
    let told = headers.get("github-authentication-token-expiration")?;
    // Either a name or a number stands for the zone.
    let told = told.to_str().ok()?.trim().replace("UTC", "+0000");
    let time = strtime::parse("%Y-%m-%d %H:%M:%S %z", told).ok()?;
    Some(time.to_timestamp().ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    fn meaning(status: u16, pairs: &[(&'static str, &'static str)], body: &str) -> GithubError {
        let status = StatusCode::from_u16(status).unwrap();
        refusal(status, &headers(pairs), body.as_bytes())
    }

    const SECONDARY: &str = r#"{"message":"You have exceeded a secondary rate limit."}"#;

    #[test]
    fn a_limit_says_how_long_or_a_minute_doubling() {
        let told = meaning(403, &[("retry-after", "7")], SECONDARY);
        assert_eq!(told.retry(3), Some(Duration::from_secs(7)));
        let pairs = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795428030"),
            ("date", "Mon, 23 Nov 2026 10:00:00 GMT"),
        ];
        let primary = meaning(403, &pairs, r#"{"message":"API rate limit exceeded"}"#);
        assert_eq!(primary.retry(0), Some(Duration::from_secs(31)));
        for status in [403, 429] {
            let untold = meaning(status, &[], SECONDARY);
            let waits: Vec<_> = (0..5).map(|n| untold.retry(n)).collect();
            let minutes = |n| Some(Duration::from_mins(n));
            assert_eq!(
                waits,
                [minutes(1), minutes(2), minutes(4), minutes(8), None]
            );
        }
        let long = meaning(429, &[("retry-after", "3000")], SECONDARY);
        assert_eq!(long.retry(0), None);
        assert!(long.to_string().ends_with("try again in 3000 s"));
    }

    #[test]
    fn a_refusal_says_what_to_change() {
        for (status, body, says) in [
            (401, "{}", "GITHUB_TOKEN"),
            (
                403,
                r#"{"message":"Resource not accessible"}"#,
                "read and write",
            ),
            (
                403,
                r#"{"message":"Repository was archived so is read-only."}"#,
                "unarchive",
            ),
            (404, "{}", "no such repository"),
            (
                409,
                r#"{"message":"Repository rule violations found\n\nx"}"#,
                "bypass the rule",
            ),
            (
                422,
                r#"{"message":"Protected branch update failed"}"#,
                "bypass the rule",
            ),
            (422, r#"{"message":"odd"}"#, "refused (422): odd"),
            (
                403,
                r#"{"message":"Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization."}"#,
                "Configure SSO",
            ),
            (
                403,
                r#"{"message":"Although you appear to have the correct authorization credentials, the `o` organization has an IP allow list enabled, and your IP address is not permitted to access this resource."}"#,
                "machine's address",
            ),
            (
                403,
                r#"{"message":"The 'o' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 90 days."}"#,
                "expires within",
            ),
            (
                403,
                r#"{"message":"`o` forbids access via a personal access token (classic). Please use a GitHub App."}"#,
                "make a fine-grained token",
            ),
            (
                409,
                r#"{"message":"Repository rule violations found\n\nPush cannot contain secrets"}"#,
                "push protection",
            ),
            (403, r#"{"message":"Repository access blocked"}"#, "locked"),
        ] {
            let error = meaning(status, &[], body);
            assert_eq!(error.retry(0), None, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        for status in [408, 413, 500, 502, 503] {
            assert!(meaning(status, &[], "").retry(0).is_some(), "{status}");
        }
    }

    /// GitHub's messages for one kind of error vary.
    #[test]
    fn an_error_in_an_answer_is_understood_by_its_kind_first() {
        let meaning = |json: &str| {
            let said: GraphqlError = serde_json::from_str(json).unwrap();
            said.meaning(&HeaderMap::new())
        };
        for (said, means) in [
            (r#"{"type":"STALE_DATA"}"#, "others keep committing"),
            (
                r#"{"type":"NOT_FOUND","message":"No commit exists with specified expectedHeadOid"}"#,
                "others keep committing",
            ),
            (
                r#"{"type":"NOT_FOUND","message":"Could not resolve to a Repository"}"#,
                "no such repository",
            ),
            (
                r#"{"type":"UNPROCESSABLE","message":"Changes must be made through a pull request."}"#,
                "protected",
            ),
            (r#"{"type":"INSUFFICIENT_SCOPES","message":"x"}"#, "may not"),
            (
                r#"{"type":null,"message":"was submitted too quickly"}"#,
                "limits",
            ),
            (r#"{"message":"Something went wrong"}"#, "GitHub failed"),
            (
                r#"{"type":"FORBIDDEN","message":"Resource protected by organization SAML enforcement."}"#,
                "Configure SSO",
            ),
            (
                r#"{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits for this query exceeded."}"#,
                "too much",
            ),
            (r#"{"message":"odd"}"#, "refused (200): odd"),
        ] {
            let error = meaning(said).to_string();
            assert!(error.contains(means), "{said}: {error}");
        }
    }

    #[test]
    fn reads_when_a_token_expires() {
        for (told, expires) in [
            ("2026-12-01 10:00:00 UTC", Some(1_796_119_200_000)),
            ("2026-12-01 12:00:00 +0200", Some(1_796_119_200_000)),
            ("soon", None),
        ] {
            let headers = headers(&[("github-authentication-token-expiration", told)]);
            assert_eq!(expiration(&headers), expires, "{told}");
        }
    }
}
