//! The address prefixes of each type.
//!
//! They must never change, because operators' weight files and ledgers contain them.

use propsbot_sourcecred::{EdgeAddress, NodeAddress};

/// The prefixes of a plugin that draws messages, whom they name, and the reactions to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    /// The plugin's name.
    plugin: &'static str,
    /// The type of its messages.
    message: &'static str,
    /// The type of the edges from a message to whom it names.
    names: &'static str,
}

pub(super) const PROPS: Prefix = Prefix {
    plugin: "props",
    message: "PROPS",
    names: "PROPS",
};

pub(super) const DIDATHING: Prefix = Prefix {
    plugin: "didathing",
    message: "MESSAGE",
    names: "MENTIONS",
};

pub(super) const MEETINGS: Prefix = Prefix {
    plugin: "meetings",
    message: "MEETING",
    names: "ATTENDED",
};

/// Members, with the addresses of SourceCred's Discord plugin, so that a ledger recognizes them.
pub(super) fn members(bots: bool) -> NodeAddress {
    let kind = if bots { "bot" } else { "user" };
    NodeAddress::new(&[&"sourcecred", &"discord", &"MEMBER", &kind])
}

impl Prefix {
    /// The plugin's own nodes.
    pub(super) fn nodes(self) -> NodeAddress {
        NodeAddress::new(&[&"external", &self.plugin])
    }

    /// The plugin's edges.
    pub(super) fn edges(self) -> EdgeAddress {
        EdgeAddress::new(&[&"external", &self.plugin])
    }

    /// Messages; then channel, message.
    pub(super) fn messages(self) -> NodeAddress {
        self.nodes().with(&[&self.message])
    }

    /// Thanks by reaction, among messages; then channel, message, giver. A channel's id is a number.
    pub(super) fn thanks(self) -> NodeAddress {
        self.messages().with(&[&"reaction"])
    }

    /// The node of a message, written as in a [`Reference`](propsbot_sourcecred::Reference).
    pub(super) fn message(self, contribution: &str) -> Option<NodeAddress> {
        let (channel, message) = contribution.split_once('/')?;
        Some(self.messages().with(&[&channel, &message]))
    }

    /// Reactions; then channel, emoji, member, message. As in SourceCred's Discord plugin, this order lets
    /// an operator weigh a channel, or an emoji in it.
    pub(super) fn reactions(self) -> NodeAddress {
        self.nodes().with(&[&"REACTION"])
    }

    /// From an author to a message; then the author, channel, message.
    pub(super) fn authors(self) -> EdgeAddress {
        self.edges().with(&[&"AUTHORS"])
    }

    /// From a member to a reaction; then the member, emoji, channel, message.
    pub(super) fn adds_reaction(self) -> EdgeAddress {
        self.edges().with(&[&"ADDS_REACTION"])
    }

    /// From a reaction to a message; then emoji, member, channel, message.
    pub(super) fn reacts_to(self) -> EdgeAddress {
        self.edges().with(&[&"REACTS_TO"])
    }

    /// From a message to a member whom it names; then channel, author, message, the member.
    pub(super) fn names(self) -> EdgeAddress {
        self.edges().with(&[&self.names])
    }
}
