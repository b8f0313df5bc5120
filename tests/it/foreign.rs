//! A Discord-compatible server that is not ours: plain REST from a table, with minimal objects, no
//! rate limits, and habits that Discord does not have. `propsbot` mirrors it, or says what is missing.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use percent_encoding::percent_decode_str;
use propsbot::model::GuildId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::mirror::{Ended, open, propsbot, start, whole};

const GUILD: u64 = 1;
const BOT: u64 = 9;
const GENERAL: u64 = 10;
const QUIET: u64 = 11;
const ACTIVE: u64 = 12;
const ARCHIVED: u64 = 13;
/// An id of 2020: nothing is within the look-back, which would hide what is not read again.
const BEGIN: u64 = (1_600_000_000_000 - 1_420_070_400_000) << 22;
/// To view channels, read their history, and manage threads.
const EVERYONE: u64 = 1 << 10 | 1 << 16 | 1 << 34;
const THANKS: &str = "🙏";

/// An answer that is no success.
struct Fault {
    /// Only requests whose address has this in it.
    at: &'static str,
    /// How many of them pass before it.
    skip: usize,
    /// How many of them fail.
    times: usize,
    status: u16,
}

/// All that the server knows, and how it behaves.
struct World {
    guild: Value,
    members: Vec<Value>,
    channels: Vec<Value>,
    active: Vec<Value>,
    /// By channel, the last archived first.
    archived: BTreeMap<u64, Vec<Value>>,
    /// By channel, the first posted first.
    messages: BTreeMap<u64, Vec<Value>>,
    reactors: BTreeMap<u64, Vec<u64>>,
    /// How many messages `last_message_id` lags behind; `None` to leave it out.
    lag: Option<usize>,
    largest_page: usize,
    knows_before: bool,
    faults: Vec<Fault>,
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn user(id: u64) -> Value {
    json!({"id": id.to_string(), "username": format!("user{id}")})
}

fn message(channel: u64, n: u64) -> Value {
    json!({
        "id": (BEGIN + n).to_string(), "channel_id": channel.to_string(), "type": 0,
        "author": user(100 + n % 3), "content": format!("no. {n} in {channel}"),
    })
}

fn thread(id: u64, archived: Option<u64>) -> Value {
    let metadata = archived.map(|second| {
        let time = format!("2020-09-13T{:02}:{:02}:00+00:00", second / 60, second % 60);
        json!({"archived": true, "archive_timestamp": time})
    });
    let mut thread = json!({"id": id.to_string(), "type": 11, "parent_id": GENERAL.to_string()});
    if let Some(metadata) = metadata {
        thread["thread_metadata"] = metadata;
    }
    thread
}

fn id(of: &Value) -> u64 {
    of["id"].as_str().unwrap().parse().unwrap()
}

impl World {
    /// A channel, an empty one, and a thread of each kind.
    fn new() -> Self {
        let mut world = Self {
            guild: json!({
                "id": GUILD.to_string(), "name": "elsewhere", "owner_id": "100",
                "roles": [{"id": GUILD.to_string(), "permissions": EVERYONE.to_string()}],
            }),
            members: [BOT, 100, 101].map(|id| json!({"user": user(id)})).into(),
            channels: [GENERAL, QUIET]
                .map(|id| json!({"id": id.to_string(), "type": 0}))
                .into(),
            active: vec![thread(ACTIVE, None)],
            archived: BTreeMap::from([(GENERAL, vec![thread(ARCHIVED, Some(7))])]),
            messages: BTreeMap::new(),
            reactors: BTreeMap::new(),
            lag: None,
            largest_page: 100,
            knows_before: true,
            faults: Vec::new(),
        };
        world.post(GENERAL, 0..250);
        world.post(ACTIVE, 250..370);
        world.post(ARCHIVED, 370..373);
        world.react(BEGIN + 5, 100..101);
        world.react(BEGIN + 120, 100..230);
        world.react(BEGIN + 371, 100..103);
        world
    }

    fn post(&mut self, channel: u64, ids: Range<u64>) {
        let messages = self.messages.entry(channel).or_default();
        messages.extend(ids.map(|n| message(channel, n)));
    }

    fn react(&mut self, to: u64, users: Range<u64>) {
        let mut all = self.messages.values_mut().flatten();
        let message = all.find(|it| id(it) == to).unwrap();
        let emoji = json!({"id": null, "name": THANKS});
        message["reactions"] = json!([{"emoji": emoji, "count": users.end - users.start}]);
        self.reactors.insert(to, users.collect());
    }

