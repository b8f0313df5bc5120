//! Who the members are to SourceCred's ledger.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/createIdentities.js`, `core/identity/name.js`. Which
//! of two members of one name gets it plain is the ledger's matter, and decided by their order.

use super::{DiscordConfig, GuildConfig, Rules};
use crate::members::Member;
use propsbot_rows::{MemberRow, Snapshot};
use propsbot_sourcecred::{Alias, IdentityProposal, NAME_LENGTH, WeightedGraph};

/// How much of a name is proposed, in UTF-16 code units.
const NAME_UNITS: usize = 39;

/// Proposes an account for every member of the guilds that `config` names, whether in `graph` or
/// not; by guild, then by age of the Discord account. By improved rules also for those in it who
/// left. Never for who wants nothing shown.
pub fn discord_identities(
    snapshot: &Snapshot,
    config: &DiscordConfig,
    rules: Rules,
    graph: &WeightedGraph,
) -> Vec<IdentityProposal> {
    let units = if rules.are_improved() {
        NAME_LENGTH
    } else {
        NAME_UNITS
    };
    let is_proposed = |row: &MemberRow| {
        let member = Member::of(row);
        let counts =
            row.member || rules.are_improved() && graph.nodes.contains_key(&member.address());
        counts && !member.is_nobody()
    };
    let of_guild = |guild: &GuildConfig| {
        let id = guild.guild_id;
        let rows = snapshot.members.iter();
        rows.filter(move |row| row.guild_id == id && is_proposed(row))
    };
    config
        .guilds()
        .iter()
        .flat_map(of_guild)
        .map(|row| proposal(Member::of(row), units))
        .collect()
}

fn proposal(member: Member<'_>, units: usize) -> IdentityProposal {
    let shown = member.nick().filter(|nick| !nick.is_empty());
    let mut name = legal(shown.unwrap_or(member.username()), units);
    if name.bytes().all(|byte| byte == b'-') {
        name = format!("discord-{}", member.id());
    }
    IdentityProposal {
        plugin_name: "discord",
        r#type: member.identity_type(),
        alias: Alias {
            description: format!("discord/{name}#{}", member.discriminator()),
            address: member.address(),
        },
        name,
    }
}

/// What the ledger allows of a name: every UTF-16 code unit that is no letter or digit of ASCII is a
/// hyphen.
fn legal(name: &str, units: usize) -> String {
    let units = name.encode_utf16().take(units);
    units
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '-',
        })
        .collect()
}
