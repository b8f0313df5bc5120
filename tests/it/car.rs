//! CAR files through the program. What is in them, readers of other makes check in `tests/contract`.

use std::{fs, path::Path, sync::Arc};

use propsbot_archive::{DataArchive, export};
use propsbot_backends::FolderArchive;
use tempfile::TempDir;

use crate::{
    archive::{
        community::{request, rows},
        object_store::ObjectStore,
    },
    cli::run,
    mirror::Ended,
};

async fn export_to(archive: &dyn DataArchive) {
    let rows = rows();
    let request = request(&rows);
    export(archive, Arc::new(rows), request).await.unwrap();
}

/// A folder with an archive in `archive`.
async fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    export_to(&FolderArchive::new(home.path().join("archive"))).await;
    home
}

async fn car(home: &Path, variables: &[(&str, &str)], from: &str, out: &str) -> Ended {
    run(home, variables, &["car", "--from", from, "--out", out]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_generation_gives_the_same_file_wherever_it_is() {
    let home = home().await;
    let read = |name: &str| fs::read(home.path().join(name)).unwrap();
    let first = car(home.path(), &[], "dir:archive", "1.car").await.ok();
    assert!(
        first.stdout.contains("The Community: generation 1"),
        "{first:?}"
    );
    let again = car(home.path(), &[], "dir:archive", "2.car").await.ok();
    assert_eq!(again.stdout, first.stdout.replace("1.car", "2.car"));
    assert!(read("1.car") == read("2.car"));

    let objects = ObjectStore::start().await;
    export_to(&objects.archive("a")).await;
    let variables = objects.variables();
    car(home.path(), &variables, "s3://props/a", "3.car")
        .await
        .ok();
    assert!(read("1.car") == read("3.car"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_archive_gives_no_file() {
    let home = home().await;
    let rows = fs::read_dir(home.path().join("archive/rows")).unwrap();
    let folder = rows.map(|entry| entry.unwrap().path()).max().unwrap();
    let file = folder.read_dir().unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, bytes).unwrap();
    let ended = car(home.path(), &[], "dir:archive", "out.car").await;
    let name = file.file_name().unwrap().to_str().unwrap();
    ended.failed(
        1,
        &[
            "could not write out.car from dir:archive",
            name,
            "is damaged",
        ],
    );
    // There may also be what the run printed.
    let names = fs::read_dir(home.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| name == "archive" || name.starts_with("output-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_file_is_replaced_only_on_request() {
    let home = home().await;
    let out = home.path().join("out.car");
    fs::write(&out, "mine").unwrap();
    let refused = car(home.path(), &[], "dir:archive", "out.car").await;
    refused.failed(2, &["out.car exists already", "--replace"]);
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    let arguments = [
        "car",
        "--from",
        "dir:archive",
        "--out",
        "out.car",
        "--replace",
    ];
    run(home.path(), &[], &arguments).await.ok();
    assert!(fs::read(&out).unwrap().len() > 1000);

    let nowhere = car(home.path(), &[], "dir:archive", "missing/out.car").await;
    nowhere.failed(1, &["could not write missing/out.car", "No such file"]);
}
