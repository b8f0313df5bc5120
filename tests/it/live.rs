//! `propsbot run` with a busy Discord, through faults: the mirror equals Discord.

use std::time::{Duration, Instant};

use propsbot_archive::{Depth, verify};
use propsbot_backends::FolderArchive;
use propsbot_rows::{SCHEMA, Snapshot};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::json;
use simulator::discord::{Discord, Options, Overwrite, Seed, bit, kind};

use crate::mirror::{Mirror, Running};

const MEMBERS: &str = "GET /guilds/{guild_id}/members";
/// Limit for things that take a moment.
pub(crate) const SOON: Duration = Duration::from_mins(2);

/// A community, and a bot that exports every second.
async fn community(seed: u64) -> Mirror {
    let options = Options {
        seed: Seed {
            seed,
            messages: 200,
            members: 20,
            days: 5,
            ..Seed::default()
        },
        ..Options::default()
    };
    let mut mirror = Mirror::new(options).await;
    mirror.manage_threads();
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    mirror
}

/// Starts the bot and waits until it listens.
pub(crate) async fn start(mirror: &Mirror) -> Running {
    let running = mirror.start(&["run"]);
    let connected = |discord: &Discord| discord.connected() > 0;
    let came = mirror.discord.wait(SOON, connected).await;
    assert!(came, "{}", running.stderr());
    running
}

