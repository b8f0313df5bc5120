//! Reads one repository: asks, keeps what comes, and asks for what that calls for.

use std::{collections::BTreeSet, sync::Arc};

use propsbot_archive::Millis;
use propsbot_mirror::{ReadRows as _, Record, StoreError, ask};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    client::{Answer, Client},
    clock::Clock,
    error::{GithubError, SyncError},
    export::Store,
    merge::{Fact, Object, Observation, Reader, readings},
    queries::{self, IDS, LISTS, ListPage, Listed},
    records::{Kept, Progress, Read},
    rows::{
        Comment, Discussion, DiscussionComment, Issue, Label, Milestone, Reaction, Release, Review,
    },
    sync::or_stop,
    wire::{Connection, Harvest, read},
};

/// What reads a repository.
pub(crate) struct Reading<'a> {
    pub(crate) client: &'a Client,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) clock: &'a Clock,
    pub(crate) stop: &'a CancellationToken,
    /// As it is called now.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) progress: Progress,
}

/// The number of a table.
pub(crate) const fn number_of<R: Record>() -> u8 {
    R::TABLE.number
}

/// The tables that the scrub reads again, from first to last.
pub(crate) const SCRUBBED: [u8; 8] = [
    number_of::<Issue>(),
    number_of::<Review>(),
    number_of::<Comment>(),
    number_of::<Label>(),
    number_of::<Milestone>(),
    number_of::<Release>(),
    number_of::<Discussion>(),
    number_of::<DiscussionComment>(),
];

