//! Switching a guild's mirror on and off, if that is up to its admins.

use tokio::sync::Semaphore;

use super::{Admin, Refusal, Service, ServiceError};
use propsbot_jobs::backfill::Depth;
use propsbot_model::{Fact, GuildChoice, GuildId};

/// One change at a time: each reads the choices first.
static CHANGES: Semaphore = Semaphore::const_new(1);

impl Service {
    /// Whether the guild's mirror is on; `None` if that isn't up to its admins.
    pub fn mirroring(&self, guild: GuildId) -> Option<bool> {
        let guilds = &self.parts.guilds;
        guilds.is_up_to_admins().then(|| guilds.has(guild))
    }

    /// Switches the guild's mirror on or off. What is stored stays when it's switched off; when it's
    /// switched on again, what happened meanwhile is fetched.
    ///
    /// # Errors
    /// [`Refusal::NotUpToAdmins`] if the operator decides.
    pub async fn switch_mirror(
        &self,
        admin: Admin,
        on: bool,
        what: String,
    ) -> Result<(), ServiceError> {
        let guild = admin.guild_id;
        let is_on = self.mirroring(guild).ok_or(Refusal::NotUpToAdmins)?;
        if is_on == on {
            return Ok(());
        }
        let _turn = CHANGES.acquire().await;
        let choices = self.ask(|store| Ok(store.guild_choices()?)).await?;
        let known = choices.iter().find(|choice| choice.guild_id == guild);
        let last = choices.iter().filter_map(|choice| choice.place).max();
        let next = last.map_or(0, |last| last.saturating_add(1));
        let place = known.and_then(|choice| choice.place).unwrap_or(next);
        let choice = GuildChoice {
            guild_id: guild,
            place: Some(place),
            is_off: !on,
        };
        self.record(vec![Fact::GuildChosen(choice)]).await?;
        if on {
            self.parts.guilds.add(guild);
        } else {
            self.parts.guilds.remove(guild);
            self.parts.requests.drop_guild(guild);
        }
        // Its events count from here on, or no longer.
        let at = self.parts.clock.stamp();
        let mut facts = vec![Fact::SessionLost(guild, at), admin.did(what)];
        if on {
            // The admin's press arrived on its shard.
            facts.push(Fact::Connected(guild));
        }
        self.record(facts).await?;
        if on {
            self.parts.requests.guild(guild, Depth::Whole);
        }
        Ok(())
    }
}
