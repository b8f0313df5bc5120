//! A provider for Discourse, made from docs/providers.md with the public interfaces alone, and the tests that
//! a provider should pass.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod exports;
mod exports_tests;
mod merge;
mod page;
mod provider;
mod rows;
mod server;
mod sync_tests;

use std::{sync::Arc, time::Duration};

use propsbot_archive::{self as archive, ArchiveReader, Depth, MemoryArchive, Millis, verify};
use propsbot_mirror::{
    DataProvider as _, ExportOptions, ExportTarget, ReadRows as _, SyncRequest, SyncedState, export,
};
use propsbot_network::Network;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    provider::{Discourse, Options},
    rows::{Kept, Post, SCHEMA},
    server::Server,
};

const SITE: &str = "forum.example.org";

/// 2026-02-01, after all that is posted.
const NOW: Millis = Millis(1_769_904_000_000);

/// A forum, and an archive of its mirror.
struct World {
    server: Server,
    home: TempDir,
    target: ExportTarget,
}

impl World {
    async fn new() -> Self {
        let home = TempDir::new().unwrap();
        Self {
            server: Server::start().await,
            target: ExportTarget {
                name: "memory".to_owned(),
                archive: Arc::new(MemoryArchive::new()),
                others: &[],
                beside: None,
                follower: None,
                made: archive::ExportProgressBoard::default(),
                spool: home.path().join("spool"),
                drop_copies: None,
            },
            home,
        }
    }

    fn options(&self, store: &str) -> Options {
        Options {
            site: SITE.to_owned(),
            url: self.server.url.clone(),
            store: self.home.path().join(store),
            network: Network::default(),
            every: Duration::from_millis(1),
            clock: || NOW,
        }
    }

    fn provider(&self) -> Discourse {
        Discourse::open(self.options("one")).unwrap()
    }

    /// Exports, and verifies the whole archive.
    async fn export(&self, provider: &Discourse) -> archive::Summary {
        let exports = provider.exports().await.unwrap();
        let options = ExportOptions::default();
        let done = export(&exports, &self.target, NOW, &options).await.unwrap();
        let found = verify(self.target.archive.as_ref(), &SCHEMA, Depth::Whole).await;
        let found = found.unwrap();
        assert!(found.is_valid(), "{:?}", found.faults);
        done
    }

    async fn archived(&self) -> Vec<Post> {
        let archive = self.target.archive.as_ref();
        let reader = ArchiveReader::open(archive, &SCHEMA).await.unwrap();
        let mut posts = reader.rows::<Post>().await.unwrap();
        posts.sort_by_key(|post| post.id);
        posts
    }
}

/// Syncs, and returns what the provider says of it.
async fn sync(provider: &Discourse) -> (SyncedState, String) {
    let never = CancellationToken::new();
    let spaces = provider.sync(&SyncRequest::default(), &never).await;
    let space = spaces.unwrap().remove(0);
    (space.state, space.text)
}

async fn mirrored(provider: &Discourse) -> Vec<Post> {
    let posts = provider.ask(|store| store.0.0.scan::<Kept<Post>>(()));
    let mut posts: Vec<Post> = posts
        .await
        .unwrap()
        .into_iter()
        .map(|kept| kept.row)
        .collect();
    posts.sort_by_key(|post| post.id);
    posts
}

fn texts(posts: &[Post]) -> Vec<&str> {
    let texts = posts.iter().map(|post| post.text.as_deref());
    texts.map(|text| text.unwrap_or("-")).collect()
}
