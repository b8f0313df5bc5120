//! How a running mirror of GitHub is, for health checks and metrics.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use propsbot_mirror::{
    Census, Exports as _, ProviderError, Pulse, ReadRows as _, SpaceCensus, StoreError, ask,
};

use crate::{
    export::Store,
    merge::Reader,
    provider::{GithubProvider, counted},
    records::Progress,
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Reaction, Release, Repository,
        Review,
    },
};

/// Where the parts of a running mirror tell how they are. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    heard: Pulse,
    requests: AtomicU64,
    limited: AtomicU64,
    deliveries: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    /// Until when GitHub accepts no requests.
    limited_until: Option<Instant>,
    /// Since when every reading has failed.
    failing_since: Option<Instant>,
}

impl Signals {
    /// A request is sent.
    pub(crate) fn asked(&self) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// GitHub answered.
    pub(crate) fn heard(&self) {
        self.0.heard.beat();
    }

    /// GitHub refused a request because there were too many.
    pub(crate) fn limited(&self) {
        self.0.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// GitHub accepts no requests until then.
    pub(crate) fn waits(&self, until: Option<Instant>) {
        let mut times = self.times();
        times.limited_until = times.limited_until.max(until);
    }

    /// GitHub delivered something that is signed.
    pub(crate) fn delivered(&self) {
        self.0.deliveries.fetch_add(1, Ordering::Relaxed);
    }

    /// A reading ended.
    pub(crate) fn read(&self, succeeded: bool) {
        let mut times = self.times();
        if succeeded {
            times.failing_since = None;
        } else {
            times.failing_since.get_or_insert_with(Instant::now);
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a running mirror of GitHub is at one instant. Taking it reads neither the store nor the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GithubVitals {
    /// Whether the store is open.
    pub is_open: bool,
    /// When GitHub last answered; `None` until then.
    pub heard: Option<Instant>,
    /// Until when GitHub accepts no requests; `None` if it never said so.
    pub limited_until: Option<Instant>,
    /// Since when every reading has failed; `None` if the last one succeeded.
    pub failing_since: Option<Instant>,
    /// Requests to GitHub's API since the start.
    pub requests: u64,
    /// How many of them GitHub refused because there were too many.
    pub limited: u64,
    /// Deliveries of webhooks since the start.
    pub deliveries: u64,
}

impl GithubProvider {
    /// How the running mirror is now.
    pub fn vitals(&self) -> GithubVitals {
        let Signals(told) = &self.signals;
        let times = self.signals.times();
        GithubVitals {
            is_open: self.is_open(),
            heard: told.heard.last(),
            limited_until: times.limited_until,
            failing_since: times.failing_since,
            requests: told.requests.load(Ordering::Relaxed),
            limited: told.limited.load(Ordering::Relaxed),
            deliveries: told.deliveries.load(Ordering::Relaxed),
        }
    }

    /// Counts of what the store, which must exist, holds. Reads the keys of what is counted.
    pub async fn census(&self) -> Result<Census, ProviderError> {
        let store = self.existing().await?;
        Ok(ask(store, census).await??)
    }

    /// How many bytes the contents of the store have. Reads all of it.
    pub async fn store_logical_bytes(&self) -> Result<u64, ProviderError> {
        let store = self.existing().await?;
        Ok(ask(store, |store| store.mirror.logical_bytes()).await??)
    }
}

fn census(store: &Store) -> Result<Census, StoreError> {
    let reader: &Reader = &store.mirror;
    let mut spaces = Vec::new();
    for repository in reader.0.scan::<Repository>(())? {
        let id = &repository.id.0;
        let progress = reader.0.get::<Progress>(id.clone())?.unwrap_or_default();
        if repository.deleted_at.is_some() || !store.names(&repository, &progress.named) {
            continue;
        }
        let [tracker, _, history] = progress.complete;
        let parts = [tracker, history];
        let complete = parts.iter().flatten().count();
        spaces.push(SpaceCensus {
            parts: parts.len() as u64,
            complete_parts: complete as u64,
            items: [
                ("issues", counted::<Issue>(reader, id)? as u64),
                ("reviews", counted::<Review>(reader, id)? as u64),
                ("comments", counted::<Comment>(reader, id)? as u64),
                ("reactions", counted::<Reaction>(reader, id)? as u64),
                ("commits", counted::<Commit>(reader, id)? as u64),
                ("discussions", counted::<Discussion>(reader, id)? as u64),
                (
                    "discussion_comments",
                    counted::<DiscussionComment>(reader, id)? as u64,
                ),
                ("releases", counted::<Release>(reader, id)? as u64),
            ]
            .into(),
            ..SpaceCensus::new((&repository.id).into())
        });
    }
    Ok(Census {
        spaces,
        exports: store.ledger().report()?,
    })
}
