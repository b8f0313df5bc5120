//! Controls a running GitHub for tests: acting, faults, queries.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::Github;
use super::faults::{Fault, Kind, What};
use super::limits::{Limiter, Limits};
use super::options::{Access, Role, Visibility};
use super::record::{Counters, Request};
use super::state::State;
use super::webhooks::{self, Delivery, Fate};
use super::world::{Action, World};

/// Addresses and credentials.
impl Github {
    /// The origin, `http://127.0.0.1:PORT`: REST is at its root, GraphQL at `/graphql`.
    pub fn url(&self) -> String {
        self.shared.lock().settings.url.clone()
    }

    pub fn token(&self) -> String {
        self.shared.lock().settings.token.clone()
    }

    /// The token for the world.
    pub fn source_token(&self) -> String {
        let settings = &self.shared.lock().settings;
        let own = settings.source_token.as_ref();
        own.unwrap_or(&settings.token).clone()
    }

    /// The repository's owner.
    pub fn owner(&self) -> String {
        self.shared.lock().settings.owner.clone()
    }

    /// The repository's name, without the owner.
    pub fn repo(&self) -> String {
        self.shared.lock().settings.repo.clone()
    }

    /// The bare repository, for `git clone` and `git fsck`.
    pub fn repository_path(&self) -> &Path {
        self.shared.git.path()
    }
}

/// Queries. These block on git for a moment.
impl Github {
    /// The default branch's name, existing or not.
    pub fn default_branch(&self) -> anyhow::Result<String> {
        self.shared.git.default_branch()
    }

    /// The head of the default branch; none while the repository is empty.
    pub fn head(&self) -> anyhow::Result<Option<String>> {
        self.head_of(&self.default_branch()?)
    }

    /// The head of a branch.
    pub fn head_of(&self, branch: &str) -> anyhow::Result<Option<String>> {
        let found = self.shared.git.target(&format!("refs/heads/{branch}"))?;
        Ok(found.map(|(oid, _)| oid))
    }

    /// Names of all branches, without `refs/heads/`.
    pub fn branches(&self) -> anyhow::Result<Vec<String>> {
        let found = self.shared.git.refs("refs/heads/")?.into_iter();
        let short = |name: String| name.trim_start_matches("refs/heads/").to_owned();
        Ok(found.map(|(name, _, _)| short(name)).collect())
    }

    /// Commits backwards from a branch or commit, newest first.
    pub fn history(&self, from: &str) -> anyhow::Result<Vec<String>> {
        self.shared.git.history(from, None)
    }

    pub fn message_of(&self, commit: &str) -> anyhow::Result<String> {
        let found = self.shared.git.commit(commit)?;
        Ok(found
            .with_context(|| format!("no commit {commit}"))?
            .message)
    }

    /// All files of a commit or branch, by path.
    pub fn files_at(&self, commit: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let entries = self.shared.git.tree(commit, true)?;
        let blobs = entries.into_iter().filter(|entry| entry.kind == "blob");
        blobs
            .map(|entry| {
                let object = self.shared.git.read(&entry.oid)?;
                let object = object.with_context(|| format!("no blob {}", entry.oid))?;
                Ok((entry.path, object.bytes))
            })
            .collect()
    }

    /// All requests (at most the newest 500,000), oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().log.requests.iter().cloned().collect()
    }

    /// Number of requests of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        let state = self.shared.lock();
        let of_kind = state
            .log
            .requests
            .iter()
            .filter(|request| request.kind == kind);
        of_kind.count()
    }

    /// Violations by the client (exceeded limits, unknown routes, bad tokens, missing headers, invalid GraphQL), and
    /// faults of the simulator itself, which start with `simulator:`.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().log.violations.iter().cloned().collect()
    }

    /// Counters of requests.
    pub fn counters(&self) -> Counters {
        self.shared.lock().log.counters
    }

    /// Waits until a condition holds, checking after every request and action. False on timeout.
    pub async fn wait(&self, patience: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut changes = self.shared.watch();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                if holds(self) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }
}

