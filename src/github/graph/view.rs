//! What of each repository a graph needs. Texts aren't kept, only what they refer to.

use std::collections::{BTreeMap, HashMap, HashSet};

use propsbot_archive::{Id, Millis, ReadError, RowSource};

use super::{
    Rules,
    references::{Reference, references},
};
use crate::rows::{
    Comment, Commit, Discussion, DiscussionComment, Issue, NodeId, Reaction, Release, Repository,
    Review, User, UserId,
};

/// A repository.
#[derive(Default)]
pub(super) struct View {
    pub(super) repository: Repository,
    pub(super) users: HashMap<UserId, User>,
    pub(super) issues: HashMap<NodeId, Post<Issue>>,
    pub(super) reviews: HashMap<NodeId, Post<Review>>,
    pub(super) comments: Vec<Post<Comment>>,
    pub(super) commits: HashMap<NodeId, Post<Commit>>,
    pub(super) reactions: Vec<Reaction>,
    /// SourceCred's plugin knows none of these.
    pub(super) discussions: HashMap<NodeId, Post<Discussion>>,
    pub(super) discussion_comments: HashMap<NodeId, Post<DiscussionComment>>,
    pub(super) releases: Vec<Post<Release>>,
}

/// A row without its text, and what the text refers to.
pub(super) struct Post<R> {
    pub(super) row: R,
    pub(super) references: Vec<Reference>,
}

impl View {
    /// `owner/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.repository.owner, self.repository.name)
    }
}

fn post<R: Clone>(row: &R, text: impl Fn(&mut R) -> &mut String) -> Post<R> {
    let mut row = row.clone();
    let text = std::mem::take(text(&mut row));
    Post {
        references: references(&text),
        row,
    }
}

/// The repositories whose names are wanted, by id, without what was deleted.
pub(super) fn views(
    rows: &dyn RowSource,
    rules: Rules,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<Id, View>, ReadError> {
    let mut views: BTreeMap<Id, View> = BTreeMap::new();
    rows.each(
        |_| true,
        |repository: &Repository| {
            let view = View {
                repository: repository.clone(),
                ..View::default()
            };
            if is_wanted(&view.name()) {
                views.insert(Id::from(&repository.id), view);
            }
        },
    )?;
    let spaces: HashSet<Id> = views.keys().cloned().collect();
    let of = |scope: &propsbot_archive::Scope| spaces.contains(&scope.space);
    macro_rules! each {
        ($row:ident, |$view:ident, $one:ident| $do:expr) => {
            rows.each(of, |$one: &$row| {
                if let Some($view) = views.get_mut(&Id::from(&$one.repository_id)) {
                    $do
                }
            })?
        };
    }
    let is_there = |deleted_at: Option<Millis>| deleted_at.is_none();
    each!(User, |view, user| {
        // Of those who are left out, there is only an id.
        if !user.login.is_empty() {
            view.users.insert(user.id.clone(), user.clone());
        }
    });
    // In the order in which several plugins share what they read: see `Schema::turn`.
    if rules == Rules::Improved {
        each!(DiscussionComment, |view, comment| {
            if is_there(comment.deleted_at) {
                view.discussion_comments
                    .insert(comment.id.clone(), post(comment, |row| &mut row.body));
            }
        });
        each!(Discussion, |view, discussion| {
            if is_there(discussion.deleted_at) {
                view.discussions
                    .insert(discussion.id.clone(), post(discussion, |row| &mut row.body));
            }
        });
        each!(Release, |view, release| {
            // Those of people who are left out have no tag, and so no address.
            if is_there(release.deleted_at) && !release.tag.is_empty() {
                view.releases.push(post(release, |row| &mut row.body));
            }
        });
    }
    each!(Reaction, |view, reaction| {
        if is_there(reaction.deleted_at) {
            view.reactions.push(reaction.clone());
        }
    });
    each!(Comment, |view, comment| {
        if is_there(comment.deleted_at) {
            view.comments.push(post(comment, |row| &mut row.body));
        }
    });
    each!(Review, |view, review| {
        if is_there(review.deleted_at) {
            view.reviews
                .insert(review.id.clone(), post(review, |row| &mut row.body));
        }
    });
    each!(Issue, |view, issue| {
        if is_there(issue.deleted_at) {
            view.issues
                .insert(issue.id.clone(), post(issue, |row| &mut row.body));
        }
    });
    each!(Commit, |view, commit| {
        if is_there(commit.deleted_at) {
            let mut post = post(commit, |row| &mut row.message);
            let headline = commit.message.split('\n').next();
            headline
                .unwrap_or_default()
                .clone_into(&mut post.row.message);
            view.commits.insert(commit.id.clone(), post);
        }
    });
    Ok(views)
}
