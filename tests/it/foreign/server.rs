//! The server: its data, its behaviour, and the expected store contents.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use percent_encoding::percent_decode_str;
use propsbot_model::GuildId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::mirror::{Ended, open, propsbot, start, whole};

pub(super) const GUILD: u64 = 1;
pub(super) const BOT: u64 = 9;
pub(super) const GENERAL: u64 = 10;
pub(super) const QUIET: u64 = 11;
pub(super) const ACTIVE: u64 = 12;
pub(super) const ARCHIVED: u64 = 13;
/// An id from 2020: outside the look-back, which would hide what isn't read again.
pub(super) const BEGIN: u64 = (1_600_000_000_000 - 1_420_070_400_000) << 22;
/// View channels, read history, manage threads.
pub(super) const EVERYONE: u64 = 1 << 10 | 1 << 16 | 1 << 34;
/// Another guild, with one channel.
pub(super) const NEIGHBOUR: u64 = 2;
pub(super) const NEIGHBOUR_CHANNEL: u64 = 30;
pub(super) const THANKS: &str = "🙏";

/// An error response.
pub(super) struct Fault {
    /// Requests whose path contains this.
    pub(super) at: &'static str,
    /// How many of them succeed first.
    pub(super) skip: usize,
    /// How many of them fail.
    pub(super) times: usize,
    pub(super) status: u16,
}

/// The server's data and behaviour.
pub(super) struct World {
    pub(super) guild: Value,
    pub(super) members: Vec<Value>,
    pub(super) channels: Vec<Value>,
    pub(super) active: Vec<Value>,
    /// By channel, last archived first.
    pub(super) archived: BTreeMap<u64, Vec<Value>>,
    /// By channel, oldest first.
    pub(super) messages: BTreeMap<u64, Vec<Value>>,
    pub(super) reactors: BTreeMap<u64, Vec<u64>>,
    /// How many messages `last_message_id` lags behind; `None` omits it.
    pub(super) lag: Option<usize>,
    pub(super) largest_page: usize,
    pub(super) knows_before: bool,
    pub(super) faults: Vec<Fault>,
    /// Whether the bot is also in the other guild.
    pub(super) neighbour: bool,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn user(id: u64) -> Value {
    json!({"id": id.to_string(), "username": format!("user{id}")})
}

pub(super) fn message(channel: u64, n: u64) -> Value {
    json!({
        "id": (BEGIN + n).to_string(), "channel_id": channel.to_string(), "type": 0,
        "author": user(100 + n % 3), "content": format!("no. {n} in {channel}"),
    })
}

pub(super) fn thread(id: u64, archived: Option<u64>) -> Value {
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

pub(super) fn id(of: &Value) -> u64 {
    of["id"].as_str().unwrap().parse().unwrap()
}

impl World {
    /// A channel, an empty one, and a thread of each kind.
    pub(super) fn new() -> Self {
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
            neighbour: false,
        };
        world.post(GENERAL, 0..250);
        world.post(ACTIVE, 250..370);
        world.post(ARCHIVED, 370..373);
        world.react(BEGIN + 5, 100..101);
        world.react(BEGIN + 120, 100..230);
        world.react(BEGIN + 371, 100..103);
        world
    }

    pub(super) fn post(&mut self, channel: u64, ids: Range<u64>) {
        let messages = self.messages.entry(channel).or_default();
        messages.extend(ids.map(|n| message(channel, n)));
    }

    pub(super) fn react(&mut self, to: u64, users: Range<u64>) {
        let mut all = self.messages.values_mut().flatten();
        let message = all.find(|item| id(item) == to).unwrap();
        let emoji = json!({"id": null, "name": THANKS});
        message["reactions"] = json!([{"emoji": emoji, "count": users.end - users.start}]);
        self.reactors.insert(to, users.collect());
    }

    /// The message with this number.
    pub(super) fn message(&mut self, n: u64) -> &mut Value {
        let mut all = self.messages.values_mut().flatten();
        all.find(|item| item["id"].as_str() == Some(&(BEGIN + n).to_string()))
            .unwrap()
    }

    pub(super) fn fail(&mut self, at: &'static str, skip: usize, status: u16) {
        self.faults.push(Fault {
            at,
            skip,
            // As often as anything is tried: three rounds for transient errors.
            times: if status >= 500 { 18 } else { 6 },
            status,
        });
    }

    /// The fault that hits this request.
    pub(super) fn fault(&mut self, address: &str) -> Option<u16> {
        let mut faults = self.faults.iter_mut();
        let fault = faults.find(|fault| address.contains(fault.at) && fault.times > 0)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.status)
    }

