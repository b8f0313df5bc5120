//! Mutations: commits on a branch, and refs of the archive.

use std::sync::PoisonError;

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::JsonMap;
use serde::Deserialize;

use super::archive::Ref;
use super::inputs::{
    CommittableBranch, CreateCommitOnBranchInput, CreateRefInput, DeleteRefInput, FileChanges,
    UpdateRefInput, UpdateRefsInput,
};
use super::object::{Given, Thing};
use super::{World, failed, refused, unresolved};
use crate::github::git::{Changes, Signature, is_path};
use crate::github::node;
use crate::github::viewer::Refusal;

/// Why a mutation isn't carried out.
struct Error(FieldError);

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self(failed(error))
    }
}

impl From<Error> for FieldError {
    fn from(error: Error) -> Self {
        error.0
    }
}

fn problem(kind: &str, message: &str) -> Error {
    Error(super::problem(kind, message))
}

/// Fields of a payload.
type Payload<'w> = Vec<(&'static str, Given<'w>)>;

impl<'w> World<'w> {
    pub(super) fn mutation(
        &self,
        name: &str,
        arguments: &JsonMap,
    ) -> Result<Given<'w>, FieldError> {
        let (payload, mut fields) = match name {
            "createCommitOnBranch" => (
                "CreateCommitOnBranchPayload",
                commit(self, input(arguments)?)?,
            ),
            "createRef" => ("CreateRefPayload", create_ref(self, input(arguments)?)?),
            "updateRef" => ("UpdateRefPayload", update_ref(self, input(arguments)?)?),
            "updateRefs" => ("UpdateRefsPayload", update_refs(self, &input(arguments)?)?),
            "deleteRef" => ("DeleteRefPayload", delete_ref(self, &input(arguments)?)?),
            _ => {
                self.unsimulated(name);
                let what = format!("The mutation {name} isn't simulated.");
                return Err(problem("FORBIDDEN", &what).into());
            }
        };
        let given = arguments
            .get("input")
            .and_then(|input| input.get("clientMutationId"));
        fields.push((
            "clientMutationId",
            Given::Leaf(given.cloned().unwrap_or_default()),
        ));
        Ok(Given::One(Thing::Plain(payload, fields)))
    }

    fn may_move(&self, name: &str) -> Result<(), Error> {
        self.may(self.viewer.move_ref(name))
    }

    fn may_create(&self, name: &str) -> Result<(), Error> {
        self.may(self.viewer.create_ref(name))
    }

    fn may(&self, may: Result<(), Refusal>) -> Result<(), Error> {
        let full_name = self.viewer.settings.full_name();
        may.map_err(|refusal| Error(refused(refusal, &full_name)))
    }

    /// Checks that a node id is this repository's, and that it is visible.
    fn is_archive(&self, id: &str) -> Result<(), Error> {
        let full_name = self.viewer.settings.full_name();
        if id != node::repository(&full_name) || self.viewer.see().is_err() {
            return Err(no_node(id));
        }
        Ok(())
    }

    /// Name and target of the ref with this node id.
    fn ref_behind(&self, id: &str) -> Result<(String, String), Error> {
        if self.viewer.see().is_err() {
            return Err(no_node(id));
        }
        let name = node::read_reference(id).ok_or_else(|| no_node(id))?;
        let found = self.shared.git.target(&name)?;
        let (oid, _) = found.ok_or_else(|| no_node(id))?;
        Ok((name, oid))
    }

    /// The full name of the branch to commit to.
    fn branch_to_commit(&self, branch: &CommittableBranch) -> Result<String, Error> {
        match (
            &branch.id,
            &branch.repository_name_with_owner,
            &branch.branch_name,
        ) {
            (Some(id), None, None) => Ok(self.ref_behind(id)?.0),
            (None, Some(full_name), Some(name)) => {
                let (owner, repo) = full_name.split_once('/').unwrap_or((full_name, ""));
                let here = self.viewer.settings.is_named(owner, repo);
                if !here || self.viewer.see().is_err() {
                    return Err(Error(unresolved(full_name)));
                }
                let short = name.strip_prefix("refs/heads/").unwrap_or(name);
                Ok(format!("refs/heads/{short}"))
            }
            _ => Err(problem(
                "UNPROCESSABLE",
                "A branch is given either by its id, or by repositoryNameWithOwner and branchName.",
            )),
        }
    }

    fn let_race(&self) -> Result<(), Error> {
        let files = self
            .race
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(files) = files {
            self.shared.somebody_commits(files)?;
        }
        Ok(())
    }
}

