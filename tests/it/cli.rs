//! The command line's errors: messages, exit codes, and what must never be printed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use memchr::memmem;
use serde_json::json;
use simulator::discord::{Fault, Limits, Options, Seed};

use super::damaged::exported;
use crate::mirror::{Ended, Mirror, content, propsbot, start};

pub(crate) async fn run(home: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    start(propsbot(home, variables, arguments)).wait().await
}

/// A command or configuration, and how it ends.
struct Case {
    variables: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
}

const TOKEN: (&str, &str) = ("DISCORD_TOKEN", "c2VjcmV0.c2Vj.cmV0");
/// An address without a listener.
const NOBODY: (&str, &str) = ("DISCORD_API_URL", "http://127.0.0.1:1");

const CASES: &[Case] = &[
    Case {
        variables: &[],
        arguments: &["sync"],
        code: 2,
        says: &[
            "DISCORD_TOKEN: is not set",
            "developer portal",
            ".env.example",
        ],
    },
    Case {
        variables: &[],
        arguments: &["run"],
        code: 2,
        says: &["DISCORD_TOKEN: is not set"],
    },
    Case {
        variables: &[
            ("DISCORD_API_URL", "localhost"),
            ("ARCHIVE", "somewhere"),
            ("EXPORT_INTERVAL", "soon"),
        ],
        arguments: &["sync"],
        code: 2,
        says: &[
            "DISCORD_TOKEN:",
            "DISCORD_API_URL:",
            "ARCHIVE:",
            "EXPORT_INTERVAL:",
        ],
    },
    Case {
        variables: &[("EXPORT_INTERVAL", "1ms")],
        arguments: &["status"],
        code: 2,
        says: &["EXPORT_INTERVAL", "at least 1s"],
    },
    Case {
        variables: &[("RUST_LOG", "propsbot=loud")],
        arguments: &["status"],
        code: 2,
        says: &["RUST_LOG"],
    },
    Case {
        variables: &[("LOG_FORMAT", "xml")],
        arguments: &["status"],
        code: 2,
        says: &["LOG_FORMAT: \"xml\" is neither text nor json"],
    },
    Case {
        variables: &[TOKEN, NOBODY],
        arguments: &["sync"],
        code: 1,
        says: &["http://127.0.0.1:1", "DISCORD_API_URL"],
    },
    Case {
        variables: &[TOKEN, NOBODY, ("STORE_PATH", "a-file/data")],
        arguments: &["sync"],
        code: 2,
        says: &[
            "a-file/data",
            "(STORE_PATH): Not a directory (os error 20)\n",
        ],
    },
    Case {
        variables: &[],
        arguments: &["verify", "--from", "dir:nowhere"],
        code: 1,
        says: &[
            "dir:nowhere",
            "manifest.json",
            "nothing was exported here yet",
        ],
    },
    Case {
        variables: &[],
        arguments: &["graph", "--from", "dir:nowhere", "--out", "graph"],
        code: 1,
        says: &["dir:nowhere", "nothing was exported here yet"],
    },
    Case {
        variables: &[],
        arguments: &[
            "graph",
            "--from",
            "dir:nowhere",
            "--out",
            "graph",
            "--weights",
            "a-file",
        ],
        code: 2,
        says: &["a-file"],
    },
    Case {
        variables: &[],
        arguments: &[
            "graph",
            "--from",
            "dir:nowhere",
            "--out",
            "graph",
            "--weights",
            "missing",
        ],
        code: 2,
        says: &["missing"],
    },
    Case {
        variables: &[],
        arguments: &[
            "graph",
            "--from",
            "dir:nowhere",
            "--out",
            "graph",
            "--plugin",
            "discord",
            "--config",
            "a-file",
        ],
        code: 2,
        says: &[
            "a-file is invalid",
            "not a config of SourceCred's Discord plugin",
        ],
    },
    Case {
        variables: &[],
        arguments: &[
            "graph",
            "--from",
            "dir:nowhere",
            "--out",
            "graph",
            "--config",
            "a-file",
        ],
        code: 2,
        says: &["--config and --plugin discord or github have to be used together"],
    },
    Case {
        variables: &[],
        arguments: &["graph", "--from", "dir:nowhere", "--diff", "missing"],
        code: 2,
        says: &["missing", "--diff takes the folder of an earlier output"],
    },
    Case {
        variables: &[],
        arguments: &["graph", "--from", "dir:nowhere"],
        code: 2,
        says: &["--out <DIR>"],
    },
    Case {
        variables: &[
            ("EXPORT_SOURCECRED", "maybe"),
            ("SOURCECRED_WEIGHTS", "weights.json"),
        ],
        arguments: &["export"],
        code: 2,
        says: &[
            "EXPORT_SOURCECRED: \"maybe\" is neither yes nor no",
            "SOURCECRED_WEIGHTS: needs EXPORT_SOURCECRED=yes",
        ],
    },
    Case {
        variables: &[
            ("EXPORT_SOURCECRED", "yes"),
            ("SOURCECRED_WEIGHTS", "missing"),
        ],
        arguments: &["export"],
        code: 2,
        says: &["SOURCECRED_WEIGHTS", "could not read the weights missing"],
    },
    Case {
        variables: &[],
        arguments: &["export", "--to", "dir:archive"],
        code: 2,
        says: &["there is no store at ./data", "STORE_PATH", "propsbot sync"],
    },
    Case {
        variables: &[],
        arguments: &["verify", "--from", "nonsense"],
        code: 2,
        says: &["nonsense", "dir:PATH"],
    },
    Case {
        variables: &[TOKEN],
        arguments: &["sync", "--guild", "general"],
        code: 2,
        says: &["--guild", "general"],
    },
    Case {
        variables: &[],
        arguments: &["dance"],
        code: 2,
        says: &["dance"],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_say_what_to_change() {
    let work = CASES.iter().map(|case| {
        tokio::spawn(async {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join("a-file"), "{\"nodes\": 1").unwrap();
            let ended = run(home.path(), case.variables, case.arguments).await;
            ended.failed(case.code, case.says);
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// `.env` is read; the process's own variables win.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_the_env_file() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".env"), "EXPORT_INTERVAL=soon\n").unwrap();
    let ended = run(home.path(), &[], &["status"]).await;
    ended.failed(2, &["EXPORT_INTERVAL", "soon"]);
    fs::write(home.path().join(".env"), "DISCORD_TOKEN=\"abc.SECRET.def\n").unwrap();
    let ended = run(home.path(), &[], &["sync"]).await;
    assert!(
        !ended.stderr.contains("SECRET"),
        "a line that cannot be read was shown"
    );
    ended.failed(2, &["/.env, line 1 cannot be read, at character"]);
    fs::write(home.path().join(".env"), "EXPORT_INTERVAL=soon\n").unwrap();
    let ended = run(home.path(), &[("EXPORT_INTERVAL", "1h")], &["status"]).await;
    ended.failed(2, &["there is no store at ./data"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_a_rejected_token() {
    let mirror = Mirror::empty().await;
    let url = mirror.discord.url();
    let token = "MTIzNDU2Nzg5MDEyMzQ1Njc4.wrong.token";
    for command in ["sync", "run"] {
        let variables = [("DISCORD_TOKEN", token), ("DISCORD_API_URL", &url)];
        let ended = run(mirror.home.path(), &variables, &[command]).await;
        ended.failed(2, &["token", "developer portal"]);
        assert!(!ended.stderr.contains(token), "{ended:#?}");
    }
    assert_eq!(
        mirror.discord.counters().invalid,
        6,
        "a bad token is tried three times a run: one refusal alone may be a stray one"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_process_opens_the_store() {
    let mirror = Mirror::empty().await;
    mirror
        .discord
        .fail("*", usize::MAX, Fault::Delay(Duration::from_mins(1)));
    let first = mirror.start(&["sync"]);
    let lock = mirror.store_path().join("sled/db");
    let opened = async {
        while !lock.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), opened)
        .await
        .unwrap();
    for arguments in [&["run"][..], &["sync"]] {
        let ended = mirror.run(arguments).await;
        ended.failed(1, &["./data (STORE_PATH) is in use by another propsbot"]);
    }
    first.kill().await;
    mirror.discord.heal();
    mirror.sync().await.ok();
}

/// `sync --json` writes only JSON lines to stdout; the last one has the result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_progress_is_one_object_per_line() {
    let mirror = Mirror::new(Options {
        limits: Limits::discord(),
        seed: Seed {
            messages: 600,
            threads: 0,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    let ended = mirror.run(&["sync", "--json"]).await.ok();
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let guild = mirror.guild().to_string();
    for line in &lines {
        assert_eq!(line["guild"], guild, "{line}");
        for number in ["channels_done", "channels", "messages", "lists", "requests"] {
            assert!(line[number].is_u64(), "{number} of {line}");
        }
        assert!(line["eta_seconds"].is_u64() || line["eta_seconds"].is_null());
        assert_eq!(line["failures"], 0, "{line}");
    }
    let (last, before) = lines.split_last().unwrap();
    assert!(
        before
            .iter()
            .any(|line| line["phase"] == "fetching" && line["eta_seconds"].is_u64()),
        "{before:#?}"
    );
    assert!(
        before.iter().all(|line| line["phase"] != "done"),
        "{before:#?}"
    );
    let truth = mirror.discord.truth();
    let lists: usize = truth
        .messages
        .iter()
        .map(|message| message.reactions.len())
        .sum();
    assert_eq!(
        (&last["phase"], &last["complete"]),
        (&json!("done"), &json!(true))
    );
    assert_eq!(last["messages"], truth.messages.len());
    assert_eq!(
        (&last["lists"], &last["lists_done"]),
        (&json!(lists), &json!(lists))
    );
    assert_eq!(last["channels"], last["channels_done"]);
    // All requests but three: the bot's user, its application's flags, its guilds.
    assert_eq!(last["requests"], mirror.discord.requests().len() - 3);

    mirror
        .discord
        .fail("GET /guilds/{guild_id}", usize::MAX, Fault::Status(403));
    let ended = mirror.run(&["sync", "--json"]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let last: serde_json::Value =
        serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["complete"], false);
    assert!(
        last["error"].as_str().unwrap().contains("permission"),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stdout_has_only_results() {
    let mirror = exported().await;
    for (arguments, says) in [
        (&["verify", "--from", "dir:archive"][..], "No faults."),
        (
            &["graph", "--from", "dir:archive", "--out", "graph"],
            "wrote graph/graph.json",
        ),
        (
            &["graph", "--from", "dir:archive", "--diff", "graph"],
            "total minted",
        ),
        (
            &[
                "graph",
                "--from",
                "dir:archive",
                "--diff",
                "graph/graph.json",
                "--json",
            ],
            "{\"minted\":{\"before\":",
        ),
        (&["status"], "1 message"),
        (&["export"], "nothing changed"),
        (&["sync"], "complete."),
        (&["--help"], "Exit codes"),
        (&["--version"], "propsbot"),
        (&["completions", "bash"], "complete -F _propsbot"),
        (&["man"], ".TH propsbot 1"),
    ] {
        let ended = mirror.run(arguments).await.ok();
        assert!(ended.stdout.contains(says), "{ended:#?}");
        assert_eq!(ended.stderr, "", "{arguments:?}");
    }
    let status = mirror.run(&["status", "--json"]).await.ok();
    serde_json::from_str::<serde_json::Value>(&status.stdout).unwrap();
}

/// A page for the program and one for each command, without any configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_manual_pages() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".env"), "EXPORT_INTERVAL=soon\n").unwrap();
    fs::create_dir(home.path().join("man1")).unwrap();
    run(home.path(), &[], &["man", "--out", "man1"]).await.ok();
    for (page, says) in [
        ("propsbot.1", "propsbot\\-sync(1)"),
        ("propsbot-sync.1", "Re\\-read all history"),
        ("propsbot-completions.1", "bash\\-completion"),
    ] {
        let text = fs::read_to_string(home.path().join("man1").join(page)).unwrap();
        assert!(text.contains(says), "{text}");
    }
    let missing = run(home.path(), &[], &["man", "--out", "missing"]).await;
    missing.failed(1, &["could not write manual pages to missing"]);
}

/// All files in a folder, recursively.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_writes_the_token() {
    let mut mirror = exported().await;
    mirror
        .discord
        .fail("GET /guilds/{guild_id}", 1, Fault::Status(500));
    mirror
        .discord
        .fail("GET /guilds/{guild_id}/members", 1, Fault::Status(403));
    mirror
        .variables
        .push(("RUST_LOG".to_owned(), "trace".to_owned()));
    let traced = mirror.sync().await;
    assert!(traced.stderr.contains("asked Discord"), "{traced:#?}");
    for arguments in [&["export"][..], &["status", "--json"]] {
        mirror.run(arguments).await.ok();
    }
    mirror.discord.fail("GET /users/@me", 1, Fault::Status(401));
    mirror.sync().await;
    let token = mirror.discord.token();
    let secret = token.rsplit('.').next().unwrap();
    assert!(secret.len() > 20);
    let mut all = Vec::new();
    files(mirror.home.path(), &mut all);
    // Output of every process, store, archive.
    assert!(all.len() > 10);
    for path in all {
        let bytes = content(&path);
        let leak = memmem::find(&bytes, secret.as_bytes()).is_some();
        assert!(!leak, "the token is in {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warns_of_unencrypted_secrets() {
    let mut mirror = Mirror::empty().await;
    // Nothing is sent: there is no store.
    fs::write(mirror.store_path(), "no folder").unwrap();
    let local = mirror.sync().await;
    local.failed(2, &["STORE_PATH"]);
    assert!(!local.stderr.contains("not encrypted"), "{local:?}");
    for (variable, value) in [
        ("DISCORD_API_URL", "http://discord.example.org"),
        ("GITHUB_API_URL", "http://192.0.2.1/api/v3"),
        ("GITHUB_TOKEN", "secret"),
        ("AWS_ENDPOINT_URL", "http://localhost:9000"),
    ] {
        mirror
            .variables
            .push((variable.to_owned(), value.to_owned()));
    }
    let ended = mirror.sync().await;
    ended.failed(
        2,
        &["not encrypted", "DISCORD_API_URL", "discord.example.org"],
    );
    ended.failed(2, &["GITHUB_API_URL", "192.0.2.1"]);
    assert!(!ended.stderr.contains("AWS_ENDPOINT_URL"), "{ended:?}");
}
