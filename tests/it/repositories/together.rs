//! Two processes, one for each platform, which export to one archive.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use propsbot_archive::{ArchiveReader, Depth, verify};
use propsbot_backends::FolderArchive;
use propsbot_github::SCHEMA;
use simulator::{
    discord::kind,
    github::{
        Github, Limits, Options,
        world::{Action, Seed},
    },
};

use super::{
    Source, comment,
    truth::{archived, assert_same, truth},
};
use crate::{
    archive::{
        git::host::Host,
        object_store::{BUCKET, ObjectStore},
    },
    mirror::{Ended, Mirror, holds},
    tables::rows_below,
};

/// A server where Ana thanks Zoe, and a GitHub, whose mirrors have the same archive.
struct Both {
    mirror: Mirror,
    source: Source,
    ana: u64,
    zoe: u64,
    props: u64,
}

impl Both {
    async fn synced() -> Self {
        let mirror = Mirror::empty().await;
        let discord = &mirror.discord;
        let (ana, zoe) = (discord.join("ana"), discord.join("zoe"));
        let props = discord.create_channel(kind::TEXT, "props", vec![]);
        let mut source = Source::seeded(&Seed::default()).await;
        source.set(
            "ARCHIVE",
            &format!("dir:{}", mirror.archive_path().display()),
        );
        let both = Self {
            mirror,
            source,
            ana,
            zoe,
            props,
        };
        both.thank("for the soup");
        both.sync().await;
        both
    }

    fn archive(&self) -> FolderArchive {
        FolderArchive::new(self.mirror.archive_path())
    }

    fn thank(&self, what_for: &str) {
        let (discord, zoe) = (&self.mirror.discord, self.zoe);
        discord.post(self.ana, self.props, &format!("<@{zoe}> {what_for}"));
    }

    async fn sync(&self) {
        self.mirror.sync().await.ok();
        self.source.run(&["sync"]).await.ok();
    }

    /// Asserts that the archive has what both platforms show, and nothing damaged.
    async fn check(&self) {
        let found = self.mirror.verified().await;
        assert!(found.is_valid(), "{:#?}", found.faults);
        self.mirror.check_archive().await;
        let found = verify(&self.archive(), &SCHEMA, Depth::Whole)
            .await
            .unwrap();
        assert!(found.is_valid(), "{:#?}", found.faults);
        assert_same(
            &archived(&self.archive()).await,
            &self.source.github.world(truth),
        );
    }

    /// The files of the archive that lie in its folders.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in ["blobs", "days", "indexes", "parts", "rows", "spaces"] {
            add(&self.mirror.archive_path().join(folder), &mut files);
        }
        files
    }
}

fn add(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
}

#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    for words in words {
        assert!(ended.stdout.contains(words), "no {words:?} in {ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_archive_in_turn() {
    let both = Both::synced().await;
    let (mirror, source) = (&both.mirror, &both.source);
    mirror.export().await;
    let alone = both.files();
    source.run(&["export"]).await.ok();
    both.check().await;
    let page = |path: &str| fs::read_to_string(mirror.archive_path().join(path)).unwrap();
    for heading in [
        "# An archive of Discord servers",
        "# An archive of GitHub repositories",
    ] {
        assert!(page("README.md").contains(heading), "{}", page("README.md"));
    }
    for heading in ["## Tables of discord", "## Tables of github"] {
        assert!(page("FORMAT.md").contains(heading));
    }
    let together = both.files();
    let is_kept = |(path, bytes): (&PathBuf, &Vec<u8>)| together.get(path) == Some(bytes);
    assert!(
        alone.iter().all(is_kept),
        "Discord's files are as they were"
    );
    let checked = source.run(&["check"]).await;
    says(&checked, &["also has spaces of discord"]);

    // Nothing changed, so neither writes anything over the other's.
    let pages = [page("README.md"), page("FORMAT.md"), page("manifest.json")];
    for _ in 0..2 {
        says(&mirror.run(&["export"]).await.ok(), &["nothing changed"]);
        says(&source.run(&["export"]).await.ok(), &["nothing changed"]);
    }
    assert_eq!(
        pages,
        [page("README.md"), page("FORMAT.md"), page("manifest.json")]
    );
    assert_eq!(both.files(), together);
    let status = mirror.run(&["status", "--json"]).await.ok();
    says(&status, &["\"octo-org/alpha\"", "\"Octo-Labs/beta\""]);

    both.thank("for the bread");
    source.act(comment("octo-org/alpha#1", "One more"));
    both.sync().await;
    mirror.export().await;
    source.run(&["export"]).await.ok();
    both.check().await;

    // What each may replace, remove and repair is its own.
    let before = both.files();
    source.run(&["export", "--replace"]).await.ok();
    mirror.run(&["export", "--replace"]).await.ok();
    assert_eq!(both.files(), before);
    fs::write(mirror.archive_path().join(".writing"), "").unwrap();
    says(
        &mirror.run(&["export", "--repair"]).await.ok(),
        &["no faults found"],
    );
    assert_eq!(both.files(), before);
    source.act(Action::SetPrivate {
        repository: "Octo-Labs/beta".into(),
        private: true,
        readable: false,
    });
    source.run(&["sync"]).await;
    source.run(&["export"]).await.ok();
    let archive = both.archive();
    let reader = ArchiveReader::open(&archive, &SCHEMA).await;
    assert_eq!(reader.unwrap().spaces().len(), 1);
    mirror.check_archive().await;
    mirror
        .run(&["forget", "--guild", &mirror.guild().to_string()])
        .await
        .ok();
    mirror.run(&["export"]).await.ok();
    let verified = source.run(&["verify", "--from", &dir(&both)]).await.ok();
    says(&verified, &["octo-org/alpha: generation"]);
    assert!(!page("manifest.json").contains("discord"));
}

