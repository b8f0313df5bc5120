//! What is being done now, for whoever wants to show it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    estimate::{self, About, Course, Finished},
    guilds::PerGuild,
};
use propsbot_discord::{Rest, Urgency};
use propsbot_model::{ChannelId, GuildId};

/// What a backfill is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// Finding out which channels, threads and members there are.
    Discovering,
    /// Fetching messages and who reacted to them.
    Fetching,
    /// Waiting before what failed is tried again.
    Waiting,
}

/// How far a guild's backfill is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is busy with.
    pub phase: Phase,
    /// The guild it works on.
    pub guild: Option<(GuildId, String)>,
    /// Channels and threads that are to be read, or were.
    pub channels: u64,
    /// Those of them that are done.
    pub channels_done: u64,
    /// Channels and threads that cannot be read.
    pub unreadable: u64,
    /// Messages listed so far.
    pub messages: u64,
    /// Lists of reactors found to be missing so far.
    pub lists: u64,
    /// Those of them that are done.
    pub lists_done: u64,
    /// Requests sent so far.
    pub requests: u64,
    /// How long it will take at the least; `None` while nothing tells.
    pub left: Option<Duration>,
    /// Objects that could not be fetched, but may be later.
    pub failures: u64,
    /// Channels among them of which the server hides something, however often it is asked.
    pub hidden: u64,
    /// Objects that Discord does not let us have, or that are gone.
    pub refused: u64,
}

/// For so long the time left is not reckoned again, however often it is asked for.
const FRESH: Duration = Duration::from_millis(500);

/// Progress that one side writes and others look at.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    now: Progress,
    /// The channels that are being read, and what those tell whose messages all are.
    courses: BTreeMap<ChannelId, Course>,
    finished: Finished,
    client: Option<Client>,
    /// When fetching began, and how many requests were sent before.
    fetching: Option<(Instant, u64)>,
    /// The time left as it was told last, and when.
    told: Option<(Instant, Option<Duration>)>,
}

/// Who sends the requests, and how many it had sent at the beginning.
#[derive(Debug)]
struct Client {
    rest: Rest,
    sent: u64,
}

impl ProgressBoard {
    /// Begins anew, for a guild whose requests go by this client.
    pub fn begin(&self, guild: GuildId, name: &str, rest: &Rest) {
        let (rest, sent) = (rest.clone(), rest.sent());
        *self.lock() = Board {
            now: Progress {
                phase: Phase::Discovering,
                guild: Some((guild, name.to_owned())),
                ..Progress::default()
            },
            client: Some(Client { rest, sent }),
            ..Board::default()
        };
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock().now);
    }

    /// Fetching begins, of these channels.
    pub fn fetch(&self, courses: impl IntoIterator<Item = (ChannelId, Course)>) {
        let mut board = self.lock();
        board.now.phase = Phase::Fetching;
        board.courses = courses.into_iter().collect();
        board.told = None;
        let sent = board.client.as_ref().map_or(0, |client| client.rest.sent());
        board.fetching = Some((Instant::now(), sent));
    }

    /// Changes how far a channel is.
    pub fn advance(&self, channel: ChannelId, change: impl FnOnce(&mut Course)) {
        let board = &mut *self.lock();
        if let Some(course) = board.courses.get_mut(&channel) {
            change(course);
            if course.is_read() {
                board.finished.add(course);
            }
        }
    }

    /// How urgent a channel's next request is.
    pub fn urgency(&self, channel: ChannelId) -> Urgency {
        let board = self.lock();
        match (board.courses.get(&channel), &board.client) {
            (Some(course), Some(client)) => course.urgency(&client.rest.pace()),
            _ => Urgency::AtOnce,
        }
    }

    /// A channel is done.
    pub fn done(&self, channel: ChannelId) {
        let mut board = self.lock();
        board.courses.remove(&channel);
        board.now.channels_done += 1;
    }

    /// As it is now.
    pub fn look(&self) -> Progress {
        let board = &mut *self.lock();
        let mut now = board.now.clone();
        if let (Some(Client { rest, sent }), true) = (&board.client, now.phase != Phase::Idle) {
            now.requests = rest.sent() - sent;
        }
        if let (Phase::Fetching, Some(client), Some((begun, before))) =
            (now.phase, &board.client, board.fetching)
        {
            let sent = u32::try_from(client.rest.sent() - before).unwrap_or(u32::MAX);
            let speed = f64::from(sent) / begun.elapsed().as_secs_f64().max(1e-3);
            let courses = board.courses.values();
            let pace = client.rest.pace();
            let left = || estimate::time_left(courses, &board.finished, &pace, Some(speed));
            let told = board.told.filter(|(at, _)| at.elapsed() < FRESH);
            now.left = told.map_or_else(left, |(_, left)| left);
            if told.is_none() {
                board.told = Some((Instant::now(), now.left));
            }
        }
        now
    }

    /// Nothing is being done any more.
    pub fn end(&self) {
        let requests = self.look().requests;
        let mut board = self.lock();
        board.now.requests = requests;
        board.now.phase = Phase::Idle;
        board.courses.clear();
        board.client = None;
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().expect("no change panics")
    }
}

impl Progress {
    /// How long it will still take, in words.
    pub fn time_left(&self) -> String {
        self.left.map_or_else(
            || "time left unknown".to_owned(),
            |left| format!("{} left", About(left)),
        )
    }
}

/// How often the log tells how far a long backfill is.
const TELL: Duration = Duration::from_secs(15);

/// Tells the log how far each backfill is, as long as one is under way, until it is stopped.
pub async fn log_regularly(boards: PerGuild<ProgressBoard>, stop: CancellationToken) {
    while stop.run_until_cancelled(time::sleep(TELL)).await.is_some() {
        for (guild, board) in boards.all() {
            let now = board.look();
            if now.phase != Phase::Fetching {
                continue;
            }
            info!(
                %guild,
                channels = format_args!("{}/{}", now.channels_done, now.channels),
                messages = now.messages,
                reaction_lists = format_args!("{}/{}", now.lists_done, now.lists),
                requests = now.requests,
                "fetching history, {}",
                now.time_left()
            );
        }
    }
}
