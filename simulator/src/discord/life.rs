//! A seeded script that keeps the world active.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::act::Draft;
use super::guild::kind;
use super::interactions::InteractionId;
use super::seed;
use super::seed::voices::{CHAT, REASONS, REPLIES, THREADS};
use super::seed::{emoji, one, someone, thanks};
use super::state::{Shared, State};

/// After how many actions something happens to the scheduled events.
const EVENTS: u64 = 10;

/// An action of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A message was written.
    Post { channel: u64, message: u64 },
    /// A message was replied to.
    Reply { channel: u64, message: u64 },
    /// Someone reacted.
    React {
        channel: u64,
        message: u64,
        user: u64,
    },
    /// Someone removed a reaction.
    Unreact {
        channel: u64,
        message: u64,
        user: u64,
    },
    /// A message was edited.
    Edit { channel: u64, message: u64 },
    /// A message was deleted.
    Delete { channel: u64, message: u64 },
    /// A thread was created from a message.
    Thread { channel: u64, thread: u64 },
    /// Someone joined.
    Join { user: u64 },
    /// Someone left.
    Leave { user: u64 },
    /// Someone used `/props`.
    Props {
        user: u64,
        interaction: InteractionId,
    },
    /// The chosen action wasn't possible.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Life {
    rng: ChaCha8Rng,
    joined: usize,
}

