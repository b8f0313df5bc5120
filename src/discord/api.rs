//! Typed requests to Discord's REST API, converted to our records.
//!
//! Owns which request answers which question, and paging. Callers decide what to ask and where
//! answers go.

mod threads;

use std::time::Duration;

use propsbot_model::{
    ChannelId, Emoji, EventId, Fact, Guild, GuildEmoji, GuildId, Listed, MessageId, Millis,
    PagedMessage, Presence, Role, User, UserId,
};

use serde::{
    Deserialize,
    de::{DeserializeOwned, Error as _},
};

use super::{
    Application, Items, Permit, Rest, RestError, Route, Urgency, application::OfFlags,
    gateway::StartLimit, json, wire,
};

/// Discord's code for "Unknown Message". Source, also for the next two:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const UNKNOWN_MESSAGE: u64 = 10_008;

/// Discord's codes for "Unknown Member" and "Unknown User".
const NO_MEMBER: [u64; 2] = [10_007, 10_013];

/// More guilds than one process mirrors: about as many as 100 shards have.
const MOST_GUILDS: usize = 100_000;

/// More shards than any bot has. Source:
/// <https://discord.com/developers/docs/events/gateway#sharding-sharding-for-large-bots>.
const MOST_SHARDS: u32 = 10_000;

const GUILDS_A_PAGE: usize = 100;

/// Typed access to Discord's REST API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DiscordApi {
    rest: Rest,
    urgency: Urgency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuildShape {
    pub guild: Guild,
    pub roles: Items<Role>,
    pub emojis: Items<GuildEmoji>,
    /// Approximate number of members, if Discord says.
    pub members: Option<u64>,
}

/// A page of messages, newest first.
#[derive(Debug)]
pub struct Listing {
    /// The readable messages.
    pub messages: Vec<PagedMessage>,
    /// Ids of unreadable messages.
    pub unreadable: Vec<MessageId>,
    /// Number of messages, readable or not: 100 on a full page.
    pub len: usize,
    /// The smallest id on the page.
    pub oldest: Option<MessageId>,
    /// The greatest id on the page.
    pub newest: Option<MessageId>,
    /// Drop it once the page is processed, before waiting for another request: it bounds the pages
    /// in memory.
    pub turn: Option<Permit>,
}

impl Listing {
    /// Messages on a full page; a shorter one is the last.
    pub const FULL: usize = 100;

    /// Returns how many messages have unreadable ids.
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

/// The gateway's URL and limits. Source:
/// <https://discord.com/developers/docs/events/gateway#get-gateway-bot-json-response>.
#[derive(Debug)]
pub struct GatewayAddress {
    pub url: String,
    /// Shards that Discord recommends for a bot of this size; at least 1.
    pub shards: u32,
    /// Sessions that can start at the same time; at least 1.
    pub(super) concurrency: u32,
    /// Session starts left, if Discord says.
    pub(super) limit: Option<StartLimit>,
}

#[derive(Deserialize)]
struct Connection {
    url: String,
    #[serde(default, deserialize_with = "wire::lenient")]
    shards: Option<u32>,
    #[serde(default, deserialize_with = "wire::lenient")]
    session_start_limit: SessionStartLimit,
}

#[derive(Default, Deserialize)]
struct SessionStartLimit {
    #[serde(default, deserialize_with = "wire::lenient")]
    remaining: Option<u64>,
    /// In milliseconds.
    #[serde(default, deserialize_with = "wire::lenient")]
    reset_after: u64,
    #[serde(default, deserialize_with = "wire::lenient")]
    max_concurrency: Option<u32>,
}

impl DiscordApi {
    pub fn new(rest: Rest) -> Self {
        Self {
            rest,
            urgency: Urgency::AtOnce,
        }
    }

    /// Returns a copy with this urgency for pages of messages and lists of reactors.
    #[must_use]
    pub fn with_urgency(&self, urgency: Urgency) -> Self {
        Self {
            rest: self.rest.clone(),
            urgency,
        }
    }

    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Converts our time to Discord's, which ids and archive timestamps use.
    pub fn discord_time(&self, ours: Millis) -> Millis {
        self.rest.discord_time(ours)
    }

    /// Fetches the bot's own user; [`RestError::BadToken`] if the token is invalid.
    pub async fn me(&self) -> Result<User, RestError> {
        let read = json::read::<wire::User>;
        Ok(self.rest.get(&Route::Me, read).await?.into())
    }

    /// Fetches the bot's application; `None` if the server doesn't say.
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

    /// Fetches the gateway's URL and limits.
    pub async fn gateway(&self) -> Result<GatewayAddress, RestError> {
        let read = json::read::<Connection>;
        let connection = match self.rest.get(&Route::Gateway, read).await {
            // Servers other than Discord's may only know the simpler route.
            Err(RestError::NotFound { .. }) => self.rest.get(&Route::GatewayUrl, read).await?,
            answer => answer?,
        };
        let starts = connection.session_start_limit;
        Ok(GatewayAddress {
            url: connection.url,
            shards: connection.shards.unwrap_or(1).clamp(1, MOST_SHARDS),
            concurrency: starts.max_concurrency.unwrap_or(1).clamp(1, MOST_SHARDS),
            limit: starts.remaining.map(|remaining| StartLimit {
                remaining,
                reset_after: Duration::from_millis(starts.reset_after),
            }),
        })
    }

