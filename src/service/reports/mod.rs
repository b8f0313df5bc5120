//! Reports on thanks: who thanked whom, and why something counts.
//!
//! Decides what each reader sees: only channels that they can read, and of members who opted out only
//! what the archive has, never with a name. The graph plugin decides what counts as props.

mod cred;
mod history;
mod leaderboard;
mod ledger;
mod preview;
mod quota;
mod recap;
mod why;

use tokio::sync::Semaphore;

use propsbot_model::{Channel, ChannelId, GuildId, RoleId, UserId, permissions::Permissions};
use propsbot_store::{Store, StoreError};

pub use cred::{
    Contribution, ContributionWhat, CredQuery, CredReport, FoundCred, MemberCred, MessageCred,
};
pub use history::{HistoryPage, HistoryQuery, HistoryReport, Side, Thanked};
pub use leaderboard::{Leaderboard, LeaderboardQuery, Period, RankBy, Ranked, Score};
pub use preview::{EventsPreview, MeetingsPreview, PREVIEW_DAYS, ThanksPreview};
pub(crate) use preview::{events_preview, meetings_preview, previews};
pub use recap::RecapReport;
pub(crate) use recap::report;
pub use why::Why;

/// How many reports run at once; each may read all props of a guild.
pub(crate) static REPORTS: Semaphore = Semaphore::const_new(4);

#[derive(Clone, Debug)]
pub struct Reader {
    pub guild_id: GuildId,
    pub user_id: UserId,
    pub roles: Vec<RoleId>,
}

impl Reader {
    /// The channels and threads that they can read, sorted. Of private threads, only those that they can
    /// manage: the other members of one are unknown.
    pub(crate) fn channels(&self, store: &Store) -> Result<Vec<ChannelId>, StoreError> {
        let gone = store.privacy_of(self.guild_id, self.user_id)?.is_gone();
        channels(store, self.guild_id, |permissions, channel| {
            permissions.member_reads(self.user_id, &self.roles, channel)
                // Their permissions there are unknown.
                && !(gone && permissions.names_nobody(channel))
        })
    }
}

/// The channels and threads that satisfy `holds`, sorted. Includes deleted ones if their props still
/// count.
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
