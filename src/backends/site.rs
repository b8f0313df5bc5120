//! Where sites are kept: how places for them are named, and how a site is brought up to date in a folder.
//!
//! [`LIST`] names the files of a site with their hashes. So only what changed is written, what went is removed, and
//! a place that has anything else is left alone.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use propsbot_archive::{ArchiveError, Hash, blocking, read_file};
use propsbot_network::Network;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{
    Access, ArchiveSpec, ArchiveSpecError, GitArchive, GitPlace, TablesSpec,
    folder::{LOCK, failed, open_lock, taken},
    spec::is_path,
};

/// The file that names all others.
pub(crate) const LIST: &str = "site.json";

/// The longest list that is read, in bytes.
pub(crate) const LONGEST_LIST: u64 = 64 << 20;

/// The version of the list.
const FORMAT: u32 = 1;

/// Files by path.
pub type SiteFiles = BTreeMap<String, Vec<u8>>;

/// A place for a site, as named on the command line and in `SITE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteSpec {
    /// `PATH`, or `dir:PATH`: a folder, which the first write creates.
    Folder(PathBuf),
    /// `git:URL@BRANCH`: a branch of a git repository, which has nothing else.
    Git(GitPlace),
}

/// The text doesn't name a place for a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteSpecError {
    /// A folder or repository that isn't named as it should be.
    #[error(transparent)]
    Wrong(#[from] ArchiveSpecError),
    /// A repository without a branch, or with a folder. Not quoted, because it may have a password.
    #[error(
        "a site in a git repository has a branch of its own, which is replaced each time: write `git:URL@BRANCH`, such as \
         `git:https://github.com/OWNER/REPO.git@gh-pages`, without a folder"
    )]
    NoBranch,
    /// Any other place.
    #[error("a site goes to a folder, such as `dir:./site`, or to `git:URL@BRANCH`")]
    Other,
}

/// Why a site couldn't be written.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The place failed.
    #[error(transparent)]
    Place(#[from] ArchiveError),
    /// The place has something else.
    #[error(
        "{0} has files but no {LIST}, so it is no site of propsbot's: choose an empty place for the site"
    )]
    NotASite(String),
    /// The list can't be read.
    #[error(
        "{LIST} in {0} is damaged, or another version wrote it: remove the whole site, and it is written again"
    )]
    Damaged(String),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteWritten {
    /// Files written.
    pub written: usize,
    /// How long they are.
    pub bytes: u64,
    /// Files removed.
    pub removed: usize,
}

/// Names the files of a site.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct List {
    format: u32,
    /// By path; `None` while the file may be of either generation.
    files: BTreeMap<String, Option<Hash>>,
}

impl List {
    fn of(files: &SiteFiles) -> Self {
        let files = files.iter();
        Self {
            format: FORMAT,
            files: files
                .map(|(path, bytes)| (path.clone(), Some(Hash::of(bytes))))
                .collect(),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let list: Self = serde_json::from_slice(bytes).ok()?;
        let are_paths = list.files.keys().all(|path| is_path(path));
        (list.format == FORMAT && are_paths).then_some(list)
    }

    fn print(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        text.push(b'\n');
        text
    }
}

/// The files of a site with the list that names them.
pub(crate) fn with_list(mut files: SiteFiles) -> SiteFiles {
    let list = List::of(&files).print();
    files.insert(LIST.to_owned(), list);
    files
}

impl FromStr for SiteSpec {
    type Err = SiteSpecError;

    fn from_str(text: &str) -> Result<Self, SiteSpecError> {
        let is_place = ["dir:", "git:", "github:"]
            .iter()
            .any(|kind| text.starts_with(kind))
            || text.contains("://");
        if !is_place && !text.is_empty() {
            return Ok(Self::Folder(text.into()));
        }
        match text.parse()? {
            ArchiveSpec::Folder(path) => Ok(Self::Folder(path)),
            ArchiveSpec::Git(place) if place.branch.is_some() && place.prefix.is_empty() => {
                Ok(Self::Git(place))
            }
            ArchiveSpec::Git(_) => Err(SiteSpecError::NoBranch),
            ArchiveSpec::Bucket(_) | ArchiveSpec::Github(_) => Err(SiteSpecError::Other),
        }
    }
}

impl fmt::Display for SiteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Git(place) => place.fmt(f),
        }
    }
}

