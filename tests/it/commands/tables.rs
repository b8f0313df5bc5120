//! Tables that a running bot keeps up to date (`EXPORT_TABLES`).

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::{SOON, Server, says};
use crate::{
    archive::object_store::ObjectStore,
    mirror::holds,
    tables::{rows, rows_below},
};

/// A server whose bot exports on request only, each time with tables.
async fn following(place: &str, more: &[(&str, &str)]) -> Server {
    let mut server = Server::start().await;
    server.stop().await;
    let own = [("EXPORT_INTERVAL", "1d"), ("EXPORT_TABLES", place)];
    let variables = own.iter().chain(more);
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    server.mirror.variables.extend(variables);
    server.run().await;
    server
}

/// Exports, and returns whether the tables say these words after that.
async fn say(server: &Server, words: &str) -> bool {
    let exported = server.admin("archive now", json!({})).await;
    says(&exported, &["generation"]);
    assert!(!exported.content.contains("failed"), "{exported:?}");
    let folder = server.mirror.home.path().join("tables");
    let tables = rows_below(&folder);
    let mut rows = tables.values().flatten();
    rows.any(|row| row.contains(words)) || holds(&folder, words.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opting_out_reaches_the_tables_with_the_next_export() {
    let server = following("./tables", &[]).await;
    let (ana, ben) = (server.ana, server.ben);
    server
        .discord()
        .post(ana, server.general, "ana's secret words");
    assert!(!server.give(ana, &[ben], "ana's reason").await.ephemeral);
    assert!(!server.give(ben, &[ana], "ben's reason").await.ephemeral);
    let begun = Instant::now();
    while !say(&server, "ana's secret words").await {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    let given = format!("giver_id: {ana},");
    for words in ["ana's reason", "ben's reason", &given] {
        assert!(say(&server, words).await, "{words}");
    }

    let opted_out = server.ask(ana, "privacy opt-out", json!({"what": 2}));
    says(&opted_out.await, &["Nothing of yours is exported"]);
    for words in ["ana's secret words", "ana's reason", &given] {
        assert!(!say(&server, words).await, "{words}");
    }
    assert!(say(&server, "ben's reason").await);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_stops_in_time_while_it_writes_tables() {
    let objects = ObjectStore::start().await;
    let mut server = following("s3://props/tables", &objects.variables()).await;
    objects.hold_rows(true);
    let discord = server.discord();
    discord.slash(discord.owner_id(), server.general, "archive now", json!({}));
    let begun = Instant::now();
    while objects.held() == 0 {
        assert!(begun.elapsed() < SOON, "{}", server.log());
        sleep(Duration::from_millis(5)).await;
    }
    let running = server.running.take().unwrap();
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);

    // The next process writes the rest.
    objects.hold_rows(false);
    server.run().await;
    let exported = server.admin("archive now", json!({})).await;
    says(&exported, &["generation"]);
    assert!(!exported.content.contains("failed"), "{exported:?}");
    let local = ["tables", "--from", "dir:archive", "--out", "tables"];
    server.mirror.run(&local).await.ok();
    let expected = rows_below(&server.mirror.home.path().join("tables"));
    assert!(!expected.is_empty());
    for (name, expected) in expected {
        let uploaded = bytes::Bytes::from(objects.bytes(&format!("tables/{name}")));
        assert_eq!(rows(uploaded), expected, "{name}");
    }
    assert!(!objects.objects("tables").contains(".writing"));
    server.check_manners();
}
