//! Scheduled events that took place: who hosted them.
//!
//! Whoever scheduled an event hosted it. Interest is no attendance, so nobody else gets anything: those who were
//! there are in a meeting's message, if anywhere.

use super::MeetingsConfig;
use crate::{
    members::{Member, Members},
    prefix::MEETINGS,
};
use propsbot_model::{EventId, GuildId, Millis};
use propsbot_rows::{EventRow, Snapshot};
use propsbot_sourcecred::{
    EdgeAddress, EdgeType, EdgeWeight, NodeAddress, NodeType, Weight, WeightedGraph, description,
};

/// How much of a name a description shows, in UTF-16 code units.
const NAME_UNITS: usize = 60;

/// How much flows back from a host to an event, as to meetings.
const BACKWARDS: f64 = 0.0625;

/// The events that took place, with when they began and their hosts, who are people.
pub(super) fn held<'a>(
    snapshot: &'a Snapshot,
    members: &'a Members<'_>,
) -> impl Iterator<Item = (&'a EventRow, Millis, Member<'a>)> {
    let rows = snapshot.events.iter();
    let held = rows.filter(|row| row.status.is_held() && row.deleted_at.is_none());
    held.filter_map(|row| {
        let host = members.get(row.creator_id?)?;
        // An event may be announced for years ahead and begun now.
        let began = row.began_at?.min(row.start);
        (!host.is_bot()).then_some((row, began, host))
    })
}

/// Events; then the event, when it was to begin.
fn nodes() -> NodeAddress {
    MEETINGS.nodes().with(&[&"EVENT"])
}

/// From an event to its host; then the event, when it was to begin, the member.
fn hosted() -> EdgeAddress {
    MEETINGS.edges().with(&[&"HOSTED_EVENT"])
}

pub(super) fn types(config: &MeetingsConfig) -> (NodeType, EdgeType) {
    let node = NodeType {
        name: "Event".into(),
        plural_name: "Events".into(),
        prefix: nodes(),
        default_weight: config.event_host,
        description: "A scheduled event that took place".into(),
    };
    let edge = EdgeType {
        forward_name: "was hosted by".into(),
        backward_name: "hosted".into(),
        prefix: hosted(),
        default_weight: EdgeWeight {
            forwards: Weight::ONE,
            backwards: Weight::computed(BACKWARDS),
        },
        description: "Connects an event to the member who scheduled it.".into(),
    };
    (node, edge)
}

pub(super) fn add(graph: &mut WeightedGraph, snapshot: &Snapshot, members: &Members<'_>) {
    for (row, began, host) in held(snapshot, members) {
        let node = nodes().with(&[&row.id, &row.start.0]);
        let name = description::text(&row.name, NAME_UNITS);
        let name = if name.is_empty() {
            "without a name".to_owned()
        } else {
            format!("\"{name}\"")
        };
        let text = format!("Event: [{name}]({})", url(row.guild_id, row.id));
        graph.add_node(node.clone(), text, Some(began));
        graph.add_node(host.address(), host.label(), None);
        let edge = hosted().with(&[&row.id, &row.start.0, &host.kind(), &host.id()]);
        graph.add_edge(edge, node, host.address(), began);
    }
}

fn url(guild: GuildId, event: EventId) -> String {
    format!("https://discord.com/events/{guild}/{event}")
}
