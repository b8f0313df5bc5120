//! `.env`: encodings, typos in names, line numbers, and relative paths.

use std::fs;

use crate::{
    cli::run,
    mirror::{Ended, Mirror, propsbot, start},
};

/// Runs a command in a home with this `.env`.
async fn with(file: impl AsRef<[u8]>, arguments: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".env"), file).unwrap();
    run(home.path(), &[], arguments).await
}

#[tokio::test]
async fn reads_or_rejects_env_files_of_any_encoding() {
    let text = "# é\r\nEXPORT_INTERVAL=soon\r\n";
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
    for file in [format!("\u{feff}{text}").into_bytes(), utf16] {
        let ended = with(file, &["status"]).await;
        ended.failed(2, &["EXPORT_INTERVAL", "\"soon\" is not a duration"]);
    }
    let ended = with(b"EXPORT_INTERVAL=\xe9\n", &["status"]).await;
    ended.failed(
        2,
        &["/.env: it is neither UTF-8 nor UTF-16", "save it as UTF-8"],
    );
    let ended = with("A=1\n\nDISCORD TOKEN=x\n", &["status"]).await;
    ended.failed(2, &["/.env, line 3 cannot be read, at character 9"]);
}

#[tokio::test]
async fn suggests_the_variable_a_typo_means() {
    let file = "# ours\nDISCORD_TOKN=abc\nSTOREPATH=x\nPOSTGRES_PASSWORD=x\n";
    let ended = with(file, &["sync"]).await;
    let says = "Line 2 of .env has DISCORD_TOKN: did you mean DISCORD_TOKEN?";
    ended.failed(2, &["DISCORD_TOKEN: is not set", says]);

    let ended = with(file, &["status"]).await;
    let says = "line 3 of .env: STOREPATH is not a variable of propsbot; did you mean STORE_PATH?";
    ended.failed(2, &["WARN", says, "there is no store at ./data"]);
    assert!(!ended.stderr.contains("POSTGRES"), "{ended:?}");

    let file =
        format!("{file}DISCORD_TOKEN=c2VjcmV0.c2Vj.cmV0\nDISCORD_API_URL=http://127.0.0.1:1\n");
    let ended = with(file, &["sync"]).await;
    let says = ".env has variables that propsbot does not read: DISCORD_TOKN, POSTGRES_PASSWORD";
    ended.failed(1, &["INFO", says]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_are_relative_to_the_env_file() {
    let mirror = Mirror::empty().await;
    let home = mirror.home.path();
    let (token, url) = (mirror.discord.token(), mirror.discord.url());
    let file = format!("DISCORD_TOKEN={token}\nDISCORD_API_URL={url}\nSTORE_PATH=./store\n");
    fs::write(home.join(".env"), file).unwrap();
    let below = home.join("some/where");
    fs::create_dir_all(&below).unwrap();
    for arguments in [&["sync"][..], &["export"], &["status"]] {
        start(propsbot(&below, &[], arguments)).wait().await.ok();
        start(propsbot(home, &[], arguments)).wait().await.ok();
    }
    assert!(home.join("store").is_dir() && home.join("archive/manifest.json").is_file());
    let left = fs::read_dir(&below)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| !name.to_string_lossy().starts_with("output-"))
        .collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
    // The process's own paths are relative to its working directory.
    let ended = run(&below, &[("STORE_PATH", "./store")], &["status"]).await;
    ended.failed(2, &["there is no store at ./store"]);
}

/// Earlier versions resolved the path against the working directory.
#[tokio::test]
async fn refuses_to_leave_an_earlier_store_behind() {
    let home = tempfile::tempdir().unwrap();
    let below = home.path().join("below");
    fs::create_dir_all(below.join("data")).unwrap();
    fs::write(home.path().join(".env"), "EXPORT_INTERVAL=1h\n").unwrap();
    let ended = run(&below, &[], &["status"]).await;
    ended.failed(
        2,
        &[
            "STORE_PATH: ./data is relative to the .env in",
            "/below/data: move it",
        ],
    );
    assert!(!home.path().join("data").exists());
}
