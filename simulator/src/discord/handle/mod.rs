//! Controls a running Discord for tests and the demo: acting, faults, queries.
//!
//! Closures given to the `update_…` methods run under the lock: they must not call the [`Discord`] again.

mod commands;
mod events;
mod faults;
mod messages;
mod places;

use std::sync::Arc;
use std::time::Duration;

use crate::discord::message::Message;
use crate::discord::record::Counters;
use crate::discord::record::Request;
use crate::discord::sessions::Identify;
use crate::discord::state::State;
use crate::discord::truth::Truth;
use crate::discord::{Discord, life};

impl Discord {
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = act(&mut self.shared.lock());
        self.shared.touch();
        done
    }

    /// The origin, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.shared.lock().url.clone()
    }

    /// The bot's token, without the `Bot ` prefix.
    pub fn token(&self) -> String {
        self.shared.lock().token.clone()
    }

    pub fn guild_id(&self) -> u64 {
        self.shared.lock().guild.id
    }

    /// The bot's user id, which is also its application id.
    pub fn bot_id(&self) -> u64 {
        self.shared.lock().guild.bot
    }

    /// The guild owner's id.
    pub fn owner_id(&self) -> u64 {
        self.shared.lock().guild.owner
    }

    /// The channel or thread of this name; the oldest if there are several.
    pub fn channel(&self, name: &str) -> Option<u64> {
        self.shared
            .lock()
            .guild
            .channels
            .values()
            .find(|channel| channel.name == name)
            .map(|channel| channel.id)
    }

    /// The members' ids and usernames, by id.
    pub fn members(&self) -> Vec<(u64, String)> {
        let state = self.shared.lock();
        let name = |id: &u64| {
            state
                .guild
                .users
                .get(id)
                .map(|user| user.username.clone())
                .unwrap_or_default()
        };
        state
            .guild
            .members
            .keys()
            .map(|id| (*id, name(id)))
            .collect()
    }

    /// The ids of members who are people.
    pub fn people(&self) -> Vec<u64> {
        let state = self.shared.lock();
        let person = |id: &&u64| state.guild.users.get(id).is_some_and(|user| !user.bot);
        state.guild.members.keys().filter(person).copied().collect()
    }

    /// A message, visible to the bot or not.
    pub fn message(&self, channel: u64, message: u64) -> Option<Message> {
        self.shared.lock().guild.message(channel, message).cloned()
    }
    /// What the bot can see now.
    pub fn truth(&self) -> Truth {
        self.shared.lock().truth()
    }

    /// All requests (at most the newest 500,000), oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().log.requests.iter().cloned().collect()
    }

    /// Number of requests of a route, such as `GET /channels/{channel_id}/messages`.
    pub fn count(&self, route: &str) -> usize {
        self.shared
            .lock()
            .log
            .requests
            .iter()
            .filter(|r| format!("{} {}", r.method, r.route) == route)
            .count()
    }

    /// Violations by the client: exceeded limits, unknown routes, bad tokens, badly encoded emoji, late responses.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().log.violations.iter().cloned().collect()
    }

    /// Counters of requests and events.
    pub fn counters(&self) -> Counters {
        let state = self.shared.lock();
        let sessions = &state.sessions;
        Counters {
            identifies: sessions.identifies,
            identify_attempts: sessions.identify_attempts,
            resumes: sessions.resumes,
            events: sessions.dispatched,
            ..state.log.counters
        }
    }

    /// Events dispatched to at least one session.
    pub fn events_sent(&self) -> u64 {
        self.shared.lock().sessions.dispatched
    }

    /// All IDENTIFYs, oldest first.
    pub fn identify_log(&self) -> Vec<Identify> {
        self.shared.lock().sessions.identify_log.clone()
    }

    /// Number of gateway clients with a session.
    pub fn connected(&self) -> usize {
        self.shared.lock().sessions.connected()
    }

    /// Waits until a condition holds, checking after every request, payload and action. False on timeout.
    pub async fn wait(&self, patience: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut changes = self.shared.watch();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if holds(self) {
                    return;
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// Keeps the world active: seeded actions at this rate per second. 0 stops it.
    pub fn live(&mut self, actions_per_second: f64) {
        if let Some(before) = self.life.take() {
            before.abort();
        }
        if actions_per_second > 0.0 {
            self.life = Some(tokio::spawn(life::run(
                Arc::clone(&self.shared),
                Arc::clone(&self.script),
                actions_per_second,
            )));
        }
    }

    /// Runs the script's next actions at once, and returns them.
    pub fn step(&self, actions: usize) -> Vec<life::Action> {
        let mut script = self
            .script
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.act(|state| (0..actions).map(|_| script.step(state)).collect())
    }
}
