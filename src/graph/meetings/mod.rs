//! The meetings plugin: who attended, hosted, and took notes, from messages in channels for it.
//!
//! SourceCred's community posted its meetings in a channel: "Hosts: … Participants: …", often by a bot. Each
//! message there is a meeting (`meeting`), `roles` reads its lines, and `graph` draws it. Scheduled events
//! (`events`) say who hosted. Pure, as all plugins.

mod config;
mod events;
mod graph;
mod meeting;
mod roles;

pub use config::{MeetingsConfig, MeetingsConfigError};

use std::{cell::RefCell, collections::BTreeSet, ops::RangeInclusive};

use super::{
    channels::Channels, identity_proposals, members::Members, prefix, references::references,
};
use propsbot_archive::{RowSource, Schema};
use propsbot_model::{ChannelId, Millis, UserId};
use propsbot_rows::{MessageRow, SCHEMA, Snapshot};
use propsbot_sourcecred::{
    Documents, DrawError, Drawing, GraphPlugin, NodeAddress, WeightedGraph, unmatched,
};

/// The meetings plugin.
#[derive(Clone, Debug)]
pub struct MeetingsPlugin {
    config: MeetingsConfig,
}

impl MeetingsPlugin {
    pub fn new(config: MeetingsConfig) -> Self {
        Self { config }
    }
}

impl GraphPlugin for MeetingsPlugin {
    fn name(&self) -> &'static str {
        "meetings"
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn node_of(&self, contribution: &str, _: &WeightedGraph) -> Option<NodeAddress> {
        prefix::MEETINGS.message(contribution)
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let mut snapshot = Snapshot {
            channels: rows.all()?,
            members: rows.all()?,
            events: rows.all()?,
            ..Snapshot::default()
        };
        let messages = RefCell::new(Vec::new());
        {
            let channels = Channels::new(&snapshot);
            let wanted = |scope: &propsbot_archive::Scope| {
                let id = scope
                    .part
                    .as_ref()
                    .and_then(|part| part.as_str().parse().ok());
                id.is_some_and(|id| self.config.has(&channels, id))
            };
            rows.each(wanted, |row: &MessageRow| {
                if !row.mentions.is_empty() {
                    messages.borrow_mut().push(row.clone());
                }
            })?;
        }
        snapshot.messages = messages.into_inner();
        let is_channel = |id: &ChannelId| snapshot.channels.iter().any(|row| row.id == *id);
        let strangers = self.config.channels.iter().filter(|id| !is_channel(id));
        let warnings = unmatched("meeting_channels", strangers, "the archive does not have");
        let documents = meetings_documents(&snapshot, &self.config);
        Ok(Drawing {
            warnings: warnings.into_iter().collect(),
            references: references(&snapshot, prefix::MEETINGS, &documents.graph),
            documents,
        })
    }
}

/// The meetings plugin's documents for a snapshot.
pub fn meetings_documents(snapshot: &Snapshot, config: &MeetingsConfig) -> Documents {
    let graph = graph::meetings_graph(snapshot, config);
    Documents {
        declaration: graph::declaration(config),
        proposals: identity_proposals(snapshot, &graph),
        graph,
    }
}

/// What the meetings of a snapshot give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeetingsTotal {
    pub meetings: usize,
    /// How many members attended one.
    pub members: usize,
    /// The cred that they mint.
    pub minted: f64,
}

/// What the scheduled events of a snapshot give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventsTotal {
    /// How many took place.
    pub events: usize,
    /// How many members hosted one.
    pub hosts: usize,
    /// The cred that they mint.
    pub minted: f64,
}

impl EventsTotal {
    /// Of the events that began at these times.
    pub fn of(
        snapshot: &Snapshot,
        config: &MeetingsConfig,
        times: &RangeInclusive<Millis>,
    ) -> Self {
        let members = Members::new(snapshot);
        let held = events::held(snapshot, &members);
        let held = held.filter(|(_, began, _)| times.contains(began));
        let hosts: Vec<UserId> = held.map(|(_, _, host)| host.id()).collect();
        Self {
            events: hosts.len(),
            hosts: hosts.iter().collect::<BTreeSet<_>>().len(),
            minted: hosts.iter().map(|_| config.event_host.get()).sum(),
        }
    }
}

impl MeetingsTotal {
    pub fn of(snapshot: &Snapshot, config: &MeetingsConfig) -> Self {
        let (channels, members) = (Channels::new(snapshot), Members::new(snapshot));
        let meetings = meeting::meetings(snapshot, config, (&channels, &members));
        let attended = meetings.values().flat_map(|meeting| &meeting.attended);
        let attended: BTreeSet<&UserId> = attended.collect();
        let minted = meetings
            .values()
            .map(|meeting| graph::worth(config, meeting));
        Self {
            meetings: meetings.len(),
            members: attended.len(),
            minted: minted.sum(),
        }
    }
}
