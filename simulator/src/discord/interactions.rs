//! Interactions: members' commands and the bot's responses, as on Discord's "Receiving and Responding" page.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::message::{Cause, Extras, Message, flag, message_type};
use super::permissions::in_channel;
use super::sessions::{Event, Recipient};
use super::state::State;
use super::wire::{self, Id, MemberObject, MessageObject, UserObject, View, tree};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InteractionId(pub u64);

/// The bot's response to an interaction so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The type of the callback: 4 message, 5 deferred, 6 and 7 update, 8 autocomplete, 9 modal.
    pub kind: u64,
    /// The `data` of the callback, as sent.
    pub data: Value,
    /// The current text, after all edits.
    pub content: String,
    /// The current embeds.
    pub embeds: Vec<Value>,
    /// Whether only the user sees it.
    pub ephemeral: bool,
    /// The response message; an ephemeral one is in no channel.
    pub message_id: Option<u64>,
    /// Bodies of the message's edits, in order.
    pub edits: Vec<Value>,
    /// Follow-up messages.
    pub followups: Vec<Followup>,
    /// Whether the bot deleted its response.
    pub deleted: bool,
    /// The files sent last, with the response or an edit: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A follow-up message.
#[derive(Debug, Clone, PartialEq)]
pub struct Followup {
    pub message_id: u64,
    /// Whether only the user sees it.
    pub ephemeral: bool,
    pub data: Value,
}

#[derive(Debug)]
pub(crate) struct Interaction {
    pub(crate) id: u64,
    pub(crate) token: String,
    pub(crate) kind: u8,
    name: String,
    pub(crate) user: u64,
    pub(crate) channel: u64,
    target: Option<u64>,
    /// The message of the component that was used.
    pub(crate) message: Option<u64>,
    pub(crate) at: Instant,
    /// Whether its token has expired, whatever the clock says.
    pub(crate) expired: bool,
    pub(crate) answer: Option<Answer>,
    /// Whether the client didn't receive the confirmation, so it may respond again.
    pub(crate) is_unheard: bool,
    /// Whether it is deferred without a later message.
    pub(crate) thinking: bool,
    /// Ephemeral messages.
    pub(crate) private: BTreeMap<u64, Message>,
}

impl Interaction {
    /// Whether the user has a final response.
    pub(crate) fn settled(&self) -> bool {
        self.answer.is_some() && !self.thinking
    }
}

/// All interactions and registered commands.
#[derive(Debug)]
pub(crate) struct Interactions {
    pub(crate) all: BTreeMap<u64, Interaction>,
    pub(crate) global: Vec<Value>,
    pub(crate) local: Vec<Value>,
    pub(crate) deadline: Duration,
    /// Messages that the bot posted with an enforced nonce, with their channels: nonces are unique to their author.
    pub(crate) nonces: BTreeMap<String, (u64, u64)>,
}

/// Number of interactions kept.
const KEPT: usize = 100_000;

impl Interactions {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self {
            all: BTreeMap::new(),
            global: Vec::new(),
            local: Vec::new(),
            deadline,
            nonces: BTreeMap::new(),
        }
    }

    /// The command of this name and type (1 slash, 2 user, 3 message); the guild's own before a global one.
    pub(super) fn command(&self, name: &str, kind: u64) -> Option<&Value> {
        self.local
            .iter()
            .chain(&self.global)
            .find(|c| c["name"] == name && c["type"].as_u64().unwrap_or(1) == kind)
    }

    pub(crate) fn by_token(&mut self, token: &str) -> Option<&mut Interaction> {
        self.all
            .values_mut()
            .rev()
            .find(|interaction| interaction.token == token)
    }
}

/// What an interaction is about.
pub(crate) struct Occasion {
    pub(crate) kind: u8,
    pub(crate) name: String,
    pub(crate) user: u64,
    pub(crate) channel: u64,
    pub(crate) data: Value,
    pub(crate) target: Option<u64>,
    /// The message of the component that was used.
    pub(crate) message: Option<u64>,
}

