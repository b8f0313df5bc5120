//! A guild that is no longer mirrored: its complete deletion, even if killed, and the cost of
//! keeping it.

use std::path::Path;

use propsbot_archive::{ExportSpace, Id, export};
use propsbot_backends::FolderArchive;
use propsbot_model::{Evidence, Fact, GuildId, Observation, Privacy, Stamp, Tier, UserId};
use propsbot_rows::GuildRow;
use simulator::github::{Github, Options, Visibility};

use super::*;
use crate::archive::community::{request, rows};

/// The store's table of members' privacy choices, and that of what was decided of guilds.
const WISHES: u8 = 30;
const CHOICES: u8 = 36;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The `status` of each guild in the store.
async fn status(mirror: &Mirror) -> Vec<Value> {
    let status = mirror.run(&["status", "--json"]).await.ok();
    serde_json::from_str(&status.stdout).unwrap()
}

/// `kill -9` at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_guild_deletions_complete_on_rerun() {
    const KILLS: u32 = 8;
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let other = Guild::of_stranger(&mirror.discord, LATER);
    for _ in 0..20 {
        other.thank(&mirror.discord);
    }
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    mirror.export().await;
    mirror.variables.clear();
    let kept = mirror.home.path().join("kept");
    copy(&mirror.store_path(), &kept);
    let id = other.id.to_string();
    let forget = ["forget", "--guild", &*id];
    let begun = Instant::now();
    mirror.run(&forget).await.ok();
    let whole = begun.elapsed();
    let mut halfway = 0;
    for kill in 0..KILLS {
        fs::remove_dir_all(mirror.store_path()).unwrap();
        copy(&kept, &mirror.store_path());
        let running = mirror.start(&forget);
        tokio::time::sleep(whole * (kill + 1) / (KILLS + 1)).await;
        running.kill().await;
        halfway += u32::from(holds(&mirror.store_path(), TEXT.as_bytes()));
        // However often it is repeated.
        for _ in 0..2 {
            let again = mirror.run(&forget).await.ok();
            assert!(again.stdout.contains(&format!("guild {id}: ")), "{again:?}");
        }
        for bytes in [NAME.as_bytes(), TEXT.as_bytes()] {
            assert!(!holds(&mirror.store_path(), bytes), "kill {kill}");
        }
        let status = status(&mirror).await;
        let [left] = &status[..] else {
            panic!("kill {kill}: {status:?}");
        };
        assert_eq!(left["id"], own.id.to_string());
        assert_eq!(left["totals"]["messages"], 1);
    }
    assert!(halfway > 0, "each was killed too late");
    mirror.export().await;
    check_unknown(&mirror, &other).await;
}

