//! The simulated guild as plain data. `wire` renders it, `act` changes it.

use std::collections::BTreeMap;

use super::events::ScheduledEvent;
use super::message::{Emoji, Message};
use super::permissions::{Overwrite, bit};
use super::snowflake::Clock;

/// Channel types, as on Discord's "Channels Resource" page.
pub mod kind {
    pub const TEXT: u8 = 0;
    pub const VOICE: u8 = 2;
    pub const CATEGORY: u8 = 4;
    pub const ANNOUNCEMENT: u8 = 5;
    pub const ANNOUNCEMENT_THREAD: u8 = 10;
    pub const PUBLIC_THREAD: u8 = 11;
    pub const PRIVATE_THREAD: u8 = 12;
    pub const STAGE: u8 = 13;
    pub const FORUM: u8 = 15;
    pub const MEDIA: u8 = 16;
}

/// An account: a person, a bot, or a webhook's name.
#[derive(Debug, Clone)]
pub struct User {
    pub id: u64,
    pub username: String,
    /// The display name, if set.
    pub global_name: Option<String>,
    /// `0` for people since 2023; bots keep four digits.
    pub discriminator: String,
    pub bot: bool,
    /// Whether it is a webhook rather than an account.
    pub webhook: bool,
}

/// A user's membership in the guild.
#[derive(Debug, Clone)]
pub struct Member {
    pub user: u64,
    pub nick: Option<String>,
    /// The roles held, without @everyone.
    pub roles: Vec<u64>,
    /// When the account joined, in milliseconds.
    pub joined: i64,
}

#[derive(Debug, Clone)]
pub struct Role {
    /// The role's id; @everyone's is the guild's.
    pub id: u64,
    pub name: String,
    /// The bits it grants.
    pub permissions: u64,
    pub position: usize,
    pub color: u32,
    /// The bot whose role this is.
    pub managed_by: Option<u64>,
}

/// A custom emoji of the guild.
#[derive(Debug, Clone)]
pub struct CustomEmoji {
    pub id: u64,
    pub name: String,
    pub animated: bool,
}

/// A thread's additional fields.
#[derive(Debug, Clone)]
pub struct Thread {
    pub owner: u64,
    pub archived: bool,
    /// When that last changed, in milliseconds; archived threads are paged by it.
    pub archived_at: i64,
    /// Whether only moderators can unarchive it.
    pub locked: bool,
    /// Members, with joining times.
    pub members: BTreeMap<u64, i64>,
    /// How many messages were ever sent in it.
    pub sent: u64,
}

/// A channel, category, forum or thread, with its messages.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: u64,
    pub kind: u8,
    pub name: String,
    /// The category, or the thread's channel.
    pub parent: Option<u64>,
    pub topic: Option<String>,
    pub position: usize,
    /// Whether it is age-restricted.
    pub nsfw: bool,
    /// Permission overwrites; empty for threads.
    pub overwrites: Vec<Overwrite>,
    /// `Some` for threads.
    pub thread: Option<Thread>,
    /// The newest message ever, even if deleted since.
    pub last_message: Option<u64>,
    /// Oldest first.
    pub messages: BTreeMap<u64, Message>,
}

impl Channel {
    /// Whether it can contain messages: categories, forums and media channels can't.
    pub fn holds_messages(&self) -> bool {
        !matches!(self.kind, kind::CATEGORY | kind::FORUM | kind::MEDIA)
    }
}

/// The guild and everything in it.
#[derive(Debug)]
pub(crate) struct Guild {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) owner: u64,
    pub(crate) bot: u64,
    pub(crate) clock: Clock,
    pub(crate) roles: BTreeMap<u64, Role>,
    pub(crate) emojis: BTreeMap<u64, CustomEmoji>,
    /// All current and former users.
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) channels: BTreeMap<u64, Channel>,
    /// Scheduled events that aren't over.
    pub(crate) events: BTreeMap<u64, ScheduledEvent>,
}

impl Guild {
    /// A guild with only an owner, the bot, its managed role, and @everyone.
    pub(crate) fn empty(clock: Clock, seed: u64) -> Self {
        // Ids have 19 digits since July 2022; a guild founded later has no shorter ones.
        let founded = 1_659_312_000_000 + i64::try_from(seed % 10_000).expect("small") * 60_000;
        Self::founded(clock, founded, None)
    }

