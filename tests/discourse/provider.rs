//! Discourse's `DataProvider`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use propsbot_archive::{ArchiveReader, DataArchive, Id, Millis, Schema};
use propsbot_mirror::{
    Clock, DataProvider, Exports, Finding, ForgetRequest, Mirror, Outcome, Progress, ProviderError,
    ReadRows as _, SpaceStatus, Stamp, StoreError, SyncRequest, SyncedSpace, SyncedState, ask,
};
use propsbot_network::Network;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, ApiError, Listed},
    exports::Store,
    merge::{Fact, Rules, Seen},
    rows::{Forgotten, Kept, Post, Read, SCHEMA, Site, Synced, Topic},
};

/// What an operator configures.
pub(crate) struct Options {
    /// The site's host, which is its id.
    pub(crate) site: String,
    pub(crate) url: String,
    pub(crate) store: PathBuf,
    pub(crate) network: Network,
    /// How often `listen` syncs.
    pub(crate) every: Duration,
    pub(crate) clock: fn() -> Millis,
}

/// Mirrors the public topics of a Discourse forum.
pub(crate) struct Discourse {
    options: Options,
    api: Api,
    store: Arc<Store>,
    /// The last stamp: they never repeat.
    last: Mutex<Stamp>,
}

impl Discourse {
    /// Opens the store. If a user was forgotten since it was opened last, this also removes the user's
    /// texts from its files.
    pub(crate) fn open(options: Options) -> Result<Self, ProviderError> {
        let mut mirror = Mirror::<Rules>::open(&options.store)?;
        if mirror.0.rewritten_under()? == Some(0) {
            mirror.rewrite()?;
            mirror = Mirror::open(&options.store)?;
        }
        Self::of(options, mirror)
    }

    /// Opens a store to restore it.
    pub(crate) fn open_to_restore(options: Options) -> Result<Self, ProviderError> {
        let mirror = Mirror::open_to_restore(&options.store)?;
        Self::of(options, mirror)
    }

    fn of(options: Options, mirror: Mirror<Rules>) -> Result<Self, ProviderError> {
        let last = Clock::of(&mirror.0)?.newest;
        Ok(Self {
            api: Api::new(&options.site, &options.url, &options.network)?,
            options,
            store: Arc::new(Store(mirror)),
            last: Mutex::new(last),
        })
    }

    fn site(&self) -> String {
        self.options.site.clone()
    }

    /// The stamp of a request that is about to be sent.
    fn stamp(&self) -> Stamp {
        let mut last = self.last.lock().expect("nothing panics while it holds it");
        *last = Stamp::from((self.options.clock)()).max(Stamp(last.0 + 1));
        *last
    }

