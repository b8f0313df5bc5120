//! The address prefixes of each type.
//!
//! They must never change, because operators' weight files and ledgers contain them.

use propsbot_sourcecred::{EdgeAddress, NodeAddress};

/// The plugin's own nodes.
pub(super) fn nodes() -> NodeAddress {
    NodeAddress::new(&[&"external", &"props"])
}

/// The plugin's edges.
pub(super) fn edges() -> EdgeAddress {
    EdgeAddress::new(&[&"external", &"props"])
}

/// Members, with the addresses of SourceCred's Discord plugin, so that a ledger recognizes them.
pub(super) fn members(bots: bool) -> NodeAddress {
    let kind = if bots { "bot" } else { "user" };
    NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER", &kind])
}

/// Props messages; then channel, message.
pub(super) fn props() -> NodeAddress {
    nodes().with(&[&"PROPS"])
}

/// Reactions; then channel, emoji, member, message. As in SourceCred's Discord plugin, this order lets an
/// operator weigh a channel, or an emoji in it.
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
