//! How archives are named on the command line and in `ARCHIVE`, and which backend a name selects.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    Access, Claims,
    bucket::BucketArchive,
    folder::FolderArchive,
    git::{self, GitArchive, GitPlace},
    github::GithubArchive,
};
use propsbot_archive::{ArchiveError, CachedArchive, DataArchive, Hash};
use propsbot_network::Network;

/// An archive as named on the command line and in `ARCHIVE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSpec {
    /// `dir:PATH`: a folder, which the first write creates.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`: an object store.
    Bucket(BucketPlace),
    /// `github:OWNER/REPO[@BRANCH][:PREFIX]`: a branch of a repository on GitHub.
    Github(GithubPlace),
    /// `git:URL[@BRANCH][:PREFIX]`: a branch of a repository on any git host.
    Git(GitPlace),
}

/// The API of an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectStoreKind {
    /// Amazon S3, or a compatible store.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage, where buckets are called containers.
    Azure,
}

impl ObjectStoreKind {
    /// The URL scheme of archives in this kind of store.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Self> {
        let kinds = [Self::S3, Self::Google, Self::Azure];
        kinds.into_iter().find(|kind| kind.scheme() == scheme)
    }
}

/// An archive's place in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPlace {
    /// In which kind of store.
    pub kind: ObjectStoreKind,
    /// The bucket or container.
    pub bucket: String,
    /// The folder in the bucket, without leading or trailing `/`; empty for none.
    pub prefix: String,
}

impl BucketPlace {
    /// The archive under this prefix of a bucket.
    pub fn new(kind: ObjectStoreKind, bucket: &str, prefix: &str) -> Self {
        Self {
            kind,
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        }
    }

    /// Parses `//BUCKET[/PREFIX]`. `None` without a bucket, or with unsupported characters.
    fn parse(kind: ObjectStoreKind, text: &str) -> Option<Self> {
        let place = text.strip_prefix("//")?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let good = !bucket.is_empty() && !place.contains(['?', '#', '@']);
        good.then(|| Self::new(kind, bucket, prefix))
    }
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.scheme(), self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

/// Whether this is a name in letters, digits, `.`, `_` and `-`.
pub(crate) fn is_name(text: &str) -> bool {
    let may = |text: u8| text.is_ascii_alphanumeric() || b"._-".contains(&text);
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(may)
}

/// Whether these are such names with `/` between them.
pub(crate) fn is_path(text: &str) -> bool {
    text.split('/').all(is_name)
}

/// An archive's place on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubPlace {
    /// The repository's owner.
    pub owner: String,
    /// The repository's name.
    pub repo: String,
    /// The branch; `None` for the repository's default branch.
    pub branch: Option<String>,
    /// The folder in the repository, without leading or trailing `/`; empty for none.
    pub prefix: String,
}

impl GithubPlace {
    /// `None` if a part is missing or invalid.
    fn parse(text: &str) -> Option<Self> {
        let (place, prefix) = text.split_once(':').unwrap_or((text, ""));
        let (repo, branch) = match place.split_once('@') {
            Some((repo, branch)) => (repo, Some(branch)),
            None => (place, None),
        };
        let (owner, repo) = repo.split_once('/')?;
        let prefix = prefix.trim_matches('/');
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
    /// Whether writers use claims, since there are no locks.
    pub fn takes_claims(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// The same archive for a process in another working directory. A login in a URL is left out.
    #[must_use]
    pub fn absolute(&self) -> Self {
        match self {
            Self::Folder(path) => {
                Self::Folder(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Self::Git(place) => Self::Git(place.absolute()),
            other => other.clone(),
        }
    }

    /// The required variables that are not set.
    pub fn missing(&self, access: &Access) -> Vec<&'static str> {
        match self {
            Self::Folder(_) | Self::Git(_) => Vec::new(),
            Self::Bucket(place) => access.buckets.missing(place.kind),
            Self::Github(_) => access.github.missing(),
        }
    }
}

impl fmt::Display for ArchiveSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::Bucket(place) => place.fmt(f),
            Self::Github(place) => place.fmt(f),
            Self::Git(place) => place.fmt(f),
        }
    }
}

