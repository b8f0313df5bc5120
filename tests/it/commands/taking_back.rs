//! `/undo`, and props whose message was deleted.

use propsbot_graph::standings;
use serde_json::json;

use super::{Server, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_withdraws_props_and_deletes_their_message() {
    let mut server = Server::start().await;
    let thanks = server.choose_props_channel(vec![]).await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    says(
        &server.ask(ana, "undo", json!({})).await,
        &["no props to take back"],
    );
    let link = |content: &str| content[content.find("https://").unwrap()..].to_owned();
    let first = link(&server.give(ana, &[ben], "one").await.content);
    let second = link(&server.give(ana, &[cho], "two").await.content);
    let third = server.give(cho, &[ben], "three").await;

    // The list has the member's own props, newest first.
    let run =
        server
            .discord()
            .autocomplete(ana, server.general, "undo", json!({"which": ""}), "which");
    let choices = server.discord().answer(run).await.unwrap().data["choices"].clone();
    let names: Vec<&str> = choices
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["0 min ago, to cho: two", "0 min ago, to ben: one"]);

    says(
        &server
            .ask(ana, "undo", json!({"which": link(&third.content)}))
            .await,
        &["aren't yours"],
    );
    says(
        &server.ask(ana, "undo", json!({"which": "the last"})).await,
        &["which props you mean"],
    );
    says(
        &server.ask(ana, "undo", json!({"which": first})).await,
        &[&format!("<@{ben}>"), "is deleted"],
    );
    says(
        &server.ask(ana, "undo", json!({})).await,
        &[&format!("<@{cho}>"), "is deleted"],
    );
    says(
        &server.ask(ana, "undo", json!({"which": second})).await,
        &["no props to take back"],
    );
    let truth = server.discord().truth();
    let left: Vec<_> = truth
        .messages
        .iter()
        .filter(|message| message.channel == thanks)
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");

    says(
        &server
            .admin("settings set", json!({"undo_minutes": 0}))
            .await,
        &["not possible"],
    );
    says(
        &server.ask(cho, "undo", json!({})).await,
        &["can't be taken back"],
    );

    let rows = server.recorded().await;
    let taken_back: Vec<bool> = rows.iter().map(|row| row.withdrawn_at.is_some()).collect();
    assert_eq!(taken_back, [true, true, false]);
    server.mirror.export().await;
    let standings = standings(&server.mirror.archived().await);
    let received: Vec<_> = standings
        .iter()
        .map(|standing| (standing.member.0, standing.received))
        .collect();
    assert_eq!(received, [(ben, 1), (cho, 0)]);
    server.check_manners();
}

/// The age of props is that of the form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_props_cannot_be_undone() {
    let mut server = Server::start().await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    let discord = server.discord();
    let now = discord.slash(ana, general, "help", json!({}));
    assert!(discord.answer(now).await.is_some());
    let opened = now.0 - ((14 * 60_000) << 22);
    let form = format!("props:{opened}:{ben}:0");
    let run = discord.submit(ana, general, &form, &[("reason", "long ago")]);
    assert!(!discord.answer(run).await.unwrap().ephemeral);
    let undo = || server.ask(ana, "undo", json!({}));
    server
        .admin("settings set", json!({"undo_minutes": 10}))
        .await;
    says(&undo().await, &["for 10 minutes here, and these are older"]);
    server
        .admin("settings set", json!({"undo_minutes": 20}))
        .await;
    says(&undo().await, &["is deleted"]);
    assert!(server.recorded().await[0].withdrawn_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_the_message_withdraws_props_by_default() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let answer = server.give(ana, &[ben], "one").await;
    server
        .discord()
        .delete(server.general, answer.message_id.unwrap());
    server
        .until("the deletion", |status| status.contains("(1 deleted)"))
        .await;
    let keep = json!({"keep_deleted_props": true});
    for (kept, change) in [(0, None), (1, Some(keep))] {
        if let Some(change) = change {
            server.run().await;
            says(
                &server.admin("settings set", change).await,
                &["the props still count"],
            );
        }
        server.stop().await;
        server.mirror.export().await;
        let standings = standings(&server.mirror.archived().await);
        let received: usize = standings.iter().map(|standing| standing.received).sum();
        assert_eq!(received, kept);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_the_channel_withdraws_props_by_default() {
    let mut server = Server::start().await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    let thanks = server.choose_props_channel(vec![]).await;
    server.give(ana, &[ben], "one").await;
    let plain = format!("plain thanks to <@{ben}>");
    server.discord().post(ana, thanks, &plain);
    let board = |words| server.ask_until(ana, general, "leaderboard", json!({}), words);
    board("ben\u{2069}**: 2").await;
    server.discord().delete_channel(thanks);
    board("none yet").await;

    let keep = json!({"keep_deleted_props": true});
    server.admin("settings set", keep).await;
    board("ben\u{2069}**: 1").await;
    server.stop().await;
    server.mirror.export().await;
    let standings = standings(&server.mirror.archived().await);
    let received: usize = standings.iter().map(|standing| standing.received).sum();
    assert_eq!(received, 1);
}
