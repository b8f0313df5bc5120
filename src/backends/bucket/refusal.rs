//! Errors of object stores and their remedies.
//!
//! Pure: errors come in as values. Only a server's code and message are passed on, because the rest
//! of its response may contain a session token. Sources:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes> and
//! <https://cloud.google.com/storage/docs/xml-api/reference-status>.

use std::error::Error;

use super::ObjectStoreKind;
use propsbot_archive::one_line;

#[derive(Debug, thiserror::Error)]
#[error("{said}{}", .remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default())]
pub(super) struct Refusal {
    said: String,
    remedy: Option<String>,
}

/// A final refusal that `object_store` would retry for long, or whose useful part it would drop.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status}: {body}")]
pub(super) struct Final {
    pub(super) status: http::StatusCode,
    /// The body; for a redirect, only an element with the region it names.
    pub(super) body: String,
}

const REGION: &str = "the bucket is in another region: set AWS_REGION to the bucket's, and AWS_ENDPOINT_URL, if it is set, to \
     a server there";
const CLOCK: &str = "this machine's clock is wrong: set it, best by NTP";

/// Errors of S3-compatible stores and their remedies. The first match counts.
const S3: [(&[&str], &str); 10] = [
    (
        &[
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "IllegalLocationConstraint",
            "redirect without LOCATION",
            "answered 301",
        ],
        REGION,
    ),
    (
        &["ExpiredToken", "InvalidToken", "TokenRefreshRequired"],
        "the lent key has expired, or isn't whole: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
         AWS_SESSION_TOKEN to a new one's, or leave AWS_SESSION_TOKEN empty for a key that is not lent",
    ),
    (&["RequestTimeTooSkewed"], CLOCK),
    (
        &["InvalidAccessKeyId"],
        "the server doesn't know AWS_ACCESS_KEY_ID: check it and AWS_ENDPOINT_URL; a lent key also needs \
         AWS_SESSION_TOKEN",
    ),
    (
        &["SignatureDoesNotMatch"],
        "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID: set both anew",
    ),
    (
        &["OR x-amz-checksum", "Content-MD5"],
        "the bucket needs checksums: set AWS_CHECKSUM_ALGORITHM=sha256",
    ),
    (
        &["x-amz-checksum", "ChecksumAlgorithm"],
        "the server doesn't know that checksum: set AWS_CHECKSUM_ALGORITHM to another one (sha256 or \
         crc64nvme), or leave it empty",
    ),
    (
        &["valid checksum algorithm"],
        "set AWS_CHECKSUM_ALGORITHM to sha256 or crc64nvme, or leave it empty",
    ),
    (
        &["NotImplemented", "answered 501"],
        "the server can't do what an archive needs, conditional writes among it (If-Match, \
         If-None-Match): use another object store (AWS_ENDPOINT_URL)",
    ),
    (
        &["AccessDenied", "AllAccessDisabled", "AccountProblem"],
        "let the key AWS_ACCESS_KEY_ID read, write, delete and list objects under the prefix",
    ),
];

const AZURE: [(&[&str], &str); 6] = [
    (
        &["specified time frame"],
        "AZURE_STORAGE_SAS_TOKEN has expired, or isn't valid yet: make a new one (or this machine's clock is \
         wrong)",
    ),
    (&["date header too old"], CLOCK),
    (
        &[
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
        ],
        "AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_ACCOUNT_KEY is mistyped, was revoked, or belongs to \
         another account than AZURE_STORAGE_ACCOUNT_NAME",
    ),
    (
        &["KeyBasedAuthenticationNotPermitted"],
        "the account takes no keys: unset AZURE_STORAGE_ACCOUNT_KEY, and set AZURE_STORAGE_SAS_TOKEN",
    ),
    (
        &["AuthorizationFailure", "SourceIPMismatch"],
        "the account's network rules don't let this machine in: add its address there",
    ),
    (
        &[
            "AuthorizationPermissionMismatch",
            "AuthorizationResourceTypeMismatch",
            "InsufficientAccountPermissions",
        ],
        "AZURE_STORAGE_SAS_TOKEN lacks a right: it takes read, add, create, write, delete and list on the \
         container",
    ),
];

