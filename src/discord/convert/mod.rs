//! Translates gateway events to facts. Pure: depends on the event alone.
//!
//! Owns which events matter and what each means. One odd field spoils only itself; an event that is
//! unreadable even so is reported, never dropped silently.
//! Source: <https://discord.com/developers/docs/events/gateway-events#receive-events>.

mod events;

use self::events::said;
use super::{GatewayEvent, GuildShape, Items};
use propsbot_model::{
    ChannelId, Evidence, Fact, GuildId, Listed, MessageId, Observation, Stamp, UserId,
};

pub(super) use self::events::{is_needed, kind};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The guild that the event names, if readable.
    pub guild: Option<GuildId>,
    /// Facts that held when the event was received.
    pub observations: Vec<Observation>,
    pub signal: Option<Signal>,
}

/// A trigger for the jobs, beyond facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A new session began with these guilds: earlier events have to be fetched.
    SessionStarted {
        guilds: Vec<GuildId>,
    },
    /// The session was resumed, and nothing was missed.
    Resumed,
    /// A guild became available: at the start of a session, after an outage, or when the bot
    /// joined. Has a snapshot if the event has as much as REST returns.
    GuildAvailable(GuildId, Option<Box<GuildSnapshot>>),
    /// A guild has an outage; [`Self::GuildAvailable`] reports its end.
    GuildUnavailable(GuildId),
    GuildLeft(GuildId),
    /// The guild's channels, threads, roles or the bot's own roles changed: the bot may see more or
    /// less than before.
    ShapeChanged(GuildId),
    /// An event about this message was incomplete: fetch the message and its reactions.
    Reread(GuildId, ChannelId, MessageId),
    /// A needed event was unreadable.
    Unreadable {
        /// The guild, if readable.
        guild: Option<GuildId>,
        event: String,
    },
}

/// A guild as `GUILD_CREATE` describes it. Threads are fetched: the event has only active ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildSnapshot {
    /// When the event was received.
    pub at: Stamp,
    /// The guild with its roles and emojis.
    pub shape: GuildShape,
    pub channels: Items<Listed>,
}

type Translation = (Vec<Fact>, Option<Signal>);

/// Translates one event, received at `at` by the bot with the user id `bot`.
///
/// Direct messages and events that we don't need give nothing.
pub fn translate(event: &GatewayEvent, at: Stamp, bot: UserId) -> Translated {
    let (guild, (facts, mut signal)) = said(&event.name, event.data.get().as_bytes(), bot);
    if let Some(Signal::GuildAvailable(_, Some(told))) = &mut signal {
        told.at = at;
    }
    Translated {
        guild,
        observations: facts
            .into_iter()
            .map(|fact| Observation {
                at,
                by: Evidence::Gateway,
                fact,
            })
            .collect(),
        signal,
    }
}

#[cfg(test)]
mod tests;
