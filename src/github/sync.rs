//! Reads repositories: which there are, and each of them.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::{Id, one_line};
use propsbot_mirror::{ProviderError, ReadRows as _, SyncRequest, SyncedSpace, SyncedState, ask};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Answer, Client},
    clock::Clock,
    error::{GithubError, SyncError},
    merge::{Fact, Object, Observation},
    overview::Overview,
    provider::{GithubProvider, newest, wrong},
    queries,
    reading::Reading,
    records::{Kept as _, Progress},
    rows::Repository,
    wire::{Connection, read},
};

/// How many repositories are asked for at once.
const AT_ONCE: usize = 20;

/// How many repositories an owner may have.
const MOST: usize = 100_000;

/// A repository that is to be mirrored.
pub(crate) struct Found {
    /// Its name in the configuration.
    pub(crate) named: String,
    /// What GitHub has there; `None` if it can't be read.
    pub(crate) overview: Option<Overview>,
    /// The id that it was asked for by; `None` if by its name.
    space: Option<String>,
    /// Whether GitHub said that there is nothing, or refuses it.
    is_gone: bool,
    /// Whether GitHub refuses to show a part of it.
    is_partial: bool,
}

impl GithubProvider {
    /// The repositories that are to be mirrored. Known ones are found by their ids, whatever they are called now; those
    /// that are gone by their names, since there may be another one.
    pub(crate) async fn discover(
        &self,
        client: &Client,
        known: &[Progress],
        gone: &BTreeSet<String>,
        stop: &CancellationToken,
    ) -> Result<Vec<Found>, SyncError> {
        let wanted = &self.options.repositories;
        let (mut names, mut found) = (wanted.named.clone(), Vec::new());
        for owner in &wanted.owners {
            let mut after = None::<String>;
            loop {
                let variables = json!({ "owner": owner, "after": after });
                let answer = or_stop(
                    stop,
                    client.query(&queries::repositories_of_owner(), variables),
                )
                .await?;
                let list = &answer.data["repositoryOwner"]["repositories"];
                // A name with a mistake keeps no other from being read.
                let Some(page) = read::<Connection>(list) else {
                    found.push(Found {
                        named: format!("{owner}/*"),
                        overview: None,
                        space: None,
                        is_gone: false,
                        is_partial: false,
                    });
                    break;
                };
                let listed = page.nodes.iter().filter_map(|node| node["name"].as_str());
                let listed = listed.filter(|name| wanted.has(owner, name));
                names.extend(listed.map(|name| (owner.clone(), name.to_owned())));
                if names.len() > MOST {
                    return Err(GithubError::Unreadable("a list without an end".to_owned()).into());
                }
                after = page.next_after(after.as_deref())?;
                if after.is_none() {
                    break;
                }
            }
        }
        // One that can't be read any more isn't in the owner's list.
        for progress in known {
            let name = progress.named.split_once('/');
            let own = name.filter(|(of, name)| wanted.has(of, name));
            names.extend(own.map(|(of, name)| (of.to_owned(), name.to_owned())));
        }
        let mut once = BTreeSet::new();
        names.retain(|(of, name)| once.insert(format!("{of}/{name}").to_lowercase()));
        let spaces: BTreeMap<String, &Progress> = known
            .iter()
            .filter(|progress| !gone.contains(&progress.space))
            .map(|progress| (progress.named.to_lowercase(), progress))
            .collect();
        let of = |(owner, name): &(String, String)| format!("{owner}/{name}");
        let (old, mut new): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|pair| spaces.contains_key(&of(pair).to_lowercase()));
        for some in old.chunks(AT_ONCE) {
            let ids = some
                .iter()
                .map(|pair| &*spaces[&of(pair).to_lowercase()].space);
            let ids: Vec<&str> = ids.collect();
            let variables = Map::from_iter([("ids".to_owned(), json!(ids))]);
            let query = queries::repositories_by_id();
            let answer = or_stop(stop, overviews(client, &query, variables)).await?;
            for (index, pair) in some.iter().enumerate() {
                let field = format!("nodes/{index}");
                let overview = overview(client, &answer.data["nodes"][index]);
                // It may be called otherwise now, and another one have its name.
                let has_name = |overview: &Overview| overview.name_is(&of(pair));
                if !overview.as_ref().is_some_and(has_name) {
                    new.push(pair.clone());
                }
                found.push(Found {
                    named: of(pair),
                    overview,
                    space: Some(spaces[&of(pair).to_lowercase()].space.clone()),
                    is_gone: answer.lacks(&field) || answer.refuses(&field),
                    is_partial: answer.refuses_below(&format!("{field}/default")),
                });
            }
        }
        for some in new.chunks(AT_ONCE) {
            let (query, variables) = queries::repositories(some);
            let answer = or_stop(stop, overviews(client, &query, variables)).await?;
            for (index, pair) in some.iter().enumerate() {
                let field = format!("r{index}");
                found.push(Found {
                    named: of(pair),
                    overview: overview(client, &answer.data[&field]),
                    space: None,
                    is_gone: answer.lacks(&field) || answer.refuses(&field),
                    is_partial: answer.refuses_below(&format!("{field}/default")),
                });
            }
        }
        // A name is that of the repository that has it now.
        let by_name = found.iter().filter(|found| found.space.is_none());
        let owners: BTreeMap<String, String> = by_name
            .filter_map(|found| {
                let overview = found.overview.as_ref()?;
                Some((found.named.to_lowercase(), overview.id.clone()))
            })
            .collect();
        for found in &mut found {
            let owner = owners.get(&found.named.to_lowercase());
            if let (Some(overview), Some(owner)) = (&found.overview, owner)
                && overview.id != *owner
            {
                found.named = overview.full_name();
            }
        }
        Ok(found)
    }

    /// Reads what is missing, and with `recheck` everything again.
    pub(crate) async fn sync_with(
        &self,
        client: &Client,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        let store = self.opened().await?;
        let _turn = self.turn.lock().await;
        let clock = Clock::after(newest(store).await?);
        let known = ask(store, |store| store.mirror.0.scan::<Progress>(())).await??;
        let gone = self.gone().await?;
        let found = self.discover(client, &known, &gone, stop).await?;
        let readable = found.iter().filter(|found| found.overview.is_some());
        let readable: BTreeSet<String> = readable.map(|found| found.named.to_lowercase()).collect();
        let (mut synced, mut seen, mut has_asked) = (Vec::new(), BTreeSet::new(), false);
        for Found {
            named,
            overview,
            space: asked,
            is_gone,
            is_partial,
        } in found
        {
            // By its id, whatever it was called.
            let id = overview.as_ref().map(|overview| &overview.id);
            let progress = known.iter().find(|progress| match id.or(asked.as_ref()) {
                Some(id) => progress.space == *id,
                None => {
                    !gone.contains(&progress.space) && progress.named.eq_ignore_ascii_case(&named)
                }
            });
            let is_asked = |space: &str| {
                request.space.as_ref().is_none_or(|only| {
                    only.as_str() == space || only.as_str().eq_ignore_ascii_case(&named)
                })
            };
            let Some(overview) = overview else {
                let space = progress.map_or(&named, |progress| &progress.space);
                if is_asked(space) {
                    has_asked = true;
                    if let Some(progress) = progress.filter(|_| is_gone) {
                        self.note_gone(&clock, &progress.space).await?;
                    }
                    // Another one of this name is read below, or it is said once that there is none.
                    if asked.is_some() || readable.contains(&named.to_lowercase()) {
                        continue;
                    }
                    synced.push(SyncedSpace {
                        space: Id::new(space),
                        state: SyncedState::Failed,
                        text: format!(
                            "{named}: there is no such repository, or GITHUB_SOURCE_TOKEN can't read it"
                        ),
                    });
                }
                continue;
            };
            if !is_asked(&overview.id) || !seen.insert(overview.id.clone()) {
                continue;
            }
            has_asked = true;
            let row = overview.row();
            let name = one_line(&format!("{}/{}", row.owner, row.name));
            let mut reading = Reading {
                client,
                store,
                clock: &clock,
                stop,
                owner: row.owner.clone(),
                name: row.name.clone(),
                progress: Progress {
                    space: overview.id.clone(),
                    named: named.clone(),
                    ..progress.cloned().unwrap_or_default()
                },
            };
            self.show(&overview.id, &name, "reading", false);
            let before = client.requests();
            let done = reading.run(&overview, is_partial, request.recheck).await;
            let requests = client.requests() - before;
            self.show(&overview.id, &name, "done", true);
            let (state, text) = match done {
                Ok(()) => (SyncedState::Complete, complete(&name, requests, &overview)),
                Err(SyncError::Stopped) => {
                    return Err(ProviderError::Failed(SyncError::Stopped.into()));
                }
                Err(SyncError::Github(error)) if !matches!(error, GithubError::BadToken) => {
                    (SyncedState::Incomplete, format!("{name}: {error}"))
                }
                Err(error) => return Err(error.into()),
            };
            let space = Id::new(&overview.id);
            synced.push(SyncedSpace { space, state, text });
        }
        if let (Some(only), false) = (&request.space, has_asked) {
            return Err(wrong(format!(
                "the repository {only} is not mirrored; add it to GITHUB_REPOSITORIES"
            )));
        }
        Ok(synced)
    }

    /// The repositories that are gone, or can't be read any more.
    pub(crate) async fn gone(&self) -> Result<BTreeSet<String>, ProviderError> {
        let store = self.opened().await?;
        let all = ask(store, |store| store.mirror.0.scan::<Repository>(())).await??;
        let gone = all.into_iter().filter(|row| row.deleted_at.is_some());
        Ok(gone.map(|row| row.id.0).collect())
    }

    /// Notes that a repository is gone, or can't be read any more. It isn't exported any more.
    async fn note_gone(&self, clock: &Clock, space: &str) -> Result<(), ProviderError> {
        let (store, space, at) = (self.opened().await?, space.to_owned(), clock.stamp());
        ask(store, move |store| {
            let row = store.mirror.0.get::<Repository>(space)?;
            let Some(row) = row.filter(|row| row.deleted_at.is_none()) else {
                return Ok(());
            };
            let object = Object::Repository(row.tombstone(at.millis()));
            let fact = Fact::Read(Box::new(object), None);
            store
                .mirror
                .merge(&[vec![Observation { at, fact }]])
                .map(|_| ())
        })
        .await??;
        Ok(())
    }
}

