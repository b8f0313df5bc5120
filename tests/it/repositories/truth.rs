//! What an archive has, and what GitHub shows, as comparable lines.

use std::collections::HashMap;

use propsbot_archive::{ArchiveReader, Millis, ReadError};
use propsbot_backends::FolderArchive;
use propsbot_github::{
    SCHEMA,
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, NodeId, Reaction,
        Release, Repository, Review, User, UserId,
    },
};
use simulator::github::world::{Item, ItemKind, Marker, MarkerKind, World};

/// The archive's rows, without what is gone.
pub(super) async fn archived(archive: &FolderArchive) -> Vec<String> {
    read(archive).await.unwrap()
}

/// The same; fails if the archive changes meanwhile.
pub(super) async fn read(archive: &FolderArchive) -> Result<Vec<String>, ReadError> {
    let reader = ArchiveReader::open(archive, &SCHEMA).await?;
    let mut lines = Vec::new();
    for row in reader.rows::<Repository>().await? {
        lines.push(format!(
            "repository {} {}/{}",
            row.id.0, row.owner, row.name
        ));
    }
    let users = reader.rows::<User>().await?.into_iter();
    let logins: HashMap<UserId, String> = users.map(|user| (user.id, user.login)).collect();
    let login = |id: &Option<UserId>| id.as_ref().map(|id| logins[id].clone());
    for row in reader.rows::<Issue>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} #{} by {:?} at {} edited {:?} closed {:?} merged {:?} as {:?} +{:?} {:?} for {:?}: {:?} {:?}",
                row.repository_id.0, row.id.0, row.number, login(&row.author_id), row.created_at.0, row.edited_at,
                row.closed_at, row.merged_at, row.merged_as.map(|id| id.0), row.additions, ids(row.label_ids),
                row.milestone_id.map(|id| id.0), row.title, row.body
            ));
        }
    }
    for row in reader.rows::<Review>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} {} of {} by {:?} at {}: {} {:?}",
                row.repository_id.0,
                row.id.0,
                row.number,
                row.issue_id.0,
                login(&row.author_id),
                row.created_at.0,
                row.state,
                row.body
            ));
        }
    }
    for row in reader.rows::<Comment>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} {} of {} {:?} by {:?} at {} edited {:?}: {:?}",
                row.repository_id.0,
                row.id.0,
                row.number,
                row.issue_id.0,
                row.review_id.map(|id| id.0),
                login(&row.author_id),
                row.created_at.0,
                row.edited_at,
                row.body
            ));
        }
    }
    for row in reader.rows::<Reaction>().await? {
        if row.deleted_at.is_none() {
            let (by, content) = (login(&row.user_id), row.content.unwrap_or_default());
            lines.push(format!(
                "{} on {} by {by:?} at {}",
                content, row.subject_id.0, row.created_at.0
            ));
        }
    }
    for row in reader.rows::<Commit>().await? {
        if row.deleted_at.is_none() {
            let others: Vec<String> = row
                .coauthor_ids
                .iter()
                .map(|id| logins[id].clone())
                .collect();
            lines.push(format!(
                "{} {} by {:?} with {others:?} at {}: {:?}",
                row.repository_id.0,
                row.oid,
                login(&row.author_id),
                row.committed_at.0,
                row.message
            ));
        }
    }
    lines.extend(read_discussions(&reader, &logins).await?);
    lines.sort();
    Ok(lines)
}