impl Life {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x11fe),
            joined: 0,
        }
    }

    /// Runs the next action.
    pub(crate) fn step(&mut self, state: &mut State) -> Action {
        // Logical time passes between actions; real time does so by itself.
        state.guild.clock.tick(997);
        let guild = &state.guild;
        let people: Vec<u64> = guild
            .members
            .keys()
            .filter(|id| guild.users.get(id).is_some_and(|user| !user.bot))
            .copied()
            .collect();
        if people.is_empty() {
            return Action::Nothing;
        }
        let user = someone(&mut self.rng, &people);
        let channel = self.channel(state);
        match self.rng.random_range(0..100) {
            0..30 => {
                let props = state.channel(channel).is_some_and(|c| c.name == "props");
                let thankful = props || self.rng.random_ratio(1, 6);
                let content = if thankful {
                    thanks(&mut self.rng, user, &people)
                } else {
                    one(&mut self.rng, CHAT).to_owned()
                };
                Action::Post {
                    channel,
                    message: state.post(Draft::new(user, channel, content)),
                }
            }
            30..38 => match self.recent(state, channel) {
                Some(to) => {
                    let draft = Draft {
                        reply_to: Some(to),
                        ..Draft::new(user, channel, one(&mut self.rng, REPLIES))
                    };
                    Action::Reply {
                        channel,
                        message: state.post(draft),
                    }
                }
                None => Action::Nothing,
            },
            38..70 => self.react(state, channel, user),
            70..75 => self.unreact(state, channel),
            75..80 => self.edit(state, channel),
            80..82 => match self.recent(state, channel) {
                Some(message) if state.delete(channel, message) => {
                    Action::Delete { channel, message }
                }
                _ => Action::Nothing,
            },
            82..84 => self.thread(state, channel, user),
            84..86 => {
                self.joined += 1;
                Action::Join {
                    user: state.join(&seed::name(400 + self.joined), false),
                }
            }
            86 if people.len() > 10 && user != state.guild.owner => {
                state.leave(user);
                Action::Leave { user }
            }
            _ => self.props(state, user, &people),
        }
    }

    /// A channel or active thread that people post in.
    fn channel(&mut self, state: &State) -> u64 {
        let open = |c: &&super::guild::Channel| {
            c.holds_messages() && c.thread.as_ref().is_none_or(|thread| !thread.archived)
        };
        let open: Vec<u64> = state
            .guild
            .channels
            .values()
            .filter(open)
            .map(|channel| channel.id)
            .collect();
        if open.is_empty() {
            0
        } else {
            someone(&mut self.rng, &open)
        }
    }

    /// One of the newest messages.
    fn recent(&mut self, state: &State, channel: u64) -> Option<u64> {
        let newest: Vec<u64> = state
            .channel(channel)?
            .messages
            .keys()
            .rev()
            .take(20)
            .copied()
            .collect();
        if newest.is_empty() {
            None
        } else {
            Some(someone(&mut self.rng, &newest))
        }
    }

    fn react(&mut self, state: &mut State, channel: u64, user: u64) -> Action {
        let Some(message) = self.recent(state, channel) else {
            return Action::Nothing;
        };
        let emoji = emoji(&mut self.rng, &state.guild);
        let burst = self.rng.random_ratio(1, 15);
        if state.react(user, channel, message, &emoji, burst) {
            Action::React {
                channel,
                message,
                user,
            }
        } else {
            Action::Nothing
        }
    }

    fn unreact(&mut self, state: &mut State, channel: u64) -> Action {
        let found = self.recent(state, channel).and_then(|message| {
            let reaction = state.guild.message(channel, message)?.reactions.first()?;
            let burst = reaction.normal.is_empty();
            Some((
                message,
                reaction.emoji.clone(),
                *reaction.users(burst).first()?,
                burst,
            ))
        });
        match found {
            Some((message, emoji, user, burst))
                if state.unreact(user, channel, message, &emoji, burst) =>
            {
                Action::Unreact {
                    channel,
                    message,
                    user,
                }
            }
            _ => Action::Nothing,
        }
    }

    fn edit(&mut self, state: &mut State, channel: u64) -> Action {
        let found = self
            .recent(state, channel)
            .and_then(|id| state.guild.message(channel, id));
        let Some(message) = found.filter(|m| m.kind == 0 && m.author != state.guild.bot) else {
            return Action::Nothing;
        };
        let (id, content) = (
            message.id,
            format!(
                "{} (edited: {})",
                message.content,
                one(&mut self.rng, REPLIES)
            ),
        );
        let content: String = content.chars().take(2000).collect();
        state.edit(channel, id, &content);
        Action::Edit {
            channel,
            message: id,
        }
    }

    fn thread(&mut self, state: &mut State, channel: u64, user: u64) -> Action {
        let fits = state.channel(channel).is_some_and(|c| c.kind == kind::TEXT);
        match self
            .recent(state, channel)
            .filter(|id| fits && !state.guild.channels.contains_key(id))
        {
            Some(message) => {
                let thread = state.create_thread(
                    channel,
                    user,
                    one(&mut self.rng, THREADS),
                    false,
                    Some(message),
                );
                Action::Thread { channel, thread }
            }
            None => Action::Nothing,
        }
    }

    /// Runs `/props`, if the client has registered it and is connected.
    fn props(&mut self, state: &mut State, user: u64, people: &[u64]) -> Action {
        let known = state
            .interactions
            .global
            .iter()
            .chain(&state.interactions.local)
            .any(|command| command["name"] == "props");
        let channel = state
            .guild
            .channels
            .values()
            .find(|channel| channel.name == "props")
            .map(|channel| channel.id);
        let others: Vec<u64> = people
            .iter()
            .copied()
            .filter(|other| *other != user)
            .collect();
        let Some(channel) =
            channel.filter(|_| known && state.sessions.connected() > 0 && !others.is_empty())
        else {
            return Action::Nothing;
        };
        let count = if self.rng.random_ratio(1, 4) { 2 } else { 1 };
        let mut to: Vec<String> = (0..count)
            .map(|_| format!("<@{}>", someone(&mut self.rng, &others)))
            .collect();
        to.dedup();
        let options = json!({"to": to.join(" "), "for": one(&mut self.rng, REASONS)});
        Action::Props {
            user,
            interaction: state.slash(user, channel, "props", &options, None),
        }
    }
}

/// Runs the script at this pace until it is aborted or the server stops.
pub(crate) async fn run(shared: Arc<Shared>, script: Arc<Mutex<Life>>, per_second: f64) {
    // High rates run in bursts: a timer is no finer than a millisecond.
    let beat = Duration::from_secs_f64((1.0 / per_second).clamp(0.005, 3600.0));
    let mut timer = tokio::time::interval(beat);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut owed, mut acted) = (0.0, 0_u64);
    {
        // An event that takes place every week, and somebody who is interested.
        let mut state = shared.lock();
        state.live_event(7);
        state.live_event(8);
    }
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = shared.stop.cancelled() => return,
        }
        owed += per_second * beat.as_secs_f64();
        {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = shared.lock();
            while owed >= 1.0 {
                owed -= 1.0;
                script.step(&mut state);
                acted += 1;
                if acted.is_multiple_of(EVENTS) {
                    state.live_event(acted / EVENTS);
                }
            }
        }
        shared.touch();
    }
}
