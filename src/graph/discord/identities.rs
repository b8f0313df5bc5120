//! The ledger accounts that SourceCred's Discord plugin proposes.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/createIdentities.js`, `core/identity/name.js`. If two members
//! would get the same name, the ledger gives it to the first one.

use super::{DiscordConfig, GuildConfig, Rules};
use crate::members::Member;
use propsbot_rows::{MemberRow, Snapshot};
use propsbot_sourcecred::{Alias, IdentityProposal, NAME_LENGTH, WeightedGraph};

/// How much of a name to propose by native rules, in UTF-16 code units.
const NAME_UNITS: usize = 39;

/// Proposes an account for every member of the guilds in `config`, whether in `graph` or not: by guild,
/// then the oldest Discord account first. Improved rules add members who left but are in the graph. Members
/// who want nothing shown are left out.
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
        plugin_name: "discord".into(),
        r#type: member.identity_type(),
        alias: Alias {
            description: format!("discord/{name}#{}", member.discriminator()),
            address: member.address(),
        },
        name,
    }
}

/// The name as SourceCred's plugin makes it legal: every UTF-16 code unit that isn't an ASCII letter or
/// digit becomes a hyphen.
fn legal(name: &str, units: usize) -> String {
    let units = name.encode_utf16().take(units);
    units
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '-',
        })
        .collect()
}
