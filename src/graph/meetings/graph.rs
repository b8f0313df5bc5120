//! The graph of meetings.
//!
//! A meeting mints for each head up to a number, and besides for each host and note-taker. An edge for each of
//! these leads to the member and weighs as much as it mints, so that it flows to whom it is minted for. All
//! have the time of the message.

use super::{
    MeetingsConfig, events,
    meeting::{Meeting, meetings},
};
use crate::{
    channels::Channels, declaration::members as people, members::Members, prefix::MEETINGS,
};
use propsbot_model::{MessageId, UserId, jump_url};
use propsbot_rows::Snapshot;
use propsbot_sourcecred::{
    Declaration, EdgeType, EdgeWeight, Keys, NodeType, Weight, WeightedGraph, description,
};

/// How much of a text a description shows, in UTF-16 code units.
const TEXT_UNITS: usize = 60;

/// How much flows back from a member to a meeting, as to props in SourceCred's Discord plugin.
const BACKWARDS: f64 = 0.0625;

/// What members do at meetings; then channel, message, the member.
const ATTENDED: &str = "ATTENDED";
const HOSTED: &str = "HOSTED";
const NOTED: &str = "TOOK_NOTES";

/// The plugin's declaration.
pub(super) fn declaration(config: &MeetingsConfig) -> Declaration {
    let people = people().to_vec();
    let (event, hosted_event) = events::types(config);
    let mut node_types = people.clone();
    node_types.push(event);
    node_types.push(NodeType {
        name: "Meeting".into(),
        plural_name: "Meetings".into(),
        prefix: MEETINGS.messages(),
        // Its weight depends on who was there, and is in the graph.
        default_weight: Weight::ONE,
        description: "A message that tells of a meeting".into(),
    });
    let edge = |kind: &str,
                names: [&'static str; 2],
                forwards: Weight,
                description: &'static str| EdgeType {
        forward_name: names[0].into(),
        backward_name: names[1].into(),
        prefix: MEETINGS.edges().with(&[&kind]),
        default_weight: EdgeWeight {
            forwards,
            backwards: Weight::computed(BACKWARDS),
        },
        description: description.into(),
    };
    Declaration {
        name: "Meetings".to_owned(),
        node_prefix: MEETINGS.nodes(),
        edge_prefix: MEETINGS.edges(),
        node_types,
        edge_types: vec![
            edge(
                ATTENDED,
                ["was attended by", "attended"],
                config.attendance,
                "Connects a meeting to a member who was there.",
            ),
            edge(
                HOSTED,
                ["was hosted by", "hosted"],
                config.host,
                "Connects a meeting to a member who hosted it.",
            ),
            edge(
                NOTED,
                ["was written down by", "took notes of"],
                config.notes,
                "Connects a meeting to a member who took notes.",
            ),
            hosted_event,
        ],
        user_types: people,
        keys: Keys::default(),
    }
}

/// The graph of a snapshot's meetings.
pub(super) fn meetings_graph(snapshot: &Snapshot, config: &MeetingsConfig) -> WeightedGraph {
    let (channels, members) = (Channels::new(snapshot), Members::new(snapshot));
    let mut graph = WeightedGraph::default();
    for (id, meeting) in meetings(snapshot, config, (&channels, &members)) {
        add(&mut graph, config, (&channels, &members), id, &meeting);
    }
    events::add(&mut graph, snapshot, &members);
    graph
}

/// How many heads of a meeting mint.
fn minting(config: &MeetingsConfig, meeting: &Meeting<'_>) -> f64 {
    count(meeting.attended.len()).min(f64::from(config.most_heads))
}

/// The cred that a meeting mints.
pub(super) fn worth(config: &MeetingsConfig, meeting: &Meeting<'_>) -> f64 {
    minting(config, meeting) * config.attendance.get()
        + count(meeting.hosts.len()) * config.host.get()
        + count(meeting.notes.len()) * config.notes.get()
}

fn count(many: usize) -> f64 {
    Weight::times(u32::try_from(many).unwrap_or(u32::MAX)).get()
}

fn add(
    graph: &mut WeightedGraph,
    config: &MeetingsConfig,
    (channels, members): (&Channels<'_>, &Members<'_>),
    id: MessageId,
    meeting: &Meeting<'_>,
) {
    let at = id.created_at();
    let heads = count(meeting.attended.len());
    let minting = minting(config, meeting);
    let worth = worth(config, meeting);
    let node = MEETINGS.messages().with(&[&meeting.channel, &id]);
    let text = description::text(&members.named_in(meeting.text), TEXT_UNITS);
    let place = match channels.name(meeting.channel) {
        Some(name) => format!(" in #{}", description::text(name, TEXT_UNITS)),
        None => String::new(),
    };
    let link = jump_url(meeting.guild, meeting.channel, id);
    let text = if text.is_empty() {
        "without words".to_owned()
    } else {
        format!("\"{text}\"")
    };
    graph.add_node(
        node.clone(),
        format!("Meeting{place}: [{text}]({link})"),
        Some(at),
    );
    let worth = Weight::computed(worth);
    if worth != Weight::ONE {
        graph.node_weights.insert(node.clone(), worth);
    }
    let mut lead = |kind: &str, user: UserId, share: Weight| {
        let Some(member) = members.get(user) else {
            return;
        };
        let address = member.address();
        graph.add_node(address.clone(), member.label(), None);
        let edge = MEETINGS
            .edges()
            .with(&[&kind, &meeting.channel, &id, &member.kind(), &user]);
        graph.add_edge(edge.clone(), node.clone(), address, at);
        if share != Weight::ONE {
            let weight = EdgeWeight {
                forwards: share,
                backwards: Weight::ONE,
            };
            graph.edge_weights.insert(edge, weight);
        }
    };
    for user in &meeting.attended {
        lead(ATTENDED, *user, Weight::computed(minting / heads));
    }
    for user in &meeting.hosts {
        lead(HOSTED, *user, Weight::ONE);
    }
    for user in &meeting.notes {
        lead(NOTED, *user, Weight::ONE);
    }
}
