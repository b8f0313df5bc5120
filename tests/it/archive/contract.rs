//! What [`propsbot_archive::DataArchive`] promises, of the archives on this machine.

use propsbot_archive::{DataArchive as _, MemoryArchive, contract};
use propsbot_backends::FolderArchive;

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    contract::check(&mut || {
        made += 1;
        let path = folder.path().join(made.to_string()).join("archive");
        Box::new(FolderArchive::new(path))
    })
    .await;
    let listed = FolderArchive::new(folder.path().join("listed"));
    assert_eq!(listed.list_spaces().await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract::check(&mut || Box::new(MemoryArchive::new())).await;
}
