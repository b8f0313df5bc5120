//! Follows GitHub: asks for changes regularly and when a delivery hints at one, and reads everything again meanwhile.

use std::{collections::BTreeSet, time::Duration};

use propsbot_archive::Id;
use propsbot_mirror::{ProviderError, ReadRows as _, SyncRequest, SyncedSpace, SyncedState, ask};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    client::Client,
    clock::Clock,
    error::{GithubError, SyncError},
    merge::{Reader, readings},
    provider::{GithubProvider, newest},
    reading::{Reading, SCRUBBED},
    records::Progress,
    rows::Repository,
    webhook::{Hint, Server},
};

/// How often changes are asked for. Where nothing changed, that costs a point for all repositories.
const EVERY: Duration = Duration::from_mins(2);

/// How often a hundred things are read again. That takes two requests and three points, so it is less than a tenth of
/// GitHub's 5,000 points an hour; and 60,000 things, such as 10,000 issues with 50,000 comments, take four hours.
const SCRUB_EVERY: Duration = Duration::from_secs(24);

/// How long hints are collected, since one comment causes several.
const COLLECTING: Duration = Duration::from_secs(1);

impl GithubProvider {
    pub(crate) async fn listen_until(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        let client = self.client()?;
        let mut server = match &self.options.webhook {
            Some(webhook) => Some(Server::start(webhook, &self.signals, &stop).await?),
            None => None,
        };
        let mut scrub_at = Instant::now() + SCRUB_EVERY;
        loop {
            let next = Instant::now() + EVERY;
            self.read_changes(&client, None, &stop).await?;
            loop {
                let hint = async {
                    match &mut server {
                        Some(server) => server.hints.recv().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    // Before hints, of which there may be one at any time.
                    () = sleep_until(scrub_at) => {
                        self.scrub(&client, &stop).await?;
                        scrub_at = Instant::now() + SCRUB_EVERY;
                    }
                    () = sleep_until(next) => break,
                    Some(hint) = hint => {
                        let mut hints = vec![hint];
                        sleep(COLLECTING).await;
                        if let Some(server) = &mut server {
                            while let Ok(hint) = server.hints.try_recv() {
                                hints.push(hint);
                            }
                        }
                        self.follow(&client, hints, &stop).await?;
                    }
                }
            }
        }
    }

    /// Reads what changed. Only a refused token ends the listening.
    async fn read_changes(
        &self,
        client: &Client,
        space: Option<Id>,
        stop: &CancellationToken,
    ) -> Result<(), ProviderError> {
        let request = SyncRequest {
            space,
            recheck: false,
        };
        let read = self.sync_with(client, &request, stop).await;
        let succeeds = |synced: &Vec<SyncedSpace>| {
            let is_whole = |space: &SyncedSpace| space.state == SyncedState::Complete;
            synced.is_empty() || synced.iter().any(is_whole)
        };
        let has_succeeded = read.as_ref().is_ok_and(succeeds);
        self.signals.read(has_succeeded || stop.is_cancelled());
        match read {
            Ok(synced) => {
                for space in synced {
                    if space.state != SyncedState::Complete {
                        warn!("{}", space.text);
                    }
                }
                Ok(())
            }
            Err(ProviderError::Wrong(error)) => Err(ProviderError::Wrong(error)),
            Err(_) if stop.is_cancelled() => Ok(()),
            Err(error) => {
                warn!("GitHub couldn't be read; the next reading tries again: {error}");
                Ok(())
            }
        }
    }

    /// Reads what hints are about, and what else changed in those repositories.
    async fn follow(
        &self,
        client: &Client,
        hints: Vec<Hint>,
        stop: &CancellationToken,
    ) -> Result<(), ProviderError> {
        let spaces: BTreeSet<String> = hints.iter().map(|hint| hint.repository.clone()).collect();
        let ids: BTreeSet<String> = hints.into_iter().flat_map(|hint| hint.ids).collect();
        for progress in self.followed().await? {
            if !spaces.contains(&progress.space) {
                continue;
            }
            let space = Id::new(&progress.space);
            let again = self
                .read_hinted(client, &progress.space, ids.clone(), stop)
                .await;
            note(again, stop)?;
            self.read_changes(client, Some(space), stop).await?;
        }
        Ok(())
    }

    async fn read_hinted(
        &self,
        client: &Client,
        space: &str,
        ids: BTreeSet<String>,
        stop: &CancellationToken,
    ) -> Result<(), SyncError> {
        self.with_reading(client, space, stop, async |reading: &mut Reading<'_>| {
            let own = reading.space().to_owned();
            let known = reading.stored(move |Reader(view)| {
                let mut known = Vec::new();
                for table in SCRUBBED {
                    let all = readings(view, &own, table, None)?.into_iter();
                    known.extend(all.filter(|read| !read.is_gone && ids.contains(&read.id)));
                }
                Ok(known)
            });
            let known = known.await?;
            let mut harvest = reading.harvest();
            reading.ask_by_id(&mut harvest, known).await?;
            reading.read_lists(&mut harvest).await?;
            let unlisted = reading.unlisted(&mut harvest).await?;
            reading.ask_by_id(&mut harvest, unlisted).await?;
            reading.keep(harvest.facts).await
        })
        .await
    }

