//! Many guilds at once: each action is in the next one.

use simulator::discord::{Discord, kind};

/// When the bot joined the first of them.
const JOINED: i64 = 1_700_000_000_000;

/// Every how many actions one is a reaction to the message before.
const REACTION: u64 = 4;

pub(crate) struct ManyGuilds<'a> {
    discord: &'a Discord,
    places: Vec<Place>,
    pub(crate) actions: u64,
}

/// A guild's only channel, and what was done there.
struct Place {
    guild: u64,
    owner: u64,
    channel: u64,
    last: u64,
    messages: u64,
    reactions: u64,
}

impl<'a> ManyGuilds<'a> {
    pub(crate) fn found(discord: &'a Discord, count: u32) -> Self {
        let found = |number: u32| {
            let guild = discord.found_guild(&format!("guild {number}"), JOINED + i64::from(number));
            let before = discord.visit(guild);
            let (owner, channel) = (
                discord.owner_id(),
                discord.create_channel(kind::TEXT, "props", vec![]),
            );
            let last = discord.post(owner, channel, "hello");
            discord.visit(before);
            Place {
                guild,
                owner,
                channel,
                last,
                messages: 1,
                reactions: 0,
            }
        };
        Self {
            discord,
            places: (0..count).map(found).collect(),
            actions: 0,
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.places.iter().map(|place| place.guild.to_string());
        ids.collect()
    }

    /// Acts until this many actions have happened in total.
    pub(crate) fn act(&mut self, until: u64) {
        let count = self.places.len() as u64;
        while self.actions < until {
            let turn = self.actions / count;
            let at = usize::try_from(self.actions % count).expect("a place's index");
            let (discord, place) = (self.discord, &mut self.places[at]);
            let before = discord.visit(place.guild);
            if turn % REACTION == REACTION - 1 {
                discord.react(place.owner, place.channel, place.last, "\u{1f64f}", false);
                place.reactions += 1;
            } else {
                let text = "Thank you for all the work that you put into this.";
                place.last = discord.post(place.owner, place.channel, text);
                place.messages += 1;
            }
            discord.visit(before);
            self.actions += 1;
        }
    }

    /// The guilds whose totals in `propsbot status --json` aren't what was done there.
    pub(crate) fn missing(&self, status: &serde_json::Value) -> Vec<String> {
        let totals = |place: &Place| {
            let id = place.guild.to_string();
            let mut guilds = status.as_array().into_iter().flatten();
            let own = guilds.find(|guild| guild["id"] == id)?;
            let totals = &own["totals"];
            Some((totals["messages"].as_u64()?, totals["reactions"].as_u64()?))
        };
        let wrong = self.places.iter().filter_map(|place| {
            let done = (place.messages, place.reactions);
            let found = totals(place);
            (found != Some(done)).then(|| format!("guild {}: {done:?}, not {found:?}", place.guild))
        });
        wrong.collect()
    }
}
