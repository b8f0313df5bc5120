//! Additional guilds to which someone else has added the bot.
//!
//! One guild is visited at a time, and every action happens there. A request finds the guild that it names, visited
//! or not.

use super::guild::Guild;
use super::rest::Target;
use super::state::{Presence, State};

/// A guild that isn't visited.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    guild: Guild,
    presence: Presence,
}

impl State {
    /// Creates another guild with its own owner, which the bot joined at `joined` (milliseconds). Returns its id
    /// without visiting it.
    pub(crate) fn found_guild(&mut self, name: &str, joined: i64) -> u64 {
        let clock = std::mem::take(&mut self.guild.clock);
        let founded = joined - 30_000_000_000;
        let mut guild = Guild::founded(clock, founded, Some(self.guild.bot));
        name.clone_into(&mut guild.name);
        std::mem::swap(&mut self.guild.clock, &mut guild.clock);
        let id = guild.id;
        self.elsewhere.push(Elsewhere {
            guild,
            presence: Presence::Removed,
        });
        let visited = self.visit(id);
        self.set_presence(Presence::Here);
        self.visit(visited);
        id
    }

    /// Visits the guild of this id, if it exists. Returns the id of the previous one.
    pub(crate) fn visit(&mut self, id: u64) -> u64 {
        let left = self.guild.id;
        if let Some(other) = self.elsewhere.iter_mut().find(|other| other.guild.id == id) {
            std::mem::swap(&mut self.guild, &mut other.guild);
            std::mem::swap(&mut self.presence, &mut other.presence);
            // All guilds share the clock.
            std::mem::swap(&mut self.guild.clock, &mut other.guild.clock);
        }
        left
    }

    /// Every guild with the bot's presence there, by id.
    pub(crate) fn guilds(&self) -> Vec<(&Guild, Presence)> {
        let others = self
            .elsewhere
            .iter()
            .map(|other| (&other.guild, other.presence));
        let mut all: Vec<_> = others.chain([(&self.guild, self.presence)]).collect();
        all.sort_by_key(|(guild, _)| guild.id);
        all
    }

    /// The guild that a request concerns; the visited one if it names no known guild.
    pub(crate) fn guild_of(&self, target: Target) -> u64 {
        let channel = match target {
            Target::Guild(id) => return id,
            Target::Channel(id) => Some(id),
            Target::Interaction(id) => self
                .interactions
                .all
                .get(&id)
                .map(|interaction| interaction.channel),
            Target::None => None,
        };
        let has = |guild: &Guild| channel.is_some_and(|id| guild.channels.contains_key(&id));
        let mut all = self.guilds().into_iter();
        all.find(|(guild, _)| has(guild))
            .map_or(self.guild.id, |(guild, _)| guild.id)
    }
}
