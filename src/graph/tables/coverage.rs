//! `coverage`: which times of each channel are complete.

use serde::{Deserialize, Serialize};

use super::{CHANNEL_ID, GUILD_ID, column};
use propsbot_archive::{Column, Covered, Id, Kind::Time, Line, Millis, Presence::Required};

/// The columns of [`CoverageRow`].
pub const COVERAGE: &[Column] = &[
    GUILD_ID,
    CHANNEL_ID,
    column("after", Time, Required, "the last millisecond before it"),
    column("until", Time, Required, "its last millisecond"),
];

/// A time of which all of a channel's messages are in the archive, with the props and reactions that belong to
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    pub guild_id: Id,
    pub channel_id: Id,
    /// The last millisecond before it.
    pub after: Millis,
    /// Its last millisecond.
    pub until: Millis,
}

/// What is covered of each of a guild's channels.
pub fn coverage<'a>(
    guild: &'a Id,
    channels: &'a [(Line, Vec<Covered>)],
) -> impl Iterator<Item = CoverageRow> + 'a {
    channels.iter().flat_map(move |(channel, covered)| {
        covered.iter().map(move |times| CoverageRow {
            guild_id: guild.clone(),
            channel_id: channel.id.clone(),
            after: times.after,
            until: times.to,
        })
    })
}