/// The archive, as the command line names it.
fn dir(both: &Both) -> String {
    format!("dir:{}", both.mirror.archive_path().display())
}

/// Also the first time, when both begin it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_archive_at_once() {
    let both = Both::synced().await;
    for round in 0..5 {
        let [one, other] = [
            both.mirror.start(&["export"]),
            both.source.start(&["export"]),
        ];
        one.wait().await.ok();
        other.wait().await.ok();
        both.check().await;
        both.thank(&format!("for round {round}"));
        both.source
            .act(comment("octo-org/alpha#1", &format!("Round {round}")));
        both.sync().await;
    }
}

/// Has both export to this archive in turn, and in the end at once.
async fn export_in_turn(mut both: Both, archive: &str, variables: &[(&str, &str)]) {
    let of_all = [("ARCHIVE", archive), ("CACHE_PATH", "cache")];
    for (name, value) in of_all.iter().chain(variables) {
        both.source.set(name, value);
        let (name, value) = ((*name).to_owned(), (*value).to_owned());
        both.mirror.variables.push((name, value));
    }
    for round in 0..3 {
        if round < 2 {
            both.mirror.run(&["export"]).await.ok();
            both.source.run(&["export"]).await.ok();
        } else {
            let [one, other] = [
                both.mirror.start(&["export"]),
                both.source.start(&["export"]),
            ];
            one.wait().await.ok();
            other.wait().await.ok();
        }
        let verified = both.source.run(&["verify", "--from", archive]).await.ok();
        says(
            &verified,
            &[", discord: ", ", github: ", "octo-org/alpha: generation"],
        );
        let rows = ["query", "--from", archive, "--table"];
        for (table, words) in [
            ("messages", format!("for round {}", round - 1)),
            ("comments", format!("Round {}", round - 1)),
        ] {
            let rows = both.mirror.run(&[&rows[..], &[table]].concat()).await.ok();
            assert!(
                round == 0 || rows.stdout.contains(&words),
                "{words}: {rows:?}"
            );
        }
        both.thank(&format!("for round {round}"));
        both.source
            .act(comment("octo-org/alpha#1", &format!("Round {round}")));
        both.sync().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_git_repository() {
    let host = Host::start(Some("hidden-token")).await;
    let archive = format!("git:{}@main:props", host.url());
    let path = std::env::var("PATH").unwrap();
    let variables = [("PATH", &*path), ("GIT_TOKEN", "hidden-token")];
    export_in_turn(Both::synced().await, &archive, &variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_bare_repository() {
    let host = Host::start(None).await;
    let archive = format!("git:{}@main", host.path().display());
    let path = std::env::var("PATH").unwrap();
    export_in_turn(Both::synced().await, &archive, &[("PATH", &path)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_repository_on_github() {
    let options = Options {
        limits: Limits::none(),
        ..Options::default()
    };
    let github = Github::start(options).await.unwrap();
    let archive = format!("github:{}/{}:props", github.owner(), github.repo());
    let (token, url) = (github.token(), github.url());
    let variables = [("GITHUB_TOKEN", &*token), ("GITHUB_API_URL", &*url)];
    export_in_turn(Both::synced().await, &archive, &variables).await;
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_export_to_one_object_store() {
    let store = ObjectStore::start().await;
    let archive = format!("s3://{BUCKET}/props");
    export_in_turn(Both::synced().await, &archive, &store.variables()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_choose_the_provider() {
    let mut both = Both::synced().await;
    let (mirror, source, archive) = (&both.mirror, &both.source, dir(&both));
    mirror.export().await;
    source.run(&["export"]).await.ok();
    let query = |more: &[&'static str]| {
        let query = ["query", "--from", &archive].map(str::to_owned);
        let more = more.iter().map(|word| (*word).to_owned());
        query.into_iter().chain(more).collect::<Vec<_>>()
    };
    let run = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        mirror.run(&arguments).await
    };
    says(
        &run(query(&["--table", "messages"])).await.ok(),
        &["for the soup"],
    );
    says(
        &run(query(&["--table", "issues"])).await.ok(),
        &["is_pull_request"],
    );
    let both_have = run(query(&["--table", "reactions"])).await;
    both_have.failed(2, &["discord and github both have", "--provider"]);
    let chosen = query(&["--table", "reactions", "--provider", "github"]);
    says(&run(chosen).await.ok(), &["subject_id"]);
    run(query(&["--table", "nothing"]))
        .await
        .failed(2, &["discord and github"]);

    let tables = ["tables", "--from", &archive, "--out", "tables"];
    mirror.run(&tables).await.ok();
    let home = mirror.home.path();
    for table in ["discord/messages", "github/issues", "github/reactions"] {
        assert!(home.join("tables").join(table).is_dir(), "{table}");
    }
    says(
        &mirror.run(&tables).await.ok(),
        &["tables/github are up to date: nothing changed"],
    );
    let one = [
        "tables",
        "--from",
        &archive,
        "--out",
        "one",
        "--provider",
        "github",
    ];
    mirror.run(&one).await.ok();
    let into_one = ["tables", "--from", &archive, "--out", "one"];
    mirror
        .run(&into_one)
        .await
        .failed(2, &["has the tables of one provider", "--provider"]);

    let car = ["car", "--from", &archive, "--out", "archive.car"];
    says(
        &mirror.run(&car).await.ok(),
        &["octo-org/alpha: generation"],
    );

    // Each process restores its own.
    for home in [mirror.home.path(), source.home.path()] {
        fs::rename(home.join("data"), home.join("lost")).unwrap();
    }
    let restored = mirror.run(&["restore", "--from", &archive]).await.ok();
    says(
        &restored,
        &["the archive's spaces of github belong in a store of their own"],
    );
    says(
        &source.run(&["restore", "--from", &archive]).await.ok(),
        &["2 repositories"],
    );
    says(&mirror.run(&["export"]).await.ok(), &["nothing changed"]);
    says(&source.run(&["export"]).await.ok(), &["nothing changed"]);
    both.check().await;

    // A site tells of public repositories alone.
    let site = ["site", "--from", &archive, "--out", "site"];
    let coverage = async |both: &Both| {
        both.mirror.run(&site).await.ok();
        fs::read_to_string(both.mirror.home.path().join("site/coverage.html")).unwrap()
    };
    let shown = coverage(&both).await;
    for name in ["octo-org/alpha", "Octo-Labs/beta", "complete until"] {
        assert!(shown.contains(name), "no {name} in {shown}");
    }
    both.source.set("GITHUB_EXPORT_PRIVATE", "octo-labs/beta");
    both.source.act(Action::SetPrivate {
        repository: "Octo-Labs/beta".into(),
        private: true,
        readable: true,
    });
    both.source.run(&["sync"]).await.ok();
    both.source.run(&["export"]).await.ok();
    let archived = archived(&both.archive()).await;
    assert!(archived.iter().any(|line| line.ends_with("Octo-Labs/beta")));
    let shown = coverage(&both).await;
    assert!(shown.contains("octo-org/alpha") && !shown.contains("Octo-Labs"));
}

/// A process reads and exports its own spaces whatever is wrong with the other's, also when it would have to clean up
/// after an interrupted export.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_stays_where_it_is() {
    let both = Both::synced().await;
    let (mirror, source, archive) = (&both.mirror, &both.source, dir(&both));
    mirror.export().await;
    let own = both.files();
    source.run(&["export"]).await.ok();
    let mut theirs = both.files();
    theirs.retain(|path, _| !own.contains_key(path));
    for path in theirs.keys() {
        fs::write(path, "damaged").unwrap();
    }
    let marker = mirror.archive_path().join(".writing");
    fs::write(&marker, "").unwrap();
    let verified = mirror.run(&["verify", "--from", &archive]).await;
    verified.failed(1, &["discord: ", "No faults", "is damaged"]);
    both.thank("for the bread");
    mirror.sync().await.ok();
    mirror.export().await;
    mirror.check_archive().await;
    says(
        &mirror
            .run(&["query", "--from", &archive, "--table", "messages"])
            .await
            .ok(),
        &["bread"],
    );
    assert!(
        marker.exists(),
        "what was left behind is still to be removed"
    );
    let mut now = both.files();
    now.retain(|path, _| theirs.contains_key(path));
    assert_eq!(now.len(), theirs.len(), "nothing of theirs was removed");
    mirror.run(&["export", "--repair"]).await.ok();
    mirror.check_archive().await;
    let guild = mirror.guild().to_string();
    source.run(&["export", "--repair"]).await.ok();
    assert!(!marker.exists());
    both.check().await;

    // Withdrawals aren't kept, either.
    let manifest = both
        .files()
        .into_keys()
        .find(|path| theirs.contains_key(path));
    fs::write(manifest.unwrap(), "damaged").unwrap();
    fs::write(&marker, "").unwrap();
    mirror.run(&["forget", "--guild", &guild]).await.ok();
    mirror.run(&["export"]).await.ok();
    assert!(!mirror.manifest_path().exists());
    assert!(own.keys().all(|path| !path.exists()));
}

/// The archive of the other process stays whole, and the new root names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_root_is_made_again_for_both() {
    let both = Both::synced().await;
    let (mirror, source) = (&both.mirror, &both.source);
    mirror.export().await;
    source.run(&["export"]).await.ok();
    let root = mirror.archive_path().join("manifest.json");
    let before = fs::read(&root).unwrap();
    let files = both.files();
    for is_discord in [true, false] {
        fs::write(&root, "damaged").unwrap();
        if is_discord {
            mirror.run(&["export", "--repair"]).await.ok();
        } else {
            source.run(&["export", "--repair"]).await.ok();
        }
        assert_eq!(fs::read(&root).unwrap(), before, "{is_discord}");
        let now = both.files();
        let lost = files.keys().filter(|path| !now.contains_key(*path));
        assert_eq!(lost.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
        both.check().await;
    }
    // A root that is gone is made again for both, too.
    for is_discord in [true, false] {
        fs::remove_file(&root).unwrap();
        if is_discord {
            mirror.run(&["export", "--replace"]).await.ok();
        } else {
            source.run(&["export", "--replace"]).await.ok();
        }
        assert_eq!(fs::read(&root).unwrap(), before, "{is_discord}");
        both.check().await;
    }
}

/// Once the last space of a provider is withdrawn, nothing of it stays where it was shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_space_leaves_tables_and_site() {
    let mut both = Both::synced().await;
    for (name, place) in [("EXPORT_TABLES", "./own"), ("SITE", "dir:./site")] {
        both.mirror
            .variables
            .push((name.to_owned(), place.to_owned()));
    }
    let (mirror, archive) = (&both.mirror, dir(&both));
    mirror.export().await;
    both.source.run(&["export"]).await.ok();
    let tables = ["tables", "--from", &archive, "--out", "tables"];
    mirror.run(&tables).await.ok();
    let alone = [&tables[..4], &["one", "--provider", "discord"]].concat();
    mirror.run(&alone).await.ok();
    let home = mirror.home.path();
    let shown = || {
        let tables = ["own", "tables/discord", "one"].map(|place| rows_below(&home.join(place)));
        let mut rows = tables.iter().flat_map(BTreeMap::values).flatten();
        rows.any(|row| row.contains("soup")) || holds(&home.join("site"), b"soup")
    };
    for place in ["own", "tables/discord", "one"] {
        assert!(home.join(place).join("messages").is_dir(), "{place}");
    }
    assert!(shown());

    let guild = mirror.guild().to_string();
    mirror.run(&["forget", "--guild", &guild]).await.ok();
    mirror.run(&["export"]).await.ok();
    mirror.run(&tables).await.ok();
    mirror.run(&alone).await.ok();
    assert!(!shown());
    for place in ["own", "tables/discord", "one"] {
        assert!(!home.join(place).join("messages").exists(), "{place}");
    }
    assert!(home.join("tables/github/issues").is_dir());
    let never = [&tables[..4], &["never", "--provider", "discord"]].concat();
    mirror.run(&never).await.failed(2, &["has no spaces of"]);
}

/// Thanks that link to GitHub lead to what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_props_become_edges_to_what_github_has() {
    let both = Both::synced().await;
    let (mirror, source, archive) = (&both.mirror, &both.source, dir(&both));
    let id = source.act(comment("octo-org/alpha#1", "This is how"));
    let thread = "https://github.com/Octo-Org/ALPHA/issues/1";
    both.thank(&format!(
        "for <{thread}#issuecomment-{id}>, see {thread} and {thread}/."
    ));
    both.thank(
        "for https://github.com/octo-org/alpha/issues/999999 and https://example.org/issues/1",
    );
    both.thank("for https://github.com/octo-org/alpha/releases/tag/v0.1");
    both.sync().await;
    mirror.export().await;
    source.run(&["export"]).await.ok();
    let draw = async |plugins: &[&str]| {
        let mut arguments = vec!["graph", "--from", &archive, "--out", "graph"];
        arguments.extend(plugins.iter().flat_map(|plugin| ["--plugin", plugin]));
        let drawn = mirror.run(&arguments).await.ok();
        assert!(!drawn.stdout.contains("warning: props"), "{drawn:?}");
        fs::read_to_string(mirror.home.path().join("graph/props/graph.json"))
    };
    let graph = draw(&["props", "github"]).await.unwrap();
    assert_eq!(graph.matches("\"REFERS_TO\"").count(), 2, "{graph}");
    assert!(graph.contains(&format!("issuecomment-{id}\"")), "{graph}");
    assert_eq!(
        draw(&["github", "props"]).await.unwrap(),
        graph,
        "the order doesn't matter"
    );
    let github = mirror.home.path().join("graph/github/graph.json");
    let together = fs::read(&github).unwrap();
    // SourceCred's plugin knows no releases.
    let improved = [
        "graph",
        "--from",
        &archive,
        "--out",
        "improved",
        "--plugin",
        "props",
        "--plugin",
        "github",
        "--improved",
    ];
    mirror.run(&improved).await.ok();
    let improved = mirror.home.path().join("improved/props/graph.json");
    let improved = fs::read_to_string(improved).unwrap();
    assert_eq!(improved.matches("\"REFERS_TO\"").count(), 3, "{improved}");
    let alone = [
        "graph", "--from", &archive, "--out", "alone", "--plugin", "github",
    ];
    mirror.run(&alone).await.ok();
    let alone = fs::read(mirror.home.path().join("alone/graph.json")).unwrap();
    assert!(
        alone == together,
        "GitHub's graph is that of the real plugin"
    );
    let alone = [
        "graph", "--from", &archive, "--out", "alone", "--plugin", "props",
    ];
    mirror.run(&alone).await.ok();
    let alone = fs::read_to_string(mirror.home.path().join("alone/graph.json")).unwrap();
    assert!(!alone.contains("REFERS_TO"));

    let cred = [
        "cred", "--from", &archive, "--plugin", "props", "--plugin", "github",
    ];
    says(&mirror.run(&cred).await.ok(), &["zoe", "amara"]);
    let guild = mirror.guild().to_string();
    let of_guild = [&cred[..], &["--guild", &guild]].concat();
    says(&mirror.run(&of_guild).await.ok(), &["zoe", "amara"]);
}
