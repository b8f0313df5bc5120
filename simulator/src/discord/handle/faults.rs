//! Injecting faults.

use std::time::Duration;

use serde_json::Value;

use crate::discord::Discord;
use crate::discord::faults::{EventFault, Fault, Manners};
use crate::discord::limits::Limiter;
use crate::discord::limits::Limits;
use crate::discord::sessions::Event;
use crate::discord::sessions::Order;
use crate::discord::state::State;

impl Discord {
    /// Cuts every gateway connection; sessions can be resumed.
    pub fn cut_gateway(&self) {
        self.act(|state| state.sessions.order_all(&Order::Cut));
    }

    /// Closes every gateway connection with a code.
    pub fn close_gateway(&self, code: u16) {
        self.act(|state| state.sessions.order_all(&Order::Close(Some(code))));
    }

    /// Closes every gateway connection with a close frame that has no code.
    pub fn close_gateway_without_code(&self) {
        self.act(|state| state.sessions.order_all(&Order::Close(None)));
    }

    /// Applies this fault to the next event and, if `again`, to its replays.
    pub fn break_event(&self, fault: EventFault, again: bool) {
        self.act(|state| state.sessions.planned.push_back((fault, again)));
    }

    /// Changes how the gateway treats its clients.
    pub fn manners(&self, manners: Manners) {
        self.act(|state| state.sessions.manners = manners);
    }

    /// Announces this URL for resuming sessions from now on.
    pub fn resume_at(&self, url: &str) {
        self.act(|state| state.sessions.resume_url = Some(url.to_owned()));
    }

    /// Limits session starts from now on, as `GET /gateway/bot` reports: `remaining` until the reset after
    /// `reset_after_ms`. Each IDENTIFY takes one; one too many is a violation.
    pub fn limit_session_starts(&self, remaining: u64, reset_after_ms: u64) {
        self.act(|state| state.sessions.starts_left = Some((remaining, reset_after_ms)));
    }

    /// Recommends this many shards from now on, of which `concurrency` can identify at a time.
    pub fn recommend_shards(&self, shards: u64, concurrency: u64) {
        self.act(|state| {
            state.sessions.sharding.recommended = shards;
            state.sessions.sharding.concurrency = concurrency;
        });
    }

    /// Requires at least this many shards from now on.
    pub fn require_shards(&self, shards: u64) {
        self.act(|state| state.sessions.sharding.required = shards);
    }

    /// Enforces the time between two identifies of a lane; Discord's is 5 s. An identify that comes too soon is a
    /// violation, and gets no session.
    pub fn pace_identifies(&self, pace: Duration) {
        self.act(|state| state.sessions.sharding.pace = pace);
    }

    /// Cuts a shard's connection; its session can be resumed.
    pub fn cut_shard(&self, shard: u64) {
        self.act(|state| state.sessions.order_shard(shard, Order::Cut));
    }

    /// Forgets a shard's session and cuts its connection.
    pub fn lose_shard(&self, shard: u64) {
        self.act(|state| {
            if let Some(session) = state.sessions.order_shard(shard, Order::Cut) {
                state.sessions.end(&session);
            }
        });
    }

    /// Op 7: asks every client to reconnect and resume.
    pub fn reconnect(&self) {
        self.act(State::ask_to_reconnect);
    }

    /// Op 9: invalidates sessions. Unless resumable, they are lost.
    pub fn invalidate_session(&self, resumable: bool) {
        self.act(|state| state.sessions.invalidate(resumable));
    }

    /// Forgets sessions and breaks connections: the next resume fails, and events in between are only in REST.
    pub fn lose_sessions(&self) {
        self.act(|state| state.sessions.lose());
    }

    /// The next `times` requests of a route, such as `GET /channels/{channel_id}/messages` (`*` for all), get this
    /// fault.
    pub fn fail(&self, route: &str, times: usize, fault: Fault) {
        self.fail_after(route, 0, times, fault);
    }

    /// As [`Discord::fail`], but the first `skip` requests succeed.
    pub fn fail_after(&self, route: &str, skip: usize, times: usize, fault: Fault) {
        self.act(|state| state.faults.plan(route, skip, times, fault));
    }

    /// A member blocks the bot, which then can't react to their messages.
    pub fn block_bot(&self, user: u64) {
        self.act(|state| state.blocking.insert(user));
    }

    /// The next `times` reactor lists of this message lack their last `hidden` users.
    pub fn short_lists(&self, message: u64, hidden: usize, times: usize) {
        self.act(|state| state.faults.shorten(message, hidden, times));
    }

    /// Fixes the counter of normal reactions with this emoji at `counted`; `None` corrects it.
    pub fn stick_counter(&self, channel: u64, message: u64, emoji: &str, counted: Option<usize>) {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            if let Some(message) = state.guild.message_mut(channel, message) {
                message.count_as(emoji, counted);
            }
        });
    }

    /// Replaces a field in every response of a route, such as `GET /channels/{channel_id}/messages`, or in every
    /// event of this name.
    ///
    /// `json` is any text, valid JSON or not. `pointer` is a JSON pointer (empty for everything) in which `*` means
    /// every item of a list, and `id=5` the item with that id or of the user with that id. A missing field is added.
    pub fn mutate(&self, of: &str, pointer: &str, json: &str) {
        self.act(|state| state.faults.mutations.add(of, pointer, Some(json)));
    }

    /// As [`Discord::mutate`], but removes a field, or an item of a list.
    pub fn leave_out(&self, of: &str, pointer: &str) {
        self.act(|state| state.faults.mutations.add(of, pointer, None));
    }

    /// Refuses a channel's messages from now on, although the permissions allow them.
    pub fn refuse(&self, channel: u64) {
        self.act(|state| state.faults.refused.insert(channel));
    }

    /// Forgets the nonces of posted messages, as Discord does after a few minutes.
    pub fn forget_nonces(&self) {
        self.act(|state| state.interactions.nonces.clear());
    }

    /// Removes all planned faults and mutations; fixed counters stay.
    pub fn heal(&self) {
        self.act(|state| state.faults.clear());
    }

    /// Sends an event of any shape to every session, whatever it asked for.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!({..}) in place"
    )]
    pub fn dispatch_raw(&self, name: &str, data: Value) {
        self.act(|state| state.sessions.dispatch(Event::new(name, 0, &data)));
    }

    /// Holds gateway events back, or releases them. The world goes on meanwhile.
    pub fn hold_events(&self, hold: bool) {
        self.act(|state| {
            if hold {
                state.sessions.holding = true;
            } else {
                state.sessions.release();
            }
        });
    }

    /// Lists messages of one millisecond out of id order from now on, or stops doing so.
    pub fn disorder(&self, disorder: bool) {
        self.act(|state| state.disorder = disorder);
    }

    /// Drops all events from now on, or stops doing so.
    pub fn drop_events(&self, drop: bool) {
        self.act(|state| state.sessions.dropping = drop);
    }

    /// Changes the rate limits, and resets their counts.
    pub fn limit(&self, limits: Limits) {
        self.act(|state| state.limiter = Limiter::new(limits));
    }

    /// Sets the privileged intents, as in the developer portal.
    pub fn privilege(&self, intents: u64) {
        self.act(|state| state.privileged = intents);
    }
}
