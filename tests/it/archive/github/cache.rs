//! What is fetched of an archive, and what is cached.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use propsbot_archive::{DataArchive, ROOT};
use propsbot_backends::{Access, ArchiveSpec, open_to_read};
use propsbot_network::Network;
use propsbot_rows::{SCHEMA, Snapshot};
use simulator::github::{Fault, Github, Kind};
use tempfile::TempDir;

use super::{
    super::bucket::{first, second, terse},
    access, archive_in, place, started,
};

struct Reader<'a> {
    github: &'a Github,
    cache: TempDir,
}

impl<'a> Reader<'a> {
    fn new(github: &'a Github) -> Self {
        let cache = tempfile::tempdir().unwrap();
        Self { github, cache }
    }

    /// Opens the archive like a new process.
    fn open(&self) -> Box<dyn DataArchive> {
        let spec = ArchiveSpec::Github(place(self.github, ""));
        let access = Access {
            github: access(self.github),
            cache: Some(self.cache.path().to_owned()),
            ..Access::default()
        };
        open_to_read(&spec, &access, &Network::default()).unwrap()
    }

    /// Reads everything; returns the number of files and tarballs fetched.
    async fn read(&self) -> (Snapshot, usize, usize) {
        let count = || {
            let of = |kind| self.github.count(kind);
            (of(Kind::ReadContents), of(Kind::Codeload))
        };
        let before = count();
        let rows = Snapshot::read(self.open().as_ref()).await.unwrap();
        let after = count();
        (rows, after.0 - before.0, after.1 - before.1)
    }

    fn copies(&self) -> Vec<PathBuf> {
        fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        collect(self.cache.path(), &mut found);
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fetches_a_tarball_first_and_changes_later() {
    let github = started().await;
    let archive = archive_in(&github, "");
    first(&archive).await;
    let reader = Reader::new(&github);
    // The root and the server's manifest.
    assert_eq!(reader.read().await, (terse(), 2, 1));
    assert_eq!(reader.read().await, (terse(), 2, 0));

    second(&archive).await.unwrap();
    let (rows, files, tarballs) = reader.read().await;
    assert_ne!(rows, terse());
    // The root and the manifest; the lists of channels and of days; the files of the new hour, of the
    // emptied channel's day, and of what moved from hours to days.
    assert!((4..=8).contains(&files) && tarballs == 0, "{files} files");

    // Withdrawn objects leave the cache, too.
    let head = github.head().unwrap().unwrap();
    let there: BTreeSet<String> = github
        .files_at(&head)
        .unwrap()
        .into_keys()
        .filter(|files_at| files_at.contains('/'))
        .chain([ROOT.to_owned()])
        .collect();
    let here: BTreeSet<String> = reader
        .copies()
        .iter()
        .map(|copy| {
            let path = copy.strip_prefix(reader.cache.path()).unwrap();
            let parts: Vec<_> = path
                .iter()
                .skip(1)
                .map(|path| path.to_str().unwrap())
                .collect();
            parts.join("/")
        })
        .collect();
    assert_eq!(here, there);
    assert_eq!(github.violations(), [""; 0]);
}

/// A tarball has everything in the repository.
#[tokio::test(flavor = "multi_thread")]
async fn reads_small_archives_in_large_repositories_file_by_file() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let large = [("video.mp4".to_owned(), vec![0; 30_000_000])];
    github.commit_as_somebody(large).unwrap();
    let (rows, files, tarballs) = Reader::new(&github).read().await;
    assert_eq!(rows, terse());
    assert!(files > 2 && tarballs == 0, "{files} files");
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refetches_damaged_copies() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let reader = Reader::new(&github);
    reader.read().await;
    let mut harmed = 0;
    for copy in reader.copies() {
        if copy.extension().is_some_and(|extension| extension == "gz") {
            let mut bytes = fs::read(&copy).unwrap();
            bytes[0] ^= 1;
            fs::write(copy, bytes).unwrap();
            harmed += 1;
        }
    }
    assert_eq!(reader.read().await, (terse(), 2 + harmed, 0));
    assert_eq!(reader.read().await, (terse(), 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_interrupted_downloads() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let reader = Reader::new(&github);
    github.fail(Kind::Codeload, 1, Fault::Truncated);
    github.fail(Kind::Tarball, 1, Fault::Status(502));
    assert_eq!(reader.read().await, (terse(), 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_missing_and_damaged_files() {
    let github = started().await;
    let archive = archive_in(&github, "");
    first(&archive).await;
    let head = github.head().unwrap().unwrap();
    let files = github.files_at(&head).unwrap();
    let (path, bytes) = files
        .into_iter()
        .find(|(path, _)| path.starts_with("rows/"))
        .unwrap();
    let mut wrong = bytes.clone();
    wrong[0] ^= 1;
    github.commit_as_somebody([(path.clone(), wrong)]).unwrap();
    let read = Snapshot::read(Reader::new(&github).open().as_ref()).await;
    let error = read.unwrap_err().to_string();
    assert!(error.contains(&format!("{path} is damaged")), "{error}");
    let faults = propsbot_archive::verify(&archive, &SCHEMA, propsbot_archive::Depth::Whole)
        .await
        .unwrap()
        .faults;
    assert!(
        faults[0].contains(&format!("{path} is damaged")),
        "{faults:?}"
    );

    // As if someone had removed it by hand.
    github.push_as_somebody("main", Some(&head)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let from = github.repository_path().to_str().unwrap();
    super::git(home.path(), &["clone", "--quiet", from, "clone"]);
    let clone = home.path().join("clone");
    super::git(&clone, &["rm", "--quiet", &path]);
    let by = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    let commit = [&by[..], &["commit", "--quiet", "-m", "Remove"]].concat();
    super::git(&clone, &commit);
    super::git(&clone, &["push", "--quiet", "origin", "HEAD"]);
    let read = Snapshot::read(Reader::new(&github).open().as_ref()).await;
    let error = read.unwrap_err().to_string();
    assert!(error.contains(&format!("{path} is missing")), "{error}");
}

/// Verification reads GitHub's objects, whatever copies exist.
#[tokio::test(flavor = "multi_thread")]
async fn verify_takes_one_download_and_ignores_copies() {
    let github = started().await;
    first(&archive_in(&github, "")).await;
    let before = (
        github.count(Kind::ReadContents),
        github.count(Kind::Codeload),
    );
    super::assert_valid(&archive_in(&github, "")).await;
    let after = (
        github.count(Kind::ReadContents),
        github.count(Kind::Codeload),
    );
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 1));
}
