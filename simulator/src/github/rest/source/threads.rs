//! Issues, pull requests, comments, reviews, and reactions on them.

use serde_json::Value;

use super::super::call::{Answer, Call, Problem, Reply};
use super::list::{Keys, page, sort, time};
use super::wire::View;
use super::{here, wire};
use crate::github::world::{Item, ItemKind, Reaction};

fn keys(item: &Item) -> Keys {
    Keys {
        created: item.created,
        updated: item.updated,
        id: item.id,
    }
}

/// The issue or pull request with the number in the path.
fn thread<'c>(call: &Call<'c>) -> Result<&'c Item, Problem> {
    let home = here(call)?;
    let number = call.param(2).parse().map_err(|_| Problem::not_found())?;
    if home.deleted.contains(&number) {
        return Err(Problem::new(410, "This issue was deleted"));
    }
    call.world
        .thread(home, number)
        .ok_or_else(Problem::not_found)
}

/// Where an issue went, if it was transferred to where the token sees it.
fn moved(call: &Call<'_>) -> Option<Reply> {
    let number = call.param(2).parse().ok()?;
    let now = call.world.item(*call.source?.transferred.get(&number)?)?;
    call.world
        .repository(now.repository)
        .filter(|home| call.viewer.sees(home))?;
    let base = &call.viewer.settings.url;
    let to = format!(
        "{base}/repositories/{}/issues/{}",
        now.repository, now.number
    );
    Some(Reply::none(301).with("location", to))
}

/// Issues and pull requests, or the latter alone.
fn threads(
    call: &Call<'_>,
    path: &str,
    kinds: &[ItemKind],
    show: fn(View<'_>, &Item) -> Value,
) -> Answer {
    let since = time(call, "since")?;
    let state = call.asked("state").unwrap_or("open");
    let all = call.world.threads(here(call)?);
    let mut all: Vec<_> = all
        .filter(|item| kinds.contains(&item.kind))
        .filter(|item| state == "all" || (state == "open") == item.closed.is_none())
        .filter(|item| since.is_none_or(|since| item.updated >= since))
        .collect();
    sort(call, &mut all, true, |item| keys(item));
    Ok(page(call, path, &all, |item| show(call.view(), item)))
}

pub(in super::super) fn issues(call: &Call<'_>) -> Answer {
    let kinds = [ItemKind::Issue, ItemKind::PullRequest];
    threads(call, "/issues", &kinds, wire::issue)
}

pub(in super::super) fn pulls(call: &Call<'_>) -> Answer {
    threads(call, "/pulls", &[ItemKind::PullRequest], |view, item| {
        wire::pull(view, item, false)
    })
}

pub(in super::super) fn issue(call: &Call<'_>) -> Answer {
    match moved(call) {
        Some(reply) => Ok(reply),
        None => Ok(Reply::json(200, &wire::issue(call.view(), thread(call)?))),
    }
}

pub(in super::super) fn pull(call: &Call<'_>) -> Answer {
    let found = thread(call)?;
    if found.kind != ItemKind::PullRequest {
        return Err(Problem::not_found());
    }
    Ok(Reply::json(200, &wire::pull(call.view(), found, true)))
}

/// Items with these ids.
fn items(call: &Call<'_>, path: &str, ids: impl IntoIterator<Item = u64>) -> Answer {
    let since = time(call, "since")?;
    let found = ids.into_iter().filter_map(|id| call.world.item(id));
    let mut all: Vec<_> = found
        .filter(|item| since.is_none_or(|since| item.updated >= since))
        .collect();
    sort(call, &mut all, false, |item| keys(item));
    Ok(page(call, path, &all, |item| {
        wire::shown(call.view(), item)
    }))
}

pub(in super::super) fn comments(call: &Call<'_>) -> Answer {
    items(
        call,
        "/issues/comments",
        here(call)?.comments.iter().copied(),
    )
}

pub(in super::super) fn review_comments(call: &Call<'_>) -> Answer {
    items(
        call,
        "/pulls/comments",
        here(call)?.review_comments.iter().copied(),
    )
}

pub(in super::super) fn comments_on(call: &Call<'_>) -> Answer {
    let found = thread(call)?;
    let path = format!("/issues/{}/comments", found.number);
    items(call, &path, found.comments.iter().copied())
}

pub(in super::super) fn reviews(call: &Call<'_>) -> Answer {
    let found = thread(call)?;
    let path = format!("/pulls/{}/reviews", found.number);
    items(call, &path, found.reviews.iter().copied())
}

pub(in super::super) fn comments_in_reviews(call: &Call<'_>) -> Answer {
    let found = thread(call)?;
    let path = format!("/pulls/{}/comments", found.number);
    let reviews = found.reviews.iter().filter_map(|id| call.world.item(*id));
    items(
        call,
        &path,
        reviews.flat_map(|review| review.comments.iter().copied()),
    )
}

/// The comment, or the comment in a review, with the id in the path.
fn by_id<'c>(call: &Call<'c>) -> Result<&'c Item, Problem> {
    let id = call.param(2).parse().map_err(|_| Problem::not_found())?;
    let found = call.world.item(id).ok_or_else(Problem::not_found)?;
    let fits = matches!(found.kind, ItemKind::Comment | ItemKind::ReviewComment);
    if fits && found.repository == here(call)?.id {
        Ok(found)
    } else {
        Err(Problem::not_found())
    }
}

pub(in super::super) fn comment(call: &Call<'_>) -> Answer {
    Ok(Reply::json(200, &wire::shown(call.view(), by_id(call)?)))
}

pub(in super::super) fn reactions(call: &Call<'_>) -> Answer {
    let found = by_id(call)?;
    let part = if found.kind == ItemKind::Comment {
        "issues"
    } else {
        "pulls"
    };
    let path = format!("/{part}/comments/{}/reactions", found.id);
    Ok(reactions_on(call, &path, found))
}

pub(in super::super) fn issue_reactions(call: &Call<'_>) -> Answer {
    let found = thread(call)?;
    let path = format!("/issues/{}/reactions", found.number);
    Ok(reactions_on(call, &path, found))
}

fn reactions_on(call: &Call<'_>, path: &str, on: &Item) -> Reply {
    let content = call.asked("content");
    let wanted = |one: &&Reaction| content.is_none_or(|content| one.content.rest() == content);
    let all: Vec<_> = on.reactions.iter().filter(wanted).collect();
    page(call, path, &all, |one| wire::reaction(call.view(), on, one))
}
