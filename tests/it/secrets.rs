//! Secrets from files and from systemd's credentials.

use std::fs;

use crate::{
    cli::run,
    mirror::{Ended, Mirror, propsbot, start},
};

/// Runs `sync` with these variables in a home with these files.
async fn sync(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    run(home.path(), variables, &["sync"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_may_be_in_a_file_or_a_credential() {
    let mirror = Mirror::empty().await;
    let home = mirror.home.path();
    let (token, url) = (mirror.discord.token(), mirror.discord.url());
    fs::create_dir_all(home.join("secrets/below")).unwrap();
    fs::write(home.join("secrets/discord-token"), format!("{token}\r\n")).unwrap();
    let of_file = [
        ("DISCORD_TOKEN_FILE", "secrets/discord-token"),
        ("DISCORD_API_URL", &url),
    ];
    let of_systemd = [
        ("CREDENTIALS_DIRECTORY", "secrets"),
        ("DISCORD_API_URL", &url),
    ];
    for variables in [of_file, of_systemd] {
        let synced = start(propsbot(home, &variables, &["sync"])).wait().await;
        assert!(synced.ok().stdout.contains("complete"));
    }
    // In .env, it is relative to that file.
    let file = format!("DISCORD_TOKEN_FILE=secrets/discord-token\nDISCORD_API_URL={url}\n");
    fs::write(home.join(".env"), file).unwrap();
    let below = home.join("secrets/below");
    start(propsbot(&below, &[], &["sync"])).wait().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_given_twice_is_refused() {
    let token = ("DISCORD_TOKEN", "c2VjcmV0.c2Vj.cmV0");
    let file = ("DISCORD_TOKEN_FILE", "token");
    let credentials = ("CREDENTIALS_DIRECTORY", ".");
    let files = [("token", "one"), ("discord-token", "two")];
    let both = sync(&files, &[token, file]).await;
    both.failed(
        2,
        &["DISCORD_TOKEN: is set several times, by DISCORD_TOKEN and DISCORD_TOKEN_FILE"],
    );
    assert!(!both.stderr.contains("is not set"), "{both:?}");
    let both = sync(&files, &[file, credentials]).await;
    both.failed(
        2,
        &["by DISCORD_TOKEN_FILE and the credential discord-token"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_secrets_are_named_and_never_shown() {
    let huge = "SECRET".repeat(10_000);
    let files = [
        ("huge", &*huge),
        ("empty", "\n"),
        ("two", "SECRET and\nSECRET"),
    ];
    let with = |path| [("DISCORD_TOKEN_FILE", path), ("GITHUB_TOKEN_FILE", path)];
    for (path, says) in [
        ("huge", "huge: the file is too large for a secret"),
        ("empty", "empty: the file is empty"),
        ("missing", "missing: No such file"),
        (".", ".: Is a directory"),
    ] {
        let ended = sync(&files, &with(path)).await;
        let all =
            ["DISCORD", "GITHUB"].map(|name| format!("{name}_TOKEN: {name}_TOKEN_FILE is {says}"));
        ended.failed(2, &[&all[0], &all[1]]);
        assert!(!ended.stderr.contains("SECRET"), "{ended:?}");
    }
    let ended = sync(&files, &with("two")).await;
    ended.failed(2, &["DISCORD_TOKEN:", "GITHUB_TOKEN: is not a token"]);
    assert!(!ended.stderr.contains("SECRET"), "{ended:?}");
    // A command without Discord doesn't need its token.
    let home = tempfile::tempdir().unwrap();
    let ended = run(home.path(), &with("missing")[..1], &["status"]).await;
    ended.failed(2, &["there is no store"]);
}
