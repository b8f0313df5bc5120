//! `/privacy`: opting out and deletion, in store, archive and graph, permanently.

use propsbot_backends::FolderArchive;
use propsbot_graph::{Weights, props_documents};
use propsbot_model::Tier;
use propsbot_rows::{MessageRow, Snapshot};
use propsbot_sourcecred::Document;
use serde_json::json;
use simulator::discord::kind;

use super::{Server, says};
use crate::mirror::content_below;

/// A server where Ana wrote, gave and received thanks, and reacted.
struct Said {
    server: Server,
    /// Ana's message in #general, her plain thanks, and Ben's plain thanks to her.
    ids: [u64; 3],
    props: u64,
}

async fn said() -> Said {
    let mut ids = [0; 3];
    let server = Server::with(simulator::discord::Options::default(), |discord| {
        let people = discord.people();
        let named = |name: &str| {
            let members = discord.members();
            members.iter().find(|(_, member)| member == name).unwrap().0
        };
        let (ana, ben) = (named("ana"), named("ben"));
        assert!(people.contains(&ana));
        let general = discord.channel("general").unwrap();
        let props = discord.create_channel(kind::TEXT, "props", vec![]);
        ids = [
            discord.post(ana, general, "ana's secret"),
            discord.post(ana, props, &format!("ana's thanks <@{ben}>")),
            discord.post(ben, props, &format!("ben's thanks <@{ana}>")),
        ];
        discord.react(ana, props, ids[2], "🎉", false);
    })
    .await;
    let (ana, ben) = (server.ana, server.ben);
    assert!(!server.give(ana, &[ben], "ana's reason").await.ephemeral);
    assert!(!server.give(ben, &[ana], "ben's reason").await.ephemeral);
    let props = server.discord().channel("props").unwrap();
    Said { server, ids, props }
}

fn find(of: &Snapshot, id: u64) -> Option<&MessageRow> {
    of.messages.iter().find(|message| message.id.0 == id)
}

/// All rows and files of the archive, and the graph, as one text. MessagePack stores text as is.
async fn everything_public(server: &Server) -> String {
    let snapshot = server.mirror.archived().await;
    let files = content_below(&server.mirror.archive_path());
    let mut text = format!("{snapshot:?}{}", String::from_utf8_lossy(&files));
    let documents = props_documents(&snapshot, &Weights::default());
    for document in Document::ALL {
        text += &String::from_utf8(documents.bytes(document)).unwrap();
    }
    text
}

