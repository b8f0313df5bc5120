//! Access to remote archives: credentials, servers and options. `Debug` output shows no secrets.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use super::ObjectStoreKind;

/// How to reach remote archives.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Object stores.
    pub buckets: BucketAccess,
    /// Repositories on GitHub.
    pub github: GithubAccess,
    /// Repositories on other git hosts.
    pub git: GitAccess,
    /// Where read objects are cached; `None` for no cache.
    pub cache: Option<PathBuf>,
}

/// How to reach GitHub, and options for repositories there.
#[derive(Clone, Default)]
pub struct GithubAccess {
    /// A personal access token.
    pub token: Option<String>,
    /// The API's URL; `None` for GitHub's own.
    pub api_url: Option<String>,
    /// Whether writing to a public repository is allowed.
    pub allow_public: bool,
    /// Whether earlier exports are kept.
    pub history: History,
}

/// How to reach a git host, and options for repositories there.
#[derive(Clone, Default)]
pub struct GitAccess {
    /// A token or password for http and https.
    pub token: Option<String>,
    /// Whether writing to a repository is allowed that can be read without a login.
    pub allow_public: bool,
    /// Whether earlier exports are kept.
    pub history: History,
}

impl fmt::Debug for GitAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitAccess")
            .field("allow_public", &self.allow_public)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// Whether earlier exports stay in a git repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// They stay in the branch's history.
    #[default]
    Keep,
    /// Each export replaces the branch by a single commit.
    Squash,
    /// The same, but only for exports that apply a member's choice of privacy or deletion.
    SquashAfterDeletion,
}

/// The text isn't a valid [`History`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of `keep`, `squash` and `squash-after-deletion`")]
pub struct NoHistory(String);

impl FromStr for History {
    type Err = NoHistory;

    fn from_str(text: &str) -> Result<Self, NoHistory> {
        match text {
            "keep" => Ok(Self::Keep),
            "squash" => Ok(Self::Squash),
            "squash-after-deletion" => Ok(Self::SquashAfterDeletion),
            _ => Err(NoHistory(text.to_owned())),
        }
    }
}

impl fmt::Debug for GithubAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubAccess")
            .field("api_url", &self.api_url)
            .field("allow_public", &self.allow_public)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

impl GithubAccess {
    /// The required variables that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        let token = self.token.is_none().then_some("GITHUB_TOKEN");
        token.into_iter().collect()
    }
}

/// How to reach object stores: the variables of [`Self::VARIABLES`] that are set. Their names are
/// those used by the stores' own tools.
#[derive(Clone, Default)]
pub struct BucketAccess(pub BTreeMap<&'static str, String>);

impl BucketAccess {
    /// The variables that are read.
    pub const VARIABLES: [&str; 11] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_CHECKSUM_ALGORITHM",
        "GOOGLE_SERVICE_ACCOUNT",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_ENDPOINT",
    ];

    /// The required variables for this kind of store that are not set.
    pub fn missing(&self, kind: ObjectStoreKind) -> Vec<&'static str> {
        let needed: &[&str] = match kind {
            ObjectStoreKind::S3 => &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            ObjectStoreKind::Google => &["GOOGLE_SERVICE_ACCOUNT"],
            // The account key works too, but it opens the whole account.
            ObjectStoreKind::Azure if self.0.contains_key("AZURE_STORAGE_ACCOUNT_KEY") => {
                &["AZURE_STORAGE_ACCOUNT_NAME"]
            }
            ObjectStoreKind::Azure => &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_SAS_TOKEN"],
        };
        let needed = needed.iter().copied();
        needed.filter(|name| !self.0.contains_key(name)).collect()
    }
}

impl fmt::Debug for BucketAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArchiveSpec, Claims, open_to_write};
    use propsbot_network::Network;

    #[test]
    fn no_secret_is_shown() {
        let hidden = || "hidden".to_owned();
        let access = Access {
            github: GithubAccess {
                token: Some(hidden()),
                ..GithubAccess::default()
            },
            git: GitAccess {
                token: Some(hidden()),
                ..GitAccess::default()
            },
            buckets: BucketAccess(BucketAccess::VARIABLES.map(|name| (name, hidden())).into()),
            cache: None,
        };
        assert!(!format!("{access:?}").contains("hidden"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let set = ["AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"];
        let access = Access {
            buckets: BucketAccess(set.map(|set| (set, "hidden".to_owned())).into()),
            ..Access::default()
        };
        for (spec, says) in [
            ("s3://props", "s3://props takes AWS_ACCESS_KEY_ID:"),
            ("gs://props", "gs://props takes GOOGLE_SERVICE_ACCOUNT:"),
            ("az://props", "az://props takes AZURE_STORAGE_ACCOUNT_NAME:"),
            ("github:a/b", "github:a/b takes GITHUB_TOKEN:"),
        ] {
            let spec: ArchiveSpec = spec.parse().unwrap();
            let error = open_to_write(&spec, &access, &Network::default(), Claims::default())
                .err()
                .unwrap()
                .to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