impl Reading<'_> {
    pub(crate) fn space(&self) -> &str {
        &self.progress.space
    }

    pub(crate) fn harvest(&self) -> Harvest {
        Harvest::new(self.space(), self.clock.stamp())
    }

    /// Fails once the reading is to stop. What was read is kept.
    pub(crate) fn check(&self) -> Result<(), SyncError> {
        if self.stop.is_cancelled() {
            return Err(SyncError::Stopped);
        }
        Ok(())
    }

    async fn or_stop<T>(
        &self,
        asking: impl Future<Output = Result<T, GithubError>>,
    ) -> Result<T, SyncError> {
        or_stop(self.stop, asking).await
    }

    pub(crate) async fn query(&self, query: &str, variables: Value) -> Result<Answer, SyncError> {
        self.or_stop(self.client.query(query, variables)).await
    }

    /// The same for a query that can be made smaller.
    pub(crate) async fn query_large(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<Answer, SyncError> {
        self.or_stop(self.client.query_large(query, variables))
            .await
    }

    pub(crate) async fn list(
        &self,
        route: &str,
        etag: Option<&str>,
    ) -> Result<Option<crate::client::Page>, SyncError> {
        self.or_stop(self.client.list(route, etag)).await
    }

    /// Answers a question on the store.
    pub(crate) async fn stored<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, SyncError> {
        Ok(ask(self.store, move |store| question(&store.mirror)).await??)
    }

    /// Keeps what was read, and how far the reading is; durable on return.
    pub(crate) async fn keep(&mut self, mut facts: Vec<Observation>) -> Result<(), SyncError> {
        if !self.progress.lacks_merged {
            self.progress.lacks_merged = self.has_unknown_merge(&facts).await?;
        }
        let at = self.clock.stamp();
        self.progress.at = at;
        let fact = Fact::Progress(Box::new(self.progress.clone()));
        facts.push(Observation { at, fact });
        ask(self.store, move |store| store.mirror.merge(&[facts])).await??;
        Ok(())
    }

    /// Reads every list that a harvest asks for, to its end.
    pub(crate) async fn read_lists(&self, harvest: &mut Harvest) -> Result<(), SyncError> {
        let mut most = LISTS;
        while !harvest.lists.is_empty() {
            let mut weight = 0;
            let mut fits = |page: &ListPage| {
                weight += page.weight();
                weight <= most
            };
            let count = harvest
                .lists
                .iter()
                .map_while(|page| fits(page).then_some(()));
            let count = count.count().max(1);
            let rest = harvest.lists.split_off(count);
            let pages = std::mem::replace(&mut harvest.lists, rest);
            let (query, variables) = queries::lists(&pages);
            harvest.at = self.clock.stamp();
            let answer = match self.query_large(&query, variables.clone()).await {
                Err(SyncError::Github(error)) if error.may_be_too_much() && count > 1 => {
                    most = (pages.iter().map(ListPage::weight).sum::<usize>() / 2).max(1);
                    harvest.lists.splice(0..0, pages);
                    continue;
                }
                Err(SyncError::Github(error)) if error.may_be_too_much() => {
                    self.query(&query, variables).await?
                }
                answer => answer?,
            };
            for (index, page) in pages.iter().enumerate() {
                let field = format!("a{index}");
                if answer.refuses(&field) {
                    let kinds = [Listed::DiscussionComments, Listed::Replies];
                    harvest.refuse(kinds.contains(&page.kind));
                    continue;
                }
                if answer.refuses_below(&format!("{field}/")) {
                    return Err(GithubError::Partial.into());
                }
                let list = &answer.data[field]["list"];
                // It was deleted meanwhile, which is found by its id.
                if let Some(list) = read::<Connection>(list) {
                    list.next_after(page.after.as_deref())?;
                    harvest.page(page.kind, &page.id, &page.issue, &list);
                }
            }
        }
        Ok(())
    }

    /// What is known of lists that were read to their end, but no longer in them.
    pub(crate) async fn unlisted(&self, harvest: &mut Harvest) -> Result<Vec<Read>, SyncError> {
        let lists = std::mem::take(&mut harvest.whole);
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let mut unlisted = Vec::new();
            for ((kind, parent), ids) in lists {
                let table = match kind {
                    Listed::Comments | Listed::ReviewComments => number_of::<Comment>(),
                    Listed::Reviews => number_of::<Review>(),
                    Listed::Reactions => number_of::<Reaction>(),
                    Listed::DiscussionComments | Listed::Replies => {
                        number_of::<DiscussionComment>()
                    }
                };
                let known = readings(view, &space, table, Some(&parent))?.into_iter();
                unlisted.extend(known.filter(|read| !read.is_gone && !ids.contains(&read.id)));
            }
            Ok(unlisted)
        })
        .await
    }

    /// Asks for things by their ids. Those that GitHub says it doesn't have become tombstones, and what belongs to
    /// them is asked for, too. Adds what there is to the harvest.
    pub(crate) async fn ask_by_id(
        &self,
        harvest: &mut Harvest,
        mut asked: Vec<Read>,
    ) -> Result<(), SyncError> {
        let query = queries::by_id();
        let mut done: BTreeSet<String> = BTreeSet::new();
        let mut most = IDS;
        while !asked.is_empty() {
            self.check()?;
            let rest = asked.split_off(most.min(asked.len()));
            let mut some = std::mem::replace(&mut asked, rest);
            some.retain(|read| !done.contains(&read.id));
            if some.is_empty() {
                continue;
            }
            let ids: Vec<&str> = some.iter().map(|read| &*read.id).collect();
            harvest.at = self.clock.stamp();
            let variables = json!({ "ids": ids, "space": self.space() });
            let answer = match self.query_large(&query, variables.clone()).await {
                Err(SyncError::Github(error)) if error.may_be_too_much() && most > 1 => {
                    most = (most / 2).max(1);
                    asked.splice(0..0, some);
                    continue;
                }
                Err(SyncError::Github(error)) if error.may_be_too_much() => {
                    match self.query(&query, variables).await {
                        // One thing that is too much for GitHub keeps nothing else from being read.
                        Err(SyncError::Github(error @ GithubError::TooMuch(_))) => {
                            warn!(id = some[0].id, "GitHub shows it to nobody: {error}");
                            harvest.refuse(is_discussion(&some[0]));
                            continue;
                        }
                        answer => answer?,
                    }
                }
                answer => answer?,
            };
            // Nothing is found in a repository that can't be read.
            if answer.data["space"]["id"].is_null() {
                return Err(GithubError::NotFound.into());
            }
            let mut gone = Vec::new();
            for (index, read) in some.into_iter().enumerate() {
                done.insert(read.id.clone());
                let node = &answer.data["nodes"][index];
                let (issue, review) = belongs(&read);
                if read.table == number_of::<Discussion>() && !harvest.lists_comments {
                    let known = read.updated_at.filter(|_| read.is_settled());
                    harvest.discussed.insert(read.id.clone(), known);
                }
                let is_there = harvest.node(node, issue.as_deref(), review.as_deref());
                // It may have another id there.
                let own = node["id"].as_str().unwrap_or(&read.id);
                let field = format!("nodes/{index}");
                let is_gone =
                    node.is_null() && answer.lacks(&field) || harvest.elsewhere.contains(own);
                if is_gone {
                    gone.push(read);
                } else if answer.refuses(&field) {
                    harvest.refuse(is_discussion(&read));
                } else if !is_there {
                    (harvest.is_lacking, harvest.lacks_others) = (true, true);
                    warn!(
                        id = read.id,
                        "GitHub neither has nor lacks something; it is asked for again later"
                    );
                }
            }
            let found = harvest.at.millis();
            let (tombstones, below) = self.bury(gone, found).await?;
            let at = harvest.at;
            let tombstones = tombstones.into_iter().map(|object| Observation {
                at,
                fact: Fact::Read(Box::new(object), None),
            });
            harvest.facts.extend(tombstones);
            asked.extend(below);
        }
        Ok(())
    }

    /// The tombstones of what is gone, and what belongs to it.
    async fn bury(
        &self,
        gone: Vec<Read>,
        found: Millis,
    ) -> Result<(Vec<Object>, Vec<Read>), SyncError> {
        if gone.is_empty() {
            return Ok(Default::default());
        }
        self.stored(move |Reader(view)| {
            let (mut tombstones, mut below) = (Vec::new(), Vec::new());
            for read in gone {
                let key = (read.space.clone(), read.created.0, read.id.clone());
                macro_rules! tombstone {
                    ($($row:ident => $kind:ident),*) => {
                        $(if read.table == number_of::<$row>() {
                            let row = view.get::<$row>(key.clone())?;
                            tombstones.extend(row.map(|row| Object::$kind(row.tombstone(found))));
                        })*
                    };
                }
                tombstone!(
                    Issue => Issue, Review => Review, Comment => Comment, Reaction => Reaction,
                    Label => Label, Milestone => Milestone, Release => Release,
                    Discussion => Discussion, DiscussionComment => DiscussionComment
                );
                for table in [
                    number_of::<Review>(),
                    number_of::<Comment>(),
                    number_of::<Reaction>(),
                    number_of::<DiscussionComment>(),
                ] {
                    let known = readings(view, &read.space, table, Some(&read.id))?;
                    below.extend(known.into_iter().filter(|read| !read.is_gone));
                }
            }
            Ok((tombstones, below))
        })
        .await
    }
}

fn is_discussion(read: &Read) -> bool {
    let tables = [number_of::<Discussion>(), number_of::<DiscussionComment>()];
    tables.contains(&read.table)
}

/// The issue and the review (or what a reaction is on) that something is listed with. GitHub says so itself of
/// comments of reviews, and of reactions.
fn belongs(read: &Read) -> (Option<String>, Option<String>) {
    if read.table == number_of::<Reaction>() {
        (None, Some(read.parent.clone()))
    } else {
        (Some(read.parent.clone()), None)
    }
}
