//! The repository, its branches, the account and its rate limit.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use super::wire;
use crate::github::limits::Budget;
use crate::github::node;
use crate::github::options::Visibility;

pub(super) fn rate_limit(call: &Call<'_>) -> Answer {
    let state = call.shared.lock();
    let budget = if call.viewer.known {
        Budget::Core
    } else {
        Budget::Anonymous
    };
    if state.limiter.headers(budget).is_empty() {
        return Err(Problem::new(404, "Rate limiting is not enabled."));
    }
    let (core, graphql) = (
        state.limiter.shown(budget),
        state.limiter.shown(Budget::Graphql),
    );
    let search = json!({"limit": 30, "remaining": 30, "reset": core["reset"], "used": 0});
    let shown =
        json!({"resources": {"core": core, "graphql": graphql, "search": search}, "rate": core});
    Ok(Reply::json(200, &shown))
}

pub(super) fn user(call: &Call<'_>) -> Answer {
    if !call.viewer.known {
        return Err(Problem::new(401, "Requires authentication"));
    }
    let settings = &call.viewer.settings;
    let mut shown = wire::user(&settings.url, &settings.login);
    let since = settings.created.to_string();
    let more = json!({
        "name": null, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "twitter_username": null, "public_repos": 1, "public_gists": 0, "followers": 0, "following": 0,
        "created_at": since, "updated_at": since,
    });
    extend(&mut shown, more);
    Ok(Reply::json(200, &shown))
}

pub(super) fn extend(shown: &mut Value, more: Value) {
    if let (Value::Object(shown), Value::Object(more)) = (shown, more) {
        shown.extend(more);
    }
}

/// URLs of a repository that differ only in their suffix.
pub(super) const URLS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

pub(super) fn get(call: &Call<'_>) -> Answer {
    call.viewer.see()?;
    let (settings, web, home) = (&call.viewer.settings, wire::web(call), call.home());
    let name = settings.full_name();
    let branch = call.git().default_branch()?;
    let head = call.git().commit(&branch)?;
    let pushed = head.map_or(settings.created, |commit| commit.committer.at);
    let visibility = match settings.visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
        Visibility::Internal => "internal",
    };
    let mut shown = json!({
        "id": wire::number(&name), "node_id": node::repository(&name), "name": settings.repo, "full_name": name,
        "private": settings.visibility != Visibility::Public, "visibility": visibility,
        "owner": wire::user(&settings.url, &settings.owner), "html_url": web, "description": null, "fork": false,
        "clone_url": format!("{web}.git"), "git_url": format!("{web}.git"), "ssh_url": format!("{web}.git"), "svn_url": web,
        "mirror_url": null, "homepage": null, "language": null, "license": null, "topics": [],
        "size": call.git().size()? / 1024, "default_branch": branch,
    });
    let more = json!({
        "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
        "open_issues": 0, "open_issues_count": 0, "network_count": 0, "subscribers_count": 0,
        "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false,
        "archived": settings.archived, "disabled": false, "is_template": false, "allow_forking": true, "web_commit_signoff_required": false,
        "pushed_at": pushed.to_string(), "created_at": settings.created.to_string(), "updated_at": pushed.to_string(),
    });
    extend(&mut shown, more);
    for (field, end) in URLS {
        shown[*field] = json!(format!("{home}{end}"));
    }
    if call.viewer.known {
        shown["permissions"] = wire::permissions(settings.role);
    }
    Ok(Reply::json(200, &shown))
}

pub(super) fn branches(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    let found = call.git().refs("refs/heads/")?;
    let (size, page) = (call.number("per_page", 30).min(100), call.number("page", 1));
    let list: Vec<_> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|(name, oid, _)| {
            let protected = call.viewer.settings.is_protected(name);
            let commit = json!({"sha": oid, "url": format!("{}/commits/{oid}", call.home())});
            json!({"name": name.trim_start_matches("refs/heads/"), "commit": commit, "protected": protected})
        })
        .collect();
    Ok(Reply::json(200, &list))
}

pub(super) fn branch(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    let (name, home) = (call.param(2), call.home());
    let full = format!("refs/heads/{name}");
    let missing = || Problem::new(404, "Branch not found");
    let found = call.git().target(&full)?;
    if let (None, Some(now)) = (&found, call.viewer.settings.renamed.get(name)) {
        return Ok(Reply::none(301).with("location", format!("{home}/branches/{now}")));
    }
    let (oid, _) = found.ok_or_else(missing)?;
    let protected = call.viewer.settings.is_protected(&full);
    let url = format!("{home}/branches/{name}");
    let checks = json!({"enforcement_level": "off", "contexts": [], "checks": []});
    let shown = json!({
        "name": name,
        "commit": wire::commit(call, &oid)?,
        "_links": {"self": url, "html": format!("{}/tree/{name}", wire::web(call))},
        "protected": protected,
        "protection": {"enabled": protected, "required_status_checks": checks},
        "protection_url": format!("{url}/protection"),
    });
    Ok(Reply::json(200, &shown))
}
