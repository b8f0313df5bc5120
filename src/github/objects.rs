//! The rows that GitHub's answers mean.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    merge::Object,
    records::Kept as _,
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, NodeId, Reaction,
        Release, Review, UserId,
    },
    wire::{At, Connection, Harvest, read},
};

/// Whoever did something.
#[derive(Clone, Deserialize)]
pub(crate) struct Actor {
    #[serde(rename = "__typename")]
    pub(crate) kind: String,
    pub(crate) login: String,
    pub(crate) url: String,
    pub(crate) id: String,
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) id: String,
}

/// A discussion as the comments on it name it.
#[derive(Deserialize)]
struct Topic {
    id: String,
    repository: Option<Reference>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct GitActor {
    user: Option<Actor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) created_at: Option<String>,
}

/// Anything that has a node id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    #[serde(rename = "__typename")]
    pub(crate) kind: String,
    pub(crate) id: String,
    number: Option<u64>,
    url: Option<String>,
    title: Option<String>,
    body: Option<String>,
    created_at: Option<At>,
    pub(crate) updated_at: Option<At>,
    made_at: Option<At>,
    pub(crate) changed_at: Option<At>,
    last_edited_at: Option<At>,
    closed_at: Option<At>,
    merged_at: Option<At>,
    #[serde(
        alias = "issueState",
        alias = "pullState",
        alias = "reviewState",
        alias = "milestoneState"
    )]
    state: Option<String>,
    additions: Option<u64>,
    deletions: Option<u64>,
    merge_commit: Option<Reference>,
    author: Option<Value>,
    authors: Option<Connection>,
    user: Option<Actor>,
    repository: Option<Reference>,
    pub(crate) pull_request: Option<Reference>,
    pull_request_review: Option<Reference>,
    reactable: Option<Reference>,
    pub(crate) reaction_groups: Option<Vec<Group>>,
    content: Option<String>,
    oid: Option<String>,
    message: Option<String>,
    authored_date: Option<At>,
    committed_date: Option<At>,
    pub(crate) comments: Option<Connection>,
    pub(crate) reviews: Option<Connection>,
    pub(crate) replies: Option<Connection>,
    labels: Option<Connection>,
    milestone: Option<Reference>,
    label_name: Option<String>,
    color: Option<String>,
    description: Option<String>,
    creator: Option<Actor>,
    due_on: Option<At>,
    tag_name: Option<String>,
    release_name: Option<String>,
    #[serde(default)]
    is_draft: bool,
    #[serde(default)]
    is_prerelease: bool,
    published_at: Option<At>,
    category: Option<Named>,
    answer: Option<Reference>,
    answer_chosen_at: Option<At>,
    answer_chosen_by: Option<Actor>,
    discussion: Option<Topic>,
    reply_to: Option<Reference>,
    pub(crate) deleted_at: Option<At>,
}

