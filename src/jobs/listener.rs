//! The listener: turns what the gateway says, in its order, into facts for the writer, and into
//! requests for what it did not say.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    backfill::{Depth, Requests},
    writer::{Stopped, Writer},
};
use crate::{
    discord::{GatewayItem, Signal, translate},
    model::{Evidence, Fact, FailureObject, GuildId, Observation, Props, RoleId, Stamp, UserId},
};

/// Listens until the gateway has stopped and all it said is handed over.
pub async fn listen(
    mut items: mpsc::Receiver<GatewayItem>,
    bot: UserId,
    writer: Writer,
    requests: Requests,
) -> Result<(), Stopped> {
    let mut listener = Listener {
        bot,
        requests,
        guilds: BTreeSet::new(),
        bot_roles: BTreeMap::new(),
    };
    while let Some(item) = items.recv().await {
        let observations = match item {
            GatewayItem::Event { at, event } => {
                let said = translate(*event, at, bot);
                listener.hear(at, said.observations, said.signal)
            }
            GatewayItem::Overflow { at } => listener.lose_all(at),
        };
        if !observations.is_empty() {
            writer.send(observations).await?;
        }
    }
    Ok(())
}

struct Listener {
    bot: UserId,
    requests: Requests,
    /// Every guild of this session.
    guilds: BTreeSet<GuildId>,
    /// The bot's roles in each, as last heard.
    bot_roles: BTreeMap<GuildId, Vec<RoleId>>,
}

impl Listener {
    fn hear(
        &mut self,
        at: Stamp,
        mut observations: Vec<Observation>,
        signal: Option<Signal>,
    ) -> Vec<Observation> {
        let mut more = Vec::new();
        for seen in &observations {
            match &seen.fact {
                // The bot's own roles decide what it sees: what was live may not be any more.
                Fact::Member(guild, user, presence) if user.id == self.bot => {
                    let before = self.bot_roles.insert(*guild, presence.roles.clone());
                    if before.is_some_and(|before| before != presence.roles) {
                        more.push(Fact::SessionLost(*guild));
                    }
                }
                Fact::Posted(message) | Fact::Message(message) => {
                    more.extend(Props::from_answer(message, self.bot).map(Fact::Props));
                }
                _ => {}
            }
        }
        if let Some(signal) = signal {
            more.extend(self.heed(signal));
        }
        observations.extend(gateway(at, more));
        observations
    }

    /// Does what a signal asks for, and returns what it says.
    fn heed(&mut self, signal: Signal) -> Vec<Fact> {
        match signal {
            Signal::SessionStarted { guilds } => {
                info!(guilds = guilds.len(), "connected to the gateway");
                self.guilds.extend(guilds);
                self.guilds.iter().copied().map(Fact::SessionLost).collect()
            }
            Signal::Resumed => {
                info!("the gateway's session was resumed: nothing was missed");
                Vec::new()
            }
            Signal::GuildAvailable(guild) => {
                self.guilds.insert(guild);
                self.requests.guild(guild, Depth::Whole);
                vec![Fact::SessionLost(guild)]
            }
            Signal::GuildUnavailable(guild) => vec![Fact::SessionLost(guild)],
            Signal::GuildLeft(guild) => {
                self.guilds.remove(&guild);
                vec![Fact::SessionLost(guild)]
            }
            Signal::ShapeChanged(guild) => {
                self.requests.guild(guild, Depth::Channels);
                Vec::new()
            }
            Signal::Reread(guild, channel, message) => {
                self.requests.message(guild, channel, message);
                Vec::new()
            }
            Signal::Unreadable { guild, event } => {
                warn!(
                    event,
                    "an event could not be read: what it said is fetched instead"
                );
                let guilds = guild.map_or_else(|| self.guilds.clone(), |guild| [guild].into());
                guilds
                    .into_iter()
                    .flat_map(|guild| self.unreadable(guild, &event))
                    .collect()
            }
        }
    }

    /// Something was said of the guild, and we do not know what.
    fn unreadable(&self, guild: GuildId, event: &str) -> [Fact; 2] {
        self.requests.guild(guild, Depth::Whole);
        let object = FailureObject::Event(event.to_owned());
        let reason = "it is not as Discord documents it; what it said was fetched instead";
        [
            Fact::SessionLost(guild),
            Fact::Failed(guild, object, reason.to_owned()),
        ]
    }

    /// More was said than we could hear.
    fn lose_all(&self, at: Stamp) -> Vec<Observation> {
        for guild in &self.guilds {
            self.requests.guild(*guild, Depth::Whole);
        }
        gateway(
            at,
            self.guilds.iter().copied().map(Fact::SessionLost).collect(),
        )
    }
}

fn gateway(at: Stamp, facts: Vec<Fact>) -> Vec<Observation> {
    facts
        .into_iter()
        .map(|fact| Observation {
            at,
            by: Evidence::Gateway,
            fact,
        })
        .collect()
}