fn input<T: for<'a> Deserialize<'a>>(arguments: &JsonMap) -> Result<T, Error> {
    let given = arguments.get("input").cloned().unwrap_or_default();
    let wrong = |error| {
        problem(
            "UNPROCESSABLE",
            &format!("Variable $input is invalid: {error}"),
        )
    };
    T::deserialize(given).map_err(wrong)
}

fn no_node(id: &str) -> Error {
    let what = format!("Could not resolve to a node with the global id of '{id}'");
    problem("NOT_FOUND", &what)
}

fn unprocessable(message: &str) -> Error {
    problem("UNPROCESSABLE", message)
}

fn commit<'w>(world: &World<'w>, input: CreateCommitOnBranchInput) -> Result<Payload<'w>, Error> {
    let git = &world.shared.git;
    let name = world.branch_to_commit(&input.branch)?;
    let full_name = world.viewer.settings.full_name();
    let may = world.viewer.write();
    may.map_err(|refusal| Error(refused(refusal, &full_name)))?;
    let missing = || problem("NOT_FOUND", "Branch not found");
    let (head, _) = git.target(&name)?.ok_or_else(missing)?;
    let expected = input.expected_head_oid.0;
    if head != expected {
        let what = format!(
            "Expected branch to point to \"{expected}\" but it did not.  Pull and try again."
        );
        return Err(problem("STALE_DATA", &what));
    }
    if input.message.headline.trim().is_empty() {
        return Err(unprocessable("A commit message is required"));
    }
    let changes = read_changes(world, input.file_changes.unwrap_or_default(), &head)?;
    world.may_move(&name)?;
    let message = match input.message.body.as_deref() {
        None | Some("") => input.message.headline,
        Some(body) => format!("{}\n\n{body}", input.message.headline),
    };
    let author = Signature::now(&world.viewer.settings.login);
    let oid = git.change(Some(&head), &changes, &author, &message)?;
    world.let_race()?;
    if !git.move_ref(&name, Some(&head), Some(&oid))? {
        let now = git.target(&name)?.map_or_else(String::new, |(oid, _)| oid);
        let what = format!("Ref {name} is at {now} but expected {head}");
        return Err(unprocessable(&what));
    }
    let commit = git.commit(&oid)?.map(Thing::GitCommit);
    let reference = Thing::Ref(Ref { name, oid });
    Ok(vec![
        ("commit", Given::maybe(commit)),
        ("ref", Given::One(reference)),
    ])
}

/// Validates the paths against the head; deleted files must exist.
fn read_changes(world: &World<'_>, asked: FileChanges, head: &str) -> Result<Changes, Error> {
    let largest = world.shared.lock().limiter.limits.file;
    let mut changes = Changes::default();
    for deletion in asked.deletions.unwrap_or_default() {
        changes.deletions.push(deletion.path);
    }
    if !changes.deletions.is_empty() {
        let there = world.shared.git.tree(head, true)?;
        let there: std::collections::HashSet<_> =
            there.iter().map(|entry| entry.path.as_str()).collect();
        if changes
            .deletions
            .iter()
            .any(|path| !there.contains(path.as_str()))
        {
            let what = format!(
                "A path was requested for deletion which does not exist as of commit oid `{head}`"
            );
            return Err(problem("NOT_FOUND", &what));
        }
    }
    for addition in asked.additions.unwrap_or_default() {
        let (path, bytes) = (addition.path, addition.contents.0);
        if !is_path(&path) {
            let what = format!("The path `{path}` is malformed");
            return Err(unprocessable(&what));
        }
        if bytes.len() > largest {
            let what = format!("The file `{path}` is larger than {largest} bytes");
            return Err(unprocessable(&what));
        }
        changes.additions.push((path, bytes));
    }
    Ok(changes)
}