impl State {
    pub(crate) fn interact(&mut self, occasion: Occasion) -> InteractionId {
        let id = self.guild.clock.next_id();
        let token = format!(
            "aW50ZXJhY3Rpb246{id}{:016x}",
            id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        );
        let guild = &self.guild;
        let channel = guild.channels.get(&occasion.channel);
        let permissions = |user| {
            channel
                .map_or(0, |channel| in_channel(guild, user, channel))
                .to_string()
        };
        let user = guild.users.get(&occasion.user);
        let mut event = json!({
            "id": Id(id), "application_id": Id(guild.bot), "type": occasion.kind, "data": occasion.data,
            "guild_id": Id(guild.id), "guild": {"id": Id(guild.id), "locale": "en-US", "features": ["COMMUNITY"]},
            "channel_id": Id(occasion.channel), "channel": channel.map(|channel| wire::channel(guild, channel)),
            "token": token, "version": 1, "locale": "en-US", "guild_locale": "en-US", "entitlements": [],
            "attachment_size_limit": 10_485_760, "app_permissions": permissions(guild.bot),
            "authorizing_integration_owners": {"0": Id(guild.id)}, "context": 0,
        });
        if let Some(member) = guild.members.get(&occasion.user) {
            event["member"] = tree(MemberObject { member, user });
            event["member"]["permissions"] = permissions(occasion.user).into();
        } else {
            event["user"] = tree(user.map(UserObject));
        }
        if let Some(message) = occasion
            .message
            .and_then(|id| self.shown_message(occasion.channel, id))
        {
            event["message"] = tree(MessageObject {
                guild,
                message,
                view: View::rest(true),
            });
        }
        self.expect_answer(id, token, occasion);
        let to = Recipient::Guild(self.guild.id);
        self.sessions
            .dispatch(Event::new("INTERACTION_CREATE", 0, &event).to(to));
        InteractionId(id)
    }

    fn expect_answer(&mut self, id: u64, token: String, occasion: Occasion) {
        let interaction = Interaction {
            id,
            token,
            kind: occasion.kind,
            name: occasion.name,
            user: occasion.user,
            channel: occasion.channel,
            target: occasion.target,
            message: occasion.message,
            at: Instant::now(),
            expired: false,
            answer: None,
            is_unheard: false,
            thinking: false,
            private: BTreeMap::new(),
        };
        self.interactions.all.insert(id, interaction);
        if self.interactions.all.len() > KEPT {
            self.interactions.all.pop_first();
        }
    }