    /// Fetches the bot's guilds with their names, and how many more are unreadable.
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
                let error = serde_json::Error::custom("the list never ends");
                return Err(RestError::unreadable(&Route::MyGuilds(after), &error));
            }
            match newest.map(GuildId).filter(|id| *id > after && !is_last) {
                Some(newest) => after = newest,
                // The last page; or a server that ignores `after` and would repeat the same page
                // forever.
                None => return Ok((guilds, unnamed)),
            }
        }
    }

    /// Fetches a guild with its roles and emojis.
    pub async fn guild(&self, guild_id: GuildId) -> Result<GuildShape, RestError> {
        let read = |json: &[u8]| read_own(json, guild_id, |guild: &wire::Guild| guild.id);
        let mut guild = self.rest.get(&Route::Guild(guild_id), read).await?;
        // Discord sends both with the guild; other servers may need extra requests.
        guild.roles = self.told(guild.roles, &Route::Roles(guild_id)).await?;
        guild.emojis = self.told(guild.emojis, &Route::Emojis(guild_id)).await?;
        report(&Route::Guild(guild_id), &guild.roles);
        report(&Route::Guild(guild_id), &guild.emojis);
        Ok(guild.into_shape())
    }

    /// Fetches one channel or thread.
    pub async fn channel(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
    ) -> Result<Listed, RestError> {
        let read = |json: &[u8]| read_own(json, channel, |found: &wire::Channel| found.id);
        let found = self.rest.get(&Route::Channel(channel), read).await?;
        Ok(found.into_listed(guild_id))
    }

    /// Fetches a guild's channels, without threads.
    pub async fn channels(&self, guild_id: GuildId) -> Result<Items<Listed>, RestError> {
        let channels = self.list(&Route::Channels(guild_id)).await?;
        Ok(channels.map(|channel: wire::Channel| channel.into_listed(guild_id)))
    }

    /// Fetches up to 1000 members with ids greater than `after`.
    pub async fn members(
        &self,
        guild_id: GuildId,
        after: UserId,
    ) -> Result<Items<(User, Presence)>, RestError> {
        let members = self.list(&Route::Members(guild_id, after)).await?;
        Ok(members.map(wire::Member::into_pair))
    }

    /// Fetches one member; `None` if the user isn't one.
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

    /// Fetches the guild's scheduled events that the bot can see and that aren't over, each as a fact.
    pub async fn events(&self, guild_id: GuildId) -> Result<Items<(EventId, Fact)>, RestError> {
        let events = self.list(&Route::Events(guild_id)).await?;
        Ok(events.map(|event: wire::Event| (event.id, event.into_fact(guild_id))))
    }

    /// Fetches up to 100 users with ids greater than `after` who answered an event, and whether they are
    /// interested. Accounts may be missing.
    pub async fn event_users(
        &self,
        guild_id: GuildId,
        event: EventId,
        after: UserId,
    ) -> Result<Items<(UserId, Option<User>, bool)>, RestError> {
        let route = Route::EventUsers(guild_id, event, after);
        let users = self.list(&route).await?;
        Ok(users.map(wire::EventUser::into_parts))
    }

    /// Fetches up to 100 messages before `before`, newest first.
    /// Without `READ_MESSAGE_HISTORY` the list is empty instead of an error: compute permissions
    /// first.
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

    /// Fetches one message; `None` if it doesn't exist.
    pub async fn message(
        &self,
        guild_id: GuildId,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Option<PagedMessage>, RestError> {
        let route = Route::Message(channel, message);
        // Don't retry an odd message: it stays odd.
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

    /// Fetches up to 100 users with ids greater than `after` who reacted with an emoji.
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

    async fn list<T: DeserializeOwned>(&self, route: &Route<'_>) -> Result<Items<T>, RestError> {
        let list = self.rest.get(route, Items::read).await?;
        report(route, &list);
        Ok(list)
    }

    /// Fetches a list with this reader's urgency; returns the permit too.
    async fn list_and_hold<T: DeserializeOwned>(
        &self,
        route: &Route<'_>,
    ) -> Result<(Items<T>, Permit), RestError> {
        let asked = self.rest.get_and_hold(route, self.urgency, Items::read);
        let (list, turn) = asked.await?;
        report(route, &list);
        Ok((list, turn))
    }

    /// Returns the list, or fetches it from `route` if it wasn't sent.
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
}

/// Reads the requested object; fails on any other.
fn read_own<T: DeserializeOwned, I: Copy + PartialEq>(
    json: &[u8],
    asked: I,
    id: impl Fn(&T) -> I,
) -> serde_json::Result<T> {
    let found: T = json::read(json)?;
    if id(&found) == asked {
        Ok(found)
    } else {
        Err(serde_json::Error::custom("the answer is another object"))
    }
}

fn report<T>(route: &Route<'_>, list: &Items<T>) {
    let odd = list.odd();
    if odd > 0 {
        tracing::warn!(%route, odd, ids = ?list.unreadable, "left out unreadable items");
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
    /// Converts the guild, its roles and its emojis.
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