/// Checks that a branch's target is an existing commit.
fn check_target(world: &World<'_>, oid: &str) -> Result<(), Error> {
    let found = world.shared.git.look(oid)?;
    if found.is_some_and(|(_, kind, _)| kind == "commit") {
        Ok(())
    } else {
        Err(unprocessable("Object does not exist"))
    }
}

fn create_ref<'w>(world: &World<'w>, input: CreateRefInput) -> Result<Payload<'w>, Error> {
    world.is_archive(&input.repository_id)?;
    let (name, oid) = (input.name, input.oid.0);
    world.may_create(&name)?;
    if !name.starts_with("refs/") || !world.shared.git.is_ref_name(&name)? {
        let what = format!("{name} is not a valid ref name.");
        return Err(unprocessable(&what));
    }
    check_target(world, &oid)?;
    if !world.shared.git.move_ref(&name, None, Some(&oid))? {
        let what = format!("A ref named \"{name}\" already exists in the repository.");
        return Err(unprocessable(&what));
    }
    Ok(vec![("ref", Given::One(Thing::Ref(Ref { name, oid })))])
}

fn update_ref<'w>(world: &World<'w>, input: UpdateRefInput) -> Result<Payload<'w>, Error> {
    let (name, before) = world.ref_behind(&input.ref_id)?;
    let oid = input.oid.0;
    world.may_move(&name)?;
    check_target(world, &oid)?;
    let forced = input.force == Some(true);
    if !forced && !world.shared.git.is_ancestor(&before, &oid)? {
        return Err(unprocessable("Update is not a fast forward"));
    }
    world.let_race()?;
    let moved = world
        .shared
        .git
        .move_ref(&name, Some(&before), Some(&oid))?;
    if !moved {
        return Err(unprocessable("Reference cannot be updated"));
    }
    Ok(vec![("ref", Given::One(Thing::Ref(Ref { name, oid })))])
}

fn update_refs<'w>(world: &World<'w>, input: &UpdateRefsInput) -> Result<Payload<'w>, Error> {
    world.is_archive(&input.repository_id)?;
    let zero = "0".repeat(40);
    let some = |oid: &str| Some(oid.to_owned()).filter(|oid| *oid != zero);
    let mut moves = Vec::new();
    for update in &input.ref_updates {
        let name = update.name.as_str();
        if !name.starts_with("refs/") || !world.shared.git.is_ref_name(name)? {
            let what = format!("{name} is not a valid ref name.");
            return Err(unprocessable(&what));
        }
        let now = world.shared.git.target(name)?.map(|(oid, _)| oid);
        match now {
            Some(_) => world.may_move(name)?,
            None => world.may_create(name)?,
        }
        let after = some(&update.after_oid.0);
        if let Some(before) = update.before_oid.as_ref().map(|oid| some(&oid.0))
            && before != now
        {
            let show = |oid: Option<String>| oid.unwrap_or_else(|| zero.clone());
            let what = format!(
                "Ref {name} is at {} but expected {}",
                show(now),
                show(before)
            );
            return Err(unprocessable(&what));
        }
        if let Some(after) = &after {
            check_target(world, after)?;
        }
        let forced = update.force == Some(true);
        if let (false, Some(now), Some(after)) = (forced, &now, &after)
            && !world.shared.git.is_ancestor(now, after)?
        {
            return Err(unprocessable("Update is not a fast forward"));
        }
        moves.push((name, now, after));
    }
    world.let_race()?;
    let moves: Vec<_> = moves
        .iter()
        .map(|(name, from, to)| (*name, from.as_deref(), to.as_deref()))
        .collect();
    if !world.shared.git.move_refs(&moves)? {
        return Err(unprocessable("Reference cannot be updated"));
    }
    Ok(Vec::new())
}

fn delete_ref<'w>(world: &World<'w>, input: &DeleteRefInput) -> Result<Payload<'w>, Error> {
    let (name, before) = world.ref_behind(&input.ref_id)?;
    world.may_move(&name)?;
    if !world.shared.git.move_ref(&name, Some(&before), None)? {
        return Err(unprocessable("Reference does not exist"));
    }
    Ok(Vec::new())
}
