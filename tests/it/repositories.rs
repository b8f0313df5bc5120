//! The whole program as a mirror of GitHub: sync, exports, the graph, restore, and what GitHub does to it.

mod discussions;
mod history;
mod moved;
mod together;
mod truth;

use std::time::Duration;

use propsbot_archive::{Depth, verify};
use propsbot_backends::FolderArchive;
use propsbot_github::SCHEMA;
use simulator::github::{
    Counters, Fault, Github, Kind, Limits, Options, What,
    world::{Action, Content, Seed, World},
};
use tempfile::TempDir;
use tokio::time::sleep;

use self::truth::{archived, assert_same, truth};
use crate::{
    health::{address, becomes, get},
    mirror::{Ended, Running, propsbot, start},
};

const REPOSITORIES: &str = "octo-org/alpha,Octo-Labs/beta";

/// A GitHub, and a home for its mirror.
pub(crate) struct Source {
    github: Github,
    pub(crate) home: TempDir,
    variables: Vec<(String, String)>,
}

impl Source {
    pub(crate) async fn seeded(seed: &Seed) -> Self {
        Self::of(World::seeded(seed)).await
    }

    async fn of(world: World) -> Self {
        let options = Options {
            source: world,
            limits: Limits::none(),
            ..Options::default()
        };
        let github = Github::start(options).await.unwrap();
        let variables = [
            ("GITHUB_REPOSITORIES", REPOSITORIES.to_owned()),
            ("GITHUB_SOURCE_TOKEN", github.token()),
            ("GITHUB_SOURCE_API_URL", github.url()),
        ];
        Self {
            home: tempfile::tempdir().unwrap(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            github,
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Has GitHub deliver webhooks to the next process that runs.
    fn deliver(&mut self) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        self.set("GITHUB_WEBHOOK_ADDRESS", &address.to_string());
        self.set("GITHUB_WEBHOOK_SECRET", "between us");
        let url = format!("http://{address}/");
        self.github.set_webhook(&url, "between us");
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        start(propsbot(self.home.path(), &variables, arguments))
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait().await
    }

    /// What a command costs at GitHub.
    async fn cost(&self, arguments: &[&str]) -> Counters {
        let before = self.github.counters();
        self.run(arguments).await.ok();
        let now = self.github.counters();
        Counters {
            requests: now.requests - before.requests,
            not_modified: now.not_modified - before.not_modified,
            graphql: now.graphql - before.graphql,
            graphql_points: now.graphql_points - before.graphql_points,
            rest_points: now.rest_points - before.rest_points,
            ..Counters::default()
        }
    }

    pub(crate) fn act(&self, action: Action) -> u64 {
        self.github.act_on_world(action).unwrap()
    }

    fn archive(&self) -> FolderArchive {
        FolderArchive::new(self.home.path().join("archive"))
    }

    /// Exports, and asserts that the archive is valid.
    pub(crate) async fn export(&self) -> Ended {
        let ended = self.run(&["export"]).await.ok();
        let found = verify(&self.archive(), &SCHEMA, Depth::Whole)
            .await
            .unwrap();
        assert!(found.is_valid(), "{:#?}", found.faults);
        ended
    }

    /// Exports, and asserts that the archive has what GitHub shows.
    async fn check(&self) {
        self.export().await;
        assert_same(&archived(&self.archive()).await, &self.github.world(truth));
    }
}

impl Source {
    /// Until when the first repository's reactions are known.
    async fn reactions_known_until(&self) -> i64 {
        let status = self.run(&["status", "--json"]).await.ok().stdout;
        let told = status.split("\"reactions_known_until\":").nth(1);
        let told = told.and_then(|told| told.split([',', '}', '\n']).next());
        let told = told.and_then(|told| told.trim().parse().ok());
        told.unwrap_or_else(|| panic!("{status}"))
    }
}

pub(crate) fn comment(on: &str, body: &str) -> Action {
    Action::Comment {
        on: on.into(),
        by: Some("amara".to_owned()),
        body: body.to_owned(),
        at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_repositories_and_asks_for_changes_alone() {
    let source = Source::seeded(&Seed::default()).await;
    source.run(&["check"]).await.ok();
    source.run(&["sync"]).await.ok();
    source.check().await;
    let status = source.run(&["status"]).await.ok();
    assert!(
        status.stdout.contains("octo-org/alpha: complete"),
        "{status:?}"
    );

    // Nothing changed: a point for all repositories, and three 304s for each.
    let again = source.cost(&["sync"]).await;
    assert_eq!((again.graphql, again.graphql_points), (1, 1), "{again:?}");
    assert_eq!((again.requests, again.not_modified), (7, 6), "{again:?}");
    let exported = source.export().await;
    assert!(exported.stdout.contains("nothing changed"), "{exported:?}");

    source.check_one_comment().await;

    let verified = source.run(&["verify", "--from", "dir:archive"]).await.ok();
    assert!(verified.stdout.contains("No faults"), "{verified:?}");
    let draw = [
        "graph",
        "--from",
        "dir:archive",
        "--out",
        "graph",
        "--plugin",
        "github",
    ];
    source.run(&draw).await.ok();
    assert_eq!(source.github.violations(), [""; 0]);
}

impl Source {
    /// One new comment takes few requests and few files.
    async fn check_one_comment(&self) {
        self.act(comment("octo-org/alpha#1", "One more, @bram"));
        let before = self.github.counters().requests;
        let ended = self.run(&["sync", "--guild", "octo-org/alpha"]).await.ok();
        let requests = self.github.counters().requests - before;
        assert!(requests <= 5, "{requests} requests: {ended:?}");
        let exported = self.run(&["export"]).await.ok();
        let files = exported.stdout.split(": ").nth(1).unwrap_or_default();
        let files: usize = files.split(' ').next().unwrap().parse().unwrap();
        assert!(files <= 3, "{exported:?}");
        self.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_what_was_exported() {
    let source = Source::seeded(&Seed::default()).await;
    source.run(&["sync"]).await.ok();
    source.export().await;
    let data = source.home.path().join("data");
    std::fs::rename(&data, source.home.path().join("lost")).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    let exported = source.export().await;
    assert!(exported.stdout.contains("nothing changed"), "{exported:?}");
    source.act(comment("octo-org/alpha#1", "After the restore"));
    source.run(&["sync"]).await.ok();
    source.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_everything_that_no_list_tells_by_reading_again() {
    let source = Source::seeded(&Seed::default()).await;
    let on = "octo-org/alpha#1";
    let deleted = source.act(comment(on, "To be deleted"));
    let liked = source.act(comment(on, "To be liked"));
    let unliked = source.act(comment(on, "No longer liked"));
    let react = |on: u64| Action::React {
        on: on.into(),
        by: Some("bram".to_owned()),
        content: Content::Heart,
        at: None,
    };
    source.act(react(unliked));
    source.run(&["sync"]).await.ok();
    source.check().await;

    source.act(Action::Delete { on: deleted.into() });
    source.act(react(liked));
    source.act(Action::Unreact {
        on: unliked.into(),
        by: Some("bram".to_owned()),
        content: Content::Heart,
    });
    source.act(Action::Delete {
        on: first_issue(&source, "octo-org/alpha", 2),
    });
    source.act(Action::Transfer {
        on: first_issue(&source, "octo-org/alpha", 2),
        to: "Octo-Labs/beta".into(),
    });
    source.act(Action::ForcePush {
        repository: "octo-org/alpha".into(),
        drop: 2,
    });
    source.act(Action::RenameAccount {
        login: "chiyo".to_owned(),
        to: "chiyoko".to_owned(),
    });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;

    // A renamed repository is the same one.
    source.act(Action::RenameRepository {
        repository: "octo-org/alpha".into(),
        to: "omega".to_owned(),
    });
    source.act(comment("octo-org/omega#1", "After the new name"));
    source.run(&["sync"]).await.ok();
    source.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_another_repository_under_the_name_of_one_that_is_gone() {
    let source = Source::seeded(&Seed::default()).await;
    source.run(&["sync"]).await.ok();
    source.check().await;
    let name = "octo-org/alpha";
    source.act(Action::DeleteRepository {
        repository: name.into(),
    });
    let gone = source.run(&["sync"]).await;
    gone.failed(1, &["octo-org/alpha: there is no such repository"]);
    source.act(Action::Repository {
        name: name.to_owned(),
    });
    for title in ["The first of another one", "The second"] {
        source.act(Action::Issue {
            repository: name.into(),
            by: Some("amara".to_owned()),
            title: title.to_owned(),
            body: String::new(),
            at: None,
        });
    }
    for _ in 0..2 {
        source.run(&["sync"]).await.ok();
        source.act(comment("octo-org/alpha#1", "And it goes on"));
    }
    source.run(&["sync"]).await.ok();
    source.check().await;

    // Between two readings.
    source.act(Action::DeleteRepository {
        repository: name.into(),
    });
    source.act(Action::Repository {
        name: name.to_owned(),
    });
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// Among all of an owner's repositories, one may have a former name of another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_a_renamed_repository_and_the_new_one_of_its_name() {
    let mut source = Source::seeded(&Seed::default()).await;
    source.set("GITHUB_REPOSITORIES", "octo-org/*,Octo-Labs/*");
    source.run(&["sync"]).await.ok();
    source.act(Action::RenameRepository {
        repository: "octo-org/alpha".into(),
        to: "omega".to_owned(),
    });
    source.act(Action::Repository {
        name: "octo-org/alpha".to_owned(),
    });
    source.act(Action::Issue {
        repository: "octo-org/alpha".into(),
        by: Some("amara".to_owned()),
        title: "The first of another one".to_owned(),
        body: String::new(),
        at: None,
    });
    for _ in 0..2 {
        source.act(comment("octo-org/alpha#1", "In the new one"));
        source.act(comment("octo-org/omega#1", "In the renamed one"));
        source.run(&["sync"]).await.ok();
        source.check().await;
    }
}

/// An issue with at least this number.
fn first_issue(source: &Source, repository: &str, least: u32) -> simulator::github::world::Spot {
    source.github.world(|world| {
        let repository = world.repository_named(repository).unwrap();
        let mut issues = world.threads(repository);
        let issue = issues.find(|item| item.number >= least && item.pull.is_none());
        issue.unwrap().id.into()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_what_ends_the_real_plugin() {
    let source = Source::seeded(&Seed {
        odd: true,
        issues: 120,
        ..Seed::default()
    })
    .await;
    source.github.fail(What::Any, 2, Fault::Html(502));
    source.github.fail_after(
        What::Naming("pullRequests".to_owned()),
        0,
        1,
        Fault::ResourceLimits,
    );
    source
        .github
        .fail_after(What::LargerThan(500), 0, 2, Fault::QueryTimeout(502));
    let limited = Fault::SecondaryLimit {
        status: 403,
        retry_after: Some(1),
    };
    source
        .github
        .fail_after(What::Naming("history".to_owned()), 0, 1, limited);
    source.run(&["sync"]).await.ok();
    source.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_a_lively_world_through_kills() {
    follow_a_lively_world(5).await;
}

/// Other worlds, with outages as well: `LIVELY_SEEDS=20..40`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/slow lively"]
async fn follows_many_lively_worlds() {
    let seeds = std::env::var("LIVELY_SEEDS").unwrap_or_else(|_| "100..110".to_owned());
    let (first, end) = seeds.split_once("..").unwrap();
    for seed in first.parse().unwrap()..end.parse().unwrap() {
        println!("seed {seed}");
        follow_a_lively_world(seed).await;
    }
}

/// Reads a world that changes, with kills and, but for the first seeds, with outages. In the end the archive has what
/// GitHub shows.
async fn follow_a_lively_world(seed: u64) {
    let source = Source::seeded(&Seed {
        issues: 200,
        comments: 600,
        ..Seed::default()
    })
    .await;
    let mut rng = chance(seed);
    for requests in [2, 4, 8] {
        if seed >= 100 {
            let limited = Fault::SecondaryLimit {
                status: 403,
                retry_after: Some(1),
            };
            let faults = [
                Fault::Html(502),
                Fault::Reset,
                Fault::ResourceLimits,
                limited,
            ];
            for (skip, fault) in faults.into_iter().enumerate() {
                let skip = 3 * skip + usize::try_from(seed % 7).unwrap();
                source.github.fail_after(What::Any, skip, 1, fault);
            }
        }
        let before = source.github.counters().requests;
        let running = source.start(&["sync"]);
        let is_under_way = |github: &Github| github.counters().requests >= before + requests;
        source
            .github
            .wait(Duration::from_mins(1), is_under_way)
            .await;
        running.kill().await;
        for _ in 0..20 {
            source.github.live(&mut rng);
        }
    }
    source.github.heal();
    source.run(&["sync"]).await.ok();
    for _ in 0..60 {
        source.github.live(&mut rng);
    }
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;
}

/// Chance, always the same.
fn chance(seed: u64) -> impl rand::Rng {
    <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_private_repositories_and_people_who_are_left_out() {
    let mut source = Source::seeded(&Seed::default()).await;
    let beta = "Octo-Labs/beta";
    let hidden = |readable| Action::SetPrivate {
        repository: beta.into(),
        private: true,
        readable,
    };
    source.act(comment("octo-org/alpha#1", "Secret plans of @amara"));
    source.act(hidden(true));
    source.run(&["sync"]).await.ok();
    source.export().await;
    let here = |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
    let mirrored = |lines: &[String], name: &str| {
        let mut lines = lines.iter();
        lines.any(|line| line.starts_with("repository ") && line.ends_with(name))
    };
    let lines = archived(&source.archive()).await;
    assert!(mirrored(&lines, "octo-org/alpha") && !mirrored(&lines, beta));
    let dry = source.run(&["export", "--dry-run"]).await.ok();
    assert!(dry.stdout.contains("GITHUB_EXPORT_PRIVATE"), "{dry:?}");
    source.set("GITHUB_EXPORT_PRIVATE", "octo-labs/BETA");
    source.export().await;
    assert!(mirrored(&archived(&source.archive()).await, beta));

    let forgotten = source.run(&["forget", "--github", "Amara"]).await.ok();
    assert!(
        forgotten.stdout.contains("GITHUB_EXCLUDE_USERS"),
        "{forgotten:?}"
    );
    source.run(&["sync", "--recheck"]).await.ok();
    source.export().await;
    let lines = archived(&source.archive()).await;
    let shown: Vec<&String> = lines
        .iter()
        .filter(|line| line.to_lowercase().contains("amara"))
        .collect();
    assert!(shown.is_empty(), "{shown:?}");
    assert!(here(&lines, "@ghost") && !here(&lines, "Secret plans"));

    // A restored store knows whom, also by another login, and without the variable.
    source.act(Action::RenameAccount {
        login: "amara".into(),
        to: "amaranth".into(),
    });
    let data = source.home.path().join("data");
    std::fs::rename(&data, source.home.path().join("lost")).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    source.run(&["sync", "--recheck"]).await.ok();
    source.export().await;
    let lines = archived(&source.archive()).await;
    assert!(!here(&lines, "\"amaranth\"") && !here(&lines, "Secret plans"));
    let drawn = [
        "graph",
        "--from",
        "dir:archive",
        "--plugin",
        "github",
        "--out",
        "graph",
    ];
    source.run(&drawn).await.ok();
    let graph = std::fs::read_to_string(source.home.path().join("graph/graph.json")).unwrap();
    assert!(!graph.contains("amara"));

    // What can't be read any more is withdrawn.
    source.act(hidden(false));
    source.run(&["sync"]).await.failed(1, &[beta]);
    source.export().await;
    assert!(!mirrored(&archived(&source.archive()).await, beta));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listens_and_exports_and_ends_in_order() {
    let mut source = Source::seeded(&Seed::default()).await;
    source.set("EXPORT_INTERVAL", "1s");
    source.deliver();
    let running = source.start(&["run"]);
    let truth_now = || source.github.world(truth);
    let is_there = async || {
        for _ in 0..600 {
            let archived = truth::read(&source.archive()).await;
            if archived.is_ok_and(|lines| lines == truth_now()) {
                return true;
            }
            sleep(Duration::from_millis(100)).await;
        }
        false
    };
    assert!(is_there().await, "{}", running.stderr());
    let id = source.act(comment("octo-org/alpha#1", "Heard at once"));
    assert!(is_there().await, "{}", running.stderr());
    source.act(Action::Delete { on: id.into() });
    assert!(is_there().await, "{}", running.stderr());
    let status = source.run(&["status"]).await.ok();
    assert!(status.stdout.contains("complete"), "{status:?}");
    running.terminate();
    running.wait().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_all_of_an_owner_but_for_exceptions() {
    let repositories = ["octo-org/alpha", "octo-org/beta", "octo-org/gamma"];
    let mut source = Source::seeded(&Seed {
        repositories: repositories.map(str::to_owned).into(),
        ..Seed::default()
    })
    .await;
    source.set("GITHUB_REPOSITORIES", "Octo-Org/*, !octo-org/GAMMA");
    let synced = source.run(&["sync"]).await.ok().stdout;
    let names: Vec<&str> = synced
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names, repositories[..2]);
    source.export().await;
    let mirrored = async |source: &Source| {
        let lines = archived(&source.archive()).await.into_iter();
        let lines = lines.filter(|line| line.starts_with("repository "));
        lines
            .filter_map(|line| line.split(' ').next_back().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(mirrored(&source).await, repositories[..2]);

    // It is no longer in the owner's list, and an owner with a mistake keeps nothing from being read.
    source.set("GITHUB_REPOSITORIES", "Octo-Org/*, nobody/*");
    source.act(Action::SetPrivate {
        repository: repositories[1].into(),
        private: true,
        readable: false,
    });
    let synced = source.run(&["sync"]).await;
    synced.failed(1, &["Octo-Org/beta", "nobody/*"]);
    source.export().await;
    assert_eq!(mirrored(&source).await, [repositories[0], repositories[2]]);
    source.set("GITHUB_REPOSITORIES", repositories[2]);
    source.export().await;
    assert_eq!(mirrored(&source).await, repositories[2..]);
    source.set("GITHUB_REPOSITORIES", "octo-org");
    let says = ["GITHUB_REPOSITORIES: \"octo-org\" is no repository"];
    let refused = source.run(&["sync"]).await;
    refused.failed(2, &says);
    assert!(!refused.stderr.contains("DISCORD_TOKEN"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_mirrors_one_platform() {
    let mut source = Source::seeded(&Seed::default()).await;
    source.set("DISCORD_TOKEN", "c2VjcmV0.c2Vj.cmV0");
    let says = ["GITHUB_REPOSITORIES", "unset one of them"];
    source.run(&["sync"]).await.failed(2, &says);
    source.variables.retain(|(name, _)| !name.contains("TOKEN"));
    source.set("GITHUB_TOKEN", "of-the-archive");
    let says = ["GITHUB_SOURCE_TOKEN: is not set", "isn't used for that"];
    source.run(&["sync"]).await.failed(2, &says);
    for token in ["ghs_16C7e42F292c6912E7", "-----BEGIN RSA PRIVATE KEY-----"] {
        source.set("GITHUB_SOURCE_TOKEN", token);
        let says = ["GITHUB_SOURCE_TOKEN: is the token or the key of a GitHub App"];
        for command in ["sync", "run"] {
            let refused = source.run(&[command]).await;
            refused.failed(2, &says);
            assert!(!refused.stderr.contains(token), "{refused:?}");
        }
        let checked = source.run(&["check"]).await;
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains("of a GitHub App"), "{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_discords_is_refused_with_what_to_do() {
    let mut source = Source::seeded(&Seed::default()).await;
    source.set("SOURCECRED_INSTANCE", "./instance");
    source.set("CRED_MEMORY", "100");
    source.set("SOURCECRED_WEIGHTS", "./weights.json");
    let says = [
        "SOURCECRED_INSTANCE: is about the cred that a bot tells",
        "CRED_MEMORY: is about",
        "SOURCECRED_WEIGHTS: weighs thanks",
    ];
    source.run(&["sync"]).await.failed(2, &says);
}

/// A mirror of GitHub tells how it is, and what follows exports follows its exports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_its_health_and_keeps_a_site_tables_and_files_beside_the_archive() {
    let mut source = Source::seeded(&Seed::default()).await;
    for (name, value) in [
        ("HEALTH_ADDRESS", "127.0.0.1:0"),
        ("METRICS_GUILDS", "yes"),
        ("EXPORT_INTERVAL", "1s"),
        ("EXPORT_SOURCECRED", "yes"),
        ("EXPORT_TABLES", "./tables"),
        ("SITE", "dir:./site"),
    ] {
        source.set(name, value);
    }
    // The site is about all repositories, and stays as it is for an hour.
    source.run(&["sync"]).await.ok();
    source.deliver();
    let running = source.start(&["run"]);
    let at = address(&running).await;
    for metric in [
        "\npropsbot_healthy 1\n",
        "\npropsbot_export_succeeded 1\n",
        "\npropsbot_github_read_succeeded 1\n",
        "kind=\"issues\"} ",
        "\npropsbot_store_logical_bytes ",
        "\npropsbot_archive_bytes ",
    ] {
        becomes(&running, &at, "/metrics", 200, metric).await;
    }
    for name in REPOSITORIES.split(',') {
        let id = source
            .github
            .world(|world| world.repository_named(name).unwrap().node_id());
        let complete = format!("\npropsbot_mirror_parts_complete{{repository=\"{id}\"}} 2\n");
        becomes(&running, &at, "/metrics", 200, &complete).await;
    }
    becomes(&running, &at, "/healthz", 200, "ok").await;
    becomes(&running, &at, "/readyz", 200, "ok").await;
    let (_, metrics) = get(&at, "/metrics", "").await;
    let value = |name: &str| -> u64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    let requests = value("propsbot_github_requests_total");
    assert!(requests >= 4, "{metrics}");
    let parts = [
        value("propsbot_mirror_parts{"),
        value("propsbot_mirror_parts_complete{"),
    ];
    assert_eq!(parts, [4, 4], "{metrics}");
    assert!(!metrics.contains("gateway"), "{metrics}");
    let home = source.home.path();
    let page = std::fs::read_to_string(home.join("site/index.html")).unwrap();
    for words in ["octo-org/alpha", "Octo-Labs/beta", "complete until"] {
        assert!(page.contains(words), "no {words} in {page}");
    }
    assert!(home.join("tables/issues").is_dir());
    assert!(home.join("archive/sourcecred/github/graph.json").is_file());

    // No repository's changes can be read.
    source
        .github
        .fail(Kind::ReadIssues, 10_000, Fault::Status(403));
    source.act(comment("octo-org/alpha#1", "Not seen yet"));
    becomes(&running, &at, "/readyz", 503, "GitHub couldn't be read").await;
    source.github.heal();
    source.act(comment("octo-org/alpha#1", "Seen again"));
    becomes(&running, &at, "/readyz", 200, "ok").await;

    // GitHub refuses to answer, and then it answers again; webhooks tell of something to read.
    source.github.fail(What::Reads, 10_000, Fault::Status(403));
    source.act(comment("octo-org/alpha#1", "Not seen yet"));
    becomes(&running, &at, "/readyz", 503, "GitHub couldn't be read").await;
    source.github.heal();
    source.act(comment("octo-org/alpha#1", "Seen again"));
    becomes(&running, &at, "/readyz", 200, "ok").await;
    running.terminate();
    running.wait().await.ok();
    let checked = source.run(&["check"]).await.ok();
    assert!(
        checked.stdout.contains("has SourceCred's files"),
        "{checked:?}"
    );
}
