//! Discord's past and present over REST, page by page, in our own words.
//!
//! Owns which request answers which question and how its pages follow each other. Refuses to know
//! why somebody asks, what was asked before, and where the answers go.

use std::time::Duration;

use propsbot_model::{
    ChannelId, Emoji, Guild, GuildEmoji, GuildId, Listed, MessageId, Millis, PagedMessage,
    Presence, Role, User, UserId,
};

use serde::{
    Deserialize,
    de::{DeserializeOwned, Error as _},
};

use super::{
    Application, Items, Permit, Rest, RestError, Route, Urgency,
    application::OfFlags,
    gateway::StartLimit,
    json,
    wire::{self, Told},
};

/// Discord's code for "Unknown Message". Source, of the next two as well:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const UNKNOWN_MESSAGE: u64 = 10_008;

/// Discord's codes for "Unknown Member" and "Unknown User".
const NO_MEMBER: [u64; 2] = [10_007, 10_013];

/// More guilds than a bot with one connection to the gateway can be in. Source:
/// <https://discord.com/developers/docs/events/gateway#sharding>.
const MOST_GUILDS: usize = 10_000;

/// Threads on a full page of archived ones.
const THREADS_A_PAGE: usize = 100;

/// Guilds on a full page of the bot's guilds.
const GUILDS_A_PAGE: usize = 100;

/// Typed reading of Discord over REST. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DiscordApi {
    rest: Rest,
    urgency: Urgency,
}

/// A guild and what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildShape {
    /// The guild.
    pub guild: Guild,
    /// Its roles.
    pub roles: Items<Role>,
    /// Its own emojis.
    pub emojis: Items<GuildEmoji>,
    /// About how many members it has, where Discord says.
    pub members: Option<u64>,
}

/// A page of messages, the last first.
#[derive(Debug)]
pub struct Listing {
    /// Those that can be read.
    pub messages: Vec<PagedMessage>,
    /// The ids of those that cannot.
    pub unreadable: Vec<MessageId>,
    /// How many there are, be they readable or not: 100 on a full page.
    pub len: usize,
    /// The first id of all.
    pub oldest: Option<MessageId>,
    /// The last id of all.
    pub newest: Option<MessageId>,
    /// To be dropped once the page is dealt with, and before another request is waited for: only so
    /// many pages are in memory at a time.
    pub turn: Option<Permit>,
}

impl Listing {
    /// Messages on a full page; a shorter one is the last.
    pub const FULL: usize = 100;

    /// How many cannot be read, not even their ids.
    pub fn unnamed(&self) -> usize {
        self.len - self.messages.len() - self.unreadable.len()
    }
}

#[derive(Deserialize)]
struct GuildInBrief {
    id: GuildId,
    #[serde(default, deserialize_with = "wire::lenient")]
    name: String,
}

#[derive(Deserialize)]
struct ThreadList {
    /// An answer without them is none.
    #[serde(deserialize_with = "Items::required")]
    threads: Items<wire::Channel>,
    #[serde(default)]
    has_more: Told<bool>,
}

impl ThreadList {
    /// Whether there are more; `None` where that cannot be read. A server that is not Discord's may leave
    /// it out: then only a full page may not be the last.
    fn has_more(&self) -> Option<bool> {
        match self.has_more {
            Told::As(has_more) => Some(has_more),
            Told::Absent => Some(self.threads.len >= THREADS_A_PAGE),
            Told::Odd => None,
        }
    }
}

/// Where the gateway is, and how it may be used. Source:
/// <https://discord.com/developers/docs/events/gateway#get-gateway-bot-json-response>.
#[derive(Debug)]
pub struct GatewayAddress {
    /// Its URL.
    pub url: String,
    /// How many connections Discord wants a bot of this size to have.
    pub shards: u32,
    /// How many sessions may be started, where Discord says.
    pub(super) limit: Option<StartLimit>,
}

#[derive(Deserialize)]
struct Connection {
    url: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    shards: Option<u32>,
    #[serde(default, deserialize_with = "wire::lenient")]
    session_start_limit: Option<SessionStartLimit>,
}

#[derive(Deserialize)]
struct SessionStartLimit {
    remaining: u64,
    /// In milliseconds.
    #[serde(default, deserialize_with = "wire::lenient")]
    reset_after: u64,
}

impl DiscordApi {
    /// Reads over this client.
    pub fn new(rest: Rest) -> Self {
        Self {
            rest,
            urgency: Urgency::AtOnce,
        }
    }

    /// The same, but so urgent only: for pages of messages, and who reacted to them.
    #[must_use]
    pub fn with_urgency(&self, urgency: Urgency) -> Self {
        Self {
            rest: self.rest.clone(),
            urgency,
        }
    }

    /// The client that it reads over.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// What Discord's clock tells at this time of ours: ids and archive timestamps are Discord's.
    pub fn discord_time(&self, ours: Millis) -> Millis {
        self.rest.discord_time(ours)
    }

    /// The bot's own user; [`RestError::BadToken`] if the token is nobody's.
    pub async fn me(&self) -> Result<User, RestError> {
        let read = json::read::<wire::User>;
        Ok(self.rest.get(&Route::Me, read).await?.into())
    }

