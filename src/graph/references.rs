//! Which messages refer to other messages, by a link or as a reply, and what else they link to.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_model::{ChannelId, MessageId, jump_urls_in};
use propsbot_rows::{PropsRow, Snapshot};
use propsbot_sourcecred::{Reference, WeightedGraph};

use super::prefix::Prefix;

/// The longest link that is looked at, in bytes.
const LONGEST_LINK: usize = 512;

/// How far a link is looked for: punctuation may follow one of the longest.
const LONGEST_PUNCTUATED: usize = LONGEST_LINK + 16;

/// The references of the messages that a plugin has in its graph, sorted. Messages are written as
/// `CHANNEL/MESSAGE`, and links as they are.
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
        let mut to: BTreeSet<String> = to.into_iter().map(written).collect();
        let reason = given.get(&message.id).map_or("", |row| &row.reason);
        let links = [content, reason].into_iter().flat_map(links_in);
        to.extend(links.map(str::to_owned));
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
            to,
            at,
        }));
    }
    references.sort_by(|one, next| (&one.from, &one.to).cmp(&(&next.from, &next.to)));
    references
}

fn written((channel, message): (ChannelId, MessageId)) -> String {
    format!("{channel}/{message}")
}

/// The links in a text, without what punctuates it.
fn links_in(text: &str) -> impl Iterator<Item = &str> {
    let links = text.match_indices("https://").filter_map(|(at, _)| {
        // Bounded: a text may be nothing but beginnings of links.
        let near = &text[at..text.floor_char_boundary(at + LONGEST_PUNCTUATED)];
        let ends = |letter: char| !letter.is_ascii_graphic() || "<>()[]{}\"'`|\\*".contains(letter);
        let is_all = at + near.len() == text.len();
        let end = near.find(ends).or(is_all.then_some(near.len()))?;
        Some(near[..end].trim_end_matches(['.', ',', ':', ';', '!', '?', '/', '_', '~']))
    });
    links.filter(|link| link.len() <= LONGEST_LINK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_in_what_members_write() {
        let at = "https://github.com/octo-org/alpha/issues/7";
        for (text, found) in [
            (format!("thanks for {at}!"), vec![at.to_owned()]),
            (
                format!("<{at}> **{at}**, [docs]({at}/)"),
                vec![at.to_owned(); 3],
            ),
            (
                format!("{at}#issuecomment-9 {at}?x=1"),
                vec![format!("{at}#issuecomment-9"), format!("{at}?x=1")],
            ),
            (format!("{at}ü x{at}"), vec![at.to_owned(); 2]),
            ("http://github.com https:/x".to_owned(), Vec::new()),
            (format!("{at}{}", "9".repeat(LONGEST_LINK)), Vec::new()),
            (format!("{at}{}9", ".".repeat(LONGEST_LINK)), Vec::new()),
            (
                format!("{at}{}", "ü".repeat(LONGEST_LINK)),
                vec![at.to_owned()],
            ),
        ] {
            assert_eq!(links_in(&text).collect::<Vec<_>>(), found, "{text}");
        }
    }
}
