//! Draws the graph: repositories, issues, pull requests, reviews, comments, commits and people, and how they are
//! connected.
//!
//! Source: SourceCred 0.11.2, `plugins/github/createGraph.js` and `relationalView.js`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
};

use propsbot_archive::{Id, Millis};
use propsbot_sourcecred::{EdgeAddress, NodeAddress, Weight, WeightedGraph};

use super::{
    Rules,
    declaration::{BOTS, commit_in_git, edges, nodes},
    references::Reference,
    view::View,
};
use crate::rows::{Issue, NodeId, User, UserId};

/// The reactions that count.
const COUNTED: [&str; 4] = ["THUMBS_UP", "HEART", "HOORAY", "ROCKET"];

/// The kinds of accounts that SourceCred's plugin knows. It fails on any other one.
const ACCOUNTS: [&str; 3] = ["User", "Bot", "Organization"];

/// Draws the graph of these repositories.
pub(super) fn draw(views: &BTreeMap<Id, View>, rules: Rules) -> WeightedGraph {
    let scenes: Vec<Scene<'_>> = views.values().map(|view| Scene::new(view, rules)).collect();
    let mut everywhere = HashMap::new();
    if rules == Rules::Improved {
        for (text, address) in scenes.iter().flat_map(|scene| &scene.named) {
            // What a number or a hash alone means, only its own repository knows.
            if text.starts_with(['@', 'h']) || text.contains('/') {
                let known = everywhere
                    .entry(text.to_lowercase())
                    .or_insert(address.clone());
                if *address < *known {
                    known.clone_from(address);
                }
            }
        }
    }
    let mut graph = WeightedGraph::default();
    for scene in &scenes {
        scene.draw(&everywhere, &mut graph);
    }
    graph
}

/// The people of a graph, and whether each is a bot.
pub(super) fn bots(graph: &WeightedGraph) -> impl Iterator<Item = (&NodeAddress, &str, bool)> {
    let (users, bots) = (userlikes().with(&[&"USER"]), userlikes().with(&[&"BOT"]));
    graph.nodes.iter().filter_map(move |(address, node)| {
        let is_bot = address.has_prefix(&bots);
        let is_person = is_bot || address.has_prefix(&users);
        is_person.then_some((address, &*node.description, is_bot))
    })
}

pub(super) fn userlikes() -> NodeAddress {
    nodes().with(&[&"USERLIKE"])
}

pub(super) fn person(login: &str) -> NodeAddress {
    let kind = if BOTS.contains(&login) { "BOT" } else { "USER" };
    userlikes().with(&[&kind, &login])
}

/// Something in the graph.
pub(super) struct Entity {
    pub(super) address: NodeAddress,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) at: Millis,
    pub(super) parent: Option<NodeAddress>,
    pub(super) authors: Vec<UserId>,
}

/// A repository while it is drawn.
pub(super) struct Scene<'a> {
    pub(super) view: &'a View,
    rules: Rules,
    pub(super) entities: HashMap<&'a NodeId, Entity>,
    /// What each entity refers to.
    pub(super) references: Vec<(&'a NodeId, &'a [Reference])>,
    /// Everyone who did something.
    people: BTreeMap<&'a str, &'a User>,
    /// What a reference means.
    named: HashMap<String, NodeAddress>,
}

impl<'a> Scene<'a> {
    fn new(view: &'a View, rules: Rules) -> Self {
        let mut scene = Self {
            view,
            rules,
            entities: HashMap::new(),
            references: Vec::new(),
            people: BTreeMap::new(),
            named: HashMap::new(),
        };
        scene.add_posts();
        scene.add_commits();
        scene.add_discussions();
        scene.add_people();
        scene.name();
        scene
    }

    pub(super) fn url(&self) -> String {
        format!("https://github.com/{}", self.view.name())
    }

    /// An address in this repository.
    pub(super) fn address(&self, kinds: &[&str], rest: &[&dyn Display]) -> NodeAddress {
        let address = kinds
            .iter()
            .fold(nodes(), |address, kind| address.with(&[kind]));
        let repository = &self.view.repository;
        address
            .with(&[&repository.owner, &repository.name])
            .with(rest)
    }

    pub(super) fn repository(&self) -> NodeAddress {
        self.address(&["REPO"], &[])
    }

