//! Reports on thanks: who thanked whom, and why something counts.
//!
//! Owns what is shown to whom: only what stands in channels that they may read, and of members who
//! opted out only what the archive would show, and never under a name. What is props is for `graph`
//! to say.

mod history;
mod leaderboard;
mod ledger;
mod quota;
mod why;

use tokio::sync::Semaphore;

use propsbot_model::{Channel, ChannelId, GuildId, RoleId, UserId, permissions::Permissions};
use propsbot_store::{Store, StoreError};

pub use history::{HistoryPage, HistoryQuery, HistoryReport, Side, Thanked};
pub use leaderboard::{Leaderboard, LeaderboardQuery, Period, Ranked};
pub use why::Why;

/// How many reports are made at once: each may read all props of a guild.
static REPORTS: Semaphore = Semaphore::const_new(4);

/// Who asks.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The guild.
    pub guild_id: GuildId,
    /// Who.
    pub user_id: UserId,
    /// Their roles, as Discord says now.
    pub roles: Vec<RoleId>,
}

impl Reader {
    /// The channels and threads that they may read, sorted. Of private threads, only those that
    /// they may manage: who else is in one is not known.
    pub(crate) fn channels(&self, store: &Store) -> Result<Vec<ChannelId>, StoreError> {
        let gone = store.privacy_of(self.guild_id, self.user_id)?.is_gone();
        channels(store, self.guild_id, |permissions, channel| {
            permissions.member_reads(self.user_id, &self.roles, channel)
                // Whatever is forbidden to them there is not known to be.
                && !(gone && permissions.names_nobody(channel))
        })
    }
}

/// The channels and threads of which this holds, sorted: those that are there now, and, where props hold in
/// deleted ones too, those that were.
fn channels(
    store: &Store,
    guild: GuildId,
    holds: impl Fn(&Permissions<'_>, &Channel) -> bool,
) -> Result<Vec<ChannelId>, StoreError> {
    let part = store.guild(guild)?;
    let Some(known) = part.as_ref().and_then(|guild| guild.state.now()) else {
        return Ok(Vec::new());
    };
    let (roles, parts) = (store.roles(guild)?, store.channels(guild)?);
    let keeps = store.settings(guild)?.keep_deleted_props;
    let all = || {
        let ever = parts
            .iter()
            .filter(|part| keeps || part.state.now().is_some());
        ever.filter_map(|part| part.state.ever())
    };
    let roles = roles.iter().filter_map(|role| role.state.now());
    let permissions = Permissions::new(known, roles, all());
    let found = all().filter(|channel| channel.kind.has_messages() && holds(&permissions, channel));
    Ok(found.map(|channel| channel.id).collect())
}
