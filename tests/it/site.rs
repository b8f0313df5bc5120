//! Sites through the program: they have the archive's thanks, follow it, and keep nothing that left it.

use std::{fs, path::Path};

use simulator::discord::kind;

use crate::{
    archive::git::host::{Host, git},
    mirror::{Mirror, holds},
};

const SITE: [&str; 5] = ["site", "--from", "dir:archive", "--out", "site"];

fn page(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

/// Ana thanks Zoe, and Zoe thanks Ana, in a props channel.
async fn thankful() -> (Mirror, u64, u64) {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let (ana, zoe) = (discord.join("ana"), discord.join("zoe"));
    let props = discord.create_channel(kind::TEXT, "props", vec![]);
    discord.post(ana, props, &format!("<@{zoe}> for mending the <fence>"));
    discord.post(zoe, props, &format!("<@{ana}> for the soup"));
    mirror.sync().await.ok();
    (mirror, ana, zoe)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_has_the_thanks_of_the_archive() {
    let (mirror, ana, zoe) = thankful().await;
    mirror.export().await;
    let written = mirror.run(&SITE).await.ok();
    assert!(written.stdout.contains("is up to date: "), "{written:?}");
    let folder = mirror.home.path().join("site");
    assert!(
        written
            .stdout
            .contains(folder.join("index.html").to_str().unwrap())
    );
    for path in ["index.html".to_owned(), format!("member/{zoe}.html")] {
        let html = page(&folder, &path);
        assert!(html.contains("for mending the &#60;fence&#62;"), "{html}");
    }
    assert!(page(&folder, &format!("member/{ana}.html")).contains("for the soup"));
    let again = mirror.run(&SITE).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");

    let within = ["site", "--from", "dir:archive", "--out", "archive/site"];
    mirror.run(&within).await.failed(2, &["share files"]);
    let cred = [&SITE[..], &["--cred", "nowhere"]].concat();
    mirror
        .run(&cred)
        .await
        .failed(2, &["could not read cred from nowhere"]);
}

/// The site of the running exports: what somebody deleted is gone after the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_leaves_the_site_with_the_next_export() {
    let (mut mirror, _, zoe) = thankful().await;
    mirror
        .variables
        .push(("SITE".to_owned(), "dir:./site".to_owned()));
    mirror.export().await;
    let folder = mirror.home.path().join("site");
    let id = zoe.to_string();
    for words in ["zoe", "the soup", &id] {
        assert!(holds(&folder, words.as_bytes()), "{words}");
    }
    mirror.run(&["forget", "--user", &id]).await.ok();
    mirror.export().await;
    for words in ["zoe", "the soup", &id] {
        assert!(!holds(&folder, words.as_bytes()), "{words}");
    }
    assert!(!folder.join(format!("member/{zoe}.html")).exists());
    assert!(page(&folder, "index.html").contains("mending"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_one_commit_on_a_branch_of_its_own() {
    let host = Host::start(None).await;
    let (mut mirror, _, zoe) = thankful().await;
    let at = |branch: &str| format!("git:{}@{branch}", host.url());
    mirror.variables.retain(|(name, _)| name != "ARCHIVE");
    mirror.variables.extend(
        [
            ("ARCHIVE", at("archive")),
            ("SITE", at("pages")),
            ("CACHE_PATH", "cache".to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    mirror.run(&["export"]).await.ok();
    let page = format!("member/{zoe}.html");
    let files = host.files("pages", "");
    assert!(
        files.contains("index.html") && files.contains(&page),
        "{files:?}"
    );
    mirror
        .run(&["forget", "--user", &zoe.to_string()])
        .await
        .ok();
    mirror.run(&["export"]).await.ok();
    let files = host.files("pages", "");
    assert!(
        files.contains("index.html") && !files.contains(&page),
        "{files:?}"
    );
    assert_eq!(host.commits("pages"), 1);
    let head = git(&host.path(), &["rev-parse", "pages"]);
    mirror
        .run(&["site", "--from", &at("archive"), "--out", &at("pages")])
        .await
        .ok();
    assert_eq!(git(&host.path(), &["rev-parse", "pages"]), head);

    // It replaces no branch that isn't a site.
    host.commit_as_somebody(
        "main",
        &[("thesis.txt".to_owned(), b"mine".to_vec())].into(),
    );
    for (branch, says) in [
        ("archive", "share files"),
        ("main", "it is no site of propsbot's"),
    ] {
        let refused = ["site", "--from", &at("archive"), "--out", &at(branch)];
        mirror.run(&refused).await.failed(2, &[says]);
    }
    assert!(host.files("main", "").contains("thesis.txt"));
}