/// Checks what archive and graph show of Ana with this tier.
async fn check_tier(server: &Server, tier: Tier, message: u64) {
    let (ana, ben) = (server.ana, server.ben);
    let text = everything_public(server).await;
    for secret in [
        "ana's secret",
        "ana's thanks",
        "ana's reason",
        "ana's later",
    ] {
        assert!(!text.contains(secret), "{tier}: {secret}");
    }
    for kept in ["ben's thanks", "ben's reason"] {
        assert!(text.contains(kept), "{tier}: {kept}");
    }
    let snapshot = server.mirror.archived().await;
    let named = snapshot
        .members
        .iter()
        .any(|member| member.username == "ana");
    assert_eq!(named, tier == Tier::Content, "{tier}");
    assert_eq!(
        find(&snapshot, message).is_some(),
        tier < Tier::Everything,
        "{tier}"
    );
    let reacts = snapshot
        .reactions
        .iter()
        .any(|reaction| reaction.user_id.0 == ana);
    assert_eq!(reacts, tier < Tier::Everything, "{tier}");
    // Thanks to her and from her count, whoever they name.
    let standings = propsbot_graph::standings(&snapshot);
    let of_ben = standings
        .iter()
        .find(|standing| standing.member.0 == ben)
        .unwrap();
    assert!(
        of_ben.received >= 2 && of_ben.given == 2,
        "{tier}: {of_ben:?}"
    );
    let of_ana = standings
        .iter()
        .find(|standing| standing.received == 2 && standing.member.0 != ben);
    let member = of_ana.unwrap().member;
    assert_eq!(member.0 == ana, tier < Tier::Everything, "{tier}");
    let documents = props_documents(&snapshot, &Weights::default());
    let proposals = String::from_utf8(documents.bytes(Document::IdentityProposals)).unwrap();
    assert_eq!(
        proposals.contains(&ana.to_string()),
        tier < Tier::Everything,
        "{tier}"
    );
    // Her own id occurs only with her choice.
    if tier == Tier::Everything {
        let rows: Vec<_> = snapshot
            .members
            .iter()
            .filter(|member| member.user_id.0 == ana)
            .collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].privacy, rows[0].username.as_str()),
            (Some(tier), "")
        );
        // Nor does a query find anything else.
        for table in [
            "guilds",
            "channels",
            "messages",
            "reactions",
            "props",
            "members",
        ] {
            let user = ana.to_string();
            let query = [
                "query",
                "--from",
                "dir:archive",
                "--table",
                table,
                "--user",
                &user,
            ];
            let found = server.mirror.run(&query).await.ok().stdout;
            assert_eq!(
                found.lines().count(),
                usize::from(table == "members"),
                "{found}"
            );
        }
        let mut others = snapshot.clone();
        others.members.retain(|member| member.user_id.0 != ana);
        assert!(!format!("{others:?}").contains(&ana.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiers_hide_more_and_keep_thanks_from_others() {
    let Said {
        mut server,
        ids,
        props,
    } = said().await;
    let (ana, ben) = (server.ana, server.ben);
    says(
        &server.ask(ana, "privacy show", json!({})).await,
        &["haven't opted out of anything", "What I keep"],
    );
    for (tier, what, says_words) in [
        (Tier::Content, 0, "is blanked"),
        (Tier::Identity, 1, "pseudonym"),
        (Tier::Everything, 2, "Nothing of yours is exported"),
    ] {
        says(
            &server
                .ask(ana, "privacy opt-out", json!({"what": what}))
                .await,
            &[says_words],
        );
        says(
            &server.ask(ana, "privacy show", json!({})).await,
            &[&format!("**{tier}**")],
        );
        // Her later messages, too.
        server
            .discord()
            .post(ana, props, &format!("ana's later thanks <@{ben}>"));
        says(
            &server.ask(ben, "privacy show", json!({})).await,
            &["haven't opted out of anything"],
        );
        server.stop().await;
        server.mirror.export().await;
        check_tier(&server, tier, ids[0]).await;
        server.run().await;
    }
    // After opting in again, new texts are kept.
    says(
        &server.ask(ana, "privacy opt-in", json!({})).await,
        &["from now on"],
    );
    server.discord().post(ana, props, "ana is back");
    server.until("the message", |_| true).await;
    server.stop().await;
    server.mirror.sync().await.ok();
    server.mirror.export().await;
    let text = everything_public(&server).await;
    assert!(text.contains("ana is back") && text.contains("\"ana\""));
    server.check_manners();
}

/// Only thanks are exported of members who opted out of everything, so the choice of props channels
/// matters. An updated archive equals a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_props_channels_re_export_hidden_thanks() {
    let Said { mut server, .. } = said().await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    let all = json!({"what": 2});
    says(
        &server.ask(ana, "privacy opt-out", all).await,
        &["Nothing of yours is exported"],
    );
    let more = format!("more thanks <@{ben}>");
    server.discord().post(ana, general, &more);
    server.stop().await;
    server.mirror.export().await;
    let thanks = async |server: &Server| {
        let standings = propsbot_graph::standings(&server.mirror.archived().await);
        standings
            .iter()
            .map(|standing| standing.given)
            .sum::<usize>()
    };
    let before = thanks(&server).await;
    server.run().await;
    let chosen = json!({"props_channels": format!("<#{general}>")});
    says(&server.admin("settings set", chosen).await, &["#"]);
    server.stop().await;
    server.mirror.export().await;
    assert_ne!(thanks(&server).await, before);
    let brought = server.mirror.archived().await;
    server.mirror.run(&["export", "--to", "dir:new"]).await.ok();
    let new = FolderArchive::new(server.mirror.home.path().join("new"));
    assert_eq!(Snapshot::read(&new).await.unwrap(), brought);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfill_does_not_restore_deleted_data() {
    let Said {
        mut server,
        ids,
        props,
    } = said().await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    let asked = server.ask(ana, "privacy delete", json!({})).await;
    says(
        &asked,
        &[
            "can't be undone",
            "older versions",
            "Nothing is deleted in Discord itself",
        ],
    );
    // Nothing happens before the button is pressed, and the button is hers.
    says(
        &server.ask(ana, "privacy show", json!({})).await,
        &["haven't opted out of anything"],
    );
    let press = || {
        server.discord().click(
            ana,
            general,
            asked.message_id.unwrap(),
            "privacy-delete",
            &[],
        )
    };
    let runs = [press(), press()];
    for run in runs {
        says(
            &server.discord().answer(run).await.unwrap(),
            &["Deleted:", "next export"],
        );
    }
    server.stop().await;
    let check = |snapshot: &Snapshot, when: &str| {
        let text = format!("{snapshot:?}");
        for secret in ["ana's secret", "ana's thanks", "ana's reason", "\"ana\""] {
            assert!(!text.contains(secret), "{when}: {secret}");
        }
        for kept in ["ben's thanks", "ben's reason"] {
            assert!(text.contains(kept), "{when}: {kept}");
        }
        assert!(find(snapshot, ids[0]).is_none(), "{when}");
        assert!(
            snapshot
                .reactions
                .iter()
                .all(|reaction| reaction.user_id.0 != ana),
            "{when}"
        );
    };
    check(
        &crate::mirror::whole(&server.mirror.store(), server.mirror.guild()),
        "at once",
    );
    // The look-back fetches the same messages and reactions again.
    server.mirror.sync().await.ok();
    check(
        &crate::mirror::whole(&server.mirror.store(), server.mirror.guild()),
        "after a sync",
    );
    server.mirror.export().await;
    let archived = server.mirror.archived().await;
    check(&archived, "in the archive");
    let standings = propsbot_graph::standings(&archived);
    let of_ben = standings
        .iter()
        .find(|standing| standing.member.0 == ben)
        .unwrap();
    assert_eq!((of_ben.given, of_ben.received), (2, 0));
    // The tier applies to what she does later: nothing is exported.
    server.run().await;
    server
        .discord()
        .post(ana, props, &format!("ana's new words <@{ben}>"));
    server.ask(ana, "help", json!({})).await;
    server.stop().await;
    server.mirror.export().await;
    assert!(!everything_public(&server).await.contains("ana's new words"));
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_personal_data_and_lets_operators_delete() {
    let Said {
        mut server, ids, ..
    } = said().await;
    let ana = server.ana;
    let answer = server.ask(ana, "privacy export", json!({})).await;
    says(&answer, &["what I keep about you"]);
    let named = answer.data["attachments"][0]["filename"] == "my-data.json";
    assert!(named, "{}", answer.data);
    server.stop().await;
    let data = propsbot_jobs::privacy::find(
        &server.mirror.store(),
        server.mirror.guild(),
        propsbot_model::UserId(ana),
    )
    .unwrap();
    let own: Vec<u64> = data.messages.iter().map(|message| message.id.0).collect();
    assert!(own.contains(&ids[0]) && own.contains(&ids[1]) && !own.contains(&ids[2]));
    assert_eq!(
        (data.reactions.len(), data.given.len(), data.received.len()),
        (1, 1, 1)
    );

    let wrong = server
        .mirror
        .run(&["forget", "--user", "480300000000000001", "--guild", "5"])
        .await;
    wrong.failed(2, &["--guild", "has no guild 5"]);
    let done = server
        .mirror
        .run(&["forget", "--user", &ana.to_string()])
        .await
        .ok();
    assert!(
        done.stdout
            .contains("3 messages, 1 reaction and 1 props message"),
        "{}",
        done.stdout
    );
    let again = server
        .mirror
        .run(&["forget", "--user", &ana.to_string()])
        .await
        .ok();
    assert!(
        again.stdout.contains("deleted 0 messages"),
        "{}",
        again.stdout
    );
}
