//! `propsbot check`: each fault is named while it is there, and nothing is left behind.

mod archives;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::{Value, json};
use simulator::discord::{Fault, Overwrite, bit, kind};

use crate::{
    cli::run,
    live,
    mirror::{Ended, Mirror},
    store::files,
};

/// Something that is wrong, and the line that says so.
struct Case {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// Breaks it.
    arrange: fn(&Mirror),
    code: i32,
    check: &'static str,
    outcome: &'static str,
    says: &'static [&'static str],
}

const NOTHING: fn(&Mirror) = |_| {};

const CASES: &[Case] = &[
    Case {
        name: "a wrong variable",
        variables: &[("EXPORT_INTERVAL", "soon")],
        arrange: NOTHING,
        code: 2,
        check: "configuration",
        outcome: "wrong",
        says: &["EXPORT_INTERVAL", "soon"],
    },
    Case {
        name: "a refused token",
        variables: &[("DISCORD_TOKEN", "OTk5.AAAAAA.another-bots-secret")],
        arrange: NOTHING,
        code: 1,
        check: "token",
        outcome: "wrong",
        says: &["refused the bot's token", "developer portal"],
    },
    Case {
        name: "no Discord",
        variables: &[("DISCORD_API_URL", "http://127.0.0.1:1")],
        arrange: NOTHING,
        code: 1,
        check: "token",
        outcome: "wrong",
        says: &["http://127.0.0.1:1"],
    },
    Case {
        name: "intents that are off",
        variables: &[],
        arrange: |mirror| {
            let off = json!({"id": "1", "flags": 0, "bot_public": false}).to_string();
            let route = "GET /applications/@me";
            mirror
                .discord
                .fail(route, usize::MAX, Fault::Answer(200, off));
        },
        code: 1,
        check: "intents",
        outcome: "wrong",
        says: &["Message Content intent is switched off", "developer portal"],
    },
    Case {
        name: "a failing route",
        variables: &[],
        arrange: |mirror| {
            let route = "GET /applications/@me";
            mirror.discord.fail(route, usize::MAX, Fault::Status(400));
        },
        code: 0,
        check: "intents",
        outcome: "unknown",
        says: &["doesn't say which privileged intents"],
    },
    Case {
        name: "a public bot",
        variables: &[],
        arrange: |mirror| mirror.discord.make_public(true),
        code: 0,
        check: "public-bot",
        outcome: "warning",
        says: &["anyone can add this bot"],
    },
    Case {
        name: "a guild without the bot",
        variables: &[("DISCORD_GUILDS", "1003003003003003003")],
        arrange: NOTHING,
        code: 1,
        check: "guilds",
        outcome: "wrong",
        says: &["1003003003003003003", "oauth2/authorize"],
    },
    Case {
        name: "no guild",
        variables: &[],
        arrange: |mirror| mirror.discord.kick_bot(),
        code: 1,
        check: "guilds",
        outcome: "wrong",
        says: &["in no guild", "oauth2/authorize"],
    },
    Case {
        name: "several guilds",
        variables: &[],
        arrange: |mirror| {
            mirror.discord.found_guild("Another", 1_700_000_000_000);
        },
        code: 0,
        check: "guilds",
        outcome: "warning",
        says: &["2 guilds", "DISCORD_GUILDS"],
    },
    Case {
        name: "a channel that everyone but the bot can read",
        variables: &[],
        arrange: |mirror| {
            let deny = bit::READ_MESSAGE_HISTORY | bit::CONNECT;
            let bot = Overwrite {
                id: mirror.discord.bot_id(),
                member: true,
                allow: 0,
                deny,
            };
            mirror
                .discord
                .create_channel(kind::VOICE, "open-\u{1b}[2Jair", vec![bot]);
        },
        code: 1,
        check: "permissions",
        outcome: "wrong",
        says: &[
            "missing Read Message History, Connect",
            "#open-",
            "Edit Channel",
        ],
    },
    Case {
        name: "a private channel",
        variables: &[],
        arrange: |mirror| {
            let everyone = Overwrite::role(mirror.discord.guild_id(), 0, bit::VIEW_CHANNEL);
            let bot = Overwrite {
                id: mirror.discord.bot_id(),
                member: true,
                allow: 0,
                deny: bit::VIEW_CHANNEL,
            };
            mirror
                .discord
                .create_channel(kind::TEXT, "staff", vec![everyone, bot]);
        },
        code: 0,
        check: "permissions",
        outcome: "warning",
        says: &["missing View Channel", "#staff", "private"],
    },
    Case {
        name: "a slow clock",
        variables: &[],
        arrange: |mirror| {
            let late = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(5);
            let late = late.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let late = Fault::Headers(vec![("date", late)]);
            mirror.discord.fail("*", usize::MAX, late);
        },
        code: 1,
        check: "clock",
        outcome: "wrong",
        says: &["s behind Discord's", "NTP"],
    },
    Case {
        name: "an archive that can't be written to",
        variables: &[("ARCHIVE", "dir:a-file/archive")],
        arrange: |mirror| fs::write(mirror.home.path().join("a-file"), "").unwrap(),
        code: 1,
        check: "archive",
        outcome: "wrong",
        says: &["it can't be"],
    },
    Case {
        name: "a damaged archive",
        variables: &[],
        arrange: |mirror| {
            fs::create_dir(mirror.archive_path()).unwrap();
            fs::write(mirror.archive_path().join("manifest.json"), "{").unwrap();
        },
        code: 1,
        check: "archive",
        outcome: "wrong",
        says: &["it can't be read"],
    },
    Case {
        name: "a store's folder that can't be written to",
        variables: &[("STORE_PATH", "a-file/data")],
        arrange: |mirror| fs::write(mirror.home.path().join("a-file"), "").unwrap(),
        code: 1,
        check: "store",
        outcome: "wrong",
        says: &["STORE_PATH"],
    },
    Case {
        name: "a damaged store",
        variables: &[],
        arrange: |mirror| {
            fs::create_dir_all(mirror.store_path().join("sled")).unwrap();
            fs::write(mirror.store_path().join("lock"), "used\n").unwrap();
            set_mode(&mirror.store_path(), 0o700);
        },
        code: 1,
        check: "store",
        outcome: "wrong",
        says: &["it can't be opened", "damaged"],
    },
    Case {
        name: "a store that others can read",
        variables: &[],
        arrange: |mirror| {
            fs::create_dir(mirror.store_path()).unwrap();
            set_mode(&mirror.store_path(), 0o755);
        },
        code: 0,
        check: "store",
        outcome: "warning",
        says: &["other users", "chmod 700"],
    },
    Case {
        name: "a disk that is too small for three times the store",
        variables: &[],
        arrange: |mirror| {
            fs::create_dir(mirror.store_path()).unwrap();
            set_mode(&mirror.store_path(), 0o700);
            // A file with a hole takes no space.
            let large = fs::File::create(mirror.store_path().join("large")).unwrap();
            large.set_len(1 << 42).unwrap();
        },
        code: 1,
        check: "disk",
        outcome: "wrong",
        says: &["3 times the store", "free disk space"],
    },
    Case {
        name: "missing weights",
        variables: &[
            ("EXPORT_SOURCECRED", "yes"),
            ("SOURCECRED_WEIGHTS", "missing.json"),
        ],
        arrange: NOTHING,
        code: 1,
        check: "sourcecred",
        outcome: "wrong",
        says: &["SOURCECRED_WEIGHTS", "missing.json"],
    },
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A guild with a channel that all is well with.
async fn sound() -> Mirror {
    let mirror = Mirror::empty().await;
    mirror.discord.create_channel(kind::TEXT, "general", vec![]);
    mirror
}

fn findings(ended: &Ended) -> Vec<Value> {
    let checked: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| {
        panic!("{error}: {ended:#?}");
    });
    assert_eq!(checked["version"], 1);
    checked["findings"].as_array().unwrap().clone()
}

