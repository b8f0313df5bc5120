//! Guilds to which someone else added the bot, and permissions for what affects all guilds.

mod forgotten;
mod up_to_admins;

use std::{fs, time::Instant};

use propsbot_model::{ChannelId, GuildId, Member};
use serde_json::{Value, json};
use simulator::discord::{Answer, Discord, kind};

use crate::{
    live::SOON,
    mirror::{Mirror, Running, holds},
};

/// The name of a stranger's guild, and a text posted there.
const NAME: &str = "Stranger's lair";
const TEXT: &str = "thanks to myself, as always";

/// Just before the bot joined the simulator's own guild.
const EARLIER: i64 = 1_600_000_000_000;
/// Just after that.
const LATER: i64 = 1_750_000_000_000;

/// Someone else's guild.
struct Guild {
    id: u64,
    owner: u64,
    channel: u64,
}

/// Acts in a guild.
fn within<T>(discord: &Discord, guild: u64, act: impl FnOnce() -> T) -> T {
    let before = discord.visit(guild);
    let done = act();
    discord.visit(before);
    done
}

impl Guild {
    /// Someone adds the bot, and mints as much as they can.
    fn of_stranger(discord: &Discord, joined: i64) -> Self {
        let id = discord.found_guild(NAME, joined);
        within(discord, id, || {
            let owner = discord.owner_id();
            let channel = discord.create_channel(kind::TEXT, "props", vec![]);
            let guild = Self { id, owner, channel };
            guild.thank(discord);
            guild
        })
    }

    /// The simulator's own guild, with some content.
    fn own(discord: &Discord) -> Self {
        let channel = discord.create_channel(kind::TEXT, "props", vec![]);
        let owner = discord.owner_id();
        discord.post(
            owner,
            channel,
            &format!("thanks <@{}>", discord.join("ana")),
        );
        Self {
            id: discord.guild_id(),
            owner,
            channel,
        }
    }

    /// Posts thanks in it, and reactions to them.
    fn thank(&self, discord: &Discord) {
        self.post(discord, TEXT);
    }

    /// Posts thanks with these words, and reactions to them.
    fn post(&self, discord: &Discord, text: &str) {
        within(discord, self.id, || {
            let friend = discord.join("a friend");
            let message = discord.post(self.owner, self.channel, &format!("{text} <@{friend}>"));
            discord.react(self.owner, self.channel, message, "\u{1f44d}", false);
        });
    }

    async fn ask(&self, discord: &Discord, command: &str, options: Value) -> Answer {
        let run = within(discord, self.id, || {
            discord.slash(self.owner, self.channel, command, options)
        });
        discord.answer(run).await.expect("an answer")
    }

    /// Repeats a command until the response has these words.
    async fn ask_until(&self, discord: &Discord, command: &str, words: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.ask(discord, command, json!({})).await;
            if answer.content.contains(words) {
                return answer;
            }
            assert!(begun.elapsed() < SOON, "no {words:?} in {answer:?}");
        }
    }
}

fn name(mirror: &mut Mirror, variable: &str, ids: &[u64]) {
    mirror.variables.retain(|(name, _)| name != variable);
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    mirror.variables.push((variable.to_owned(), ids.join(",")));
}

async fn start(mirror: &Mirror) -> Running {
    let running = mirror.start(&["run"]);
    let ready = |discord: &Discord| discord.commands().len() >= 11 && discord.connected() > 0;
    assert!(
        mirror.discord.wait(SOON, ready).await,
        "{}",
        running.stderr()
    );
    running
}

async fn stop(running: Running) -> String {
    running.terminate();
    running.wait().await.ok().stderr
}

fn guilds_in(mirror: &Mirror) -> Vec<u64> {
    let guilds = mirror.store().guilds().unwrap();
    guilds.iter().map(|part| part.guild_id.0).collect()
}

/// The number of stored messages from the guild's channel.
fn messages_of(mirror: &Mirror, guild: &Guild) -> usize {
    let store = mirror.store();
    store
        .messages(ChannelId(guild.channel), 0..=u64::MAX)
        .count()
}