    /// The bot's application; `None` where the server does not tell.
    pub async fn application(&self) -> Result<Option<Application>, RestError> {
        match self
            .rest
            .get(&Route::Application, json::read::<OfFlags>)
            .await
        {
            Ok(told) => Ok(told.application()),
            Err(RestError::NotFound { .. } | RestError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the gateway is, and how it may be used.
    pub async fn gateway(&self) -> Result<GatewayAddress, RestError> {
        let read = json::read::<Connection>;
        let connection = match self.rest.get(&Route::Gateway, read).await {
            // A server that is not Discord's may know the simpler question only.
            Err(RestError::NotFound { .. }) => self.rest.get(&Route::GatewayUrl, read).await?,
            answer => answer?,
        };
        Ok(GatewayAddress {
            url: connection.url,
            shards: connection.shards.unwrap_or(1),
            limit: connection.session_start_limit.map(|limit| StartLimit {
                remaining: limit.remaining,
                reset_after: Duration::from_millis(limit.reset_after),
            }),
        })
    }

    /// All guilds that the bot is in, with their names, and how many more there are whose ids cannot be
    /// read.
    pub async fn guilds(&self) -> Result<(Vec<(GuildId, String)>, usize), RestError> {
        let (mut guilds, mut unnamed) = (Vec::new(), 0);
        let mut after = GuildId(0);
        loop {
            let page: Items<GuildInBrief> = self.list(&Route::MyGuilds(after)).await?;
            let ids = page.items.iter().map(|guild| guild.id.0);
            let newest = ids.chain(page.unreadable.iter().copied()).max();
            let is_last = page.len < GUILDS_A_PAGE;
            unnamed += page.odd();
            let new = page.items.into_iter().filter(|guild| guild.id > after);
            guilds.extend(new.map(|guild| (guild.id, guild.name)));
            if guilds.len() > MOST_GUILDS {
                let error = serde_json::Error::custom("it has no end");
                return Err(RestError::unreadable(&Route::MyGuilds(after), &error));
            }
            match newest.map(GuildId).filter(|id| *id > after && !is_last) {
                Some(newest) => after = newest,
                // The last page; or that of a server that does not know `after`, and would send
                // the same one for ever.
                None => return Ok((guilds, unnamed)),
            }
        }
    }

    /// A guild with its roles and emojis.
    pub async fn guild(&self, guild_id: GuildId) -> Result<GuildShape, RestError> {
        let read = |json: &[u8]| read_own(json, guild_id, |guild: &wire::Guild| guild.id);
        let mut guild = self.rest.get(&Route::Guild(guild_id), read).await?;
        // Discord's own guilds come with both; another server may want to be asked.
        guild.roles = self.told(guild.roles, &Route::Roles(guild_id)).await?;
        guild.emojis = self.told(guild.emojis, &Route::Emojis(guild_id)).await?;
        report(&Route::Guild(guild_id), &guild.roles);
        report(&Route::Guild(guild_id), &guild.emojis);
        Ok(guild.into_shape())
    }

    /// One channel or thread.
    pub async fn channel(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
    ) -> Result<Listed, RestError> {
        let read = |json: &[u8]| read_own(json, channel, |found: &wire::Channel| found.id);
        let found = self.rest.get(&Route::Channel(channel), read).await?;
        Ok(found.into_listed(guild_id))
    }

    /// All of a guild's channels; threads are not among them.
    pub async fn channels(&self, guild_id: GuildId) -> Result<Items<Listed>, RestError> {
        let channels = self.list(&Route::Channels(guild_id)).await?;
        Ok(channels.map(|channel: wire::Channel| channel.into_listed(guild_id)))
    }

    /// All of a guild's threads that are not archived and that the bot may see.
    pub async fn active_threads(&self, guild_id: GuildId) -> Result<Items<Listed>, RestError> {
        let list = self.threads(&Route::ActiveThreads(guild_id)).await?;
        Ok(list.threads.map(|thread| thread.into_listed(guild_id)))
    }

    /// Up to 100 archived threads of a channel, the last archived first, and whether there are
    /// more before them, if that can be read. `before` is the archive timestamp of the last thread of the page before.
    ///
    /// Discord's timestamps are finer than ours: threads archived in that very millisecond may be
    /// listed again.
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
        // A whole page of one millisecond: step over it, or the pages would never end.
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

    /// Up to 1000 of a guild's members by id, those after `after`.
    pub async fn members(
        &self,
        guild_id: GuildId,
        after: UserId,
    ) -> Result<Items<(User, Presence)>, RestError> {
        let members = self.list(&Route::Members(guild_id, after)).await?;
        Ok(members.map(wire::Member::into_pair))
    }

    /// One member; nothing for whoever is none, or not any more.
    pub async fn member(
        &self,
        guild_id: GuildId,
        user: UserId,
    ) -> Result<Option<(User, Presence)>, RestError> {
        let read = |json: &[u8]| read_own(json, user, |found: &wire::Member| found.user.id);
        match self.rest.get(&Route::Member(guild_id, user), read).await {
            Ok(member) => Ok(Some(member.into_pair())),
            Err(RestError::NotFound { code, .. }) if NO_MEMBER.contains(&code) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Up to 100 messages of a channel, the last first, those before `before`.
    ///
    /// Without `READ_MESSAGE_HISTORY` the list is empty and not an error: compute permissions first.
    pub async fn messages(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
        before: Option<MessageId>,
    ) -> Result<Listing, RestError> {
        let route = Route::Messages(channel, before);
        let (page, turn) = self.list_and_hold::<wire::Message>(&route).await?;
        let ids = || {
            let unreadable = page.unreadable.iter().copied().map(MessageId);
            page.items.iter().map(|item| item.id).chain(unreadable)
        };
        Ok(Listing {
            len: page.len,
            oldest: ids().min(),
            newest: ids().max(),
            messages: page
                .items
                .into_iter()
                .map(|message| message.into_paged(guild_id, channel))
                .collect(),
            unreadable: page.unreadable.into_iter().map(MessageId).collect(),
            turn: Some(turn),
        })
    }

    /// One message; nothing if it does not exist, or not any more.
    pub async fn message(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Option<PagedMessage>, RestError> {
        let route = Route::Message(channel, message);
        // One that is not as documented is so as well when it is asked for again.
        let own = |json: &[u8]| read_own(json, message, |found: &wire::Message| found.id);
        let read = |json: &[u8]| match own(json) {
            Err(error) if error.is_data() => Ok(Err(error)),
            read => read.map(Ok),
        };
        match self.rest.get(&route, read).await {
            Ok(Ok(message)) => Ok(Some(message.into_paged(guild_id, channel))),
            Ok(Err(error)) => Err(RestError::unreadable(&route, &error)),
            Err(RestError::NotFound { code, .. }) if code == UNKNOWN_MESSAGE => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Up to 100 of those who react to a message with an emoji, by id, those after `after`.
    pub async fn reactors(
        &self,
        channel: ChannelId,
        message: MessageId,
        emoji: &Emoji,
        burst: bool,
        after: Option<UserId>,
    ) -> Result<Items<User>, RestError> {
        let route = Route::Reactors {
            channel,
            message,
            emoji,
            burst,
            after,
        };
        let (users, _) = self.list_and_hold(&route).await?;
        Ok(users.map(|user: wire::User| user.into()))
    }

    /// A list, item by item.
    async fn list<T: DeserializeOwned>(&self, route: &Route<'_>) -> Result<Items<T>, RestError> {
        let list = self.rest.get(route, Items::read).await?;
        report(route, &list);
        Ok(list)
    }

    /// A list, when it is this reader's turn; and the turn.
    async fn list_and_hold<T: DeserializeOwned>(
        &self,
        route: &Route<'_>,
    ) -> Result<(Items<T>, Permit), RestError> {
        let asked = self.rest.get_and_hold(route, self.urgency, Items::read);
        let (list, turn) = asked.await?;
        report(route, &list);
        Ok((list, turn))
    }

    /// The list, or if it was not told, what the server answers when it is asked for it.
    async fn told<T: DeserializeOwned>(
        &self,
        list: Items<T>,
        route: &Route<'_>,
    ) -> Result<Items<T>, RestError> {
        if list.all_named || list.len > 0 {
            return Ok(list);
        }
        match self.rest.get(route, Items::read).await {
            Err(RestError::NotFound { .. } | RestError::Forbidden { .. }) => Ok(list),
            asked => asked,
        }
    }

    /// A list of threads, item by item.
    async fn threads(&self, route: &Route<'_>) -> Result<ThreadList, RestError> {
        let read = json::read::<ThreadList>;
        let list = self.rest.get(route, read).await?;
        report(route, &list.threads);
        Ok(list)
    }
}

/// Reads the object that was asked for. Another one is no answer.
fn read_own<T: DeserializeOwned, I: Copy + PartialEq>(
    json: &[u8],
    asked: I,
    id: impl Fn(&T) -> I,
) -> serde_json::Result<T> {
    let found: T = json::read(json)?;
    if id(&found) == asked {
        Ok(found)
    } else {
        Err(serde_json::Error::custom("it is another object"))
    }
}

/// Says what was left out of a list.
fn report<T>(route: &Route<'_>, list: &Items<T>) {
    let odd = list.odd();
    if odd > 0 {
        tracing::warn!(%route, odd, ids = ?list.unreadable, "left out what could not be read");
    }
}

impl wire::Channel {
    fn into_listed(self, guild_id: GuildId) -> Listed {
        Listed {
            last_message_id: self.last_message_id(),
            channel: self.into_record(guild_id),
        }
    }
}

impl wire::Guild {
    /// The guild, its roles and its emojis.
    pub(super) fn into_shape(self) -> GuildShape {
        let id = self.id;
        GuildShape {
            guild: self.record(),
            roles: self.roles.map(|role| role.into_record(id)),
            emojis: self.emojis.map(|emoji| emoji.into_record(id)),
            members: self.approximate_member_count,
        }
    }
}