    /// Reads the store off the async threads.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        Ok(ask(&self.store, question).await??)
    }

    /// Merges facts of one response, all at once.
    pub(crate) async fn merge(&self, at: Stamp, facts: Vec<Fact>) -> Result<(), ProviderError> {
        let seen = facts.into_iter().map(|fact| Seen { at, fact }).collect();
        self.ask(move |store| store.0.merge(&[seen])).await?;
        Ok(())
    }

    /// Fetches what changed. Says how complete it is, and a line for people.
    async fn fetch(&self, recheck: bool) -> Result<(SyncedState, String), ProviderError> {
        let began = self.stamp();
        let listed = async { Ok((self.api.title().await?, self.api.topics().await?)) };
        let (title, listed) = match listed.await {
            Err(error @ ApiError::NoForum { .. }) => return Err(error.into()),
            Err(error) => return Ok((SyncedState::Failed, error.to_string())),
            Ok(listed) => listed,
        };
        let site = self.site();
        let (topics, reads) = self
            .ask(move |Store(mirror)| {
                let reads = mirror.0.scan::<Kept<Read>>(site.clone())?.into_iter();
                let reads = reads.filter(|kept| kept.row.is_whole);
                let topics = mirror.0.scan::<Kept<Topic>>(site)?.into_iter();
                let topics = topics.map(|kept| (kept.row.id, kept.row));
                Ok((
                    topics.collect::<BTreeMap<u64, Topic>>(),
                    reads
                        .map(|kept| (kept.row.topic, kept.row.listed))
                        .collect::<BTreeMap<_, _>>(),
                ))
            })
            .await?;
        let changed = listed
            .iter()
            .filter(|(id, listed)| recheck || reads.get(id) != Some(&Some((*listed).clone())));
        // Topics that were listed before may be gone, or only no longer listed.
        let known = topics.values().filter(|topic| topic.title.is_some());
        let unlisted = known
            .map(|topic| topic.id)
            .filter(|id| !listed.contains_key(id));
        let due: BTreeSet<u64> = changed.map(|(id, _)| *id).chain(unlisted).collect();

        let mut lacks = Vec::new();
        for id in &due {
            let (at, listed) = (self.stamp(), listed.get(id).cloned());
            match self.api.topic(*id).await {
                Err(error) => lacks.push(error.to_string()),
                Ok(None) => {
                    let gone = topics.get(id).map(|topic| Topic {
                        title: None,
                        ..topic.clone()
                    });
                    // If it is listed again, it is read again.
                    let read = self.read_of(*id, None, false);
                    let facts = gone.map(|topic| [Fact::Topic(topic), read]);
                    self.merge(at, facts.into_iter().flatten().collect())
                        .await?;
                }
                Ok(Some(whole)) => {
                    let is_whole = whole.lacks == 0;
                    let read = self.read_of(*id, listed, is_whole);
                    let mut facts = vec![Fact::Topic(whole.topic), read];
                    if is_whole {
                        let known = self.posts(*id).await?.into_iter();
                        let gone = known.filter(|post| !whole.posts.contains_key(&post.id));
                        facts.extend(gone.map(|post| Fact::Post(post.tombstone())));
                    } else {
                        lacks.push(format!("topic {id}: unseen posts: {}", whole.lacks));
                    }
                    facts.extend(whole.posts.into_values().map(Fact::Post));
                    self.merge(at, facts).await?;
                }
            }
        }

        let site = self.site();
        let mut text = format!("{title}: {} topics, {} read", listed.len(), due.len());
        let mut facts = vec![Fact::Site(Site { site, title })];
        let classes: &[&str] = if lacks.is_empty() {
            SCHEMA.classes
        } else {
            &["topics"]
        };
        facts.extend(classes.iter().map(|class| {
            Fact::Synced(Synced {
                site: self.site(),
                class: (*class).to_owned(),
            })
        }));
        self.merge(began, facts).await?;
        for lack in &lacks {
            text.push_str("\n  missing: ");
            text.push_str(lack);
        }
        let is_complete = lacks.is_empty();
        let state = if is_complete {
            SyncedState::Complete
        } else {
            SyncedState::Incomplete
        };
        Ok((state, text))
    }

    fn read_of(&self, topic: u64, listed: Option<Listed>, is_whole: bool) -> Fact {
        Fact::Read(Read {
            site: self.site(),
            topic,
            listed,
            is_whole,
        })
    }

    /// A topic's posts in the mirror.
    async fn posts(&self, topic: u64) -> Result<Vec<Post>, ProviderError> {
        let site = self.site();
        self.ask(move |Store(mirror)| {
            let posts = mirror.0.scan::<Kept<Post>>((site, topic))?.into_iter();
            Ok(posts.map(|kept| kept.row).collect())
        })
        .await
    }
}

#[async_trait]
impl DataProvider for Discourse {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn check(&self) -> Vec<Finding> {
        vec![match self.api.title().await {
            Ok(title) => Finding {
                names: Some(title),
                ..Finding::new("forum", Outcome::Ok, "the forum answers")
            },
            Err(error) => Finding {
                error: Some(error.to_string()),
                ..Finding::new("forum", Outcome::Wrong, "the forum can't be read")
            },
        }]
    }

