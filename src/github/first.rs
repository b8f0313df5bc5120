//! The first reading of a repository: everything, in pages that are as large as a point allows.

use std::collections::BTreeSet;

use propsbot_archive::Millis;
use propsbot_mirror::{ReadRows as _, StoreError};
use serde_json::json;
use tracing::info;

use crate::{
    error::{GithubError, SyncError},
    merge::Reader,
    queries::{self, LISTS, Listed},
    reading::Reading,
    rows::{Discussion, Issue},
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

    /// Notes that a class is complete up to a time.
    pub(crate) fn complete(&mut self, class: usize, at: Millis) {
        let known = &mut self.progress.complete[class];
        *known = (*known).max(Some(at));
    }
}