    /// A channel as listed.
    pub(super) fn listed(&self, channel: &Value) -> Value {
        let mut channel = channel.clone();
        if let Some(lag) = self.lag {
            let messages = self.messages.get(&id(&channel));
            let last = messages.and_then(|all| all.iter().rev().nth(lag));
            channel["last_message_id"] = last.map_or(Value::Null, |item| item["id"].clone());
        }
        channel
    }

    pub(super) fn all_listed(&self, channels: &[Value]) -> Value {
        channels
            .iter()
            .map(|channel| self.listed(channel))
            .collect()
    }

    pub(super) fn answer(&self, path: &[&str], query: &BTreeMap<&str, &str>) -> Option<Value> {
        let number = |name| {
            let text: Option<&&str> = query.get(name);
            text.and_then(|text| text.parse::<u64>().ok())
        };
        let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap();
        let after = number("after").unwrap_or_default();
        Some(match path {
            ["users", "@me"] => json!({"id": BOT.to_string(), "username": "propsbot", "bot": true}),
            ["users", "@me", "guilds"] => {
                let all = [
                    (GUILD, "elsewhere", true),
                    (NEIGHBOUR, "beside", self.neighbour),
                ];
                let page = all.iter().filter(|(id, _, is_in)| *is_in && *id > after);
                page.map(|(id, name, _)| json!({"id": id.to_string(), "name": name}))
                    .collect()
            }
            ["guilds", "2", rest @ ..] => return self.neighbour(rest, after),
            ["guilds", _] => self.guild.clone(),
            ["guilds", _, "channels"] => self.all_listed(&self.channels),
            ["guilds", _, "threads", "active"] => json!({"threads": self.all_listed(&self.active)}),
            ["guilds", _, "members"] => {
                let members = self.members.iter();
                let members = members.filter(|member| id(&member["user"]) > after);
                members.take(limit).cloned().collect()
            }
            ["channels", channel, "threads", "archived", "public"] => {
                let all = self.archived.get(&channel.parse().ok()?);
                let all = all.map_or(&[][..], Vec::as_slice);
                let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
                let before = query.get("before").map(|query| time(query));
                let is_before = |value: &&Value| {
                    let archived = value["thread_metadata"]["archive_timestamp"].as_str();
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
                // Malformed messages stay where they were posted.
                let end = all.partition_point(|item| item["id"].is_null() || id(item) < before);
                let page = all[..end].iter().rev();
                page.take(limit.min(self.largest_page)).cloned().collect()
            }
            ["channels", channel, "messages", message] => {
                let all = self.messages.get(&channel.parse().ok()?)?;
                all.iter().find(|item| item["id"] == *message)?.clone()
            }
            ["channels", _, "messages", message, "reactions", emoji] => {
                let emoji = percent_decode_str(emoji).decode_utf8().unwrap();
                let users = self.reactors.get(&message.parse().ok()?)?;
                let is_wanted = emoji == THANKS && query.get("type") != Some(&"1");
                let users = users.iter().filter(|user| is_wanted && **user > after);
                users.take(limit).map(|item| user(*item)).collect()
            }
            _ => return None,
        })
    }

    /// Responses about the other guild.
    fn neighbour(&self, path: &[&str], after: u64) -> Option<Value> {
        let channel = json!({"id": NEIGHBOUR_CHANNEL.to_string(), "type": 0});
        Some(match path {
            _ if !self.neighbour => return None,
            [] => {
                let mut guild = self.guild.clone();
                guild["id"] = NEIGHBOUR.to_string().into();
                guild["roles"][0]["id"] = NEIGHBOUR.to_string().into();
                guild
            }
            ["channels"] => self.all_listed(&[channel]),
            ["threads", "active"] => json!({"threads": []}),
            ["members"] => {
                let members = self.members.iter();
                members
                    .filter(|member| id(&member["user"]) > after)
                    .cloned()
                    .collect()
            }
            _ => return None,
        })
    }

    /// A line for each message and reaction in channels of a known type.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let archived = self.archived.values().flatten();
        let channels = self.channels.iter().chain(&self.active).chain(archived);
        for channel in channels
            .filter(|channel| !channel["type"].is_null())
            .map(id)
        {
            let messages = self.messages.get(&channel).into_iter().flatten();
            for it in messages.filter(|message| message["author"].is_object()) {
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
    let query = query.filter_map(|query| query.split_once('=')).collect();
    match world.answer(&path, &query) {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => (
            StatusCode::NOT_FOUND,
            json!({"message": "no such thing", "code": 0}).to_string(),
        ),
    }
}

/// The server, and a home for the bot.
pub(super) struct Foreign {
    pub(super) world: Shared,
    pub(super) url: String,
    pub(super) home: TempDir,
}

impl Foreign {
    pub(super) async fn new(quirk: impl FnOnce(&mut World)) -> Self {
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

    pub(super) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut lock(&self.world));
    }

    /// Removes all faults.
    pub(super) fn heal(&self) {
        self.change(|own| own.faults.clear());
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Ended {
        let variables = [
            ("DISCORD_TOKEN", "any.thing.goes"),
            ("DISCORD_API_URL", &*self.url),
        ];
        let command = propsbot(self.home.path(), &variables, arguments);
        start(command).wait().await
    }

    /// Syncs, and expects this exit code.
    pub(super) async fn sync(&self, what: &str, code: i32) -> Ended {
        let ended = self.run(&["sync"]).await;
        if ended.code != Some(code) {
            let status = self.run(&["status", "--json"]).await;
            panic!("{what}: {ended:#?}\n{status:#?}");
        }
        ended
    }

    /// A line for each message and reaction in the store.
    pub(super) fn lines(&self) -> Vec<String> {
        let store = open(&self.home.path().join("data")).unwrap();
        let all = whole(&store, GuildId(GUILD));
        let messages = all
            .messages
            .iter()
            .filter(|message| message.deleted_at.is_none());
        let messages = messages
            .map(|message| format!("{}: {:?}", message.id, message.content.as_deref().unwrap()));
        let reactions = all
            .reactions
            .iter()
            .filter(|reaction| reaction.removed_at.is_none());
        let reactions = reactions.map(|reaction| {
            let emoji = reaction.emoji.as_deref().unwrap();
            format!("{}: {emoji} by {}", reaction.message_id, reaction.user_id)
        });
        let mut lines: Vec<String> = messages.chain(reactions).collect();
        lines.sort();
        lines
    }

    /// Asserts that the store has exactly the server's data.
    #[track_caller]
    pub(super) fn check(&self, what: &str) {
        let (found, truth) = (self.lines(), lock(&self.world).lines());
        let missing: Vec<_> = truth
            .iter()
            .filter(|truth| !found.contains(truth))
            .collect();
        let surplus: Vec<_> = found
            .iter()
            .filter(|found| !truth.contains(found))
            .collect();
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

    /// The guild in `status --json`.
    pub(super) async fn status(&self) -> Value {
        let ended = self.run(&["status", "--json"]).await.ok();
        serde_json::from_str::<Value>(&ended.stdout).unwrap()[0].take()
    }

    /// The objects reported as failed.
    pub(super) async fn failures(&self) -> Vec<String> {
        let status = self.status().await;
        let failures = status["failures"].as_array().unwrap().iter();
        failures
            .map(|failure| failure["object"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Removes the faults, and asserts that a sync completes.
    pub(super) async fn completes(&self, what: &str) {
        self.heal();
        self.sync(what, 0).await;
        self.check(what);
        assert_eq!(self.failures().await, [""; 0], "{what}");
    }
}