/// Waits until the running bot's archive equals Discord.
pub(crate) async fn settled(mirror: &Mirror, running: &Running) {
    let begun = Instant::now();
    loop {
        let differences = mirror.archive_differences().await;
        if differences.is_empty() {
            break;
        }
        assert!(
            begun.elapsed() < SOON,
            "{}\n{}",
            differences.join("\n"),
            running.stderr()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// SIGTERM: the bot ends in time with success, and everything is exported and stored.
pub(crate) async fn stop(mirror: &Mirror, running: Running) {
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    mirror.check_store();
    let found = mirror.verified().await;
    assert!(found.is_valid(), "{:#?}", found.faults);
    mirror.check_archive().await;
}

/// Moderation, in addition to the simulator's own activity.
fn moderate(discord: &Discord, random: &mut StdRng) {
    let truth = discord.truth();
    let readable = |id: u64| {
        truth
            .channels
            .iter()
            .any(|channel| channel.id == id && channel.kind == kind::TEXT)
    };
    let messages: Vec<_> = truth
        .messages
        .iter()
        .filter(|message| readable(message.channel))
        .collect();
    let Some(message) = messages.choose(random) else {
        return;
    };
    let (channel, id) = (message.channel, message.id);
    let reaction = message.reactions.first();
    match random.random_range(0..8) {
        0 => {
            discord.clear_reactions(channel, id);
        }
        1 => {
            if let Some(reaction) = reaction {
                let name = reaction.emoji_name.clone().unwrap_or("_".to_owned());
                let emoji = reaction
                    .emoji_id
                    .map_or(name.clone(), |id| format!("{name}:{id}"));
                discord.clear_emoji(channel, id, &emoji);
            }
        }
        2 => {
            let same = messages.iter().filter(|message| message.channel == channel);
            let ids: Vec<u64> = same.map(|same| same.id).take(3).collect();
            discord.delete_bulk(channel, &ids);
        }
        3 => {
            let role = discord.create_role("passing", 0);
            discord.update_member(message.author, |discord| discord.roles.push(role));
            if random.random() {
                discord.delete_role(role);
            }
        }
        4 => {
            // Hidden from the bot, then shown with what was posted meanwhile.
            let hidden = Overwrite {
                id: discord.bot_id(),
                member: true,
                allow: 0,
                deny: bit::VIEW_CHANNEL,
            };
            discord.update_channel(channel, |discord| discord.overwrites.push(hidden));
            discord.post(discord.owner_id(), channel, "unheard");
            discord.update_channel(channel, |discord| {
                discord.overwrites.pop();
            });
        }
        5 => {
            let thread = discord.create_thread(channel, discord.owner_id(), "aside");
            discord.post(discord.owner_id(), thread, "in it");
            discord.archive_thread(thread);
        }
        6 => {
            let emoji = discord.create_emoji("fresh", false);
            let user = discord.owner_id();
            discord.react(
                user,
                channel,
                id,
                &format!("fresh:{emoji}"),
                random.random(),
            );
            if random.random() {
                discord.delete_emoji(emoji);
            }
        }
        _ => {
            discord.rename(message.author, &format!("renamed{id}"), None);
        }
    }
}

type Break = (&'static str, bool, fn(&Discord));

/// Ways to break the connection, and whether the session survives. If so, nothing is read over
/// REST, which would hide gateway bugs.
const BREAKS: [Break; 9] = [
    ("not at all", true, |_| {}),
    ("cut", true, |discord| discord.cut_gateway()),
    ("closed, to be resumed", true, |discord| {
        discord.close_gateway(4000);
    }),
    ("invalid, to be resumed", true, |discord| {
        discord.invalidate_session(true);
    }),
    ("asked to reconnect", true, |discord| discord.reconnect()),
    ("closed, session timed out", false, |discord| {
        discord.close_gateway(4009);
    }),
    ("invalid for good", false, |discord| {
        discord.invalidate_session(false);
    }),
    ("sessions lost", false, |discord| discord.lose_sessions()),
    ("guild in an outage", false, |discord| {
        discord.unavailable(true);
        discord.step(5);
        discord.unavailable(false);
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirror_follows_a_busy_guild_through_reconnects() {
    let mirror = community(31).await;
    let discord = &mirror.discord;
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    let mut random = StdRng::seed_from_u64(31);
    for (name, resumed, break_it) in BREAKS {
        let before = discord.counters();
        let members = discord.count(MEMBERS);
        for _ in 0..10 {
            discord.step(10);
            moderate(discord, &mut random);
        }
        // Activity while events are held back, and while the bot is down.
        discord.hold_events(true);
        discord.step(10);
        moderate(discord, &mut random);
        break_it(discord);
        discord.step(10);
        moderate(discord, &mut random);
        discord.hold_events(false);
        let back = |discord: &Discord| {
            let (now, again) = (discord.counters(), discord.count(MEMBERS) > members);
            match name {
                "not at all" => true,
                "guild in an outage" => again,
                _ if resumed => now.resumes > before.resumes,
                _ => now.identifies > before.identifies && again,
            }
        };
        assert!(
            discord.wait(SOON, back).await,
            "{name}: {}",
            running.stderr()
        );
        settled(&mirror, &running).await;
        // Members are listed only after a lost session.
        assert_eq!(discord.count(MEMBERS) == members, resumed, "{name}");
    }
    stop(&mirror, running).await;
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_runs_lose_nothing() {
    let mirror = community(32).await;
    let discord = &mirror.discord;
    let mut random = StdRng::seed_from_u64(32);
    for _ in 0..6 {
        let running = start(&mirror).await;
        let lasts = Duration::from_millis(random.random_range(0..900));
        let begun = Instant::now();
        while begun.elapsed() < lasts {
            discord.step(3);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.kill().await;
        discord.step(5);
        if mirror.archive_path().join("manifest.json").exists() {
            let archive = FolderArchive::new(mirror.archive_path());
            let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
            assert!(found.is_valid(), "{:#?}", found.faults);
        }
    }
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn props_are_recorded_once_and_survive_a_kill() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let [ana, ben, cho] = ["ana", "ben", "cho"].map(|name| discord.join(name));
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let running = start(&mirror).await;
    let registered = discord
        .wait(SOON, |discord| discord.commands().len() >= 3)
        .await;
    assert!(registered, "{}", running.stderr());
    let options = json!({"to": format!("<@{ben}> <@{cho}> <@{ben}>"), "for": "the *review*"});
    let run = discord.slash(ana, channel, "props", options);
    let answer = discord.answer(run).await.expect("an answer");
    assert!(!answer.ephemeral, "{}", answer.content);
    // Killed at once: what was answered is recorded.
    running.kill().await;
    let props = |snapshot: &Snapshot| {
        let rows = snapshot.props.iter();
        rows.map(|row| {
            let receivers = row
                .receiver_ids
                .iter()
                .map(|receiver_id| receiver_id.0)
                .collect::<Vec<_>>();
            (
                row.giver_id.0,
                receivers,
                row.reason.clone(),
                row.message_id.map(|message_id| message_id.0),
            )
        })
        .collect::<Vec<_>>()
    };
    let given = |message| (ana, vec![ben, cho], "the *review*".to_owned(), message);
    let kept = props(&crate::mirror::whole(&mirror.store(), mirror.guild()));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(given(kept[0].3), kept[0]);

    // The bot's message is found again, and doesn't count twice.
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    assert_eq!(props(&mirror.archived().await), [given(answer.message_id)]);
    let status = mirror.status().await;
    assert_eq!(status["totals"]["props"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_events_affect_only_themselves() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    let running = start(&mirror).await;
    let guild = discord.guild_id().to_string();
    for (name, data) in [
        (
            "MESSAGE_CREATE",
            json!({"guild_id": guild, "id": "no number", "content": 7}),
        ),
        ("MESSAGE_DELETE", json!({"id": null})),
        ("MESSAGE_REACTION_ADD", json!([])),
        (
            "GUILD_MEMBER_UPDATE",
            json!({"guild_id": guild, "user": "nobody"}),
        ),
        ("SOMETHING_NEW", json!({"guild_id": guild})),
    ] {
        discord.post(ana, channel, "before");
        discord.dispatch_raw(name, data);
        discord.post(ana, channel, "after");
    }
    settled(&mirror, &running).await;
    // It is reported, and made up for by reading everything again.
    let log = running.stderr();
    assert!(log.contains("MESSAGE_CREATE"), "{log}");
    stop(&mirror, running).await;
}

/// Discord announces a role's deletion, but not its removal from members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_roles_are_removed_from_members() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let [kept, gone] = ["kept", "gone"].map(|name| discord.create_role(name, 0));
    discord.update_member(ana, |discord| discord.roles = vec![kept, gone]);
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    discord.update_member(ben, |discord| discord.roles = vec![gone, kept]);
    discord.delete_role(gone);
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}

/// Role history is known from events and, for times without a connection, from member lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_role_history() {
    let mut mirror = Mirror::empty().await;
    mirror
        .variables
        .push(("EXPORT_INTERVAL".to_owned(), "1s".to_owned()));
    let discord = &mirror.discord;
    let [ana, ben] = ["ana", "ben"].map(|name| discord.join(name));
    let [maker, mentor] = ["maker", "mentor"].map(|name| discord.create_role(name, 0));
    discord.update_member(ben, |discord| discord.roles = vec![mentor]);
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    let give = |roles: &[u64]| discord.update_member(ana, |discord| discord.roles = roles.to_vec());
    // Live: a role is given and deleted; the member leaves and returns.
    give(&[maker]);
    settled(&mirror, &running).await;
    give(&[maker, mentor]);
    give(&[mentor]);
    discord.leave(ana);
    settled(&mirror, &running).await;
    discord.rejoin(ana);
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
    // Unheard: only what is found afterwards.
    give(&[maker]);
    mirror.sync().await.ok();
    give(&[mentor]);
    give(&[mentor, maker]);
    mirror.sync().await.ok();
    discord.leave(ana);
    mirror.sync().await.ok();
    discord.rejoin(ana);
    give(&[mentor]);
    mirror.sync().await.ok();
    // Nothing changed, so nothing is exported.
    mirror.export().await;
    mirror.sync().await.ok();
    let said = mirror.export().await.stdout;
    assert!(said.contains("nothing changed"), "{said}");

    let snapshot = mirror.archived().await;
    let row = |user: u64| {
        snapshot
            .members
            .iter()
            .find(|member| member.user_id.0 == user)
    };
    let history = row(ana).unwrap().role_history.as_ref().unwrap();
    let found: Vec<_> = history
        .iter()
        .map(|history| {
            let roles = history.roles.as_ref()?;
            Some(roles.iter().map(|role| role.0).collect::<Vec<_>>())
        })
        .collect();
    let had = |roles: &[u64]| {
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        Some(roles)
    };
    let expected = [
        had(&[]),
        had(&[maker]),
        had(&[maker, mentor]),
        had(&[mentor]),
        None,
        had(&[]),
        had(&[maker]),
        had(&[maker, mentor]),
        None,
        had(&[mentor]),
    ];
    assert_eq!(found, expected);
    assert!(history.is_sorted_by_key(|history| history.since));
    for (n, span) in history.iter().enumerate() {
        // Within a millisecond, the last one counts.
        if history
            .get(n + 1)
            .is_none_or(|history| history.since > span.since)
        {
            let then = row(ana).unwrap().roles_at(span.since);
            assert_eq!(then, span.roles.as_deref());
        }
    }
    // Without changes, only the present is exported.
    assert_eq!(row(ben).unwrap().role_history, None);
    assert_eq!(row(ben).unwrap().roles.len(), 1);
}

/// The position exceeds 16 bits, which can happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_missing_from_the_gateway_are_not_deleted() {
    let mut mirror = Mirror::empty().await;
    let every_second = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
    mirror.variables.push(every_second);
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let [general, odd] =
        ["general", "odd"].map(|name| discord.create_channel(kind::TEXT, name, vec![]));
    discord.post(ana, odd, "kept");
    discord.post(ana, general, "kept");
    mirror.sync().await.ok();
    discord.update_channel(odd, |discord| discord.position = 100_000);
    let threads = "GET /guilds/{guild_id}/threads/active";
    let before = discord.count(threads);
    let running = start(&mirror).await;
    assert!(
        discord
            .wait(SOON, |discord| discord.count(threads) > before)
            .await
    );
    discord.post(ana, general, "heard");
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}
