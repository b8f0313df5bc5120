//! Which messages refer to other messages: by a link, or as a reply.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_model::{ChannelId, MessageId, jump_urls_in};
use propsbot_rows::{PropsRow, Snapshot};
use propsbot_sourcecred::{Reference, WeightedGraph};

use super::prefix::Prefix;

/// The references of the messages that a plugin has in its graph, sorted. Messages are written as
/// `CHANNEL/MESSAGE`.
pub(super) fn references(
    snapshot: &Snapshot,
    prefix: Prefix,
    graph: &WeightedGraph,
) -> Vec<Reference> {
    let given: BTreeMap<MessageId, &PropsRow> = snapshot
        .props
        .iter()
        .filter_map(|row| Some((row.message_id?, row)))
        .collect();
    let mut references = Vec::new();
    for message in &snapshot.messages {
        let content = message.content.as_deref().unwrap_or_default();
        let own = (message.channel_id, message.id);
        let mut to: BTreeSet<(ChannelId, MessageId)> = jump_urls_in(content).into_iter().collect();
        to.extend(message.reply_to.map(|reply| (message.channel_id, reply)));
        if let Some(row) = given.get(&message.id) {
            to.extend(jump_urls_in(&row.reason));
            to.extend(row.about_channel_id.zip(row.about_message_id));
        }
        to.remove(&own);
        if to.is_empty() {
            continue;
        }
        let from = written(own);
        let node = prefix.messages().with(&[&message.channel_id, &message.id]);
        let Some(at) = graph.nodes.get(&node).and_then(|node| node.timestamp) else {
            continue;
        };
        references.extend(to.into_iter().map(|to| Reference {
            from: from.clone(),
            node: node.clone(),
            to: written(to),
            at,
        }));
    }
    references.sort_by(|one, next| (&one.from, &one.to).cmp(&(&next.from, &next.to)));
    references
}

fn written((channel, message): (ChannelId, MessageId)) -> String {
    format!("{channel}/{message}")
}
