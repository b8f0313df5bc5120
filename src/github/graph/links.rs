//! Which node a link to GitHub leads to: how people refer to issues, pull requests, discussions, comments and releases
//! from elsewhere.

use std::fmt::Display;

use propsbot_sourcecred::{NodeAddress, WeightedGraph};

use super::declaration::nodes;

/// The node of what is at this address, if the graph has it. Owners and names mean the same in whatever case they are
/// written, as on GitHub, and a pull request is an issue, too.
pub(super) fn node_at(link: &str, graph: &WeightedGraph) -> Option<NodeAddress> {
    let link = link.strip_prefix("https://")?;
    let link = link.strip_prefix("www.").unwrap_or(link);
    let (link, fragment) = link.split_once('#').unwrap_or((link, ""));
    let link = link.split('?').next().unwrap_or_default();
    let mut parts = link.split('/');
    let [host, owner, name, kind, number] = [(); 5].map(|()| parts.next().unwrap_or_default());
    if !host.eq_ignore_ascii_case("github.com") {
        return None;
    }
    let (owner, name) = repository(owner, name, graph)?;
    if (kind, number) == ("releases", "tag") {
        let tag = parts.collect::<Vec<_>>().join("/");
        let release = nodes().with(&[&"RELEASE", &owner, &name, &tag]);
        return graph.nodes.contains_key(&release).then_some(release);
    }
    if !matches!(kind, "issues" | "pull" | "discussions") {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let at = |kinds: &[&str], rest: &[&dyn Display]| {
        let kinds = kinds.iter();
        let address = kinds.fold(nodes(), |address, kind| address.with(&[kind]));
        address.with(&[&owner, &name, &number]).with(rest)
    };
    let candidates = if let Some(comment) = fragment.strip_prefix("issuecomment-") {
        ["ISSUE", "PULL"]
            .map(|kind| at(&["COMMENT", kind], &[&comment]))
            .to_vec()
    } else if let Some(review) = fragment.strip_prefix("pullrequestreview-") {
        vec![at(&["REVIEW"], &[&review])]
    } else if let Some(comment) = fragment.strip_prefix("discussion_r") {
        // The link doesn't tell the review that the comment belongs to.
        let of_reviews = at(&["COMMENT", "REVIEW"], &[]);
        let mut comments = within(graph, &of_reviews).filter(|node| node.last_part() == comment);
        comments.next().cloned().into_iter().collect()
    } else if let Some(comment) = fragment.strip_prefix("discussioncomment-") {
        vec![at(&["COMMENT", "DISCUSSION"], &[&comment])]
    } else {
        // GitHub leads from an issue's address to the discussion that it became.
        ["ISSUE", "PULL", "DISCUSSION"]
            .map(|kind| at(&[kind], &[]))
            .to_vec()
    };
    let mut candidates = candidates.into_iter();
    candidates.find(|node| graph.nodes.contains_key(node))
}

/// A repository as the graph spells it.
fn repository<'a>(owner: &str, name: &str, graph: &'a WeightedGraph) -> Option<(&'a str, &'a str)> {
    within(graph, &nodes().with(&[&"REPO"])).find_map(|node| {
        let mut parts = node.split().skip(3);
        let (own, named) = (parts.next()?, parts.next()?);
        let is_it = own.eq_ignore_ascii_case(owner) && named.eq_ignore_ascii_case(name);
        is_it.then_some((own, named))
    })
}

/// The nodes with this prefix.
fn within<'a>(
    graph: &'a WeightedGraph,
    prefix: &NodeAddress,
) -> impl Iterator<Item = &'a NodeAddress> {
    let nodes = graph.nodes.range(prefix.clone()..).map(|(node, _)| node);
    let prefix = prefix.clone();
    nodes.take_while(move |node| node.has_prefix(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parts: &str) -> NodeAddress {
        parts
            .split(' ')
            .fold(nodes(), |address, part| address.with(&[&part]))
    }

    #[test]
    fn links_lead_to_what_the_graph_has() {
        let mut graph = WeightedGraph::default();
        let known = [
            "REPO Octo alpha",
            "REPO Octo alphabet",
            "ISSUE Octo alpha 7",
            "PULL Octo alpha 8",
            "REVIEW Octo alpha 8 81",
            "COMMENT ISSUE Octo alpha 7 71",
            "COMMENT PULL Octo alpha 8 82",
            "COMMENT REVIEW Octo alpha 8 81 83",
            "ISSUE Octo alphabet 9",
            "DISCUSSION Octo alpha 10",
            "COMMENT DISCUSSION Octo alpha 10 11",
            "RELEASE Octo alpha v1/2",
        ];
        for parts in known {
            graph.add_node(node(parts), String::new(), None);
        }
        for (link, leads_to) in [
            ("octo/ALPHA/issues/7", Some(known[2])),
            ("Octo/alpha/pull/7", Some(known[2])),
            ("Octo/alpha/issues/8", Some(known[3])),
            ("Octo/alpha/pull/8/files?w=1#diff-0", Some(known[3])),
            ("Octo/alpha/pull/8#pullrequestreview-81", Some(known[4])),
            ("Octo/alpha/issues/7#issuecomment-71", Some(known[5])),
            ("Octo/alpha/pull/8#issuecomment-82", Some(known[6])),
            ("Octo/alpha/pull/8#discussion_r83", Some(known[7])),
            ("Octo/alpha/pull/8#discussion_r84", None),
            ("Octo/alpha/issues/7#issuecomment-72", None),
            ("Octo/alpha/issues/9", None),
            ("Octo/alphabet/issues/9", Some(known[8])),
            ("Octo/beta/issues/7", None),
            ("Octo/alpha/issues/x", None),
            ("Octo/alpha/discussions/10", Some(known[9])),
            (
                "Octo/alpha/discussions/10#discussioncomment-11",
                Some(known[10]),
            ),
            ("Octo/alpha/discussions/11", None),
            ("Octo/alpha/releases/tag/v1/2", Some(known[11])),
            ("Octo/alpha/releases/tag/v2", None),
            ("Octo/alpha/releases", None),
            ("Octo/alpha", None),
        ] {
            let found = node_at(&format!("https://github.com/{link}"), &graph);
            assert_eq!(found, leads_to.map(node), "{link}");
        }
        assert_eq!(
            node_at("https://github.example/Octo/alpha/issues/7", &graph),
            None
        );
    }
}