/// The text doesn't name a supported archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveSpecError {
    /// A folder without a name.
    #[error("`dir:` needs a path, such as `dir:./archive`")]
    NoPath,
    /// An object store without a bucket.
    #[error("`{0}` needs a bucket, such as `s3://bucket/prefix`, and nothing behind the prefix")]
    NoBucket(String),
    /// An invalid place on GitHub.
    #[error(
        "`{0}` needs an owner and a repository, such as `github:OWNER/REPO`, then perhaps `@BRANCH` \
         and `:FOLDER`, in letters, digits, `.`, `_`, `-` (and `/`)"
    )]
    NoRepository(String),
    /// An invalid place in a git repository. Not quoted, because it may have a password.
    #[error(
        "`git:` needs a repository: `https://HOST/PATH`, `ssh://USER@HOST/PATH`, `USER@HOST:PATH`, or a path \
         that begins with `/` or `./`; then perhaps `@BRANCH` and `:FOLDER`, in letters, digits, `.`, `_`, \
         `-` and `/`. Write `%40` and `%3A` for `@` and `:` in the path of a URL"
    )]
    NoGit,
    /// Anything else.
    #[error(
        "`{0}` is no archive; write `dir:PATH`, such as `dir:./archive`, `github:OWNER/REPO`, \
         `git:https://HOST/PATH`, or `s3://BUCKET/PREFIX` (`gs://` for Google's, `az://` for Azure's object stores)"
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
            Some(("git", place)) => GitPlace::parse(place)
                .map(Self::Git)
                .ok_or(ArchiveSpecError::NoGit),
            Some((scheme, place)) if let Some(kind) = ObjectStoreKind::of_scheme(scheme) => {
                BucketPlace::parse(kind, place)
                    .map(Self::Bucket)
                    .ok_or_else(|| ArchiveSpecError::NoBucket(text.to_owned()))
            }
            _ => Err(ArchiveSpecError::Unknown(text.to_owned())),
        }
    }
}

/// Opens this archive for writing. `claims` are the store's. Makes no requests yet.
///
/// # Errors
/// A required variable is not set.
pub fn open_to_write(
    spec: &ArchiveSpec,
    access: &Access,
    network: &Network,
    claims: Claims,
) -> Result<Box<dyn DataArchive>, ArchiveError> {
    check_access(spec, access)?;
    Ok(match spec {
        ArchiveSpec::Bucket(place) => {
            let archive = BucketArchive::new(place.clone(), &access.buckets, network)?;
            Box::new(archive.with_claims(claims))
        }
        ArchiveSpec::Github(place) => {
            let archive = GithubArchive::new(place.clone(), &access.github, network)?;
            Box::new(archive.of_provider(claims.provider))
        }
        ArchiveSpec::Folder(_) | ArchiveSpec::Git(_) => open(spec, access, network)?,
    })
}

fn check_access(spec: &ArchiveSpec, access: &Access) -> Result<(), ArchiveError> {
    let variables = spec.missing(access);
    if variables.is_empty() {
        return Ok(());
    }
    let place = spec.to_string();
    Err(ArchiveError::NoAccess { place, variables })
}

/// Opens this archive for reading. Makes no requests yet.
///
/// Public data on GitHub needs no token, and is read without a refused one.
///
/// # Errors
/// A required variable is not set.
pub fn open(
    spec: &ArchiveSpec,
    access: &Access,
    network: &Network,
) -> Result<Box<dyn DataArchive>, ArchiveError> {
    if !matches!(spec, ArchiveSpec::Github(_)) {
        check_access(spec, access)?;
    }
    Ok(match spec {
        ArchiveSpec::Folder(path) => Box::new(FolderArchive::new(path)),
        ArchiveSpec::Bucket(place) => {
            Box::new(BucketArchive::new(place.clone(), &access.buckets, network)?)
        }
        ArchiveSpec::Github(place) => {
            Box::new(GithubArchive::new(place.clone(), &access.github, network)?.reading())
        }
        ArchiveSpec::Git(place) => {
            let cache = access.cache.clone();
            Box::new(GitArchive::new(place.clone(), &access.git, network, cache)?)
        }
    })
}

