//! The time left, as programs read it from the progress.

use std::time::Duration;

use serde_json::Value;
use simulator::discord::{Draft, Fault, kind};

use crate::mirror::Mirror;

const MESSAGES: &str = "GET /channels/{channel_id}/messages";

/// A channel silent for years and busy for a moment: neither the time before its first page nor the
/// look-back is assumed to be full of messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_estimate_ignores_a_busy_moment() {
    let mirror = Mirror::empty().await;
    let ana = mirror.discord.join("ana");
    let channel = mirror.discord.create_channel(kind::TEXT, "general", vec![]);
    let thanks = (0..450).map(|_| Draft::new(ana, channel, "thank you"));
    mirror.discord.post_many(thanks);
    for run in ["the first sync", "the look-back"] {
        // Slow enough for one line per page.
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
