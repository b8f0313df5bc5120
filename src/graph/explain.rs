//! Explains how one message counts: its part of the graph, and what doesn't count and why.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    NoProps, NoReaction, NotReceived, Props, Rules, ThanksKey, Weights, declaration,
    plugin::{PROPS, node_of},
    prefix, props_graph,
    reaction_thanks::emoji_of,
};
use propsbot_model::{Emoji, EmojiKey, UserId};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::{Declaration, EdgeWeight, NodeAddress, Weight, WeightedGraph};

/// What a message contributes to the graph, what it doesn't, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Why the message isn't props; `None` if it is.
    pub no_props: Option<NoProps>,
    /// Its nodes: the props, then the reactions, then the thanks by reaction, then the members.
    pub nodes: Vec<PartNode>,
    pub edges: Vec<PartEdge>,
    /// Who is thanked but receives nothing, by name.
    pub left_out: Vec<(String, NotReceived)>,
    /// The reactions that don't count, among those that could. `None` as the reason means that their
    /// weight is 0.
    pub idle: Vec<(Part, Option<NoReaction>)>,
    pub mints: f64,
}

/// What a node stands for. Names are raw: escape them before you show them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Props,
    /// A reaction: the emoji, and the member's name.
    Reaction(Emoji, String),
    /// A reaction that thanks the author: the emoji, and the member's name.
    Thanks(Emoji, String),
    Member(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PartNode {
    pub part: Part,
    /// How much cred it mints.
    pub mints: Weight,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PartEdge {
    pub from: Part,
    /// The name of its type, as SourceCred shows it.
    pub says: Cow<'static, str>,
    pub to: Part,
    /// How much cred flows along it and against it.
    pub weight: EdgeWeight,
}

/// Explains the only message in a snapshot. `exceeding` has what is over its giver's quota or too soon,
/// which depends on what else they gave.
pub fn explain(
    snapshot: &Snapshot,
    weights: &Weights,
    exceeding: &BTreeMap<ThanksKey, NoProps>,
) -> Explanation {
    let rules = Rules::new(snapshot);
    let mut explanation = Explanation {
        no_props: Some(NoProps::MessageDeleted),
        nodes: Vec::new(),
        edges: Vec::new(),
        left_out: Vec::new(),
        idle: Vec::new(),
        mints: 0.0,
    };
    let Some(message) = snapshot.messages.first() else {
        return explanation;
    };
    let verdict = rules.judge(message, snapshot.props.first());
    let over = exceeding.get(&ThanksKey::of_message(message.id)).copied();
    let props = verdict.props.and_then(|props| over.map_or(Ok(props), Err));
    explanation.no_props = props.as_ref().err().copied();
    let left_out = verdict.left_out.iter();
    explanation.left_out = left_out
        .map(|(user, why)| (rules.name(*user), *why))
        .collect();

    let graph = props_graph(snapshot, weights);
    let mut parts = Parts {
        snapshot,
        rules: &rules,
        by_node: BTreeMap::new(),
    };
    if let Ok(props) = &props {
        parts.add(node_of(PROPS, message.id, props), Part::Props);
        parts.add_people(props);
    }
    let giving = rules.thanks_to(message, &snapshot.reactions);
    for row in &snapshot.reactions {
        let key = emoji_of(row).unwrap_or_else(|| EmojiKey::Unicode(String::new()));
        let (emoji, name) = (parts.emoji(key.clone()), rules.name(row.user_id));
        if props.is_ok() {
            let judged = rules.judge_reaction(row);
            let of_row: [&dyn std::fmt::Display; 4] =
                [&message.channel_id, &key, &row.user_id, &message.id];
            let address = prefix::PROPS.reactions().with(&of_row);
            let part = Part::Reaction(emoji, name);
            if graph.nodes.contains_key(&address) && judged.is_ok() {
                parts.add(address, part);
                parts.add_member(row.user_id);
            } else {
                explanation.idle.push((part, judged.err()));
            }
            continue;
        }
        let over = exceeding.get(&ThanksKey::of_reaction(row)).copied();
        let over = over.and_then(NoReaction::exceeding);
        let part = Part::Thanks(emoji, name);
        match rules
            .judge_thanks(message, row)
            .and_then(|thanks| over.map_or(Ok(thanks), Err))
        {
            Ok(thanks) if giving.contains(&row) => {
                parts.add(node_of(PROPS, message.id, &thanks), part);
                parts.add_people(&thanks);
            }
            // Another one of the same member already does, or it isn't about thanks.
            Ok(_) | Err(NoReaction::OtherEmoji | NoReaction::Agrees) => {}
            Err(why) => explanation.idle.push((part, Some(why))),
        }
    }
    explanation.draw(&graph, &declaration(weights), &parts.by_node);
    explanation
}

/// What the nodes of the graph stand for.
struct Parts<'a> {
    snapshot: &'a Snapshot,
    rules: &'a Rules<'a>,
    by_node: BTreeMap<NodeAddress, Part>,
}

impl Parts<'_> {
    fn add(&mut self, node: NodeAddress, part: Part) {
        self.by_node.insert(node, part);
    }

    fn add_member(&mut self, user: UserId) {
        if let Some(member) = self.rules.members.get(user) {
            self.add(member.address(), Part::Member(member.name()));
        }
    }

    fn add_people(&mut self, props: &Props<'_>) {
        self.add_member(props.giver);
        for receiver in props.receivers.keys() {
            self.add_member(*receiver);
        }
    }

    /// The emoji as it is shown.
    fn emoji(&self, key: EmojiKey) -> Emoji {
        let mut emojis = self.snapshot.emojis.iter();
        let known = emojis.find(|emoji| key == EmojiKey::Custom(emoji.id) && emoji.name.is_some());
        Emoji {
            name: known.and_then(|known| known.name.clone()),
            animated: known.is_some_and(|known| known.animated),
            key,
        }
    }
}

impl Explanation {
    /// Adds the nodes and edges of the graph that stand for these parts.
    fn draw(
        &mut self,
        graph: &WeightedGraph,
        types: &Declaration,
        parts: &BTreeMap<NodeAddress, Part>,
    ) {
        let part = |address: &NodeAddress| parts.get(address).cloned();
        for address in graph.nodes.keys() {
            let Some(part) = part(address) else { continue };
            let own = graph.node_weights.get(address).copied();
            let mints = types.weight_of(address).and(own.unwrap_or(Weight::ONE));
            self.mints += mints.get();
            self.nodes.push(PartNode { part, mints });
        }
        self.nodes.sort_by(|a, b| a.part.cmp(&b.part));
        for (address, edge) in &graph.edges {
            let of_type = types
                .edge_types
                .iter()
                .find(|edge_type| address.has_prefix(&edge_type.prefix));
            let own = graph.edge_weights.get(address);
            if let (Some(from), Some(to), Some(of_type)) =
                (part(&edge.src), part(&edge.dst), of_type)
            {
                let of_type_weight = of_type.default_weight;
                self.edges.push(PartEdge {
                    from,
                    says: of_type.forward_name.clone(),
                    to,
                    weight: own.map_or(of_type_weight, |own| of_type_weight.and(*own)),
                });
            }
        }
    }
}
