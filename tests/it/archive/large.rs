//! An archive that is longer than any of its files may be: only a file has a limit, an archive has none.

use std::sync::LazyLock;

use propsbot_archive::{DataArchive, FILE_LIMIT, Object, ROOT, base, contract};
use propsbot_backends::FolderArchive;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

use super::git::host::Host;

const FILE: usize = 4 << 20;

/// Files that can't be compressed.
static FILES: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let mut random = StdRng::seed_from_u64(7);
    let mut bytes = vec![0; FILE];
    let count = FILE_LIMIT / FILE as u64 + 1;
    let files = (0..count).map(|_| {
        random.fill_bytes(&mut bytes);
        contract::blob(&bytes)
    });
    files.collect()
});

/// Writes them all at once, and reads them.
async fn holds_large_archives(archive: &dyn DataArchive) {
    let manifest = contract::manifest(1);
    let publish = contract::publish(manifest.clone());
    let written = contract::write(archive, base(None), FILES.clone(), publish);
    written.await.unwrap();
    let root = archive.read(ROOT, FILE_LIMIT).await.unwrap();
    assert_eq!(root, Some(manifest));
    for file in &*FILES {
        let found = archive.read(&file.path, FILE_LIMIT).await.unwrap();
        assert!(
            found.is_some_and(|found| found == file.bytes),
            "{}",
            file.path
        );
    }
}

#[tokio::test]
#[ignore = "writes 150 MB: .ci/slow large"]
async fn a_folder_holds_large_archives() {
    let folder = tempfile::tempdir().unwrap();
    holds_large_archives(&FolderArchive::new(folder.path().join("archive"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes 600 MB: .ci/slow large"]
async fn git_holds_large_archives() {
    let host = Host::start(None).await;
    holds_large_archives(&host.local(":by-path")).await;
    holds_large_archives(&host.archive("@http:in/here")).await;
}
