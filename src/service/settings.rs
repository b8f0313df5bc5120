//! What admins choose, checked against what the guild has.

use super::{Admin, Refusal, Service, ServiceError};
use crate::{
    model::{ChannelId, Fact, GuildId, RoleId, Settings, SettingsChange},
    store::Store,
};

impl Service {
    /// The guild's settings.
    pub async fn settings(&self, guild: GuildId) -> Result<Settings, ServiceError> {
        self.ask(move |store| Ok(store.settings(guild)?)).await
    }

    /// Changes the settings and remembers who did. Durable when this returns. Of several admins at
    /// once, each setting has what was chosen last, and all of them are remembered.
    ///
    /// # Errors
    /// [`Refusal`] for the first change that the guild has no channel or role for; then nothing is
    /// changed.
    pub async fn change_settings(
        &self,
        admin: Admin,
        changes: Vec<SettingsChange>,
        what: String,
    ) -> Result<Settings, ServiceError> {
        let guild = admin.guild_id;
        let asked = changes.clone();
        self.ask(move |store| asked.iter().try_for_each(|it| check(store, guild, it)))
            .await?;
        let changes = changes.into_iter();
        let mut facts: Vec<Fact> = changes.map(|it| Fact::SettingsChanged(guild, it)).collect();
        facts.push(admin.did(what));
        self.record(facts).await?;
        self.settings(guild).await
    }

    /// Has a channel exported. One that not everyone may read only by explicit word: its name,
    /// repeated.
    ///
    /// # Errors
    /// [`Refusal::Unconfirmed`] without that word.
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
                let part = store.channel(guild, channel)?;
                let Some(known) = part.as_ref().and_then(|it| it.state.now()) else {
                    return Err(Refusal::NoTextChannel(channel).into());
                };
                let private = !store.everyone_reads(guild, channel)?;
                let repeats = |word: &str| word.trim().trim_start_matches('#') == known.name;
                if private && !word.as_deref().is_some_and(repeats) {
                    let name = known.name.clone();
                    return Err(Refusal::Unconfirmed { channel, name }.into());
                }
                Ok(private)
            })
            .await?;
        let change = SettingsChange::Include { channel, private };
        self.change_settings(admin, vec![change], what).await
    }
}

fn check(store: &Store, guild: GuildId, change: &SettingsChange) -> Result<(), ServiceError> {
    match change {
        SettingsChange::PropsChannels(Some(channels)) => channels
            .iter()
            .try_for_each(|id| has_text(store, guild, *id)),
        SettingsChange::GiverRoles(roles) => {
            roles.iter().try_for_each(|id| is_role(store, guild, *id))
        }
        _ => Ok(()),
    }
}

fn has_text(store: &Store, guild: GuildId, id: ChannelId) -> Result<(), ServiceError> {
    let channel = store.channel(guild, id)?;
    let channel = channel.as_ref().and_then(|it| it.state.now());
    if channel.is_some_and(|it| it.kind.has_messages() && !it.kind.is_thread()) {
        Ok(())
    } else {
        Err(Refusal::NoTextChannel(id).into())
    }
}

fn is_role(store: &Store, guild: GuildId, id: RoleId) -> Result<(), ServiceError> {
    let roles = store.roles(guild)?;
    if roles
        .iter()
        .any(|it| it.id == id.0 && it.state.now().is_some())
    {
        Ok(())
    } else {
        Err(Refusal::NoRole(id).into())
    }
}
