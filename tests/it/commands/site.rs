//! A site that a running bot keeps up to date (`SITE`).

use std::{ffi::OsString, time::Instant};

use propsbot_model::Tier;
use serde_json::json;
use simulator::discord::{Options, kind};

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

/// From `/privacy` to the pages: who hides their name is in none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hides_their_name_leaves_every_file_of_a_site() {
    let (mut quill, mut props) = (0, 0);
    let mut server = Server::with(Options::default(), |discord| {
        quill = discord.join("quillfeather");
        props = discord.create_channel(kind::TEXT, "props", vec![]);
    })
    .await;
    let (ana, ben, id) = (server.ana, server.ben, quill.to_string());
    let posted = [
        (ana, format!("<@{quill}> for the copper kettle")),
        (quill, format!("<@{ana}> for the velvet lantern")),
        (ben, format!("<@{ana}> <@{quill}> for the harbour")),
        (ana, format!("<@{ben}> for showing <@{quill}> the boats")),
    ];
    for (author, text) in posted {
        server.discord().post(author, props, &text);
    }
    server.give(quill, &[ben], "the paper moon").await;
    server.give(ben, &[quill], "the iron bridge").await;
    let own = ("SITE".to_owned(), "dir:./site".to_owned());
    server.mirror.variables.push(own);
    let page = |folder: &str| format!("{folder}/member/{quill}.html");
    let by_hand = ["site", "--from", "dir:archive", "--out", "by-hand"];
    server.stop().await;
    server.mirror.export().await;
    server.mirror.run(&by_hand).await.ok();
    let theirs = ["quillfeather", &id, "the velvet lantern", "the paper moon"];
    let others = [
        "the copper kettle",
        "the harbour",
        "the boats",
        "the iron bridge",
    ];
    for folder in ["site", "by-hand"] {
        for words in theirs.iter().chain(&others) {
            assert!(server.holds(folder, words), "{folder}: {words}");
        }
        assert!(server.mirror.home.path().join(page(folder)).exists());
    }
    server.run().await;
    let opted_out = server.ask(quill, "privacy opt-out", json!({"what": 1}));
    says(&opted_out.await, &["pseudonym"]);
    server.stop().await;
    server.mirror.export().await;
    server.mirror.run(&by_hand).await.ok();

    let members = server.mirror.archived().await.members;
    let hidden = members.iter().find(|member| member.user_id.0 == quill);
    let hidden = hidden.unwrap();
    assert_eq!(hidden.privacy, Some(Tier::Identity));
    for folder in ["site", "by-hand"] {
        for words in theirs.iter().chain([&&*hidden.username]) {
            assert!(!server.holds(folder, words), "{folder}: {words}");
        }
        // What others wrote is theirs, and says "someone".
        for words in others.iter().chain(&["showing @someone the boats"]) {
            assert!(server.holds(folder, words), "{folder}: {words}");
        }
        assert!(!server.mirror.home.path().join(page(folder)).exists());
    }
    // Two members are left in the picture, and the folder names nobody else.
    let folder = server.mirror.home.path().join("site");
    let graph = std::fs::read_to_string(folder.join("graph.html")).unwrap();
    assert_eq!(graph.matches("<circle").count(), 2, "{graph}");
    let pages = std::fs::read_dir(folder.join("member")).unwrap();
    let mut pages: Vec<_> = pages.map(|page| page.unwrap().file_name()).collect();
    pages.sort();
    let shown = [ana, ben].map(|id| OsString::from(format!("{id}.html")));
    assert_eq!(pages, shown);
}
