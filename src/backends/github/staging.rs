//! Staging branches, on which large exports are put together in parts. One request then moves the
//! archive's branch to the result and deletes the staging branch, so readers never see a part and
//! every export is one commit.
//!
//! A staging branch is named after the archive's place in the repository, the provider whose spaces are exported,
//! and the manifests that the export is based on. Once the archive has other manifests, anyone may delete it;
//! [`GithubArchive::delete_stagings`] does so at each export.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GithubArchive, GithubError,
    branch::{BranchState, Head},
    budget::Tries,
    client::read,
    commit::{Changes, Commit},
};
use propsbot_archive::{Bases, Hash};

const PREFIX: &str = "propsbot-staging";

/// What `updateRefs` expects for a missing branch.
const ABSENT: &str = "0000000000000000000000000000000000000000";

/// How many times a branch is fetched until it shows a write.
const LOOKS: usize = 3;

const UPDATE_REFS: &str = "mutation($input: UpdateRefsInput!) {
  updateRefs(input: $input) { clientMutationId }
}";

pub(super) struct Staging {
    /// Its name, without `refs/heads/`.
    pub(super) branch: String,
    /// The commit of the archive's branch that it started from, and its tree.
    pub(super) base: Commit,
    pub(super) head: Commit,
    /// The number of parts committed.
    parts: u32,
}

/// A branch in GitHub's list.
#[derive(Deserialize)]
pub(super) struct Reference {
    /// Its name, with `refs/heads/`.
    r#ref: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

/// A change of a branch for `updateRefs`; `None` stands for a missing branch.
pub(super) struct RefUpdate<'a> {
    pub(super) branch: &'a str,
    /// The expected commit; `None` for any.
    pub(super) before: Option<&'a str>,
    pub(super) after: Option<&'a str>,
    /// Whether commits may be lost.
    pub(super) force: bool,
}

