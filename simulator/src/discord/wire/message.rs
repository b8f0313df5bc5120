//! Messages as JSON, with their reactions.
//!
//! They are serialized directly, without an intermediate tree, since clients fetch mostly pages of messages.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::super::guild::Guild;
use super::super::message::{Cause, Emoji, Message, Reaction, Reference, flag};
use super::super::snowflake::{iso, time_of};
use super::{Id, MemberObject, UserObject, channel, tree};

/// A partial emoji, as in reactions.
pub(crate) struct EmojiObject<'a>(pub(crate) &'a Emoji);

impl Serialize for EmojiObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &self.0.id.map(Id))?;
        map.serialize_entry("name", &self.0.name.as_deref())?;
        if self.0.animated {
            map.serialize_entry("animated", &true)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct CountDetails {
    burst: usize,
    normal: usize,
}

struct ReactionObject<'a> {
    reaction: &'a Reaction,
    me: u64,
}

impl Serialize for ReactionObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (normal, burst) = (&self.reaction.normal, &self.reaction.burst);
        let counted = self.reaction.counted.unwrap_or(normal.len());
        let colors: &[&str] = if burst.is_empty() { &[] } else { &["#f9af40"] };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("emoji", &EmojiObject(&self.reaction.emoji))?;
        map.serialize_entry("count", &(counted + burst.len()))?;
        map.serialize_entry(
            "count_details",
            &CountDetails {
                burst: burst.len(),
                normal: counted,
            },
        )?;
        map.serialize_entry("burst_colors", colors)?;
        map.serialize_entry("me_burst", &burst.binary_search(&self.me).is_ok())?;
        map.serialize_entry("me", &normal.binary_search(&self.me).is_ok())?;
        map.end()
    }
}

/// How to render a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Whether `MESSAGE_CONTENT` is granted. Without it, only the bot's own messages and those that mention it have
    /// content.
    pub(crate) content: bool,
    /// Whether it is a gateway event: with `guild_id` and `member`, without reactions.
    pub(crate) event: bool,
    /// Whether a reply includes the message it replies to.
    pub(crate) quote: bool,
}

impl View {
    /// As in REST responses.
    pub(crate) fn rest(content: bool) -> Self {
        Self {
            content,
            event: false,
            quote: true,
        }
    }

    /// As in gateway events.
    pub(crate) fn event(content: bool) -> Self {
        Self {
            content,
            event: true,
            quote: true,
        }
    }
}

pub(crate) struct MessageObject<'a> {
    pub(crate) guild: &'a Guild,
    pub(crate) message: &'a Message,
    pub(crate) view: View,
}

/// Objects that a message has only if its content is visible.
static NOTHING: &[Value] = &[];

impl MessageObject<'_> {
    fn user(&self, id: u64) -> Option<UserObject<'_>> {
        self.guild.users.get(&id).map(UserObject)
    }

    /// A mentioned user; in events, with the membership.
    fn mention(&self, id: u64) -> Option<Value> {
        let mut user = tree(self.user(id)?);
        if self.view.event
            && let Some(member) = self.guild.members.get(&id)
        {
            user["member"] = tree(MemberObject { member, user: None });
        }
        Some(user)
    }

    fn may_see_content(&self) -> bool {
        let bot = self.guild.bot;
        self.view.content || self.message.author == bot || self.message.mentions.contains(&bot)
    }

    fn extras<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let seen = self.may_see_content();
        let extras = self.message.extras.as_deref();
        let shown = extras.filter(|_| seen);
        let roles: Vec<Id> = extras
            .map(|e| e.mention_roles.iter().copied().map(Id).collect())
            .unwrap_or_default();
        map.serialize_entry("mention_roles", &roles)?;
        map.serialize_entry("attachments", shown.map_or(NOTHING, |e| &e.attachments))?;
        map.serialize_entry("embeds", shown.map_or(NOTHING, |e| &e.embeds))?;
        map.serialize_entry("components", shown.map_or(NOTHING, |e| &e.components))?;
        let Some(extras) = extras else { return Ok(()) };
        if !extras.stickers.is_empty() {
            map.serialize_entry("sticker_items", &extras.stickers)?;
        }
        if !extras.snapshots.is_empty() {
            map.serialize_entry("message_snapshots", &extras.snapshots)?;
        }
        if let Some(cause) = &extras.cause {
            map.serialize_entry("application_id", &Id(self.message.author))?;
            map.serialize_entry("interaction_metadata", &metadata(self.guild, cause))?;
            let user = self.user(cause.user);
            let legacy =
                json!({"id": Id(cause.id), "type": cause.kind, "name": cause.name, "user": user});
            map.serialize_entry("interaction", &legacy)?;
        }
        Ok(())
    }

    fn reference<M: SerializeMap>(
        &self,
        map: &mut M,
        reference: Reference,
    ) -> Result<(), M::Error> {
        let mut object = json!({"type": reference.kind, "channel_id": Id(reference.channel), "guild_id": Id(self.guild.id)});
        if let Some(id) = reference.message {
            object["message_id"] = tree(Id(id));
        }
        map.serialize_entry("message_reference", &object)?;
        if reference.kind == 0 && self.view.quote && matches!(self.message.kind, 19 | 21) {
            let quoted = reference
                .message
                .and_then(|id| self.guild.message(reference.channel, id))
                .map(|message| MessageObject {
                    guild: self.guild,
                    message,
                    view: View {
                        quote: false,
                        event: false,
                        ..self.view
                    },
                });
            map.serialize_entry("referenced_message", &quoted)?;
        }
        Ok(())
    }
}

