//! What tests and the demo do with a running Discord: act in it, break it, ask it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::act::Draft;
use super::faults::Fault;
use super::guild::{Channel, Member, Role};
use super::interactions::{Answer, InteractionId, Occasion};
use super::limits::Limits;
use super::message::Message;
use super::permissions::Overwrite;
use super::record::{Counters, Request};
use super::sessions::{Event, Order};
use super::state::{Presence, State};
use super::truth::Truth;
use super::{Discord, life};

/// How long [`Discord::answer`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it is and where.
impl Discord {
    fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
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
}

/// Messages and reactions.
impl Discord {
    /// Writes a message.
    pub fn post(&self, author: u64, channel: u64, content: &str) -> u64 {
        self.act(|state| state.post(Draft::new(author, channel, content)))
    }

    /// Writes a message of any kind.
    pub fn post_draft(&self, draft: Draft) -> u64 {
        self.act(|state| state.post(draft))
    }

    /// Writes many messages under one lock.
    pub fn post_many(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<u64> {
        self.act(|state| drafts.into_iter().map(|draft| state.post(draft)).collect())
    }

    /// Replies to a message, pinging its author.
    pub fn reply(&self, author: u64, channel: u64, to: u64, content: &str) -> u64 {
        self.act(|state| {
            state.post(Draft {
                reply_to: Some(to),
                ..Draft::new(author, channel, content)
            })
        })
    }

    /// Writes as a webhook of this name.
    pub fn post_as_webhook(&self, name: &str, channel: u64, content: &str) -> u64 {
        self.act(|state| {
            let known = state
                .guild
                .users
                .values()
                .find(|user| user.webhook && user.username == name)
                .map(|user| user.id);
            let webhook = known.unwrap_or_else(|| {
                let id = state.guild.clock.next_id();
                state.guild.add_webhook(id, name);
                id
            });
            state.post(Draft::new(webhook, channel, content))
        })
    }

    /// Changes a message's text.
    pub fn edit(&self, channel: u64, message: u64, content: &str) -> bool {
        self.act(|state| state.edit(channel, message, content))
    }

    /// Changes anything about a message and sends MESSAGE_UPDATE, as for an embed that was resolved.
    pub fn update_message(
        &self,
        channel: u64,
        message: u64,
        change: impl FnOnce(&mut Message),
    ) -> bool {
        self.act(|state| {
            let found = state
                .guild
                .message_mut(channel, message)
                .map(change)
                .is_some();
            state.announce("MESSAGE_UPDATE", channel, message);
            found
        })
    }

    /// Deletes a message.
    pub fn delete(&self, channel: u64, message: u64) -> bool {
        self.act(|state| state.delete(channel, message))
    }

    /// Deletes several messages at once.
    pub fn delete_bulk(&self, channel: u64, messages: &[u64]) {
        self.act(|state| state.delete_bulk(channel, messages));
    }

    /// Reacts with `👍` or a custom emoji's `name:id`.
    pub fn react(&self, user: u64, channel: u64, message: u64, emoji: &str, burst: bool) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.react(user, channel, message, &emoji, burst)
        })
    }

    /// Takes a reaction back.
    pub fn unreact(&self, user: u64, channel: u64, message: u64, emoji: &str, burst: bool) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.unreact(user, channel, message, &emoji, burst)
        })
    }

    /// Removes all reactions of a message.
    pub fn clear_reactions(&self, channel: u64, message: u64) -> bool {
        self.act(|state| state.clear_reactions(channel, message))
    }

    /// Removes all reactions with one emoji.
    pub fn clear_emoji(&self, channel: u64, message: u64, emoji: &str) -> bool {
        self.act(|state| {
            let emoji = state.guild.emoji(emoji);
            state.clear_emoji(channel, message, &emoji)
        })
    }
}

/// Channels, threads, members, roles, emoji, the guild.
impl Discord {
    /// Creates a channel of a [`super::kind`].
    pub fn create_channel(&self, kind: u8, name: &str, overwrites: Vec<Overwrite>) -> u64 {
        self.act(|state| state.create_channel(kind, name, None, overwrites))
    }

    /// Creates a channel in a category.
    pub fn create_channel_in(
        &self,
        category: u64,
        kind: u8,
        name: &str,
        overwrites: Vec<Overwrite>,
    ) -> u64 {
        self.act(|state| state.create_channel(kind, name, Some(category), overwrites))
    }

    /// Changes a channel or thread.
    pub fn update_channel(&self, channel: u64, change: impl FnOnce(&mut Channel)) -> bool {
        self.act(|state| state.update_channel(channel, change))
    }

    /// Deletes a channel with its threads, or a thread.
    pub fn delete_channel(&self, channel: u64) -> bool {
        self.act(|state| state.delete_channel(channel))
    }