    /// The message with this number.
    fn message(&mut self, n: u64) -> &mut Value {
        let mut all = self.messages.values_mut().flatten();
        all.find(|it| it["id"].as_str() == Some(&(BEGIN + n).to_string()))
            .unwrap()
    }

    fn fail(&mut self, at: &'static str, skip: usize, status: u16) {
        self.faults.push(Fault {
            at,
            skip,
            // As often as anything is tried: what may pass, in three rounds.
            times: if status >= 500 { 18 } else { 6 },
            status,
        });
    }

    /// A fault that hits this request, if any.
    fn fault(&mut self, address: &str) -> Option<u16> {
        let mut faults = self.faults.iter_mut();
        let fault = faults.find(|it| address.contains(it.at) && it.times > 0)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.status)
    }

    /// A channel as it is listed.
    fn listed(&self, channel: &Value) -> Value {
        let mut channel = channel.clone();
        if let Some(lag) = self.lag {
            let messages = self.messages.get(&id(&channel));
            let last = messages.and_then(|all| all.iter().rev().nth(lag));
            channel["last_message_id"] = last.map_or(Value::Null, |it| it["id"].clone());
        }
        channel
    }

    fn all_listed(&self, channels: &[Value]) -> Value {
        channels.iter().map(|it| self.listed(it)).collect()
    }

    fn answer(&self, path: &[&str], query: &BTreeMap<&str, &str>) -> Option<Value> {
        let number = |name| {
            let text: Option<&&str> = query.get(name);
            text.and_then(|it| it.parse::<u64>().ok())
        };
        let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap();
        let after = number("after").unwrap_or_default();
        Some(match path {
            ["users", "@me"] => json!({"id": BOT.to_string(), "username": "propsbot", "bot": true}),
            ["users", "@me", "guilds"] if after < GUILD => {
                json!([{"id": GUILD.to_string(), "name": "elsewhere"}])
            }
            ["users", "@me", "guilds"] => json!([]),
            ["guilds", _] => self.guild.clone(),
            ["guilds", _, "channels"] => self.all_listed(&self.channels),
            ["guilds", _, "threads", "active"] => json!({"threads": self.all_listed(&self.active)}),
            ["guilds", _, "members"] => {
                let members = self.members.iter();
                let members = members.filter(|it| id(&it["user"]) > after);
                members.take(limit).cloned().collect()
            }
            ["channels", channel, "threads", "archived", "public"] => {
                let all = self.archived.get(&channel.parse().ok()?);
                let all = all.map_or(&[][..], Vec::as_slice);
                let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
                let before = query.get("before").map(|it| time(it));
                let is_before = |it: &&Value| {
                    let archived = it["thread_metadata"]["archive_timestamp"].as_str();
                    before.is_none_or(|before| time(archived.unwrap()) < before)
                };
                let page: Vec<Value> = all.iter().filter(is_before).cloned().collect();
                let has_more = page.len() > limit;
                let page = &page[..page.len().min(limit)];
                json!({"threads": self.all_listed(page), "has_more": has_more})
            }
            ["channels", _, "threads", "archived", "private"] => json!({"threads": []}),
            ["channels", channel, "messages"] => {
                let all = self.messages.get(&channel.parse().ok()?);
                let all = all.map_or(&[][..], Vec::as_slice);
                let before = number("before").filter(|_| self.knows_before);
                let before = before.unwrap_or(u64::MAX);
                // Garbage is wherever it was posted.
                let end = all.partition_point(|it| it["id"].is_null() || id(it) < before);
                let page = all[..end].iter().rev();
                page.take(limit.min(self.largest_page)).cloned().collect()
            }
            ["channels", channel, "messages", message] => {
                let all = self.messages.get(&channel.parse().ok()?)?;
                all.iter().find(|it| it["id"] == *message)?.clone()
            }
            ["channels", _, "messages", message, "reactions", emoji] => {
                let emoji = percent_decode_str(emoji).decode_utf8().unwrap();
                let users = self.reactors.get(&message.parse().ok()?)?;
                let is_wanted = emoji == THANKS && query.get("type") != Some(&"1");
                let users = users.iter().filter(|it| is_wanted && **it > after);
                users.take(limit).map(|it| user(*it)).collect()
            }
            _ => return None,
        })
    }

