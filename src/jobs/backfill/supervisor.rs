//! When to backfill: whoever notices that something may be missing says so here.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Backfill, BackfillError, Depth, observed};
use crate::{
    discord::{GuildTold, RestError},
    model::{ChannelId, Fact, FailureObject, GuildId, MessageId, Page},
};

/// What changes together is looked at together: this long after the first change.
const SETTLE: Duration = Duration::from_millis(300);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_mins(5);
/// Messages that may wait to be read again.
const MOST_REREADS: usize = 1_000;

/// What is to be fetched, each thing once however often it was asked for.
#[derive(Debug, Default)]
struct Wanted {
    guilds: BTreeMap<GuildId, Depth>,
    /// What the gateway tells of them, as long as nothing has changed since.
    told: BTreeMap<GuildId, GuildTold>,
    rereads: BTreeSet<(GuildId, ChannelId, MessageId)>,
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
            want(&mut wanted.guilds, guild, depth);
            wanted.told.remove(&guild);
        });
    }

    /// The guild, which has to be looked at, is this.
    pub fn told(&self, told: GuildTold) {
        self.change(|wanted| {
            wanted.told.insert(told.shape.guild.id, told);
        });
    }

    /// The message has to be read again.
    pub fn reread(&self, guild: GuildId, channel: ChannelId, message: MessageId) {
        self.change(|wanted| {
            wanted.rereads.insert((guild, channel, message));
            // Beyond that many, what is lost is found when a look-back comes over it.
            while wanted.rereads.len() > MOST_REREADS {
                wanted.rereads.pop_first();
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
        let mut retries: BTreeMap<GuildId, Depth> = BTreeMap::new();
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = requests.news.notified() => time::sleep(SETTLE).await,
                () = time::sleep_until(due), if !retries.is_empty() => {}
            }
            let mut wanted = requests.take();
            for (guild, channel, message) in wanted.rereads {
                backfill.reread(guild, channel, message).await?;
            }
            if due <= Instant::now() {
                for (guild, depth) in mem::take(&mut retries) {
                    want(&mut wanted.guilds, guild, depth);
                }
            }
            for (guild, depth) in wanted.guilds {
                let told = wanted.told.remove(&guild);
                if !backfill.done(guild, depth, told).await? {
                    want(&mut retries, guild, depth);
                    due = Instant::now() + RETRY;
                }
            }
        }
    };
    stop.run_until_cancelled(supervised).await.unwrap_or(Ok(()))
}

fn want(guilds: &mut BTreeMap<GuildId, Depth>, guild: GuildId, depth: Depth) {
    guilds
        .entry(guild)
        .and_modify(|wish| *wish = wish.and(depth))
        .or_insert(depth);
}

impl Backfill {
    /// Backfills a guild; `false` if some of it is to be tried again later.
    async fn done(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildTold>,
    ) -> Result<bool, BackfillError> {
        if depth == Depth::Whole {
            info!(%guild, "fetching what was missed");
        }
        match self.run(guild, "", depth, told, true).await {
            Ok(done) => {
                let (messages, lists, failures) = (done.messages, done.lists, done.failures);
                match depth {
                    _ if !done.is_complete() => warn!(
                        %guild, failures, channels = done.incomplete,
                        "some history could not be fetched, `/sync-status` says what; it is tried \
                         again"
                    ),
                    Depth::Whole => {
                        info!(%guild, messages, lists, "all history that can be read is here");
                    }
                    Depth::Channels => debug!(%guild, messages, lists, "looked again"),
                }
                Ok(done.is_complete())
            }
            Err(BackfillError::Rest(error)) if !matches!(error, RestError::BadToken) => {
                warn!(%guild, "the guild could not be looked at: {error}");
                // What is refused, such as a guild that the bot was removed from, stays refused.
                Ok(!error.is_transient())
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
                    newest: false,
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
            Err(error @ RestError::BadToken) => Err(error.into()),
            Err(error) => {
                warn!("a message could not be read again: {error}");
                let object = FailureObject::Message(channel_id, id);
                let failed = Fact::Failed(guild_id, object, error.to_string());
                Ok(self.tell(self.clock.stamp(), vec![failed]).await?)
            }
        }
    }
}
