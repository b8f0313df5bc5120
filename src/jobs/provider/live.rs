//! The work that is going on, for commands that come in meanwhile.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use super::{DiscordProvider, mirror::OpenStore};
use crate::backfill::Backfill;
use propsbot_archive::Id;
use propsbot_mirror::{ProviderError, SyncRequest, SyncedSpace};

/// How long a command waits for the connection to Discord.
const CONNECTING: Duration = Duration::from_secs(30);

/// The open store, and what fetches history.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) open: OpenStore,
    /// `None` until there is a connection to Discord.
    backfill: Option<Backfill>,
}

/// Whether `listen` or `sync` runs.
#[derive(Clone, Default)]
pub(super) enum Stage {
    #[default]
    NotYet,
    Live(Box<Live>),
    Ended,
}

/// Shows that work is going on until it is dropped.
pub(super) struct Showing<'a>(&'a watch::Sender<Stage>);

impl Showing<'_> {
    pub(super) fn connected(&self, backfill: &Backfill) {
        self.0.send_modify(|stage| {
            if let Stage::Live(live) = stage {
                live.backfill = Some(backfill.clone());
            }
        });
    }
}

impl Drop for Showing<'_> {
    fn drop(&mut self) {
        self.0.send_replace(Stage::Ended);
    }
}

impl DiscordProvider {
    /// Lets commands use the store until the returned guard is dropped.
    pub(super) fn show(&self, open: &OpenStore) -> Showing<'_> {
        self.stage.send_replace(Stage::Live(Box::new(Live {
            open: open.clone(),
            backfill: None,
        })));
        Showing(&self.stage)
    }

    /// Waits until the work begins.
    pub(super) async fn live(&self) -> Result<Live, ProviderError> {
        self.stage_with(|_| true).await
    }

    /// Waits for the connection to Discord.
    pub(super) async fn connected(&self) -> Result<(OpenStore, Backfill), ProviderError> {
        let connected = self.stage_with(|live| live.backfill.is_some());
        match timeout(CONNECTING, connected).await {
            Ok(live) => {
                let Live { open, backfill } = live?;
                Ok((open, backfill.expect("it was waited for")))
            }
            Err(_) => Err(ProviderError::Failed(
                "the running propsbot has no connection to Discord yet; try again once it has"
                    .into(),
            )),
        }
    }

    async fn stage_with(&self, is_ready: impl Fn(&Live) -> bool) -> Result<Live, ProviderError> {
        let mut stages = self.stage.subscribe();
        let found = stages.wait_for(|stage| match stage {
            Stage::NotYet => false,
            Stage::Live(live) => is_ready(live),
            Stage::Ended => true,
        });
        match found.await.as_deref() {
            Ok(Stage::Live(live)) => Ok(Live::clone(live)),
            _ => Err(ProviderError::Failed(
                "the running propsbot is ending; run this again once it has ended".into(),
            )),
        }
    }

    /// Re-reads all history of one space, or of all mirrored ones, while
    /// [`listen`](propsbot_mirror::DataProvider::listen) or
    /// [`sync`](propsbot_mirror::DataProvider::sync) runs. Other work on a guild waits meanwhile.
    ///
    /// # Errors
    /// As `sync`; the other work is ending, or has no connection to Discord.
    pub async fn recheck(&self, space: Option<Id>) -> Result<Vec<SyncedSpace>, ProviderError> {
        let (_, backfill) = self.connected().await?;
        let request = SyncRequest {
            space,
            recheck: true,
        };
        self.sync_with(&backfill, &request, true).await
    }
}
