//! The graph of messages, whom they name, and who agreed: of who thanked whom, and of what people did.
//!
//! A member gives props (`AUTHORS`), props go to members (`PROPS`), a member adds a reaction
//! (`ADDS_REACTION`), and a reaction reacts to props (`REACTS_TO`), as in SourceCred's Discord plugin
//! (`createGraph.js`). Props and the reactions to them mint cred, which flows to the members who were
//! thanked. `minting` decides how much.
//!
//! Thanks by reaction are props of their own, and their edges are those of props.
//!
//! Everything has the time of its contribution: the message, or the message that it thanks for. That
//! includes reactions. A mirror knows when a reaction was added only if it was listening, and reactions
//! that it learned of late must not earn less.

use std::collections::BTreeMap;

use super::{
    Weights,
    channels::Channels,
    members::{Member, Members},
    minting::Minting,
    prefix::{self, Prefix},
    props::{Props, Rules, props},
};
use propsbot_model::{EmojiId, EmojiKey, MessageId, UserId, jump_url};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::{EdgeWeight, NodeAddress, Weight, WeightedGraph, description};

/// How much of a reason and of a name a description shows, in UTF-16 code units.
const REASON_UNITS: usize = 60;
const NAME_UNITS: usize = 20;

pub fn props_graph(snapshot: &Snapshot, weights: &Weights) -> WeightedGraph {
    let rules = Rules::new(snapshot);
    let all = props(snapshot, &rules).into_iter();
    let all = all.map(|(key, props)| (key.message, props));
    draw(snapshot, weights, &rules, PROPS, all)
}

/// What the nodes of a plugin's messages are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) prefix: Prefix,
    /// Begins the description of a message.
    title: &'static str,
    /// What a reaction reacts to.
    noun: &'static str,
    /// Stands for the text of a message that has none.
    without_text: &'static str,
}

pub(super) const PROPS: Style = Style {
    prefix: prefix::PROPS,
    title: "Props",
    noun: "props",
    without_text: "for no stated reason",
};

pub(super) const DIDATHING: Style = Style {
    prefix: prefix::DIDATHING,
    title: "Done",
    noun: "message",
    without_text: "without words",
};

/// Draws these messages.
pub(super) fn draw<'a>(
    snapshot: &Snapshot,
    weights: &Weights,
    rules: &Rules<'_>,
    style: Style,
    messages: impl IntoIterator<Item = (MessageId, Props<'a>)>,
) -> WeightedGraph {
    let mut drawing = Drawing {
        style,
        members: &rules.members,
        channels: &rules.channels,
        emojis: emoji_names(snapshot),
        minting: Minting::new(snapshot, weights, &rules.channels),
        graph: WeightedGraph::default(),
    };
    for (message, props) in messages {
        drawing.add(message, &props);
    }
    drawing.graph
}

/// The graph while it is drawn, and what is looked up for it.
struct Drawing<'a> {
    style: Style,
    members: &'a Members<'a>,
    channels: &'a Channels<'a>,
    emojis: BTreeMap<EmojiId, &'a str>,
    minting: Minting<'a>,
    graph: WeightedGraph,
}

