//! From the gateway's events to facts. Pure: what an event says does not depend on what was said
//! before, nor on the time.
//!
//! Owns which events matter and what each one says. Reads them tolerantly: one odd field costs only
//! itself. What even so cannot be read is reported, never dropped in silence. Refuses to know what
//! becomes of it.
//! Source: <https://discord.com/developers/docs/events/gateway-events#receive-events>.

mod events;

use self::events::said;
use super::{GatewayEvent, GuildShape, Items};
use propsbot_model::{
    ChannelId, Evidence, Fact, GuildId, Listed, MessageId, Observation, Stamp, UserId,
};

pub(super) use self::events::is_needed;

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The guild that it is about, where the event names one that can be read.
    pub guild: Option<GuildId>,
    /// What held when it was received.
    pub observations: Vec<Observation>,
    /// What the jobs should see to.
    pub signal: Option<Signal>,
}

/// Something that no fact says but that is to be acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A new session began, with these guilds: what happened before it has to be fetched.
    SessionStarted {
        /// The guilds that the bot is in.
        guilds: Vec<GuildId>,
    },
    /// The session went on after an interruption, and nothing was missed.
    Resumed,
    /// A guild can be seen: at the session's start, after an outage, or because the bot joined it.
    /// With what the event tells of it, if it tells as much as REST would.
    GuildAvailable(GuildId, Option<Box<GuildSnapshot>>),
    /// A guild has an outage; [`Self::GuildAvailable`] tells its end.
    GuildUnavailable(GuildId),
    /// The bot is no longer in the guild.
    GuildLeft(GuildId),
    /// The guild's channels, threads, roles or the bot's own roles changed: it may see more, or
    /// less, than before.
    ShapeChanged(GuildId),
    /// An event about this message said too little: fetch the message and its reactions.
    Reread(GuildId, ChannelId, MessageId),
    /// An event that we need could not be read at all.
    Unreadable {
        /// The guild, where that much could be read.
        guild: Option<GuildId>,
        /// The event's name.
        event: String,
    },
}

/// A guild as `GUILD_CREATE` describes it. (Its threads are asked for: only the active ones would be
/// here.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildSnapshot {
    /// When it was so.
    pub at: Stamp,
    /// The guild with its roles and emojis.
    pub shape: GuildShape,
    /// All of its channels.
    pub channels: Items<Listed>,
}

/// What an event says: facts, and perhaps a signal.
type Translation = (Vec<Fact>, Option<Signal>);

/// Translates one event, received at `at` by the bot whose user is `bot`.
///
/// Events that concern no guild (direct messages) say nothing, nor do those we have no use for.
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