impl Serialize for MessageObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("type", &message.kind)?;
        map.serialize_entry(
            "content",
            if self.may_see_content() {
                message.content.as_str()
            } else {
                ""
            },
        )?;
        if self.view.event {
            let mentions: Vec<_> = message
                .mentions
                .iter()
                .filter_map(|&id| self.mention(id))
                .collect();
            map.serialize_entry("mentions", &mentions)?;
        } else {
            let mentions: Vec<_> = message
                .mentions
                .iter()
                .filter_map(|&id| self.user(id))
                .collect();
            map.serialize_entry("mentions", &mentions)?;
        }
        self.extras(&mut map)?;
        map.serialize_entry("timestamp", &iso(time_of(message.id)))?;
        map.serialize_entry("edited_timestamp", &message.edited.map(iso))?;
        map.serialize_entry("flags", &message.flags)?;
        map.serialize_entry("id", &Id(message.id))?;
        map.serialize_entry("channel_id", &Id(message.channel))?;
        map.serialize_entry("author", &self.user(message.author))?;
        map.serialize_entry("pinned", &message.pinned)?;
        map.serialize_entry("mention_everyone", &message.mention_everyone)?;
        map.serialize_entry("tts", &false)?;
        if self
            .guild
            .users
            .get(&message.author)
            .is_some_and(|user| user.webhook)
        {
            map.serialize_entry("webhook_id", &Id(message.author))?;
        }
        if let Some(reference) = message.reference {
            self.reference(&mut map, reference)?;
        }
        if message.flags & flag::HAS_THREAD != 0
            && let Some(thread) = self.guild.channels.get(&message.id)
        {
            map.serialize_entry("thread", &channel(self.guild, thread))?;
        }
        if self.view.event {
            map.serialize_entry("guild_id", &Id(self.guild.id))?;
            if let Some(member) = self.guild.members.get(&message.author) {
                map.serialize_entry("member", &MemberObject { member, user: None })?;
            }
        } else if !message.reactions.is_empty() && self.view.quote {
            let reactions: Vec<_> = message
                .reactions
                .iter()
                .filter(|reaction| reaction.counted != Some(0) || !reaction.burst.is_empty())
                .map(|reaction| ReactionObject {
                    reaction,
                    me: self.guild.bot,
                })
                .collect();
            map.serialize_entry("reactions", &reactions)?;
        }
        map.end()
    }
}

fn metadata(guild: &Guild, cause: &Cause) -> Value {
    let mut object = json!({
        "id": Id(cause.id),
        "type": cause.kind,
        "user": guild.users.get(&cause.user).map(UserObject),
        "authorizing_integration_owners": {"0": Id(guild.id)},
    });
    if let Some(target) = cause.target {
        object["target_message_id"] = tree(Id(target));
    }
    if cause.kind == 5 {
        // The run that opened the form isn't recorded; this is another run by the same member.
        object["triggering_interaction_metadata"] = json!({
            "id": Id(cause.id - 1), "type": 2,
            "user": guild.users.get(&cause.user).map(UserObject),
            "authorizing_integration_owners": {"0": Id(guild.id)},
        });
    }
    object
}
