//! Sites through the program: they have the archive's thanks, follow it, and keep nothing that left it.

use std::{fs, path::Path};

use simulator::discord::kind;

use crate::{
    archive::git::host::{Host, git},
    mirror::{Mirror, holds},
};

const TOKEN: &str = "hidden-token";
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

/// A mirror that writes its site to this host.
async fn thankful_at(host: &Host) -> (Mirror, u64, u64) {
    let (mut mirror, ana, zoe) = thankful().await;
    let own = [
        ("SITE", format!("git:{}@pages", host.far_url())),
        ("GIT_TOKEN", TOKEN.to_owned()),
        ("CACHE_PATH", "cache".to_owned()),
        ("PATH", std::env::var("PATH").unwrap()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    mirror.variables.extend(own);
    (mirror, ana, zoe)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_repository_gets_no_pages_unless_that_is_wanted() {
    let host = Host::start(Some(TOKEN)).await;
    host.make_public(true);
    let (mut mirror, _, zoe) = thankful_at(&host).await;
    let refused = ["can be read without a login", "GIT_ALLOW_PUBLIC=yes"];
    // The export itself is done, and says what isn't.
    let exported = mirror.run(&["export"]).await;
    exported.failed(1, &["generation 1", "but could not bring the site in"]);
    exported.failed(1, &refused);
    let out = format!("git:{}@pages", host.far_url());
    let by_hand = ["site", "--from", "dir:archive", "--out", &out];
    mirror.run(&by_hand).await.failed(1, &refused);
    assert_eq!(host.commits("pages"), 0);
    // At GitHub, too, pages go to a branch over git, which is looked at in the same way.
    let github = [&by_hand[..4], &["github:owner/repo@pages"]].concat();
    mirror
        .run(&github)
        .await
        .failed(2, &["goes to a folder", "git:URL@BRANCH"]);

    let allow = ("GIT_ALLOW_PUBLIC".to_owned(), "yes".to_owned());
    mirror.variables.push(allow);
    mirror.run(&by_hand).await.ok();
    assert!(
        host.files("pages", "")
            .contains(&format!("member/{zoe}.html"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_becomes_public_gets_no_more_pages() {
    let host = Host::start(Some(TOKEN)).await;
    let (mirror, ana, zoe) = thankful_at(&host).await;
    mirror.export().await;
    let head = || git(&host.path(), &["rev-parse", "pages"]);
    let before = head();
    let post = |reason: &str| {
        let props = mirror.discord.channel("props").unwrap();
        let reason = format!("<@{zoe}> for {reason}");
        mirror.discord.post(ana, props, &reason);
    };
    post("the tea");
    mirror.sync().await.ok();
    host.make_public(true);
    let refused = ["but could not bring the site in", "GIT_ALLOW_PUBLIC=yes"];
    mirror.run(&["export"]).await.failed(1, &refused);
    assert_eq!(head(), before);
    // The next export after it is private again brings what was missed.
    host.make_public(false);
    post("the toast");
    mirror.sync().await.ok();
    mirror.export().await;
    let shown = git(&host.path(), &["show", "pages:index.html"]);
    for reason in ["the tea", "the toast"] {
        assert!(shown.contains(reason), "{shown}");
    }
    assert_eq!(host.commits("pages"), 1);
}
