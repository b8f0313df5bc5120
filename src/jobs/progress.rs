//! The current progress of backfills.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::estimate::{self, About, Course, Finished};
use propsbot_discord::{Rest, Urgency};
use propsbot_model::{ChannelId, GuildId};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Idle,
    /// Finding channels, threads and members.
    Discovering,
    Fetching,
    /// Waiting before a retry.
    Waiting,
}

/// Progress of a guild's backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    /// Whether the last fetching left something that is to be tried again.
    pub is_incomplete: bool,
    pub guild: Option<(GuildId, String)>,
    /// Channels and threads to read, including those done.
    pub channels: u64,
    pub channels_done: u64,
    /// Channels and threads that the bot may not read.
    pub unreadable: u64,
    pub messages: u64,
    /// Lists of reactors found missing so far.
    pub lists: u64,
    pub lists_done: u64,
    pub requests: u64,
    /// Minimum time left; `None` if unknown.
    pub left: Option<Duration>,
    /// Objects that failed but may succeed later.
    pub failures: u64,
    /// Failed channels where a retry won't help.
    pub hidden: u64,
    /// Objects that Discord refuses, or that are gone.
    pub refused: u64,
}

/// How long a computed time left is reused.
const FRESH: Duration = Duration::from_millis(500);

/// Progress that one task writes and others read.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    now: Progress,
    courses: BTreeMap<ChannelId, Course>,
    finished: Finished,
    client: Option<Client>,
    /// When fetching began, and the requests sent before.
    fetching: Option<(Instant, u64)>,
    /// The last computed time left, and when.
    told: Option<(Instant, Option<Duration>)>,
}

/// The client that sends the requests, and its count at the beginning.
#[derive(Debug)]
struct Client {
    rest: Rest,
    sent: u64,
}

impl ProgressBoard {
    /// Starts over for a guild whose requests use this client.
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

    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock().now);
    }

    pub fn fetch(&self, courses: impl IntoIterator<Item = (ChannelId, Course)>) {
        let mut board = self.lock();
        board.now.phase = Phase::Fetching;
        board.courses = courses.into_iter().collect();
        board.told = None;
        let sent = board.client.as_ref().map_or(0, |client| client.rest.sent());
        board.fetching = Some((Instant::now(), sent));
    }

    pub fn advance(&self, channel: ChannelId, change: impl FnOnce(&mut Course)) {
        let board = &mut *self.lock();
        if let Some(course) = board.courses.get_mut(&channel) {
            change(course);
            if course.is_read() {
                board.finished.add(course);
            }
        }
    }

    /// Returns the priority of a channel's next request.
    pub fn urgency(&self, channel: ChannelId) -> Urgency {
        let board = self.lock();
        match (board.courses.get(&channel), &board.client) {
            (Some(course), Some(client)) => course.urgency(&client.rest.pace()),
            _ => Urgency::AtOnce,
        }
    }

    pub fn done(&self, channel: ChannelId) {
        let mut board = self.lock();
        board.courses.remove(&channel);
        board.now.channels_done += 1;
    }

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
    pub fn time_left(&self) -> String {
        self.left.map_or_else(
            || "time left unknown".to_owned(),
            |left| format!("{} left", About(left)),
        )
    }
}
