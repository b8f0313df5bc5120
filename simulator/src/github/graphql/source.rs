//! Repositories, accounts and commits of the world.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::object::{Field, Given, Thing};
use super::page::Entry;
use super::{World, instant, problem, text};
use crate::github::options::Role;
use crate::github::viewer::NOT_ACCESSIBLE;
use crate::github::world::{
    Account, AccountKind, Commit, GitActor, ItemKind, Repository, id, time,
};

/// Where web pages are, whatever the API's address is: texts link there.
pub(in crate::github) const WEB: &str = "https://github.com";

impl<'w> World<'w> {
    pub(super) fn repository(
        &self,
        of: &'w Repository,
        name: &str,
        arguments: &JsonMap,
    ) -> Field<'w> {
        if matches!(name, "defaultBranchRef" | "ref" | "object") && !of.shows_contents {
            return Err(problem("FORBIDDEN", NOT_ACCESSIBLE));
        }
        let full_name = self.source.full_name(of);
        let url = format!("{WEB}/{full_name}");
        Ok(Some(match name {
            "id" => of.node_id().into(),
            "databaseId" => number(of.id),
            "name" => of.name.as_str().into(),
            "nameWithOwner" => full_name.into(),
            "owner" => Given::maybe(self.source.account(of.owner).map(Thing::Account)),
            "url" => url.into(),
            "resourcePath" => format!("/{full_name}").into(),
            "isPrivate" => of.private.into(),
            "visibility" => if of.private { "PRIVATE" } else { "PUBLIC" }.into(),
            "isEmpty" => of.head.is_none().into(),
            "hasIssuesEnabled" | "isInOrganization" => true.into(),
            "createdAt" => time(of.created).into(),
            "updatedAt" => time(of.updated).into(),
            "pushedAt" => time(of.pushed).into(),
            "viewerPermission" => self.permission(),
            "defaultBranchRef" => Given::maybe(of.head.map(|_| Thing::Branch(of))),
            "ref" => {
                let asked = text(arguments, "qualifiedName");
                let asked = asked.strip_prefix("refs/heads/").unwrap_or(asked);
                let found = of.head.filter(|_| asked == of.branch);
                Given::maybe(found.map(|_| Thing::Branch(of)))
            }
            "object" => {
                let (oid, expression) = (text(arguments, "oid"), text(arguments, "expression"));
                let found = match if oid.is_empty() { expression } else { oid } {
                    head if head == of.branch || head == "HEAD" => {
                        of.head.map(|head| &of.commits[head])
                    }
                    sha => of.commit(sha),
                };
                Given::maybe(found.map(Thing::Commit))
            }
            "issues" => self.threads(of, ItemKind::Issue, arguments),
            "pullRequests" => self.threads(of, ItemKind::PullRequest, arguments),
            "issue" => Given::One(self.numbered(of, arguments, &[ItemKind::Issue], "an Issue")?),
            "pullRequest" => Given::One(self.numbered(
                of,
                arguments,
                &[ItemKind::PullRequest],
                "a PullRequest",
            )?),
            "issueOrPullRequest" => {
                let kinds = [ItemKind::Issue, ItemKind::PullRequest];
                Given::One(self.numbered(of, arguments, &kinds, "an issue or pull request")?)
            }
            _ => return self.repository_discussions(of, name, arguments),
        }))
    }

    pub(super) fn permission(&self) -> Given<'w> {
        match self.viewer.settings.role {
            Role::Admin => "ADMIN",
            Role::Write => "WRITE",
            Role::Read => "READ",
        }
        .into()
    }

    pub(super) fn account(
        &self,
        of: &'w Account,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        Some(match name {
            "id" => of.node_id().into(),
            "databaseId" => number(of.id),
            "login" => of.login.as_str().into(),
            "name" => of.name.clone().into(),
            "url" => format!("{WEB}{}", page(of)).into(),
            "resourcePath" => page(of).into(),
            "avatarUrl" => format!("https://avatars.githubusercontent.com/u/{}?v=4", of.id).into(),
            "email" => String::new().into(),
            "createdAt" | "updatedAt" => time(of.created).into(),
            "repository" => {
                let name = text(arguments, "name");
                let full_name = format!("{}/{name}", of.login);
                let found = self.source.repository_named(&full_name);
                Given::maybe(
                    found
                        .filter(|found| self.viewer.sees(found))
                        .map(Thing::Repository),
                )
            }
            "repositories" => {
                let owned = self.source.repositories();
                let owned = owned.filter(|found| found.owner == of.id && self.viewer.sees(found));
                let entry = |found: &'w Repository| Entry {
                    key: (found.created, signed(found.id)),
                    thing: Thing::Repository(found),
                };
                Given::Page(sorted(owned.map(entry).collect()))
            }
            _ => return None,
        })
    }

    /// The default branch.
    pub(super) fn branch(of: &'w Repository, name: &str) -> Option<Given<'w>> {
        Some(match name {
            "id" => id::branch(of.id, &of.branch).into(),
            "name" => of.branch.as_str().into(),
            "prefix" => "refs/heads/".into(),
            "repository" => Given::One(Thing::Repository(of)),
            "target" => Given::maybe(of.head.map(|head| Thing::Commit(&of.commits[head]))),
            _ => return None,
        })
    }

    pub(super) fn commit(&self, of: &'w Commit, name: &str, arguments: &JsonMap) -> Field<'w> {
        let home = self.source.repository(of.repository);
        let home = home.expect("a commit lies in a repository");
        let path = format!("/{}/commit/{}", self.source.full_name(home), of.sha);
        let author = &of.authors[0];
        let all = |all: Vec<&'w Commit>| {
            let entry = |(index, commit): (i64, &'w Commit)| Entry {
                key: (index, 0),
                thing: Thing::Commit(commit),
            };
            Given::Page((0..).zip(all).map(entry).collect())
        };
        Ok(Some(match name {
            "id" => of.node_id().into(),
            "oid" => of.sha.as_str().into(),
            "abbreviatedOid" => of.sha[..7].into(),
            "message" => of.message.as_str().into(),
            "messageHeadline" => of.message.lines().next().unwrap_or_default().into(),
            "messageBody" => {
                let body = of.message.split_once("\n\n");
                body.map_or("", |(_, body)| body.trim_end()).into()
            }
            "authoredDate" | "committedDate" => time(of.at).into(),
            "author" | "committer" => Given::One(Thing::GitActor(author, of.at)),
            "authoredByCommitter" => true.into(),
            "authors" => {
                let entry = |(index, author): (i64, &'w GitActor)| Entry {
                    key: (index, 0),
                    thing: Thing::GitActor(author, of.at),
                };
                Given::Page((0..).zip(&of.authors).map(entry).collect())
            }
            "parents" => all(of.parents.iter().map(|at| &home.commits[*at]).collect()),
            "history" => {
                let at = home.commits.iter().position(|commit| commit.sha == of.sha);
                let (since, until) = (instant(arguments, "since"), instant(arguments, "until"));
                let found = home.history(at).into_iter().map(|at| &home.commits[at]);
                let within = |commit: &&Commit| {
                    since.is_none_or(|since| commit.at >= since)
                        && until.is_none_or(|until| commit.at <= until)
                };
                all(found.filter(within).collect())
            }
            "associatedPullRequests" => {
                let merged = self.source.threads(home).filter(|item| {
                    let merge = item.pull.as_ref().and_then(|pull| pull.merge_commit);
                    merge.is_some_and(|at| home.commits[at].sha == of.sha)
                });
                let entry = |item| Entry {
                    key: (0, 0),
                    thing: Thing::Item(item),
                };
                Given::Page(merged.map(entry).collect())
            }
            "repository" => Given::One(Thing::Repository(home)),
            "url" | "commitUrl" => format!("{WEB}{path}").into(),
            "resourcePath" | "commitResourcePath" => path.into(),
            _ => return Ok(None),
        }))
    }

    pub(super) fn git_actor(&self, of: &'w GitActor, at: i64, name: &str) -> Option<Given<'w>> {
        Some(match name {
            "name" => of.name.as_str().into(),
            "email" => of.email.as_str().into(),
            "date" => time(at).into(),
            "avatarUrl" => format!("https://avatars.githubusercontent.com/{}", of.email).into(),
            "user" => {
                let user = of.user.and_then(|user| self.source.account(user));
                Given::maybe(user.map(Thing::AsUser))
            }
            _ => return None,
        })
    }
}

/// The path of an account's web page.
pub(in crate::github) fn page(of: &Account) -> String {
    match of.kind {
        AccountKind::Bot => format!("/apps/{}", of.login),
        _ => format!("/{}", of.login),
    }
}

/// An id where GraphQL wants a number of 32 bits: null if it is larger.
pub(super) fn number(id: u64) -> Given<'static> {
    Given::Leaf(i32::try_from(id).map_or(JsonValue::Null, |id| i64::from(id).into()))
}

pub(super) fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// A list by its keys.
pub(super) fn sorted(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    entries.sort_by_key(|entry| entry.key);
    entries
}
