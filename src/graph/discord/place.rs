//! Which channels count, their weights and names, and whether mentions in them are props.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/mirror.js` (`addTextChannels`), and
//! `reactionWeights.js` (`channelWeight`).

use std::{borrow::Cow, collections::HashMap};

use super::{Rules, config::GuildConfig};
use propsbot_model::{ChannelId, ChannelKind};
use propsbot_rows::ChannelRow;
use propsbot_sourcecred::description;

/// How much of a thread's name is shown, in UTF-16 code units.
const NAME_UNITS: usize = 30;

pub(super) struct Place<'a> {
    pub(super) id: ChannelId,
    pub(super) weight: f64,
    pub(super) is_props: bool,
    /// Its name, safe in a description.
    pub(super) name: Cow<'a, str>,
}

/// The channels that count, by id.
pub(super) fn places<'a>(
    channels: &'a [ChannelRow],
    config: &GuildConfig,
    rules: Rules,
) -> Vec<Place<'a>> {
    let own = || {
        let of_guild = channels
            .iter()
            .filter(|channel| channel.guild_id == config.guild_id);
        of_guild.filter(|of_guild| of_guild.deleted_at.is_none())
    };
    let by_id: HashMap<ChannelId, &ChannelRow> = own().map(|own| (own.id, own)).collect();
    own()
        .filter_map(|channel| {
            // A thread has its channel's settings; without a channel it is gone.
            let home = if channel.is_thread() {
                by_id.get(&channel.parent_id?)?
            } else {
                channel
            };
            let counts = match rules {
                Rules::Native => channel.kind == ChannelKind::TEXT,
                Rules::Improved => channel.kind.has_messages(),
            };
            let within = [Some(channel.id), channel.parent_id, home.parent_id];
            let weight = config.channels.of(within.into_iter().flatten());
            let is_seen = config.nsfw || !home.nsfw;
            (counts && is_seen && weight != 0.0).then(|| Place {
                id: channel.id,
                weight,
                is_props: [channel, home]
                    .iter()
                    .any(|channel| config.props_channels.has(channel.id)),
                // A thread's name may contain anything; a channel's may not.
                name: if channel.is_thread() {
                    description::text(&channel.name, NAME_UNITS).into()
                } else {
                    channel.name.as_str().into()
                },
            })
        })
        .collect()
}
