//! Reactions to plain props.

use serde_json::json;
use simulator::discord::{Overwrite, bit, kind};

use super::{SOON, Server, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledges_new_plain_props_once() {
    const REACT: &str =
        "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me";
    let mut before = 0;
    let mut server = Server::with(simulator::discord::Options::default(), |discord| {
        let channel = discord.create_channel(kind::TEXT, "props", vec![]);
        let people = discord.people();
        before = discord.post(people[0], channel, &format!("thanks <@{}>", people[1]));
    })
    .await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    let props = server.discord().channel("props").unwrap();
    let thanks = format!("thanks <@{ben}>");
    let said = server.discord().post(ana, props, &thanks);
    let plain = server.discord().post(ana, props, "no mention");
    let own = server.discord().post(ana, props, &format!("I, <@{ana}>"));
    let elsewhere = server.discord().post(ana, general, &thanks);
    let reacted = |server: &Server, channel, id| {
        let message = server.discord().message(channel, id).unwrap();
        !message.reactions.is_empty()
    };
    let came = |id: u64| {
        move |server: &simulator::discord::Discord| {
            !server.message(props, id).unwrap().reactions.is_empty()
        }
    };
    assert!(
        server.discord().wait(SOON, came(said)).await,
        "{}",
        server.log()
    );
    // Later messages are handled later; this one is last.
    let last = server
        .discord()
        .post(ben, props, &format!("thanks <@{ana}>"));
    assert!(
        server.discord().wait(SOON, came(last)).await,
        "{}",
        server.log()
    );
    for (channel, id) in [
        (props, before),
        (props, plain),
        (props, own),
        (general, elsewhere),
    ] {
        assert!(!reacted(&server, channel, id), "{id}");
    }
    assert_eq!(server.discord().count(REACT), 2);

    // Without permission it isn't tried, and logged once.
    let everyone = server.discord().guild_id();
    let silent = Overwrite::role(everyone, 0, bit::ADD_REACTIONS);
    server
        .discord()
        .update_channel(props, |channel| channel.overwrites = vec![silent]);
    for _ in 0..3 {
        server.discord().post(ana, props, &thanks);
    }
    server
        .until("the failure", |status| {
            status.contains("acknowledging props")
        })
        .await;
    assert_eq!(server.discord().count(REACT), 2);
    let off = server
        .admin("settings set", json!({"acknowledge": "off"}))
        .await;
    says(&off, &["**My reaction to plain props**: none"]);
    says(
        &server
            .admin("settings set", json!({"acknowledge": "thanks"}))
            .await,
        &["can't react"],
    );
    server.stop().await;
    let failures = server.mirror.failures().await;
    assert!(
        failures.keys().any(|key| key.contains("acknowledging")),
        "{failures:?}"
    );
    server.check_manners();
}
