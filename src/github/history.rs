//! The commits: those of the default branch, and those that pull requests were merged as.
//!
//! What is known is closed, which means that all that leads to a known commit is known, except while a walk through a
//! history is under way. `Progress` says so of one that was interrupted.

use std::collections::BTreeSet;

use propsbot_mirror::ReadRows as _;
use serde_json::json;

use crate::{
    error::{GithubError, SyncError},
    merge::{Fact, Object, Observation, Reader, readings},
    queries,
    reading::{Reading, number_of},
    records::{Kept as _, Read},
    rows::{Commit, Issue},
    wire::{Connection, Harvest, read},
};

/// How many commits of a walk are read before they are kept.
const AT_ONCE: usize = 1_000;

impl Reading<'_> {
    /// Reads the commits that aren't known: of the default branch, and those that pull requests were merged as.
    pub(crate) async fn read_commits(&mut self, head: Option<&str>) -> Result<(), SyncError> {
        let was_interrupted = self.progress.lacks_ancestors;
        let Some(walked) = self.read_history(head).await? else {
            return Ok(());
        };
        let closed = if was_interrupted {
            walked
        } else if self.progress.lacks_merged {
            self.known_commits().await?
        } else {
            return Ok(());
        };
        self.read_merged(closed).await
    }

    /// Whether all commits are known that were there when they were last read.
    pub(crate) fn has_commits_of(&self, head: Option<&str>) -> bool {
        let is_lacking = self.progress.lacks_ancestors || self.progress.lacks_merged;
        head == self.progress.head.as_deref() && !is_lacking
    }

    /// Whether a pull request among what was read was merged as a commit that isn't known.
    pub(crate) async fn has_unknown_merge(&self, facts: &[Observation]) -> Result<bool, SyncError> {
        let merged = facts.iter().filter_map(|seen| match &seen.fact {
            Fact::Read(object, _) => match &**object {
                Object::Issue(issue) => issue.merged_as.clone(),
                _ => None,
            },
            _ => None,
        });
        let keys = merged.map(|id| self.key_of_commit(id.0));
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Ok(false);
        }
        self.stored(move |Reader(view)| {
            for key in keys {
                if view.get::<Read>(key)?.is_none_or(|read| read.is_gone) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    fn key_of_commit(&self, id: String) -> (String, u8, String, String) {
        let table = number_of::<Commit>();
        (self.space().to_owned(), table, String::new(), id)
    }

    async fn known_commits(&self) -> Result<BTreeSet<String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let known = readings(view, &space, number_of::<Commit>(), None)?;
            let known = known.into_iter().filter(|read| !read.is_gone);
            Ok(known.map(|read| read.id).collect())
        })
        .await
    }

    /// Reads the commits of the default branch that aren't known, and finds those that a force-push took away. Returns
    /// those that it went through, all of them after an interrupted walk; `None` if somebody pushed meanwhile.
    async fn read_history(
        &mut self,
        head: Option<&str>,
    ) -> Result<Option<BTreeSet<String>>, SyncError> {
        let was_interrupted = self.progress.lacks_ancestors;
        if head == self.progress.head.as_deref() && !was_interrupted {
            return Ok(Some(BTreeSet::new()));
        }
        let (before, counted) = (self.progress.head.clone(), self.progress.commits);
        let query = queries::history();
        let (mut after, mut walked, mut new) = (None::<String>, BTreeSet::new(), 0);
        // After a restore nothing says whether the branch still has what is known.
        let mut is_ahead = before.is_none() && !self.has_commits().await?;
        let (mut total, mut oid) = (0, None);
        loop {
            self.check()?;
            let mut harvest = self.harvest();
            let variables = json!({ "id": self.space(), "after": after });
            let answer = self.query(&query, variables).await?;
            if answer.refuses_below("") || answer.data["node"].is_null() {
                return Err(GithubError::Partial.into());
            }
            let target = &answer.data["node"]["defaultBranchRef"]["target"];
            let now = target["oid"].as_str().map(str::to_owned);
            if oid.is_some() && oid != now {
                // The next reading begins again.
                return Ok(None);
            }
            oid = now;
            let page = match read::<Connection>(&target["history"]) {
                Some(page) => page,
                // It has no commits, which GitHub has now said twice.
                None if head.is_none() && oid.is_none() => break,
                None => return Err(odd("a branch without its history")),
            };
            total = page.total_count;
            new += self.add_commits(&mut harvest, &page, &mut walked).await?;
            is_ahead |= page
                .nodes
                .iter()
                .any(|node| node["oid"].as_str() == before.as_deref());
            after = page.next_after(after.as_deref())?;
            self.progress.lacks_ancestors = true;
            self.keep(harvest.facts).await?;
            let is_known = !was_interrupted && before.is_some();
            let has_rest = is_known && is_ahead && counted + new >= total;
            if after.is_none() || has_rest {
                break;
            }
        }
        if !is_ahead {
            if total != walked.len() as u64 {
                return Err(odd("a history with other commits than it counts"));
            }
            self.bury_commits(&walked).await?;
        }
        self.progress.head = oid;
        self.progress.commits = total;
        self.progress.lacks_ancestors = was_interrupted;
        self.keep(Vec::new()).await?;
        Ok(Some(walked))
    }

    /// Adds the commits of a page. Returns how many weren't known.
    async fn add_commits(
        &self,
        harvest: &mut Harvest,
        page: &Connection,
        walked: &mut BTreeSet<String>,
    ) -> Result<u64, SyncError> {
        let ids = page.nodes.iter().filter_map(|node| node["id"].as_str());
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        walked.extend(ids.iter().cloned());
        let keys: Vec<_> = ids.into_iter().map(|id| self.key_of_commit(id)).collect();
        let known = self.stored(move |Reader(view)| {
            let mut known = BTreeSet::new();
            for key in keys {
                let read = view.get::<Read>(key)?;
                known.extend(read.filter(|read| !read.is_gone).map(|read| read.id));
            }
            Ok(known)
        });
        let known = known.await?;
        let mut new = 0;
        for node in &page.nodes {
            if !node["id"].as_str().is_some_and(|id| known.contains(id)) {
                harvest.node(node, None, None);
                new += 1;
            }
        }
        Ok(new)
    }

    async fn has_commits(&self) -> Result<bool, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let first = view.iter::<Commit>(space.clone()..=space).next();
            Ok(first.transpose()?.is_some())
        })
        .await
    }

    /// Makes tombstones of commits that the branch no longer has, unless a pull request was merged as one of them, or as
    /// one that follows it.
    async fn bury_commits(&mut self, walked: &BTreeSet<String>) -> Result<(), SyncError> {
        let mut kept = walked.clone();
        for id in self.merged().await? {
            self.keep_ancestors(id, &mut kept).await?;
        }
        let space = self.space().to_owned();
        let at = self.clock.stamp();
        let facts = self.stored(move |Reader(view)| {
            let mut facts = Vec::new();
            for commit in view.iter::<Commit>(space.clone()..=space) {
                let commit = commit?;
                if commit.deleted_at.is_none() && !kept.contains(&commit.id.0) {
                    let object = Object::Commit(commit.tombstone(at.millis()));
                    let fact = Fact::Read(Box::new(object), None);
                    facts.push(Observation { at, fact });
                }
            }
            Ok(facts)
        });
        let facts = facts.await?;
        self.keep(facts).await
    }

    /// The commits that pull requests were merged as, from the newest on, to which the others mostly lead.
    async fn merged(&self) -> Result<Vec<String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let mut merged = BTreeSet::new();
            for issue in view.iter::<Issue>(space.clone()..=space) {
                let issue = issue?;
                merged.extend(issue.merged_as.map(|id| (issue.merged_at, id.0)));
            }
            Ok(merged.into_iter().rev().map(|(_, id)| id).collect())
        })
        .await
    }

    /// Adds a commit to those that are kept, with all that lead to it. Their order says nothing about which are known.
    async fn keep_ancestors(
        &self,
        id: String,
        kept: &mut BTreeSet<String>,
    ) -> Result<(), SyncError> {
        let (query, mut after) = (queries::history_of_commit(), None::<String>);
        if !kept.insert(id.clone()) {
            return Ok(());
        }
        loop {
            self.check()?;
            let variables = json!({ "id": id, "after": after });
            let answer = self.query(&query, variables).await?;
            if answer.lacks("node") {
                return Ok(());
            }
            let page = read::<Connection>(&answer.data["node"]["history"]);
            let page = page.ok_or_else(|| odd("a commit without its history"))?;
            let ids = page.nodes.iter().filter_map(|node| node["id"].as_str());
            kept.extend(ids.map(str::to_owned));
            after = page.next_after(after.as_deref())?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads the commits that pull requests were merged as, with those that lead to them. `closed` are known with all
    /// that lead to them.
    async fn read_merged(&mut self, mut closed: BTreeSet<String>) -> Result<(), SyncError> {
        let query = queries::history_of_commit();
        for id in self.merged().await? {
            let (mut after, mut walked) = (None::<String>, BTreeSet::new());
            // What leads to something that was read, and wasn't come across yet. A page without news may come before
            // one with news.
            let mut open = BTreeSet::from([id.clone()]);
            open.retain(|id| !closed.contains(id));
            let mut harvest = self.harvest();
            while !open.is_empty() {
                self.check()?;
                harvest.at = self.clock.stamp();
                let variables = json!({ "id": id, "after": after });
                let answer = self.query(&query, variables).await?;
                if answer.lacks("node") {
                    break;
                }
                let page = read::<Connection>(&answer.data["node"]["history"]);
                let page = page.ok_or_else(|| odd("a commit without its history"))?;
                self.add_commits(&mut harvest, &page, &mut walked).await?;
                let parents = page.nodes.iter().flat_map(|node| {
                    let parents = node["parents"]["nodes"].as_array();
                    parents.into_iter().flatten()
                });
                open.extend(parents.filter_map(|parent| parent["id"].as_str().map(str::to_owned)));
                open.retain(|id| !walked.contains(id) && !closed.contains(id));
                after = page.next_after(after.as_deref())?;
                if after.is_none() {
                    break;
                }
                if harvest.facts.len() >= AT_ONCE {
                    self.progress.lacks_ancestors = true;
                    self.keep(std::mem::take(&mut harvest.facts)).await?;
                }
            }
            if !harvest.facts.is_empty() {
                self.keep(harvest.facts).await?;
            }
            closed.extend(walked);
        }
        self.progress.lacks_merged = false;
        self.progress.lacks_ancestors = false;
        self.keep(Vec::new()).await
    }
}

fn odd(what: &str) -> SyncError {
    GithubError::Unreadable(what.to_owned()).into()
}
