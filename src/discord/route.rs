//! Discord's REST routes, and the rate limit bucket of each.

use std::fmt::{self, Write as _};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use propsbot_model::{ChannelId, Emoji, EmojiKey, EventId, GuildId, MessageId, Millis, UserId};

/// A REST route. Displayed without its query, for errors and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    Me,
    Application,
    /// The bot's guilds after this one; 100 per page.
    MyGuilds(GuildId),
    /// The gateway's URL, the number of shards, and the session start limit.
    Gateway,
    /// Only the gateway's URL; needs no token.
    GatewayUrl,
    /// The application's global commands.
    Commands(UserId),
    /// A guild with its roles and emojis, and its approximate number of members.
    Guild(GuildId),
    Roles(GuildId),
    Emojis(GuildId),
    /// One channel or thread.
    Channel(ChannelId),
    Channels(GuildId),
    /// All active threads of a guild.
    ActiveThreads(GuildId),
    /// A channel's archived threads, last archived first; 100 per page.
    ArchivedThreads {
        channel: ChannelId,
        /// Private threads instead of public ones.
        private: bool,
        /// Only threads archived before this time.
        before: Option<Millis>,
    },
    /// A guild's members after this one, by id; 1000 per page.
    Members(GuildId, UserId),
    Member(GuildId, UserId),
    /// A guild's scheduled events that aren't over, with how many are interested.
    Events(GuildId),
    /// Who is interested in an event, after this user, by id; 100 per page.
    EventUsers(GuildId, EventId, UserId),
    /// A channel's messages before this one, newest first; 100 per page.
    Messages(ChannelId, Option<MessageId>),
    Post(ChannelId),
    Message(ChannelId, MessageId),
    OwnReaction {
        channel: ChannelId,
        message: MessageId,
        emoji: &'a Emoji,
    },
    /// Users who reacted with an emoji after this user, by id; 100 per page.
    Reactors {
        channel: ChannelId,
        message: MessageId,
        emoji: &'a Emoji,
        /// Burst reactions instead of normal ones.
        burst: bool,
        /// Only users with greater ids.
        after: Option<UserId>,
    },
}

impl Route<'_> {
    /// Returns path and query after `/api/v10/`.
    pub(super) fn address(&self) -> String {
        let mut address = self.to_string();
        let query = match self {
            Self::MyGuilds(after) => write!(address, "?limit=100&after={after}"),
            Self::Guild(_) => write!(address, "?with_counts=true"),
            Self::ArchivedThreads { before, .. } => match before.map(iso) {
                Some(before) => write!(address, "?limit=100&before={before}"),
                None => write!(address, "?limit=100"),
            },
            Self::Events(_) => write!(address, "?with_user_count=true"),
            Self::EventUsers(_, _, after) => write!(address, "?limit=100&after={after}"),
            Self::Members(_, after) => write!(address, "?limit=1000&after={after}"),
            Self::Messages(_, Some(before)) => write!(address, "?limit=100&before={before}"),
            Self::Messages(_, None) => write!(address, "?limit=100"),
            Self::Reactors { burst, after, .. } => {
                let kind = u8::from(*burst);
                match after {
                    Some(after) => write!(address, "?limit=100&type={kind}&after={after}"),
                    None => write!(address, "?limit=100&type={kind}"),
                }
            }
            _ => Ok(()),
        };
        query.expect("writing to a string never fails");
        address
    }

    /// Returns the key of the route's bucket until Discord names it: only the id of the top-level
    /// resource counts. Source:
    /// <https://discord.com/developers/docs/topics/rate-limits#rate-limits>.
    pub(super) fn bucket(&self) -> String {
        match self {
            Self::Member(guild, _) => format!("guilds/{guild}/members/:id"),
            Self::EventUsers(guild, ..) => format!("guilds/{guild}/scheduled-events/:id/users"),
            Self::Message(channel, _) => format!("channels/{channel}/messages/:id"),
            Self::Reactors { channel, .. } | Self::OwnReaction { channel, .. } => {
                format!("channels/{channel}/messages/:id/reactions/:emoji")
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Me => f.write_str("users/@me"),
            Self::Application => f.write_str("applications/@me"),
            Self::MyGuilds(_) => f.write_str("users/@me/guilds"),
            Self::Gateway => f.write_str("gateway/bot"),
            Self::GatewayUrl => f.write_str("gateway"),
            Self::Commands(application) => write!(f, "applications/{application}/commands"),
            Self::Guild(guild) => write!(f, "guilds/{guild}"),
            Self::Roles(guild) => write!(f, "guilds/{guild}/roles"),
            Self::Emojis(guild) => write!(f, "guilds/{guild}/emojis"),
            Self::Channel(channel) => write!(f, "channels/{channel}"),
            Self::Channels(guild) => write!(f, "guilds/{guild}/channels"),
            Self::ActiveThreads(guild) => write!(f, "guilds/{guild}/threads/active"),
            Self::ArchivedThreads {
                channel, private, ..
            } => {
                let kind = if *private { "private" } else { "public" };
                write!(f, "channels/{channel}/threads/archived/{kind}")
            }
            Self::Members(guild, _) => write!(f, "guilds/{guild}/members"),
            Self::Member(guild, user) => write!(f, "guilds/{guild}/members/{user}"),
            Self::Events(guild) => write!(f, "guilds/{guild}/scheduled-events"),
            Self::EventUsers(guild, event, _) => {
                write!(f, "guilds/{guild}/scheduled-events/{event}/users")
            }
            Self::Messages(channel, _) | Self::Post(channel) => {
                write!(f, "channels/{channel}/messages")
            }
            Self::Message(channel, message) => write!(f, "channels/{channel}/messages/{message}"),
            Self::Reactors {
                channel,
                message,
                emoji,
                ..
            } => {
                write!(f, "channels/{channel}/messages/{message}/reactions/")?;
                encode(emoji, f)
            }
            Self::OwnReaction {
                channel,
                message,
                emoji,
            } => {
                write!(f, "channels/{channel}/messages/{message}/reactions/")?;
                encode(emoji, f)?;
                f.write_str("/@me")
            }
        }
    }
}