/// Asserts that nothing of the guild is in the store, its files' bytes, or the archive.
async fn check_unknown(mirror: &Mirror, guild: &Guild) {
    {
        let store = mirror.store();
        let id = GuildId(guild.id);
        assert!(store.channels(id).unwrap().is_empty());
        assert!(store.roles(id).unwrap().is_empty());
        // Users with deleted data appear as unnamed members.
        let is_nameless = |member: &Member| *member == Member::nameless(id, member.user_id);
        assert!(store.members(id).unwrap().iter().all(is_nameless));
        assert!(store.tallies(id).unwrap().is_empty());
        assert!(store.failures(id).unwrap().is_empty());
        assert!(store.admin_actions(id).unwrap().is_empty());
        let channel = ChannelId(guild.channel);
        assert!(store.coverage_of(id, channel).unwrap().is_none());
    }
    assert!(!guilds_in(mirror).contains(&guild.id));
    assert_eq!(messages_of(mirror, guild), 0);
    for bytes in [NAME.as_bytes(), TEXT.as_bytes()] {
        assert!(!holds(&mirror.store_path(), bytes));
    }
    let archived = mirror.archived().await;
    assert!(archived.guilds.iter().all(|row| row.id.0 != guild.id));
    assert!(
        archived
            .members
            .iter()
            .all(|row| row.guild_id.0 != guild.id)
    );
    assert!(
        archived
            .messages
            .iter()
            .all(|row| row.guild_id.0 != guild.id)
    );
    assert!(!holds(&mirror.archive_path(), TEXT.as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unmirrored_guilds_leave_no_rows() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    discord.make_public(true);
    let own = Guild::own(discord);
    let before = Guild::of_stranger(discord, LATER);
    let running = start(&mirror).await;
    own.ask_until(discord, "sync-status", ": listening").await;
    let during = Guild::of_stranger(discord, LATER + 1);
    for guild in [&before, &during] {
        guild.thank(discord);
        for command in ["setup", "archive now", "settings show", "help"] {
            let refused = guild.ask(discord, command, json!({})).await;
            assert!(refused.ephemeral, "{refused:?}");
            for words in ["DISCORD_GUILDS", &guild.id.to_string()] {
                assert!(refused.content.contains(words), "{refused:?}");
            }
        }
        let options = json!({"to": format!("<@{}>", own.owner), "for": TEXT});
        let refused = guild.ask(discord, "props", options).await;
        assert!(
            refused.content.contains("Nothing was recorded"),
            "{refused:?}"
        );
    }
    // Earlier gateway events are processed by now.
    own.ask(discord, "settings set", json!({"quota": 7})).await;
    // Forms and buttons are refused there, too.
    let form = within(discord, during.id, || {
        discord.submit(
            during.owner,
            during.channel,
            "props:1:2:0",
            &[("reason", TEXT)],
        )
    });
    let refused = discord.answer(form).await.unwrap();
    assert!(refused.content.contains("DISCORD_GUILDS"), "{refused:?}");
    // Still true after the sessions were lost and started again.
    let sessions = discord.counters().identifies;
    discord.lose_sessions();
    let again =
        |discord: &Discord| discord.connected() > 0 && discord.counters().identifies > sessions;
    assert!(discord.wait(SOON, again).await);
    discord.post(own.owner, own.channel, "still here");
    own.ask_until(discord, "sync-status", ": listening").await;
    let log = stop(running).await;
    for words in [before.id, during.id].map(|id| id.to_string()) {
        assert!(log.contains(&words), "{log}");
    }
    assert!(
        log.contains("DISCORD_GUILDS") && log.contains("Public Bot"),
        "{log}"
    );
    let synced = mirror.sync().await.ok();
    assert!(synced.stderr.contains("not mirrored"), "{synced:?}");
    mirror.export().await;
    assert_eq!(guilds_in(&mirror), [own.id]);
    check_unknown(&mirror, &before).await;
    check_unknown(&mirror, &during).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_the_guild_joined_first() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let own = Guild::own(discord);
    let oldest = Guild::of_stranger(discord, EARLIER);
    mirror.sync().await.ok();
    assert_eq!(guilds_in(&mirror), [oldest.id]);
    // Removed and added again, so the bot joined it last.
    within(discord, oldest.id, || {
        discord.kick_bot();
        discord.invite_bot();
    });
    mirror.sync().await.ok();
    assert_eq!(guilds_in(&mirror), [oldest.id]);
    // With the guild named, the store has both.
    let only = own.id.to_string();
    mirror.run(&["sync", "--guild", &only]).await.ok();
    mirror.sync().await.ok();
    let mut both = [oldest.id, own.id];
    both.sort_unstable();
    assert_eq!(guilds_in(&mirror), both);
}

/// It works even if the joining time is unreadable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chooses_a_guild_with_an_unreadable_member() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let own = Guild::own(discord);
    let other = Guild::of_stranger(discord, EARLIER);
    discord.mutate("GET /guilds/{guild_id}/members/{user_id}", "/user/id", "7");
    mirror.sync().await.ok();
    assert_eq!(guilds_in(&mirror), [own.id.min(other.id)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_the_first_guild_that_invites_a_running_bot() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let own = Guild::own(discord);
    discord.kick_bot();
    let running = start(&mirror).await;
    discord.invite_bot();
    own.ask_until(discord, "sync-status", ": listening").await;
    let stranger = Guild::of_stranger(discord, LATER);
    let refused = stranger.ask(discord, "setup", json!({})).await;
    assert!(refused.content.contains("DISCORD_GUILDS"), "{refused:?}");
    own.ask_until(discord, "sync-status", ": listening").await;
    stop(running).await;
    assert_eq!(guilds_in(&mirror), [own.id]);
    assert_eq!(messages_of(&mirror, &own), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_only_named_guilds_and_keeps_others() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let other = Guild::of_stranger(&mirror.discord, LATER);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    mirror.export().await;
    assert_eq!(mirror.archived().await.guilds.len(), 2);
    assert_eq!(messages_of(&mirror, &other), 1);

    // No longer named: kept unchanged. Members can still have their data deleted.
    name(&mut mirror, "DISCORD_GUILDS", &[own.id]);
    other.thank(&mirror.discord);
    mirror.sync().await.ok();
    let running = start(&mirror).await;
    own.ask_until(&mirror.discord, "sync-status", ": listening")
        .await;
    other.thank(&mirror.discord);
    let refused = other.ask(&mirror.discord, "setup", json!({})).await;
    assert!(refused.content.contains("no longer mirror"), "{refused:?}");
    let kept = other.ask(&mirror.discord, "privacy show", json!({})).await;
    assert!(kept.content.contains("message"), "{kept:?}");
    own.ask_until(&mirror.discord, "sync-status", ": listening")
        .await;
    stop(running).await;
    assert_eq!(messages_of(&mirror, &other), 1);

    // A graph of one guild; the archive has both.
    mirror.export().await;
    let id = own.id.to_string();
    let graph = async |arguments: &[&str]| {
        let from = ["graph", "--from", "dir:./archive", "--out", "out"];
        mirror.run(&[&from[..], arguments].concat()).await.ok();
        fs::read_to_string(mirror.home.path().join("out/graph.json")).unwrap()
    };
    let other_id = other.owner.to_string();
    assert!(graph(&[]).await.contains(&other_id));
    assert!(!graph(&["--guild", &id]).await.contains(&other_id));
    let from = [
        "graph",
        "--from",
        "dir:./archive",
        "--out",
        "out",
        "--guild",
        "5",
    ];
    mirror.run(&from).await.failed(2, &["has no space 5"]);

    // Deleted from the store, its log, the archive and the graph.
    let id = other.id.to_string();
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    let named = mirror.run(&["forget", "--guild", &id]).await;
    named.failed(2, &["DISCORD_GUILDS names the guild"]);
    mirror.variables.clear();
    mirror.run(&["forget", "--guild", &id]).await.ok();
    mirror.export().await;
    check_unknown(&mirror, &other).await;
    // The bot is still in it, but it isn't named, so it doesn't come back.
    mirror.sync().await.ok();
    mirror.export().await;
    check_unknown(&mirror, &other).await;
    assert_eq!(guilds_in(&mirror), [own.id]);
    assert_eq!(messages_of(&mirror, &own), 1);
    // Until it is named again.
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, other.id]);
    mirror.sync().await.ok();
    mirror.variables.clear();
    mirror.sync().await.ok();
    assert_eq!(messages_of(&mirror, &other), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn global_commands_are_for_operators() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    let guest = Guild::of_stranger(&mirror.discord, EARLIER);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, guest.id]);
    for is_operator in [false, true] {
        if is_operator {
            name(&mut mirror, "OPERATORS", &[guest.owner]);
        }
        let running = start(&mirror).await;
        let discord = &mirror.discord;
        for guild in [&own, &guest] {
            guild.ask_until(discord, "sync-status", ": listening").await;
        }
        own.ask(discord, "archive now", json!({})).await;
        let may = |guild: &Guild| is_operator || guild.id == own.id;
        for guild in [&own, &guest] {
            for command in ["archive status", "archive verify", "archive now"] {
                let answer = guild.ask(discord, command, json!({})).await;
                let is_refused = answer.content.contains("only my operators");
                assert_eq!(!is_refused, may(guild), "{answer:?}");
            }
            let setup = guild.ask(discord, "setup", json!({})).await;
            assert_eq!(setup.content.contains("dir:"), may(guild), "{setup:?}");
            let status = guild.ask(discord, "sync-status", json!({})).await;
            let is_told = status.content.contains("Last export");
            assert_eq!(is_told, may(guild), "{status:?}");
        }
        stop(running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_named_guilds_without_the_bot() {
    let mut mirror = Mirror::empty().await;
    let own = Guild::own(&mirror.discord);
    name(&mut mirror, "DISCORD_GUILDS", &[own.id, 7]);
    let ended = mirror.sync().await;
    ended.failed(1, &["guild 7", "DISCORD_GUILDS", "oauth2/authorize"]);
    assert_eq!(messages_of(&mirror, &own), 1);
    let ended = mirror.run(&["sync", "--guild", "8"]).await;
    ended.failed(2, &["add it to DISCORD_GUILDS"]);
    let running = start(&mirror).await;
    own.ask_until(&mirror.discord, "sync-status", ": listening")
        .await;
    // Members can use the bot's commands in guilds that it isn't in.
    for (guild, words) in [("7", "not in this server"), ("8", "DISCORD_GUILDS")] {
        let run = mirror.discord.interact_raw(json!({
            "application_id": mirror.discord.bot_id().to_string(), "type": 2,
            "data": {"id": "5", "name": "help", "type": 1}, "guild_id": guild, "channel_id": "6",
            "member": {"user": {"id": own.owner.to_string(), "username": "maren", "discriminator": "0"},
                "roles": [], "permissions": "8"},
        }));
        let answer = mirror.discord.answer(run).await.unwrap();
        assert!(
            answer.ephemeral && answer.content.contains(words),
            "{answer:?}"
        );
    }
    let log = stop(running).await;
    assert!(log.contains("the bot isn't in this guild"), "{log}");
}
