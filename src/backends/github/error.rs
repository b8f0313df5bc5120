//! GitHub's refusals: what they mean, and whether a retry may help.
//!
//! Pure: responses come in as values. Sources:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api> and
//! <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::DATE, header::RETRY_AFTER};
use jiff::fmt::rfc2822;
use serde::Deserialize;

use propsbot_network::told_wait;

/// Why a request to GitHub failed.
#[derive(Debug, thiserror::Error)]
pub enum GithubError {
    /// 401: the token is invalid.
    #[error(
        "GitHub refused GITHUB_TOKEN: it is mistyped, has expired, or was revoked; make a new \
         fine-grained token with \"Contents: read and write\" on this repository"
    )]
    BadToken,
    /// The repository doesn't exist, or the token can't see it.
    #[error(
        "there is no such repository, or GITHUB_TOKEN was not given it: check the name, that the \
         token may use this repository, and GITHUB_API_URL if it is set"
    )]
    NoRepository,
    /// 409: the repository has no commits.
    #[error("the repository is empty")]
    NoCommit,
    /// The token or its owner lacks permission.
    #[error(
        "GITHUB_TOKEN may not do that ({0}): give it \"Contents: read and write\" on this \
         repository, and its owner the right to write there"
    )]
    NoRights(String),
    /// GitHub names a reason with a specific remedy.
    #[error("GitHub refused ({message}): {remedy}")]
    Remedied {
        /// GitHub's message, on one line.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The request exceeds what GitHub does at once.
    #[error("GitHub says that one request asked for too much ({0})")]
    TooMuch(String),
    /// A rule protects the branch, for example by requiring pull requests.
    #[error(
        "the branch is protected ({0}): let the token's owner bypass the rule, or name another \
         branch in ARCHIVE (github:OWNER/REPO@BRANCH)"
    )]
    Protected(String),
    /// A rule forbids the staging branch of a large export.
    #[error(
        "an export that is too large for one commit is put together on a branch of its own, \
         propsbot-staging/…, and a rule of the repository forbids that ({0}): let the rule leave out branches \
         named propsbot-staging/**/* (Settings, Rules, Rulesets), or let the token's owner bypass it"
    )]
    NoStaging(String),
    /// Another process has taken over the staging branch.
    #[error("another process is writing to the archive")]
    OtherWriter,
    /// The repository is archived, so it is read-only.
    #[error("the repository was archived on GitHub, so that nobody can write: unarchive it")]
    Archived,
    /// Everyone can read the repository.
    #[error(
        "the repository is public: everyone could read what is exported, for ever. Make it private, \
         or set GITHUB_ALLOW_PUBLIC=yes if that is what your community wants"
    )]
    Public,
    /// Everyone in the enterprise can read the repository.
    #[error(
        "the repository is internal: everyone in the enterprise could read what is exported. Make it \
         private, or set GITHUB_ALLOW_PUBLIC=yes if that is what your community wants"
    )]
    Internal,
    /// The branch was renamed.
    #[error(
        "the branch {from} was renamed to {to}: name that one in ARCHIVE (github:OWNER/REPO@{to}), or begin \
         a new branch {from} with `propsbot export --replace`"
    )]
    Renamed {
        /// Its name in the configuration.
        from: String,
        /// Its name now.
        to: String,
    },
    /// The branch was published to, and no longer exists.
    #[error(
        "the branch {0}, which this store has published to, is gone: restore it on GitHub, or name another in \
         ARCHIVE; `propsbot export --replace` makes it again with all that is to be exported"
    )]
    BranchGone(String),
    /// A rate limit that lasts longer than we wait.
    #[error("GitHub limits our requests{}", again(*.0))]
    Limited(Option<Duration>),
    /// 5xx.
    #[error("GitHub failed ({0}), several times in a row; try again later")]
    Failing(String),
    /// No response, or only part of one.
    #[error("no answer ({0}): check the connection, and GITHUB_API_URL")]
    Unreachable(String),
    /// The response is larger than expected, so reading stopped.
    #[error("the answer of {host} is larger than {} MiB: check GITHUB_API_URL", most >> 20)]
    TooLarge {
        /// The server that responded.
        host: String,
        /// The limit, in bytes.
        most: usize,
    },
    /// The response doesn't match GitHub's documentation.
    #[error("the answer could not be read ({0}): check GITHUB_API_URL")]
    Unreadable(String),
    /// Another commit to the branch came first.
    #[error("others keep committing to the branch; try again later")]
    Overtaken,
    /// A file to be removed doesn't exist.
    #[error("a file to be removed is not there: {0}")]
    NoFile(String),
    /// Anything else.
    #[error("GitHub refused ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// GitHub's message.
        message: String,
    },
}

fn again(wait: Option<Duration>) -> String {
    wait.map_or_else(
        || "; try again later".to_owned(),
        |wait| format!("; try again in {} s", wait.as_secs()),
    )
}

/// The first wait after a rate limit without a given time. It doubles each time.
pub(super) const UNTOLD_WAIT: Duration = Duration::from_mins(1);

/// The longest wait that is believed: GitHub's budgets reset within an hour.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The longest wait; if GitHub asks for more, we give up.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

impl GithubError {
    /// The minimum wait before a retry; `None` if a retry can't help.
    ///
    /// `limited` is the number of rate limits in a row before this error.
    pub(super) fn retry(&self, limited: u32) -> Option<Duration> {
        match self {
            Self::Limited(told) => {
                let untold = UNTOLD_WAIT * 2_u32.saturating_pow(limited);
                Some(told.unwrap_or(untold)).filter(|wait| *wait <= PATIENCE)
            }
            Self::Failing(_)
            | Self::Unreachable(_)
            | Self::Unreadable(_)
            | Self::Overtaken
            | Self::TooMuch(_) => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// Whether GitHub refused the token or its owner. Public data may be readable without it.
    pub(super) fn is_about_token(&self) -> bool {
        matches!(
            self,
            Self::BadToken | Self::NoRights(_) | Self::Remedied { .. }
        )
    }

    /// The same error, for a staging branch.
    pub(super) fn of_staging(self) -> Self {
        match self {
            Self::Protected(message) => Self::NoStaging(message),
            error => error,
        }
    }

    /// Whether a refused commit may have been based on something that no longer exists. GitHub
    /// reports that in many ways.
    pub(super) fn may_be_overtaken(&self) -> bool {
        matches!(self, Self::NoRepository | Self::Refused { .. })
    }

    /// Whether a smaller request may help.
    pub(super) fn may_be_too_much(&self) -> bool {
        matches!(
            self,
            Self::Failing(_) | Self::Unreachable(_) | Self::TooMuch(_)
        )
    }
}

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
         time. Delete that message in Discord if it is one; else allow it with the link that GitHub \
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
        let message = propsbot_model::one_line(&message);
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

/// An error in a GraphQL response.
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
}
