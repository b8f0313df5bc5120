//! What the addresses of each type begin with.
//!
//! None may ever change: operators' weight files, and ledgers, name them.

use propsbot_sourcecred::{EdgeAddress, NodeAddress};

/// The plugin's own nodes.
pub(super) fn nodes() -> NodeAddress {
    NodeAddress::new(&[&"external", &"props"])
}

/// The plugin's edges.
pub(super) fn edges() -> EdgeAddress {
    EdgeAddress::new(&[&"external", &"props"])
}

/// Members, as SourceCred's Discord plugin writes them: what a ledger knows stays known.
pub(super) fn members(bots: bool) -> NodeAddress {
    let kind = if bots { "bot" } else { "user" };
    NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER", &kind])
}

/// Props messages; then channel, message.
pub(super) fn props() -> NodeAddress {
    nodes().with(&[&"PROPS"])
}

/// Reactions; then channel, emoji, member, message: in this order, as in SourceCred's Discord
/// plugin, so that an operator can weigh a channel, or an emoji in it.
pub(super) fn reactions() -> NodeAddress {
    nodes().with(&[&"REACTION"])
}

/// From a giver to props; then the giver, channel, message.
pub(super) fn authors() -> EdgeAddress {
    edges().with(&[&"AUTHORS"])
}

/// From a member to a reaction; then the member, emoji, channel, message.
pub(super) fn adds_reaction() -> EdgeAddress {
    edges().with(&[&"ADDS_REACTION"])
}

/// From a reaction to props; then emoji, member, channel, message.
pub(super) fn reacts_to() -> EdgeAddress {
    edges().with(&[&"REACTS_TO"])
}

/// From props to a receiver; then channel, giver, message, the receiver.
pub(super) fn gives_props() -> EdgeAddress {
    edges().with(&[&"PROPS"])
}