impl Reading<'_> {
    /// Reads what is missing of the repository.
    async fn run(
        &mut self,
        overview: &Overview,
        is_partial: bool,
        recheck: bool,
    ) -> Result<(), SyncError> {
        let now = Clock::now();
        let server = self.client.date().unwrap_or(now);
        // Our clock may be fast.
        let began = now.min(server);
        let is_first = !self.progress.are_listed.iter().all(|is_listed| *is_listed);
        if is_first {
            self.progress.scrub_began.get_or_insert(began);
            self.progress
                .since
                .get_or_insert(propsbot_archive::Millis(server.0 - 60_000));
        }
        self.progress.hides_discussions = overview.hides("discussions");
        let at = self.clock.stamp();
        let object = Object::Repository(overview.row());
        let fact = Fact::Read(Box::new(object), None);
        self.keep(vec![Observation { at, fact }]).await?;
        if recheck {
            self.list_all_again();
        }
        let are_lacking = self.read_listings(overview).await?;
        if is_first {
            self.read_all().await?;
        } else if self.progress.lacks_numbers {
            self.read_absent_numbers().await?;
        }
        let are_lacking = self.read_changes(server).await? || are_lacking;
        let mut is_lacking = are_lacking || self.progress.lacks_numbers;
        let is_hidden = !overview.hidden().is_empty();
        if !is_lacking && !is_hidden {
            self.complete(0, began);
        }
        if is_partial {
            self.keep(Vec::new()).await?;
            return Err(GithubError::Partial.into());
        }
        self.read_commits(overview.head()).await?;
        if self.has_commits_of(overview.head()) {
            self.complete(2, began);
        }
        if is_first
            && !is_lacking
            && !overview.hides("releases")
            && let Some(began) = self.progress.scrub_began.take()
        {
            self.progress.scrub_done = Some(began);
            self.complete(1, began);
        }
        if !is_lacking && !self.progress.hides_discussions && self.progress.discussions.is_none() {
            // They were all read just now. Earlier versions had one class for both.
            self.progress.discussions = self.progress.complete[1];
        }
        self.keep(Vec::new()).await?;
        if recheck {
            self.progress.scrubbed = None;
            while !self.scrub_some(Clock::now()).await? {}
            self.read_absent_numbers().await?;
            is_lacking |= self.progress.scrub_lacks || self.progress.lacks_numbers;
        }
        if recheck && self.progress.scrub_refused {
            return Err(GithubError::Partial.into());
        }
        if is_lacking {
            let lacking = "it lists something that it neither has nor lacks".to_owned();
            return Err(GithubError::Unreadable(lacking).into());
        }
        Ok(())
    }
}

