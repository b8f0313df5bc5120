//! What readers of a few files keep of an archive with two spaces, from export to export.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{
    forums::{Forums, forums},
    query::Noting,
    *,
};
use crate::{ArchiveReader, CachedArchive, DataArchive, MANIFEST_LIMIT, ROOT, manifest_path};

/// A reader of a few files, with its copies.
struct Reader(TempDir);

impl Reader {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> std::path::PathBuf {
        self.0.path().join("few")
    }

    /// Reads rows of the archive as it is now. Returns the files that were fetched, other than manifests.
    async fn read(&self, archive: &MemoryArchive, queries: &[Query]) -> BTreeSet<String> {
        let noting = Noting::of(&archive.files().await);
        let cached = CachedArchive::of_few(
            &noting as &dyn DataArchive,
            self.folder(),
            self.0.path().join("whole"),
        );
        let reader = ArchiveReader::open(&cached, &SCHEMA).await.unwrap();
        for query in queries {
            let rows: Vec<Batch> = reader.batches(query).try_collect().await.unwrap();
            assert!(!rows.is_empty());
        }
        let fetched = noting.take().into_iter();
        fetched
            .filter(|path| Hash::in_path(path).is_some())
            .collect()
    }

    /// The copies that are kept.
    fn copies(&self) -> BTreeSet<String> {
        fn list(folder: &Path, all: &mut Vec<std::path::PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    list(&path, all);
                } else {
                    all.push(path);
                }
            }
        }
        let mut all = Vec::new();
        list(&self.folder(), &mut all);
        let all = all.iter().map(|path| path.strip_prefix(self.folder()));
        all.map(|path| path.unwrap().to_str().unwrap().to_owned())
            .collect()
    }
}

/// A post in each forum, exported.
async fn go_on(forums: &mut Forums, archive: &MemoryArchive, hour: i64) {
    for forum in [7, 8] {
        forums.post(forum, hour, "news");
    }
    forums.export(archive, forums.request()).await;
}

#[tokio::test]
async fn what_is_still_named_is_kept_and_the_rest_is_removed() {
    let (mut forums, archive) = (forums(), MemoryArchive::new());
    forums.export(&archive, forums.request()).await;
    let (few, all) = (Reader::new(), Reader::new());
    let own = Query::table(Forum::TABLE);
    let november = Query {
        parts: Some([Id::new(70)].into()),
        times: "2023-11".parse::<Period>().unwrap().times(),
        ..Query::table(Post::TABLE)
    };
    let few_queries = [own.clone(), november];
    let first = few.read(&archive, &few_queries).await;
    assert!(!first.is_empty() && !first.iter().any(|path| path.starts_with("days/")));
    let all_queries = [own, Query::table(Post::TABLE)];
    all.read(&archive, &all_queries).await;

    // Another hour, another day, and two days later: the lists of days from before are gone.
    for hour in [901, 930, 980] {
        let kept = all.copies();
        go_on(&mut forums, &archive, hour).await;
        assert_eq!(few.read(&archive, &few_queries).await, BTreeSet::new());
        let fetched = all.read(&archive, &all_queries).await;
        assert!(!fetched.is_empty());
        let again: Vec<&String> = fetched.intersection(&kept).collect();
        assert_eq!(again, [""; 0], "they were kept");
        let files = archive.files().await;
        for path in few.copies().union(&all.copies()) {
            assert!(files.contains_key(path), "{path} is withdrawn");
        }
        assert!(all.copies().intersection(&kept).count() > 5);
    }
}