impl Drawing<'_> {
    fn add(&mut self, id: MessageId, props: &Props<'_>) {
        let Some(factors) = self.minting.factors(props) else {
            return;
        };
        let at = props.at;
        let channel = props.channel;
        let node = node_of(self.style, id, props);
        let description = self.describe(id, props);
        self.graph.add_node(node.clone(), description, Some(at));
        self.weigh(&node, self.minting.of_props(props, &factors));

        // An unknown giver gets no node, but the props still count.
        if let Some(giver) = self.members.get(props.giver) {
            let edge =
                self.style
                    .prefix
                    .authors()
                    .with(&[&giver.kind(), &giver.id(), &channel, &id]);
            let giver = self.add_member(giver);
            self.graph.add_edge(edge, giver, node.clone(), at);
        }
        for (receiver, count) in &props.receivers {
            let Some(receiver) = self.members.get(*receiver) else {
                continue;
            };
            let to: [&dyn std::fmt::Display; 5] = [
                &channel,
                &props.giver,
                &id,
                &receiver.kind(),
                &receiver.id(),
            ];
            let edge = self.style.prefix.names().with(&to);
            let receiver = self.add_member(receiver);
            self.graph
                .add_edge(edge.clone(), node.clone(), receiver, at);
            if *count > 1 {
                let weight = EdgeWeight {
                    forwards: Weight::times(*count),
                    backwards: Weight::ONE,
                };
                self.graph.edge_weights.insert(edge, weight);
            }
        }
        for (emoji, user) in &props.reactions {
            let weight = self.minting.of_reaction(emoji, *user, props, &factors);
            if weight > Weight::ZERO {
                self.add_reaction(&node, id, props, emoji, *user, weight);
            }
        }
    }

    fn add_reaction(
        &mut self,
        props_node: &NodeAddress,
        id: MessageId,
        props: &Props<'_>,
        emoji: &EmojiKey,
        user: UserId,
        weight: Weight,
    ) {
        let Some(member) = self.members.get(user) else {
            return;
        };
        let at = props.at;
        let channel = props.channel;
        let node = self
            .style
            .prefix
            .reactions()
            .with(&[&channel, emoji, &user, &id]);
        let description = format!(
            "Reacted {} to [{} {id}]({})",
            self.emoji(emoji),
            self.style.noun,
            url(id, props)
        );
        self.graph.add_node(node.clone(), description, Some(at));
        self.weigh(&node, weight);
        let edge = self
            .style
            .prefix
            .reacts_to()
            .with(&[emoji, &user, &channel, &id]);
        self.graph
            .add_edge(edge, node.clone(), props_node.clone(), at);

        let edge =
            self.style
                .prefix
                .adds_reaction()
                .with(&[&member.kind(), &user, emoji, &channel, &id]);
        let member = self.add_member(member);
        self.graph.add_edge(edge, member, node, at);
    }

    fn add_member(&mut self, member: Member<'_>) -> NodeAddress {
        let address = member.address();
        // Many edges lead to the same member: they share one copy of the address.
        if let Some((known, _)) = self.graph.nodes.get_key_value(&address) {
            return known.clone();
        }
        self.graph.add_node(address.clone(), member.label(), None);
        address
    }

    fn weigh(&mut self, node: &NodeAddress, weight: Weight) {
        if weight != Weight::ONE {
            self.graph.node_weights.insert(node.clone(), weight);
        }
    }

    fn describe(&self, id: MessageId, props: &Props<'_>) -> String {
        let giver = description::text(&self.members.name(props.giver), NAME_UNITS);
        let place = match self.channels.name(props.channel) {
            Some(name) => format!(" in #{}", description::text(name, NAME_UNITS)),
            None => String::new(),
        };
        if let Some(emoji) = &props.emoji {
            let emoji = self.emoji(emoji);
            return format!(
                "Thanks by {giver}{place}: [reacted {emoji}]({})",
                url(id, props)
            );
        }
        let reason = description::text(&self.members.named_in(props.reason), REASON_UNITS);
        let said = if reason.is_empty() {
            self.style.without_text.to_owned()
        } else {
            format!("\"{reason}\"")
        };
        format!(
            "{} by {giver}{place}: [{said}]({})",
            self.style.title,
            url(id, props)
        )
    }

    fn emoji(&self, emoji: &EmojiKey) -> String {
        match emoji {
            EmojiKey::Unicode(text) => description::text(text, NAME_UNITS),
            EmojiKey::Custom(id) => match self.emojis.get(id) {
                Some(name) => format!("&#x3A;{}&#x3A;", description::text(name, NAME_UNITS)),
                None => format!("emoji {id}"),
            },
        }
    }
}

/// The node of props that a message, or a reaction to it, gives.
pub(super) fn node_of(style: Style, id: MessageId, props: &Props<'_>) -> NodeAddress {
    match props.emoji {
        None => style.prefix.messages().with(&[&props.channel, &id]),
        Some(_) => style
            .prefix
            .thanks()
            .with(&[&props.channel, &id, &props.giver]),
    }
}

/// Discord's link to the contribution.
fn url(id: MessageId, props: &Props<'_>) -> String {
    let (channel, id) = props.about.unwrap_or((props.channel, id));
    jump_url(props.guild, channel, id)
}

fn emoji_names(snapshot: &Snapshot) -> BTreeMap<EmojiId, &str> {
    let mut emojis = BTreeMap::new();
    for row in &snapshot.emojis {
        // An emoji may be known from several guilds, with names from different times.
        if let Some(name) = row.name.as_deref() {
            let known = emojis.entry(row.id).or_insert((row.guild_id, name));
            *known = (*known).min((row.guild_id, name));
        }
    }
    let names = emojis.into_iter();
    names.map(|(id, (_, name))| (id, name)).collect()
}