/// What a repository told just now.
fn overview(client: &Client, told: &Value) -> Option<Overview> {
    let mut overview: Overview = read(told)?;
    overview.told_at = client.date();
    Some(overview)
}

/// What is said of a repository that was read.
fn complete(name: &str, requests: u64, overview: &Overview) -> String {
    let hidden = overview.hidden().into_iter().map(|(what, permission)| {
        format!("; GitHub refuses its {what}: let GITHUB_SOURCE_TOKEN read its {permission}")
    });
    let hidden: String = hidden.collect();
    format!("{name}: complete; requests to GitHub: {requests}{hidden}")
}

/// What can't be shown of repositories without a permission of its own, which isn't needed for anything else.
const REFUSED: [&str; 2] = ["discussions", "releases"];

/// What repositories tell of themselves. GitHub shows nothing of one whose discussions or releases it refuses, unless it
/// isn't asked for those: then nothing is told of them.
async fn overviews(
    client: &Client,
    query: &str,
    mut variables: Map<String, Value>,
) -> Result<Answer, GithubError> {
    variables.extend(REFUSED.map(|field| (field.to_owned(), true.into())));
    let all = Value::Object(variables.clone());
    let mut answer = client.query(query, all).await?;
    for _ in REFUSED {
        let refused = REFUSED.iter().filter(|field| answer.refuses_field(field));
        let refused: Vec<_> = refused
            .map(|field| ((*field).to_owned(), false.into()))
            .collect();
        if refused.is_empty() {
            break;
        }
        variables.extend(refused);
        let mut again = client
            .query(query, Value::Object(variables.clone()))
            .await?;
        let without = std::mem::replace(&mut again.data, answer.data);
        fill(&mut again.data, without);
        answer = again;
    }
    Ok(answer)
}

/// Puts what another answer has in place of what this one lacks.
fn fill(answer: &mut Value, other: Value) {
    match (answer, other) {
        (answer @ Value::Null, other) => *answer = other,
        (Value::Array(answers), Value::Array(others)) => {
            let pairs = answers.iter_mut().zip(others);
            pairs.for_each(|(answer, other)| fill(answer, other));
        }
        (Value::Object(answers), Value::Object(others)) => {
            for (name, other) in others {
                if let Some(answer) = answers.get_mut(&name) {
                    fill(answer, other);
                }
            }
        }
        _ => {}
    }
}

pub(crate) async fn or_stop<T>(
    stop: &CancellationToken,
    asking: impl Future<Output = Result<T, GithubError>>,
) -> Result<T, SyncError> {
    let answer = stop.run_until_cancelled(asking).await;
    Ok(answer.ok_or(SyncError::Stopped)??)
}
