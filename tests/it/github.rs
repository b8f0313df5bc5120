//! The whole program with an archive on GitHub: export, verify, graph, restore, the bot itself.

use std::{collections::BTreeMap, fs, time::Duration};

use propsbot_archive::{DataArchive, ExportProgressBoard, MemoryArchive};
use propsbot_backends::{GithubAccess, GithubArchive, GithubPlace};
use propsbot_jobs::export::exports;
use propsbot_mirror::{ExportOptions, ExportTarget, Ledger as _, export_and_record};
use propsbot_model::{Evidence, Fact, Guild, GuildId, Millis, Observation, Stamp, Unread, UserId};
use propsbot_network::Network;
use propsbot_store::Store;
use simulator::github::{Fault, Github, Kind, Options, Visibility};
use tempfile::TempDir;

use crate::{live, mirror::Mirror};

const ARCHIVE: &str = "github:octo-org/archive";
const SOON: Duration = Duration::from_mins(1);

/// A synced mirror configured for this GitHub.
async fn mirror(github: &Github) -> Mirror {
    let mut mirror = Mirror::seeded(3).await;
    let cache = mirror.home.path().join("cache");
    for (name, value) in [
        ("GITHUB_TOKEN", github.token()),
        ("GITHUB_API_URL", github.url()),
        ("CACHE_PATH", cache.to_str().unwrap().to_owned()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    mirror.sync().await.ok();
    mirror
}

fn writes(github: &Github) -> usize {
    github
        .requests()
        .iter()
        .filter(|request| request.writes)
        .count()
}

fn commits(github: &Github) -> usize {
    github.history("main").unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supports_archives_on_github() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = mirror(&github).await;
    let to = ["export", "--to", ARCHIVE];
    let from = |command| [command, "--from", ARCHIVE];
    mirror.variables.push(("RUST_LOG".into(), "trace".into()));
    let exported = mirror.run(&to).await.ok();
    let head = github.head().unwrap().unwrap();
    assert!(exported.stdout.contains(&head), "{exported:?}");
    assert!(!exported.stderr.contains(&github.token()));
    mirror.variables.pop();
    let told = &mirror.status().await["export"]["outcome"]["Ok"];
    assert_eq!(told["commit"], *head);
    assert_eq!(told["generation"], 1);
    assert_eq!(told["requests"], github.requests().len());

    let made = writes(&github);
    let again = mirror.run(&to).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    assert_eq!(writes(&github), made);

    let verified = mirror.run(&from("verify")).await.ok();
    assert!(verified.stdout.contains("No fault"), "{verified:?}");
    mirror.export().await;
    for (source, out) in [(ARCHIVE, "there"), ("dir:archive", "here")] {
        let draw = ["graph", "--from", source, "--out", out];
        mirror.run(&draw).await.ok();
    }
    let graph = |out: &str| {
        let files = fs::read_dir(mirror.home.path().join(out)).unwrap();
        let all = files.map(|file| {
            let path = file.unwrap().path();
            (
                path.file_name().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        });
        all.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(graph("there"), graph("here"));

    let lost = mirror.home.path().join("lost");
    fs::rename(mirror.store_path(), lost).unwrap();
    mirror.run(&from("restore")).await.ok();
    let again = mirror.run(&to).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    assert_eq!(writes(&github), made);
    // One for verification, one for everything read.
    assert_eq!(github.count(Kind::Codeload), 2);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_reports_github_errors() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = mirror(&github).await;
    let to = ["export", "--to", ARCHIVE];
    github.set_visibility(Visibility::Public);
    let refused = mirror.run(&to).await;
    refused.failed(1, &["is public", "GITHUB_ALLOW_PUBLIC=yes"]);
    assert_eq!(writes(&github), 0);
    let allow = ("GITHUB_ALLOW_PUBLIC".to_owned(), "yes".to_owned());
    mirror.variables.push(allow);
    mirror.run(&to).await.ok();
    let absent = ["export", "--to", "github:octo-org/absent"];
    let refused = mirror.run(&absent).await;
    refused.failed(1, &["no such repository", "github:octo-org/absent"]);
    let saml = r#"{"message":"Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization."}"#;
    github.fail(Kind::Repository, 1, Fault::Answer(403, saml.to_owned()));
    let refused = mirror
        .run(&["export", "--to", "github:octo-org/other"])
        .await;
    refused.failed(1, &["SAML enforcement", "Configure SSO"]);
    mirror.variables.retain(|(name, _)| name != "GITHUB_TOKEN");
    mirror.run(&to).await.failed(2, &["GITHUB_TOKEN"]);
    let odd = ("GITHUB_HISTORY".to_owned(), "rewrite".to_owned());
    mirror.variables.push(odd);
    let refused = mirror.run(&to).await;
    refused.failed(2, &["GITHUB_HISTORY", "squash-after-deletion"]);
}

/// `kill -9` while a commit is sent, or done but unconfirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_export_completes_a_killed_one() {
    let github = Github::start(Options::default()).await.unwrap();
    let mirror = mirror(&github).await;
    let to = ["export", "--to", ARCHIVE];
    github.fail(Kind::CommitOnBranch, 1, Fault::Delay(SOON * 10));
    let exporting = mirror.start(&to);
    let asked = |github: &Github| github.count(Kind::CommitOnBranch) == 1;
    assert!(github.wait(SOON, asked).await);
    exporting.kill().await;
    assert_eq!(commits(&github), 2);
    let again = mirror.run(&to).await.ok();
    assert!(again.stdout.contains("generation 1"), "{again:?}");
    assert_eq!(commits(&github), 2);
    let verified = mirror.run(&["verify", "--from", ARCHIVE]).await.ok();
    assert!(verified.stdout.contains("No fault"), "{verified:?}");
}

/// After a deletion, the branch contains nothing of the member, not even in its history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_can_squash_the_history() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = mirror(&github).await;
    let history = (
        "GITHUB_HISTORY".to_owned(),
        "squash-after-deletion".to_owned(),
    );
    mirror.variables.push(history);
    let to = ["export", "--to", ARCHIVE];
    mirror.run(&to).await.ok();
    assert_eq!(commits(&github), 2);
    let truth = mirror.discord.truth();
    let author = truth
        .messages
        .iter()
        .find(|message| message.webhook.is_none())
        .unwrap()
        .author;
    mirror
        .run(&["forget", "--user", &author.to_string()])
        .await
        .ok();
    // Until the history is gone, the deletion isn't complete.
    github.fail(Kind::Mutation, usize::MAX / 2, Fault::Status(403));
    mirror
        .run(&to)
        .await
        .failed(1, &["could not squash github:octo-org/archive"]);
    github.heal();
    mirror.run(&to).await.ok();
    assert_eq!(commits(&github), 1);
    mirror.run(&["verify", "--from", ARCHIVE]).await.ok();
    mirror.run(&to).await.ok();
    assert_eq!(commits(&github), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_changes_at_shutdown() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = mirror(&github).await;
    mirror.variables.push(("ARCHIVE".into(), ARCHIVE.into()));
    mirror.variables.push(("RUST_LOG".into(), "info".into()));
    // The second time there is nothing to write.
    for _ in 0..2 {
        let bot = live::start(&mirror).await;
        bot.terminate();
        let ended = bot.wait().await.ok();
        assert_eq!(commits(&github), 2, "{ended:?}");
    }
}

/// Another bot publishes while ours plans; ours plans again from the new state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replans_overtaken_exports() {
    let github = Github::start(Options::default()).await.unwrap();
    let place = GithubPlace {
        owner: github.owner(),
        repo: github.repo(),
        branch: None,
        prefix: String::new(),
    };
    let access = GithubAccess {
        token: Some(github.token()),
        api_url: Some(github.url()),
        ..GithubAccess::default()
    };
    let archive = GithubArchive::new(place, &access, &Network::default()).unwrap();
    let home = TempDir::new().unwrap();
    let open = |name: &str| {
        let store = Store::open(&home.path().join(name)).unwrap();
        std::sync::Arc::new(store)
    };
    let rename = |store: &Store, at: i64, name: &str| {
        let guild = Observation {
            at: Stamp(at),
            by: Evidence::Rest,
            fact: Fact::Guild(Guild {
                id: GuildId(1),
                name: name.to_owned(),
                owner_id: UserId(2),
                unread: Unread::default(),
            }),
        };
        store.merge(&[vec![guild]]).unwrap();
    };
    let options = ExportOptions {
        replace: true,
        ..ExportOptions::default()
    };
    let target = |archive: std::sync::Arc<dyn DataArchive>| ExportTarget {
        name: ARCHIVE.to_owned(),
        archive,
        others: &[],
        beside: None,
        follower: None,
        made: ExportProgressBoard::default(),
        spool: home.path().join("spool"),
        drop_copies: None,
    };
    let theirs = std::sync::Arc::new(MemoryArchive::new());
    let other = open("other");
    for (generation, name) in [(1, "guild"), (2, "renamed")] {
        rename(&other, generation, name);
        let target = target(theirs.clone());
        let done = export_and_record(&exports(&other), &target, Millis(1), &options).await;
        assert_eq!(i64::try_from(done.unwrap().generation), Ok(generation));
    }
    let theirs = theirs.files().await.into_iter().collect();
    github.fail(Kind::CommitOnBranch, 1, Fault::Overtaken(theirs));

    let store = open("store");
    rename(&store, 1, "guild");
    assert!(store.is_due().unwrap());
    let target = target(std::sync::Arc::new(archive));
    let done = export_and_record(&exports(&store), &target, Millis(1), &options).await;
    let done = done.unwrap();
    assert_eq!((done.generation, done.changed), (3, true));
    assert_eq!(github.count(Kind::CommitOnBranch), 2);
    assert!(!store.is_due().unwrap());
}

/// The token expired or an organization rejects it; public data is still readable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_public_archives_despite_a_rejected_token() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = mirror(&github).await;
    mirror.run(&["export", "--to", ARCHIVE]).await.ok();
    for (name, value) in &mut mirror.variables {
        if name == "GITHUB_TOKEN" {
            "github_pat_expired".clone_into(value);
        }
    }
    let verify = ["verify", "--from", ARCHIVE];
    let refused = mirror.run(&verify).await;
    refused.failed(1, &["GitHub refused GITHUB_TOKEN", "expired"]);

    github.set_visibility(Visibility::Public);
    let told = "reading without GITHUB_TOKEN, as everyone can: GitHub refused";
    fs::rename(mirror.store_path(), mirror.home.path().join("lost")).unwrap();
    for arguments in [
        &verify[..],
        &["graph", "--from", ARCHIVE, "--out", "graph"],
        &["restore", "--from", ARCHIVE],
    ] {
        let ended = mirror.run(arguments).await.ok();
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
    // But nothing is written.
    let refused = mirror.run(&["export", "--to", ARCHIVE]).await;
    refused.failed(1, &["GitHub refused GITHUB_TOKEN"]);

    for (name, value) in &mut mirror.variables {
        if name == "GITHUB_TOKEN" {
            *value = github.token();
        }
    }
    let saml = r#"{"message":"Resource protected by organization SAML enforcement."}"#;
    github.fail(Kind::Repository, 1, Fault::Answer(403, saml.to_owned()));
    let ended = mirror.run(&verify).await.ok();
    assert!(ended.stderr.contains("Configure SSO"), "{ended:?}");
}

/// The bot doesn't recreate a branch that it had published to, unless told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreates_deleted_branches_only_on_request() {
    const BRANCH: &str = "github:octo-org/archive@exports";
    let options = Options {
        files: vec![("notes.txt".to_owned(), b"ours".to_vec())],
        ..Options::default()
    };
    let github = Github::start(options).await.unwrap();
    let mirror = mirror(&github).await;
    let to = ["export", "--to", BRANCH];
    let replace = ["export", "--replace", "--to", BRANCH];
    let head = |branch: &str| github.head_of(branch).unwrap();
    mirror.run(&to).await.ok();

    github.rename_branch("exports", "kept").unwrap();
    let renamed = ["was renamed to kept", "github:OWNER/REPO@kept", "--replace"];
    for arguments in [&to[..], &["export", "--dry-run", "--to", BRANCH]] {
        mirror.run(arguments).await.failed(1, &renamed);
        assert_eq!(head("exports"), None);
    }
    // The same holds for a store that never published there.
    let other = self::mirror(&github).await;
    other.run(&to).await.failed(1, &renamed);
    mirror.run(&replace).await.ok();
    assert!(head("exports").is_some() && head("kept").is_some());

    let fresh = ["export", "--to", "github:octo-org/archive@fresh"];
    mirror.run(&fresh).await.ok();
    github.push_as_somebody("fresh", None).unwrap();
    mirror
        .run(&fresh)
        .await
        .failed(1, &["the branch fresh", "is gone", "--replace"]);
    assert_eq!(head("fresh"), None);
    let again = [
        "export",
        "--replace",
        "--to",
        "github:octo-org/archive@fresh",
    ];
    mirror.run(&again).await.ok();
    assert!(head("fresh").is_some());
    mirror
        .run(&["verify", "--from", "github:octo-org/archive@fresh"])
        .await
        .ok();
}
