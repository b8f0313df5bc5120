//! `propsbot run` with several shards: the pace of their starts, and that each fails alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use propsbot_model::{GuildId, SessionNumber, Stamp};
use serde_json::json;
use simulator::discord::{Discord, Identify, Manners, kind};

use crate::{
    live::SOON,
    mirror::{Mirror, Running},
};

/// Discord's time between two session starts of a lane.
const PACE: Duration = Duration::from_secs(5);

/// When the bot joined the first of the other guilds.
const JOINED: i64 = 1_700_000_000_000;

const MEMBERS: &str = "GET /guilds/{guild_id}/members";

/// A guild besides the simulator's own, on the shard of its number.
#[derive(Clone, Copy, Debug)]
struct Guild {
    id: u64,
    owner: u64,
    channel: u64,
}

impl Guild {
    fn found(discord: &Discord, number: u32) -> Self {
        let name = format!("guild {number}");
        let id = discord.found_guild(&name, JOINED + i64::from(number));
        let before = discord.visit(id);
        let guild = Self {
            id,
            owner: discord.owner_id(),
            channel: discord.create_channel(kind::TEXT, "general", vec![]),
        };
        discord.visit(before);
        guild
    }

    fn post(&self, discord: &Discord, text: &str) -> u64 {
        let before = discord.visit(self.id);
        let message = discord.post(self.owner, self.channel, text);
        discord.visit(before);
        message
    }

    fn shard(&self, count: u64) -> u64 {
        (self.id >> 22) % count
    }

    /// How often its members were listed: once for each lost session.
    fn reads(&self, discord: &Discord) -> usize {
        let id = self.id.to_string();
        let requests = discord.requests().into_iter();
        let of_members =
            requests.filter(|request| request.route == MEMBERS.trim_start_matches("GET "));
        of_members
            .filter(|request| request.path.contains(&id))
            .count()
    }
}

/// A bot in a guild on each of these shards, which starts `concurrency` of them at a time.
async fn sharded(shards: u32, concurrency: u64) -> (Mirror, Vec<Guild>) {
    let mut mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    discord.recommend_shards(shards.into(), concurrency);
    discord.pace_identifies(PACE);
    let guilds: Vec<Guild> = (0..shards).map(|n| Guild::found(discord, n)).collect();
    let on: BTreeSet<u64> = guilds.iter().map(|g| g.shard(shards.into())).collect();
    assert_eq!(on.len(), guilds.len(), "a guild on each shard");
    let ids: Vec<String> = guilds.iter().map(|guild| guild.id.to_string()).collect();
    for (name, value) in [
        ("DISCORD_GUILDS", ids.join(",")),
        ("EXPORT_INTERVAL", "1s".to_owned()),
    ] {
        mirror.variables.push((name.to_owned(), value));
    }
    (mirror, guilds)
}

async fn wait(mirror: &Mirror, running: &Running, what: &str, holds: impl FnMut(&Discord) -> bool) {
    let held = mirror.discord.wait(SOON, holds).await;
    assert!(held, "{what}: {}", running.stderr());
}

