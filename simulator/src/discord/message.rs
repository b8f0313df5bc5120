//! Messages and reactions as plain data.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

/// Message types, as on Discord's "Message Resource" page.
pub mod message_type {
    pub const DEFAULT: u8 = 0;
    pub const CHANNEL_PINNED_MESSAGE: u8 = 6;
    pub const USER_JOIN: u8 = 7;
    pub const GUILD_BOOST: u8 = 8;
    pub const THREAD_CREATED: u8 = 18;
    pub const REPLY: u8 = 19;
    pub const CHAT_INPUT_COMMAND: u8 = 20;
    pub const THREAD_STARTER_MESSAGE: u8 = 21;
    pub const CONTEXT_MENU_COMMAND: u8 = 23;
}

/// Message flags, as on Discord's "Message Resource" page.
pub mod flag {
    pub const CROSSPOSTED: u32 = 1;
    pub const SUPPRESS_EMBEDS: u32 = 1 << 2;
    pub const HAS_THREAD: u32 = 1 << 5;
    pub const EPHEMERAL: u32 = 1 << 6;
    pub const LOADING: u32 = 1 << 7;
}

/// A reaction's emoji: Unicode (`id` is none) or custom (`name` is none once deleted).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emoji {
    /// A custom emoji's id.
    pub id: Option<u64>,
    /// The Unicode emoji, or the custom emoji's name.
    pub name: Option<Arc<str>>,
    pub animated: bool,
}

impl Emoji {
    pub fn unicode(text: &str) -> Self {
        Self {
            id: None,
            name: Some(text.into()),
            animated: false,
        }
    }

    pub fn custom(id: u64, name: Option<&str>, animated: bool) -> Self {
        Self {
            id: Some(id),
            name: name.map(Into::into),
            animated,
        }
    }

    /// Whether both are the same emoji: custom ones are compared by id.
    pub fn same(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (None, None) => self.name == other.name,
            (mine, theirs) => mine == theirs,
        }
    }
}

/// One emoji's reactions to a message.
#[derive(Debug, Clone)]
pub struct Reaction {
    pub emoji: Emoji,
    /// Users with a normal reaction, sorted by id.
    pub normal: Vec<u64>,
    /// Users with a burst reaction, sorted by id.
    pub burst: Vec<u64>,
    /// The counter of normal reactions, if it is wrong.
    pub counted: Option<usize>,
}

impl Reaction {
    /// The users with normal or burst reactions.
    pub fn users(&self, burst: bool) -> &[u64] {
        if burst { &self.burst } else { &self.normal }
    }

    pub(crate) fn users_mut(&mut self, burst: bool) -> &mut Vec<u64> {
        if burst {
            &mut self.burst
        } else {
            &mut self.normal
        }
    }
}

/// The message that a reply, pin notice or forward refers to.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// 0 for a reply, 1 for a forward.
    pub kind: u8,
    /// The message's channel.
    pub channel: u64,
    /// The message, if any.
    pub message: Option<u64>,
}

/// The command or component that a message responds to.
#[derive(Debug, Clone)]
pub struct Cause {
    pub id: u64,
    pub kind: u8,
    pub name: String,
    pub user: u64,
    /// The message that a context-menu command was used on.
    pub target: Option<u64>,
}

/// Rarely used parts of messages, kept apart to save memory. JSON as Discord sends it.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    pub attachments: Vec<Value>,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub stickers: Vec<Value>,
    /// The forwarded message.
    pub snapshots: Vec<Value>,
    /// The interaction it responds to.
    pub cause: Option<Cause>,
    /// Mentioned roles.
    pub mention_roles: Vec<u64>,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: u64,
    pub channel: u64,
    /// The author: a user, or a webhook.
    pub author: u64,
    /// Its type, one of [`message_type`].
    pub kind: u8,
    /// Its flags, of [`flag`].
    pub flags: u32,
    pub content: String,
    /// When it was last edited, in milliseconds.
    pub edited: Option<i64>,
    /// Whether it pings everyone.
    pub mention_everyone: bool,
    pub pinned: bool,
    /// Mentioned users, without duplicates.
    pub mentions: Vec<u64>,
    /// The message it refers to.
    pub reference: Option<Reference>,
    /// In the order in which the emoji were first used.
    pub reactions: Vec<Reaction>,
    /// All custom emoji anyone ever reacted with, including removed ones.
    pub(crate) once_reacted: BTreeSet<u64>,
    pub extras: Option<Box<Extras>>,
}

impl Message {
    /// A plain message.
    pub fn new(id: u64, channel: u64, author: u64, content: impl Into<String>) -> Self {
        Self {
            id,
            channel,
            author,
            kind: message_type::DEFAULT,
            flags: 0,
            content: content.into(),
            edited: None,
            mention_everyone: false,
            pinned: false,
            mentions: Vec::new(),
            reference: None,
            reactions: Vec::new(),
            once_reacted: BTreeSet::new(),
            extras: None,
        }
    }

    /// Adds a reaction; false if it exists already.
    pub fn react(&mut self, user: u64, emoji: Emoji, burst: bool) -> bool {
        self.once_reacted.extend(emoji.id);
        let index = self
            .reactions
            .iter()
            .position(|r| r.emoji.same(&emoji))
            .unwrap_or_else(|| {
                self.reactions.push(Reaction {
                    emoji,
                    normal: Vec::new(),
                    burst: Vec::new(),
                    counted: None,
                });
                self.reactions.len() - 1
            });
        let users = self.reactions[index].users_mut(burst);
        match users.binary_search(&user) {
            Ok(_) => false,
            Err(place) => {
                users.insert(place, user);
                true
            }
        }
    }

    /// Removes a reaction; false if it doesn't exist.
    pub fn unreact(&mut self, user: u64, emoji: &Emoji, burst: bool) -> bool {
        let Some(reaction) = self.reactions.iter_mut().find(|r| r.emoji.same(emoji)) else {
            return false;
        };
        let users = reaction.users_mut(burst);
        let Ok(place) = users.binary_search(&user) else {
            return false;
        };
        users.remove(place);
        self.reactions
            .retain(|r| !r.normal.is_empty() || !r.burst.is_empty() || r.counted.is_some());
        true
    }

    /// Makes the counter of normal reactions wrong, or correct again.
    pub(crate) fn count_as(&mut self, emoji: Emoji, counted: Option<usize>) {
        let known = self.reactions.iter_mut().find(|r| r.emoji.same(&emoji));
        match known {
            Some(reaction) => reaction.counted = counted,
            None => self.reactions.push(Reaction {
                emoji,
                normal: Vec::new(),
                burst: Vec::new(),
                counted,
            }),
        }
        self.reactions
            .retain(|r| !r.normal.is_empty() || !r.burst.is_empty() || r.counted.is_some());
    }
}

/// The users in a text, without duplicates, in order: `<@id>` and `<@!id>`.
pub(crate) fn mentioned(content: &str) -> Vec<u64> {
    marked(content, "<@")
        .filter(|id| !id.starts_with('&'))
        .fold(Vec::new(), |mut found, id| {
            if let Ok(id) = id.trim_start_matches('!').parse()
                && !found.contains(&id)
            {
                found.push(id);
            }
            found
        })
}

/// The roles in a text: `<@&id>`.
pub(crate) fn mentioned_roles(content: &str) -> Vec<u64> {
    marked(content, "<@&")
        .filter_map(|id| id.parse().ok())
        .collect()
}

fn marked<'a>(content: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    content
        .split(mark)
        .skip(1)
        .filter_map(|rest| rest.split_once('>').map(|(id, _)| id))
}
