//! How archives are named, on the command line and in `ARCHIVE`, and what it takes to reach them.
//!
//! Owns the spelling, and which backend it stands for. Knows nothing of what an archive holds.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{
    ArchiveError, CachedArchive, DataArchive, Hash, bucket::BucketArchive, folder::FolderArchive,
    github::GithubArchive,
};

/// What it takes to reach archives that are not on this machine.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Object stores that speak S3's language.
    pub s3: S3Access,
    /// Repositories on GitHub.
    pub github: GithubAccess,
    /// Where what was read is kept, for the next time; `None` for nowhere.
    pub cache: Option<PathBuf>,
}

/// How to reach GitHub, and what may be done there. Printing it shows no secret.
#[derive(Clone, Default)]
pub struct GithubAccess {
    /// A personal access token.
    pub token: Option<String>,
    /// The API's URL; `None` for GitHub's own.
    pub api_url: Option<String>,
    /// Whether a repository may be written to that everyone can read.
    pub allow_public: bool,
    /// What becomes of earlier exports.
    pub history: History,
}

/// What becomes of earlier exports in a git repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// They stay in the branch's history.
    #[default]
    Keep,
    /// After each export the branch is replaced by one fresh commit.
    Squash,
    /// The same, after each export that carries out a member's wish for privacy or deletion.
    SquashAfterDeletion,
}

/// A text names no [`History`].
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
    /// The variables without which nothing can be reached, and that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        let token = self.token.is_none().then_some("GITHUB_TOKEN");
        token.into_iter().collect()
    }
}

/// How to reach an S3-compatible object store. Printing it shows no secret.
#[derive(Clone, Default)]
pub struct S3Access {
    /// Who we are there.
    pub access_key_id: Option<String>,
    /// What proves it.
    pub secret_access_key: Option<String>,
    /// What also proves it, where the keys are only lent.
    pub session_token: Option<String>,
    /// Where the bucket is; `us-east-1` where nothing is said.
    pub region: Option<String>,
    /// The server's URL; `None` for Amazon's.
    pub endpoint_url: Option<String>,
}

impl fmt::Debug for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Access")
            .field("region", &self.region)
            .field("endpoint_url", &self.endpoint_url)
            .finish_non_exhaustive()
    }
}

impl S3Access {
    /// The variables without which nothing can be reached, and that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        [
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
        ]
        .into_iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name)
        .collect()
    }
}

/// Which archive, as it is written on the command line and in `ARCHIVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSpec {
    /// `dir:PATH`: a folder, made with the first write.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`: a bucket of an S3-compatible object store.
    S3 {
        /// The bucket.
        bucket: String,
        /// The folder in it, without `/` around it; empty for none.
        prefix: String,
    },
    /// `github:OWNER/REPO[@BRANCH][:PREFIX]`: a branch of a repository on GitHub.
    Github(GithubPlace),
}

/// Where an archive on GitHub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubPlace {
    /// Whose repository it is.
    pub owner: String,
    /// Its name.
    pub repo: String,
    /// The branch; `None` for the repository's default branch.
    pub branch: Option<String>,
    /// The folder in it, without `/` around it; empty for none.
    pub prefix: String,
}

impl GithubPlace {
    /// `None` if a part is missing, or is none.
    fn parse(text: &str) -> Option<Self> {
        let (place, prefix) = text.split_once(':').unwrap_or((text, ""));
        let (repo, branch) = match place.split_once('@') {
            Some((repo, branch)) => (repo, Some(branch)),
            None => (place, None),
        };
        let (owner, repo) = repo.split_once('/')?;
        let prefix = prefix.trim_matches('/');
        let is_name = |it: &str| {
            let may = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
            !it.is_empty() && it != "." && it != ".." && it.bytes().all(may)
        };
        let is_path = |it: &str| it.split('/').all(is_name);
        let good = is_name(owner)
            && is_name(repo)
            && branch.is_none_or(is_path)
            && (prefix.is_empty() || is_path(prefix));
        good.then(|| Self {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            branch: branch.map(str::to_owned),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for GithubPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "github:{}/{}", self.owner, self.repo)?;
        if let Some(branch) = &self.branch {
            write!(f, "@{branch}")?;
        }
        if !self.prefix.is_empty() {
            write!(f, ":{}", self.prefix)?;
        }
        Ok(())
    }
}

impl ArchiveSpec {
    /// The archive under this prefix of a bucket.
    pub fn s3(bucket: &str, prefix: &str) -> Self {
        Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        }
    }

    /// The variables that this archive needs, and that are not set.
    pub fn missing(&self, access: &Access) -> Vec<&'static str> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::S3 { .. } => access.s3.missing(),
            Self::Github(_) => access.github.missing(),
        }
    }
}

impl fmt::Display for ArchiveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Github(place) => place.fmt(f),
        }
    }
}

/// A text names no archive that there is support for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveSpecError {
    /// A folder without a name.
    #[error("`dir:` needs a path, such as `dir:./archive`")]
    NoPath,
    /// An object store without a bucket.
    #[error("`{0}` needs a bucket, such as `s3://bucket/prefix`, and nothing behind the prefix")]
    NoBucket(String),
    /// A place on GitHub that is none.
    #[error(
        "`{0}` needs an owner and a repository, such as `github:OWNER/REPO`, then perhaps `@BRANCH` \
         and `:FOLDER`, in letters, digits, `.`, `_`, `-` (and `/`)"
    )]
    NoRepository(String),
    /// Anything else.
    #[error(
        "`{0}` is no archive; write `dir:PATH`, such as `dir:./archive`, `github:OWNER/REPO`, or \
         `s3://BUCKET/PREFIX`"
    )]
    Unknown(String),
}

