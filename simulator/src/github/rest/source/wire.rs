//! The world's objects as REST shows them.

use serde_json::{Value, json};

use super::super::repository::{URLS, extend};
use super::super::wire::{permissions, simple_user, verification};
use super::markers;
use crate::github::graphql::{WEB, page, path};
use crate::github::options::Role;
use crate::github::world::{
    Account, AccountKind, Commit, Content, GHOST, Item, ItemKind, Reaction, Repository, World, id,
    time,
};

/// What there is to show, from where, and to whom.
#[derive(Clone, Copy)]
pub(crate) struct View<'w> {
    pub(crate) base: &'w str,
    pub(crate) world: &'w World,
    pub(crate) role: Role,
}

/// The number of the account that stands for deleted ones.
const GHOST_ID: u64 = 10_137;

/// A bot's login has a suffix here, and not in GraphQL.
pub(super) fn login(account: &Account) -> String {
    match account.kind {
        AccountKind::Bot => format!("{}[bot]", account.login),
        _ => account.login.clone(),
    }
}

pub(super) fn account(view: View<'_>, of: &Account) -> Value {
    let base = view.base;
    let web = format!("{WEB}{}", page(of));
    simple_user(
        base,
        &login(of),
        of.id,
        &of.node_id(),
        (of.kind.type_name(), &web),
    )
}

/// An author: in place of a deleted one, an account for all of them.
pub(super) fn author(view: View<'_>, id: Option<u64>) -> Value {
    if let Some(found) = id.and_then(|id| view.world.account(id)) {
        return account(view, found);
    }
    let node_id = id::account(AccountKind::User, GHOST_ID);
    let web = format!("{WEB}/{GHOST}");
    simple_user(view.base, GHOST, GHOST_ID, &node_id, ("User", &web))
}

/// The address of a repository in the API.
pub(super) fn home(view: View<'_>, of: &Repository) -> String {
    format!("{}/repos/{}", view.base, view.world.full_name(of))
}

/// A repository as in lists.
pub(crate) fn repository(view: View<'_>, of: &Repository) -> Value {
    let (name, home) = (view.world.full_name(of), home(view, of));
    let web = format!("{WEB}/{name}");
    let owner = view
        .world
        .account(of.owner)
        .map(|owner| account(view, owner));
    let open = view
        .world
        .threads(of)
        .filter(|item| item.closed.is_none())
        .count();
    let mut shown = json!({
        "id": of.id, "node_id": of.node_id(), "name": of.name, "full_name": name,
        "private": of.private, "visibility": if of.private { "private" } else { "public" },
        "owner": owner, "html_url": web, "description": null, "fork": false,
        "clone_url": format!("{web}.git"), "git_url": format!("{web}.git"), "ssh_url": format!("{web}.git"), "svn_url": web,
        "mirror_url": null, "homepage": null, "language": null, "license": null, "topics": [], "size": 1, "default_branch": of.branch,
    });
    let more = json!({
        "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
        "open_issues": open, "open_issues_count": open,
        "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": of.has_discussions,
        "archived": false, "disabled": false, "is_template": false, "allow_forking": true, "web_commit_signoff_required": false,
        "pushed_at": time(of.pushed), "created_at": time(of.created), "updated_at": time(of.updated),
        "permissions": permissions(view.role),
    });
    extend(&mut shown, more);
    for (field, end) in URLS {
        shown[*field] = json!(format!("{home}{end}"));
    }
    shown
}

/// What an item has everywhere.
pub(super) fn common(view: View<'_>, of: &Item, url: &str) -> Value {
    json!({
        "id": of.id, "node_id": of.node_id(), "url": url, "html_url": format!("{WEB}{}", path(view.world, of)),
        "user": author(view, of.author), "body": of.body, "author_association": "CONTRIBUTOR",
        "created_at": time(of.created), "updated_at": time(of.updated),
    })
}

pub(super) fn rollup(of: &Item, url: &str) -> Value {
    let mut shown = json!({"url": format!("{url}/reactions"), "total_count": of.reactions.len()});
    for (content, _, name) in Content::ALL {
        let count = of
            .reactions
            .iter()
            .filter(|one| one.content == content)
            .count();
        shown[name] = json!(count);
    }
    shown
}

/// The repository of an item. Items go with their repository.
pub(super) fn home_of<'c>(view: View<'c>, of: &Item) -> &'c Repository {
    view.world
        .repository(of.repository)
        .expect("an item lies in a repository")
}