#[tokio::test]
async fn a_damaged_copy_costs_only_the_copies_of_its_space() {
    let (mut forums, archive) = (forums(), MemoryArchive::new());
    go_on(&mut forums, &archive, 930).await;
    let reader = Reader::new();
    let queries = [Query::table(Post::TABLE)];
    reader.read(&archive, &queries).await;
    let manifest = archive.files().await["spaces/8.json"].clone();
    let manifest: Manifest = crate::manifest::parse_checked(&manifest).unwrap();
    let [days, _] = manifest.lists();
    let days = reader.folder().join(days.unwrap());
    fs::write(&days, "damaged").unwrap();
    let kept = reader.copies();
    // The list isn't in the archive any more when it is looked for.
    go_on(&mut forums, &archive, 980).await;
    let fetched = reader.read(&archive, &queries).await;
    let files = archive.files().await;
    let copies = reader.copies();
    let withdrawn: Vec<&String> = copies
        .iter()
        .filter(|path| !files.contains_key(*path))
        .collect();
    assert_eq!(withdrawn, [""; 0]);
    // Of the other space, only what is new was fetched.
    let again = fetched
        .intersection(&kept)
        .filter(|path| files.get(*path).is_some_and(|file| is_of_7(file)));
    assert_eq!(again.collect::<Vec<_>>(), [""; 0]);
    assert!(fetched.intersection(&kept).count() > 0);
}

/// Whether a file that isn't empty belongs to the first forum.
fn is_of_7(packed: &[u8]) -> bool {
    let inflated = super::damage::inflate(packed);
    let (json, packed) = (br#""space":"7""#.as_slice(), b"\xa5space\xa17".as_slice());
    [json, packed]
        .iter()
        .any(|wanted| inflated.windows(wanted.len()).any(|found| found == *wanted))
}

/// An archive of many forums.
async fn many(forums: &mut Forums) -> MemoryArchive {
    for forum in 101..=120 {
        forums.add(forum, 895..=900);
    }
    let archive = MemoryArchive::new();
    forums.export(&archive, forums.request()).await;
    archive
}

#[tokio::test]
async fn copies_are_listed_once_however_many_spaces_change() {
    let mut forums = Forums::default();
    let archive = many(&mut forums).await;
    let reader = Reader::new();
    reader.read(&archive, &[Query::table(Post::TABLE)]).await;
    let all: Vec<u64> = forums.0.keys().copied().collect();
    for forum in all {
        forums.post(forum, 930, "news");
    }
    forums.export(&archive, forums.request()).await;

    let (folder, whole) = (reader.folder(), reader.0.path().join("whole"));
    let cached = CachedArchive::of_few(&archive as &dyn DataArchive, &folder, &whole);
    cached.read(ROOT, MANIFEST_LIMIT).await.unwrap();
    // Whoever lists the copies removes it.
    let litter = folder.join("litter");
    let mut listings = 0;
    for forum in forums.0.keys() {
        fs::write(&litter, "").unwrap();
        let manifest = manifest_path(&Id::new(forum));
        cached.read(&manifest, MANIFEST_LIMIT).await.unwrap();
        listings += usize::from(!litter.exists());
    }
    assert_eq!(listings, 1);
    fs::remove_file(litter).unwrap();
    let (copies, files) = (reader.copies(), archive.files().await);
    let gone = copies.iter().find(|path| !files.contains_key(*path));
    assert_eq!(gone, None, "it is withdrawn");
    assert!(copies.len() > 40, "{copies:?}");
}

#[tokio::test]
async fn a_damaged_space_is_looked_at_once() {
    let mut forums = Forums::default();
    let archive = many(&mut forums).await;
    let mut files = archive.files().await;
    let lists: Vec<String> = files
        .keys()
        .filter(|path| path.starts_with("parts/"))
        .cloned()
        .collect();
    files.remove(&lists[0]);
    let noting = Noting::of(&files);
    let folder = tempfile::tempdir().unwrap();
    let cached = CachedArchive::new(&noting as &dyn DataArchive, folder.path());
    cached.read(ROOT, MANIFEST_LIMIT).await.unwrap();
    for forum in forums.0.keys() {
        let manifest = manifest_path(&Id::new(forum));
        cached.read(&manifest, MANIFEST_LIMIT).await.unwrap();
    }
    let read = noting.take();
    let manifests = read.iter().filter(|path| path.starts_with("spaces/"));
    // All of them once to find out what is needed, and each for its own sake.
    assert_eq!(manifests.count(), 2 * forums.0.len());
}
