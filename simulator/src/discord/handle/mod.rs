//! What tests and the demo do with a running Discord: act in it, break it, ask it.
//!
//! Closures given to the `update_…` methods run under the lock: they change what they are given and must not call the [`Discord`] again.

mod commands;
mod faults;
mod messages;
mod places;

use std::sync::Arc;
use std::time::Duration;

use crate::discord::message::Message;
use crate::discord::record::Counters;
use crate::discord::record::Request;
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

    /// The bot's token, without the `Bot ` in front.
    pub fn token(&self) -> String {
        self.shared.lock().token.clone()
    }

    /// The guild's id.
    pub fn guild_id(&self) -> u64 {
        self.shared.lock().guild.id
    }

    /// The bot's user id, which is also its application's.
    pub fn bot_id(&self) -> u64 {
        self.shared.lock().guild.bot
    }

    /// The guild owner's id.
    pub fn owner_id(&self) -> u64 {
        self.shared.lock().guild.owner
    }

    /// The channel or thread of this name, the oldest if there are several.
    pub fn channel(&self, name: &str) -> Option<u64> {
        self.shared
            .lock()
            .guild
            .channels
            .values()
            .find(|channel| channel.name == name)
            .map(|channel| channel.id)
    }

    /// The members, by id, with their usernames.
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

    /// The members that are people, by id.
    pub fn people(&self) -> Vec<u64> {
        let state = self.shared.lock();
        let person = |id: &&u64| state.guild.users.get(id).is_some_and(|user| !user.bot);
        state.guild.members.keys().filter(person).copied().collect()
    }

    /// A message, whoever may see it.
    pub fn message(&self, channel: u64, message: u64) -> Option<Message> {
        self.shared.lock().guild.message(channel, message).cloned()
    }
    /// What the bot may see now.
    pub fn truth(&self) -> Truth {
        self.shared.lock().truth()
    }

    /// Every request so far (the newest 500,000), oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().log.requests.iter().cloned().collect()
    }

    /// How many requests a route, such as `GET /channels/{channel_id}/messages`, has had.
    pub fn count(&self, route: &str) -> usize {
        self.shared
            .lock()
            .log
            .requests
            .iter()
            .filter(|r| format!("{} {}", r.method, r.route) == route)
            .count()
    }

    /// What a well-behaved client would not have done: exceeded limits, unknown routes, bad tokens, badly encoded emoji, late answers.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().log.violations.iter().cloned().collect()
    }

    /// How often what happened.
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

    /// Clients on the gateway with a session.
    pub fn connected(&self) -> usize {
        self.shared.lock().sessions.connected()
    }

    /// Waits until a condition holds, looking again after every request, gateway payload and action. False if it did not in time.
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

    /// Lets the world go on: so many actions a second, which the seed decides. 0 stops it.
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

    /// Lets the next actions of the script happen at once, and tells which.
    pub fn step(&self, actions: usize) -> Vec<life::Action> {
        let mut script = self
            .script
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.act(|state| (0..actions).map(|_| script.step(state)).collect())
    }
}
