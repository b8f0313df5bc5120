//! Reactor lists that contradict Discord's counts: fetched once more, recorded, kept out of
//! coverage, and settled when two equal lists are an hour apart.

use propsbot_archive::{ArchiveReader, Id};
use propsbot_backends::FolderArchive;
use propsbot_model::{CONTRADICTED_FOR, ChannelId, MessageId, Pending, Reaction, Stamp};
use propsbot_rows::SCHEMA;
use serde_json::Value;
use simulator::discord::{Discord, Fault, kind};

use crate::mirror::Mirror;

const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";

/// A message with this many reactions, and another without.
struct Fixture {
    mirror: Mirror,
    channel: u64,
    message: u64,
    users: Vec<u64>,
}

impl Fixture {
    async fn new(reactors: usize) -> Self {
        let mirror = Mirror::empty().await;
        let discord = &mirror.discord;
        let channel = discord.create_channel(kind::TEXT, "general", vec![]);
        let users: Vec<u64> = (0..reactors.max(1))
            .map(|n| discord.join(&format!("user {n}")))
            .collect();
        discord.post(users[0], channel, "before all");
        let message = discord.post(users[0], channel, "thanks");
        // Coverage counts in milliseconds: the last one is still open.
        let at = |id: u64| MessageId(id).created_at();
        while at(discord.post(users[0], channel, "and more")) == at(message) {}
        for user in &users[..reactors] {
            discord.react(*user, channel, message, "👍", false);
        }
        Self {
            mirror,
            channel,
            message,
            users,
        }
    }

    fn discord(&self) -> &Discord {
        &self.mirror.discord
    }

    fn stick(&self, counted: usize) {
        self.discord()
            .stick_counter(self.channel, self.message, "👍", Some(counted));
    }

    /// Number of requests for reactor lists, and for the message itself.
    fn asked(&self) -> (usize, usize) {
        let requests = self.discord().requests().into_iter();
        let own = format!("/{}", self.message);
        let messages =
            requests.filter(|request| request.method == "GET" && request.path.ends_with(&own));
        (self.discord().count(REACTORS), messages.count())
    }

    /// Syncs; returns the requests it made.
    async fn sync(&self, complete: bool) -> (usize, usize) {
        let before = self.asked();
        let ended = self.mirror.sync().await;
        if complete {
            ended.ok();
        } else {
            assert_ne!(ended.code, Some(0), "{ended:#?}");
            assert!(ended.stderr.contains("contradict"), "{ended:#?}");
        }
        let after = self.asked();
        (after.0 - before.0, after.1 - before.1)
    }

    /// Makes every contradicting list an hour old.
    fn wait_an_hour(&self) {
        let store = self.mirror.store();
        let earlier = |at: Stamp| Stamp(at.0 - CONTRADICTED_FOR * 1000);
        let lists = store.pending(self.mirror.guild()).unwrap().into_iter();
        let lists: Vec<Pending> = lists
            .map(|mut list| {
                list.counted = earlier(list.counted);
                if let Some(of) = &mut list.contradiction {
                    (of.since, of.last) = (earlier(of.since), earlier(of.last));
                }
                list
            })
            .collect();
        store.restore(&lists, store.newest().unwrap()).unwrap();
    }

    /// Users whose reactions are known.
    fn known(&self) -> Vec<u64> {
        let store = self.mirror.store();
        let id = self.message;
        let all = store.reactions(ChannelId(self.channel), id..=id);
        let present = all.map(Result::unwrap).filter(Reaction::is_present);
        present.map(|present| present.user_id.0).collect()
    }

    /// `(counted, listed, settled)` for each contradiction in `status`.
    async fn contradictions(&self) -> Vec<(u64, u64, bool)> {
        let status = self.mirror.status().await;
        let all = status["contradictions"].as_array().unwrap();
        all.iter()
            .map(|list| {
                assert_eq!(list["message"], self.message.to_string());
                let number = |name: &str| list[name].as_u64().unwrap();
                (number("counted"), number("listed"), list["settled"] == true)
            })
            .collect()
    }

