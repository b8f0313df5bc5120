//! The whole program with an archive in a git repository: export, clone, verify, graph, restore; and
//! what the machine it runs on must not change.

mod ssh;

use std::{
    collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration,
};

use propsbot_backends::FolderArchive;
use propsbot_rows::Snapshot;

use crate::{
    archive::git::host::{Fault, Host, git},
    mirror::Mirror,
};

/// How long the program may take to stop.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// A synced mirror with a cache.
async fn mirror() -> Mirror {
    let mut mirror = Mirror::seeded(3).await;
    set(&mut mirror, "CACHE_PATH", "cache");
    set(&mut mirror, "PATH", &std::env::var("PATH").unwrap());
    mirror.sync().await.ok();
    mirror
}

fn set(mirror: &mut Mirror, name: &str, value: &str) {
    mirror.variables.retain(|(known, _)| known != name);
    mirror.variables.push((name.to_owned(), value.to_owned()));
}

/// The temporary repositories that are left.
fn left(mirror: &Mirror) -> usize {
    let Ok(cache) = fs::read_dir(mirror.home.path().join("cache")) else {
        return 0;
    };
    let folders = cache
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let is_ours = |path: &std::path::PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("git-")
    };
    folders.filter(is_ours).count()
}

/// Puts a program of this name before others.
fn put_first(mirror: &mut Mirror, script: &str) {
    let folder = mirror.home.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("git");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    set(mirror, "PATH", &format!("{}:{path}", folder.display()));
}

