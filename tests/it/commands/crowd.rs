//! Many members in the same minute, with Discord's limits, during a backfill.

use std::time::Duration;

use serde_json::json;
use simulator::discord::{Discord, Limits, Options, Seed};

use super::Server;
use crate::mirror::Mirror;

/// 200 members each give props once, all at once. Discord waits 3 s for each response and counts
/// later ones as violations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_200_members_in_a_minute_in_time() {
    let mirror = Mirror::new(Options {
        seed: Seed {
            members: 200,
            messages: 3_000,
            ..Seed::default()
        },
        limits: Limits::discord(),
        ..Options::default()
    })
    .await;
    let discord = &mirror.discord;
    let running = mirror.start(&["run"]);
    let ready = |discord: &Discord| discord.commands().len() >= 11 && discord.connected() > 0;
    assert!(
        discord.wait(Duration::from_secs(20), ready).await,
        "{}",
        running.stderr()
    );
    let channel = discord.channel("general").unwrap();
    let people: Vec<u64> = discord.people().into_iter().take(200).collect();
    let mut runs = Vec::new();
    for (index, giver) in people.iter().enumerate() {
        let to = people[(index + 1) % people.len()];
        let options = json!({"to": format!("<@{to}>"), "for": format!("reason {index}")});
        runs.push(discord.slash(*giver, channel, "props", options));
    }
    for run in &runs {
        let answer = discord.answer(*run).await;
        let answer = answer.unwrap_or_else(|| panic!("{}", running.stderr()));
        assert!(!answer.ephemeral, "{answer:?}");
    }
    // If the backfill were done already, this would be too easy.
    let requests = discord.requests().len();
    assert!(
        discord
            .wait(Duration::from_secs(10), |discord| discord.requests().len()
                > requests + 20)
            .await,
        "{}",
        running.stderr()
    );
    running.terminate();
    running.wait().await.ok();
    let rows = crate::mirror::whole(&mirror.store(), mirror.guild()).props;
    let given: std::collections::BTreeSet<&str> = rows
        .iter()
        .map(|row| row.reason.as_str())
        .filter(|reason| reason.starts_with("reason "))
        .collect();
    assert_eq!(given.len(), people.len());
    let rows = rows.iter().filter(|row| row.reason.starts_with("reason "));
    assert_eq!(rows.count(), people.len());
    let late: Vec<String> = discord.violations();
    assert_eq!(late, Vec::<String>::new());
}

/// Discord takes about one message a second per channel. Members who give meanwhile are told that
/// the response is on its way, and get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_props_for_a_busy_channel() {
    let mut others = Vec::new();
    let options = Options {
        limits: Limits::discord(),
        ..Options::default()
    };
    let mut server = Server::with(options, |discord| {
        others = (0..12)
            .map(|n| discord.join(&format!("member{n}")))
            .collect();
    })
    .await;
    let thanks = server.choose_props_channel(vec![]).await;
    let wish = json!({"to": format!("<@{}>", server.ben), "for": "at once"});
    let discord = server.discord();
    let runs: Vec<_> = others
        .iter()
        .map(|giver| discord.slash(*giver, server.general, "props", wish.clone()))
        .collect();
    let mut links = std::collections::BTreeSet::new();
    for run in runs {
        let answer = discord
            .answer_within(run, Duration::from_secs(30))
            .await
            .unwrap();
        let said = answer
            .followups
            .last()
            .map_or(answer.content.clone(), |followup| {
                followup.data["content"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            });
        assert!(said.contains(&format!("<#{thanks}>")), "{answer:?}");
        links.insert(said);
    }
    assert_eq!(links.len(), 12);
    server.check_manners();
    let rows = server.recorded().await;
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().all(|row| row.message_id.is_some()));
}
