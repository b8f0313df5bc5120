//! The first reading of a repository: everything, in pages that are as large as a point allows.

use std::collections::BTreeSet;

use propsbot_archive::Millis;
use propsbot_mirror::{ReadRows as _, StoreError};
use serde_json::json;
use tracing::info;

use crate::{
    error::{GithubError, SyncError},
    merge::{Fact, Object, Observation, Reader, readings},
    queries::{self, LISTS, Listed},
    reading::{Reading, number_of},
    records::Read,
    rows::{Commit, Discussion, Issue},
    wire::{Connection, Harvest, read},
};

/// How many issues, and how many pull requests, a page has: the most that cost one point, which is up to 149 lists. An
/// issue has two, its comments and labels; a pull request has reviews, too.
const PAGE: [u64; 2] = [74, 49];

/// How many pages are read before the lists that they ask for. A kill loses no more.
const PAGES: usize = 8;

/// How many lists pages may ask for before those are read. The last query of them is rarely full.
const MOST_LISTS: usize = 4 * LISTS;

/// How many numbers are asked for at once.
const NUMBERS: usize = 50;

/// How many numbers are asked for in a row.
const MOST_NUMBERS: usize = 100_000;

impl Reading<'_> {
    /// Reads all issues and pull requests, with everything that belongs to them; goes on where it was interrupted.
    pub(crate) async fn read_all(&mut self) -> Result<(), SyncError> {
        for (which, query) in [queries::issues(), queries::pulls()].iter().enumerate() {
            while !self.progress.are_listed[which] {
                self.check()?;
                self.read_pages(which, query).await?;
            }
        }
        self.read_absent_numbers().await
    }

    /// Reads some pages, and then all the lists that they ask for together, which takes fewer requests.
    async fn read_pages(&mut self, which: usize, query: &str) -> Result<(), SyncError> {
        let mut harvest = self.harvest();
        let mut size = PAGE[which];
        for _ in 0..PAGES {
            let after = self.progress.listed[which].clone();
            let page = self
                .read_page(&mut harvest, query, after.as_deref(), &mut size)
                .await?;
            let next = page.next_after(after.as_deref())?;
            self.progress.are_listed[which] = next.is_none();
            self.progress.listed[which] = next;
            if self.progress.are_listed[which] || harvest.lists.len() >= MOST_LISTS {
                break;
            }
        }
        self.read_lists(&mut harvest).await?;
        self.keep(harvest.facts).await
    }

    /// Reads a page, or a smaller one if GitHub can't manage that.
    async fn read_page(
        &self,
        harvest: &mut Harvest,
        query: &str,
        after: Option<&str>,
        size: &mut u64,
    ) -> Result<Connection, SyncError> {
        let answer = loop {
            harvest.at = self.clock.stamp();
            let variables = json!({ "id": self.space(), "n": *size, "after": after });
            match self.query_large(query, variables.clone()).await {
                Err(SyncError::Github(error)) if error.may_be_too_much() && *size > 1 => {
                    *size = (*size / 4).max(1);
                    info!(size, "asking GitHub for smaller pages: {error}");
                }
                Err(SyncError::Github(error)) if error.may_be_too_much() => {
                    break self.query(query, variables).await?;
                }
                answer => break answer?,
            }
        };
        let page = read::<Connection>(&answer.data["node"]["list"]);
        let page = page.ok_or(GithubError::NotFound)?;
        for node in &page.nodes {
            harvest.node(node, None, None);
        }
        Ok(page)
    }

    /// Asks for numbers between those of known issues, which GitHub may have left out of its lists. Notes whether GitHub
    /// neither has nor lacks one of them: they are asked for again.
    pub(crate) async fn read_absent_numbers(&mut self) -> Result<(), SyncError> {
        let space = self.space().to_owned();
        let known = self.stored(move |Reader(view)| {
            let issues = view.iter::<Issue>(space.clone()..=space.clone());
            let issues = issues.map(|issue| Ok(issue?.number));
            let issues = issues.collect::<Result<BTreeSet<u64>, StoreError>>()?;
            let last = issues.last().copied().unwrap_or_default();
            let discussions = view.iter::<Discussion>(space.clone()..=space);
            let numbers = discussions.map(|discussion| Ok(discussion?.number));
            let numbers = numbers.collect::<Result<BTreeSet<u64>, StoreError>>()?;
            Ok((&issues | &numbers, last))
        });
        let (known, last) = known.await?;
        let mut absent: BTreeSet<u64> = self.progress.absent.iter().copied().collect();
        let missing =
            (1..last).filter(|number| !known.contains(number) && !absent.contains(number));
        // A hostile number must not ask for millions at once.
        let missing: Vec<u64> = missing.take(MOST_NUMBERS).collect();
        let mut is_lacking = missing.len() == MOST_NUMBERS;
        for numbers in missing.chunks(NUMBERS) {
            self.check()?;
            let mut harvest = self.harvest();
            let query = queries::by_number(numbers);
            let answer = self.query(&query, json!({ "id": self.space() })).await?;
            for number in numbers {
                let field = format!("n{number}");
                let node = &answer.data["node"][&field];
                if node.is_null() && answer.lacks(&format!("node/{field}")) {
                    absent.insert(*number);
                } else if !harvest.node(node, None, None) {
                    let id = node["id"].as_str();
                    is_lacking |= !id.is_some_and(|id| harvest.elsewhere.contains(id));
                }
            }
            let found: Vec<String> = harvest.issues.values().cloned().collect();
            for id in &found {
                harvest.ask(Listed::Comments, id, id);
                harvest.ask(Listed::Reviews, id, id);
            }
            self.read_lists(&mut harvest).await?;
            self.progress.absent = absent.iter().copied().collect();
            self.keep(harvest.facts).await?;
        }
        self.progress.lacks_numbers = is_lacking;
        self.keep(Vec::new()).await
    }

    /// Reads the commits of the default branch that aren't known, and finds those that a force-push took away.
    pub(crate) async fn read_history(&mut self, head: Option<&str>) -> Result<(), SyncError> {
        if head == self.progress.head.as_deref() {
            return Ok(());
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
                // Somebody pushed meanwhile: the next reading begins again.
                return Ok(());
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
            self.keep(harvest.facts).await?;
            let has_rest = before.is_some() && is_ahead && counted + new >= total;
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
        self.keep(Vec::new()).await
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
        let space = self.space().to_owned();
        let known = self.stored(move |Reader(view)| {
            let mut known = BTreeSet::new();
            for id in ids {
                let table = number_of::<Commit>();
                let read = view.get::<Read>((space.clone(), table, String::new(), id))?;
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
        for id in self.merged_newest_first().await? {
            self.keep_ancestors(id, &mut kept).await?;
        }
        let space = self.space().to_owned();
        let at = self.clock.stamp();
        let facts = self.stored(move |Reader(view)| {
            let mut facts = Vec::new();
            for commit in view.iter::<Commit>(space.clone()..=space) {
                let commit = commit?;
                if commit.deleted_at.is_none() && !kept.contains(&commit.id.0) {
                    use crate::records::Kept as _;
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

    /// The commits that pull requests were merged as.
    async fn merged(&self) -> Result<BTreeSet<String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let mut merged = BTreeSet::new();
            for issue in view.iter::<Issue>(space.clone()..=space) {
                merged.extend(issue?.merged_as.map(|id| id.0));
            }
            Ok(merged)
        })
        .await
    }

    /// The same from the newest on, which the others mostly lead to.
    async fn merged_newest_first(&self) -> Result<Vec<String>, SyncError> {
        let (space, merged) = (self.space().to_owned(), self.merged().await?);
        self.stored(move |Reader(view)| {
            let mut found = Vec::new();
            for commit in view.iter::<Commit>(space.clone()..=space) {
                let commit = commit?;
                if merged.contains(&commit.id.0) {
                    found.push((commit.committed_at, commit.id.0));
                }
            }
            found.sort_unstable_by(|one, other| other.cmp(one));
            Ok(found.into_iter().map(|(_, id)| id).collect())
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

    /// Reads the commits that pull requests were merged as, if they aren't in the default branch, with those that
    /// lead to them.
    pub(crate) async fn read_merged(&mut self) -> Result<(), SyncError> {
        let space = self.space().to_owned();
        let known = self.stored(move |Reader(view)| {
            let known = readings(view, &space, number_of::<Commit>(), None)?;
            Ok(known.into_iter().map(|read| read.id).collect())
        });
        let known: BTreeSet<String> = known.await?;
        let unknown = self.merged().await?;
        let unknown = unknown.into_iter().filter(|id| !known.contains(id));
        let query = queries::history_of_commit();
        for id in unknown {
            let mut after = None::<String>;
            loop {
                self.check()?;
                let mut harvest = self.harvest();
                let answer = self
                    .query(&query, json!({ "id": id, "after": after }))
                    .await?;
                let Some(page) = read::<Connection>(&answer.data["node"]["history"]) else {
                    break;
                };
                let new = self
                    .add_commits(&mut harvest, &page, &mut BTreeSet::new())
                    .await?;
                after = page.next_after(after.as_deref())?;
                self.keep(harvest.facts).await?;
                if after.is_none() || new == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Notes that a class is complete up to a time.
    pub(crate) fn complete(&mut self, class: usize, at: Millis) {
        let known = &mut self.progress.complete[class];
        *known = (*known).max(Some(at));
    }
}

fn odd(what: &str) -> SyncError {
    GithubError::Unreadable(what.to_owned()).into()
}