/// Opens this archive to read all of it. Objects of a remote archive are cached for the next time.
///
/// # Errors
/// Like [`open`], and if there is no folder for the cache.
pub fn open_to_read(
    spec: &ArchiveSpec,
    access: &Access,
    network: &Network,
) -> Result<Box<dyn DataArchive>, ArchiveError> {
    let archive = open(spec, access, network)?;
    Ok(match (spec, &access.cache) {
        (ArchiveSpec::Folder(_), _) => archive,
        (_, Some(cache)) => Box::new(CachedArchive::new(
            archive,
            copies(cache, &spec.to_string()),
        )),
        (_, None) => Box::new(CachedArchive::in_scratch(archive)?),
    })
}

/// Opens this archive to read a few of its objects, which are cached for the next time; those that
/// [`open_to_read`] cached are used, too.
///
/// # Errors
/// Like [`open`].
pub fn open_to_query(
    spec: &ArchiveSpec,
    access: &Access,
    network: &Network,
) -> Result<Box<dyn DataArchive>, ArchiveError> {
    let archive = open(spec, access, network)?;
    Ok(match (spec, &access.cache) {
        (ArchiveSpec::Folder(_), _) | (_, None) => archive,
        (_, Some(cache)) => {
            let few = copies(cache, &format!("query {spec}"));
            Box::new(CachedArchive::of_few(
                archive,
                few,
                copies(cache, &spec.to_string()),
            ))
        }
    })
}

/// The folder of an archive's copies.
fn copies(cache: &Path, name: &str) -> PathBuf {
    let name = Hash::of(name.as_bytes()).to_string();
    cache.join(&name[..COPIES])
}

/// The length of the name of a cache folder.
const COPIES: usize = 16;

/// Removes the cached copies of all archives, which may have data to be forgotten. Needed objects
/// are fetched again.
pub fn drop_copies(access: &Access) -> io::Result<()> {
    let Some(cache) = &access.cache else {
        return Ok(());
    };
    let entries = match fs::read_dir(cache) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Other files in the folder aren't ours.
        let is_ours =
            |name: &str| name.len() == COPIES && name.bytes().all(|c| c.is_ascii_hexdigit());
        let is_of_git = |name: &str| name.starts_with(git::PREFIX) && entry.path().is_dir();
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| is_ours(name) || is_of_git(name))
        {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_by_its_kind_and_place() {
        let spec: ArchiveSpec = "dir:./a:b".parse().unwrap();
        assert_eq!(spec, ArchiveSpec::Folder("./a:b".into()));
        assert_eq!(spec.to_string(), "dir:./a:b");
        for (text, kind, prefix) in [
            ("s3://props", ObjectStoreKind::S3, ""),
            ("gs://props/a", ObjectStoreKind::Google, "a"),
            ("az://props/a/b", ObjectStoreKind::Azure, "a/b"),
        ] {
            let spec: ArchiveSpec = text.parse().unwrap();
            let place = BucketPlace::new(kind, "props", prefix);
            assert_eq!(spec, ArchiveSpec::Bucket(place));
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
            ("gs:///prefix", "needs a bucket"),
            ("az://container?sig=secret", "needs a bucket"),
            ("ftp://bucket/prefix", "is no archive; write `dir:PATH`"),
            ("git:archive.git", "`git:` needs a repository"),
            ("dir:", "needs a path"),
            ("archive", "is no archive; write `dir:PATH`"),
        ] {
            let error = text.parse::<ArchiveSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
