//! Posts of bots and webhooks in props channels that would be props if a person had posted them.

use std::{collections::BTreeMap, fmt};

use super::decision::decided;
use propsbot_model::{AuthorKind, ChannelId, GuildId, Message, MessageId, UserId, one_line};
use propsbot_store::{Reader, StoreError};

/// Exported posts of one bot or webhook that mention users but aren't props.
pub(super) struct BotPosts {
    /// The guild's name.
    guild: String,
    /// The bot or webhook.
    author: UserId,
    /// The bot's name; `None` for a webhook, or if unknown.
    name: Option<String>,
    /// Whether the author is a webhook.
    webhook: bool,
    /// The number of posts.
    count: u64,
}

impl fmt::Display for BotPosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let posts = if self.count == 1 { "post" } else { "posts" };
        let what = if self.webhook { "webhook" } else { "bot" };
        write!(
            f,
            "{}, {} {posts} in props channels by the {what} ",
            one_line(&self.guild),
            self.count
        )?;
        if let Some(name) = &self.name {
            write!(f, "{} ", one_line(name))?;
        }
        write!(f, "({})", self.author)?;
        if !self.webhook {
            f.write_str("; an admin can make them props with /settings set props_bots")?;
        }
        Ok(())
    }
}

/// The posts of all guilds, by guild and author.
pub(super) fn bot_posts(store: &Reader) -> Result<Vec<BotPosts>, StoreError> {
    let mut all = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let settings = store.settings(guild.id)?;
        let (roles, channels) = (store.roles(guild.id)?, store.channels(guild.id)?);
        let decided = decided(guild, &settings, &roles, &channels);
        let mut counts = BTreeMap::<(UserId, AuthorKind), u64>::new();
        for (channel, withheld) in decided {
            let deleted = channels
                .iter()
                .any(|part| part.id == channel.id.0 && part.state.now().is_none());
            if withheld.is_some() || deleted || !store.is_props_channel(guild.id, channel.id)? {
                continue;
            }
            let answers = answers(store, channel.id)?;
            for state in store.messages(channel.id, 0..=u64::MAX) {
                let state = state?;
                let posted = state.message().filter(|message| thanks(message));
                let Some(author) = posted.map(|message| message.author) else {
                    continue;
                };
                let counts_already = author.kind == AuthorKind::User
                    || settings.props_bots.contains(&author.id)
                    || answers.contains(&state.id);
                if !counts_already {
                    *counts.entry((author.id, author.kind)).or_default() += 1;
                }
            }
        }
        for ((author, kind), count) in counts {
            all.push(BotPosts {
                guild: guild.name.clone(),
                author,
                name: name(store, guild.id, author)?,
                webhook: kind == AuthorKind::Webhook,
                count,
            });
        }
    }
    Ok(all)
}

/// Whether the message would be props if a person had posted it in a props channel.
fn thanks(message: &Message) -> bool {
    let author = message.author.id;
    let mut mentions = message.mentions.iter();
    message.kind.is_written() && mentions.any(|mention| mention.user_id != author)
}

/// The messages that announce props given by command.
fn answers(store: &Reader, channel: ChannelId) -> Result<Vec<MessageId>, StoreError> {
    let mut answers = Vec::new();
    for props in store.props(channel, 0..=u64::MAX) {
        answers.extend(props?.message_id);
    }
    Ok(answers)
}

fn name(store: &Reader, guild: GuildId, user: UserId) -> Result<Option<String>, StoreError> {
    let member = store.member(guild, user)?;
    let user = member.and_then(|member| member.user);
    Ok(user.map(|user| user.value.username))
}