impl Harvest {
    pub(crate) fn object(
        &mut self,
        node: Node,
        issue: Option<&str>,
        review: Option<&str>,
    ) -> Option<Object> {
        let repository_id = self.space.clone();
        let id = NodeId(node.id.clone());
        if self.is_elsewhere(&node) {
            self.elsewhere.insert(node.id);
            return None;
        }
        let author: Option<Actor> = node.author.as_ref().and_then(|author| match &*node.kind {
            "Commit" => read::<GitActor>(author)?.user,
            _ => read(author),
        });
        let author_id = self.person(author.as_ref());
        let created_at = node.created_at.map(|at| at.0);
        let edited_at = node.last_edited_at.map(|at| at.0);
        match &*node.kind {
            "Commit" => return self.commit(node, author_id),
            "Label" => return label(repository_id, node),
            "Milestone" => return self.milestone(node),
            "Release" => return self.release(node, author_id),
            "Discussion" => return self.discussion(node, author_id),
            "DiscussionComment" => return discussion_comment(repository_id, node, author_id),
            _ => {}
        }
        let label_ids = ids(node.labels);
        let body = node.body.unwrap_or_default();
        Some(match &*node.kind {
            "Issue" | "PullRequest" => {
                let number = node.number?;
                self.issues.insert(number, node.id);
                Object::Issue(Issue {
                    repository_id,
                    id,
                    number,
                    is_pull_request: node.kind == "PullRequest",
                    title: node.title.unwrap_or_default(),
                    body,
                    author_id,
                    state: node.state.unwrap_or_default(),
                    created_at: created_at?,
                    edited_at,
                    closed_at: node.closed_at.map(|at| at.0),
                    merged_at: node.merged_at.map(|at| at.0),
                    merged_as: node.merge_commit.map(|commit| NodeId(commit.id)),
                    additions: node.additions,
                    deletions: node.deletions,
                    deleted_at: None,
                    label_ids,
                    milestone_id: node.milestone.map(|milestone| NodeId(milestone.id)),
                })
            }
            // Nobody but its author can see it yet.
            "PullRequestReview" if node.state.as_deref() == Some("PENDING") => return None,
            "PullRequestReview" => Object::Review(Review {
                repository_id,
                id,
                number: in_url(node.url.as_deref()?)?,
                issue_id: NodeId(issue?.to_owned()),
                body,
                author_id,
                state: node.state.unwrap_or_default(),
                created_at: created_at?,
                edited_at,
                deleted_at: None,
            }),
            "IssueComment" | "PullRequestReviewComment" => {
                let own = node.pull_request_review.map(|review| review.id);
                let review = own.or_else(|| review.map(str::to_owned));
                Object::Comment(Comment {
                    repository_id,
                    id,
                    number: in_url(node.url.as_deref()?)?,
                    issue_id: NodeId(issue?.to_owned()),
                    review_id: review.map(NodeId),
                    body,
                    author_id,
                    created_at: created_at?,
                    edited_at,
                    deleted_at: None,
                })
            }
            "Reaction" => {
                let own = node.reactable.map(|subject| subject.id);
                let subject = own.or_else(|| review.map(str::to_owned))?;
                Object::Reaction(Reaction {
                    repository_id,
                    id,
                    subject_id: NodeId(subject),
                    user_id: self.person(node.user.as_ref()),
                    content: Some(node.content?),
                    created_at: created_at?,
                    deleted_at: None,
                })
            }
            _ => return None,
        })
    }

    /// Whether it, or what it is on, was moved to another repository, which may be private.
    fn is_elsewhere(&self, node: &Node) -> bool {
        let discussion = node.discussion.as_ref();
        let home = discussion.map_or(&node.repository, |discussion| &discussion.repository);
        let subject = node.reactable.as_ref();
        home.as_ref().is_some_and(|home| home.id != self.space.0)
            || subject.is_some_and(|subject| self.elsewhere.contains(&subject.id))
    }

    fn commit(&mut self, node: Node, author_id: Option<UserId>) -> Option<Object> {
        let authors = node.authors.map(|authors| authors.nodes);
        let mut coauthor_ids = Vec::new();
        for author in authors.iter().flatten() {
            let user = read::<GitActor>(author).and_then(|author| author.user);
            let user = self.person(user.as_ref());
            let new = user.filter(|id| Some(id) != author_id.as_ref());
            coauthor_ids.extend(new.filter(|id| !coauthor_ids.contains(id)));
        }
        Some(Object::Commit(Commit {
            repository_id: self.space.clone(),
            id: NodeId(node.id),
            oid: node.oid?,
            message: node.message.unwrap_or_default(),
            author_id,
            coauthor_ids,
            authored_at: node.authored_date?.0,
            committed_at: node.committed_date?.0,
            deleted_at: None,
        }))
    }

