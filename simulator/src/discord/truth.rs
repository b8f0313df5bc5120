//! The truth: what a client with the bot's token would see if it requested everything right now.

use serde::Serialize;

use super::guild::{Channel, Guild};
use super::message::Message;
use super::permissions::{may_read, may_view};
use super::snowflake::time_of;
use super::state::State;

/// Everything the bot can see now, sorted by id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    pub guild: u64,
    /// All channels, which Discord lists even to those who can't open them, and the threads visible to the bot.
    pub channels: Vec<TruthChannel>,
    pub members: Vec<TruthMember>,
    pub roles: Vec<TruthRole>,
    /// The messages of the readable channels.
    pub messages: Vec<TruthMessage>,
}

/// A channel or thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct TruthChannel {
    pub id: u64,
    pub kind: u8,
    pub name: String,
    /// The category, or the thread's channel.
    pub parent: Option<u64>,
    /// Whether the bot sees it.
    pub visible: bool,
    /// Whether the bot can read its history (and it can contain messages).
    pub readable: bool,
    /// Whether @everyone can read its history.
    pub public: bool,
    /// Whether it is an archived thread.
    pub archived: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TruthMember {
    pub id: u64,
    pub username: String,
    /// The name shown.
    pub global_name: Option<String>,
    pub nick: Option<String>,
    pub bot: bool,
    /// The roles, sorted.
    pub roles: Vec<u64>,
    /// When it joined, in milliseconds.
    pub joined: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TruthRole {
    pub id: u64,
    pub name: String,
    pub permissions: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TruthMessage {
    pub id: u64,
    /// Its channel or thread.
    pub channel: u64,
    /// The author: a user, or a webhook.
    pub author: u64,
    /// The webhook that wrote it.
    pub webhook: Option<u64>,
    pub kind: u8,
    /// Its flags.
    pub flags: u32,
    /// The text, if the bot can see it.
    pub content: String,
    /// When it was written, in milliseconds.
    pub at: i64,
    /// When it was last edited, in milliseconds.
    pub edited: Option<i64>,
    /// Mentioned users, in Discord's order.
    pub mentions: Vec<u64>,
    /// The message it refers to.
    pub reply_to: Option<u64>,
    /// The user of the command that it responds to.
    pub invoker: Option<u64>,
    /// By emoji (id, then name), normal ones before burst reactions.
    pub reactions: Vec<TruthReaction>,
}

/// The users who reacted with an emoji.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TruthReaction {
    /// A custom emoji's id.
    pub emoji_id: Option<u64>,
    /// The emoji, or a custom one's name.
    pub emoji_name: Option<String>,
    /// Whether these are burst reactions.
    pub burst: bool,
    /// The users, sorted.
    pub users: Vec<u64>,
}

/// Whether a member without roles can read the channel.
fn public(guild: &Guild, channel: &Channel) -> bool {
    use super::permissions::bit;
    let Some(place) = guild.place(channel) else {
        return false;
    };
    let base = guild
        .roles
        .get(&guild.id)
        .map_or(0, |role| role.permissions);
    let granted = match place
        .overwrites
        .iter()
        .find(|o| !o.member && o.id == guild.id)
    {
        Some(o) => (base & !o.deny) | o.allow,
        None => base,
    };
    let voice = matches!(
        place.kind,
        super::guild::kind::VOICE | super::guild::kind::STAGE
    );
    let needed =
        bit::VIEW_CHANNEL | bit::READ_MESSAGE_HISTORY | if voice { bit::CONNECT } else { 0 };
    base & bit::ADMINISTRATOR != 0
        || (granted & needed == needed && channel.kind != super::guild::kind::PRIVATE_THREAD)
}

impl State {
    pub(crate) fn truth(&self) -> Truth {
        let guild = &self.guild;
        let readable =
            |channel: &Channel| may_read(guild, guild.bot, channel) && channel.holds_messages();
        let channels = guild.channels.values().map(|channel| TruthChannel {
            id: channel.id,
            kind: channel.kind,
            name: channel.name.clone(),
            parent: channel.parent,
            visible: may_view(guild, guild.bot, channel),
            readable: readable(channel),
            public: public(guild, channel),
            archived: channel
                .thread
                .as_ref()
                .is_some_and(|thread| thread.archived),
        });
        let mut messages: Vec<_> = guild
            .channels
            .values()
            .filter(|channel| readable(channel))
            .flat_map(|channel| channel.messages.values())
            .map(|message| self.true_message(message))
            .collect();
        messages.sort_by_key(|message| (message.id, message.channel));
        Truth {
            guild: guild.id,
            channels: channels
                .filter(|channel| !(10..=12).contains(&channel.kind) || channel.visible)
                .collect(),
            members: guild
                .members
                .keys()
                .filter_map(|id| self.true_member(*id))
                .collect(),
            roles: guild
                .roles
                .values()
                .map(|r| TruthRole {
                    id: r.id,
                    name: r.name.clone(),
                    permissions: r.permissions,
                })
                .collect(),
            messages,
        }
    }

    fn true_member(&self, id: u64) -> Option<TruthMember> {
        let (member, user) = (self.guild.members.get(&id)?, self.guild.users.get(&id)?);
        let mut roles = member.roles.clone();
        roles.sort_unstable();
        Some(TruthMember {
            id,
            username: user.username.clone(),
            global_name: user.global_name.clone(),
            nick: member.nick.clone(),
            bot: user.bot,
            roles,
            joined: member.joined,
        })
    }

    fn true_message(&self, message: &Message) -> TruthMessage {
        let bot = self.guild.bot;
        let seen = self.content() || message.author == bot || message.mentions.contains(&bot);
        let mut reactions: Vec<TruthReaction> = message
            .reactions
            .iter()
            .flat_map(|reaction| {
                [(false, &reaction.normal), (true, &reaction.burst)]
                    .map(|(burst, users)| (reaction, burst, users))
            })
            .filter(|(_, _, users)| !users.is_empty())
            .map(|(reaction, burst, users)| TruthReaction {
                emoji_id: reaction.emoji.id,
                emoji_name: reaction.emoji.name.as_deref().map(str::to_owned),
                burst,
                users: users.clone(),
            })
            .collect();
        reactions.sort();
        TruthMessage {
            id: message.id,
            channel: message.channel,
            author: message.author,
            webhook: self
                .guild
                .users
                .get(&message.author)
                .filter(|user| user.webhook)
                .map(|user| user.id),
            kind: message.kind,
            flags: message.flags,
            content: if seen {
                message.content.clone()
            } else {
                String::new()
            },
            at: time_of(message.id),
            edited: message.edited,
            mentions: message.mentions.clone(),
            reply_to: message.reference.and_then(|reference| reference.message),
            invoker: message
                .extras
                .as_deref()
                .and_then(|extras| extras.cause.as_ref())
                .map(|cause| cause.user),
            reactions,
        }
    }
}