/// What is not as it should be.
fn faults(ended: &Ended) -> Vec<Value> {
    let mut faults = findings(ended);
    faults.retain(|found| found["outcome"] != "ok");
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_each_fault_while_it_is_there() {
    for case in CASES {
        let mut mirror = sound().await;
        for (name, value) in case.variables {
            mirror
                .variables
                .push(((*name).to_owned(), (*value).to_owned()));
        }
        (case.arrange)(&mirror);
        let ended = mirror.run(&["check", "--json"]).await;
        assert_eq!(ended.code, Some(case.code), "{}: {ended:#?}", case.name);
        let is_it =
            |found: &&Value| found["check"] == case.check && found["outcome"] == case.outcome;
        let faults = faults(&ended);
        let found = faults.iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("{}: {ended:#?}", case.name));
        let text = ["text", "names", "error", "remedy"];
        let text = text.map(|part| found[part].as_str().unwrap_or_default());
        let text = text.join(" ");
        for words in case.says {
            assert!(
                text.contains(words),
                "{}: no {words:?} in {text}",
                case.name
            );
        }
        // The same for people, with a sign for each, and nothing that steers their terminal.
        let ended = mirror.run(&["check"]).await;
        assert_eq!(ended.code, Some(case.code), "{}: {ended:#?}", case.name);
        let sign = if case.outcome == "wrong" { "✗" } else { "!" };
        let line = format!("{sign} {}: ", case.check);
        assert!(ended.stdout.contains(&line), "{}: {ended:#?}", case.name);
        assert!(!ended.stdout.contains('\u{1b}'), "{ended:#?}");
    }
}

