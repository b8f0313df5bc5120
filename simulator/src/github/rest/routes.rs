//! The route table, named as in GitHub's `OpenAPI` description.

use super::call::{Answer, Call};
use super::source::{accounts, commits as pushed, threads};
use super::{commits, contents, objects, refs, repository, tarball};
use crate::github::faults::Kind;

/// A route: method and path, kind, and who answers for the archive, and for a repository of the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) template: &'static str,
    pub(crate) kind: Kind,
    pub(crate) answer: Option<fn(&Call<'_>) -> Answer>,
    pub(crate) source: Option<fn(&Call<'_>) -> Answer>,
}

const fn route(
    method: &'static str,
    template: &'static str,
    kind: Kind,
    answer: fn(&Call<'_>) -> Answer,
) -> Route {
    Route {
        method,
        template,
        kind,
        answer: Some(answer),
        source: None,
    }
}

/// A route that only the world has.
const fn source(template: &'static str, kind: Kind, answer: fn(&Call<'_>) -> Answer) -> Route {
    Route {
        method: "GET",
        template,
        kind,
        answer: None,
        source: Some(answer),
    }
}

impl Route {
    const fn or(self, source: fn(&Call<'_>) -> Answer) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }
}

use Kind::{
    Account, Codeload, ReadBlob, ReadCommit, ReadContents, ReadIssues, ReadRef, ReadTree,
    Repository, Tarball, WriteBlob, WriteCommit, WriteContents, WriteRef, WriteTree,
};

const REFS: &str = "/repos/{owner}/{repo}/git/refs";
const REF: &str = "/repos/{owner}/{repo}/git/refs/{ref}";
const CONTENTS: &str = "/repos/{owner}/{repo}/contents/{path}";

/// All routes; the first match wins.
const ROUTES: &[Route] = &[
    route("GET", "/rate_limit", Account, repository::rate_limit),
    route("GET", "/user", Account, repository::user),
    route("GET", "/repos/{owner}/{repo}", Repository, repository::get).or(accounts::repository),
    source(
        "/repositories/{repository_id}",
        Repository,
        accounts::no_repository,
    ),
    route("GET", "/users/{username}", Account, accounts::user),
    route("GET", "/user/{account_id}", Account, accounts::user_by_id),
    route(
        "GET",
        "/users/{username}/repos",
        Repository,
        accounts::repositories,
    ),
    route(
        "GET",
        "/orgs/{org}/repos",
        Repository,
        accounts::repositories,
    ),
    source("/repos/{owner}/{repo}/issues", ReadIssues, threads::issues),
    source(
        "/repos/{owner}/{repo}/issues/comments",
        ReadIssues,
        threads::comments,
    ),
    source(
        "/repos/{owner}/{repo}/issues/comments/{comment_id}",
        ReadIssues,
        threads::comment,
    ),
    source(
        "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        ReadIssues,
        threads::reactions,
    ),
    source(
        "/repos/{owner}/{repo}/issues/{issue_number}",
        ReadIssues,
        threads::issue,
    ),
    source(
        "/repos/{owner}/{repo}/issues/{issue_number}/comments",
        ReadIssues,
        threads::comments_on,
    ),
    source(
        "/repos/{owner}/{repo}/issues/{issue_number}/reactions",
        ReadIssues,
        threads::issue_reactions,
    ),
    source("/repos/{owner}/{repo}/pulls", ReadIssues, threads::pulls),
    source(
        "/repos/{owner}/{repo}/pulls/comments",
        ReadIssues,
        threads::review_comments,
    ),
    source(
        "/repos/{owner}/{repo}/pulls/comments/{comment_id}",
        ReadIssues,
        threads::comment,
    ),
    source(
        "/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions",
        ReadIssues,
        threads::reactions,
    ),
    source(
        "/repos/{owner}/{repo}/pulls/{pull_number}",
        ReadIssues,
        threads::pull,
    ),
    source(
        "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
        ReadIssues,
        threads::reviews,
    ),
    source(
        "/repos/{owner}/{repo}/pulls/{pull_number}/comments",
        ReadIssues,
        threads::comments_in_reviews,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/branches",
        Repository,
        repository::branches,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/branches/{branch}",
        Repository,
        repository::branch,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/git/ref/{ref}",
        ReadRef,
        refs::get,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/git/matching-refs/{ref}",
        ReadRef,
        refs::matching,
    ),
    route("POST", REFS, WriteRef, refs::create),
    route("PATCH", REF, WriteRef, refs::update),
    route("DELETE", REF, WriteRef, refs::delete),
    route("GET", CONTENTS, ReadContents, contents::get),
    route("PUT", CONTENTS, WriteContents, contents::put),
    route("DELETE", CONTENTS, WriteContents, contents::delete),
    route(
        "GET",
        "/repos/{owner}/{repo}/git/blobs/{file_sha}",
        ReadBlob,
        objects::blob,
    ),
    route(
        "POST",
        "/repos/{owner}/{repo}/git/blobs",
        WriteBlob,
        objects::create_blob,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/git/trees/{tree_sha}",
        ReadTree,
        objects::tree,
    ),
    route(
        "POST",
        "/repos/{owner}/{repo}/git/trees",
        WriteTree,
        objects::create_tree,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/git/commits/{commit_sha}",
        ReadCommit,
        commits::get_object,
    ),
    route(
        "POST",
        "/repos/{owner}/{repo}/git/commits",
        WriteCommit,
        commits::create_object,
    ),
    route(
        "GET",
        "/repos/{owner}/{repo}/commits",
        ReadCommit,
        commits::list,
    )
    .or(pushed::list),
    route(
        "GET",
        "/repos/{owner}/{repo}/commits/{ref}",
        ReadCommit,
        commits::get,
    )
    .or(pushed::get),
    route(
        "GET",
        "/repos/{owner}/{repo}/tarball/{ref}",
        Tarball,
        tarball::redirect,
    ),
    route(
        "GET",
        "/codeload/{owner}/{repo}/legacy.tar.gz/{ref}",
        Codeload,
        tarball::download,
    ),
];

/// Parameters that take the rest of the path, including slashes.
const GREEDY: &[&str] = &["{ref}", "{path}", "{branch}"];

/// The root folder and the default branch's tarball need no name.
const MAY_BE_EMPTY: &[&str] = &["/contents/{path}", "/tarball/{ref}"];

/// Finds the route, with its parameters still percent-encoded.
pub(crate) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| Some((route, fit(route.template, path)?)))
}

fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut rest = path;
    for part in template.split('/').skip(1) {
        let after = match rest.strip_prefix('/') {
            Some(after) => after,
            None if rest.is_empty() && MAY_BE_EMPTY.iter().any(|end| template.ends_with(end)) => "",
            None => return None,
        };
        if GREEDY.contains(&part) && template.ends_with(part) {
            params.push(after.trim_end_matches('/').to_owned());
            return Some(params);
        }
        let (segment, left) = match after.find('/') {
            Some(end) => after.split_at(end),
            None => (after, ""),
        };
        if part.starts_with('{') && !segment.is_empty() {
            params.push(segment.to_owned());
        } else if part != segment {
            return None;
        }
        rest = left;
    }
    rest.is_empty().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_routes() {
        let (route, params) = find("GET", "/repos/o/r/contents/a/b%20c").expect("contents");
        assert_eq!((route.kind, params[2].as_str()), (ReadContents, "a/b%20c"));
        let (route, params) = find("GET", "/repos/o/r/git/ref/heads/a/b").expect("a ref");
        assert_eq!((route.kind, params[2].as_str()), (ReadRef, "heads/a/b"));
        assert!(find("GET", "/repos/o/r/tarball").is_some());
        assert!(find("GET", "/repos/o/r").is_some());
        assert!(find("GET", "/repos/o").is_none());
        assert!(find("GET", "/repos/o/r/git/blobs/a/b").is_none());
        assert!(find("DELETE", "/repos/o/r").is_none());
    }
}
