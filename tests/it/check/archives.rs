//! What `propsbot check` finds out about each kind of archive, and that its probe leaves nothing there.

use serde_json::Value;
use simulator::{
    discord::kind,
    github::{Access, Github, Options, Visibility, world::Seed},
};

use super::{faults, findings, sound};
use crate::{
    archive::{
        git::host::{Host, git},
        object_store::ObjectStore,
    },
    mirror::Mirror,
    repositories::Source,
};

fn set(mirror: &mut Mirror, name: &str, value: &str) {
    mirror.variables.retain(|(known, _)| known != name);
    mirror.variables.push((name.to_owned(), value.to_owned()));
}

/// Asserts that the archive is found to be sound.
async fn is_sound(mirror: &Mirror) {
    let ended = mirror.run(&["check", "--json"]).await.ok();
    assert_eq!(faults(&ended), Vec::<Value>::new());
    assert!(ended.stdout.contains("it can be written to"), "{ended:#?}");
}

/// Asserts that the check of the archive says this.
async fn says(mirror: &Mirror, check: &str, outcome: &str, words: &str) {
    let ended = mirror.run(&["check", "--json"]).await;
    assert_eq!(
        ended.code,
        Some(i32::from(outcome == "wrong")),
        "{ended:#?}"
    );
    let says = |found: &Value| {
        found["check"] == check && found["outcome"] == outcome && found.to_string().contains(words)
    };
    assert!(
        findings(&ended).iter().any(says),
        "no {words:?} in {ended:#?}"
    );
}

/// Fills the archive.
async fn export(mirror: &Mirror) {
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "props", vec![]);
    mirror.discord.post(ana, channel, "hello");
    mirror.sync().await.ok();
    mirror.run(&["export"]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_archives_on_github() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = sound().await;
    set(&mut mirror, "ARCHIVE", "github:octo-org/archive");
    set(&mut mirror, "GITHUB_TOKEN", &github.token());
    set(&mut mirror, "GITHUB_API_URL", &github.url());
    is_sound(&mirror).await;
    assert_eq!(github.branches().unwrap(), Vec::<String>::new());
    export(&mirror).await;
    let before = (github.head().unwrap(), github.branches().unwrap());
    is_sound(&mirror).await;
    assert_eq!((github.head().unwrap(), github.branches().unwrap()), before);

    github.set_access(Access::Read);
    says(&mirror, "archive", "wrong", "Contents: read and write").await;
    github.set_access(Access::None);
    says(&mirror, "archive", "wrong", "no such repository").await;
    github.set_access(Access::Write);
    github.set_archived(true);
    says(&mirror, "archive", "wrong", "unarchive it").await;
    github.set_archived(false);
    github.set_visibility(Visibility::Public);
    says(&mirror, "archive", "wrong", "GITHUB_ALLOW_PUBLIC=yes").await;
    set(&mut mirror, "GITHUB_ALLOW_PUBLIC", "yes");
    says(&mirror, "public-archive", "warning", "can read it").await;
    github.set_visibility(Visibility::Private);
    says(&mirror, "public-archive", "ok", "only invited people").await;
    let in_days = |days: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days + 1);
        then.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    };
    github.set_expiration(Some(&in_days(90)));
    says(&mirror, "archive-token", "ok", "in 90 days").await;
    github.set_expiration(Some(&in_days(3)));
    says(&mirror, "archive-token", "warning", "in 3 days").await;
    github.set_token("another");
    says(&mirror, "archive", "wrong", "GitHub refused GITHUB_TOKEN").await;
    assert_eq!((github.head().unwrap(), github.branches().unwrap()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_archives_in_git() {
    let host = Host::start(Some("hidden-token")).await;
    let mut mirror = sound().await;
    set(&mut mirror, "PATH", &std::env::var("PATH").unwrap());
    set(&mut mirror, "CACHE_PATH", "cache");
    let everything = || {
        git(
            &host.path(),
            &["cat-file", "--batch-all-objects", "--batch-check"],
        ) + &git(&host.path(), &["for-each-ref"])
    };
    for place in [host.url().to_owned(), host.path().display().to_string()] {
        set(&mut mirror, "ARCHIVE", &format!("git:{place}"));
        set(&mut mirror, "GIT_TOKEN", "hidden-token");
        let before = everything();
        is_sound(&mirror).await;
        assert_eq!(everything(), before);
        export(&mirror).await;
        let before = everything();
        is_sound(&mirror).await;
        assert_eq!(everything(), before);
    }
    set(&mut mirror, "ARCHIVE", &format!("git:{}", host.url()));
    set(&mut mirror, "GIT_TOKEN", "another");
    says(&mirror, "archive", "wrong", "the host refused the login").await;
    let nowhere = format!("git:{}", mirror.home.path().join("nowhere").display());
    set(&mut mirror, "ARCHIVE", &nowhere);
    says(&mirror, "archive", "wrong", "there is no such repository").await;
    set(&mut mirror, "PATH", "/nowhere");
    says(&mirror, "archive", "wrong", "could not start git").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_archives_in_object_stores() {
    let objects = ObjectStore::start().await;
    let mut mirror = sound().await;
    for (name, value) in objects.variables() {
        set(&mut mirror, name, value);
    }
    set(&mut mirror, "ARCHIVE", "s3://props/a");
    is_sound(&mirror).await;
    assert!(objects.objects("").is_empty());
    export(&mirror).await;
    let before = objects.objects("");
    is_sound(&mirror).await;
    assert_eq!(objects.objects(""), before);

    objects.ignore_conditions(true);
    says(&mirror, "archive", "wrong", "keeps no conditions").await;
    objects.ignore_conditions(false);
    objects.need_checksums(true);
    says(&mirror, "archive", "wrong", "AWS_CHECKSUM_ALGORITHM").await;
    objects.need_checksums(false);
    set(&mut mirror, "AWS_SECRET_ACCESS_KEY", "another");
    says(&mirror, "archive", "wrong", "AWS_SECRET_ACCESS_KEY").await;
    assert_eq!(objects.objects(""), before);
}

/// The archive of another process, in which `/link` looks for comments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_the_archive_of_the_mirror_of_github() {
    const CHECK: &str = "github-archive";
    let mut mirror = sound().await;
    let source = Source::seeded(&Seed::default()).await;
    let archive = format!("dir:{}", source.home.path().join("archive").display());
    set(&mut mirror, "GITHUB_ARCHIVE", &archive);
    says(&mirror, CHECK, "warning", "nothing was exported there yet").await;
    source.run(&["sync"]).await.ok();
    source.export().await;
    says(&mirror, CHECK, "ok", "2 public repositories").await;
    says(&mirror, CHECK, "ok", "octo-org/alpha").await;
    let own = mirror.run(&["check", "--json"]).await.ok();
    assert!(
        !findings(&own)
            .iter()
            .any(|found| found["check"] == "repositories")
    );

    // The bot's own, which has no repositories.
    export(&mirror).await;
    let own = format!("dir:{}", mirror.archive_path().display());
    set(&mut mirror, "GITHUB_ARCHIVE", &own);
    says(&mirror, CHECK, "wrong", "no repositories of GitHub").await;
    set(
        &mut mirror,
        "GITHUB_ARCHIVE",
        "git:https://127.0.0.1:9/nothing.git",
    );
    set(&mut mirror, "CACHE_PATH", "cache");
    says(&mirror, CHECK, "wrong", "it can't be read").await;
}