impl FromStr for ArchiveSpec {
    type Err = ArchiveSpecError;

    fn from_str(text: &str) -> Result<Self, ArchiveSpecError> {
        match text.split_once(':') {
            Some(("dir", "")) => Err(ArchiveSpecError::NoPath),
            Some(("dir", path)) => Ok(Self::Folder(path.into())),
            Some(("github", place)) => GithubPlace::parse(place)
                .map(Self::Github)
                .ok_or_else(|| ArchiveSpecError::NoRepository(text.to_owned())),
            Some(("s3", place)) => {
                let place = place.strip_prefix("//").unwrap_or_default();
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                if bucket.is_empty() || place.contains(['?', '#', '@']) {
                    return Err(ArchiveSpecError::NoBucket(text.to_owned()));
                }
                Ok(Self::s3(bucket, prefix))
            }
            _ => Err(ArchiveSpecError::Unknown(text.to_owned())),
        }
    }
}

/// The archive that this names. Touches nothing yet.
///
/// # Errors
/// What it takes to reach it is not configured.
pub fn open(spec: &ArchiveSpec, access: &Access) -> Result<Box<dyn DataArchive>, ArchiveError> {
    let variables = spec.missing(access);
    if !variables.is_empty() {
        let place = spec.to_string();
        return Err(ArchiveError::NoAccess { place, variables });
    }
    Ok(match spec {
        ArchiveSpec::Folder(path) => Box::new(FolderArchive::new(path)),
        ArchiveSpec::S3 { bucket, prefix } => Box::new(BucketArchive::s3(bucket, prefix, access)?),
        ArchiveSpec::Github(place) => Box::new(GithubArchive::new(place.clone(), &access.github)?),
    })
}

/// The archive that this names, to read all of it: what is read of an archive that is not on this
/// machine is kept for the next time.
///
/// # Errors
/// As [`open`]; or there is no place for copies.
pub fn open_to_read(
    spec: &ArchiveSpec,
    access: &Access,
) -> Result<Box<dyn DataArchive>, ArchiveError> {
    let archive = open(spec, access)?;
    Ok(match (spec, &access.cache) {
        (ArchiveSpec::Folder(_), _) => archive,
        (_, Some(cache)) => {
            let name = Hash::of(spec.to_string().as_bytes()).to_string();
            Box::new(CachedArchive::new(archive, cache.join(&name[..16])))
        }
        (_, None) => Box::new(CachedArchive::in_scratch(archive)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_by_its_kind_and_place() {
        let spec: ArchiveSpec = "dir:./a:b".parse().unwrap();
        assert_eq!(spec, ArchiveSpec::Folder("./a:b".into()));
        assert_eq!(spec.to_string(), "dir:./a:b");
        for (text, prefix) in [("s3://props", ""), ("s3://props/a/b", "a/b")] {
            let spec: ArchiveSpec = text.parse().unwrap();
            assert_eq!(spec, ArchiveSpec::s3("props", prefix));
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn a_place_on_github_has_up_to_four_parts() {
        for (text, branch, prefix) in [
            ("github:octo-org/archive", None, ""),
            ("github:octo-org/archive@data/new", Some("data/new"), ""),
            ("github:octo-org/archive:a/b", None, "a/b"),
            ("github:octo-org/archive@main:a", Some("main"), "a"),
        ] {
            let spec: ArchiveSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let place = GithubPlace {
                owner: "octo-org".to_owned(),
                repo: "archive".to_owned(),
                branch: branch.map(str::to_owned),
                prefix: prefix.to_owned(),
            };
            assert_eq!(spec, ArchiveSpec::Github(place));
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let access = GithubAccess {
            token: Some("hidden".to_owned()),
            ..GithubAccess::default()
        };
        assert!(!format!("{access:?}").contains("hidden"));
    }

    #[test]
    fn what_reaches_an_object_store_is_not_shown() {
        let access = S3Access {
            secret_access_key: Some("hidden".to_owned()),
            ..S3Access::default()
        };
        assert!(!format!("{access:?}").contains("hidden"));
        let spec = ArchiveSpec::s3("props", "");
        let error = open(
            &spec,
            &Access {
                s3: access,
                ..Access::default()
            },
        )
        .err()
        .unwrap();
        assert_eq!(
            error.to_string(),
            "s3://props takes AWS_ACCESS_KEY_ID: set them in the environment or .env"
        );
    }

    #[test]
    fn other_names_say_what_to_write_instead() {
        for (text, says) in [
            ("github:owner", "needs an owner and a repository"),
            (
                "github:owner/repo@main:../secret",
                "needs an owner and a repository",
            ),
            ("github:owner/repo@", "needs an owner and a repository"),
            ("s3://", "needs a bucket"),
            ("s3://key:secret@bucket", "needs a bucket"),
            ("gs://bucket/prefix", "is no archive; write `dir:PATH`"),
            ("dir:", "needs a path"),
            ("archive", "is no archive; write `dir:PATH`"),
        ] {
            let error = text.parse::<ArchiveSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
