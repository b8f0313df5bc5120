//! Changes to the settings, checked against the guild's channels and roles.

use super::{Admin, Refusal, Service, ServiceError, recap};
use propsbot_jobs::backfill::Depth;
use propsbot_model::{
    Channel, ChannelId, ChannelKind, Emoji, EmojiKey, Fact, GuildId, RoleId, Settings,
    SettingsChange, UserId, permissions::Permissions,
};
use propsbot_store::Store;

impl Service {
    pub async fn settings(&self, guild: GuildId) -> Result<Settings, ServiceError> {
        self.ask(move |store| Ok(store.settings(guild)?)).await
    }

    /// Changes the settings and logs who did; durable when this returns. If several admins change settings
    /// at once, the last change of each setting wins, and all of them are logged.
    ///
    /// # Errors
    /// [`Refusal`] for the first change with an unknown channel or role; then nothing changes.
    pub async fn change_settings(
        &self,
        admin: Admin,
        changes: Vec<SettingsChange>,
        what: String,
    ) -> Result<Settings, ServiceError> {
        let guild = admin.guild_id;
        let asked = changes.clone();
        let bot = self.parts.bot;
        let checking = self.ask(move |store| {
            let mut all = asked.iter();
            all.try_for_each(|change| check(store, guild, bot, change))?;
            let is_recap = |change: &SettingsChange| matches!(change, SettingsChange::Recap(_));
            if asked.iter().any(is_recap) {
                Ok(recap::settle(store, guild)?)
            } else {
                Ok(Vec::new())
            }
        });
        let settled = checking.await?;
        let changes = changes.into_iter();
        let mut facts: Vec<Fact> = changes
            .map(|change| Fact::SettingsChanged(guild, change))
            .collect();
        facts.extend(settled);
        facts.push(admin.did(what));
        let wants_events = |fact: &Fact| {
            let change = SettingsChange::MeetingEvents(true);
            *fact == Fact::SettingsChanged(guild, change)
        };
        let wants_events = facts.iter().any(wants_events);
        self.record(facts).await?;
        if wants_events {
            // Those that are announced already are fetched.
            self.parts.requests.guild(guild, Depth::Channels);
        }
        self.settings(guild).await
    }

    /// Includes a channel, or all channels of a category, in exports. A private or age-restricted one needs
    /// its name as confirmation.
    ///
    /// # Errors
    /// [`Refusal::Unconfirmed`] without that confirmation; [`Refusal::ExcludedWith`] if its channel or
    /// category is excluded.
    pub async fn include_channel(
        &self,
        admin: Admin,
        channel: ChannelId,
        word: Option<String>,
        what: String,
    ) -> Result<Settings, ServiceError> {
        let guild = admin.guild_id;
        let private = self
            .ask(move |store| {
                let known = known(store, guild, channel)?;
                let settings = store.settings(guild)?;
                let channels = store.channels(guild)?;
                let inside = channels.iter().filter_map(|part| part.state.now());
                let inside = inside.filter(|child| child.parent_id == Some(channel));
                let asked = store.with_permissions(guild, |permissions| {
                    let private = is_private(&known, inside, permissions, &settings);
                    (private, settings.excluded_by(&known, permissions))
                })?;
                let (private, excluded) = asked.unwrap_or((true, None));
                if let Some(within) = excluded.filter(|within| *within != channel) {
                    return Err(Refusal::ExcludedWith { channel, within }.into());
                }
                let repeats = |word: &str| word.trim().trim_start_matches('#') == known.name;
                if private && !word.as_deref().is_some_and(repeats) {
                    return Err(Refusal::Unconfirmed {
                        channel,
                        name: known.name,
                        category: known.kind == ChannelKind::CATEGORY,
                    }
                    .into());
                }
                Ok(private)
            })
            .await?;
        let change = SettingsChange::Include { channel, private };
        self.change_settings(admin, vec![change], what).await
    }
}

fn check(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    change: &SettingsChange,
) -> Result<(), ServiceError> {
    match change {
        SettingsChange::PropsChannels(Some(channels)) => channels
            .iter()
            .try_for_each(|id| can_have_props(store, guild, *id)),
        SettingsChange::Acknowledge(Some(emoji)) | SettingsChange::ThanksEmoji(Some(emoji)) => {
            can_react_with(store, guild, emoji)
        }
        SettingsChange::Recap(Some(recap)) => {
            let channel = known(store, guild, recap.channel_id)?;
            recap::check_recap_channel(store, guild, bot, &channel)
        }
        SettingsChange::Exclude(channel) => known(store, guild, *channel).map(drop),
        SettingsChange::GiverRoles(roles) => {
            roles.iter().try_for_each(|id| is_role(store, guild, *id))
        }
        SettingsChange::PropsBots(bots) => {
            let mut bots = bots.iter();
            bots.try_for_each(|other| is_other_bot(store, guild, bot, *other))
        }
        _ => Ok(()),
    }
}

/// Whether the user is a bot of the guild other than this one.
fn is_other_bot(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    other: UserId,
) -> Result<(), ServiceError> {
    let member = store.member(guild, other)?;
    let user = member.and_then(|member| member.user);
    if other != bot && user.is_some_and(|user| user.value.bot) {
        Ok(())
    } else {
        Err(Refusal::NoPropsBot(other).into())
    }
}

/// A channel, thread or category that exists now.
fn known(store: &Store, guild: GuildId, id: ChannelId) -> Result<Channel, ServiceError> {
    let part = store.channel(guild, id)?;
    let known = part.and_then(|part| part.state.now().cloned());
    known.ok_or_else(|| Refusal::NoChannel(id).into())
}

/// Whether the channel, or one channel of the category, isn't exported by default.
fn is_private<'a>(
    channel: &Channel,
    mut inside: impl Iterator<Item = &'a Channel>,
    permissions: &Permissions<'_>,
    settings: &Settings,
) -> bool {
    let hidden = |channel: &Channel| {
        !permissions.everyone_reads(channel)
            || !settings.age_restricted && permissions.is_age_restricted(channel)
    };
    hidden(channel) || channel.kind == ChannelKind::CATEGORY && inside.any(hidden)
}

fn can_have_props(store: &Store, guild: GuildId, id: ChannelId) -> Result<(), ServiceError> {
    let channel = known(store, guild, id)?;
    let kind = channel.kind;
    let holds = kind.has_messages() || kind.has_threads() || kind == ChannelKind::CATEGORY;
    if holds && !channel.is_thread() {
        Ok(())
    } else {
        Err(Refusal::NoPropsChannel(id).into())
    }
}

/// Whether the bot can react with the emoji: any Unicode emoji, and the guild's own.
fn can_react_with(store: &Store, guild: GuildId, text: &str) -> Result<(), ServiceError> {
    let usable = match Emoji::read(text).map(|emoji| emoji.key) {
        Some(EmojiKey::Unicode(_)) => true,
        Some(EmojiKey::Custom(id)) => {
            let known = store.emojis(guild)?;
            let mut known = known.iter().filter_map(|part| part.state.now());
            known.any(|emoji| emoji.id == id && emoji.own)
        }
        None => false,
    };
    if usable {
        Ok(())
    } else {
        Err(Refusal::UnusableEmoji(text.to_owned()).into())
    }
}

fn is_role(store: &Store, guild: GuildId, id: RoleId) -> Result<(), ServiceError> {
    let roles = store.roles(guild)?;
    if roles
        .iter()
        .any(|part| part.id == id.0 && part.state.now().is_some())
    {
        Ok(())
    } else {
        Err(Refusal::NoRole(id).into())
    }
}
