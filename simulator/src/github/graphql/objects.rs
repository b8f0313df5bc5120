//! Commits, trees and blobs.

#![expect(
    clippy::unused_async,
    reason = "the engine asks for async resolvers, and git is waited for by blocking"
)]

use async_graphql::{Context, Error, ID, Interface, Object, SimpleObject};

use super::query::Repository;
use super::scalars::{DateTime, Oid, Uri};
use super::{Maybe, problem, world};
use crate::github::git::{self, Entry, Signature};
use crate::github::node;

/// Largest page of a commit history.
const LARGEST_PAGE: i32 = 100;
/// The longest text of a blob; a longer one is cut off and `isTruncated`.
const LONGEST_TEXT: usize = 512_000;

/// Any object of the repository.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "oid", ty = "Oid"),
    field(name = "abbreviated_oid", ty = "String"),
    field(name = "commit_url", ty = "Uri"),
    field(name = "repository", ty = "Repository")
)]
pub(crate) enum GitObject {
    Blob(Blob),
    Commit(Commit),
    Tree(Tree),
}

/// The object that an expression refers to.
pub(super) fn find(context: &Context<'_>, expression: &str) -> Result<Option<GitObject>, Error> {
    let git = &world(context).shared.git;
    let Some(object) = git.read(expression)? else {
        return Ok(None);
    };
    Ok(match object.kind.as_str() {
        "commit" => git.commit(&object.oid)?.map(|commit| Commit(commit).into()),
        "tree" => Some(
            Tree {
                oid: object.oid,
                path: String::new(),
            }
            .into(),
        ),
        "blob" => Some(
            Blob {
                oid: object.oid,
                bytes: object.bytes,
            }
            .into(),
        ),
        _ => None,
    })
}

fn url(context: &Context<'_>, oid: &str) -> Uri {
    let settings = &world(context).viewer.settings;
    let (url, name) = (&settings.url, settings.full_name());
    Uri(format!("{url}/{name}/commit/{oid}"))
}

pub(crate) struct Commit(pub(crate) git::Commit);

#[derive(SimpleObject)]
struct GitActor {
    name: Option<String>,
    email: Option<String>,
}

fn actor(of: &Signature) -> GitActor {
    GitActor {
        name: Some(of.name.clone()),
        email: Some(of.email.clone()),
    }
}

#[Object]
impl Commit {
    async fn id(&self) -> ID {
        ID(node::object("C", &self.0.oid))
    }

    async fn oid(&self) -> Oid {
        Oid(self.0.oid.clone())
    }

    async fn abbreviated_oid(&self) -> String {
        self.0.oid[..7].to_owned()
    }

    async fn commit_url(&self, context: &Context<'_>) -> Uri {
        url(context, &self.0.oid)
    }

    async fn url(&self, context: &Context<'_>) -> Uri {
        url(context, &self.0.oid)
    }

    async fn repository(&self) -> Repository {
        Repository
    }

    async fn message(&self) -> &str {
        self.0.message.trim_end()
    }

    async fn message_headline(&self) -> &str {
        self.0.message.lines().next().unwrap_or_default()
    }

    async fn message_body(&self) -> &str {
        let body = self.0.message.split_once("\n\n");
        body.map_or("", |(_, body)| body.trim_end())
    }

    async fn authored_date(&self) -> DateTime {
        DateTime(self.0.author.at.to_string())
    }

    async fn committed_date(&self) -> DateTime {
        DateTime(self.0.committer.at.to_string())
    }

    async fn author(&self) -> Option<GitActor> {
        Some(actor(&self.0.author))
    }

    async fn committer(&self) -> Option<GitActor> {
        Some(actor(&self.0.committer))
    }

    async fn tree(&self) -> Tree {
        Tree {
            oid: self.0.tree.clone(),
            path: String::new(),
        }
    }

    async fn file(&self, context: &Context<'_>, path: String) -> Maybe<TreeEntry> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let git = &world(context).shared.git;
        let entry = || -> anyhow::Result<Option<TreeEntry>> {
            let Some((tree, kind, _)) = git.look(&format!("{}:{folder}", self.0.oid))? else {
                return Ok(None);
            };
            if kind != "tree" {
                return Ok(None);
            }
            let found = git.tree(&tree, false)?.into_iter();
            let mut found = found.filter(|entry| entry.path == name);
            Ok(found.next().map(|entry| TreeEntry {
                entry,
                folder: folder.to_owned(),
            }))
        };
        entry().map_err(Error::from).transpose()
    }

