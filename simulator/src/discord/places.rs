//! Actions on channels, threads, members, roles and emoji. Each changes the guild and dispatches Discord's events for
//! it.

use std::collections::BTreeMap;

use serde_json::json;

use super::act::Draft;
use super::gateway::visible;
use super::guild::{Channel, CustomEmoji, Member, Role, Thread, kind};
use super::message::{Reference, message_type};
use super::permissions::{Overwrite, may_view};
use super::sessions::{Event, Order, Recipient, intent};
use super::state::{Presence, State};
use super::wire::{self, Id, MemberObject, UserObject, tree};

impl State {
    pub(crate) fn create_channel(
        &mut self,
        kind: u8,
        name: &str,
        parent: Option<u64>,
        overwrites: Vec<Overwrite>,
    ) -> u64 {
        let id = self.guild.clock.next_id();
        self.guild.add_channel(id, kind, name, parent, overwrites);
        self.announce_channel("CHANNEL_CREATE", id);
        id
    }

    fn announce_channel(&mut self, name: &str, id: u64) {
        if let Some(channel) = self.guild.channels.get(&id) {
            let data = wire::channel(&self.guild, channel);
            self.dispatch(name, intent::GUILDS, &data);
        }
    }

    /// Makes a change that may affect what the bot sees, and sends it the threads of channels it gained.
    fn revealing<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = visible(&self.guild);
        let done = change(self);
        let gained: Vec<u64> = visible(&self.guild)
            .into_iter()
            .filter(|id| !before.contains(id))
            .collect();
        if !gained.is_empty() {
            let threads: Vec<_> = wire::active_threads(&self.guild)
                .filter(|t| t.parent.is_some_and(|p| gained.contains(&p)))
                .collect();
            let members: Vec<_> = threads
                .iter()
                .filter_map(|t| {
                    Some(wire::thread_member(
                        t.id,
                        self.guild.bot,
                        *t.thread.as_ref()?.members.get(&self.guild.bot)?,
                    ))
                })
                .collect();
            let threads: Vec<_> = threads
                .into_iter()
                .map(|t| wire::channel(&self.guild, t))
                .collect();
            let channels: Vec<Id> = gained.into_iter().map(Id).collect();
            let data = json!({"guild_id": Id(self.guild.id), "channel_ids": channels, "threads": threads, "members": members});
            self.dispatch("THREAD_LIST_SYNC", intent::GUILDS, &data);
        }
        done
    }

    pub(crate) fn update_channel(&mut self, id: u64, change: impl FnOnce(&mut Channel)) -> bool {
        self.revealing(|state| {
            let Some(channel) = state.guild.channels.get_mut(&id) else {
                return false;
            };
            change(channel);
            let name = if channel.thread.is_some() {
                "THREAD_UPDATE"
            } else {
                "CHANNEL_UPDATE"
            };
            if name == "CHANNEL_UPDATE" || state.sees(id) {
                state.announce_channel(name, id);
            }
            true
        })
    }

    fn sees(&self, channel: u64) -> bool {
        self.channel(channel)
            .is_some_and(|c| may_view(&self.guild, self.guild.bot, c))
    }

    /// Deletes a channel with its threads, or a thread.
    pub(crate) fn delete_channel(&mut self, id: u64) -> bool {
        let Some(channel) = self.guild.channels.get(&id) else {
            return false;
        };
        if channel.thread.is_some() {
            let data = json!({"id": Id(id), "guild_id": Id(self.guild.id), "parent_id": channel.parent.map(Id), "type": channel.kind});
            let seen = self.sees(id);
            self.guild.channels.remove(&id);
            if seen {
                self.dispatch("THREAD_DELETE", intent::GUILDS, &data);
            }
        } else {
            let data = wire::channel(&self.guild, channel);
            self.guild.channels.remove(&id);
            self.guild
                .channels
                .retain(|_, c| c.thread.is_none() || c.parent != Some(id));
            for child in self
                .guild
                .channels
                .values_mut()
                .filter(|c| c.parent == Some(id))
            {
                child.parent = None;
            }
            self.dispatch("CHANNEL_DELETE", intent::GUILDS, &data);
        }
        true
    }

    /// Creates a thread: from a message, whose id it gets, or standalone.
    pub(crate) fn create_thread(
        &mut self,
        parent: u64,
        owner: u64,
        name: &str,
        private: bool,
        message: Option<u64>,
    ) -> u64 {
        let id = message.unwrap_or_else(|| self.guild.clock.next_id());
        let now = self.guild.clock.now();
        let kind = match self.channel(parent).map(|c| c.kind) {
            Some(kind::ANNOUNCEMENT) => kind::ANNOUNCEMENT_THREAD,
            _ if private => kind::PRIVATE_THREAD,
            _ => kind::PUBLIC_THREAD,
        };
        self.guild
            .add_channel(id, kind, name, Some(parent), Vec::new());
        if let Some(channel) = self.guild.channels.get_mut(&id) {
            let members = BTreeMap::from([(owner, now)]);
            channel.thread = Some(Thread {
                owner,
                archived: false,
                archived_at: now,
                locked: false,
                members,
                sent: 0,
            });
        }
        if let Some(message) = message
            && let Some(starter) = self.guild.message_mut(parent, message)
        {
            starter.flags |= super::message::flag::HAS_THREAD;
        }
        if self.sees(id) {
            let mut data = wire::channel(&self.guild, &self.guild.channels[&id]);
            data["newly_created"] = true.into();
            self.dispatch("THREAD_CREATE", intent::GUILDS, &data);
        }
        if let Some(message) = message {
            self.announce("MESSAGE_UPDATE", parent, message);
            let newest = self
                .channel(parent)
                .and_then(|c| c.messages.keys().next_back().copied());
            if newest != Some(message) {
                self.tell_of_thread(parent, owner, name, id);
            }
        }
        id
    }

    /// Posts the system message about a thread created from an older message. Source:
    /// <https://discord.com/developers/docs/topics/threads#thread-created>.
    fn tell_of_thread(&mut self, parent: u64, owner: u64, name: &str, thread: u64) {
        let mut note = self.compose(Draft {
            kind: message_type::THREAD_CREATED,
            ..Draft::new(owner, parent, name)
        });
        note.reference = Some(Reference {
            kind: 0,
            channel: thread,
            message: None,
        });
        let id = note.id;
        self.guild.insert_message(note);
        self.announce("MESSAGE_CREATE", parent, id);
    }

    /// Archives or unarchives a thread.
    pub(crate) fn archive(&mut self, id: u64, archived: bool) -> bool {
        let now = self.guild.clock.now();
        self.guild.clock.tick(1);
        self.update_channel(id, |channel| {
            if let Some(thread) = &mut channel.thread {
                thread.archived = archived;
                thread.archived_at = now;
            }
        })
    }

    /// Adds a user to a thread, or removes one.
    pub(crate) fn thread_member(&mut self, id: u64, user: u64, inside: bool) -> bool {
        let now = self.guild.clock.now();
        let seen = self.sees(id);
        let Some(thread) = self
            .guild
            .channels
            .get_mut(&id)
            .and_then(|c| c.thread.as_mut())
        else {
            return false;
        };
        let changed = if inside {
            thread.members.insert(user, now).is_none()
        } else {
            thread.members.remove(&user).is_some()
        };
        let count = thread.members.len();
        if changed && !seen && self.sees(id) {
            let data = wire::channel(&self.guild, &self.guild.channels[&id]);
            self.dispatch("THREAD_CREATE", intent::GUILDS, &data);
        }
        if changed && (seen || self.sees(id)) {
            let added: Vec<_> = inside
                .then(|| wire::thread_member(id, user, now))
                .into_iter()
                .collect();
            let removed: Vec<_> = (!inside).then_some(Id(user)).into_iter().collect();
            let data = json!({
                "id": Id(id), "guild_id": Id(self.guild.id), "member_count": count,
                "added_members": added, "removed_member_ids": removed,
            });
            let intents = if user == self.guild.bot {
                intent::GUILDS
            } else {
                intent::GUILD_MEMBERS
            };
            self.dispatch("THREAD_MEMBERS_UPDATE", intents, &data);
        }
        changed
    }

    pub(crate) fn join(&mut self, name: &str, bot: bool) -> u64 {
        let id = self.guild.clock.next_id();
        let username = name.to_lowercase().replace(' ', "_");
        self.guild
            .add_user(id, &username, (!bot).then_some(name), bot);
        self.rejoin(id);
        id
    }

    /// A known account becomes a member.
    pub(crate) fn rejoin(&mut self, user: u64) {
        let now = self.guild.clock.now();
        self.guild.add_member(user, now, Vec::new());
        self.announce_member("GUILD_MEMBER_ADD", user);
    }

    fn announce_member(&mut self, name: &str, user: u64) {
        if let Some(member) = self.guild.members.get(&user) {
            let mut data = tree(MemberObject {
                member,
                user: self.guild.users.get(&user),
            });
            data["guild_id"] = tree(Id(self.guild.id));
            // A bot receives its own updates without the privileged intent.
            let own = if user == self.guild.bot {
                intent::GUILDS
            } else {
                0
            };
            self.dispatch(name, intent::GUILD_MEMBERS | own, &data);
        }
    }

    /// A member leaves; the account and its messages remain.
    pub(crate) fn leave(&mut self, user: u64) -> bool {
        if self.guild.members.remove(&user).is_none() {
            return false;
        }
        for channel in self.guild.channels.values_mut() {
            if let Some(thread) = &mut channel.thread {
                thread.members.remove(&user);
            }
        }
        let data = json!({"guild_id": Id(self.guild.id), "user": self.guild.users.get(&user).map(UserObject)});
        self.dispatch("GUILD_MEMBER_REMOVE", intent::GUILD_MEMBERS, &data);
        true
    }

    pub(crate) fn update_member(&mut self, user: u64, change: impl FnOnce(&mut Member)) -> bool {
        self.revealing(|state| {
            let Some(member) = state.guild.members.get_mut(&user) else {
                return false;
            };
            change(member);
            state.announce_member("GUILD_MEMBER_UPDATE", user);
            true
        })
    }

    /// Renames an account; its guilds get a member update.
    pub(crate) fn rename(&mut self, user: u64, username: &str, global_name: Option<&str>) -> bool {
        let Some(account) = self.guild.users.get_mut(&user) else {
            return false;
        };
        username.clone_into(&mut account.username);
        account.global_name = global_name.map(str::to_owned);
        self.announce_member("GUILD_MEMBER_UPDATE", user);
        true
    }

    pub(crate) fn create_role(&mut self, name: &str, permissions: u64) -> u64 {
        let id = self.guild.clock.next_id();
        self.guild.add_role(id, name, permissions, 0);
        self.announce_role("GUILD_ROLE_CREATE", id);
        id
    }

    fn announce_role(&mut self, name: &str, id: u64) {
        if let Some(role) = self.guild.roles.get(&id) {
            let data = json!({"guild_id": Id(self.guild.id), "role": wire::role(role)});
            self.dispatch(name, intent::GUILDS, &data);
        }
    }

    pub(crate) fn update_role(&mut self, id: u64, change: impl FnOnce(&mut Role)) -> bool {
        self.revealing(|state| {
            let Some(role) = state.guild.roles.get_mut(&id) else {
                return false;
            };
            change(role);
            state.announce_role("GUILD_ROLE_UPDATE", id);
            true
        })
    }

    pub(crate) fn delete_role(&mut self, id: u64) -> bool {
        self.revealing(|state| {
            if id == state.guild.id || state.guild.roles.remove(&id).is_none() {
                return false;
            }
            for member in state.guild.members.values_mut() {
                member.roles.retain(|role| *role != id);
            }
            for channel in state.guild.channels.values_mut() {
                channel.overwrites.retain(|overwrite| overwrite.id != id);
            }
            let data = json!({"guild_id": Id(state.guild.id), "role_id": Id(id)});
            state.dispatch("GUILD_ROLE_DELETE", intent::GUILDS, &data);
            true
        })
    }

    pub(crate) fn create_emoji(&mut self, name: &str, animated: bool) -> u64 {
        let id = self.guild.clock.next_id();
        self.guild.emojis.insert(
            id,
            CustomEmoji {
                id,
                name: name.to_owned(),
                animated,
            },
        );
        self.announce_emojis();
        id
    }

    /// Deletes a custom emoji; its reactions remain without a name.
    pub(crate) fn delete_emoji(&mut self, id: u64) -> bool {
        if self.guild.emojis.remove(&id).is_none() {
            return false;
        }
        let messages = self
            .guild
            .channels
            .values_mut()
            .flat_map(|c| c.messages.values_mut());
        for reaction in messages
            .flat_map(|m| m.reactions.iter_mut())
            .filter(|r| r.emoji.id == Some(id))
        {
            reaction.emoji.name = None;
        }
        self.announce_emojis();
        true
    }

    fn announce_emojis(&mut self) {
        let emojis: Vec<_> = self.guild.emojis.values().map(wire::custom_emoji).collect();
        let data = json!({"guild_id": Id(self.guild.id), "emojis": emojis});
        self.dispatch("GUILD_EMOJIS_UPDATE", intent::GUILD_EXPRESSIONS, &data);
    }

    pub(crate) fn rename_guild(&mut self, name: &str) {
        name.clone_into(&mut self.guild.name);
        let data = wire::guild(&self.guild);
        self.dispatch("GUILD_UPDATE", intent::GUILDS, &data);
    }

    /// Begins or ends an outage, or removes or invites the bot.
    pub(crate) fn set_presence(&mut self, presence: Presence) {
        if presence == self.presence {
            return;
        }
        if presence == Presence::Here {
            self.presence = presence;
            if !self.guild.members.contains_key(&self.guild.bot) {
                let (bot, now) = (self.guild.bot, self.guild.clock.now());
                let own = self
                    .guild
                    .roles
                    .values()
                    .find(|role| role.managed_by == Some(bot))
                    .map(|role| role.id);
                self.guild.add_member(bot, now, own.into_iter().collect());
            }
            let data = wire::guild_create(&self.guild);
            self.dispatch("GUILD_CREATE", intent::GUILDS, &data);
            return;
        }
        let mut data = json!({"id": Id(self.guild.id)});
        if presence == Presence::Unavailable {
            data["unavailable"] = true.into();
        } else {
            self.guild.members.remove(&self.guild.bot);
        }
        let event = Event::new("GUILD_DELETE", intent::GUILDS, &data);
        self.sessions
            .dispatch(event.to(Recipient::Guild(self.guild.id)));
        self.presence = presence;
    }

    /// Op 7: asks every client to reconnect.
    pub(crate) fn ask_to_reconnect(&mut self) {
        self.sessions.order_all(&Order::Send(
            json!({"op": 7, "d": null, "s": null, "t": null}).to_string(),
        ));
    }
}