/// Labels, milestones, releases and discussions.
async fn read_discussions(
    reader: &ArchiveReader<'_>,
    logins: &HashMap<UserId, String>,
) -> Result<Vec<String>, ReadError> {
    let login = |id: &Option<UserId>| id.as_ref().map(|id| logins[id].clone());
    let mut lines = Vec::new();
    for row in reader.rows::<Label>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} at {}: {:?} {:?}",
                row.repository_id.0, row.id.0, row.created_at.0, row.name, row.description
            ));
        }
    }
    for row in reader.rows::<Milestone>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} #{} by {:?} at {} closed {:?}: {:?} {:?}",
                row.repository_id.0,
                row.id.0,
                row.number,
                login(&row.creator_id),
                row.created_at.0,
                row.closed_at,
                row.title,
                row.description
            ));
        }
    }
    for row in reader.rows::<Release>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} by {:?} at {} {:?}: {:?} {:?}",
                row.repository_id.0,
                row.id.0,
                login(&row.author_id),
                row.created_at.0,
                row.tag,
                row.name,
                row.body
            ));
        }
    }
    for row in reader.rows::<Discussion>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} #{} by {:?} at {} edited {:?} in {} {:?} answer {:?} by {:?} at {:?}: {:?} {:?}",
                row.repository_id.0, row.id.0, row.number, login(&row.author_id), row.created_at.0, row.edited_at,
                row.category, ids(row.label_ids), row.answer_id.map(|id| id.0), login(&row.answer_chosen_by_id),
                row.answer_chosen_at, row.title, row.body
            ));
        }
    }
    for row in reader.rows::<DiscussionComment>().await? {
        if row.deleted_at.is_none() {
            lines.push(format!(
                "{} {} {} of {} {:?} by {:?} at {} edited {:?}: {:?}",
                row.repository_id.0,
                row.id.0,
                row.number,
                row.discussion_id.0,
                row.reply_to_id.map(|id| id.0),
                login(&row.author_id),
                row.created_at.0,
                row.edited_at,
                row.body
            ));
        }
    }
    Ok(lines)
}

fn ids(ids: Vec<NodeId>) -> Vec<String> {
    ids.into_iter().map(|id| id.0).collect()
}

/// The same of the repositories that are mirrored.
pub(super) fn truth(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    let login = |id| login(world, id);
    for repository in world.repositories() {
        let space = repository.node_id();
        lines.push(format!(
            "repository {space} {}",
            world.full_name(repository)
        ));
        let mut commits: Vec<_> = world.history(repository);
        let merged = world
            .threads(repository)
            .filter_map(|item| item.pull.as_ref()?.merge_commit);
        let mut merged: Vec<usize> = merged.collect();
        while let Some(at) = merged.pop() {
            let commit = &repository.commits[at];
            if commits.iter().all(|known| known.sha != commit.sha) {
                commits.push(commit);
                merged.extend(&commit.parents);
            }
        }
        for commit in commits {
            let mut authors = commit.authors.iter().map(|author| login(author.user));
            let first = authors.next().flatten();
            let mut others: Vec<String> = authors.flatten().collect();
            others.retain(|other| Some(other) != first.as_ref());
            lines.push(format!(
                "{space} {} by {first:?} with {others:?} at {}: {:?}",
                commit.sha,
                commit.at * 1000,
                commit.message
            ));
        }
        let items: Vec<&Item> = world
            .items()
            .filter(|item| item.repository == repository.id)
            .collect();
        lines.extend(
            world
                .markers(repository.id)
                .map(|marker| marker_line(world, marker)),
        );
        for item in items {
            if !is_shown(world, item) {
                continue;
            }
            lines.push(item_line(world, item));
            let id = item.node_id();
            for reaction in &item.reactions {
                let by = login(reaction.user);
                lines.push(format!(
                    "{} on {id} by {by:?} at {}",
                    reaction.content.graphql(),
                    reaction.created * 1000
                ));
            }
        }
    }
    lines.sort();
    lines
}

fn login(world: &World, id: Option<u64>) -> Option<String> {
    Some(world.account(id?)?.login.clone())
}

fn at(seconds: i64) -> Millis {
    Millis(seconds * 1000)
}

/// A line for a label or a milestone.
fn marker_line(world: &World, marker: &Marker) -> String {
    let home = world.repository(marker.repository).unwrap();
    let (space, id) = (home.node_id(), marker.node_id());
    let creator = login(world, marker.creator);
    match marker.kind {
        MarkerKind::Label => format!(
            "{space} {id} at {}: {:?} {:?}",
            marker.created * 1000,
            marker.name,
            marker.description
        ),
        MarkerKind::Milestone => format!(
            "{space} {id} #{} by {creator:?} at {} closed {:?}: {:?} {:?}",
            marker.number,
            marker.created * 1000,
            marker.closed.map(at),
            marker.name,
            marker.description
        ),
    }
}

