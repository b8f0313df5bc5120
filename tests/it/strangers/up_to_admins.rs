//! `DISCORD_GUILDS=all`: each guild's admins switch its mirror on and off.

use std::time::Duration;

use super::*;

const ON: &str = "setup-mirror:on";
/// Words of the guild that is mirrored, unlike those that must not be kept.
const OWN: &str = "thanks for the welcome";

/// Waits until the running bot has fetched what it missed.
async fn fetched(running: &Running) {
    let begun = Instant::now();
    while !running.stderr().contains("history is complete") {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs `/setup`, then presses these buttons, one after another. Returns the last page.
async fn press(discord: &Discord, guild: &Guild, buttons: &[&str]) -> String {
    let first = guild.ask(discord, "setup", json!({})).await;
    let message = first.message_id.expect("a page");
    let mut shown = first.content;
    for button in buttons {
        let run = within(discord, guild.id, || {
            discord.click(guild.owner, guild.channel, message, button, &[])
        });
        let page = discord.answer(run).await.expect("another page");
        let content = page.data["content"].as_str().unwrap_or(&page.content);
        content.clone_into(&mut shown);
    }
    shown
}

fn requests_about(discord: &Discord, guild: &Guild) -> Vec<String> {
    let requests = discord.requests().into_iter();
    let paths = requests.map(|request| request.path);
    let (id, channel) = (guild.id.to_string(), guild.channel.to_string());
    paths
        .filter(|path| path.contains(&id) || path.contains(&channel))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_switch_their_mirror_on_and_off() {
    let mut mirror = Mirror::empty().await;
    let all = ("DISCORD_GUILDS".to_owned(), "all".to_owned());
    mirror.variables.push(all);
    let discord = &mirror.discord;
    discord.make_public(true);
    let own = Guild::own(discord);
    let shy = Guild::of_stranger(discord, LATER);
    let none = mirror.sync().await;
    none.failed(1, &["no guild's admins have switched its mirror on"]);
    let running = start(&mirror).await;

    // Nothing is kept, requested or recorded until then.
    for (guild, text) in [(&own, OWN), (&shy, TEXT)] {
        guild.post(discord, text);
        for command in ["sync-status", "settings show", "archive now"] {
            let refused = guild.ask(discord, command, json!({})).await;
            assert!(refused.content.contains("with `/setup`"), "{refused:?}");
        }
        let page = press(discord, guild, &[]).await;
        assert!(page.contains("I don't mirror this server"), "{page}");
        assert_eq!(requests_about(discord, guild), Vec::<String>::new());
    }

    // Only members who manage the guild can switch it on.
    let ana = within(discord, own.id, || discord.join("not an admin"));
    let page = own.ask(discord, "setup", json!({})).await;
    let message = page.message_id.expect("a page");
    let run = discord.click(ana, own.channel, message, ON, &[]);
    let refused = discord.answer(run).await.expect("an answer");
    assert!(refused.content.contains("Manage Server"), "{refused:?}");

    let page = press(discord, &own, &[ON]).await;
    assert!(page.contains("from now on"), "{page}");
    own.ask_until(discord, "sync-status", ": listening").await;
    fetched(&running).await;
    // Being the first one makes nobody an operator.
    let refused = own.ask(discord, "archive now", json!({})).await;
    assert!(refused.content.contains("only my operators"), "{refused:?}");

    // Off: first it asks. Then nothing more is kept, and what is kept stays.
    let page = press(discord, &own, &["setup-mirror:ask"]).await;
    assert!(page.contains("Stop mirroring this server?"), "{page}");
    let buttons = ["setup-mirror:ask", "setup-mirror:off"];
    let page = press(discord, &own, &buttons).await;
    assert!(page.contains("no longer mirror"), "{page}");
    own.post(discord, OWN);
    let requests = requests_about(discord, &own).len();
    let kept = own.ask(discord, "privacy show", json!({})).await;
    assert!(kept.content.contains("message"), "{kept:?}");
    let refused = own.ask(discord, "sync-status", json!({})).await;
    assert!(
        refused.content.contains("on again with `/setup`"),
        "{refused:?}"
    );
    assert_eq!(requests_about(discord, &own).len(), requests);
    stop(running).await;
    assert_eq!(messages_of(&mirror, &own), 2);

    // A restart keeps the choice, and what was missed is fetched once it's on again.
    let running = start(&mirror).await;
    own.post(discord, OWN);
    let page = press(discord, &own, &[ON]).await;
    assert!(page.contains("from now on"), "{page}");
    own.ask_until(discord, "sync-status", ": listening").await;
    fetched(&running).await;
    stop(running).await;
    mirror.check_store();
    assert_eq!(messages_of(&mirror, &own), 4);
    mirror.sync().await.ok();
    mirror.export().await;
    check_unknown(&mirror, &shy).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_guilds_stay_unmirrored_until_switched_on_again() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    mirror
        .variables
        .push(("DISCORD_GUILDS".to_owned(), "all".to_owned()));
    name(&mut mirror, "OPERATORS", &[own.owner]);
    for _ in 0..2 {
        let running = start(&mirror).await;
        let discord = &mirror.discord;
        press(discord, &own, &[ON]).await;
        own.ask_until(discord, "sync-status", ": listening").await;
        fetched(&running).await;
        let done = own.ask(discord, "archive now", json!({})).await;
        assert!(!done.content.contains("only my operators"), "{done:?}");
        stop(running).await;
        assert_eq!(messages_of(&mirror, &own), 1);
        let id = own.id.to_string();
        let ended = mirror.run(&["forget", "--guild", &id]).await.ok();
        assert!(
            ended.stdout.contains("unless its admins switch"),
            "{ended:?}"
        );
        let running = start(&mirror).await;
        let page = press(&mirror.discord, &own, &[]).await;
        assert!(page.contains("I don't mirror this server"), "{page}");
        stop(running).await;
        assert_eq!(guilds_in(&mirror), Vec::<u64>::new());
    }
}