    /// Sends `INTERACTION_CREATE` with this payload. Sets its id and token.
    pub(crate) fn interact_raw(&mut self, mut event: Value) -> InteractionId {
        let id = self.guild.clock.next_id();
        let token = format!("cmF3{id}{:016x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        event["id"] = tree(Id(id));
        event["token"] = token.clone().into();
        let number = |value: &Value| value.as_str()?.parse().ok();
        let user = number(&event["member"]["user"]["id"]).or_else(|| number(&event["user"]["id"]));
        let occasion = Occasion {
            kind: event["type"]
                .as_u64()
                .and_then(|kind| u8::try_from(kind).ok())
                .unwrap_or(0),
            name: event["data"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            user: user.unwrap_or(self.guild.owner),
            channel: number(&event["channel_id"]).unwrap_or(0),
            data: Value::Null,
            target: None,
            message: None,
        };
        self.expect_answer(id, token, occasion);
        let to = number(&event["guild_id"]).map_or(Recipient::Direct, Recipient::Guild);
        self.sessions
            .dispatch(Event::new("INTERACTION_CREATE", 0, &event).to(to));
        InteractionId(id)
    }

    /// A message in a channel, or an ephemeral one.
    fn shown_message(&self, channel: u64, id: u64) -> Option<&Message> {
        let mut all = self.interactions.all.values().rev();
        self.guild
            .message(channel, id)
            .or_else(|| all.find_map(|interaction| interaction.private.get(&id)))
    }

    /// The type of a message component, by its id.
    pub(crate) fn component_type(
        &self,
        channel: u64,
        message: u64,
        custom_id: &str,
    ) -> Option<u64> {
        let message = self.shown_message(channel, message)?;
        let rows = message.extras.iter().flat_map(|extra| &extra.components);
        let parts = rows
            .filter_map(|row| row["components"].as_array())
            .flatten();
        parts
            .filter(|part| part["custom_id"] == custom_id)
            .find_map(|part| part["type"].as_u64())
    }

    /// The message for a response's body. Mentions are limited by its `allowed_mentions`.
    pub(crate) fn answer_message(
        &mut self,
        interaction: u64,
        body: &Value,
        flags: u32,
    ) -> Option<Message> {
        let asked = self.interactions.all.get(&interaction)?;
        let (channel, kind) = (asked.channel, asked.kind);
        let cause = Cause {
            id: asked.id,
            kind,
            name: asked.name.clone(),
            user: asked.user,
            target: asked.target,
        };
        let extras = Extras {
            cause: Some(cause.clone()),
            ..extras(body)
        };
        let message_type = match (kind, cause.target) {
            (2, Some(_)) => message_type::CONTEXT_MENU_COMMAND,
            (2, None) => message_type::CHAT_INPUT_COMMAND,
            _ => message_type::DEFAULT,
        };
        let content = body["content"].as_str().unwrap_or_default();
        let (mentions, mention_everyone) = allowed_mentions(body, content, None);
        Some(self.compose(super::act::Draft {
            author: self.guild.bot,
            channel,
            content: content.to_owned(),
            kind: message_type,
            flags,
            reply_to: None,
            mentions: Some(mentions),
            mention_everyone,
            extras: Some(extras),
        }))
    }

    /// Shows a response: in the channel, or ephemerally.
    pub(crate) fn show(&mut self, interaction: u64, message: Message) {
        let (channel, id) = (message.channel, message.id);
        if message.flags & flag::EPHEMERAL != 0 {
            if let Some(interaction) = self.interactions.all.get_mut(&interaction) {
                interaction.private.insert(id, message);
            }
        } else {
            self.guild.insert_message(message);
            self.announce("MESSAGE_CREATE", channel, id);
        }
    }
}

/// Rarely used parts of a message body.
pub(crate) fn extras(body: &Value) -> Extras {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let mut embeds = list("embeds");
    for embed in &mut embeds {
        embed["type"] = "rich".into();
        if let Some(fields) = embed["fields"].as_array_mut() {
            for field in fields {
                field["inline"] = field["inline"].as_bool().unwrap_or(false).into();
            }
        }
        if embed["fields"].is_null()
            && let Some(embed) = embed.as_object_mut()
        {
            embed.remove("fields");
        }
    }
    Extras {
        embeds,
        components: list("components"),
        ..Extras::default()
    }
}

/// The users a text pings and whether it pings everyone, given the body's `allowed_mentions` and the author replied
/// to.
pub(crate) fn allowed_mentions(
    body: &Value,
    content: &str,
    replied: Option<u64>,
) -> (Vec<u64>, bool) {
    let mut mentioned = super::message::mentioned(content);
    let everyone = content.contains("@everyone") || content.contains("@here");
    let Some(allowed) = body["allowed_mentions"].as_object() else {
        mentioned.extend(replied.filter(|author| !mentioned.contains(author)));
        return (mentioned, everyone);
    };
    let parses = |what: &str| {
        allowed
            .get("parse")
            .and_then(Value::as_array)
            .is_some_and(|p| p.iter().any(|v| v == what))
    };
    if !parses("users") {
        let users = allowed
            .get("users")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        mentioned.retain(|id| {
            users
                .iter()
                .any(|user| user.as_str().is_some_and(|user| *user == id.to_string()))
        });
    }
    if allowed
        .get("replied_user")
        .and_then(Value::as_bool)
        .unwrap_or(false)
    {
        mentioned.extend(replied.filter(|author| !mentioned.contains(author)));
    }
    (mentioned, everyone && parses("everyone"))
}
