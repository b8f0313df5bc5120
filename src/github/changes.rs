//! What changed since a repository was last read: three lists over REST, which cost nothing if nothing did.
//!
//! The lists name what changed; what it is now is asked for by id, like everything else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use propsbot_archive::Millis;
use propsbot_mirror::{ReadRows as _, Stamp};
use serde::Deserialize;

use crate::{
    client::Page,
    error::SyncError,
    merge::{Reader, readings},
    queries::Listed,
    reading::{Reading, number_of},
    records::Read,
    rows::{Comment, Discussion, DiscussionComment, Issue, Review},
    wire::{read, time},
};

/// The lists of changes: of issues and pull requests, of comments, and of comments of reviews.
const LISTS: [(&str, u8); 3] = [
    ("issues?state=all&", number_of::<Issue>()),
    ("issues/comments?", number_of::<Comment>()),
    ("pulls/comments?", number_of::<Comment>()),
];

/// How many entries a page has.
const PAGE: usize = 100;

/// How many pages of a list are read at once. What comes after them is read the next time.
const MOST_PAGES: u32 = 1_000;

/// How much is asked for twice, in case clocks at GitHub differ, in milliseconds.
pub(crate) const OVERLAP: i64 = 60_000;

/// How many changes are read before they are kept.
const AT_ONCE: usize = 500;

/// An entry of a list.
#[derive(Deserialize)]
pub(crate) struct Changed {
    node_id: String,
    updated_at: String,
    number: Option<u64>,
    issue_url: Option<String>,
    pull_request_url: Option<String>,
}

fn is_issue(read: &Read) -> bool {
    read.table == number_of::<Issue>()
}

/// All entries of a list.
#[derive(Default)]
struct List {
    entries: Vec<Changed>,
    /// Whether some could not be read.
    is_odd: bool,
    /// The time of the last one, if the list goes on.
    cut_at: Option<Millis>,
}

impl Changed {
    /// Something that isn't of an issue, and when it changed.
    pub(crate) fn of(id: &str, updated_at: String) -> Self {
        Self {
            node_id: id.to_owned(),
            updated_at,
            number: None,
            issue_url: None,
            pull_request_url: None,
        }
    }

    /// The number of the issue that it belongs to.
    fn issue(&self) -> Option<u64> {
        let url = self.issue_url.as_ref().or(self.pull_request_url.as_ref())?;
        url.rsplit('/').next()?.parse().ok()
    }
}

