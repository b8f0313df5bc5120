//! The time left, as a program that reads the progress sees it.

use std::time::Duration;

use serde_json::Value;
use simulator::discord::{Draft, Fault, kind};

use crate::mirror::Mirror;

const MESSAGES: &str = "GET /channels/{channel_id}/messages";

/// A channel that was silent for years and lively for a moment: neither what lies before the first
/// page of it nor the days of the look-back are taken for full of messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_not_taken_for_years() {
    let mirror = Mirror::empty().await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "general", vec![]);
    let thanks = (0..450).map(|_| Draft::new(ana, channel, "thank you"));
    mirror.discord.post_many(thanks);
    for run in ["the first sync", "the look-back"] {
        // Slow enough for a line after each page.
        let slow = Fault::Delay(Duration::from_millis(1_200));
        mirror.discord.fail(MESSAGES, 4, slow);
        let ended = mirror.run(&["sync", "--json"]).await.ok();
        let lines = serde_json::Deserializer::from_str(&ended.stdout).into_iter::<Value>();
        let lines: Vec<Value> = lines.map(Result::unwrap).collect();
        let fetching = lines.iter().filter(|line| line["phase"] == "fetching");
        let told: Vec<&Value> = fetching.map(|line| &line["eta_seconds"]).collect();
        assert!(told.len() >= 4, "{run}: {lines:?}");
        for eta in &told {
            assert!(
                eta.is_null() || eta.as_u64().unwrap() < 60,
                "{run}: {told:?}"
            );
        }
        if run == "the look-back" {
            assert!(told.iter().any(|eta| !eta.is_null()), "{run}: {told:?}");
        }
    }
}
