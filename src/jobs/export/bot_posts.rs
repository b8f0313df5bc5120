//! Posts of bots and webhooks in props channels that would be props if a person had posted them.

use std::collections::BTreeMap;

use super::decision::decided;
use propsbot_model::{
    AuthorKind, ChannelId, GuildId, Message, MessageId, UserId, counted, one_line,
};
use propsbot_store::{Reader, StoreError};

/// A line for people about each bot or webhook whose exported posts mention users but aren't props.
pub(super) fn bot_posts(store: &Reader) -> Result<Vec<String>, StoreError> {
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
            let (what, help) = match kind {
                AuthorKind::Webhook => ("webhook", ""),
                _ => (
                    "bot",
                    "; an admin can make them props with /settings set props_bots",
                ),
            };
            let name = name(store, guild.id, author)?;
            let name = name.map(|name| format!("{} ", one_line(&name)));
            all.push(format!(
                "{}, {} in props channels by the {what} {}({author}){help}",
                one_line(&guild.name),
                counted(count, "post"),
                name.unwrap_or_default()
            ));
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