    /// Reads a hundred things again, of the repository that waits for it longest.
    async fn scrub(&self, client: &Client, stop: &CancellationToken) -> Result<(), ProviderError> {
        let followed = self.followed().await?.into_iter();
        let whole = followed.filter(|progress| progress.are_listed == [true; 2]);
        let Some(progress) =
            whole.min_by_key(|progress| (progress.scrubbed.is_none(), progress.scrub_done))
        else {
            return Ok(());
        };
        let done = self.with_reading(
            client,
            &progress.space,
            stop,
            async |reading: &mut Reading<'_>| {
                if reading.scrub_some(Clock::now()).await? {
                    reading.read_absent_numbers().await?;
                    info!(repository = reading.name, "everything was read again");
                }
                Ok(())
            },
        );
        note(done.await, stop)
    }

    /// The repositories that are read.
    async fn followed(&self) -> Result<Vec<Progress>, ProviderError> {
        let store = self.opened().await?;
        let mut known = ask(store, |store| store.mirror.0.scan::<Progress>(())).await??;
        let (gone, wanted) = (self.gone().await?, &self.options.repositories);
        known.retain(|progress| {
            let name = progress.named.split_once('/');
            !gone.contains(&progress.space)
                && name.is_some_and(|(owner, name)| wanted.has(owner, name))
        });
        Ok(known)
    }

    /// Works on a repository while nothing else does.
    async fn with_reading<T>(
        &self,
        client: &Client,
        space: &str,
        stop: &CancellationToken,
        work: impl AsyncFnOnce(&mut Reading<'_>) -> Result<T, SyncError>,
    ) -> Result<T, SyncError> {
        let _turn = self.turn.lock().await;
        let opened = self.opened().await;
        let store = opened.expect("it was opened before anything was read");
        let key = space.to_owned();
        let (row, progress) = ask(store, move |store| {
            let reader = &store.mirror.0;
            let row = reader.get::<Repository>(key.clone())?;
            Ok::<_, propsbot_mirror::StoreError>((row, reader.get::<Progress>(key)?))
        })
        .await??;
        let row = row.unwrap_or_default();
        let newest = newest(store).await.unwrap_or_default();
        let clock = Clock::after(newest);
        let mut reading = Reading {
            client,
            store,
            clock: &clock,
            stop,
            owner: row.owner,
            name: row.name,
            progress: progress.unwrap_or_default(),
        };
        work(&mut reading).await
    }
}

/// Lets the listening go on unless a person has to do something.
fn note(done: Result<(), SyncError>, stop: &CancellationToken) -> Result<(), ProviderError> {
    match done {
        Err(SyncError::Github(GithubError::BadToken)) => Err(GithubError::BadToken.into()),
        Err(SyncError::Store(error)) => Err(error.into()),
        Err(error) if !stop.is_cancelled() => {
            warn!("GitHub couldn't be read; the next reading tries again: {error}");
            Ok(())
        }
        _ => Ok(()),
    }
}