    /// A line for each message and each reaction that there is, in what has a type.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let archived = self.archived.values().flatten();
        let channels = self.channels.iter().chain(&self.active).chain(archived);
        for channel in channels.filter(|it| !it["type"].is_null()).map(id) {
            let messages = self.messages.get(&channel).into_iter().flatten();
            for it in messages.filter(|it| it["author"].is_object()) {
                let content = it["content"].as_str().unwrap_or_default();
                lines.push(format!("{}: {content:?}", id(it)));
                let users = self.reactors.get(&id(it)).into_iter().flatten();
                lines.extend(users.map(|user| format!("{}: {THANKS} by {user}", id(it))));
            }
        }
        lines.sort();
        lines
    }
}

async fn serve(State(world): State<Shared>, uri: Uri) -> (StatusCode, String) {
    let mut world = lock(&world);
    if let Some(status) = world.fault(&uri.to_string()) {
        let body = json!({"message": "not now", "code": 0}).to_string();
        return (StatusCode::from_u16(status).unwrap(), body);
    }
    let path = uri.path().strip_prefix("/api/v10/").unwrap_or_default();
    let path: Vec<&str> = path.split('/').collect();
    let query = uri.query().unwrap_or_default().split('&');
    let query = query.filter_map(|it| it.split_once('=')).collect();
    match world.answer(&path, &query) {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => (
            StatusCode::NOT_FOUND,
            json!({"message": "no such thing", "code": 0}).to_string(),
        ),
    }
}

/// The server, and a home for the bot.
struct Foreign {
    world: Shared,
    url: String,
    home: TempDir,
}

impl Foreign {
    async fn new(quirk: impl FnOnce(&mut World)) -> Self {
        let mut world = World::new();
        quirk(&mut world);
        let world = Arc::new(Mutex::new(world));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            world,
            url,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut lock(&self.world));
    }

    /// No more faults.
    fn heal(&self) {
        self.change(|it| it.faults.clear());
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        let variables = [
            ("DISCORD_TOKEN", "any.thing.goes"),
            ("DISCORD_API_URL", &*self.url),
        ];
        let command = propsbot(self.home.path(), &variables, arguments);
        start(command).wait().await
    }

    /// Syncs, and expects this exit code.
    async fn sync(&self, what: &str, code: i32) -> Ended {
        let ended = self.run(&["sync"]).await;
        assert_eq!(ended.code, Some(code), "{what}: {ended:#?}");
        ended
    }

    /// A line for each message and each reaction in the store.
    fn lines(&self) -> Vec<String> {
        let store = open(&self.home.path().join("data")).unwrap();
        let all = whole(&store, GuildId(GUILD));
        let messages = all.messages.iter().filter(|it| it.deleted_at.is_none());
        let messages =
            messages.map(|it| format!("{}: {:?}", it.id, it.content.as_deref().unwrap()));
        let reactions = all.reactions.iter().filter(|it| it.removed_at.is_none());
        let reactions = reactions.map(|it| {
            let emoji = it.emoji.as_deref().unwrap();
            format!("{}: {emoji} by {}", it.message_id, it.user_id)
        });
        let mut lines: Vec<String> = messages.chain(reactions).collect();
        lines.sort();
        lines
    }

    /// The store holds all that the server has, and nothing else.
    #[track_caller]
    fn check(&self, what: &str) {
        let (found, truth) = (self.lines(), lock(&self.world).lines());
        let missing: Vec<_> = truth.iter().filter(|it| !found.contains(it)).collect();
        let surplus: Vec<_> = found.iter().filter(|it| !truth.contains(it)).collect();
        let same = found.len() == truth.len() && missing.is_empty() && surplus.is_empty();
        assert!(
            same,
            "{what}: {} missing, {} too much: {:?} {:?}",
            missing.len(),
            surplus.len(),
            missing.first(),
            surplus.first(),
        );
    }

    /// What `status --json` says of the guild.
    async fn status(&self) -> Value {
        let ended = self.run(&["status", "--json"]).await.ok();
        serde_json::from_str::<Value>(&ended.stdout).unwrap()[0].take()
    }

    /// The objects that are named as failed.
    async fn failures(&self) -> Vec<String> {
        let status = self.status().await;
        let failures = status["failures"].as_array().unwrap().iter();
        failures
            .map(|it| it["object"].as_str().unwrap().to_owned())
            .collect()
    }

    /// All is well again: nothing is missing, and nothing is said to be.
    async fn completes(&self, what: &str) {
        self.heal();
        self.sync(what, 0).await;
        self.check(what);
        assert_eq!(self.failures().await, [""; 0], "{what}");
    }
}

type Quirk = fn(&mut World);