/// It changes nothing, before the first run, between two, and beside a running bot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_no_fault_where_there_is_none() {
    let mut mirror = sound().await;
    for _ in 0..2 {
        let ended = mirror.run(&["check", "--json"]).await.ok();
        assert_eq!(faults(&ended), Vec::<Value>::new());
        assert!(!mirror.store_path().exists() && !mirror.archive_path().exists());
    }
    mirror.sync().await.ok();
    mirror.export().await;
    let sourcecred = ("EXPORT_SOURCECRED".to_owned(), "yes".to_owned());
    mirror.variables.push(sourcecred);
    let ended = mirror.run(&["check", "--json"]).await.ok();
    let found = faults(&ended);
    assert_eq!(found.len(), 1, "{ended:#?}");
    assert_eq!(found[0]["check"], "sourcecred");
    mirror.export().await;
    let before = files(&mirror.archive_path());
    let ended = mirror.run(&["check", "--json"]).await.ok();
    assert_eq!(faults(&ended), Vec::<Value>::new());
    assert!(ended.stdout.contains("of rows"), "{ended:#?}");
    assert_eq!(files(&mirror.archive_path()), before);

    let running = live::start(&mirror).await;
    let ended = mirror.run(&["check", "--json"]).await.ok();
    assert_eq!(faults(&ended), Vec::<Value>::new());
    assert!(ended.stdout.contains("a running bot uses it"), "{ended:#?}");
    running.terminate();
    running.wait().await.ok();
    assert_eq!(mirror.discord.violations(), Vec::<String>::new());
}

/// A Discord that never answers ends neither the program nor the other checks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_stops_no_other_check() {
    let mirror = sound().await;
    let silence = Fault::Delay(Duration::from_hours(1));
    mirror.discord.fail("*", usize::MAX, silence);
    let ended = mirror.run(&["check", "--json"]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let outcome = |check: &str| {
        let all = findings(&ended);
        let found = all.iter().find(|found| found["check"] == check);
        found.unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    let outcomes = ["token", "guilds", "archive", "disk", "store"].map(outcome);
    assert_eq!(outcomes, ["wrong", "unknown", "ok", "ok", "ok"]);
    assert!(ended.stdout.contains("no answer within 20 s"), "{ended:#?}");
}

/// A report has what a developer needs, and nothing that is somebody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_have_no_secrets_and_no_names() {
    let mut mirror = sound().await;
    let secrets = [
        ("DISCORD_GUILDS", "1003003003003003003"),
        ("GITHUB_TOKEN", "github_pat_secret"),
        ("GIT_TOKEN", "git-secret"),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
        ("STORE_PATH", "private-folder"),
        ("ARCHIVE", "dir:a-file/hidden-place"),
        ("EXPORT_INTERVAL", "25m"),
    ];
    for (name, value) in secrets {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    fs::write(mirror.home.path().join("a-file"), "").unwrap();
    mirror.discord.rename_guild("Secret Society");
    let bot = Overwrite {
        id: mirror.discord.bot_id(),
        member: true,
        allow: 0,
        deny: bit::VIEW_CHANNEL,
    };
    let channels = ["plans-of-ana", "plans-of-bo"];
    for channel in channels {
        mirror
            .discord
            .create_channel(kind::TEXT, channel, vec![bot]);
    }
    mirror
        .variables
        .retain(|(name, _)| name != "DISCORD_GUILDS");
    let ended = mirror.run(&["check", "--report", "report.txt"]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = fs::read_to_string(mirror.home.path().join("report.txt")).unwrap();
    for needed in [
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        "GITHUB_TOKEN=(set)",
        "EXPORT_INTERVAL=25m",
        "✗ permissions: missing View Channel (2 times)",
        "✗ archive: it can't be",
    ] {
        assert!(report.contains(needed), "no {needed:?} in {report}");
    }
    let (token, url) = (mirror.discord.token(), mirror.discord.url());
    let guild = mirror.discord.guild_id().to_string();
    let hidden = [&*token, &*url, &*guild, "Secret Society", "maren"];
    let values = secrets[1..6].iter().map(|(_, value)| *value);
    for hidden in hidden.into_iter().chain(channels).chain(values) {
        assert!(!report.contains(hidden), "{hidden:?} in {report}");
    }
    for hidden in [&*token, "github_pat_secret", "git-secret", "aws-secret"] {
        assert!(!ended.stdout.contains(hidden) && !ended.stderr.contains(hidden));
    }
    let again = mirror.run(&["check", "--report", "report.txt"]).await;
    again.failed(2, &["report.txt exists already"]);

    // Even a configuration that can't be read gives one.
    let home = tempfile::tempdir().unwrap();
    let odd = [("DISCORD_TOKEN", "not a secret token")];
    let ended = run(home.path(), &odd, &["check", "--report", "report.txt"]).await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    let report = fs::read_to_string(home.path().join("report.txt")).unwrap();
    assert!(
        report.contains("✗ configuration: DISCORD_TOKEN"),
        "{report}"
    );
    assert!(!report.contains("not a secret token"), "{report}");
}