/// An issue, or a pull request as an issue.
pub(super) fn issue(view: View<'_>, of: &Item) -> Value {
    let home = home(view, home_of(view, of));
    let url = format!("{home}/issues/{}", of.number);
    let mut shown = common(view, of, &url);
    let more = json!({
        "repository_url": home, "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"), "timeline_url": format!("{url}/timeline"), "number": of.number, "title": of.title,
        "state": if of.closed.is_some() { "closed" } else { "open" }, "locked": false, "labels": markers::labels(view, of), "assignee": null,
        "assignees": [], "milestone": markers::milestone(view, of), "comments": of.comments.len(), "closed_at": of.closed.map(time),
        "active_lock_reason": null, "state_reason": of.closed.filter(|_| of.pull.is_none()).map(|_| "completed"),
        "reactions": rollup(of, &url), "performed_via_github_app": null,
    });
    extend(&mut shown, more);
    if let Some(pull) = &of.pull {
        let web = format!("{WEB}{}", path(view.world, of));
        shown["draft"] = json!(false);
        shown["pull_request"] = json!({
            "url": format!("{home}/pulls/{}", of.number), "html_url": web, "diff_url": format!("{web}.diff"),
            "patch_url": format!("{web}.patch"), "merged_at": pull.merged.map(time),
        });
    }
    shown
}

/// A comment on an issue or a pull request.
pub(super) fn comment(view: View<'_>, of: &Item) -> Value {
    let home = home(view, home_of(view, of));
    let url = format!("{home}/issues/comments/{}", of.id);
    let mut shown = common(view, of, &url);
    let more = json!({
        "issue_url": format!("{home}/issues/{}", of.number), "reactions": rollup(of, &url), "performed_via_github_app": null,
    });
    extend(&mut shown, more);
    shown
}

/// A commit's hash where none is simulated.
fn tip(of: &Repository) -> String {
    let head = of.head.map(|at| of.commits[at].sha.clone());
    head.unwrap_or_else(|| "0".repeat(40))
}

/// A pull request as in lists, or with what only its own page has.
pub(super) fn pull(view: View<'_>, of: &Item, whole: bool) -> Value {
    let repository = home_of(view, of);
    let home = home(view, repository);
    let (url, issue) = (
        format!("{home}/pulls/{}", of.number),
        format!("{home}/issues/{}", of.number),
    );
    let web = format!("{WEB}{}", path(view.world, of));
    let pull = of.pull.clone().unwrap_or_default();
    let mut shown = common(view, of, &url);
    let link = |end: &str| json!({"href": format!("{url}{end}")});
    let (tip, owner) = (
        tip(repository),
        view.world
            .account(repository.owner)
            .map(|owner| account(view, owner)),
    );
    let branch = |name: &str| {
        let label = format!(
            "{}:{name}",
            owner
                .as_ref()
                .map_or(GHOST, |owner| owner["login"].as_str().unwrap_or(GHOST))
        );
        json!({"label": label, "ref": name, "sha": tip, "user": owner, "repo": self::repository(view, repository)})
    };
    let merge = pull.merge_commit.map(|at| &repository.commits[at]);
    let more = json!({
        "diff_url": format!("{web}.diff"), "patch_url": format!("{web}.patch"), "issue_url": issue, "number": of.number,
        "state": if of.closed.is_some() { "closed" } else { "open" }, "locked": false, "title": of.title,
        "closed_at": of.closed.map(time), "merged_at": pull.merged.map(time), "merge_commit_sha": merge.map(|commit| &commit.sha),
        "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "labels": markers::labels(view, of),
        "milestone": markers::milestone(view, of), "draft": false, "commits_url": format!("{url}/commits"), "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{home}/pulls/comments{{/number}}"), "comments_url": format!("{issue}/comments"),
        "statuses_url": format!("{home}/statuses/{tip}"), "head": branch(&format!("change-{}", of.number)),
        "base": branch(&repository.branch), "auto_merge": null, "active_lock_reason": null,
        "_links": {
            "self": link(""), "html": {"href": web}, "issue": {"href": issue}, "comments": {"href": format!("{issue}/comments")},
            "review_comments": link("/comments"), "review_comment": {"href": format!("{home}/pulls/comments{{/number}}")},
            "commits": link("/commits"), "statuses": {"href": format!("{home}/statuses/{tip}")},
        },
    });
    extend(&mut shown, more);
    if whole {
        let reviews = of.reviews.iter().filter_map(|id| view.world.item(*id));
        let in_reviews: usize = reviews.map(|one| one.comments.len()).sum();
        let by = merge.and_then(|commit| view.world.account(commit.authors[0].user?));
        let more = json!({
            "merged": pull.merged.is_some(), "mergeable": null, "rebaseable": null, "mergeable_state": "unknown",
            "merged_by": by.map(|by| account(view, by)), "comments": of.comments.len(), "review_comments": in_reviews,
            "maintainer_can_modify": false, "commits": 1, "additions": pull.additions, "deletions": pull.deletions,
            "changed_files": 1,
        });
        extend(&mut shown, more);
    }
    shown
}

