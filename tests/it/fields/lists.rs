//! Lists that contradict what is known.

use super::*;

/// Impossible lists are requested again, then reported instead of trusted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_impossible_lists() {
    let work = [
        "members",
        "members but the bot",
        "most members",
        "many members",
        "channels",
        "most channels",
        "roles",
        "@everyone",
    ];
    let work = work.map(|case| tokio::spawn(impossible(case)));
    for done in work {
        done.await.unwrap();
    }
}

async fn impossible(case: &'static str) {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let people: Vec<u64> = (0..60)
        .map(|n| discord.join(&format!("member{n}")))
        .collect();
    let channels: Vec<u64> = (0..5)
        .map(|n| {
            let channel = discord.create_channel(kind::TEXT, &format!("channel{n}"), vec![]);
            discord.post(people[n], channel, "hello");
            channel
        })
        .collect();
    discord.create_role("makers", 0);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    let bot = format!("/id={}", discord.bot_id());
    let everyone = format!("/roles/id={}", discord.guild_id());
    let (route, named) = match case {
        "members" | "members but the bot" | "most members" | "many members" => (MEMBERS, "members"),
        "channels" | "most channels" => (CHANNELS, "channels"),
        _ => (GUILD, "guild"),
    };
    let lie = || match case {
        "members" => discord.mutate(MEMBERS, "", "[]"),
        "members but the bot" => discord.leave_out(MEMBERS, &bot),
        "most members" | "many members" => {
            let left = if case == "most members" { 1 } else { 38 };
            for member in &people[left..] {
                discord.leave_out(MEMBERS, &format!("/id={member}"));
            }
        }
        "channels" => discord.mutate(CHANNELS, "", "[]"),
        "most channels" => {
            for channel in &channels[..3] {
                discord.leave_out(CHANNELS, &format!("/id={channel}"));
            }
        }
        "roles" => discord.mutate(GUILD, "/roles", "[]"),
        _ => discord.leave_out(GUILD, &everyone),
    };
    lie();
    let before = discord.count(route);
    let synced = mirror.status().await["synced"][named].clone();
    mirror.sync().await;
    mirror.check_store();
    assert!(discord.count(route) >= before + 2, "{case}: asked once");
    let failures = mirror.failures().await;
    assert!(failures.contains_key(named), "{case}: {failures:?}");
    let status = mirror.status().await;
    assert_eq!(status["synced"][named], synced, "{case}: {status}");
    mirror.export().await;
    mirror.check_archive().await;
    discord.heal();

    // Real deletions are still detected.
    discord.leave(people[0]);
    discord.delete_channel(channels[0]);
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.failures().await, [].into(), "{case}");
}

/// A single impossible list costs one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_impossible_list_changes_nothing() {
    let mirror = Mirror::empty().await;
    let channel = general(&mirror);
    mirror.sync().await.ok();
    for route in [MEMBERS, CHANNELS] {
        mirror
            .discord
            .fail(route, 1, Fault::Answer(200, "[]".to_owned()));
        mirror.sync().await.ok();
        mirror.check_store();
        assert_eq!(mirror.failures().await, [].into(), "{route}");
    }
    assert!(mirror.discord.delete_channel(channel));
    mirror.sync().await.ok();
    mirror.check_store();
}

/// Channels of unknown types are read, exported and restored; unreadable parts are named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_channels_of_unknown_types() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [known, unknown] =
        [kind::TEXT, 21].map(|value| discord.create_channel(value, "room", vec![]));
    discord.post_many((0..150).map(|n| Draft::new(ana, unknown, n.to_string())));
    discord.post(ana, known, "hello");
    let thread = discord.create_thread(unknown, ana, "in it");
    discord.post(ana, thread, "archived");
    discord.archive_thread(thread);
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
    let archived = mirror.archived().await;
    let row = archived
        .channels
        .iter()
        .find(|row| row.id.0 == unknown)
        .unwrap();
    assert_eq!(row.kind.0, 21);
    std::fs::remove_dir_all(mirror.store_path()).unwrap();
    let archive = format!("dir:{}", mirror.archive_path().display());
    mirror.run(&["restore", "--from", &archive]).await.ok();
    mirror.sync().await.ok();
    mirror.check_store();

    let mirror = Mirror::empty().await;
    let mute = mirror.discord.create_channel(22, "mute", vec![]);
    let refused = r#"{"message": "Cannot execute action on this channel type", "code": 50024}"#;
    let refused = Fault::Answer(400, refused.to_owned());
    mirror.discord.fail(MESSAGES, usize::MAX, refused);
    let ended = mirror.sync().await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    let failures = mirror.failures().await;
    let named: Vec<&String> = failures.keys().collect();
    assert_eq!(named, [&format!("channel {mute}")], "{failures:?}");
}

/// Objects missing from `GUILD_CREATE` are requested over REST.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_missing_from_guild_create_are_not_deleted() {
    let mut mirror = Mirror::empty().await;
    let second = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
    mirror.variables.push(second);
    let discord = &mirror.discord;
    general(&mirror);
    let roles = ["makers", "mentors", "more"].map(|name| discord.create_role(name, 0));
    let ana = discord.people()[1];
    discord.update_member(ana, |member| member.roles = roles.to_vec());
    discord.create_emoji("props", false);
    mirror.sync().await.ok();
    let truth = discord.truth();
    for role in truth.roles.iter().filter(|role| role.id != truth.guild) {
        discord.leave_out("GUILD_CREATE", &format!("/roles/id={}", role.id));
    }
    discord.mutate("GUILD_CREATE", "/emojis", "[]");
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    mirror.check_store();
}