const GOOGLE: [(&[&str], &str); 3] = [
    (
        &[
            "reasonable timeframe",
            "iat and exp",
            "RequestTimeTooSkewed",
        ],
        CLOCK,
    ),
    (
        &[
            "invalid_grant",
            "AuthenticationRequired",
            "InvalidSecurity",
            "ExpiredToken",
        ],
        "the key in the file GOOGLE_SERVICE_ACCOUNT was deleted, or its account was: make a new key",
    ),
    (
        &["AccessDenied", "does not have storage."],
        "give the account in the file GOOGLE_SERVICE_ACCOUNT \"Storage Object User\" on the bucket",
    ),
];

/// The server's message with a remedy, or the error itself if it isn't a refusal.
pub(super) fn refusal(
    kind: ObjectStoreKind,
    error: object_store::Error,
) -> Box<dyn Error + Send + Sync> {
    let text = chain(&error);
    let remedies: &[(&[&str], &str)] = match kind {
        ObjectStoreKind::S3 => &S3,
        ObjectStoreKind::Azure => &AZURE,
        ObjectStoreKind::Google => &GOOGLE,
    };
    let fits = |words: &&[&str]| words.iter().any(|word| text.contains(word));
    let remedy = remedies.iter().find(|(words, _)| fits(words));
    let remedy = remedy.map(|(_, remedy)| match region(&text) {
        Some(region) if *remedy == REGION => format!("set AWS_REGION={region}"),
        _ => (*remedy).to_owned(),
    });
    let said = match (element(&text, "Code"), element(&text, "Message")) {
        (Some(code), Some(message)) => format!("{code}, {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) if remedy.is_some() => error.to_string(),
        (None, _) => return error.into(),
    };
    let said = one_line(&said).trim_end_matches('.').to_owned();
    Refusal { said, remedy }.into()
}

/// An error's message with those of its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += "\n";
        text += &cause.to_string();
        next = cause.source();
    }
    text
}

/// The text of the first element with this name in an XML document.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once("</")?;
    Some(content.trim()).filter(|content| !content.is_empty())
}

fn region(text: &str) -> Option<&str> {
    let told = || {
        let (_, rest) = text.split_once("expecting '")?;
        Some(rest.split_once('\'')?.0)
    };
    let is_name = |name: &&str| {
        let may = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        !name.is_empty() && name.bytes().all(may)
    };
    element(text, "Region").or_else(told).filter(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(kind: ObjectStoreKind, text: &str) -> String {
        let source = text.to_owned().into();
        let error = object_store::Error::Generic { store: "x", source };
        refusal(kind, error).to_string()
    }

    #[test]
    fn names_what_to_change() {
        use ObjectStoreKind::{Azure, Google, S3};
        for (kind, text, says) in [
            (S3, "<Code>RequestTimeTooSkewed</Code>", "clock"),
            (
                S3,
                "\"md5\" is not a valid checksum algorithm",
                "AWS_CHECKSUM_ALGORITHM",
            ),
            (
                S3,
                "<Code>InvalidArgument</Code><Message>Unsupported header 'x-amz-checksum-sha256'</Message>",
                "leave it empty",
            ),
            (
                Azure,
                "<Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.</Message>\
                 <AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [a]",
                "AZURE_STORAGE_SAS_TOKEN has expired",
            ),
            (
                Azure,
                "<Code>AuthenticationFailed</Code>",
                "AZURE_STORAGE_ACCOUNT_NAME",
            ),
            (
                Azure,
                "<Code>AuthorizationPermissionMismatch</Code>",
                "lacks a right",
            ),
            (
                Google,
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                "GOOGLE_SERVICE_ACCOUNT",
            ),
            (
                Google,
                r#"{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}"#,
                "clock",
            ),
        ] {
            let meaning = meaning(kind, text);
            assert!(meaning.contains(says), "{meaning}");
        }
        // None of these is a refusal.
        assert_eq!(
            meaning(S3, "connection refused"),
            "Generic x error: connection refused"
        );
        assert_eq!(
            meaning(S3, "<Code>Odd</Code><Message>a\nb</Message>"),
            "Odd, a b"
        );
    }

    #[test]
    fn a_region_is_a_name() {
        assert_eq!(
            region("wrong; expecting 'eu-west-1'</Message>"),
            Some("eu-west-1")
        );
        assert_eq!(region("<Region>us-east-2</Region>"), Some("us-east-2"));
        assert_eq!(region("<Region>\x1b[2J</Region>"), None);
    }
}
