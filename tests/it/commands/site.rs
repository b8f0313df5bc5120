//! A site that a running bot keeps up to date (`SITE`).

use std::time::Instant;

use serde_json::json;

use super::{SOON, Server, says};
use crate::mirror::holds;

impl Server {
    /// Exports until a site that is written by hand has these words.
    async fn export_until(&self, words: &str) {
        let begun = Instant::now();
        let by_hand = ["site", "--from", "dir:archive", "--out", "by-hand"];
        loop {
            let exported = self.admin("archive now", json!({})).await;
            says(&exported, &["generation"]);
            assert!(!exported.content.contains("failed"), "{exported:?}");
            self.mirror.run(&by_hand).await.ok();
            if self.holds("by-hand", words) {
                return;
            }
            assert!(begun.elapsed() < SOON, "{}", self.log());
        }
    }

    fn holds(&self, folder: &str, words: &str) -> bool {
        holds(&self.mirror.home.path().join(folder), words.as_bytes())
    }
}

/// What is new waits for an hour to end; what has to go doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_rests_but_not_from_what_was_deleted() {
    let mut server = Server::start().await;
    server.stop().await;
    let own = [("EXPORT_INTERVAL", "1d"), ("SITE", "dir:./site")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    server.mirror.variables.extend(own);
    server.run().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.admin("archive now", json!({})).await;
    assert!(server.holds("site", "Nobody has thanked anybody yet"));

    server.give(ana, &[ben], "the cocoa").await;
    server.give(cho, &[ben], "the coffee").await;
    server.export_until("the cocoa").await;
    server.export_until("the coffee").await;
    assert!(
        !server.holds("site", "the cocoa"),
        "it has just been written"
    );

    let opted_out = server.ask(cho, "privacy opt-out", json!({"what": 2}));
    says(&opted_out.await, &["Nothing of yours is exported"]);
    server.export_until("someone").await;
    assert!(
        !server.holds("site", "the cocoa"),
        "it showed nothing of them"
    );

    // The next process begins with what there is.
    server.stop().await;
    server.run().await;
    server.export_until("the cocoa").await;
    assert!(server.holds("site", "the cocoa") && !server.holds("site", "the coffee"));
    server.give(ben, &[ana], "the cake").await;
    server.export_until("the cake").await;
    assert!(!server.holds("site", "the cake"));
    let opted_out = server.ask(ana, "privacy opt-out", json!({"what": 2}));
    says(&opted_out.await, &["Nothing of yours is exported"]);
    server.admin("archive now", json!({})).await;
    assert!(!server.holds("site", "the cocoa") && !server.holds("site", &ana.to_string()));
    assert!(
        server.holds("site", "the cake"),
        "all that is new comes with it"
    );
    server.check_manners();
}
