//! Reads single messages again after an unreadable event or message.
//!
//! The store's list of failures is the to-do list, so it survives the process; repeated failures
//! back off.

use std::time::Duration;

use tokio::time;
use tracing::warn;

use super::{Backfill, BackfillError, Depth, Requests, observed};
use crate::clock::Clock;
use propsbot_discord::RestError;
use propsbot_model::{
    ChannelId, Fact, Failure, FailureObject, GuildId, MessageId, Page, PagedMessage,
};
use propsbot_store::{Store, StoreError};

/// Messages read again per backfill.
const REREAD_AT_ONCE: usize = 100;

/// Reads requested messages again, starting with those left from before.
///
/// # Errors
/// Only permanent ones.
pub(super) async fn reread(backfill: &Backfill, requests: &Requests) -> Result<(), BackfillError> {
    let mut starting = true;
    loop {
        // Earlier facts must be durable.
        backfill.writer.write(Vec::new()).await?;
        let mut failed = backfill.read(failed).await?;
        failed.retain(|failure| backfill.guilds.has(failure.guild_id));
        let now = Clock::now();
        let is_due = |failure: &Failure| failure.due() <= now || starting && !failure.refused;
        let (due, later): (Vec<_>, Vec<_>) = failed.into_iter().partition(is_due);
        starting = false;
        for it in &due {
            if let FailureObject::Message(channel, message) = it.object
                && !backfill
                    .of(it.guild_id)
                    .reread(it.guild_id, channel, message)
                    .await?
            {
                requests.guild(it.guild_id, Depth::Channels);
            }
        }
        if !due.is_empty() {
            continue;
        }
        let next = later.iter().map(|later| later.due().0 - now.0).min();
        let wait = Duration::from_millis(next.unwrap_or_default().unsigned_abs());
        tokio::select! {
            () = requests.rereads.notified() => {}
            () = time::sleep(wait), if next.is_some() => {}
        }
    }
}

/// Returns the failed messages of guilds that the bot is in.
fn failed(store: &Store) -> Result<Vec<Failure>, StoreError> {
    let mut all = Vec::new();
    for guild in store.guilds()? {
        if guild.state.now().is_some() {
            all.extend(store.failures(guild.guild_id)?);
        }
    }
    all.retain(|failure| matches!(failure.object, FailureObject::Message(..)));
    Ok(all)
}

/// Wraps a single message in a page; `None` if it doesn't exist.
pub(super) fn page_of_one(
    guild_id: GuildId,
    channel_id: ChannelId,
    id: MessageId,
    found: Option<PagedMessage>,
) -> Page {
    let gone = found.is_none().then_some(id).into_iter().collect();
    Page {
        guild_id,
        channel_id,
        after: MessageId(id.0.saturating_sub(1)),
        to: id,
        newest: false,
        messages: found.into_iter().collect(),
        unreadable: Vec::new(),
        lists: None,
        told: Vec::new(),
        gone,
        lacks_some: false,
        before: None,
    }
}

impl Backfill {
    /// Reads the guild's failed messages again that are due.
    pub(super) async fn reread_due(&self, guild: GuildId) -> Result<(), BackfillError> {
        self.writer.write(Vec::new()).await?;
        let failed = self.read(move |store| store.failures(guild)).await?;
        let now = Clock::now();
        let due = failed.iter().filter(|failed| failed.due() <= now);
        let due = due.filter_map(|due| match due.object {
            FailureObject::Message(channel, message) => Some((channel, message)),
            _ => None,
        });
        for (channel, message) in due.take(REREAD_AT_ONCE) {
            if !self.reread(guild, channel, message).await? {
                self.progress.update(|progress| progress.failures += 1);
            }
        }
        Ok(self.writer.write(Vec::new()).await.map(|_| ())?)
    }

    /// Reads one message again; `false` if its reactors may only be available later.
    async fn reread(
        &self,
        guild_id: GuildId,
        channel_id: ChannelId,
        id: MessageId,
    ) -> Result<bool, BackfillError> {
        let at = self.clock.stamp();
        let object = FailureObject::Message(channel_id, id);
        let failed = match self.history.message(guild_id, channel_id, id).await {
            Ok(found) => {
                let page = page_of_one(guild_id, channel_id, id, found);
                // If it is gone, nothing is left to read. Fields that are still odd are recorded
                // with the page.
                let facts = vec![Fact::Settled(guild_id, object), Fact::Page(page)];
                let mut whole = true;
                for list in self.writer.write(observed(at, facts)).await? {
                    whole &= match self.list(list).await {
                        Err(BackfillError::Rest(error))
                            if !matches!(error, RestError::BadToken) =>
                        {
                            false
                        }
                        fetched => fetched?,
                    };
                }
                return Ok(whole);
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Err(error) => {
                if !self.history.rest().is_out() {
                    warn!("can't read a message again: {error}");
                }
                let failure = if error.is_transient() {
                    Fact::Failed
                } else {
                    Fact::Refused
                };
                failure(guild_id, object, error.to_string().into())
            }
        };
        self.tell(self.clock.stamp(), vec![failed]).await?;
        Ok(true)
    }
}