    fn milestone(&mut self, node: Node) -> Option<Object> {
        Some(Object::Milestone(Milestone {
            repository_id: self.space.clone(),
            id: NodeId(node.id),
            number: node.number?,
            title: node.title.unwrap_or_default(),
            description: node.description.unwrap_or_default(),
            creator_id: self.person(node.creator.as_ref()),
            state: node.state.unwrap_or_default(),
            created_at: node.created_at?.0,
            due_at: node.due_on.map(|at| at.0),
            closed_at: node.closed_at.map(|at| at.0),
            deleted_at: None,
        }))
    }

    fn release(&mut self, node: Node, author_id: Option<UserId>) -> Option<Object> {
        // Only those who can push see it.
        if node.is_draft {
            self.elsewhere.insert(node.id);
            return None;
        }
        Some(Object::Release(Release {
            repository_id: self.space.clone(),
            id: NodeId(node.id),
            tag: node.tag_name.unwrap_or_default(),
            name: node.release_name.unwrap_or_default(),
            body: node.description.unwrap_or_default(),
            author_id,
            is_prerelease: node.is_prerelease,
            created_at: node.created_at?.0,
            published_at: node.published_at.map(|at| at.0),
            deleted_at: None,
        }))
    }

    fn discussion(&mut self, node: Node, author_id: Option<UserId>) -> Option<Object> {
        Some(Object::Discussion(Discussion {
            repository_id: self.space.clone(),
            id: NodeId(node.id),
            number: node.number?,
            title: node.title.unwrap_or_default(),
            body: node.body.unwrap_or_default(),
            author_id,
            category: node
                .category
                .map(|category| category.name)
                .unwrap_or_default(),
            answer_id: node.answer.map(|answer| NodeId(answer.id)),
            answer_chosen_at: node.answer_chosen_at.map(|at| at.0),
            answer_chosen_by_id: self.person(node.answer_chosen_by.as_ref()),
            label_ids: ids(node.labels),
            created_at: node.created_at?.0,
            edited_at: node.last_edited_at.map(|at| at.0),
            closed_at: node.closed_at.map(|at| at.0),
            deleted_at: None,
        }))
    }
}

/// The ids of a list's nodes, sorted.
fn ids(list: Option<Connection>) -> Vec<NodeId> {
    let nodes = list.map(|list| list.nodes).unwrap_or_default();
    let ids = nodes.iter().filter_map(|node| node["id"].as_str());
    let mut ids: Vec<NodeId> = ids.map(|id| NodeId(id.to_owned())).collect();
    ids.sort_unstable();
    ids
}

fn label(repository_id: NodeId, node: Node) -> Option<Object> {
    Some(Object::Label(Label {
        repository_id,
        id: NodeId(node.id),
        name: node.label_name?,
        color: node.color.unwrap_or_default(),
        description: node.description.unwrap_or_default(),
        // GitHub doesn't know it of the oldest ones.
        created_at: node.made_at.map(|at| at.0).unwrap_or_default(),
        deleted_at: None,
    }))
}

fn discussion_comment(
    repository_id: NodeId,
    node: Node,
    author_id: Option<UserId>,
) -> Option<Object> {
    let comment = DiscussionComment {
        repository_id,
        id: NodeId(node.id),
        number: in_url(node.url.as_deref()?)?,
        discussion_id: NodeId(node.discussion?.id),
        reply_to_id: node.reply_to.map(|comment| NodeId(comment.id)),
        body: node.body.unwrap_or_default(),
        author_id,
        created_at: node.created_at?.0,
        edited_at: node.last_edited_at.map(|at| at.0),
        deleted_at: None,
    };
    Some(Object::DiscussionComment(match node.deleted_at {
        // It is still there because of its replies.
        Some(at) => comment.tombstone(at.0),
        None => comment,
    }))
}

/// The number at the end of a comment's or review's URL.
fn in_url(url: &str) -> Option<u64> {
    let mut parts = url.rsplit(|char: char| !char.is_ascii_digit());
    parts.next()?.parse().ok()
}