/// Cached copies of an archive are deleted, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_guild_deletes_archive_copies() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let other = Guild::of_stranger(&mirror.discord, LATER);
    let cache = mirror.home.path().join("cache");
    for (name, value) in [
        ("GITHUB_TOKEN", github.token()),
        ("GITHUB_API_URL", github.url()),
        ("CACHE_PATH", cache.to_str().unwrap().to_owned()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    github.set_visibility(Visibility::Private);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    let archive = "github:octo-org/archive";
    mirror.run(&["export", "--to", archive]).await.ok();
    let graph = ["graph", "--from", archive, "--out", "out"];
    mirror.run(&graph).await.ok();
    assert!(holds(&cache, TEXT.as_bytes()));
    fs::write(cache.join("notes.txt"), "ours").unwrap();
    name(&mut mirror, "DISCORD_GUILDS", &[own.id]);
    let id = other.id.to_string();
    mirror.run(&["forget", "--guild", &id]).await.ok();
    assert!(!holds(&cache, TEXT.as_bytes()));
    assert!(cache.join("notes.txt").exists());
    mirror.run(&["export", "--to", archive]).await.ok();
    mirror.run(&graph).await.ok();
    assert!(!holds(&cache, TEXT.as_bytes()));
}

/// Copies go with the export that carries out a member's choice, too: the running bot makes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_that_hide_a_member_delete_archive_copies() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    own.thank(&mirror.discord);
    let cache = mirror.home.path().join("cache");
    for (name, value) in [
        ("GITHUB_TOKEN", github.token()),
        ("GITHUB_API_URL", github.url()),
        ("CACHE_PATH", cache.to_str().unwrap().to_owned()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    github.set_visibility(Visibility::Private);
    mirror.sync().await.ok();
    let archive = "github:octo-org/archive";
    mirror.run(&["export", "--to", archive]).await.ok();
    let graph = ["graph", "--from", archive, "--out", "out"];
    mirror.run(&graph).await.ok();
    assert!(holds(&cache, TEXT.as_bytes()));
    {
        let store = mirror.store();
        let at = Stamp(store.newest().unwrap().0 + 1);
        let wish = Privacy {
            tier: Tier::Everything,
            since: at.millis(),
            ..Privacy::unchosen(GuildId(own.id), UserId(own.owner))
        };
        let (by, fact) = (Evidence::Gateway, Fact::Privacy(wish));
        store.merge(&[vec![Observation { at, by, fact }]]).unwrap();
    }
    mirror.run(&["export", "--to", archive]).await.ok();
    assert!(!holds(&cache, TEXT.as_bytes()));
    // What is read later is what the archive has now.
    mirror.run(&graph).await.ok();
    assert!(!holds(&cache, TEXT.as_bytes()));
}

/// Who opted out or had their data deleted in a guild stays hidden in it, even if it is deleted and
/// mirrored again; and nothing but these choices stays of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn privacy_choices_outlive_a_forgotten_guild() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let other = Guild::of_stranger(&mirror.discord, LATER);
    let discord = &mirror.discord;
    let [zoe, cho, dan] = ["zephyrine", "chocolatine", "dandelion"]
        .map(|name| within(discord, other.id, || discord.join(name)));
    for (user, words) in [
        (zoe, "zoe's words"),
        (cho, "cho's words"),
        (dan, "dan's words"),
    ] {
        within(discord, other.id, || {
            discord.post(user, other.channel, words)
        });
    }
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    let running = start(&mirror).await;
    other
        .ask_until(&mirror.discord, "sync-status", ": listening")
        .await;
    for (user, what) in [(cho, 2), (dan, 0)] {
        let run = within(&mirror.discord, other.id, || {
            let options = json!({"what": what});
            mirror
                .discord
                .slash(user, other.channel, "privacy opt-out", options)
        });
        assert!(mirror.discord.answer(run).await.is_some());
    }
    // He opts in again: what he wrote before stays blank.
    let run = within(&mirror.discord, other.id, || {
        mirror
            .discord
            .slash(dan, other.channel, "privacy opt-in", json!({}))
    });
    assert!(mirror.discord.answer(run).await.is_some());
    stop(running).await;
    let id = other.id.to_string();
    let delete = ["forget", "--user", &zoe.to_string(), "--guild", &id];
    mirror.run(&delete).await.ok();
    let wishes = mirror.store().privacy(GuildId(other.id)).unwrap();
    assert_eq!(wishes.len(), 3);

    name(&mut mirror, "DISCORD_GUILDS", &[own.id]);
    mirror.run(&["forget", "--guild", &id]).await.ok();
    mirror.export().await;
    check_unknown(&mirror, &other).await;
    for text in ["zephyrine", "chocolatine", "dandelion", "words"] {
        assert!(!holds(&mirror.store_path(), text.as_bytes()), "{text}");
    }
    assert_eq!(mirror.store().privacy(GuildId(other.id)).unwrap(), wishes);
    let db = mirror.raw_store();
    let names_it = |bytes: &[u8]| bytes.windows(8).any(|part| part == other.id.to_be_bytes());
    let tables: Vec<u8> = db
        .iter()
        .map(|row| row.unwrap())
        .filter(|(key, value)| names_it(key) || names_it(value))
        .map(|(key, _)| key[0])
        .collect();
    drop(db);
    assert_eq!(tables, [WISHES, WISHES, WISHES, CHOICES]);

    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    mirror.export().await;
    for user in [cho, dan] {
        let known = mirror.store().member(GuildId(other.id), UserId(user));
        assert!(known.unwrap().is_some());
    }
    let rows = mirror.archived().await;
    let text = format!("{rows:?}");
    for hidden in ["zephyrine", "chocolatine", "words"] {
        assert!(!text.contains(hidden), "{hidden}");
        assert!(
            !holds(&mirror.archive_path(), hidden.as_bytes()),
            "{hidden}"
        );
    }
    assert!(text.contains("dandelion"));
    let zoes = zoe.to_be_bytes();
    let db = mirror.raw_store();
    let naming = db.iter().map(|row| row.unwrap()).filter(|(key, value)| {
        key.windows(8).any(|part| part == zoes) || value.windows(8).any(|part| part == zoes)
    });
    let naming: Vec<u8> = naming.map(|(key, _)| key[0]).collect();
    assert_eq!(naming, [WISHES]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unmirrored_guilds_get_no_scrub_requests() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let other = Guild::of_stranger(&mirror.discord, LATER);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    {
        // Its pauses would hide how long a round takes.
        let store = mirror.store();
        let mut settings = store.settings(GuildId(own.id)).unwrap();
        settings.scrub_rest_hours = 0;
        let chosen = Observation {
            at: Stamp(store.newest().unwrap().0 + 1),
            by: Evidence::Gateway,
            fact: Fact::Settings(settings),
        };
        store.merge(&[vec![chosen]]).unwrap();
    }
    let scrub = async |mirror: &Mirror, guild: &Guild| {
        let guilds = status(mirror).await;
        let id = guild.id.to_string();
        let found = guilds.iter().find(|of| of["id"] == *id);
        found.unwrap()["scrub"].clone()
    };
    let shared = scrub(&mirror, &own).await;
    assert_eq!(scrub(&mirror, &other).await["on"], true);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id]);
    let alone = scrub(&mirror, &own).await;
    let seconds = |scrub: &Value| scrub["shown_within"].as_u64().unwrap();
    assert!(seconds(&alone) < seconds(&shared), "{alone} {shared}");
    assert_eq!(scrub(&mirror, &other).await["on"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guild_graphs_warn_only_about_their_guild() {
    let mirror = Mirror::empty().await;
    let mut rows = rows();
    let mut both = request(&rows);
    rows.guilds.push(GuildRow {
        id: GuildId(5),
        ..rows.guilds[0].clone()
    });
    let chosen = both.spaces[0].id.clone();
    both.spaces.push(ExportSpace {
        id: Id::new(5),
        name: NAME.to_owned(),
        parts: Vec::new(),
        ..both.spaces[0].clone()
    });
    let archive = FolderArchive::new(mirror.archive_path());
    export(&archive, std::sync::Arc::new(rows), both)
        .await
        .unwrap();
    let from = ["graph", "--from", "dir:archive", "--out", "out"];
    let all = mirror.run(&from).await.ok();
    let id = chosen.to_string();
    let one = mirror
        .run(&[&from[..], &["--guild", &id]].concat())
        .await
        .ok();
    let says = |ended: &crate::mirror::Ended, words: &str| ended.stdout.contains(words);
    assert!(says(&all, "The Community") && says(&all, NAME), "{all:?}");
    assert!(says(&one, "The Community") && !says(&one, NAME), "{one:?}");
}
