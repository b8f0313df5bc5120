//! The types of SourceCred's Discord plugin, word for word, and their address prefixes.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/declaration.js`, including its spelling mistakes. The
//! prefixes must never change, because operators' weights and ledgers contain them.

use propsbot_sourcecred::{Declaration, EdgeType, EdgeWeight, Keys, NodeType, Weight};

/// The address prefixes of each type.
pub(super) mod prefix {
    use propsbot_sourcecred::{EdgeAddress, NodeAddress};

    pub(in crate::discord) fn nodes() -> NodeAddress {
        NodeAddress::new(&[&"sourcecred", &"discord"])
    }

    pub(in crate::discord) fn edges() -> EdgeAddress {
        EdgeAddress::new(&[&"sourcecred", &"discord"])
    }

    /// Then `user` or `bot`, user.
    pub(in crate::discord) fn members() -> NodeAddress {
        nodes().with(&[&"MEMBER"])
    }

    /// Then channel, message.
    pub(in crate::discord) fn messages() -> NodeAddress {
        nodes().with(&[&"MESSAGE"])
    }

    /// Then channel, emoji, user, message.
    pub(in crate::discord) fn reactions() -> NodeAddress {
        nodes().with(&[&"REACTION"])
    }

    /// Then `user` or `bot`, user, channel, message.
    pub(in crate::discord) fn authors() -> EdgeAddress {
        edges().with(&[&"AUTHORS", &"MESSAGE"])
    }

    /// Then `user` or `bot`, user, emoji, channel, message.
    pub(in crate::discord) fn adds_reaction() -> EdgeAddress {
        edges().with(&[&"ADDS_REACTION"])
    }

    /// Then emoji, user, channel, message.
    pub(in crate::discord) fn reacts_to() -> EdgeAddress {
        edges().with(&[&"REACTS_TO"])
    }

    /// Then channel, author, message, `user` or `bot`, user.
    pub(in crate::discord) fn mentions() -> EdgeAddress {
        edges().with(&[&"MENTIONS"])
    }

    /// Then the same as in mentions.
    pub(in crate::discord) fn props() -> EdgeAddress {
        edges().with(&[&"PROPS"])
    }
}

pub fn discord_declaration() -> Declaration {
    let member = NodeType {
        name: "Member".into(),
        plural_name: "Members".into(),
        prefix: prefix::members(),
        default_weight: Weight::ZERO,
        description: "A member of the Discord server".into(),
    };
    Declaration {
        name: "Discord".to_owned(),
        node_prefix: prefix::nodes(),
        edge_prefix: prefix::edges(),
        node_types: vec![
            member.clone(),
            NodeType {
                name: "Message".into(),
                plural_name: "Messages".into(),
                prefix: prefix::messages(),
                default_weight: Weight::ZERO,
                description: "A Discord message, posted in a particular channel".into(),
            },
            NodeType {
                name: "Reaction".into(),
                plural_name: "Reactions".into(),
                prefix: prefix::reactions(),
                default_weight: Weight::ONE,
                description: "A reaction by some user, directed at some message".into(),
            },
        ],
        edge_types: edge_types(),
        user_types: vec![member],
        keys: Keys {
            operator_keys: &[
                "reactionsAcrossParticipants",
                "reactionsOfSingleParticipant",
            ],
            weight_keys: &["emoji", "role", "channel", "category"],
            share_keys: &["author", "mention"],
        },
    }
}

fn edge_types() -> Vec<EdgeType> {
    vec![
        EdgeType {
            forward_name: "authors message".into(),
            backward_name: "message is authored by".into(),
            prefix: prefix::authors(),
            default_weight: EdgeWeight::new(0.25, 1.0),
            description: "Connects an author to a message they've created.".into(),
        },
        EdgeType {
            forward_name: "adds reaction".into(),
            backward_name: "reaction added by".into(),
            prefix: prefix::adds_reaction(),
            default_weight: EdgeWeight::new(1.0, 0.0625),
            description: "Connects a member to a reaction that they added.".into(),
        },
        EdgeType {
            forward_name: "reacts to".into(),
            backward_name: "is reacted to by".into(),
            prefix: prefix::reacts_to(),
            default_weight: EdgeWeight::new(1.0, 0.0625),
            description: "Connects a reaction to a message that it reacts to.".into(),
        },
        EdgeType {
            forward_name: "mentions".into(),
            backward_name: "is mentioned by".into(),
            prefix: prefix::mentions(),
            default_weight: EdgeWeight::new(1.0, 0.0625),
            description: "Connects a message to the member being mentioned.".into(),
        },
        EdgeType {
            forward_name: "gives props to".into(),
            backward_name: "recieves props from".into(),
            prefix: prefix::props(),
            default_weight: EdgeWeight::new(19.0, 0.0625),
            description: "Connects a props message to the person getting props".into(),
        },
    ]
}
