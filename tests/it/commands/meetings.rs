//! `/meeting`: the list that it keeps, and the graph that is drawn of it.

use std::fs;

use serde_json::{Value, json};
use simulator::discord::{Answer, Discord, Fault, Options, Overwrite, bit, kind};

use super::{Server, says};

const CHANGE: &str = "PATCH /channels/{channel_id}/messages/{message_id}";

async fn server() -> (Server, u64) {
    let mut place = 0;
    let server = Server::with(Options::default(), |discord| {
        for name in ["dan", "eve", "fay"] {
            discord.join(name);
        }
        place = discord.create_channel(kind::TEXT, "meetings", vec![]);
        let muted = Overwrite::role(discord.guild_id(), 0, bit::SEND_MESSAGES);
        discord.create_channel(kind::TEXT, "quiet", vec![muted]);
    })
    .await;
    (server, place)
}

fn named(discord: &Discord, name: &str) -> u64 {
    let members = discord.members();
    members.iter().find(|(_, member)| member == name).unwrap().0
}

/// The lines of the bot's only message in a channel, with the members that Discord says it mentions.
fn list(discord: &Discord, place: u64) -> (u64, Vec<String>, Vec<u64>) {
    let bot = discord.bot_id();
    let all = discord.truth().messages.into_iter();
    let mut own = all.filter(|message| message.channel == place && message.author == bot);
    let message = own.next().expect("a list");
    assert_eq!(own.next(), None);
    let lines = message.content.lines().map(str::to_owned).collect();
    (message.id, lines, message.mentions)
}

fn line(label: &str, users: &[u64]) -> String {
    let users: Vec<String> = users.iter().map(|id| format!("<@{id}>")).collect();
    format!("{label}: {}", users.join(" "))
}

impl Server {
    async fn meeting(&self, place: u64, user: u64, what: &str, options: Value) -> Answer {
        self.ask_in(place, user, &format!("meeting {what}"), options)
            .await
    }

    /// The edges that the meetings plugin draws of the archive.
    pub(super) async fn edges_of_meetings(&self, place: u64) -> Vec<Value> {
        let home = self.mirror.home.path();
        let config = json!({"meeting_channels": [place.to_string()]});
        fs::write(home.join("meetings.json"), config.to_string()).unwrap();
        let plugin = "meetings=meetings.json";
        let draw = ["graph", "--from", "dir:archive", "--out", "meetings"];
        let draw = [&draw[..], &["--plugin", plugin]].concat();
        self.mirror.run(&draw).await.ok();
        let graph = fs::read(home.join("meetings/graph.json")).unwrap();
        let graph: Value = serde_json::from_slice(&graph).unwrap();
        let edges = graph[1]["graphJSON"][1]["edges"].as_array().unwrap();
        edges.clone()
    }

