//! Explains how one message counts: its part of the graph, and what doesn't count and why.

use std::{borrow::Cow, collections::BTreeMap};

use super::{NoProps, NoReaction, NotReceived, Rules, Weights, declaration, prefix, props_graph};
use propsbot_model::{Emoji, EmojiKey, Quota, UserId};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::{Declaration, EdgeWeight, NodeAddress, Weight, WeightedGraph};

/// What a message contributes to the graph, what it doesn't, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Why the message isn't props; `None` if it is.
    pub no_props: Option<NoProps>,
    /// Its nodes: the props, then the reactions, then the members.
    pub nodes: Vec<PartNode>,
    pub edges: Vec<PartEdge>,
    /// Who is thanked but receives nothing, by name.
    pub left_out: Vec<(String, NotReceived)>,
    /// The reactions that don't count. `None` as the reason means that their weight is 0.
    pub idle: Vec<(Part, Option<NoReaction>)>,
    pub mints: f64,
}

/// What a node stands for. Names are raw: escape them before you show them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Props,
    /// A reaction: the emoji, and the member's name.
    Reaction(Emoji, String),
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

/// Explains the only message in a snapshot. `over` is the quota that it exceeds, which depends on what else
/// the giver gave.
pub fn explain(snapshot: &Snapshot, weights: &Weights, over: Option<Quota>) -> Explanation {
    let rules = Rules::new(snapshot);
    let emojis = &snapshot.emojis;
    let emoji = |key: EmojiKey| {
        let known = emojis
            .iter()
            .find(|emoji| key == EmojiKey::Custom(emoji.id) && emoji.name.is_some());
        Emoji {
            name: known.and_then(|known| known.name.clone()),
            animated: known.is_some_and(|known| known.animated),
            key,
        }
    };
    let mut verdict = snapshot
        .messages
        .first()
        .map(|message| rules.judge(message, snapshot.props.first()));
    if let (Some(verdict), Some(quota)) = (&mut verdict, over)
        && verdict.props.is_ok()
    {
        verdict.props = Err(NoProps::OverQuota(quota));
    }
    let left_out = verdict.iter().flat_map(|verdict| &verdict.left_out);
    let mut explanation = Explanation {
        no_props: match &verdict {
            Some(verdict) => verdict.props.as_ref().err().copied(),
            None => Some(NoProps::MessageDeleted),
        },
        nodes: Vec::new(),
        edges: Vec::new(),
        left_out: left_out
            .map(|(user, why)| (rules.name(*user), *why))
            .collect(),
        idle: Vec::new(),
        mints: 0.0,
    };
    let Some((message, Ok(props))) = snapshot
        .messages
        .first()
        .zip(verdict.map(|verdict| verdict.props))
    else {
        return explanation;
    };

    let graph = props_graph(snapshot, weights);
    let types = declaration(weights);
    let node = prefix::PROPS
        .messages()
        .with(&[&message.channel_id, &message.id]);
    let mut parts = BTreeMap::<NodeAddress, Part>::from([(node, Part::Props)]);
    let mut people = |user: UserId| {
        if let Some(member) = rules.members.get(user) {
            parts.insert(member.address(), Part::Member(member.name()));
        }
    };
    people(props.giver);
    props.receivers.keys().copied().for_each(&mut people);
    for row in &snapshot.reactions {
        people(row.user_id);
    }
    for row in &snapshot.reactions {
        let judged = rules.judge_reaction(row);
        let key = match (row.emoji_id, &row.emoji) {
            (Some(id), _) => EmojiKey::Custom(id),
            (None, text) => EmojiKey::Unicode(text.clone().unwrap_or_default()),
        };
        let address =
            prefix::PROPS
                .reactions()
                .with(&[&message.channel_id, &key, &row.user_id, &message.id]);
        let part = Part::Reaction(emoji(key), rules.name(row.user_id));
        if graph.nodes.contains_key(&address) && judged.is_ok() {
            parts.insert(address, part);
        } else {
            explanation.idle.push((part, judged.err()));
        }
    }
    explanation.draw(&graph, &types, &parts);
    explanation
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
            let own = graph.node_weights.get(address).copied();
            let mints = types.weight_of(address).and(own.unwrap_or(Weight::ONE));
            self.mints += mints.get();
            let part = part(address);
            self.nodes.extend(part.map(|part| PartNode { part, mints }));
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
