//! The discord plugin: the graph that SourceCred's own Discord plugin draws, from rows instead of Discord.
//!
//! Every rule here, oddities included, is from SourceCred 0.11.2, `plugins/discord/`, and gives the same
//! graph to the last bit. Improvements belong behind [`Rules::Improved`].
//!
//! The addresses are that plugin's too, so an instance that replaces `sourcecred/discord` with
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

use propsbot_archive::{RowSource, Schema};
use propsbot_model::GuildId;
use propsbot_rows::{ReactionRow, SCHEMA, Snapshot};
use propsbot_sourcecred::{
    Documents, DrawError, Drawing, GraphPlugin, NodeAddress, Standing, WeightedGraph,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of SourceCred's plugin.
    Native,
    /// The same, with these changes:
    ///
    /// * Members who left still count: as authors, with their reactions, and when mentioned.
    /// * Announcement, voice and stage channels count. So do threads and forum posts: they count like the
    ///   channel they are in, unless they have a weight of their own.
    /// * Super reactions count. A normal and a super reaction by one member with one emoji count once.
    /// * Proposed names have at most 31 characters, so that two equal names can't fail the whole run.
    Improved,
}

impl Rules {
    fn are_improved(self) -> bool {
        self == Self::Improved
    }

    /// Whether a reaction of this kind counts: SourceCred's plugin knows no super reactions.
    fn count(self, reaction: &ReactionRow) -> bool {
        self.are_improved() || !reaction.burst
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the archive holds no guild {0}, which the config names: export it first, or change guildId"
)]
pub struct NotArchived(pub GuildId);

/// The graph of SourceCred's own Discord plugin.
#[derive(Clone, Debug)]
pub struct DiscordPlugin {
    config: DiscordConfig,
    rules: Rules,
}

impl DiscordPlugin {
    pub fn new(config: DiscordConfig, rules: Rules) -> Self {
        Self { config, rules }
    }
}

impl GraphPlugin for DiscordPlugin {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn standing(&self) -> Standing {
        Standing::Prescribed
    }

    fn node_of(&self, contribution: &str, _: &WeightedGraph) -> Option<NodeAddress> {
        let (channel, message) = contribution.split_once('/')?;
        Some(declaration::prefix::messages().with(&[&channel, &message]))
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let Self { config, rules } = self;
        let snapshot = Snapshot::of(rows, |all| DiscordRowFilter::new(all, config, *rules))?;
        let documents = discord_documents(&snapshot, config, *rules)
            .map_err(|error| DrawError::Settings(error.into()))?;
        Ok(Drawing {
            warnings: config.unmatched(&snapshot),
            ..Drawing::from(documents)
        })
    }
}

/// The discord plugin's documents for a snapshot: a whole one, or what [`DiscordRowFilter`] keeps of it.
///
/// # Errors
/// A guild of the config that the snapshot lacks.
pub fn discord_documents(
    snapshot: &Snapshot,
    config: &DiscordConfig,
    rules: Rules,
) -> Result<Documents, NotArchived> {
    let is_archived = |id| snapshot.guilds.iter().any(|guild| guild.id == id);
    let mut guilds = config.guilds().iter().map(|guild| guild.guild_id);
    if let Some(absent) = guilds.find(|id| !is_archived(*id)) {
        return Err(NotArchived(absent));
    }
    let graph = discord_graph(snapshot, config, rules);
    let proposals = discord_identities(snapshot, config, rules, &graph);
    Ok(Documents {
        graph,
        declaration: discord_declaration(),
        proposals,
    })
}