    async fn history(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        path: Option<String>,
    ) -> async_graphql::Result<CommitHistoryConnection> {
        let Some(first) = first else {
            let what = "You must provide a `first` or `last` value to properly paginate the `history` connection.";
            return Err(problem("MISSING_PAGINATION_BOUNDARIES", what));
        };
        let Ok(size) = usize::try_from(first.min(LARGEST_PAGE + 1)) else {
            return Err(problem(
                "UNPROCESSABLE",
                "`first` cannot be less than zero.",
            ));
        };
        if first > LARGEST_PAGE {
            let what = format!(
                "Requesting {first} records on the `history` connection exceeds the `first` limit of 100 records."
            );
            return Err(problem("EXCESSIVE_PAGINATION", &what));
        }
        let git = &world(context).shared.git;
        let all = git.history(&self.0.oid, path.as_deref())?;
        let from = match &after {
            None => 0,
            Some(cursor) => cursor
                .rsplit_once(' ')
                .and_then(|(_, at)| at.parse::<usize>().ok())
                .map(|at| at + 1)
                .ok_or_else(|| problem("INVALID_CURSOR_ARGUMENTS", "`after` is not a cursor"))?,
        };
        let mut nodes = Vec::new();
        for oid in all.iter().skip(from).take(size) {
            nodes.push(git.commit(oid)?.map(Commit));
        }
        let end = from + nodes.len();
        let cursor = end.checked_sub(1).map(|at| format!("{} {at}", self.0.oid));
        Ok(CommitHistoryConnection {
            page_info: PageInfo {
                has_next_page: end < all.len(),
                end_cursor: cursor.filter(|_| !nodes.is_empty()),
            },
            total_count: i32::try_from(all.len()).unwrap_or(i32::MAX),
            nodes: Some(nodes),
        })
    }
}

#[derive(SimpleObject)]
struct CommitHistoryConnection {
    nodes: Option<Vec<Option<Commit>>>,
    page_info: PageInfo,
    total_count: i32,
}

#[derive(SimpleObject)]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

pub(crate) struct Tree {
    oid: String,
    /// Its path, if known.
    path: String,
}

#[Object]
impl Tree {
    async fn id(&self) -> ID {
        ID(node::object("T", &self.oid))
    }

    async fn oid(&self) -> Oid {
        Oid(self.oid.clone())
    }

    async fn abbreviated_oid(&self) -> String {
        self.oid[..7].to_owned()
    }

    async fn commit_url(&self, context: &Context<'_>) -> Uri {
        url(context, &self.oid)
    }

    async fn repository(&self) -> Repository {
        Repository
    }

    async fn entries(&self, context: &Context<'_>) -> Maybe<Vec<TreeEntry>> {
        let entries = world(context).shared.git.tree(&self.oid, false);
        let all = |entries: Vec<Entry>| -> Vec<TreeEntry> {
            let folder = self.path.clone();
            let entry = |entry| TreeEntry {
                entry,
                folder: folder.clone(),
            };
            entries.into_iter().map(entry).collect()
        };
        Some(entries.map(all).map_err(Error::from))
    }
}

/// A file or folder in a tree.
pub(crate) struct TreeEntry {
    entry: Entry,
    folder: String,
}

#[Object]
impl TreeEntry {
    async fn name(&self) -> &str {
        &self.entry.path
    }

    async fn path(&self) -> Option<String> {
        let path = format!("{}/{}", self.folder, self.entry.path);
        Some(path.trim_start_matches('/').to_owned())
    }

    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.entry.kind
    }

    async fn mode(&self) -> i32 {
        i32::from_str_radix(&self.entry.mode, 8).unwrap_or_default()
    }

    async fn size(&self) -> i32 {
        let size = self.entry.size.unwrap_or(0);
        i32::try_from(size).unwrap_or(i32::MAX)
    }

    async fn oid(&self) -> Oid {
        Oid(self.entry.oid.clone())
    }

    async fn object(&self, context: &Context<'_>) -> Maybe<GitObject> {
        find(context, &self.entry.oid).transpose()
    }
}

pub(crate) struct Blob {
    oid: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn binary(&self) -> bool {
        // The same heuristic as git's.
        self.bytes.iter().take(8000).any(|byte| *byte == 0)
            || std::str::from_utf8(&self.bytes).is_err()
    }
}

#[Object]
impl Blob {
    async fn id(&self) -> ID {
        ID(node::object("B", &self.oid))
    }

    async fn oid(&self) -> Oid {
        Oid(self.oid.clone())
    }

    async fn abbreviated_oid(&self) -> String {
        self.oid[..7].to_owned()
    }

    async fn commit_url(&self, context: &Context<'_>) -> Uri {
        url(context, &self.oid)
    }

    async fn repository(&self) -> Repository {
        Repository
    }

    async fn byte_size(&self) -> i32 {
        i32::try_from(self.bytes.len()).unwrap_or(i32::MAX)
    }

    async fn is_binary(&self) -> Option<bool> {
        Some(self.binary())
    }

    async fn is_truncated(&self) -> bool {
        !self.binary() && self.bytes.len() > LONGEST_TEXT
    }

    async fn text(&self) -> Option<String> {
        if self.binary() {
            return None;
        }
        let shown = &self.bytes[..self.bytes.len().min(LONGEST_TEXT)];
        Some(String::from_utf8_lossy(shown).into_owned())
    }
}