/// Where the program is that the test machine has.
fn real_git() -> String {
    let path = std::env::var("PATH").unwrap();
    let found = path.split(':').map(|folder| format!("{folder}/git"));
    let mut found = found.filter(|program| Path::new(program).exists());
    found.next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supports_archives_in_git() {
    let host = Host::start(Some("hidden-token")).await;
    let mut mirror = mirror().await;
    let archive = format!("git:{}@main:props", host.url());
    let to = ["export", "--to", &archive];
    let from = |command| [command, "--from", &archive];
    set(&mut mirror, "GIT_TOKEN", "hidden-token");
    set(&mut mirror, "RUST_LOG", "trace");
    let log = mirror.home.path().join("arguments");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nexec {} \"$@\"\n",
        log.display(),
        real_git()
    );
    put_first(&mut mirror, &script);
    let exported = mirror.run(&to).await.ok();
    let head = git(&host.path(), &["rev-parse", "main"]);
    assert!(exported.stdout.contains(head.trim()), "{exported:?}");
    let arguments = fs::read_to_string(log).unwrap();
    assert!(arguments.contains("push"), "{arguments}");
    for told in [&exported.stderr, &exported.stdout, &arguments] {
        assert!(!told.contains("hidden-token"), "{told}");
    }
    set(&mut mirror, "RUST_LOG", "info");
    let told = &mirror.status().await["export"]["outcome"]["Ok"];
    assert_eq!(
        (&told["commit"], &told["generation"]),
        (&head.trim().into(), &1.into())
    );

    let again = mirror.run(&to).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    let verified = mirror.run(&from("verify")).await.ok();
    assert!(verified.stdout.contains("No fault"), "{verified:?}");
    mirror
        .run(&["export", "--repair", "--to", &archive])
        .await
        .ok();
    mirror
        .run(&["export", "--dry-run", "--to", &archive])
        .await
        .ok();
    assert_eq!(host.commits("main"), 1);

    // As anyone has it who clones it, it is the same archive.
    let clone = mirror.home.path().join("clone");
    let path = host.path();
    git(
        mirror.home.path(),
        &[
            "clone",
            "--quiet",
            "--branch=main",
            path.to_str().unwrap(),
            "clone",
        ],
    );
    mirror
        .run(&["verify", "--from", "dir:clone/props"])
        .await
        .ok();
    for (source, out) in [(&*archive, "there"), ("dir:clone/props", "here")] {
        mirror
            .run(&["graph", "--from", source, "--out", out])
            .await
            .ok();
    }
    let graph = |out: &str| {
        let files = fs::read_dir(mirror.home.path().join(out)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .map(|path| {
                (
                    path.file_name().unwrap().to_owned(),
                    fs::read(path).unwrap(),
                )
            })
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(graph("there"), graph("here"));

    let lost = mirror.home.path().join("lost");
    fs::rename(mirror.store_path(), lost).unwrap();
    mirror.run(&from("restore")).await.ok();
    let again = mirror.run(&to).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    Snapshot::read(&FolderArchive::new(clone.join("props")))
        .await
        .unwrap();
    assert_eq!(left(&mirror), 0);
}

/// Hooks, filters, signatures and other habits of the operator's git.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_git_configuration_changes_nothing() {
    let mirror = mirror().await;
    let export = async |mirror: &Mirror, name: &str| {
        let home = mirror.home.path();
        git(
            home,
            &["init", "--quiet", "--bare", "--initial-branch=main", name],
        );
        // Relative to the working directory.
        let archive = format!("git:./{name}");
        mirror.run(&["export", "--to", &archive]).await.ok();
        mirror.run(&["verify", "--from", &archive]).await.ok();
        let git = |arguments: &[&str]| git(&home.join(name), arguments);
        let listed = git(&["ls-tree", "-r", "--full-tree", "main"]);
        // Manifests and the README say when they were made.
        let is_dated = |line: &&str| {
            line.ends_with("manifest.json")
                || line.contains("\tspaces/")
                || line.ends_with("\tREADME.md")
        };
        let (_, files): (Vec<&str>, Vec<&str>) = listed.lines().partition(is_dated);
        assert!(files.len() > 10, "{files:?}");
        let readme = git(&["cat-file", "blob", "main:README.md"]);
        let undated = readme.replace(|letter: char| letter.is_ascii_digit(), "0");
        let commit = "--format=%P %an <%ae> %cn <%ce> %GK %e";
        (
            files.join("\n"),
            undated,
            git(&["show", "--no-patch", commit, "main"]),
            git(&["for-each-ref", "--format=%(refname)"]),
        )
    };
    let plain = export(&mirror, "plain.git").await;
    let mut mirror = mirror;
    let home = mirror.home.path().to_owned();
    let hooks = home.join("hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in [
        "pre-push",
        "reference-transaction",
        "post-rewrite",
        "pre-auto-gc",
    ] {
        fs::write(hooks.join(hook), "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(
        home.join("attributes"),
        "* text eol=crlf filter=odd ident\n",
    )
    .unwrap();
    let config = format!(
        "[core]\nautocrlf = true\nattributesFile = {home}/attributes\nignoreCase = true\n\
         [init]\ntemplateDir = {home}\ndefaultBranch = other\n\
         [filter \"odd\"]\nclean = tr a b\nrequired = true\n[commit]\ngpgSign = true\n[tag]\ngpgSign = true\n\
         [push]\ngpgSign = if-asked\nfollowTags = true\ndefault = nothing\n[i18n]\ncommitEncoding = latin1\n\
         [user]\nname = Operator\nemail = operator@example.org\n[fetch]\nprune = true\nfsckObjects = true\n\
         [remote \"origin\"]\nurl = /nowhere\n[transfer]\nfsckObjects = true\n",
        home = home.display()
    );
    fs::write(home.join("gitconfig"), config).unwrap();
    let path = home.join("gitconfig");
    set(&mut mirror, "GIT_CONFIG_GLOBAL", path.to_str().unwrap());
    for (name, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere"),
        ("GIT_AUTHOR_NAME", "Operator"),
        ("GIT_COMMITTER_EMAIL", "operator@example.org"),
        ("GIT_NAMESPACE", "other"),
        ("LC_ALL", "de_DE.UTF-8"),
    ] {
        set(&mut mirror, name, value);
    }
    assert_eq!(export(&mirror, "odd.git").await, plain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_old_git_is_named() {
    let mut mirror = mirror().await;
    let to = ["export", "--to", "git:./archive.git"];
    let refused = mirror.run(&to).await;
    refused.failed(
        1,
        &["git:./archive.git", "no such repository", "git init --bare"],
    );
    let refused = mirror.run(&["export", "--to", "git:ext::sh -c date"]).await;
    refused.failed(2, &["`git:` needs a repository"]);
    put_first(&mut mirror, "#!/bin/sh\necho git version 2.30.2\n");
    let refused = mirror.run(&to).await;
    refused.failed(2, &["git 2.30 is too old", "2.31"]);
    set(&mut mirror, "PATH", "/nowhere");
    let refused = mirror.run(&to).await;
    refused.failed(2, &["could not start git", "install it"]);
}

/// The host takes a request and never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_in_time_and_leaves_nothing() {
    let host = Host::start(None).await;
    let mirror = mirror().await;
    let archive = format!("git:{}", host.url());
    let to = ["export", "--to", &archive];
    for is_killed in [false, true] {
        host.fail(2, usize::MAX, Fault::Silent);
        let reached = host.requests() + 3;
        let exporting = mirror.start(&to);
        host.reached(reached).await;
        if is_killed {
            exporting.kill().await;
            assert_eq!(left(&mirror), 1);
        } else {
            exporting.terminate();
            let ended = exporting.wait_for(SHUTDOWN).await;
            ended.failed(1, &["stop"]);
            assert_eq!(left(&mirror), 0);
        }
        host.heal();
    }
    // The next one removes what the killed one left.
    mirror.run(&to).await.ok();
    assert_eq!((left(&mirror), host.commits("trunk")), (0, 1));
    mirror.run(&["verify", "--from", &archive]).await.ok();
}

/// After a deletion, the branch has nothing of the member, not even in its history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_can_squash_a_git_history() {
    let host = Host::start(None).await;
    let mut mirror = mirror().await;
    let archive = format!("git:{}", host.path().display());
    let to = ["export", "--to", &archive];
    mirror.run(&to).await.ok();
    let truth = mirror.discord.truth();
    let author = truth
        .messages
        .iter()
        .find(|message| message.webhook.is_none())
        .unwrap()
        .author;
    set(&mut mirror, "ARCHIVE", &archive);
    let forgotten = mirror
        .run(&["forget", "--user", &author.to_string()])
        .await
        .ok();
    assert!(
        forgotten.stdout.contains("GIT_HISTORY=keep"),
        "{forgotten:?}"
    );
    set(&mut mirror, "GIT_HISTORY", "squash-after-deletion");
    mirror.run(&to).await.ok();
    assert_eq!(host.commits("trunk"), 1);
    mirror.run(&["verify", "--from", &archive]).await.ok();
    mirror.run(&to).await.ok();
    assert_eq!(host.commits("trunk"), 1);
}
