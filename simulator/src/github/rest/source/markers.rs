//! Labels, milestones, discussions and releases as REST and webhooks show them.

use serde_json::{Value, json};

use super::super::repository::extend;
use super::wire::{View, account, author, common, home, home_of, rollup};
use crate::github::graphql::{WEB, path};
use crate::github::world::{Item, Marker, MarkerKind, time};

/// The labels of an issue or pull request.
pub(super) fn labels(view: View<'_>, of: &Item) -> Value {
    let all = view.world.marks(of, MarkerKind::Label);
    all.map(|one| marker(view, one)).collect()
}

/// The milestone of an issue or pull request, or null.
pub(super) fn milestone(view: View<'_>, of: &Item) -> Value {
    let mut all = view.world.marks(of, MarkerKind::Milestone);
    all.next().map_or(Value::Null, |one| marker(view, one))
}

pub(crate) fn marker(view: View<'_>, of: &Marker) -> Value {
    let repository = view.world.repository(of.repository);
    let repository = repository.expect("a marker lies in a repository");
    let home = home(view, repository);
    if of.kind == MarkerKind::Label {
        let name =
            percent_encoding::utf8_percent_encode(&of.name, percent_encoding::NON_ALPHANUMERIC);
        return json!({
            "id": of.id, "node_id": of.node_id(), "url": format!("{home}/labels/{name}"), "name": of.name,
            "color": "d73a4a", "default": false, "description": of.description,
        });
    }
    let marked = |is_closed: bool| {
        let all = view.world.threads(repository);
        let all = all.filter(|item| item.markers.contains(&of.id));
        all.filter(|item| item.closed.is_some() == is_closed)
            .count()
    };
    let url = format!("{home}/milestones/{}", of.number);
    let creator = of.creator.and_then(|id| view.world.account(id));
    json!({
        "url": url, "labels_url": format!("{url}/labels"), "id": of.id, "node_id": of.node_id(), "number": of.number,
        "html_url": format!("{WEB}/{}/milestone/{}", view.world.full_name(repository), of.number),
        "state": if of.closed.is_some() { "closed" } else { "open" }, "title": of.name, "description": of.description,
        "creator": creator.map(|creator| account(view, creator)), "open_issues": marked(false), "closed_issues": marked(true),
        "created_at": time(of.created), "updated_at": time(of.updated), "closed_at": of.closed.map(time), "due_on": null,
    })
}

pub(super) fn discussion(view: View<'_>, of: &Item) -> Value {
    let home = home(view, home_of(view, of));
    let url = format!("{home}/discussions/{}", of.number);
    let topic = of.topic.clone().unwrap_or_default();
    let mut shown = common(view, of, &url);
    let more = json!({
        "repository_url": home, "number": of.number, "title": of.title, "comments": of.comments.len(), "locked": false,
        "state": if of.closed.is_some() { "closed" } else { "open" }, "answer_chosen_at": topic.answer.map(|answer| time(answer.at)),
        "category": {"name": topic.category}, "reactions": rollup(of, &url), "labels": labels(view, of),
    });
    extend(&mut shown, more);
    shown
}

pub(super) fn discussion_comment(view: View<'_>, of: &Item) -> Value {
    let home = home(view, home_of(view, of));
    let url = format!("{home}/discussions/{}/comments/{}", of.number, of.id);
    let mut shown = common(view, of, &url);
    let more = json!({
        "parent_id": of.is_reply.then_some(of.parent), "child_comment_count": of.comments.len(), "reactions": rollup(of, &url),
    });
    extend(&mut shown, more);
    shown
}

pub(super) fn release(view: View<'_>, of: &Item) -> Value {
    let url = format!("{}/releases/{}", home(view, home_of(view, of)), of.id);
    let release = of.release.clone().unwrap_or_default();
    json!({
        "id": of.id, "node_id": of.node_id(), "url": url, "html_url": format!("{WEB}{}", path(view.world, of)),
        "tag_name": release.tag, "name": of.title, "body": of.body, "draft": release.draft, "prerelease": false,
        "author": author(view, of.author), "created_at": time(of.created), "updated_at": time(of.updated),
        "published_at": (!release.draft).then(|| time(of.created)), "reactions": rollup(of, &url), "assets": [],
    })
}