    /// Opens a public thread without a starter message.
    pub fn create_thread(&self, parent: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, false, None))
    }

    /// Opens a private thread; only its members and moderators see it.
    pub fn create_private_thread(&self, parent: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, true, None))
    }

    /// Opens a thread on a message; it has the message's id.
    pub fn create_thread_on(&self, parent: u64, message: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, false, Some(message)))
    }

    /// Opens a forum post: a thread whose first message has its id.
    pub fn create_post(&self, forum: u64, author: u64, name: &str, content: &str) -> u64 {
        self.act(|state| {
            let thread = state.create_thread(forum, author, name, false, None);
            let mut message = state.compose(Draft::new(author, thread, content));
            message.id = thread;
            state.guild.insert_message(message);
            state.announce("MESSAGE_CREATE", thread, thread);
            thread
        })
    }

    /// Archives a thread.
    pub fn archive_thread(&self, thread: u64) -> bool {
        self.act(|state| state.archive(thread, true))
    }

    /// Brings an archived thread back.
    pub fn unarchive(&self, thread: u64) -> bool {
        self.act(|state| state.archive(thread, false))
    }

    /// Adds someone to a thread.
    pub fn join_thread(&self, thread: u64, user: u64) -> bool {
        self.act(|state| state.thread_member(thread, user, true))
    }

    /// Takes someone out of a thread.
    pub fn leave_thread(&self, thread: u64, user: u64) -> bool {
        self.act(|state| state.thread_member(thread, user, false))
    }

    /// A new account joins the guild.
    pub fn join(&self, name: &str) -> u64 {
        self.act(|state| state.join(name, false))
    }

    /// A new bot joins the guild.
    pub fn join_bot(&self, name: &str) -> u64 {
        self.act(|state| state.join(name, true))
    }

    /// Someone who left comes back.
    pub fn rejoin(&self, user: u64) {
        self.act(|state| state.rejoin(user));
    }

    /// A member leaves.
    pub fn leave(&self, user: u64) -> bool {
        self.act(|state| state.leave(user))
    }

    /// Changes a member's nickname or roles.
    pub fn update_member(&self, user: u64, change: impl FnOnce(&mut Member)) -> bool {
        self.act(|state| state.update_member(user, change))
    }

    /// Renames an account.
    pub fn rename(&self, user: u64, username: &str, global_name: Option<&str>) -> bool {
        self.act(|state| state.rename(user, username, global_name))
    }

    /// Creates a role.
    pub fn create_role(&self, name: &str, permissions: u64) -> u64 {
        self.act(|state| state.create_role(name, permissions))
    }

    /// Changes a role; @everyone's id is the guild's.
    pub fn update_role(&self, role: u64, change: impl FnOnce(&mut Role)) -> bool {
        self.act(|state| state.update_role(role, change))
    }

    /// Deletes a role.
    pub fn delete_role(&self, role: u64) -> bool {
        self.act(|state| state.delete_role(role))
    }

    /// Creates a custom emoji.
    pub fn create_emoji(&self, name: &str, animated: bool) -> u64 {
        self.act(|state| state.create_emoji(name, animated))
    }

    /// Deletes a custom emoji; reactions with it lose their name.
    pub fn delete_emoji(&self, emoji: u64) -> bool {
        self.act(|state| state.delete_emoji(emoji))
    }

    /// Renames the guild.
    pub fn rename_guild(&self, name: &str) {
        self.act(|state| state.rename_guild(name));
    }

    /// An outage of the guild begins or ends.
    pub fn unavailable(&self, unavailable: bool) {
        let presence = if unavailable {
            Presence::Unavailable
        } else {
            Presence::Here
        };
        self.act(|state| state.set_presence(presence));
    }

    /// The bot is removed from the guild.
    pub fn kick_bot(&self) {
        self.act(|state| state.set_presence(Presence::Removed));
    }

    /// The bot is invited to the guild again.
    pub fn invite_bot(&self) {
        self.act(|state| state.set_presence(Presence::Here));
    }
}