    fn add_posts(&mut self) {
        let view = self.view;
        let base = self.url();
        let place = |issue: &Issue| {
            let kind = if issue.is_pull_request {
                "pull"
            } else {
                "issues"
            };
            format!("{base}/{kind}/{}", issue.number)
        };
        for (id, post) in &view.issues {
            let issue = &post.row;
            let kind = if issue.is_pull_request {
                "PULL"
            } else {
                "ISSUE"
            };
            let url = place(issue);
            let entity = Entity {
                address: self.address(&[kind], &[&issue.number]),
                description: format!("[#{}]({url}): {}", issue.number, issue.title),
                url,
                at: issue.created_at,
                parent: Some(self.repository()),
                authors: issue.author_id.iter().cloned().collect(),
            };
            self.entities.insert(id, entity);
            self.references.push((id, &post.references));
        }
        for (id, post) in &view.reviews {
            let review = &post.row;
            let pull = view
                .issues
                .get(&review.issue_id)
                .filter(|pull| pull.row.is_pull_request);
            let (Some(pull), Some(parent)) = (pull, self.entities.get(&review.issue_id)) else {
                continue;
            };
            let url = format!("{}#pullrequestreview-{}", place(&pull.row), review.number);
            let entity = Entity {
                address: self.address(&["REVIEW"], &[&pull.row.number, &review.number]),
                description: format!("[review]({url}) on {}", parent.description),
                url,
                at: review.created_at,
                parent: Some(parent.address.clone()),
                authors: review.author_id.iter().cloned().collect(),
            };
            self.entities.insert(id, entity);
            self.references.push((id, &post.references));
        }
        for post in &view.comments {
            let comment = &post.row;
            let above = comment.review_id.as_ref().unwrap_or(&comment.issue_id);
            let (Some(issue), Some(parent)) =
                (view.issues.get(&comment.issue_id), self.entities.get(above))
            else {
                continue;
            };
            let review = comment
                .review_id
                .as_ref()
                .and_then(|id| view.reviews.get(id));
            let (number, own) = (issue.row.number, comment.number);
            let (address, fragment) = if let Some(review) = review {
                let rest: [&dyn Display; 3] = [&number, &review.row.number, &own];
                (self.address(&["COMMENT", "REVIEW"], &rest), "discussion_r")
            } else {
                let kind = if issue.row.is_pull_request {
                    "PULL"
                } else {
                    "ISSUE"
                };
                let address = self.address(&["COMMENT", kind], &[&number, &own]);
                (address, "issuecomment-")
            };
            let url = format!("{}#{fragment}{own}", place(&issue.row));
            let entity = Entity {
                address,
                description: format!("[comment]({url}) on {}", parent.description),
                url,
                at: comment.created_at,
                parent: Some(parent.address.clone()),
                authors: comment.author_id.iter().cloned().collect(),
            };
            self.entities.insert(&comment.id, entity);
            self.references.push((&comment.id, &post.references));
        }
    }

    fn add_commits(&mut self) {
        let base = self.url();
        for (id, post) in &self.view.commits {
            let commit = &post.row;
            let url = format!("{base}/commit/{}", commit.oid);
            let mut authors: Vec<UserId> = commit.author_id.iter().cloned().collect();
            if self.rules == Rules::Improved {
                authors.extend(commit.coauthor_ids.iter().cloned());
            }
            let short = commit.oid.get(..7).unwrap_or(&commit.oid);
            let entity = Entity {
                address: nodes().with(&[&"COMMIT", &id.0]),
                description: format!("[{short}]({url}): {}", commit.message),
                url,
                at: commit.authored_at,
                parent: None,
                authors,
            };
            self.entities.insert(id, entity);
            self.references.push((id, &post.references));
        }
    }