    /// Whether the archive claims full coverage of the message.
    async fn is_covered(&self) -> bool {
        // Coverage alone creates no generation, so export to a new archive.
        let folder = tempfile::tempdir_in(self.mirror.home.path()).unwrap();
        let to = format!("dir:{}", folder.path().display());
        self.mirror.run(&["export", "--to", &to]).await.ok();
        let archive = FolderArchive::new(folder.path());
        let reader = ArchiveReader::open(&archive, &SCHEMA).await.unwrap();
        let parts = reader.spaces()[0].parts().await.unwrap();
        let channel = Id::new(self.channel);
        let mut parts = parts.into_iter();
        let (_, covered) = parts.find(|(line, _)| line.id == channel).unwrap();
        let at = MessageId(self.message).created_at();
        covered
            .iter()
            .any(|range| range.after < at && at <= range.to)
    }

    async fn synced_reactions(&self) -> Value {
        self.mirror.status().await["synced"]["reactions"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refetches_a_short_reactor_list() {
    // What one page lacks at its end is on the next page.
    for (reactors, hidden, lists) in [(2, usize::MAX, 2), (3, 2, 2), (130, 40, 2)] {
        let fixture = Fixture::new(reactors).await;
        fixture.discord().short_lists(fixture.message, hidden, 1);
        let (asked, messages) = fixture.sync(true).await;
        assert_eq!(asked, lists, "{reactors}");
        assert!(messages <= 1);
        fixture.mirror.check_store();
        assert!(fixture.contradictions().await.is_empty());
        assert!(fixture.is_covered().await);
        assert_eq!(fixture.sync(true).await, (0, 0), "nothing changed");
        assert_eq!(fixture.discord().violations(), [""; 0]);
    }
}

/// A 404 for a reactor list doesn't prove a deletion; only the message does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_404_does_not_delete_the_message() {
    let fixture = Fixture::new(2).await;
    let unknown = r#"{"code":10008,"message":"Unknown Message"}"#.to_owned();
    let gone = Fault::Answer(404, unknown);
    fixture.discord().fail(REACTORS, 1, gone);
    fixture.sync(true).await;
    fixture.mirror.check_store();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusts_a_short_list_after_an_hour() {
    for (reactors, hidden) in [(2, usize::MAX), (3, 2)] {
        let fixture = Fixture::new(reactors).await;
        let counted = reactors as u64;
        let listed = reactors.saturating_sub(hidden) as u64;
        fixture
            .discord()
            .short_lists(fixture.message, hidden, usize::MAX);
        fixture.sync(false).await;
        assert_eq!(fixture.contradictions().await, [(counted, listed, false)]);
        assert_eq!(fixture.synced_reactions().await, Value::Null);
        assert!(!fixture.is_covered().await);
        // Within the hour it is neither fetched nor forgotten.
        assert_eq!(fixture.sync(false).await, (0, 0));
        let text = fixture.mirror.run(&["status"]).await.ok().stdout;
        let said = format!("Discord counts {counted} but lists {listed}");
        assert!(text.contains(&said), "{text}");

        fixture.wait_an_hour();
        fixture.sync(true).await;
        assert_eq!(fixture.contradictions().await, [(counted, listed, true)]);
        assert!(fixture.synced_reactions().await.is_i64());
        assert_eq!(fixture.known().len() as u64, listed);
        assert!(fixture.is_covered().await);
        assert_eq!(fixture.sync(true).await, (0, 0), "settled");
        // The count changes, so the list is fetched again.
        fixture.discord().heal();
        let late = fixture.discord().join("late");
        fixture
            .discord()
            .react(late, fixture.channel, fixture.message, "👍", false);
        assert!(fixture.sync(true).await.0 > 0);
        fixture.mirror.check_store();
        assert!(fixture.contradictions().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusts_the_list_over_a_stuck_counter() {
    // Below the list's length, above it, and for an empty list.
    for (reactors, stuck) in [(5, 2), (2, 5), (0, 2)] {
        let fixture = Fixture::new(reactors).await;
        fixture.stick(stuck);
        fixture.sync(false).await;
        let pair = (stuck as u64, reactors as u64);
        assert_eq!(fixture.contradictions().await, [(pair.0, pair.1, false)]);
        assert_eq!(fixture.known().len(), reactors, "what is listed is there");
        assert!(!fixture.is_covered().await);
        fixture.wait_an_hour();
        fixture.sync(true).await;
        assert_eq!(fixture.contradictions().await, [(pair.0, pair.1, true)]);
        assert!(fixture.is_covered().await);
        for _ in 0..2 {
            assert_eq!(fixture.sync(true).await, (0, 0), "settled");
        }
        fixture.mirror.check_store();

        // The count is wrong in another way: it starts over.
        fixture.stick(stuck + 7);
        assert!(fixture.sync(false).await.0 > 0);
        assert!(!fixture.is_covered().await);
        // The count is correct again.
        fixture
            .discord()
            .stick_counter(fixture.channel, fixture.message, "👍", None);
        fixture.sync(true).await;
        fixture.mirror.check_store();
        assert!(fixture.contradictions().await.is_empty());
        assert_eq!(fixture.discord().violations(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zero_counts_do_not_remove_reactions() {
    let fixture = Fixture::new(3).await;
    fixture.sync(true).await;
    fixture.stick(0);
    fixture.sync(false).await;
    assert_eq!(fixture.known(), fixture.users);
    assert_eq!(fixture.contradictions().await, [(0, 3, false)]);
    fixture.mirror.check_store();
    fixture.wait_an_hour();
    fixture.sync(true).await;
    assert_eq!(fixture.known(), fixture.users);
    assert_eq!(fixture.sync(true).await, (0, 0), "settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_members_are_no_contradiction() {
    let fixture = Fixture::new(3).await;
    fixture.sync(true).await;
    let user = fixture.users[1].to_string();
    fixture.mirror.run(&["forget", "--user", &user]).await.ok();
    assert_eq!(fixture.sync(true).await, (0, 0));
    let late = fixture.discord().join("late");
    fixture
        .discord()
        .react(late, fixture.channel, fixture.message, "👍", false);
    assert_eq!(fixture.sync(true).await, (1, 0), "one list, and no more");
    assert!(fixture.contradictions().await.is_empty());
    assert!(fixture.is_covered().await);
}

/// If counts match, the first sync costs one request per list, and the second none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matching_lists_cost_one_request_each() {
    let mirror = Mirror::seeded(9).await;
    mirror.sync().await.ok();
    let truth = mirror.discord.truth();
    let readable = |id: u64| {
        let channel = truth
            .channels
            .iter()
            .find(|channel| channel.id == id)
            .unwrap();
        channel.readable && channel.kind != kind::PRIVATE_THREAD
    };
    let messages = truth
        .messages
        .iter()
        .filter(|message| readable(message.channel));
    let lists = messages.flat_map(|message| &message.reactions);
    let requests: usize = lists.map(|list| list.users.len() / 100 + 1).sum();
    assert_eq!(mirror.discord.count(REACTORS), requests);
    assert_eq!(mirror.discord.count(MESSAGE), 0);
    mirror.sync().await.ok();
    assert_eq!(mirror.discord.count(REACTORS), requests);
}

/// A reactor list that reports its message as deleted isn't trusted; the message decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactor_lists_do_not_delete_messages() {
    let unknown = || {
        let body = r#"{"message": "Unknown Message", "code": 10008}"#;
        Fault::Answer(404, body.to_owned())
    };
    let fixture = Fixture::new(2).await;
    fixture.discord().fail(REACTORS, usize::MAX, unknown());
    fixture.mirror.sync().await.failed(3, &["incomplete"]);
    assert_eq!(fixture.mirror.status().await["totals"]["deleted"], 0);
    fixture.discord().heal();
    fixture.mirror.sync().await.ok();
    fixture.mirror.check_store();

    // It is deleted, and so is the list.
    let fixture = Fixture::new(2).await;
    let deleted = r#"{"message": "Unknown Message", "code": 10008}"#.to_owned();
    fixture.discord().fail(REACTORS, usize::MAX, unknown());
    fixture
        .discord()
        .fail(MESSAGE, usize::MAX, Fault::Answer(404, deleted));
    fixture.mirror.sync().await.ok();
    assert_eq!(fixture.mirror.status().await["totals"]["deleted"], 1);
}