    async fn sync(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        let space = Id::new(self.site());
        if let Some(other) = request.space.as_ref().filter(|other| **other != space) {
            let wrong = format!("{other} isn't mirrored, only {space}");
            return Err(ProviderError::Wrong(wrong.into()));
        }
        let fetched = stop.run_until_cancelled(self.fetch(request.recheck)).await;
        let stopped = || Ok((SyncedState::Incomplete, "stopped".to_owned()));
        let (state, text) = fetched.unwrap_or_else(stopped)?;
        Ok(vec![SyncedSpace { space, state, text }])
    }

    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        // Without a login, Discourse sends no events.
        while !stop.is_cancelled() {
            self.sync(&SyncRequest::default(), &stop).await?;
            let wait = tokio::time::sleep(self.options.every);
            stop.run_until_cancelled(wait).await;
        }
        Ok(())
    }

    fn progress(&self) -> Vec<Progress> {
        Vec::new()
    }

    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError> {
        let site = self.site();
        self.ask(move |Store(mirror)| {
            let kept = mirror.0.get::<Kept<Site>>(site.clone())?;
            let posts = mirror.0.scan::<Kept<Post>>(site.clone())?.len();
            let complete = mirror
                .0
                .get::<Kept<Synced>>((site.clone(), "posts".to_owned()))?;
            let current = complete.map(|synced| synced.seen.millis());
            let lacks = current
                .is_none()
                .then(|| "posts: not all are read yet".to_owned());
            let status = kept.map(|Kept { row, .. }| SpaceStatus {
                space: Id::new(&site),
                text: format!("{}: {posts} posts", row.title),
                name: row.title,
                details: posts.into(),
                lacks: lacks.into_iter().collect(),
                current,
            });
            Ok(status.into_iter().collect())
        })
        .await
    }

    async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError> {
        Ok(self.store.clone())
    }

    async fn adopt_choices(&self, archive: &dyn DataArchive) -> Result<usize, ProviderError> {
        let reader = ArchiveReader::open(archive, &SCHEMA).await?;
        let chosen = reader.rows::<Forgotten>().await?;
        let site = self.site();
        let known = self
            .ask(move |store| store.0.0.scan::<Kept<Forgotten>>(site))
            .await?;
        let is_known = |who: &Forgotten| known.iter().any(|kept| kept.row == *who);
        let new = chosen.into_iter().filter(|who| !is_known(who));
        let new: Vec<Fact> = new.map(Fact::Forget).collect();
        let count = new.len();
        self.merge(self.stamp(), new).await?;
        Ok(count)
    }

    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<String, ProviderError> {
        let reader = ArchiveReader::open(archive, &SCHEMA).await?;
        let (sites, topics) = (reader.rows::<Site>().await?, reader.rows::<Topic>().await?);
        let posts = reader.rows::<Post>().await?;
        let forgotten = reader.rows::<Forgotten>().await?;
        let (origins, rows) = (reader.origins(), posts.len() as u64);
        self.ask(move |Store(mirror)| {
            let newest = posts
                .iter()
                .map(|post| post.created_at.max(post.updated_at));
            let seen = newest.max().map(Stamp::from).unwrap_or_default();
            // An earlier restore may have been interrupted.
            mirror.clear()?;
            mirror.restore(&kept(sites, seen), seen)?;
            mirror.restore(&kept(topics, seen), seen)?;
            mirror.restore(&kept(posts, seen), seen)?;
            mirror.restore(&kept(forgotten, seen), seen)?;
            mirror.restored(seen, &origins)
        })
        .await?;
        told(rows, rows);
        Ok(format!(
            "{rows} posts; the next sync reads all topics again"
        ))
    }

    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        let ForgetRequest::User { user, .. } = request else {
            let remedy = "a site goes with its store: end the program and delete the folder";
            return Err(ProviderError::Wrong(remedy.into()));
        };
        let who = Forgotten {
            site: self.site(),
            user: user.to_string(),
        };
        self.ask(|store| store.0.owe_rewrite()).await?;
        self.merge(self.stamp(), vec![Fact::Forget(who)]).await?;
        Ok(vec![
            format!("deleted what {user} wrote"),
            "the store's files still have it until the store is opened again".to_owned(),
        ])
    }
}

fn kept<R>(rows: Vec<R>, seen: Stamp) -> Vec<Kept<R>> {
    rows.into_iter().map(|row| Kept { row, seen }).collect()
}