    /// The members to whom edges of this kind lead in the meetings' graph, sorted.
    async fn drawn(&self, place: u64, edges: &[&str]) -> Vec<Vec<u64>> {
        let all = self.edges_of_meetings(place).await;
        let members = |edge: &&str| {
            let of_kind = all.iter().filter(|row| row["address"][2] == **edge);
            let id = |row: &Value| row["address"][6].as_str().unwrap().parse().unwrap();
            let mut ids: Vec<u64> = of_kind.map(id).collect();
            ids.sort_unstable();
            ids
        };
        edges.iter().map(members).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_who_is_here_is_on_the_list_and_in_the_graph() {
    let (mut server, place) = server().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let [dan, eve, fay] = ["dan", "eve", "fay"].map(|name| named(server.discord(), name));
    let none = server.meeting(place, cho, "here", json!({})).await;
    says(&none, &["No meeting is running"]);

    let hosts = json!({"hosts": format!("<@{ben}> <@{ana}>")});
    let begun = server.meeting(place, ana, "start", hosts).await;
    says(&begun, &["has begun", "/meeting here"]);
    let twice = server.meeting(place, ben, "start", json!({})).await;
    says(&twice, &["is running in this channel already"]);
    // In another channel, there is none.
    let elsewhere = server.meeting(server.general, cho, "here", json!({})).await;
    says(&elsewhere, &["No meeting is running"]);

    // All at once, one of them twice; Discord is slow.
    let slow = Fault::Delay(std::time::Duration::from_millis(100));
    server.discord().fail(CHANGE, usize::MAX, slow);
    let runs = [cho, dan, eve, cho].map(|user| {
        server
            .discord()
            .slash(user, place, "meeting here", json!({}))
    });
    for run in runs {
        let answer = server.discord().answer(run).await.unwrap();
        says(&answer, &["You're on the list"]);
    }
    server.discord().heal();
    let (message, lines, mentions) = list(server.discord(), place);
    assert_eq!(
        lines[..2],
        ["📅 **Meeting**".to_owned(), line("Hosts", &[ana, ben])]
    );
    for user in [ana, ben, cho, dan, eve] {
        assert_eq!(
            lines[2].matches(&format!("<@{user}>")).count(),
            1,
            "{lines:?}"
        );
    }
    assert_eq!(mentions.len(), 5, "{mentions:?}");

    // After a restart, it goes on.
    server.stop().await;
    server.run().await;
    says(
        &server.meeting(place, fay, "here", json!({})).await,
        &["You're on the list"],
    );
    let refused = server.meeting(place, cho, "end", json!({})).await;
    says(&refused, &["Only its hosts"]);
    let notes = json!({"notes": format!("<@{cho}>")});
    let ended = server.meeting(place, ben, "end", notes).await;
    says(&ended, &["with 6 participants"]);
    let late = server.meeting(place, fay, "here", json!({})).await;
    says(&late, &["No meeting is running"]);
    let (again, lines, _) = list(server.discord(), place);
    assert_eq!(again, message);
    assert_eq!(lines[2], line("Notes", &[cho]));
    assert!(lines[4].contains(", ended <t:"), "{lines:?}");

    // `/setup` says what that is worth, by default.
    let (owner, none) = (server.discord().owner_id(), json!({}));
    let worth = "would have counted 1 meeting with 6 members, and minted 11.0 cred";
    server.ask_until(owner, place, "setup", none, worth).await;

    server.stop().await;
    server.mirror.export().await;
    let everyone = vec![ana, ben, cho, dan, eve, fay];
    let drawn = server
        .drawn(place, &["ATTENDED", "HOSTED", "TOOK_NOTES"])
        .await;
    assert_eq!(drawn, [everyone, vec![ana, ben], vec![cho]]);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_is_taken_back_by_deleting_its_message() {
    let (server, place) = server().await;
    let (ana, cho, owner) = (server.ana, server.cho, server.discord().owner_id());
    let begun = server.meeting(place, ana, "start", json!({})).await;
    says(&begun, &["has begun"]);
    let (message, ..) = list(server.discord(), place);
    server.discord().delete(place, message);
    let gone = server.meeting(place, cho, "here", json!({})).await;
    says(&gone, &["No meeting is running"]);
    // Another one can begin, and an admin end it.
    let again = server.meeting(place, cho, "start", json!({})).await;
    says(&again, &["has begun"]);
    let ended = server.meeting(place, owner, "end", json!({})).await;
    says(&ended, &["with 1 participant:"]);
    let odd = json!({"notes": "@everyone"});
    says(
        &server.meeting(place, owner, "end", odd).await,
        &["I don't know the member"],
    );

    // Where the bot can't keep a list, it says why.
    let quiet = server.discord().channel("quiet").unwrap();
    let refused = server.meeting(quiet, owner, "start", json!({})).await;
    says(&refused, &["I can't keep a list here", "**Send Messages**"]);
    let refused = server.meeting(quiet, ana, "start", json!({})).await;
    says(&refused, &["You can't write in this channel"]);
    let hosts: Vec<String> = (1..=10).map(|id| format!("<@1{id:018}>")).collect();
    let hosts = json!({"hosts": hosts.join(" ")});
    let refused = server.meeting(place, ana, "start", hosts).await;
    says(&refused, &["at most 10 hosts"]);
    server.check_manners();
}