/// Percent-encodes an emoji: a plain `#` would end the path.
fn encode(emoji: &Emoji, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &emoji.key {
        EmojiKey::Unicode(text) => write!(f, "{}", utf8_percent_encode(text, NON_ALPHANUMERIC)),
        EmojiKey::Custom(id) => {
            let name = emoji.name.as_deref().unwrap_or("_");
            write!(f, "{}%3A{id}", utf8_percent_encode(name, NON_ALPHANUMERIC))
        }
    }
}

fn iso(time: Millis) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::EmojiId;

    fn reactors(emoji: &Emoji) -> String {
        let route = Route::Reactors {
            channel: ChannelId(1),
            message: MessageId(2),
            emoji,
            burst: false,
            after: None,
        };
        assert_eq!(route.bucket(), "channels/1/messages/:id/reactions/:emoji");
        route.address()
    }

    #[test]
    fn encodes_every_byte_of_an_emoji() {
        assert_eq!(
            reactors(&Emoji::unicode("#️⃣")),
            "channels/1/messages/2/reactions/%23%EF%B8%8F%E2%83%A3?limit=100&type=0"
        );
        assert_eq!(
            reactors(&Emoji::custom(EmojiId(7), Some("a_b".into()), true)),
            "channels/1/messages/2/reactions/a%5Fb%3A7?limit=100&type=0"
        );
        assert_eq!(
            reactors(&Emoji::custom(EmojiId(7), None, false)),
            "channels/1/messages/2/reactions/%5F%3A7?limit=100&type=0"
        );
    }

    #[test]
    fn own_reactions_share_the_bucket_of_reactor_lists() {
        let emoji = Emoji::unicode("🙏");
        let route = Route::OwnReaction {
            channel: ChannelId(1),
            message: MessageId(2),
            emoji: &emoji,
        };
        assert_eq!(
            route.address(),
            "channels/1/messages/2/reactions/%F0%9F%99%8F/@me"
        );
        assert_eq!(route.bucket(), "channels/1/messages/:id/reactions/:emoji");
    }

    #[test]
    fn requests_the_largest_pages_discord_allows() {
        let address = |route: Route<'_>| route.address();
        assert_eq!(
            address(Route::MyGuilds(GuildId(0))),
            "users/@me/guilds?limit=100&after=0"
        );
        assert_eq!(
            address(Route::Members(GuildId(1), UserId(9))),
            "guilds/1/members?limit=1000&after=9"
        );
        assert_eq!(
            address(Route::Messages(ChannelId(3), Some(MessageId(4)))),
            "channels/3/messages?limit=100&before=4"
        );
        assert_eq!(
            address(Route::ArchivedThreads {
                channel: ChannelId(3),
                private: true,
                before: Some(Millis(1_462_015_105_796))
            }),
            "channels/3/threads/archived/private?limit=100&before=2016-04-30T11:18:25.796Z"
        );
    }
}
