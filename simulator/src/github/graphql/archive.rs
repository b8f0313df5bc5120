//! The archive's repository: refs, commits, trees and blobs, read from git.

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::{JsonMap, JsonValue};

use super::object::{Field, Given, Thing};
use super::page::Entry;
use super::{World, failed, refused, text};
use crate::github::git::{self, Entry as Listed, Signature};
use crate::github::node;
use crate::github::options::Visibility;

/// The longest text of a blob; a longer one is cut off and `isTruncated`.
const LONGEST_TEXT: usize = 512_000;

#[derive(Debug, Clone)]
pub(super) struct Ref {
    pub(super) name: String,
    /// Its target when it was read.
    pub(super) oid: String,
}

#[derive(Debug, Clone)]
pub(super) struct Tree {
    oid: String,
}

/// A file or folder in a tree.
#[derive(Debug, Clone)]
pub(super) struct TreeEntry {
    entry: Listed,
    folder: String,
}

#[derive(Debug, Clone)]
pub(super) struct Blob {
    oid: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn is_binary(&self) -> bool {
        // The same heuristic as git's.
        self.bytes.iter().take(8000).any(|byte| *byte == 0)
            || std::str::from_utf8(&self.bytes).is_err()
    }
}

impl<'w> World<'w> {
    pub(super) fn archive(&self, name: &str, arguments: &JsonMap) -> Field<'w> {
        let (settings, git) = (&self.viewer.settings, &self.shared.git);
        let full_name = settings.full_name();
        Ok(Some(match name {
            "id" => node::repository(&full_name).into(),
            "name" => settings.repo.as_str().into(),
            "url" => format!("{}/{full_name}", settings.url).into(),
            "resourcePath" => format!("/{full_name}").into(),
            "nameWithOwner" => full_name.into(),
            "owner" => Given::One(self.stranger(&settings.owner)),
            "isPrivate" => (settings.visibility != Visibility::Public).into(),
            "visibility" => match settings.visibility {
                Visibility::Public => "PUBLIC",
                Visibility::Private => "PRIVATE",
                Visibility::Internal => "INTERNAL",
            }
            .into(),
            "isEmpty" => git.is_empty().map_err(failed)?.into(),
            "isArchived" => settings.archived.into(),
            "diskUsage" => {
                let size = git.size().map_err(failed)? / 1024;
                i32::try_from(size).ok().map(i64::from).into()
            }
            "createdAt" | "updatedAt" => settings.created.to_string().into(),
            "viewerPermission" => self.permission(),
            "defaultBranchRef" => {
                let branch = git.default_branch().map_err(failed)?;
                self.branch_named(&format!("refs/heads/{branch}"))?
            }
            "ref" => {
                let asked = text(arguments, "qualifiedName");
                if asked.starts_with("refs/") {
                    self.branch_named(asked)?
                } else {
                    self.branch_named(&format!("refs/heads/{asked}"))?
                }
            }
            "object" => {
                self.may_read()?;
                let (oid, expression) = (text(arguments, "oid"), text(arguments, "expression"));
                let named = if oid.is_empty() { expression } else { oid };
                Given::maybe(self.object(named)?)
            }
            _ => return Ok(None),
        }))
    }

    fn may_read(&self) -> Result<(), FieldError> {
        let full_name = self.viewer.settings.full_name();
        self.viewer
            .read()
            .map_err(|refusal| refused(refusal, &full_name))
    }

    fn branch_named(&self, name: &str) -> Result<Given<'w>, FieldError> {
        self.may_read()?;
        let found = self.shared.git.target(name).map_err(failed)?;
        let name = name.to_owned();
        Ok(Given::maybe(
            found.map(|(oid, _)| Thing::Ref(Ref { name, oid })),
        ))
    }

    /// What has this node id in the archive, if it is seen.
    pub(super) fn archive_node(&self, id: &str) -> Option<Thing<'w>> {
        let settings = &self.viewer.settings;
        if id == node::user(&settings.login) {
            return Some(self.stranger(&settings.login));
        }
        self.viewer.see().ok()?;
        if id == node::repository(&settings.full_name()) {
            return Some(Thing::Archive);
        }
        let name = node::read_reference(id)?;
        let (oid, _) = self.shared.git.target(&name).ok()??;
        Some(Thing::Ref(Ref { name, oid }))
    }

    /// The object that an expression refers to.
    fn object(&self, expression: &str) -> Result<Option<Thing<'w>>, FieldError> {
        let git = &self.shared.git;
        let Some(object) = git.read(expression).map_err(failed)? else {
            return Ok(None);
        };
        let oid = object.oid;
        Ok(match object.kind.as_str() {
            "commit" => git.commit(&oid).map_err(failed)?.map(Thing::GitCommit),
            "tree" => Some(Thing::Tree(Tree { oid })),
            "blob" => Some(Thing::Blob(Blob {
                oid,
                bytes: object.bytes,
            })),
            _ => None,
        })
    }

    pub(super) fn reference(&self, of: &Ref, name: &str) -> Field<'w> {
        Ok(Some(match name {
            "id" => node::reference(&of.name).into(),
            "name" => {
                let short = of.name.strip_prefix("refs/heads/");
                short
                    .or(of.name.strip_prefix("refs/tags/"))
                    .unwrap_or(&of.name)
                    .into()
            }
            "prefix" => {
                let end = of.name.match_indices('/').nth(1);
                end.map_or("", |(at, _)| &of.name[..=at]).into()
            }
            "repository" => Given::One(Thing::Archive),
            "target" => Given::maybe(self.object(&of.oid)?),
            _ => return Ok(None),
        }))
    }

    /// What every object has.
    fn any_object(&self, kind: &str, oid: &str, name: &str) -> Option<Given<'w>> {
        let settings = &self.viewer.settings;
        Some(match name {
            "id" => node::object(kind, oid).into(),
            "oid" => oid.into(),
            "abbreviatedOid" => oid[..7].into(),
            "repository" => Given::One(Thing::Archive),
            "commitUrl" => format!("{}/{}/commit/{oid}", settings.url, settings.full_name()).into(),
            "commitResourcePath" => format!("/{}/commit/{oid}", settings.full_name()).into(),
            _ => return None,
        })
    }

    pub(super) fn git_commit(
        &self,
        of: &git::Commit,
        name: &str,
        arguments: &JsonMap,
    ) -> Field<'w> {
        if let Some(given) = self.any_object("C", &of.oid, name) {
            return Ok(Some(given));
        }
        let message = of.message.trim_end();
        let actor = |of: &Signature| {
            let fields = vec![
                ("name", of.name.as_str().into()),
                ("email", of.email.as_str().into()),
                ("date", of.at.to_string().into()),
            ];
            Given::One(Thing::Plain("GitActor", fields))
        };
        Ok(Some(match name {
            "url" => return Ok(self.any_object("C", &of.oid, "commitUrl")),
            "resourcePath" => return Ok(self.any_object("C", &of.oid, "commitResourcePath")),
            "message" => message.into(),
            "messageHeadline" => message.lines().next().unwrap_or_default().into(),
            "messageBody" => message
                .split_once("\n\n")
                .map_or("", |(_, body)| body)
                .into(),
            "authoredDate" => of.author.at.to_string().into(),
            "committedDate" => of.committer.at.to_string().into(),
            "author" => actor(&of.author),
            "committer" => actor(&of.committer),
            "tree" => Given::One(Thing::Tree(Tree {
                oid: of.tree.clone(),
            })),
            "file" => Given::maybe(self.file(&of.oid, text(arguments, "path"))?),
            "history" => {
                let path = arguments.get("path").and_then(JsonValue::as_str);
                let all = self.shared.git.history(&of.oid, path).map_err(failed)?;
                let mut entries = Vec::new();
                for (index, oid) in (0..).zip(all) {
                    let commit = self.shared.git.commit(&oid).map_err(failed)?;
                    let thing = commit.map(Thing::GitCommit);
                    entries.extend(thing.map(|thing| Entry {
                        key: (index, 0),
                        thing,
                    }));
                }
                Given::Page(entries)
            }
            _ => return Ok(None),
        }))
    }

    fn file(&self, commit: &str, path: &str) -> Result<Option<Thing<'w>>, FieldError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let git = &self.shared.git;
        let found = git.look(&format!("{commit}:{folder}")).map_err(failed)?;
        let Some((tree, ..)) = found.filter(|(_, kind, _)| kind == "tree") else {
            return Ok(None);
        };
        let entries = git.tree(&tree, false).map_err(failed)?;
        let entry = entries.into_iter().find(|entry| entry.path == name);
        let folder = folder.to_owned();
        Ok(entry.map(|entry| Thing::TreeEntry(TreeEntry { entry, folder })))
    }

    pub(super) fn tree(&self, of: &Tree, name: &str) -> Field<'w> {
        if name != "entries" {
            return Ok(self.any_object("T", &of.oid, name));
        }
        let entries = self.shared.git.tree(&of.oid, false).map_err(failed)?;
        let entry = |entry| {
            Thing::TreeEntry(TreeEntry {
                entry,
                folder: String::new(),
            })
        };
        Ok(Some(Given::Many(entries.into_iter().map(entry).collect())))
    }

    pub(super) fn tree_entry(&self, of: &TreeEntry, name: &str) -> Field<'w> {
        let entry = &of.entry;
        Ok(Some(match name {
            "name" => entry.path.as_str().into(),
            "path" => {
                let path = format!("{}/{}", of.folder, entry.path);
                path.trim_start_matches('/').into()
            }
            "type" => entry.kind.as_str().into(),
            "mode" => i64::from(i32::from_str_radix(&entry.mode, 8).unwrap_or_default()).into(),
            "size" => {
                let size = entry.size.unwrap_or(0);
                i64::from(i32::try_from(size).unwrap_or(i32::MAX)).into()
            }
            "oid" => entry.oid.as_str().into(),
            "object" => Given::maybe(self.object(&entry.oid)?),
            "repository" => Given::One(Thing::Archive),
            _ => return Ok(None),
        }))
    }

    pub(super) fn blob(&self, of: &Blob, name: &str) -> Field<'w> {
        let is_binary = of.is_binary();
        Ok(Some(match name {
            "byteSize" => i64::from(i32::try_from(of.bytes.len()).unwrap_or(i32::MAX)).into(),
            "isBinary" => is_binary.into(),
            "isTruncated" => (!is_binary && of.bytes.len() > LONGEST_TEXT).into(),
            "text" if is_binary => JsonValue::Null.into(),
            "text" => {
                let shown = &of.bytes[..of.bytes.len().min(LONGEST_TEXT)];
                String::from_utf8_lossy(shown).into_owned().into()
            }
            _ => return Ok(self.any_object("B", &of.oid, name)),
        }))
    }
}