    /// The account, unless it is of a kind that SourceCred's plugin doesn't know.
    fn account(&self, id: &UserId) -> Option<&'a User> {
        let user = self.view.users.get(id);
        user.filter(|user| ACCOUNTS.contains(&&*user.kind))
    }

    fn add_people(&mut self) {
        let authors = self.entities.values().flat_map(|entity| &entity.authors);
        let reacting = self.view.reactions.iter().filter(|reaction| {
            let on_review = self.view.reviews.contains_key(&reaction.subject_id);
            self.entities.contains_key(&reaction.subject_id) && !on_review
        });
        let reacting = reacting.filter_map(|reaction| reaction.user_id.as_ref());
        let people = authors.chain(reacting).filter_map(|id| self.account(id));
        self.people = people.map(|user| (&*user.login, user)).collect();
    }

    fn name(&mut self) {
        let mut named = HashMap::new();
        named.insert(self.url(), self.repository());
        let name = self.view.name();
        for (id, entity) in &self.entities {
            named.insert(entity.url.clone(), entity.address.clone());
            if let Some(issue) = self.view.issues.get(*id) {
                let number = issue.row.number;
                named.insert(format!("#{number}"), entity.address.clone());
                named.insert(format!("{name}#{number}"), entity.address.clone());
            }
            if let Some(discussion) = self.view.discussions.get(*id) {
                let number = discussion.row.number;
                named.insert(format!("#{number}"), entity.address.clone());
                named.insert(format!("{name}#{number}"), entity.address.clone());
            }
            if let Some(commit) = self.view.commits.get(*id) {
                named.insert(commit.row.oid.clone(), entity.address.clone());
            }
        }
        for (login, user) in &self.people {
            named.insert(user.url.clone(), person(login));
            named.insert(format!("@{login}"), person(login));
        }
        self.named = named;
    }

    /// What a reference means: here, or else anywhere.
    fn meaning<'b>(
        &'b self,
        everywhere: &'b HashMap<String, NodeAddress>,
        text: &str,
    ) -> Option<&'b NodeAddress> {
        let here = self.named.get(text);
        here.or_else(|| {
            if everywhere.is_empty() {
                return None;
            }
            everywhere.get(&text.to_lowercase())
        })
    }

    fn draw(&self, everywhere: &HashMap<String, NodeAddress>, graph: &mut WeightedGraph) {
        let repository = &self.view.repository;
        let name = self.view.name();
        let description = format!("[{name}]({})", self.url());
        graph.add_node(self.repository(), description, Some(repository.created_at));
        for (login, user) in &self.people {
            let description = format!("github/[@{login}]({})", user.url);
            graph.add_node(person(login), description, None);
        }
        for entity in self.entities.values() {
            let Entity {
                address,
                description,
                at,
                parent,
                ..
            } = entity;
            graph.add_node(address.clone(), description.clone(), Some(*at));
            if let Some(parent) = parent {
                let edge = edge("HAS_PARENT", &[address]);
                graph.add_edge(edge, address.clone(), parent.clone(), *at);
            }
            for author in entity.authors.iter().filter_map(|id| self.account(id)) {
                add_author(graph, &person(&author.login), entity);
            }
        }
        self.draw_merges(graph);
        self.draw_reactions(graph);
        self.draw_answers(graph);
        for (id, references) in &self.references {
            let entity = &self.entities[*id];
            for reference in *references {
                let Some(meant) = self.meaning(everywhere, &reference.text) else {
                    continue;
                };
                if reference.is_pairing {
                    add_author(graph, meant, entity);
                } else {
                    let edge = edge("REFERENCES", &[&entity.address, meant]);
                    graph.add_edge(edge, entity.address.clone(), meant.clone(), entity.at);
                }
            }
        }
    }

    fn draw_merges(&self, graph: &mut WeightedGraph) {
        for (id, issue) in &self.view.issues {
            if !issue.row.is_pull_request {
                continue;
            }
            let pull = &self.entities[id].address;
            let commit = issue.row.merged_as.as_ref();
            let commit = commit.and_then(|commit| self.entities.get(commit));
            match commit {
                Some(commit) => {
                    let edge = edge("MERGED_AS", &[pull]);
                    graph.add_edge(edge, pull.clone(), commit.address.clone(), commit.at);
                }
                None => {
                    graph.node_weights.insert(pull.clone(), Weight::ZERO);
                }
            }
        }
        for (id, commit) in &self.view.commits {
            let entity = &self.entities[id];
            let edge = edge("CORRESPONDS_TO_COMMIT_TYPE", &[&entity.address]);
            let git = commit_in_git(&commit.row.oid);
            graph.add_edge(edge, entity.address.clone(), git, entity.at);
        }
    }

    fn draw_reactions(&self, graph: &mut WeightedGraph) {
        for reaction in &self.view.reactions {
            let content = reaction.content.as_deref().unwrap_or_default();
            let user = reaction.user_id.as_ref().and_then(|id| self.account(id));
            let subject = self.entities.get(&reaction.subject_id);
            let on_review = self.view.reviews.contains_key(&reaction.subject_id);
            let (Some(user), Some(subject), false) = (user, subject, on_review) else {
                continue;
            };
            if COUNTED.contains(&content) {
                let user = person(&user.login);
                let prefix = edges().with(&[&"REACTS", &content]);
                let edge = with_lengths(prefix, &[&user, &subject.address]);
                graph.add_edge(edge, user, subject.address.clone(), reaction.created_at);
            }
        }
    }
}

fn add_author(graph: &mut WeightedGraph, author: &NodeAddress, entity: &Entity) {
    let edge = edge("AUTHORS", &[author, &entity.address]);
    graph.add_edge(edge, author.clone(), entity.address.clone(), entity.at);
}

/// The address of an edge: its type, and each node's address with its length.
pub(super) fn edge(kind: &str, ends: &[&NodeAddress]) -> EdgeAddress {
    with_lengths(edges().with(&[&kind]), ends)
}

fn with_lengths(prefix: EdgeAddress, ends: &[&NodeAddress]) -> EdgeAddress {
    ends.iter().fold(prefix, |address, end| {
        let parts: Vec<&str> = end.split().collect();
        let address = address.with(&[&parts.len()]);
        let parts: Vec<&dyn Display> = parts.iter().map(|part| part as &dyn Display).collect();
        address.with(&parts)
    })
}
