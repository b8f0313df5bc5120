//! The discord plugin: the graph that SourceCred's own Discord plugin builds, without Discord.
//!
//! Source of every rule here, oddities included: SourceCred 0.11.2, `plugins/discord/`. All of it
//! is meant to be equal to the last bit; what shall be better goes behind [`Rules::Improved`].
//!
//! Its addresses are that plugin's. So an instance that replaces `sourcecred/discord` by
//! `external/discord` keeps its identities and its cred.

mod config;
mod declaration;
mod graph;
mod identities;
mod outdated;
mod place;
mod row_filter;
mod unmatched;

pub use config::{ConfigError, DiscordConfig, GuildConfig};
pub use declaration::discord_declaration;
pub use graph::discord_graph;
pub use identities::discord_identities;
pub use row_filter::DiscordRowFilter;

use propsbot_model::GuildId;
use propsbot_rows::{ReactionRow, Snapshot};
use propsbot_sourcecred::Documents;

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of SourceCred's plugin, as they are.
    Native,
    /// The same, but:
    ///
    /// * who left counts: as an author, with their reactions, when mentioned;
    /// * announcement, voice and stage channels count, and threads and the posts of forums, as the
    ///   channel that they are in, unless they have a weight of their own;
    /// * super reactions count, once for each member and emoji with normal ones;
    /// * proposed names have at most 31 characters, so that no collision can fail the whole run.
    Improved,
}

impl Rules {
    fn are_improved(self) -> bool {
        self == Self::Improved
    }

    /// Whether a reaction of this kind says something: SourceCred's plugin knows no super reactions.
    fn count(self, reaction: &ReactionRow) -> bool {
        self.are_improved() || !reaction.burst
    }
}

/// A guild that the config names is not in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the archive holds no guild {0}, which the config names; export it first, or mend guildId")]
pub struct NotArchived(pub GuildId);

/// The discord plugin's documents for a snapshot: a whole one, or what [`DiscordRowFilter`] left of it.
pub fn discord_documents(
    snapshot: &Snapshot,
    config: &DiscordConfig,
    rules: Rules,
) -> Result<Documents, NotArchived> {
    for guild in config.guilds() {
        if snapshot
            .guilds
            .iter()
            .all(|known| known.id != guild.guild_id)
        {
            return Err(NotArchived(guild.guild_id));
        }
    }
    let graph = discord_graph(snapshot, config, rules);
    let proposals = discord_identities(snapshot, config, rules, &graph);
    Ok(Documents {
        graph,
        declaration: discord_declaration(),
        proposals,
    })
}
