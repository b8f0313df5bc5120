//! The open store with its writer.

use std::{fs, io::ErrorKind, ops::Deref, path::Path, sync::Arc};

use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::{
    clock::Clock,
    privacy,
    writer::{self, Writer},
};
use propsbot_mirror::{ProviderError, ask, claim, spool_of};
use propsbot_model::{Evidence, Fact, GuildId, Observation, Stamp};
use propsbot_rows::SCHEMA;
use propsbot_store::{Rewrite, Store, StoreError};

/// What changes the open store. Drop every clone to let the writer stop.
#[derive(Clone)]
pub(super) struct OpenStore {
    pub(super) store: Arc<Store>,
    pub(super) writer: Writer,
    pub(super) clock: Clock,
}

pub(super) struct Mirror {
    open: OpenStore,
    stopped: oneshot::Receiver<Result<(), StoreError>>,
}

impl Deref for Mirror {
    type Target = OpenStore;

    fn deref(&self) -> &OpenStore {
        &self.open
    }
}

impl Mirror {
    pub(super) async fn start(store: &Arc<Store>) -> Result<Self, ProviderError> {
        let newest = read(store, |store| store.newest()).await?;
        let (writer, stopped) = writer::start(Arc::clone(store));
        let open = OpenStore {
            store: Arc::clone(store),
            writer,
            clock: Clock::after(newest),
        };
        let mirror = Self { open, stopped };
        mirror.lose_sessions().await?;
        Ok(mirror)
    }

    /// Records that every guild's earlier gateway session is lost. This must be durable before
    /// anything newer.
    async fn lose_sessions(&self) -> Result<(), ProviderError> {
        let heard = read(&self.store, |store| store.heard()).await?;
        self.of_guilds(|guild| vec![Fact::SessionLost(guild, heard), Fact::Connected(guild)])
            .await
    }

    /// Records that no guild's shard is connected yet.
    pub(super) async fn disconnect(&self, heard: Stamp) -> Result<(), ProviderError> {
        self.of_guilds(|guild| vec![Fact::Disconnected(guild, heard)])
            .await
    }

    async fn of_guilds(&self, facts: impl Fn(GuildId) -> Vec<Fact>) -> Result<(), ProviderError> {
        let guilds = read(&self.store, |store| store.guilds()).await?;
        let facts = guilds.iter().flat_map(|guild| facts(guild.guild_id));
        let seen = facts.map(|fact| Observation {
            at: self.clock.stamp(),
            by: Evidence::Rest,
            fact,
        });
        self.writer.write(seen.collect()).await?;
        Ok(())
    }

    /// Waits until everything handed to the writer is durable. All other [`Writer`]s must be dropped.
    pub(super) async fn close(self) -> Result<(), ProviderError> {
        drop(self.open);
        match self.stopped.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(ProviderError::Failed(
                "the store's writer panicked; report this".into(),
            )),
        }
    }
}

/// Opens the store (created if missing) and purges what deletions left in its files.
pub(super) async fn open_purged(path: &Path) -> Result<Arc<Store>, ProviderError> {
    let store = open(path).await?;
    if !read(&store, |store| store.owes_rewrite()).await? {
        return Ok(store);
    }
    info!("rewriting the store to purge data that members had deleted");
    purge(store, path).await?;
    open(path).await
}

pub(super) async fn open_existing(path: &Path) -> Result<Arc<Store>, ProviderError> {
    if !path.exists() {
        let missing = format!(
            "there is no store at {} (STORE_PATH); `propsbot sync` creates one",
            path.display()
        );
        return Err(ProviderError::Wrong(missing.into()));
    }
    open(path).await
}

/// Opens a store that is to be filled from an archive.
pub(super) async fn open_to_restore(path: &Path) -> Result<Store, ProviderError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        claim(&path, SCHEMA.provider, true)?;
        Store::open_to_restore(&path)
    });
    Ok(opened.await??)
}

async fn open(path: &Path) -> Result<Arc<Store>, ProviderError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        claim(&path, SCHEMA.provider, true)?;
        Store::open(&path)
    });
    Ok(Arc::new(opened.await??))
}

/// Finishes deletions, rewrites the store without the deleted data, and closes it.
///
/// The caller must hold the only reference. If the rewrite fails, logs and returns the reason; the
/// next start tries again.
pub(super) async fn purge(store: Arc<Store>, path: &Path) -> Result<Option<String>, ProviderError> {
    let mirror = Mirror::start(&store).await?;
    let resumed = privacy::resume(&store, &mirror.writer, &mirror.clock).await;
    drop(store);
    mirror.close().await?;
    resumed?;
    let path = path.to_owned();
    let rewritten = tokio::task::spawn_blocking(move || {
        // A killed export leaves rows there. Before the rewrite, which ends what the next start would
        // try again.
        let spool = spool_of(&path);
        match fs::remove_dir_all(&spool) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::Io {
                path: spool,
                reason: error.to_string(),
            }),
            _ => Store::open(&path)?.rewrite(),
        }
    });
    let why = match rewritten.await? {
        Ok(Rewrite::Done) => return Ok(None),
        Ok(Rewrite::NoRoom(bytes)) => format!(
            "the store's files still contain data that members had deleted: purging it takes {} MB of \
             free disk space. The next start tries again",
            bytes.div_ceil(1_000_000)
        ),
        Err(error) => format!(
            "the store's files still contain data that members had deleted: they could not be \
             rewritten ({error}). The next start tries again"
        ),
    };
    warn!("{why}");
    Ok(Some(why))
}

/// Queries the store off the async threads.
pub(super) async fn read<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProviderError> {
    Ok(ask(store, question).await??)
}
