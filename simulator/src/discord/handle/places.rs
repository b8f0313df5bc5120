//! Acting in the world: channels, threads, members, roles, emoji, the guild.

use crate::discord::Discord;
use crate::discord::act::Draft;
use crate::discord::guild::Channel;
use crate::discord::guild::Member;
use crate::discord::guild::Role;
use crate::discord::permissions::Overwrite;
use crate::discord::state::Presence;

impl Discord {
    /// Creates a channel of a [`crate::discord::kind`].
    pub fn create_channel(&self, kind: u8, name: &str, overwrites: Vec<Overwrite>) -> u64 {
        self.act(|state| state.create_channel(kind, name, None, overwrites))
    }

    /// Adds a channel that was created at that time, in milliseconds since 1970, before anybody listened.
    pub fn create_past_channel(
        &self,
        at: i64,
        kind: u8,
        name: &str,
        overwrites: Vec<Overwrite>,
    ) -> u64 {
        self.act(|state| {
            let id = state.guild.clock.past_id(at);
            state.guild.add_channel(id, kind, name, None, overwrites);
            id
        })
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

    pub fn update_channel(&self, channel: u64, change: impl FnOnce(&mut Channel)) -> bool {
        self.act(|state| state.update_channel(channel, change))
    }

    /// Deletes a channel with its threads, or a thread.
    pub fn delete_channel(&self, channel: u64) -> bool {
        self.act(|state| state.delete_channel(channel))
    }

    /// Creates a public thread without a starter message.
    pub fn create_thread(&self, parent: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, false, None))
    }

    /// Creates a private thread; only its members and moderators see it.
    pub fn create_private_thread(&self, parent: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, true, None))
    }

    /// Creates a thread from a message; it has the message's id.
    pub fn create_thread_on(&self, parent: u64, message: u64, owner: u64, name: &str) -> u64 {
        self.act(|state| state.create_thread(parent, owner, name, false, Some(message)))
    }

    /// Creates a forum post: a thread whose first message has its id.
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

    pub fn archive_thread(&self, thread: u64) -> bool {
        self.act(|state| state.archive(thread, true))
    }

    /// Unarchives a thread.
    pub fn unarchive(&self, thread: u64) -> bool {
        self.act(|state| state.archive(thread, false))
    }

    /// Adds a user to a thread.
    pub fn join_thread(&self, thread: u64, user: u64) -> bool {
        self.act(|state| state.thread_member(thread, user, true))
    }

    /// Removes a user from a thread.
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

    /// A former member returns.
    pub fn rejoin(&self, user: u64) {
        self.act(|state| state.rejoin(user));
    }

    pub fn leave(&self, user: u64) -> bool {
        self.act(|state| state.leave(user))
    }

    /// Changes a member's nickname or roles.
    pub fn update_member(&self, user: u64, change: impl FnOnce(&mut Member)) -> bool {
        self.act(|state| state.update_member(user, change))
    }

    pub fn rename(&self, user: u64, username: &str, global_name: Option<&str>) -> bool {
        self.act(|state| state.rename(user, username, global_name))
    }

    pub fn create_role(&self, name: &str, permissions: u64) -> u64 {
        self.act(|state| state.create_role(name, permissions))
    }

    /// Changes a role; @everyone's id is the guild's.
    pub fn update_role(&self, role: u64, change: impl FnOnce(&mut Role)) -> bool {
        self.act(|state| state.update_role(role, change))
    }

    pub fn delete_role(&self, role: u64) -> bool {
        self.act(|state| state.delete_role(role))
    }

    pub fn create_emoji(&self, name: &str, animated: bool) -> u64 {
        self.act(|state| state.create_emoji(name, animated))
    }

    /// Deletes a custom emoji; reactions with it lose their name.
    pub fn delete_emoji(&self, emoji: u64) -> bool {
        self.act(|state| state.delete_emoji(emoji))
    }

    pub fn rename_guild(&self, name: &str) {
        self.act(|state| state.rename_guild(name));
    }

    /// Creates another guild with its own owner, which has just added the bot; it joined at `joined` (milliseconds
    /// since 1970). Returns the guild's id without visiting it; see [`Discord::visit`].
    pub fn found_guild(&self, name: &str, joined: i64) -> u64 {
        self.act(|state| state.found_guild(name, joined))
    }

    /// Visits another guild: from now on, actions and queries concern it. Requests find the guild that they name,
    /// visited or not. Returns the previous guild.
    pub fn visit(&self, guild: u64) -> u64 {
        self.act(|state| state.visit(guild))
    }

    /// Whether anyone can add the bot to a guild, or only its owner.
    pub fn make_public(&self, public: bool) {
        self.act(|state| state.is_public = public);
    }

    /// Begins or ends an outage of the guild.
    pub fn unavailable(&self, unavailable: bool) {
        let presence = if unavailable {
            Presence::Unavailable
        } else {
            Presence::Here
        };
        self.act(|state| state.set_presence(presence));
    }

    /// Removes the bot from the guild.
    pub fn kick_bot(&self) {
        self.act(|state| state.set_presence(Presence::Removed));
    }

    /// Invites the bot to the guild again.
    pub fn invite_bot(&self) {
        self.act(|state| state.set_presence(Presence::Here));
    }
}
