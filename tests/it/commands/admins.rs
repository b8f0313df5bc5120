//! What admins configure and request, and what they see of each other's actions.

use serde_json::json;
use simulator::discord::{Fault, Options, Overwrite, bit, kind};

use super::{SOON, Server, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_complete_and_permissions_match() {
    let server = Server::start().await;
    let commands = server.discord().commands();
    let names = |of: &serde_json::Value| of["name"].as_str().unwrap().to_owned();
    let listed: Vec<String> = commands.iter().map(names).collect();
    for name in [
        "props",
        "Give props",
        "undo",
        "leaderboard",
        "history",
        "why",
        "Why this cred?",
        "privacy",
        "help",
        "setup",
        "settings",
        "sync-status",
        "archive",
        "audit",
    ] {
        assert!(
            listed.iter().any(|listed| listed == name),
            "{name} in {listed:?}"
        );
    }
    let mut seen = Vec::new();
    for command in &commands {
        let mut open = vec![command.clone()];
        while let Some(it) = open.pop() {
            let description = it["description"].as_str().unwrap_or_default();
            let menu = matches!(it["type"].as_u64(), Some(2 | 3)) && it["id"].is_string();
            assert!(
                menu || (1..=100).contains(&description.chars().count()),
                "{it}"
            );
            assert!(!description.contains("A slash command"), "{it}");
            open.extend(it["options"].as_array().into_iter().flatten().cloned());
        }
        let admins = !command["default_member_permissions"].is_null();
        seen.push((names(command), admins));
    }
    let ana = server.ana;
    for (command, options) in [
        ("setup", json!({})),
        ("settings show", json!({})),
        ("settings set", json!({"quota": 1})),
        ("settings reset", json!({"setting": "all"})),
        ("settings exclude", json!({"channel": server.general})),
        ("sync-status", json!({})),
        ("archive now", json!({})),
        ("archive status", json!({})),
        ("archive verify", json!({})),
        ("audit", json!({})),
    ] {
        let root = command.split(' ').next().unwrap();
        assert!(seen.contains(&(root.to_owned(), true)), "{root}");
        says(&server.ask(ana, command, options).await, &["Manage Server"]);
    }
    let help = server.ask(ana, "help", json!({})).await;
    says(&help, &["`/props`", "`/undo`", "`/privacy opt-out`"]);
    assert!(!help.content.contains("/settings"), "{}", help.content);
    says(
        &server.admin("help", json!({})).await,
        &["`/settings set`", "`/archive now`", "`/setup`"],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setup_chooses_channels_and_lists_missing_permissions() {
    let server = Server::start().await;
    let discord = server.discord();
    let (owner, general) = (discord.owner_id(), server.general);
    let deaf = Overwrite::role(discord.guild_id(), 0, bit::READ_MESSAGE_HISTORY);
    let quiet = discord.create_channel(kind::TEXT, "quiet", vec![deaf]);
    // Nobody can read it there, so it may be meant so.
    let lacks = format!("! <#{quiet}>: missing Read Message History");
    let begun = std::time::Instant::now();
    let answer = loop {
        let answer = server.admin("setup", json!({})).await;
        if answer.content.contains(&lacks) {
            break answer;
        }
        assert!(begun.elapsed() < SOON, "{}", answer.content);
    };
    says(
        &answer,
        &["dir:./archive", &format!("Not exported: <#{quiet}>")],
    );
    assert!(!answer.content.contains("intent"), "{}", answer.content);
    // What the operator has to switch on is said as `propsbot check` says it.
    let off = json!({"id": "1", "flags": 0, "bot_public": false}).to_string();
    let off = Fault::Answer(200, off);
    discord.fail("GET /applications/@me", usize::MAX, off);
    says(
        &server.admin("setup", json!({})).await,
        &[
            "✗ the Message Content intent is switched off",
            "developer portal",
        ],
    );
    discord.heal();
    let page = answer.message_id.unwrap();
    // A member who got hold of the list can't use it.
    let run = discord.click(
        server.ana,
        general,
        page,
        "setup-channels",
        &[&general.to_string()],
    );
    says(&discord.answer(run).await.unwrap(), &["Manage Server"]);
    let run = discord.click(
        owner,
        general,
        page,
        "setup-channels",
        &[&general.to_string()],
    );
    let changed = discord.answer(run).await.unwrap();
    assert_eq!(changed.kind, 7, "{changed:?}");
    let text = changed.data["content"].as_str().unwrap();
    assert!(text.contains(&format!("Now: <#{general}>")), "{text}");
    says(
        &server.admin("audit", json!({})).await,
        &[&format!("<@{owner}>: props channels: <#{general}>")],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_settings_changes_are_kept_and_logged() {
    let server = Server::start().await;
    let discord = server.discord();
    let role = discord.create_role("admins", bit::MANAGE_GUILD);
    for user in [server.ana, server.ben] {
        discord.update_member(user, |discord| discord.roles.push(role));
    }
    let mut runs = Vec::new();
    for round in 1..=10 {
        let quota = json!({"quota": round});
        let wait = json!({"cooldown_minutes": round});
        runs.push(discord.slash(server.ana, server.general, "settings set", quota));
        runs.push(discord.slash(server.ben, server.general, "settings set", wait));
    }
    for run in &runs {
        says(&discord.answer(*run).await.unwrap(), &["Done"]);
    }
    let settings = server.admin("settings show", json!({})).await;
    says(&settings, &[" a day (UTC)", " minutes\n"]);
    assert!(
        !settings.content.contains("quota**: none"),
        "{}",
        settings.content
    );
    let audit = server.admin("audit", json!({})).await.content;
    for user in [server.ana, server.ben] {
        assert_eq!(audit.matches(&format!("<@{user}>")).count(), 10, "{audit}");
    }
    let reset = server
        .admin("settings reset", json!({"setting": "all"}))
        .await;
    says(&reset, &["thank 50 members a day", "per recipient**: none"]);
    says(
        &server
            .admin("settings reset", json!({"setting": "x"}))
            .await,
        &["no setting with that name"],
    );
    says(
        &server.admin("settings set", json!({})).await,
        &["Pick at least one option"],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_channels_are_included_only_by_name() {
    let mut private = 0;
    let mut server = Server::with(simulator::discord::Options::default(), |discord| {
        let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
        let bot = Overwrite::member(discord.bot_id(), bit::VIEW_CHANNEL, 0);
        private = discord.create_channel(kind::TEXT, "board-room", vec![hidden, bot]);
        let people = discord.people();
        discord.post(people[0], private, "between us");
        let general = discord.channel("general").unwrap();
        discord.post(people[0], general, "for everybody");
    })
    .await;
    let general = server.general;
    says(
        &server.admin("archive now", json!({})).await,
        &["generation"],
    );
    assert!(exported(&server, "for everybody").await && !exported(&server, "between us").await);

    for confirm in [
        json!({"channel": private}),
        json!({"channel": private, "confirm": "yes"}),
    ] {
        says(
            &server.admin("settings include", confirm).await,
            &["board-room", "Nothing was changed"],
        );
    }
    says(
        &server.admin("archive now", json!({})).await,
        &["stays at generation"],
    );
    let confirm = json!({"channel": private, "confirm": "board-room"});
    says(
        &server.admin("settings include", confirm).await,
        &[&format!("restricted**: <#{private}>")],
    );
    says(
        &server
            .admin("settings exclude", json!({"channel": general}))
            .await,
        &[&format!("<#{general}>")],
    );
    says(&server.admin("archive now", json!({})).await, &["Exported"]);
    assert!(!exported(&server, "for everybody").await && exported(&server, "between us").await);

    says(
        &server
            .admin("settings reset", json!({"setting": "exceptions"}))
            .await,
        &["restricted**: none"],
    );
    says(&server.admin("archive now", json!({})).await, &["Exported"]);
    assert!(exported(&server, "for everybody").await && !exported(&server, "between us").await);
    says(
        &server.admin("archive status", json!({})).await,
        &["Last export", "The next export is due"],
    );
    says(
        &server.admin("archive verify", json!({})).await,
        &["intact", "No faults"],
    );
    says(
        &server.admin("audit", json!({})).await,
        &[
            &format!("<#{private}> included in exports"),
            "started an export",
        ],
    );
    server.stop().await;
    assert!(server.mirror.verified().await.is_valid());
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_exports_run_one_by_one() {
    let server = Server::start().await;
    let owner = server.discord().owner_id();
    let runs: Vec<_> = (0..12)
        .map(|_| {
            server
                .discord()
                .slash(owner, server.general, "archive now", json!({}))
        })
        .collect();
    for run in runs {
        let answer = server.discord().answer(run).await.unwrap();
        let text = answer
            .followups
            .last()
            .map_or(answer.content.clone(), |followup| {
                followup.data["content"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            });
        assert!(text.contains("generation"), "{answer:?}");
    }
    assert!(
        !server.log().contains("nothing was exported"),
        "{}",
        server.log()
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_commands_only_if_they_changed() {
    const REGISTER: &str = "PUT /applications/{application_id}/commands";
    let mut server = Server::start().await;
    assert_eq!(server.discord().count(REGISTER), 1);
    for _ in 0..2 {
        server.stop().await;
        server.run().await;
        assert_eq!(server.discord().count(REGISTER), 1);
    }
    // Another store doesn't know about it.
    server.stop().await;
    std::fs::remove_dir_all(server.mirror.store_path()).unwrap();
    std::fs::remove_dir_all(server.mirror.archive_path()).unwrap();
    server.run().await;
    let again = server
        .discord()
        .wait(SOON, |discord| discord.count(REGISTER) == 2)
        .await;
    assert!(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_status_shows_a_single_channel() {
    let server = Server::start().await;
    let of = |channel: u64| json!({"channel": channel});
    let general = server.general;
    says(
        &server.admin("sync-status", of(general)).await,
        &[&format!("**<#{general}>**")],
    );
    server.check_manners();
}

async fn exported(server: &Server, words: &str) -> bool {
    format!("{:?}", server.mirror.archived().await).contains(words)
}

/// Discord accepts no response after 15 minutes, so the bot posts a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_results_are_posted_in_the_channel() {
    const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
    let server = Server::start().await;
    let discord = server.discord();
    let (owner, general) = (discord.owner_id(), server.general);
    let gone = r#"{"code":10062,"message":"Unknown interaction"}"#.to_owned();
    discord.fail(CALLBACK, 1, Fault::Answer(404, gone));
    discord.slash(owner, general, "archive now", json!({}));
    let said = |server: &simulator::discord::Discord| {
        let truth = server.truth();
        let mut of_bot = truth
            .messages
            .iter()
            .filter(|message| message.channel == general);
        of_bot.any(|of_bot| {
            of_bot.content.starts_with(&format!("<@{owner}>"))
                && of_bot.content.contains("generation")
        })
    };
    assert!(discord.wait(SOON, said).await, "{}", server.log());
}

/// A forum's messages are in its posts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forum_status_covers_its_posts() {
    let mut forum = 0;
    let server = Server::with(Options::default(), |discord| {
        forum = discord.create_channel(kind::FORUM, "questions", vec![]);
        for n in 0..3 {
            discord.create_post(forum, discord.owner_id(), &format!("question {n}"), "how?");
        }
    })
    .await;
    let status = server.admin("sync-status", json!({"channel": forum})).await;
    says(&status, &["3 posts, 3 complete", "3 messages"]);
    let commands = server.discord().commands();
    let command = commands
        .iter()
        .find(|command| command["name"] == "sync-status");
    let types = &command.unwrap()["options"][0]["channel_types"];
    for kind in [kind::FORUM, kind::MEDIA] {
        assert!(types.as_array().unwrap().contains(&json!(kind)), "{types}");
    }
    server.check_manners();
}