/// A line for something that somebody wrote.
fn item_line(world: &World, item: &Item) -> String {
    let login = |id| login(world, id);
    let home = world.repository(item.repository).unwrap();
    let space = home.node_id();
    let commit = |place: usize| home.commits[place].node_id();
    let marks = |item: &Item, kind| {
        let mut marks: Vec<String> = world.marks(item, kind).map(Marker::node_id).collect();
        marks.sort();
        marks
    };
    let (id, by) = (item.node_id(), login(item.author));
    let thread = world.thread_of(item).map(Item::node_id).unwrap_or_default();
    let edited = item.edited.map(at);
    match item.kind {
        ItemKind::Issue | ItemKind::PullRequest => {
            let pull = item.pull.as_ref();
            format!(
                "{space} {id} #{} by {by:?} at {} edited {edited:?} closed {:?} merged {:?} as {:?} +{:?} {:?} for {:?}: {:?} {:?}",
                item.number,
                item.created * 1000,
                item.closed.map(at),
                pull.and_then(|pull| pull.merged).map(at),
                pull.and_then(|pull| pull.merge_commit).map(commit),
                pull.map(|pull| u64::from(pull.additions)),
                marks(item, MarkerKind::Label),
                marks(item, MarkerKind::Milestone).first(),
                item.title,
                item.body
            )
        }
        ItemKind::Review => format!(
            "{space} {id} {} of {thread} by {by:?} at {}: {} {:?}",
            item.id,
            item.created * 1000,
            item.review.unwrap().name(),
            item.body
        ),
        ItemKind::Comment | ItemKind::ReviewComment => {
            let review = world
                .item(item.parent)
                .filter(|parent| parent.kind == ItemKind::Review);
            format!(
                "{space} {id} {} of {thread} {:?} by {by:?} at {} edited {edited:?}: {:?}",
                item.id,
                review.map(Item::node_id),
                item.created * 1000,
                item.body
            )
        }
        ItemKind::Release => format!(
            "{space} {id} by {by:?} at {} {:?}: {:?} {:?}",
            item.created * 1000,
            item.release.as_ref().unwrap().tag,
            item.title,
            item.body
        ),
        ItemKind::Discussion => {
            let topic = item.topic.clone().unwrap();
            let answer = topic.answer;
            let comment = answer.and_then(|answer| world.item(answer.comment));
            format!(
                "{space} {id} #{} by {by:?} at {} edited {edited:?} in {} {:?} answer {:?} by {:?} at {:?}: {:?} {:?}",
                item.number,
                item.created * 1000,
                topic.category,
                marks(item, MarkerKind::Label),
                comment.map(Item::node_id),
                login(answer.and_then(|answer| answer.by)),
                answer.map(|answer| at(answer.at)),
                item.title,
                item.body
            )
        }
        ItemKind::DiscussionComment => {
            let above = world.item(item.parent).filter(|_| item.is_reply);
            format!(
                "{space} {id} {} of {thread} {:?} by {by:?} at {} edited {edited:?}: {:?}",
                item.id,
                above.map(Item::node_id),
                item.created * 1000,
                item.body
            )
        }
    }
}

/// Whether an item is to be mirrored: drafts aren't, nor what is left of deleted comments, nor discussions that are
/// switched off.
fn is_shown(world: &World, item: &Item) -> bool {
    let home = world.repository(item.repository).unwrap();
    let is_draft = item.release.as_ref().is_some_and(|release| release.draft);
    let discusses = matches!(
        item.kind,
        ItemKind::Discussion | ItemKind::DiscussionComment
    );
    !is_draft && item.deleted.is_none() && (home.has_discussions || !discusses)
}

/// Asserts that both are the same, and shows what differs.
#[track_caller]
pub(super) fn assert_same(found: &[String], expected: &[String]) {
    let only = |some: &[String], other: &[String]| -> Vec<String> {
        let only = some
            .iter()
            .filter(|line| other.binary_search(line).is_err());
        only.take(10).cloned().collect()
    };
    let (extra, missing) = (only(found, expected), only(expected, found));
    assert!(
        extra.is_empty() && missing.is_empty() && found.len() == expected.len(),
        "only in the archive: {extra:#?}\nonly on GitHub: {missing:#?}"
    );
}