/// Interactions.
impl Discord {
    /// A member uses a slash command, `"props"` or with its subcommand `"settings set"`. Options are an object; their types come from the registered command.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!({..}) in place"
    )]
    pub fn slash(&self, user: u64, channel: u64, command: &str, options: Value) -> InteractionId {
        self.act(|state| state.slash(user, channel, command, &options, None))
    }

    /// A member types into an option with autocompletion.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!({..}) in place"
    )]
    pub fn autocomplete(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        options: Value,
        focused: &str,
    ) -> InteractionId {
        self.act(|state| state.slash(user, channel, command, &options, Some(focused)))
    }

    /// A member uses a command from a user's context menu.
    pub fn user_command(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        target: u64,
    ) -> InteractionId {
        self.act(|state| state.context_menu(user, channel, command, 2, target))
    }

    /// A member uses a command from a message's context menu.
    pub fn message_command(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        message: u64,
    ) -> InteractionId {
        self.act(|state| state.context_menu(user, channel, command, 3, message))
    }

    /// A member clicks a button or chooses from a menu under a message. `values` is empty for a button.
    pub fn click(
        &self,
        user: u64,
        channel: u64,
        message: u64,
        custom_id: &str,
        values: &[&str],
    ) -> InteractionId {
        let kind = if values.is_empty() { 2 } else { 3 };
        let data =
            serde_json::json!({"custom_id": custom_id, "component_type": kind, "values": values});
        let message = Some(message);
        let name = custom_id.to_owned();
        self.act(|state| {
            state.interact(Occasion {
                kind: 3,
                name,
                user,
                channel,
                data,
                target: None,
                message,
            })
        })
    }

    /// A member submits a modal: field ids and texts.
    pub fn submit(
        &self,
        user: u64,
        channel: u64,
        custom_id: &str,
        fields: &[(&str, &str)],
    ) -> InteractionId {
        let field = |(id, text): &(&str, &str)| serde_json::json!({"type": 1, "components": [{"type": 4, "custom_id": id, "value": text}]});
        let data = serde_json::json!({"custom_id": custom_id, "components": fields.iter().map(field).collect::<Vec<_>>()});
        let name = custom_id.to_owned();
        self.act(|state| {
            state.interact(Occasion {
                kind: 5,
                name,
                user,
                channel,
                data,
                target: None,
                message: None,
            })
        })
    }

    /// What the client answered; waits up to ten seconds for something other than "thinking". None if nothing came.
    pub async fn answer(&self, interaction: InteractionId) -> Option<Answer> {
        self.answer_within(interaction, PATIENCE).await
    }

    /// As [`Discord::answer`], with a patience of one's own.
    pub async fn answer_within(
        &self,
        interaction: InteractionId,
        patience: Duration,
    ) -> Option<Answer> {
        let settled = |state: &State| {
            state
                .interactions
                .all
                .get(&interaction.0)
                .is_some_and(super::interactions::Interaction::settled)
        };
        self.wait(patience, |discord| settled(&discord.shared.lock()))
            .await;
        self.answer_so_far(interaction)
    }

    /// What the client answered up to now, deferrals included.
    pub fn answer_so_far(&self, interaction: InteractionId) -> Option<Answer> {
        self.shared
            .lock()
            .interactions
            .all
            .get(&interaction.0)
            .and_then(|interaction| interaction.answer.clone())
    }

    /// The commands registered, global ones first.
    pub fn commands(&self) -> Vec<Value> {
        let state = self.shared.lock();
        state
            .interactions
            .global
            .iter()
            .chain(&state.interactions.local)
            .cloned()
            .collect()
    }
}

/// Faults.
impl Discord {
    /// Breaks every gateway connection without a word; the sessions can be resumed.
    pub fn cut_gateway(&self) {
        self.act(|state| state.sessions.order_all(&Order::Cut));
    }

    /// Closes every gateway connection with a code.
    pub fn close_gateway(&self, code: u16) {
        self.act(|state| state.sessions.order_all(&Order::Close(code)));
    }

    /// Op 7: asks every client to reconnect and resume.
    pub fn reconnect(&self) {
        self.act(State::ask_to_reconnect);
    }

    /// Op 9: the session is invalid. Unless resumable, it is gone with all that was in it.
    pub fn invalidate_session(&self, resumable: bool) {
        self.act(|state| state.sessions.invalidate(resumable));
    }

    /// Sessions are forgotten and connections broken: the next resume fails, and what happened in between comes by REST only.
    pub fn lose_sessions(&self) {
        self.act(|state| state.sessions.lose());
    }

    /// The next `times` requests of a route, such as `GET /channels/{channel_id}/messages` (`*` for all), meet this fault.
    pub fn fail(&self, route: &str, times: usize, fault: Fault) {
        self.fail_after(route, 0, times, fault);
    }

    /// As [`Discord::fail`], but the first `skip` requests pass.
    pub fn fail_after(&self, route: &str, skip: usize, times: usize, fault: Fault) {
        self.act(|state| state.faults.plan(route, skip, times, fault));
    }

    /// Forgets all faults still planned.
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

    /// Withholds gateway events, or sends what was withheld. The world goes on meanwhile.
    pub fn hold_events(&self, hold: bool) {
        self.act(|state| {
            if hold {
                state.sessions.holding = true
            } else {
                state.sessions.release()
            }
        });
    }

    /// Events are lost from now on, or no longer.
    pub fn drop_events(&self, drop: bool) {
        self.act(|state| state.sessions.dropping = drop);
    }

    /// Changes the rate limits; what was counted so far is forgotten.
    pub fn limit(&self, limits: Limits) {
        self.act(|state| state.limiter = super::limits::Limiter::new(limits));
    }

    /// Switches privileged intents on or off, as in the developer portal.
    pub fn privilege(&self, intents: u64) {
        self.act(|state| state.privileged = intents);
    }
}

/// Truth, log, life.
impl Discord {
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
