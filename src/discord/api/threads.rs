//! The requests for threads.

use propsbot_model::{ChannelId, GuildId, Listed, Millis};
use serde::Deserialize;

use super::{DiscordApi, report};
use crate::{
    Items, RestError, Route, json,
    wire::{self, Told},
};

/// Threads on a full page of archived threads.
const THREADS_A_PAGE: usize = 100;

#[derive(Deserialize)]
struct ThreadList {
    /// Required: without it, the answer is invalid.
    #[serde(deserialize_with = "Items::required")]
    threads: Items<wire::Channel>,
    #[serde(default)]
    has_more: Told<bool>,
}

impl ThreadList {
    /// Returns whether there are more threads; `None` if unreadable.
    /// Servers other than Discord's may omit it: then a full page may not be the last.
    fn has_more(&self) -> Option<bool> {
        match self.has_more {
            Told::As(has_more) => Some(has_more),
            Told::Absent => Some(self.threads.len >= THREADS_A_PAGE),
            Told::Odd => None,
        }
    }
}

impl DiscordApi {
    /// Fetches the guild's active threads that the bot can see.
    pub async fn active_threads(&self, guild_id: GuildId) -> Result<Items<Listed>, RestError> {
        let list = self.threads(&Route::ActiveThreads(guild_id)).await?;
        Ok(list.threads.map(|thread| thread.into_listed(guild_id)))
    }

    /// Fetches up to 100 archived threads, last archived first, and whether older ones exist.
    /// That is `None` if unreadable. `before` is the archive timestamp of the previous page's last
    /// thread.
    /// Discord's timestamps are finer than ours: threads archived in that millisecond may be listed
    /// again.
    pub async fn archived_threads(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
        private: bool,
        before: Option<Millis>,
    ) -> Result<(Items<Listed>, Option<bool>), RestError> {
        let inclusive = before.map(|before| Millis(before.0 + 1));
        let list = self.archived_before(channel, private, inclusive).await?;
        let has_more = list.has_more();
        let threads = list.threads.map(|thread| thread.into_listed(guild_id));
        let page_end = threads
            .items
            .last()
            .and_then(|item| item.channel.thread.as_ref());
        let oldest = page_end.and_then(|thread| thread.archive_timestamp);
        if before.is_none() || has_more == Some(false) || oldest < before {
            return Ok((threads, has_more));
        }
        // The whole page is from one millisecond: step over it, or paging would never end.
        let list = self.archived_before(channel, private, before).await?;
        let has_more = list.has_more();
        Ok((
            list.threads.map(|thread| thread.into_listed(guild_id)),
            has_more,
        ))
    }

    async fn archived_before(
        &self,
        channel: ChannelId,
        private: bool,
        before: Option<Millis>,
    ) -> Result<ThreadList, RestError> {
        let route = Route::ArchivedThreads {
            channel,
            private,
            before,
        };
        self.threads(&route).await
    }

    /// Fetches a list of threads item by item.
    async fn threads(&self, route: &Route<'_>) -> Result<ThreadList, RestError> {
        let read = json::read::<ThreadList>;
        let list = self.rest.get(route, read).await?;
        report(route, &list.threads);
        Ok(list)
    }
}
