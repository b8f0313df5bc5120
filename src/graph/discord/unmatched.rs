//! Finds weights for things the archive doesn't have: usually a typo in the file, or another spelling.

use std::collections::HashSet;

use super::{DiscordConfig, GuildConfig, graph::emoji_names};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::unmatched;

impl DiscordConfig {
    /// Warnings about weights and props channels that are not in the snapshot, one for each kind. Like
    /// SourceCred, it compares letter by letter.
    pub fn unmatched(&self, snapshot: &Snapshot) -> Vec<String> {
        let guilds = self.guilds().iter();
        guilds.flat_map(|guild| of_guild(guild, snapshot)).collect()
    }
}

fn of_guild(config: &GuildConfig, snapshot: &Snapshot) -> Vec<String> {
    let guild = config.guild_id;
    let names = emoji_names(snapshot, guild);
    let reactions = snapshot.reactions.iter();
    let emojis: HashSet<&str> = reactions
        .filter(|row| row.guild_id == guild)
        .filter_map(|row| match row.emoji_id {
            Some(id) => names.get(&id).map(String::as_str),
            None => row.emoji.as_deref(),
        })
        .collect();
    let roles = snapshot.roles.iter().filter(|row| row.guild_id == guild);
    let roles = roles.map(|row| row.id).collect();
    let channels = snapshot.channels.iter().filter(|row| row.guild_id == guild);
    let channels = channels.map(|row| row.id).collect();
    let absent = "the archive does not have";
    [
        unmatched(
            "reactionWeightConfig",
            config.reactions.absent(&emojis),
            "SourceCred compares them letter by letter (`❤️` is not `❤`), and no reaction that counts has",
        ),
        unmatched(
            "roleWeightConfig",
            config.roles.absent(&roles),
            "no role has",
        ),
        unmatched(
            "channelWeightConfig",
            config.channels.absent(&channels),
            absent,
        ),
        unmatched(
            "propsChannels",
            config.props_channels.absent(&channels),
            absent,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