    /// The same, founded at that time, with an existing or a new bot. It joins later.
    pub(crate) fn founded(mut clock: Clock, founded: i64, bot: Option<u64>) -> Self {
        let id = clock.past_id(founded);
        let owner = clock.past_id(founded - 40_000_000_000);
        let new = clock.past_id(founded + 30_000_000_000);
        let bot = bot.unwrap_or(new);
        let mut guild = Self {
            id,
            name: "Hearthside Commons".to_owned(),
            owner,
            bot,
            roles: BTreeMap::new(),
            emojis: BTreeMap::new(),
            users: BTreeMap::new(),
            members: BTreeMap::new(),
            channels: BTreeMap::new(),
            events: BTreeMap::new(),
            clock,
        };
        guild.add_role(id, "@everyone", bit::EVERYONE, 0);
        let role = guild.clock.past_id(founded + 30_000_000_001);
        guild.add_role(
            role,
            "propsbot",
            bit::VIEW_CHANNEL | bit::READ_MESSAGE_HISTORY | bit::SEND_MESSAGES | bit::EMBED_LINKS,
            0,
        );
        if let Some(role) = guild.roles.get_mut(&role) {
            role.managed_by = Some(bot);
        }
        guild.add_user(owner, "maren", Some("Maren"), false);
        guild.add_member(owner, founded, Vec::new());
        guild.add_user(bot, "propsbot", None, true);
        guild.add_member(bot, founded + 30_000_000_000, vec![role]);
        guild
    }

    pub(crate) fn add_role(&mut self, id: u64, name: &str, permissions: u64, color: u32) {
        let position = self.roles.len();
        self.roles.insert(
            id,
            Role {
                id,
                name: name.to_owned(),
                permissions,
                position,
                color,
                managed_by: None,
            },
        );
    }

    pub(crate) fn add_user(
        &mut self,
        id: u64,
        username: &str,
        global_name: Option<&str>,
        bot: bool,
    ) {
        let discriminator = if bot {
            format!("{:04}", 1 + id % 9999)
        } else {
            "0".to_owned()
        };
        let global_name = global_name.map(str::to_owned);
        self.users.insert(
            id,
            User {
                id,
                username: username.to_owned(),
                global_name,
                discriminator,
                bot,
                webhook: false,
            },
        );
    }

    pub(crate) fn add_webhook(&mut self, id: u64, name: &str) {
        self.add_user(id, name, None, false);
        if let Some(user) = self.users.get_mut(&id) {
            user.webhook = true;
        }
    }

    pub(crate) fn add_member(&mut self, user: u64, joined: i64, roles: Vec<u64>) {
        self.members.insert(
            user,
            Member {
                user,
                nick: None,
                roles,
                joined,
            },
        );
    }

    pub(crate) fn add_channel(
        &mut self,
        id: u64,
        kind: u8,
        name: &str,
        parent: Option<u64>,
        overwrites: Vec<Overwrite>,
    ) {
        let position = self
            .channels
            .values()
            .filter(|c| c.thread.is_none())
            .count();
        let name = name.to_owned();
        let channel = Channel {
            id,
            kind,
            name,
            parent,
            topic: None,
            position,
            nsfw: false,
            overwrites,
            thread: None,
            last_message: None,
            messages: BTreeMap::new(),
        };
        self.channels.insert(id, channel);
    }

    /// The channel whose overwrites apply: a thread's parent, otherwise the channel itself.
    pub(crate) fn place<'a>(&'a self, channel: &'a Channel) -> Option<&'a Channel> {
        match (&channel.thread, channel.parent) {
            (Some(_), Some(parent)) => self.channels.get(&parent),
            (Some(_), None) => None,
            (None, _) => Some(channel),
        }
    }

    pub(crate) fn message(&self, channel: u64, message: u64) -> Option<&Message> {
        self.channels.get(&channel)?.messages.get(&message)
    }

    pub(crate) fn message_mut(&mut self, channel: u64, message: u64) -> Option<&mut Message> {
        self.channels.get_mut(&channel)?.messages.get_mut(&message)
    }

    /// Inserts a message into its channel, and counts it.
    pub(crate) fn insert_message(&mut self, message: Message) {
        if let Some(channel) = self.channels.get_mut(&message.channel) {
            channel.last_message = channel.last_message.max(Some(message.id));
            if let Some(thread) = &mut channel.thread
                && message.id != channel.id
            {
                thread.sent += 1;
            }
            channel.messages.insert(message.id, message);
        }
    }

    /// The emoji for `👍`, `name:id`, `<:name:id>` or `<a:name:id>`.
    pub(crate) fn emoji(&self, text: &str) -> Emoji {
        let bare = text
            .trim_start_matches('<')
            .trim_end_matches('>')
            .trim_start_matches(':');
        let (animated, bare) = bare
            .strip_prefix("a:")
            .map_or((false, bare), |rest| (true, rest));
        if let Some((name, id)) = bare.rsplit_once(':')
            && let Ok(id) = id.parse::<u64>()
        {
            return match self.emojis.get(&id) {
                Some(known) => Emoji::custom(id, Some(&known.name), known.animated),
                None => Emoji::custom(
                    id,
                    (!name.is_empty() && name != "_").then_some(name),
                    animated,
                ),
            };
        }
        Emoji::unicode(text)
    }
}