/// Actions, as the owner or someone else with all rights.
impl Github {
    fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = act(&mut self.shared.lock());
        self.shared.touch();
        done
    }

    /// Someone else commits files to the default branch, regardless of rules. Returns the commit. Creates the branch
    /// of an empty repository.
    pub fn commit_as_somebody<P: Into<String>, B: Into<Vec<u8>>>(
        &self,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> anyhow::Result<String> {
        let files = files
            .into_iter()
            .map(|(path, file)| (path.into(), file.into()));
        let done = self.shared.somebody_commits(files.collect());
        self.shared.touch();
        done
    }

    /// Someone else points a branch at any commit, like a forced push; none deletes the branch.
    pub fn push_as_somebody(&self, branch: &str, commit: Option<&str>) -> anyhow::Result<()> {
        let name = format!("refs/heads/{branch}");
        let before = self.head_of(branch)?;
        let moved = self.shared.git.move_ref(&name, before.as_deref(), commit)?;
        anyhow::ensure!(moved, "{name} was moved by somebody else meanwhile");
        self.shared.touch();
        Ok(())
    }

    /// Renames the default branch, as in the repository's settings.
    pub fn rename_default_branch(&self, to: &str) -> anyhow::Result<()> {
        let from = self.default_branch()?;
        self.shared.git.set_default_branch(to)?;
        self.rename_branch(&from, to)
    }

    /// Renames a branch, as in the repository's settings. Its former name redirects as a branch, and is gone as a
    /// ref.
    pub fn rename_branch(&self, from: &str, to: &str) -> anyhow::Result<()> {
        if let Some(head) = self.head_of(from)? {
            let [old, new] = [from, to].map(|name| format!("refs/heads/{name}"));
            let moves = [
                (new.as_str(), None, Some(head.as_str())),
                (old.as_str(), Some(head.as_str()), None),
            ];
            anyhow::ensure!(self.shared.git.move_refs(&moves)?, "{to} is there already");
        }
        let mut state = self.shared.lock();
        state
            .settings
            .renamed
            .insert(from.to_owned(), to.to_owned());
        drop(state);
        self.shared.touch();
        Ok(())
    }

    pub fn set_visibility(&self, visibility: Visibility) {
        self.act(|state| state.settings.visibility = visibility);
    }

    /// Whether it is archived, and so read-only.
    pub fn set_archived(&self, archived: bool) {
        self.act(|state| state.settings.archived = archived);
    }

    /// Whether a branch accepts only pull requests.
    pub fn set_protected(&self, branch: &str, protected: bool) {
        self.act(|state| {
            if protected {
                state.settings.protected.insert(branch.to_owned());
            } else {
                state.settings.protected.remove(branch);
            }
        });
    }

    /// Whether a ruleset for all branches restricts creations: nobody can create a branch.
    pub fn set_creations_restricted(&self, restricted: bool) {
        self.act(|state| state.settings.restricts_creations = restricted);
    }

    /// Permissions of the token.
    pub fn set_access(&self, access: Access) {
        self.act(|state| state.settings.access = access);
    }

    /// Role of the token's owner.
    pub fn set_role(&self, role: Role) {
        self.act(|state| state.settings.role = role);
    }

    /// When the token expires, such as `2026-12-01 10:00:00 UTC`; GitHub tells it with every response.
    pub fn set_expiration(&self, expires: Option<&str>) {
        self.act(|state| state.settings.expires = expires.map(str::to_owned));
    }

    /// Replaces the token; the previous one is revoked.
    pub fn set_token(&self, token: &str) {
        self.act(|state| token.clone_into(&mut state.settings.token));
    }

    /// Renames the repository. Its former name redirects, as on GitHub.
    pub fn rename_repository(&self, to: &str) {
        self.act(|state| {
            let before = std::mem::replace(&mut state.settings.repo, to.to_owned());
            state.settings.former = Some(before);
        });
    }

    /// Deletes the repository for everyone. The folder stays until the end.
    pub fn delete_repository(&self) {
        self.act(|state| state.settings.deleted = true);
    }
}

/// The world of repositories that are a source of data.
impl Github {
    /// Reads the truth.
    pub fn world<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.shared.world())
    }

    /// Lets something happen in the world. Returns the id of what was made or changed.
    pub fn act_on_world(&self, action: Action) -> anyhow::Result<u64> {
        self.change(|world| world.act(action))
    }

    /// Lets something random happen in the world; false if that turned out to be impossible.
    pub fn live(&self, rng: &mut impl rand::Rng) -> bool {
        self.change(|world| {
            let action = world.random_action(rng);
            action.is_some_and(|action| world.act(action).is_ok())
        })
    }

    /// Changes the world, and tells it to webhooks.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world_mut();
        let done = change(&mut world);
        webhooks::tell(&self.shared, &mut world);
        drop(world);
        self.shared.touch();
        done
    }

    /// From here on, webhooks are delivered to this address, signed with the secret.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        self.shared.webhooks.set(url, secret);
    }

    /// The next `times` webhooks get this fate.
    pub fn fate(&self, fate: Fate, times: usize) {
        self.shared.webhooks.fate(fate, times);
    }

    /// What was delivered so far, or lost.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.webhooks.deliveries()
    }
}

/// Faults.
impl Github {
    /// The next `times` matching requests get this fault: a [`Kind`], several in an array, or any other [`What`].
    pub fn fail(&self, what: impl Into<What>, times: usize, fault: Fault) {
        self.fail_after(what, 0, times, fault);
    }

    /// As [`Github::fail`], but the first `skip` requests succeed.
    pub fn fail_after(&self, what: impl Into<What>, skip: usize, times: usize, fault: Fault) {
        self.act(|state| state.faults.plan(what.into(), skip, times, fault));
    }

    /// Removes all planned faults.
    pub fn heal(&self) {
        self.act(|state| state.faults.clear());
    }

    /// Changes the limits, and resets their counts.
    pub fn limit(&self, limits: Limits) {
        self.act(|state| state.limiter = Limiter::new(limits));
    }
}