/// What it does is odd, but all can be had.
const HARMLESS: &[(&str, Quirk)] = &[
    ("no last_message_id at all", |_| ()),
    ("a true last_message_id", |it| it.lag = Some(0)),
    ("a stale last_message_id", |it| it.lag = Some(5)),
    ("small pages", |it| it.largest_page = 50),
    ("no roles", |it| {
        it.guild.as_object_mut().unwrap().remove("roles");
    }),
    ("types as texts", |it| {
        it.channels[0]["type"] = json!("0");
        it.active[0]["type"] = json!("11");
        it.message(7)["type"] = json!("0");
    }),
    ("a null for content", |it| {
        it.message(7)["content"] = Value::Null;
    }),
    ("overwrites that are null", |it| {
        it.channels[0]["permission_overwrites"] = Value::Null;
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn harmless_quirks_cost_nothing() {
    let work = HARMLESS.iter().map(|(what, quirk)| {
        tokio::spawn(async move {
            let foreign = Foreign::new(quirk).await;
            foreign.completes(what).await;
            // Also later, and in the channel that was empty.
            foreign.change(|it| {
                it.post(GENERAL, 1000..1003);
                it.post(QUIET, 1003..1160);
                it.post(ACTIVE, 1160..1161);
                it.react(BEGIN + 1150, 100..102);
            });
            foreign.completes(what).await;
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// It ends, and does not say that it has everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ignores_before_is_found_out() {
    let foreign = Foreign::new(|it| it.knows_before = false).await;
    let ended = foreign.run(&["sync"]).await;
    ended.failed(1, &["not everything could be fetched", "propsbot status"]);
    let failures = foreign.failures().await;
    for channel in [GENERAL, ACTIVE] {
        assert!(
            failures.contains(&format!("channel {channel}")),
            "{failures:?}"
        );
    }
    // What it did give is there.
    let lines = foreign.lines();
    let newest = format!("{}: \"no. 249 in {GENERAL}\"", BEGIN + 249);
    assert!(lines.contains(&newest));
    foreign.change(|it| it.knows_before = true);
    foreign.completes("knows it now").await;
}

/// What is refused or garbage, the exit code, and the object that is named.
const NAMED: &[(&str, Quirk, i32, &str)] = &[
    (
        "no members",
        |it| it.fail("/members?", 0, 403),
        0,
        "members",
    ),
    (
        "a channel without a type",
        |it| it.channels.push(json!({"id": "20"})),
        0,
        "channels",
    ),
    (
        "a channel without an id",
        |it| it.channels.push(json!({"name": "x"})),
        0,
        "channels",
    ),
    (
        "a role without an id",
        |it| {
            it.guild["roles"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "x"}));
        },
        0,
        "guild",
    ),
    (
        "a thread without a type",
        |it| it.active.push(json!({"id": "21"})),
        0,
        "threads",
    ),
    (
        "an archived thread without a type",
        |it| {
            let list = it.archived.get_mut(&GENERAL).unwrap();
            let metadata = list[0]["thread_metadata"].clone();
            list.push(json!({"id": "21", "thread_metadata": metadata}));
        },
        0,
        "threads",
    ),
    (
        "a message that is garbage",
        |it| *it.message(7) = json!({"id": (BEGIN + 7).to_string(), "type": []}),
        0,
        "message 10/",
    ),
    (
        "a message that is nothing",
        |it| *it.message(7) = json!({}),
        1,
        "channel 10",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_had_is_named_and_costs_nothing_else() {
    let work = NAMED.iter().map(|(what, quirk, code, object)| {
        tokio::spawn(async move {
            let sound = World::new();
            let foreign = Foreign::new(quirk).await;
            for round in 1..=2 {
                let what = format!("{what}, round {round}");
                foreign.sync(&what, *code).await;
                foreign.check(&what);
                let failures = foreign.failures().await;
                assert_eq!(failures.len(), 1, "{what}: {failures:?}");
                assert!(failures[0].starts_with(object), "{what}: {failures:?}");
            }
            foreign.change(|it| *it = sound);
            // Old messages are not read again by themselves.
            if !object.starts_with("message") {
                foreign.completes(what).await;
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// A message that was mirrored, and later comes as garbage without an id, was not deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_garbage_is_not_deleted() {
    let foreign = Foreign::new(|_| ()).await;
    foreign.completes("before").await;
    let before = foreign.lines();
    foreign.change(|it| {
        *it.message(249) = json!({});
        it.post(GENERAL, 1000..1001);
    });
    foreign.sync("garbage", 1).await;
    let after = foreign.lines();
    let lost: Vec<_> = before.iter().filter(|it| !after.contains(it)).collect();
    assert_eq!(lost, [""; 0]);
}

/// A server that names no last message, and then hides all history behind empty lists, as Discord
/// does without the permission to read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_lists_are_not_believed_where_messages_were() {
    let foreign = Foreign::new(|it| it.lag = None).await;
    foreign.completes("before").await;
    let before = foreign.lines();
    foreign.change(|it| {
        it.largest_page = 0;
        it.fail("/messages/", 0, 403);
    });
    foreign.sync("hidden", 0).await;
    assert_eq!(foreign.lines(), before);
}

/// What fails once, and is had by the next sync: where, after how many, with what, the exit code.
const ONCE: &[(&str, usize, u16, i32, &str)] = &[
    ("/channels/10/messages?", 2, 403, 1, "channel 10"),
    ("/channels/10/messages?", 2, 500, 1, "channel 10"),
    ("/channels/12/messages?", 0, 403, 1, "channel 12"),
    ("/channels/12/messages?", 1, 404, 1, "channel 12"),
    ("/channels/13/messages?", 0, 403, 1, "channel 13"),
    (
        "archived/public?limit=100&before=",
        0,
        403,
        0,
        "archived threads of channel 10",
    ),
    (
        "archived/public?limit=100&before=",
        0,
        500,
        1,
        "archived threads of channel 10",
    ),
    ("/reactions/", 1, 403, 0, "reactions"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_once_is_had_by_the_next_sync() {
    let work = ONCE.iter().map(|(at, skip, status, code, object)| {
        tokio::spawn(async move {
            let foreign = Foreign::new(|it| {
                for n in 0..150 {
                    let id = 2000 + n;
                    let list = it.archived.get_mut(&GENERAL).unwrap();
                    // The first is the last that was archived.
                    list.insert(0, thread(id, Some(60 + n)));
                    it.post(id, 2 * id..2 * id + 2);
                }
                it.fail(at, *skip, *status);
            })
            .await;
            let what = format!("{at} after {skip}: {status}");
            foreign.sync(&what, *code).await;
            let failures = foreign.failures().await;
            assert!(
                failures.iter().any(|it| it.starts_with(object)),
                "{what}: {failures:?}"
            );
            let found = foreign.lines();
            assert!(found.len() > 200, "{what}: {}", found.len());
            assert_ne!(found, lock(&foreign.world).lines(), "{what}");
            foreign.completes(&what).await;
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
}

/// A thread whose messages failed is read also if it is not listed the next time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_is_not_listed_again_is_read() {
    let foreign = Foreign::new(|it| it.fail("/channels/12/messages?", 0, 403)).await;
    foreign.sync("its messages fail", 1).await;
    foreign.heal();
    foreign.change(|it| it.fail("/threads/active", 0, 403));
    foreign.sync("its list fails", 0).await;
    foreign.check("its list fails");
    foreign.completes("nothing fails").await;
}

/// All files of a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.insert(path, bytes);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_store_does_not_replace_a_foreign_archive() {
    let first = Foreign::new(|_| ()).await;
    let second = Foreign::new(|it| it.post(QUIET, 5000..5010)).await;
    let place = tempfile::tempdir().unwrap();
    let spec = format!("dir:{}", place.path().display());
    let rows = async |foreign: &Foreign| {
        let verified = foreign.run(&["verify", "--from", &spec]).await.ok();
        let messages = verified.stdout.split(' ');
        let words: Vec<&str> = messages.collect();
        let at = words
            .iter()
            .position(|it| it.starts_with("messages"))
            .unwrap();
        words[at - 1].parse::<usize>().unwrap()
    };
    for foreign in [&first, &second] {
        foreign.completes("synced").await;
    }
    let export = ["export", "--to", &spec];
    first.run(&export).await.ok();
    let before = files(place.path());

    let refused = second.run(&export).await;
    refused.failed(1, &["another store", "--replace"]);
    assert_eq!(files(place.path()), before);

    let taken = [&export[..], &["--replace"]].concat();
    second.run(&taken).await.ok();
    assert_eq!(rows(&second).await, 383);
    let said = second.run(&export).await.ok().stdout;
    assert!(said.contains("nothing changed"), "{said}");

    // The first finds that it is not its own any more, and lays out everything anew.
    first.run(&export).await.ok();
    assert_eq!(rows(&first).await, 373);
}
