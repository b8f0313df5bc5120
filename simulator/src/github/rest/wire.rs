//! REST objects that occur in several responses.

use serde_json::{Value, json};

use super::call::{Call, Problem};
use crate::github::git::{Commit, Signature};
use crate::github::node;
use crate::github::options::Role;

/// A small number derived from a name.
pub(super) fn number(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash >> 4
}

/// An account, as a "simple user".
pub(super) fn user(url: &str, login: &str) -> Value {
    let id = u64::from(number(login));
    let web = format!("{url}/{login}");
    simple_user(url, login, id, &node::user(login), ("User", &web))
}

/// A "simple user" of a type, with its web page.
pub(super) fn simple_user(
    url: &str,
    login: &str,
    id: u64,
    node_id: &str,
    (kind, web): (&str, &str),
) -> Value {
    let api = format!("{url}/users/{login}");
    json!({
        "login": login,
        "id": id,
        "node_id": node_id,
        "avatar_url": format!("{url}/avatars/{login}"),
        "gravatar_id": "",
        "url": api,
        "html_url": web,
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": kind,
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// A role's permissions, as in a repository object.
pub(super) fn permissions(role: Role) -> Value {
    json!({
        "admin": role == Role::Admin,
        "maintain": role == Role::Admin,
        "push": role >= Role::Write,
        "triage": role >= Role::Write,
        "pull": true,
    })
}

pub(super) fn signature(of: &Signature) -> Value {
    json!({"name": of.name, "email": of.email, "date": of.at.to_string()})
}

/// GitHub signs its own commits; the simulator doesn't.
pub(super) fn verification() -> Value {
    json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
}

fn parents(call: &Call<'_>, commit: &Commit, api: &str) -> Vec<Value> {
    let web = web(call);
    let parent = |oid: &String| json!({"sha": oid, "url": format!("{}{api}/{oid}", call.home()), "html_url": format!("{web}/commit/{oid}")});
    commit.parents.iter().map(parent).collect()
}

/// The repository's web URL.
pub(super) fn web(call: &Call<'_>) -> String {
    let settings = &call.viewer.settings;
    format!("{}/{}", settings.url, settings.full_name())
}

/// A commit in the git database.
pub(super) fn git_commit(call: &Call<'_>, commit: &Commit) -> Value {
    let (home, oid, tree) = (call.home(), &commit.oid, &commit.tree);
    json!({
        "sha": oid,
        "node_id": node::object("C", oid),
        "url": format!("{home}/git/commits/{oid}"),
        "html_url": format!("{}/commit/{oid}", web(call)),
        "author": signature(&commit.author),
        "committer": signature(&commit.committer),
        "tree": {"sha": tree, "url": format!("{home}/git/trees/{tree}")},
        "message": commit.message.trim_end(),
        "parents": parents(call, commit, "/git/commits"),
        "verification": verification(),
    })
}

/// A commit in lists.
pub(super) fn commit(call: &Call<'_>, oid: &str) -> Result<Value, Problem> {
    let commit = call.git().commit(oid)?.ok_or_else(Problem::not_found)?;
    let (home, url, tree) = (call.home(), &call.viewer.settings.url, &commit.tree);
    Ok(json!({
        "sha": oid,
        "node_id": node::object("C", oid),
        "commit": {
            "author": signature(&commit.author),
            "committer": signature(&commit.committer),
            "message": commit.message.trim_end(),
            "tree": {"sha": tree, "url": format!("{home}/git/trees/{tree}")},
            "url": format!("{home}/git/commits/{oid}"),
            "comment_count": 0,
            "verification": verification(),
        },
        "url": format!("{home}/commits/{oid}"),
        "html_url": format!("{}/commit/{oid}", web(call)),
        "comments_url": format!("{home}/commits/{oid}/comments"),
        "author": user(url, &commit.author.name),
        "committer": user(url, &commit.committer.name),
        "parents": parents(call, &commit, "/commits"),
    }))
}