impl GithubArchive {
    /// Moves all of these branches or none.
    pub(super) async fn update_refs(
        &self,
        repository_id: &str,
        updates: &[RefUpdate<'_>],
    ) -> Result<(), GithubError> {
        let updates = updates.iter().map(|update| {
            let mut shown = json!({
                "name": format!("refs/heads/{}", update.branch),
                "afterOid": update.after.unwrap_or(ABSENT),
                "force": update.force,
            });
            if let Some(before) = update.before {
                shown["beforeOid"] = json!(before);
            }
            shown
        });
        let updates: Vec<Value> = updates.collect();
        let input = json!({"input": {"repositoryId": repository_id, "refUpdates": updates}});
        let _: Value = self.client.mutate(UPDATE_REFS, &input, 0).await?;
        Ok(())
    }

    /// The prefix of this archive's staging branches. A repository may hold several archives, and another provider's
    /// process may write to this one.
    fn staging_folder(&self) -> String {
        let branch = self.place.branch.as_deref().unwrap_or_default();
        let provider = self.provider.unwrap_or_default();
        let place = format!("{branch}:{}:{provider}", self.place.prefix);
        let place = Hash::of(place.as_bytes()).to_string();
        format!("{PREFIX}/{}/", &place[..16])
    }

    /// The staging branch for exports based on these manifests.
    pub(super) fn staging_branch(&self, bases: &Bases) -> String {
        let line = |(path, hash): (&String, &Option<Hash>)| {
            let hash = hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
            format!("{path} {hash}\n")
        };
        let bases: String = bases.iter().map(line).collect();
        let base = Hash::of(bases.as_bytes());
        format!("{}{base}", self.staging_folder())
    }

    /// Deletes this archive's staging branches, except `except`, which may be in use by another
    /// process. Failures are left to the next export.
    pub(super) async fn delete_stagings(&self, state: &BranchState, except: Option<&str>) {
        let deleting = async {
            let route = format!("/git/matching-refs/heads/{}", self.staging_folder());
            let found = self.client.get(&self.route(&route)).await?;
            let found: Vec<Reference> = found.map_or(Ok(Vec::new()), |found| read(&found))?;
            let branches = found.iter().filter_map(|found| {
                let branch = found.r#ref.strip_prefix("refs/heads/")?;
                (Some(branch) != except).then_some(RefUpdate {
                    branch,
                    before: Some(&found.object.sha),
                    after: None,
                    force: false,
                })
            });
            let branches: Vec<_> = branches.collect();
            if branches.is_empty() {
                return Ok(());
            }
            self.client.turn().await?;
            self.update_refs(&state.id, &branches).await
        };
        if let Err(error) = deleting.await {
            let place = &self.place;
            tracing::warn!(%place, %error, "could not delete branches of interrupted exports: the next export does that");
        }
    }

    /// Starts a staging branch at this head. Replaces what another export has put on it.
    pub(super) async fn begin_staging(
        &self,
        state: &BranchState,
        head: &Head,
        bases: &Bases,
    ) -> Result<Staging, GithubError> {
        let branch = self.staging_branch(bases);
        self.client.turn().await?;
        let update = RefUpdate {
            branch: &branch,
            before: None,
            after: Some(&head.commit),
            force: true,
        };
        self.update_refs(&state.id, &[update]).await?;
        let at_head = || Commit {
            oid: head.commit.clone(),
            tree: head.tree.clone(),
        };
        Ok(Staging {
            branch,
            base: at_head(),
            head: at_head(),
            parts: 0,
        })
    }

    /// Commits a part. `writer` tells our commits from another exporter's.
    ///
    /// # Errors
    /// [`GithubError::OtherWriter`] if another exporter has taken the branch over. After any other
    /// error, nothing was committed and the call can be repeated.
    pub(super) async fn stage(
        &self,
        staging: &mut Staging,
        part: &Changes,
        writer: &str,
    ) -> Result<(), GithubError> {
        let number = staging.parts + 1;
        let message = format!("Part {number} of an export that is under way ({writer}) [skip ci]");
        let made = self.commit(&staging.branch, &staging.head.oid, part, &message);
        staging.head = match made.await {
            Ok(commit) => commit,
            // The response may have been lost.
            Err(error) => match self.staged(staging, &message).await? {
                Some(commit) => commit,
                None => return Err(error),
            },
        };
        staging.parts = number;
        Ok(())
    }

    /// The commit with this message on top of the staged ones; `None` if it wasn't made.
    async fn staged(
        &self,
        staging: &Staging,
        message: &str,
    ) -> Result<Option<Commit>, GithubError> {
        #[derive(Deserialize)]
        struct Found {
            message: String,
            tree: Object,
            parents: Vec<Object>,
        }
        let mut tries = Tries::new();
        for _ in 0..LOOKS {
            let route = format!("/git/ref/heads/{}", staging.branch);
            if let Some(found) = self.client.get(&self.route(&route)).await? {
                let Reference { object, .. } = read(&found)?;
                if object.sha == staging.head.oid {
                    return Ok(None);
                }
                let route = self.route(&format!("/git/commits/{}", object.sha));
                let found = self.client.get(&route).await?;
                let found: Option<Found> = found.map(|found| read(&found)).transpose()?;
                if let Some(found) = found
                    && found.message.trim_end() == message
                    && found
                        .parents
                        .iter()
                        .all(|parent| parent.sha == staging.head.oid)
                {
                    return Ok(Some(Commit {
                        oid: object.sha,
                        tree: found.tree.sha,
                    }));
                }
            }
            // GitHub hasn't replicated the commit yet.
            tries.again(GithubError::Overtaken).await?;
        }
        Err(GithubError::OtherWriter)
    }

    /// Deletes a staging branch that is no longer needed.
    pub(super) async fn drop_staging(&self, staging: &Staging) {
        let deleting = async {
            self.client.turn().await?;
            let state = self.look().await?;
            let gone = RefUpdate {
                branch: &staging.branch,
                before: Some(&staging.head.oid),
                after: None,
                force: false,
            };
            self.update_refs(&state.id, &[gone]).await
        };
        if let Err(error) = deleting.await {
            let place = &self.place;
            tracing::debug!(%place, %error, "could not delete the branch of an export that was given up: the next export does that");
        }
    }
}
