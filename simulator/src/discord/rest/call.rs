//! A request as routes see it, and their responses.

use serde::Serialize;
use serde_json::{Value, json};

use crate::discord::guild::{Channel, Guild};
use crate::discord::message::Message;
use crate::discord::permissions::{in_channel, may_open, may_view};
use crate::discord::state::State;

/// A request: path parameters in order, query, body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) params: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    /// Files of a multipart body: name and bytes.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Whether its response gets lost.
    pub(crate) is_lost: bool,
}

impl Call {
    pub(crate) fn id(&self, index: usize) -> Result<u64, Problem> {
        let text = self
            .params
            .get(index)
            .map(String::as_str)
            .unwrap_or_default();
        text.parse()
            .map_err(|_| Problem::form(&format!("Value \"{text}\" is not snowflake.")))
    }

    pub(crate) fn text(&self, index: usize) -> &str {
        self.params
            .get(index)
            .map(String::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn asked_id(&self, name: &str) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| Problem::form(&format!("Value \"{text}\" is not snowflake.")))
        };
        self.asked(name).map(parse).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.asked(name)
            .is_some_and(|value| value == "true" || value == "1")
    }

    /// A list's `limit`.
    pub(crate) fn limit(
        &self,
        least: usize,
        most: usize,
        default: usize,
    ) -> Result<usize, Problem> {
        let Some(text) = self.asked("limit") else {
            return Ok(default);
        };
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (least..=most).contains(limit));
        limit.ok_or_else(|| {
            Problem::form(&format!(
                "limit: int value should be between {least} and {most}."
            ))
        })
    }
}

/// A successful response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(of: &impl Serialize) -> Self {
        Self {
            status: 200,
            body: serde_json::to_vec(of).expect("answers are plain JSON"),
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            status: 204,
            body: Vec::new(),
        }
    }
}

/// An error, as on Discord's "Opcodes and Status Codes" page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    code: u32,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: u16, code: u32, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }

    /// 404 for an unknown object: Discord has a code for each kind.
    pub(crate) fn unknown(code: u32) -> Self {
        let what = match code {
            10003 => "Channel",
            10004 => "Guild",
            10007 => "Member",
            10008 => "Message",
            10011 => "Role",
            10013 => "User",
            10014 => "Emoji",
            10015 => "Webhook",
            10062 => "interaction",
            10063 => "application command",
            10070 => "Guild Scheduled Event",
            _ => "object",
        };
        Self::new(404, code, &format!("Unknown {what}"))
    }

    pub(crate) fn missing_access() -> Self {
        Self::new(403, 50001, "Missing Access")
    }

    pub(crate) fn missing_permissions() -> Self {
        Self::new(403, 50013, "Missing Permissions")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub(crate) fn form(what: &str) -> Self {
        Self::new(400, 50035, &format!("Invalid Form Body: {what}"))
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut body = json!({"message": self.message, "code": self.code});
        if self.code == 50035 {
            body["errors"] =
                json!({"_errors": [{"code": "BASE_TYPE_INVALID", "message": self.message}]});
        }
        Reply {
            status: self.status,
            body: body.to_string().into_bytes(),
        }
    }
}

/// A route's response.
pub(crate) type Answer = Result<Reply, Problem>;

impl State {
    /// The guild of this id, if the bot is in it.
    pub(crate) fn guild_for(&self, id: u64) -> Result<&Guild, Problem> {
        if id != self.guild.id {
            return Err(Problem::unknown(10004));
        }
        if self.guild.members.contains_key(&self.guild.bot) {
            Ok(&self.guild)
        } else {
            Err(Problem::missing_access())
        }
    }

    /// The channel of this id, if the bot can see it.
    pub(crate) fn channel_for(&self, id: u64) -> Result<&Channel, Problem> {
        let channel = self
            .guild
            .channels
            .get(&id)
            .ok_or_else(|| Problem::unknown(10003))?;
        if may_view(&self.guild, self.guild.bot, channel) {
            Ok(channel)
        } else {
            Err(Problem::missing_access())
        }
    }

    /// The channel of this id, if the bot can open it and it can contain messages.
    pub(crate) fn messages_for(&self, id: u64) -> Result<&Channel, Problem> {
        let channel = self.channel_for(id)?;
        if !may_open(&self.guild, self.guild.bot, channel) {
            return Err(Problem::missing_access());
        }
        if !channel.holds_messages() {
            return Err(Problem::new(
                400,
                50024,
                "Cannot execute action on this channel type",
            ));
        }
        Ok(channel)
    }

    pub(crate) fn message_for(&self, channel: u64, id: u64) -> Result<&Message, Problem> {
        self.messages_for(channel)?
            .messages
            .get(&id)
            .ok_or_else(|| Problem::unknown(10008))
    }

    /// Whether the bot holds this permission in the channel.
    pub(crate) fn bot_may(&self, channel: u64, permission: u64) -> bool {
        self.channel(channel)
            .is_some_and(|c| in_channel(&self.guild, self.guild.bot, c) & permission != 0)
    }

    pub(crate) fn require(&self, channel: u64, permission: u64) -> Result<(), Problem> {
        if self.bot_may(channel, permission) {
            Ok(())
        } else {
            Err(Problem::missing_permissions())
        }
    }
}
