//! When to backfill: whoever notices that something may be missing says so here.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Notify, time};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Backfill, BackfillError, Depth, observed};
use crate::{
    discord::RestError,
    model::{ChannelId, Fact, FailureObject, GuildId, MessageId, Page},
};

/// What changes together is looked at together: this long after the first change.
const SETTLE: Duration = Duration::from_millis(300);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_mins(5);
/// Messages to be read again, one request each; beyond that the whole guild is.
const MOST_REREADS: usize = 200;

/// What is to be fetched, each thing once however often it was asked for.
#[derive(Debug, Default)]
struct Wanted {
    guilds: BTreeMap<GuildId, Depth>,
    messages: BTreeSet<(GuildId, ChannelId, MessageId)>,
}

/// Asks for backfills. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    wanted: Arc<Mutex<Wanted>>,
    news: Arc<Notify>,
}

impl Requests {
    /// The guild has to be looked at.
    pub fn guild(&self, guild: GuildId, depth: Depth) {
        self.change(|wanted| {
            let wish = wanted.guilds.entry(guild).or_insert(depth);
            *wish = depth.max(*wish);
        });
    }

    /// The message has to be read again.
    pub fn message(&self, guild: GuildId, channel: ChannelId, message: MessageId) {
        self.change(|wanted| {
            if wanted.messages.len() < MOST_REREADS {
                wanted.messages.insert((guild, channel, message));
            } else {
                wanted.guilds.insert(guild, Depth::Whole);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted.lock().expect("no change panics"));
        self.news.notify_one();
    }

    fn take(&self) -> Wanted {
        mem::take(&mut self.wanted.lock().expect("no change panics"))
    }
}

/// Backfills whatever is asked for, until it is stopped.
///
/// # Errors
/// Only what no later try can mend: a token that is refused, a store that cannot be written.
pub async fn supervise(
    backfill: Backfill,
    requests: Requests,
    stop: CancellationToken,
) -> Result<(), BackfillError> {
    let supervised = async {
        let mut retry: BTreeMap<GuildId, Depth> = BTreeMap::new();
        loop {
            tokio::select! {
                () = requests.news.notified() => time::sleep(SETTLE).await,
                () = time::sleep(RETRY), if !retry.is_empty() => {}
            }
            let wanted = requests.take();
            for (guild, channel, message) in wanted.messages {
                backfill.reread(guild, channel, message).await?;
            }
            retry.extend(wanted.guilds);
            for (guild, depth) in mem::take(&mut retry) {
                if !backfill.whole_or_later(guild, depth).await? {
                    retry.insert(guild, Depth::Whole);
                }
            }
        }
    };
    stop.run_until_cancelled(supervised).await.unwrap_or(Ok(()))
}

impl Backfill {
    /// Backfills a guild; `false` if some of it has to be tried again later.
    async fn whole_or_later(&self, guild: GuildId, depth: Depth) -> Result<bool, BackfillError> {
        match self.run(guild, "", depth, true).await {
            Ok(done) => {
                let (messages, lists, failures) = (done.messages, done.lists, done.failures);
                match (depth, failures) {
                    (_, 1..) => warn!(
                        %guild, failures,
                        "some history could not be fetched, `propsbot status` says what; it is tried \
                         again"
                    ),
                    (Depth::Whole, 0) => {
                        info!(%guild, messages, lists, "all history that can be read is here");
                    }
                    (Depth::Channels, 0) => debug!(%guild, messages, lists, "looked again"),
                }
                Ok(done.failures == 0)
            }
            Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                warn!(%guild, "backfill will be tried again: {error}");
                Ok(false)
            }
            Err(fatal) => {
                error!(%guild, "backfill ended: {fatal}");
                Err(fatal)
            }
        }
    }

    /// Reads one message again: as a page of its own.
    async fn reread(
        &self,
        guild_id: GuildId,
        channel_id: ChannelId,
        id: MessageId,
    ) -> Result<(), BackfillError> {
        let at = self.clock.stamp();
        match self.history.message(guild_id, channel_id, id).await {
            Ok(found) => {
                let page = Page {
                    guild_id,
                    channel_id,
                    after: MessageId(id.0.saturating_sub(1)),
                    to: id,
                    messages: found.into_iter().collect(),
                    unreadable: Vec::new(),
                };
                for list in self
                    .writer
                    .write(observed(at, vec![Fact::Page(page)]))
                    .await?
                {
                    self.list(list).await?;
                }
                Ok(())
            }
            Err(error) => {
                self.fail(guild_id, FailureObject::Message(channel_id, id), error)
                    .await
            }
        }
    }
}
