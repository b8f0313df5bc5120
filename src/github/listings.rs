//! Labels, milestones, releases and discussions. Each repository tells in short what it lists of them; once that
//! changes, the list is read, and what in it changed is asked for by id.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::Millis;
use serde_json::json;

use crate::{
    changes::{Changed, OVERLAP},
    error::{GithubError, SyncError},
    merge::{Reader, readings},
    overview::{Overview, Told},
    queries::{self, Listing},
    reading::{Reading, number_of},
    records::Read,
    rows::{Discussion, Label, Milestone, Release},
    wire::{Connection, read, time},
};

/// How many pages of a list are read.
const MOST_PAGES: u32 = 10_000;

impl Listing {
    fn table(self) -> u8 {
        match self {
            Self::Labels => number_of::<Label>(),
            Self::Milestones => number_of::<Milestone>(),
            Self::Releases => number_of::<Release>(),
            Self::Discussions => number_of::<Discussion>(),
        }
    }
}

impl Reading<'_> {
    /// Reads what changed of them. Returns whether some could not be read: it is asked for again.
    pub(crate) async fn read_listings(&mut self, overview: &Overview) -> Result<bool, SyncError> {
        let mut are_lacking = false;
        for told in overview.told() {
            if self.progress.told[told.listing as usize].as_ref() != Some(&told.text) {
                are_lacking |= self.read_listing(told).await?;
            }
        }
        Ok(are_lacking)
    }

    async fn read_listing(&mut self, told: Told) -> Result<bool, SyncError> {
        let Told {
            listing,
            text,
            is_off,
            newest,
            is_settled,
        } = told;
        // Discussions are many, and GitHub lists first what changed last.
        let is_sorted = listing == Listing::Discussions && !is_off;
        let until = self.progress.discussed.filter(|_| is_sorted);
        let until = until.map(|until| Millis(until.0 - OVERLAP));
        let listed = if is_off {
            BTreeMap::new()
        } else {
            self.list_until(listing, until).await?
        };
        let ids: BTreeSet<String> = listed.keys().cloned().collect();
        let mut are_lacking = false;
        if !listed.is_empty() {
            are_lacking |= self.read_changed(listed).await?;
        }
        if until.is_none() {
            let (space, table) = (self.space().to_owned(), listing.table());
            let unlisted = self.stored(move |Reader(view)| {
                let mut known = readings(view, &space, table, None)?;
                known.retain(|read| !read.is_gone && !ids.contains(&read.id));
                Ok(known)
            });
            let unlisted: Vec<Read> = unlisted.await?;
            let mut harvest = self.harvest();
            self.ask_by_id(&mut harvest, unlisted).await?;
            are_lacking |= harvest.is_lacking;
            self.keep(harvest.facts).await?;
        }
        if !are_lacking {
            self.progress.told[listing as usize] = Some(text).filter(|_| is_settled);
            if is_sorted {
                self.progress.discussed = self.progress.discussed.max(newest);
            } else if is_off {
                // Once they are switched on again, all are read.
                self.progress.discussed = None;
            }
        }
        self.keep(Vec::new()).await?;
        Ok(are_lacking)
    }

    /// What a list has, up to what didn't change since then.
    async fn list_until(
        &self,
        listing: Listing,
        until: Option<Millis>,
    ) -> Result<BTreeMap<String, (u8, Changed)>, SyncError> {
        let query = queries::listing(listing);
        let (mut listed, mut after) = (BTreeMap::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            self.check()?;
            let variables = json!({ "id": self.space(), "after": after });
            let answer = self.query(&query, variables).await?;
            if answer.refuses_below("") {
                return Err(GithubError::Partial.into());
            }
            let page = read::<Connection>(&answer.data["node"]["list"]);
            let page = page.ok_or(GithubError::NotFound)?;
            let mut is_past = false;
            for node in &page.nodes {
                let Some(id) = node["id"].as_str() else {
                    continue;
                };
                let updated_at = node["updatedAt"].as_str().unwrap_or_default().to_owned();
                is_past |=
                    until.is_some_and(|until| time(&updated_at).is_some_and(|at| at < until));
                if is_past {
                    break;
                }
                // Drafts are for those who can push.
                if node["isDraft"] != true {
                    let changed = Changed::of(id, updated_at);
                    listed.insert(id.to_owned(), (listing.table(), changed));
                }
            }
            after = page.next_after(after.as_deref())?.filter(|_| !is_past);
            if after.is_none() {
                return Ok(listed);
            }
        }
        Err(GithubError::Unreadable("a list without an end".to_owned()).into())
    }
}