pub(super) fn review(view: View<'_>, of: &Item) -> Value {
    let repository = home_of(view, of);
    let url = format!("{}/pulls/{}", home(view, repository), of.number);
    let web = format!("{WEB}{}", path(view.world, of));
    json!({
        "id": of.id, "node_id": of.node_id(), "user": author(view, of.author), "body": of.body,
        "state": of.review.map_or("COMMENTED", |state| state.name()), "html_url": web, "pull_request_url": url,
        "author_association": "CONTRIBUTOR", "submitted_at": time(of.created), "commit_id": tip(repository),
        "_links": {"html": {"href": web}, "pull_request": {"href": url}},
    })
}

/// A comment in a review.
pub(super) fn review_comment(view: View<'_>, of: &Item) -> Value {
    let repository = home_of(view, of);
    let home = home(view, repository);
    let (url, pull) = (
        format!("{home}/pulls/comments/{}", of.id),
        format!("{home}/pulls/{}", of.number),
    );
    let mut shown = common(view, of, &url);
    let tip = tip(repository);
    let more = json!({
        "pull_request_review_id": of.parent, "diff_hunk": "@@ -1 +1 @@", "path": "src/lib.rs", "commit_id": tip,
        "original_commit_id": tip, "pull_request_url": pull, "position": 1, "original_position": 1, "line": 1,
        "original_line": 1, "start_line": null, "original_start_line": null, "start_side": null, "side": "RIGHT",
        "subject_type": "line", "reactions": rollup(of, &url),
        "_links": {"self": {"href": url}, "html": {"href": shown["html_url"]}, "pull_request": {"href": pull}},
    });
    extend(&mut shown, more);
    shown
}

pub(super) fn reaction(view: View<'_>, on: &Item, of: &Reaction) -> Value {
    let user = of.user.and_then(|user| view.world.account(user));
    json!({
        "id": of.id, "node_id": id::reaction(on.id, of.id), "user": user.map(|user| account(view, user)),
        "content": of.content.rest(), "created_at": time(of.created),
    })
}

pub(super) fn commit(view: View<'_>, home: &Repository, of: &Commit) -> Value {
    let api = self::home(view, home);
    let web = format!("{WEB}/{}", view.world.full_name(home));
    let (sha, author) = (&of.sha, &of.authors[0]);
    let user = author.user.and_then(|user| view.world.account(user));
    let user = user.map(|user| account(view, user));
    let signed = json!({"name": author.name, "email": author.email, "date": time(of.at)});
    let parents = of.parents.iter().map(|at| &home.commits[*at].sha);
    let parents: Vec<_> = parents
        .map(|sha| json!({"sha": sha, "url": format!("{api}/commits/{sha}"), "html_url": format!("{web}/commit/{sha}")}))
        .collect();
    json!({
        "sha": sha, "node_id": of.node_id(), "url": format!("{api}/commits/{sha}"), "html_url": format!("{web}/commit/{sha}"),
        "comments_url": format!("{api}/commits/{sha}/comments"), "author": user, "committer": user, "parents": parents,
        "commit": {
            "author": signed, "committer": signed, "message": of.message, "comment_count": 0, "verification": verification(),
            "url": format!("{api}/git/commits/{sha}"),
            // The world has no files.
            "tree": {"sha": sha, "url": format!("{api}/git/trees/{sha}")},
        },
    })
}

/// An item by what it is.
pub(super) fn shown(view: View<'_>, of: &Item) -> Value {
    match of.kind {
        ItemKind::Comment => comment(view, of),
        ItemKind::ReviewComment => review_comment(view, of),
        ItemKind::Review => review(view, of),
        ItemKind::Issue | ItemKind::PullRequest => issue(view, of),
        ItemKind::Discussion => markers::discussion(view, of),
        ItemKind::DiscussionComment => markers::discussion_comment(view, of),
        ItemKind::Release => markers::release(view, of),
    }
}

/// Adds to a webhook's body what it is about.
pub(crate) fn into_event(view: View<'_>, of: &Item, body: &mut Value) {
    let thread = view.world.thread_of(of);
    let shown_thread = |thread: &Item| match thread.kind {
        ItemKind::PullRequest => pull(view, thread, false),
        _ => issue(view, thread),
    };
    match of.kind {
        ItemKind::Issue => body["issue"] = issue(view, of),
        ItemKind::PullRequest => body["pull_request"] = pull(view, of, true),
        ItemKind::Comment => {
            body["comment"] = comment(view, of);
            body["issue"] = thread.map(|thread| issue(view, thread)).into();
        }
        ItemKind::Review => {
            body["review"] = review(view, of);
            body["pull_request"] = thread.map(shown_thread).into();
        }
        ItemKind::ReviewComment => {
            body["comment"] = review_comment(view, of);
            body["pull_request"] = thread.map(shown_thread).into();
        }
        ItemKind::Discussion => body["discussion"] = markers::discussion(view, of),
        ItemKind::DiscussionComment => {
            body["comment"] = markers::discussion_comment(view, of);
            body["discussion"] = thread
                .map(|thread| markers::discussion(view, thread))
                .into();
        }
        ItemKind::Release => body["release"] = markers::release(view, of),
    }
    body["sender"] = author(view, of.author);
}