impl SiteSpec {
    /// Whether the site and the archive would share files, or a branch.
    ///
    /// # Errors
    /// The file system can't say where a folder is.
    pub fn overlaps(&self, archive: &ArchiveSpec) -> io::Result<bool> {
        match (self, archive) {
            (Self::Folder(path), archive) => TablesSpec::Folder(path.clone()).overlaps(archive),
            (Self::Git(site), ArchiveSpec::Git(archive)) => Ok(site.is_same_branch(archive)),
            (Self::Git(site), ArchiveSpec::Github(archive)) => Ok(site.is_at_github(archive)),
            (Self::Git(_), ArchiveSpec::Folder(_) | ArchiveSpec::Bucket(_)) => Ok(false),
        }
    }

    /// Brings the site in this place up to date. On a branch, one commit replaces all that was there.
    ///
    /// # Errors
    /// The place can't be written, has something else, or is public without leave.
    pub async fn write(
        &self,
        files: SiteFiles,
        access: &Access,
        network: &Network,
    ) -> Result<SiteWritten, SiteError> {
        match self {
            Self::Folder(root) => {
                let root = root.clone();
                let written = blocking(move || Ok(write_folder(&root, &files)));
                written.await?
            }
            Self::Git(place) => {
                let git =
                    GitArchive::new(place.clone(), &access.git, network, access.cache.clone())?;
                git.replace_site(with_list(files)).await
            }
        }
    }
}

fn write_folder(root: &Path, files: &SiteFiles) -> Result<SiteWritten, SiteError> {
    fs::create_dir_all(root).map_err(failed("create the folder", root))?;
    // Before the lock, which would be one more file in what is no site.
    listed(root)?;
    let lock = open_lock(root)?;
    taken(lock.try_lock(), root)?;
    let old = listed(root)?;
    let new = List::of(files);
    let is_there = |path: &str, bytes: &[u8]| {
        let file = root.join(path).metadata();
        file.is_ok_and(|file| file.is_file() && file.len() == bytes.len() as u64)
    };
    let changed = |(path, bytes): &(&String, &Vec<u8>)| {
        old.files.get(*path) != new.files.get(*path) || !is_there(path, bytes)
    };
    let changed: Vec<_> = files.iter().filter(changed).collect();
    let gone: Vec<&String> = old
        .files
        .keys()
        .filter(|path| !new.files.contains_key(*path))
        .collect();
    let mut done = SiteWritten::default();
    if changed.is_empty() && gone.is_empty() {
        return Ok(done);
    }
    // Whatever comes between, the next time knows all files by their names.
    let mut either = List {
        format: FORMAT,
        files: old.files.clone(),
    };
    either
        .files
        .extend(changed.iter().map(|(path, _)| ((*path).clone(), None)));
    replace(root, LIST, &either.print())?;
    for path in gone {
        remove(root, path)?;
        done.removed += 1;
    }
    for (path, bytes) in changed {
        replace(root, path, bytes)?;
        done.written += 1;
        done.bytes += bytes.len() as u64;
    }
    replace(root, LIST, &new.print())?;
    Ok(done)
}

/// What the folder has of a site.
fn listed(root: &Path) -> Result<List, SiteError> {
    match read_file(&root.join(LIST), LONGEST_LIST)? {
        Some(bytes) => {
            List::parse(&bytes).ok_or_else(|| SiteError::Damaged(root.display().to_string()))
        }
        None if is_empty(root)? => Ok(List::default()),
        None => Err(SiteError::NotASite(root.display().to_string())),
    }
}

fn is_empty(root: &Path) -> Result<bool, ArchiveError> {
    let entries = fs::read_dir(root).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(failed("list", root))?;
    Ok(entries.iter().all(|entry| entry.file_name() == LOCK))
}