/// Waits until this many backfills have found everything.
async fn complete(running: &Running, times: usize) {
    let begun = Instant::now();
    let done = || running.stderr().matches("history is complete").count();
    while done() < times {
        assert!(begun.elapsed() < SOON, "{times}: {}", running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts the bot and waits until every shard is connected and every guild is complete.
async fn start(mirror: &Mirror, guilds: &[Guild]) -> Running {
    let running = mirror.start(&["run"]);
    let all = |discord: &Discord| discord.connected() == guilds.len();
    wait(mirror, &running, "all shards", all).await;
    complete(&running, guilds.len()).await;
    running
}

/// Waits until the running bot has exported these messages.
async fn exported(mirror: &Mirror, running: &Running, messages: &BTreeSet<u64>) {
    let begun = Instant::now();
    let archived = async || {
        let rows = mirror.archived().await.messages;
        let archived: BTreeSet<u64> = rows.iter().map(|row| row.id.0).collect();
        messages.is_subset(&archived)
    };
    while !archived().await {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// SIGTERM, then asserts that every guild in the store equals Discord's, and that Discord had
/// nothing to complain about.
async fn stop(mirror: &Mirror, running: Running, guilds: &[Guild]) {
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    for guild in guilds {
        mirror.discord.visit(guild.id);
        mirror.check_store();
    }
    assert_eq!(mirror.discord.violations(), Vec::<String>::new());
}

/// The time between the identifies of each lane.
fn waits(log: &[Identify], concurrency: u64) -> Vec<Duration> {
    let mut lanes: BTreeMap<u64, Vec<Instant>> = BTreeMap::new();
    for identify in log {
        let lane = lanes.entry(identify.shard[0] % concurrency).or_default();
        lane.push(identify.at);
    }
    let waits = lanes.values().flat_map(|lane| lane.windows(2));
    waits.map(|pair| pair[1] - pair[0]).collect()
}

/// Every shard starts once, as fast as Discord allows.
async fn starts_in_lanes(shards: u32, concurrency: u64) {
    let (mirror, guilds) = sharded(shards, concurrency).await;
    let running = start(&mirror, &guilds).await;
    let log = mirror.discord.identify_log();
    let count = u64::from(shards);
    let started: BTreeSet<[u64; 2]> = log.iter().map(|identify| identify.shard).collect();
    assert_eq!(started, (0..count).map(|id| [id, count]).collect());
    assert_eq!(log.len(), started.len());
    let waits = waits(&log, concurrency);
    assert_eq!(waits.len() as u64, count.saturating_sub(concurrency));
    assert!(waits.iter().all(|wait| *wait >= PACE), "{waits:?}");
    let commands = mirror
        .discord
        .count("PUT /applications/{application_id}/commands");
    assert_eq!(commands, 1, "once for all shards");
    stop(&mirror, running, &guilds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_with_lanes_of_their_own_start_together() {
    starts_in_lanes(16, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_a_lane_start_5_s_apart() {
    starts_in_lanes(6, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 s of waiting"]
async fn sixteen_shards_start_in_four_lanes() {
    starts_in_lanes(16, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 75 s of waiting"]
async fn sixteen_shards_start_in_one_lane() {
    starts_in_lanes(16, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_shard_affects_only_its_guilds() {
    let (mirror, guilds) = sharded(16, 16).await;
    let discord = &mirror.discord;
    let running = start(&mirror, &guilds).await;
    let sessions = |mirror: &Mirror| -> Vec<SessionNumber> {
        let store = mirror.store();
        let numbers = guilds.iter().map(|guild| store.session(GuildId(guild.id)));
        numbers.map(|session| session.unwrap().number).collect()
    };
    let reads: Vec<usize> = guilds.iter().map(|guild| guild.reads(discord)).collect();
    let lost = guilds[5];
    discord.lose_shard(lost.shard(16));
    for guild in &guilds {
        guild.post(discord, "while one shard is away");
    }
    let again = |discord: &Discord| lost.reads(discord) > reads[5];
    wait(&mirror, &running, "its guild is read again", again).await;
    complete(&running, guilds.len() + 1).await;
    let mut messages = BTreeSet::new();
    for (guild, before) in guilds.iter().zip(&reads) {
        let expected = before + usize::from(guild.id == lost.id);
        assert_eq!(guild.reads(discord), expected, "{guild:?}");
        messages.insert(guild.post(discord, "all are back"));
    }
    exported(&mirror, &running, &messages).await;
    stop(&mirror, running, &guilds).await;
    let numbers = sessions(&mirror);
    let others: BTreeSet<SessionNumber> = (0..16).filter(|n| *n != 5).map(|n| numbers[n]).collect();
    assert_eq!(others.len(), 1, "{numbers:?}");
    assert!(!others.contains(&numbers[5]), "{numbers:?}");
}

/// What is known of a guild ends with its shard's connection, and goes on elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_nothing_of_a_shard_that_is_away() {
    let (mirror, guilds) = sharded(4, 4).await;
    let discord = &mirror.discord;
    let running = start(&mirror, &guilds).await;
    discord.manners(Manners {
        refuses_identify: Some(4000),
        refuses_resume: Some(4000),
        ..Manners::default()
    });
    let (away, here) = (guilds[1], guilds[2]);
    discord.cut_shard(away.shard(4));
    let alone = |discord: &Discord| discord.connected() == 3;
    wait(&mirror, &running, "one is away", alone).await;
    away.post(discord, "unheard");
    let begun = Instant::now();
    // The bot notices after a moment, and what it hears from then on is newer.
    while begun.elapsed() < SOON && !running.stderr().contains("can't connect") {
        here.post(discord, "heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let noticed = Stamp::from(propsbot_jobs::clock::Clock::now());
    let until = here.post(discord, "heard at last");
    exported(&mirror, &running, &[until].into()).await;
    running.kill().await;
    {
        let store = mirror.store();
        let known = |guild: Guild| store.history_known_until(GuildId(guild.id)).unwrap();
        assert!(known(here) >= noticed);
        assert!(known(away) < noticed);
    }
    // The next start reads what was missed. A new process doesn't know when the last one identified.
    discord.pace_identifies(Duration::ZERO);
    discord.manners(Manners::default());
    let running = start(&mirror, &guilds).await;
    stop(&mirror, running, &guilds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumes_do_not_wait_behind_session_starts() {
    let (mirror, guilds) = sharded(4, 4).await;
    let discord = &mirror.discord;
    let running = start(&mirror, &guilds).await;
    let identifies = discord.counters().identifies;
    discord.manners(Manners {
        refuses_identify: Some(4000),
        ..Manners::default()
    });
    discord.lose_shard(0);
    discord.lose_shard(1);
    for shard in [2, 3] {
        discord.cut_shard(shard);
    }
    let resumed = |discord: &Discord| discord.counters().resumes == 2;
    wait(&mirror, &running, "two resume", resumed).await;
    assert_eq!(discord.counters().identifies, identifies);
    discord.manners(Manners::default());
    let all = |discord: &Discord| discord.connected() == 4;
    wait(&mirror, &running, "all are back", all).await;
    complete(&running, guilds.len() + 2).await;
    stop(&mirror, running, &guilds).await;
}

/// Twice in a row: the second time, every lane has to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_can_end_at_once() {
    let (mirror, guilds) = sharded(16, 16).await;
    let discord = &mirror.discord;
    let running = start(&mirror, &guilds).await;
    for times in 1..=2 {
        discord.hold_events(true);
        for guild in &guilds {
            guild.post(discord, "lost with the session");
        }
        discord.invalidate_session(false);
        discord.hold_events(false);
        let expected = 16 * (times + 1);
        let all = |discord: &Discord| discord.counters().identifies == expected;
        wait(&mirror, &running, "all start again", all).await;
    }
    let read = |discord: &Discord| guilds.iter().all(|guild| guild.reads(discord) >= 2);
    wait(&mirror, &running, "all guilds are read again", read).await;
    let begun = Instant::now();
    for guild in &guilds {
        let last = guild.post(discord, "after the storm");
        let has_it = async || {
            let rows = mirror.archived().await.messages;
            rows.iter().any(|row| row.id.0 == last)
        };
        while !has_it().await {
            assert!(begun.elapsed() < SOON, "{}", running.stderr());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    stop(&mirror, running, &guilds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_share_the_session_start_limit() {
    let (mirror, guilds) = sharded(4, 16).await;
    let discord = &mirror.discord;
    discord.limit_session_starts(3, 3_000);
    let running = mirror.start(&["run"]);
    let three = |discord: &Discord| discord.connected() == 3;
    wait(&mirror, &running, "three start", three).await;
    let asked = discord.count("GET /gateway/bot");
    let again = |discord: &Discord| discord.count("GET /gateway/bot") > asked + 1;
    wait(&mirror, &running, "it asks again", again).await;
    assert_eq!(discord.counters().identify_attempts, 3);
    let said = running.stderr();
    assert_eq!(said.matches("limit is used up").count(), 1, "{said}");
    discord.limit_session_starts(1_000, 3_000);
    let all = |discord: &Discord| discord.connected() == 4;
    wait(&mirror, &running, "the fourth starts", all).await;
    complete(&running, guilds.len()).await;
    stop(&mirror, running, &guilds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_again_with_more_shards_when_discord_requires_them() {
    let (mirror, guilds) = sharded(4, 16).await;
    let discord = &mirror.discord;
    discord.recommend_shards(2, 16);
    let running = mirror.start(&["run"]);
    let two = |discord: &Discord| discord.connected() == 2;
    wait(&mirror, &running, "two shards", two).await;
    complete(&running, guilds.len()).await;
    discord.require_shards(4);
    discord.recommend_shards(4, 16);
    discord.lose_shard(1);
    for guild in &guilds {
        guild.post(discord, "in between");
    }
    let four = |discord: &Discord| {
        let log = discord.identify_log();
        let of_four: BTreeSet<u64> = log
            .iter()
            .filter(|identify| identify.shard[1] == 4)
            .map(|identify| identify.shard[0])
            .collect();
        discord.connected() == 4 && of_four.len() == 4
    };
    wait(&mirror, &running, "four shards", four).await;
    complete(&running, 2 * guilds.len()).await;
    stop(&mirror, running, &guilds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_while_shards_wait_for_their_turn() {
    let (mirror, _) = sharded(16, 1).await;
    let running = mirror.start(&["run"]);
    let some = |discord: &Discord| discord.connected() > 0;
    wait(&mirror, &running, "the first shard", some).await;
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// A guild's commands arrive on its shard, direct messages on shard 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shard_answers_commands() {
    let (mirror, guilds) = sharded(3, 16).await;
    let discord = &mirror.discord;
    let running = start(&mirror, &guilds).await;
    let registered = |discord: &Discord| discord.commands().len() >= 11;
    wait(&mirror, &running, "the commands", registered).await;
    for guild in &guilds {
        let before = discord.visit(guild.id);
        let run = discord.slash(guild.owner, guild.channel, "sync-status", json!({}));
        let answer = discord.answer(run).await.expect("an answer");
        let is_first = guild.id == guilds[0].id;
        let says = answer.content.contains("3 of 3 shards connected");
        // Other guilds' admins see only their own guild.
        assert_eq!(says, is_first, "{}", answer.content);
        discord.visit(before);
    }
    let ping = discord.interact_raw(json!({"type": 1}));
    assert_eq!(discord.answer(ping).await.expect("an answer").kind, 1);
    stop(&mirror, running, &guilds).await;
}