impl Reading<'_> {
    /// Reads what changed. Returns whether some could not be read: it is asked for again.
    pub(crate) async fn read_changes(&mut self, server: Millis) -> Result<bool, SyncError> {
        let since = *self
            .progress
            .since
            .get_or_insert(Millis(server.0 - OVERLAP));
        let mut changed: BTreeMap<String, (u8, Changed)> = BTreeMap::new();
        let (mut etags, mut is_long) = (self.progress.etags.clone(), false);
        let (mut is_odd, mut cut_at) = (false, None::<Millis>);
        for (index, (path, table)) in LISTS.iter().enumerate() {
            let first = self
                .list(&self.route(path, since), etags[index].as_deref())
                .await?;
            let Some(first) = first else { continue };
            etags[index].clone_from(&first.etag);
            let list = self.rest_of_list(path, since, first).await?;
            is_long |= list.entries.len() >= PAGE;
            is_odd |= list.is_odd;
            cut_at = [cut_at, list.cut_at].into_iter().flatten().min();
            let entries = list
                .entries
                .into_iter()
                .map(|entry| (entry.node_id.clone(), (*table, entry)));
            changed.extend(entries);
        }
        let mut are_lacking = is_odd || cut_at.is_some();
        if !changed.is_empty() {
            are_lacking |= self.read_changed(changed).await?;
        }
        if let Some(cut_at) = cut_at {
            // What comes after that is read the next time.
            self.progress.since = Some(cut_at.max(since));
            self.progress.etags = Default::default();
        }
        if are_lacking {
            // The lists are asked for again.
            self.keep(Vec::new()).await?;
            return Ok(true);
        }
        self.progress.etags = etags;
        if is_long {
            // Shorter lists from here on; what they hold is known.
            self.progress.since = Some(Millis(server.0 - OVERLAP));
            self.progress.etags = Default::default();
        }
        self.keep(Vec::new()).await?;
        Ok(false)
    }

    fn route(&self, path: &str, since: Millis) -> String {
        let since =
            Timestamp::from_millisecond(since.0.div_euclid(1000) * 1000).unwrap_or_default();
        format!(
            "/repos/{}/{}/{path}sort=updated&direction=asc&per_page={PAGE}&since={since}",
            self.owner, self.name
        )
    }

    /// All entries. Each page begins where the last one ended: numbers of pages would miss what moves meanwhile.
    async fn rest_of_list(
        &self,
        path: &str,
        mut since: Millis,
        first: Page,
    ) -> Result<List, SyncError> {
        let (mut list, mut page, mut number, mut pages) = (List::default(), first, 1_u32, 0_u32);
        loop {
            self.check()?;
            let entries: Vec<Changed> = page.items.iter().filter_map(read).collect();
            list.is_odd |= entries.len() < page.items.len();
            let is_last = page.items.len() < PAGE;
            let newest = entries.last().and_then(|entry| time(&entry.updated_at));
            list.entries.extend(entries);
            pages += 1;
            if is_last {
                return Ok(list);
            }
            if pages > MOST_PAGES {
                list.cut_at = Some(newest.unwrap_or(since));
                return Ok(list);
            }
            let route = if let Some(newest) = newest.filter(|newest| *newest > since) {
                (since, number) = (newest, 1);
                self.route(path, since)
            } else {
                number += 1;
                format!("{}&page={number}", self.route(path, since))
            };
            match self.list(&route, None).await? {
                Some(next) => page = next,
                None => return Ok(list),
            }
        }
    }

    /// Reads what isn't known as it is now. Returns whether some could not be read: it is asked for again.
    pub(crate) async fn read_changed(
        &mut self,
        changed: BTreeMap<String, (u8, Changed)>,
    ) -> Result<bool, SyncError> {
        let space = self.space().to_owned();
        let tables: BTreeSet<u8> = changed.values().map(|(table, _)| *table).collect();
        let known = self.stored(move |Reader(view)| {
            let mut known: HashMap<String, Read> = HashMap::new();
            for table in tables {
                let all = readings(view, &space, table, None)?;
                known.extend(all.into_iter().map(|read| (read.id.clone(), read)));
            }
            Ok(known)
        });
        let known = known.await?;
        let mut numbers: HashMap<u64, String> = HashMap::new();
        for (id, (_, entry)) in &changed {
            numbers.extend(entry.number.map(|number| (number, id.clone())));
        }
        let (mut asked, mut orphans, mut are_lacking) = (Vec::new(), Vec::new(), false);
        for (id, (table, entry)) in changed {
            let is_known = known.get(&id).is_some_and(|read| {
                !read.is_gone && read.is_settled() && read.updated_at == time(&entry.updated_at)
            });
            if is_known {
                continue;
            }
            let new = |parent: String| Read {
                space: self.space().to_owned(),
                table,
                parent,
                id: id.clone(),
                created: Millis(0),
                at: Stamp::default(),
                updated_at: None,
                is_gone: false,
            };
            match (known.get(&id), entry.issue()) {
                (Some(read), _) => asked.push(read.clone()),
                (None, None) => asked.push(new(String::new())),
                (None, Some(issue)) => match numbers.get(&issue) {
                    Some(parent) => asked.push(new(parent.clone())),
                    None => orphans.push((issue, new(String::new()))),
                },
            }
        }
        if !orphans.is_empty() {
            let ids = self.ids_of_issues().await?;
            for (issue, mut read) in orphans {
                if let Some(id) = ids.get(&issue) {
                    read.parent.clone_from(id);
                    asked.push(read);
                } else {
                    are_lacking = true;
                }
            }
        }
        if asked.is_empty() {
            return Ok(are_lacking);
        }
        let is_new = |read: &Read| is_issue(read) && !known.contains_key(&read.id);
        let has_new_issue = asked.iter().any(is_new);
        let reviews = self.known_reviews().await?;
        while !asked.is_empty() {
            // After a long outage a kill loses no more than this, since what is kept isn't asked for again.
            let rest = asked.split_off(AT_ONCE.min(asked.len()));
            let some = std::mem::replace(&mut asked, rest);
            are_lacking |= self.read_some_changed(some, &known, &reviews).await?;
        }
        if has_new_issue {
            self.read_absent_numbers().await?;
        }
        Ok(are_lacking)
    }

    /// Reads and keeps some of what changed. Returns whether GitHub neither has nor lacks some of it.
    async fn read_some_changed(
        &mut self,
        asked: Vec<Read>,
        known: &HashMap<String, Read>,
        reviews: &BTreeSet<String>,
    ) -> Result<bool, SyncError> {
        let new_issues = asked.iter().filter(|read| is_issue(read));
        let new_issues = new_issues.filter(|read| !known.contains_key(&read.id));
        let new_issues: Vec<String> = new_issues.map(|read| read.id.clone()).collect();
        let discussions = asked
            .iter()
            .filter(|read| read.table == number_of::<Discussion>());
        let discussions: Vec<String> = discussions.map(|read| read.id.clone()).collect();
        let mut harvest = self.harvest();
        harvest.lists_comments = true;
        if !discussions.is_empty() {
            harvest.scrubbed = self.known_comments().await?;
        }
        self.ask_by_id(&mut harvest, asked).await?;
        // What the lists above name, and the scrub looks at, isn't listed once more. It doesn't look at what is gone.
        let is_new = |id: &String| known.get(id).is_none_or(|read| read.is_gone);
        harvest.lists.retain(|page| match page.kind {
            Listed::Reactions => is_new(&page.id) && !reviews.contains(&page.id),
            Listed::ReviewComments => !reviews.contains(&page.id),
            _ => true,
        });
        // One that was moved to another repository has its comments there.
        let discussions = discussions.iter().filter(|id| harvest.found.contains(*id));
        for id in discussions.cloned().collect::<Vec<_>>() {
            harvest.ask(Listed::DiscussionComments, &id, "");
        }
        // An issue from another repository comes with comments that are old.
        for id in &new_issues {
            harvest.ask(Listed::Comments, id, id);
        }
        self.read_lists(&mut harvest).await?;
        let unlisted = self.unlisted(&mut harvest).await?;
        self.ask_by_id(&mut harvest, unlisted).await?;
        self.keep(harvest.facts).await?;
        Ok(harvest.is_lacking)
    }

    async fn ids_of_issues(&self) -> Result<HashMap<u64, String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let issues = view.iter::<Issue>(space.clone()..=space);
            issues
                .map(|issue| issue.map(|issue| (issue.number, issue.id.0)))
                .collect()
        })
        .await
    }

    /// The comments on discussions that the scrub looks at.
    async fn known_comments(&self) -> Result<BTreeSet<String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let comments = readings(view, &space, number_of::<DiscussionComment>(), None)?;
            let known = comments.into_iter().filter(|read| !read.is_gone);
            Ok(known.map(|read| read.id).collect())
        })
        .await
    }

    async fn known_reviews(&self) -> Result<BTreeSet<String>, SyncError> {
        let space = self.space().to_owned();
        self.stored(move |Reader(view)| {
            let reviews = readings(view, &space, number_of::<Review>(), None)?;
            Ok(reviews.into_iter().map(|read| read.id).collect())
        })
        .await
    }
}