/// Writes a file that readers see whole, or not at all. A web server may read it.
fn replace(root: &Path, path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let path = root.join(path);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
    let mut options = tempfile::Builder::new();
    #[cfg(unix)]
    options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file: io::Result<NamedTempFile> = options.prefix(".new-").tempfile_in(folder);
    let mut file = file.map_err(failed("create a file in", folder))?;
    file.write_all(bytes).map_err(failed("write", &path))?;
    file.persist(&path)
        .map_err(|error| failed("rename a temporary file to", &path)(error.error))?;
    Ok(())
}

/// Removes a file, and its folder with the last one.
fn remove(root: &Path, path: &str) -> Result<(), ArchiveError> {
    let path = root.join(path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &path)(error));
        }
        _ => {}
    }
    let folders = path
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != root);
    for folder in folders {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(of: &[(&str, &str)]) -> SiteFiles {
        of.iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_place_for_a_site_is_a_folder_or_a_branch_of_its_own() {
        for (text, shown) in [
            ("./site", "./site"),
            ("dir:site", "site"),
            (
                "git:https://host/repo.git@pages",
                "git:https://host/repo.git@pages",
            ),
        ] {
            assert_eq!(text.parse::<SiteSpec>().unwrap().to_string(), shown);
        }
        for (text, says) in [
            ("", "is no archive"),
            ("git:https://host/repo.git", "has a branch of its own"),
            (
                "git:https://host/repo.git@pages:docs",
                "has a branch of its own",
            ),
            ("s3://bucket", "goes to a folder"),
            ("github:owner/repo@pages", "goes to a folder"),
        ] {
            let error = text.parse::<SiteSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let site: SiteSpec = "git:https://host/repo@pages".parse().unwrap();
        for (archive, overlaps) in [
            ("git:https://host/repo.git@pages", true),
            ("git:https://host/repo@archive", false),
            ("git:https://host/other@pages", false),
            ("github:Host/Repo@pages", false),
            ("dir:pages", false),
        ] {
            assert_eq!(
                site.overlaps(&archive.parse().unwrap()).unwrap(),
                overlaps,
                "{archive}"
            );
        }
        let site: SiteSpec = "git:git@github.com:Owner/repo.git@pages".parse().unwrap();
        for (archive, overlaps) in [
            ("github:owner/repo@pages", true),
            ("github:owner/repo@archive", false),
            ("github:owner/other@pages", false),
            ("github:wner/repo@pages", false),
        ] {
            assert_eq!(
                site.overlaps(&archive.parse().unwrap()).unwrap(),
                overlaps,
                "{archive}"
            );
        }
    }

    #[test]
    fn only_what_changed_is_written_and_what_went_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("site");
        let first = files(&[
            ("index.html", "one"),
            ("member/1.html", "ana"),
            ("data/a.js", "a"),
        ]);
        let done = write_folder(&root, &first).unwrap();
        assert_eq!((done.written, done.removed), (3, 0));
        assert_eq!(write_folder(&root, &first).unwrap(), SiteWritten::default());

        let second = files(&[("index.html", "two"), ("data/b.js", "b")]);
        let done = write_folder(&root, &second).unwrap();
        assert_eq!((done.written, done.bytes, done.removed), (2, 4, 2));
        assert!(!root.join("member").exists() && !root.join("data/a.js").exists());
        assert_eq!(fs::read(root.join("index.html")).unwrap(), b"two");

        // What was lost is written again.
        fs::remove_file(root.join("data/b.js")).unwrap();
        assert_eq!(write_folder(&root, &second).unwrap().written, 1);
    }

    #[test]
    fn other_files_are_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "precious").unwrap();
        let refused = write_folder(home.path(), &files(&[("index.html", "")])).unwrap_err();
        assert!(matches!(refused, SiteError::NotASite(_)), "{refused}");
        assert!(!home.path().join(LOCK).exists());
        for list in [
            "",
            r#"{"format":1,"files":{"../thesis.txt":null}}"#,
            r#"{"format":2,"files":{}}"#,
        ] {
            fs::write(home.path().join(LIST), list).unwrap();
            let refused = write_folder(home.path(), &SiteFiles::new()).unwrap_err();
            assert!(matches!(refused, SiteError::Damaged(_)), "{refused}");
        }
        assert!(home.path().join("thesis.txt").exists());
    }
}
