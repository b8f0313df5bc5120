//! Decides which guilds are mirrored. Anyone can add a public bot to their guild.
//!
//! Those that the operator names; otherwise the guilds in the store; if there are none, the guild
//! that the bot joined first, which is then remembered.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tracing::{info, warn};

use super::backfill::{Backfill, BackfillError};
use propsbot_discord::{DiscordApi, RestError};
use propsbot_model::{Fact, GuildChoice, GuildId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// The mirrored guilds, and who operates the bot. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MirroredGuilds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_named: bool,
    operators: Vec<UserId>,
    guilds: RwLock<Vec<GuildId>>,
}

impl MirroredGuilds {
    /// Creates it from the named guilds; if none, they are chosen by [`Backfill::choose_guilds`].
    pub fn new(named: &[GuildId], operators: &[UserId]) -> Self {
        Self(Arc::new(Inner {
            is_named: !named.is_empty(),
            operators: operators.to_vec(),
            guilds: RwLock::new(named.to_vec()),
        }))
    }

    pub fn has(&self, guild: GuildId) -> bool {
        self.read().contains(&guild)
    }

    /// Returns the guilds, the operators' own first. Empty until the bot joins one.
    pub fn all(&self) -> Vec<GuildId> {
        self.read().clone()
    }

    pub fn is_named(&self) -> bool {
        self.0.is_named
    }

    /// Returns whether the next guild that the bot joins is mirrored.
    /// That is so if the operator names none and none was chosen yet.
    pub fn is_open(&self) -> bool {
        !self.0.is_named && self.read().is_empty()
    }

    /// Returns whether an admin may act on all guilds: in the first guild, or as an operator.
    pub fn operates(&self, guild: GuildId, admin: UserId) -> bool {
        self.read().first() == Some(&guild) || self.0.operators.contains(&admin)
    }

    /// Ends the mirroring of a guild. Returns its place if it was mirrored.
    pub(super) fn remove(&self, guild: GuildId) -> Option<usize> {
        let mut guilds = self.write();
        let place = guilds.iter().position(|other| *other == guild)?;
        guilds.remove(place);
        Some(place)
    }

    /// Mirrors a guild again that was removed from this place.
    pub(super) fn insert(&self, place: usize, guild: GuildId) {
        let mut guilds = self.write();
        let place = place.min(guilds.len());
        guilds.insert(place, guild);
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<GuildId>> {
        self.0.guilds.read().expect("no reader panics")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<GuildId>> {
        self.0.guilds.write().expect("no change panics")
    }

    fn set(&self, guilds: Vec<GuildId>) {
        *self.write() = guilds;
    }
}

/// What the store knows about guilds.
struct Known {
    choices: Vec<GuildChoice>,
    guilds: Vec<(GuildId, Option<Millis>)>,
}

impl Known {
    fn read(store: &Store, bot: UserId) -> Result<Self, StoreError> {
        let mut guilds = Vec::new();
        for part in store.guilds()? {
            let member = store.member(part.guild_id, bot)?;
            let joined = member.as_ref().and_then(|member| member.presence.ever());
            guilds.push((
                part.guild_id,
                joined.and_then(|presence| presence.joined_at),
            ));
        }
        Ok(Self {
            choices: store.guild_choices()?,
            guilds,
        })
    }

    fn choice(&self, guild: GuildId) -> Option<GuildChoice> {
        let mut all = self.choices.iter().copied();
        all.find(|choice| choice.guild_id == guild)
    }

    fn is_forgotten(&self, guild: GuildId) -> bool {
        self.choice(guild)
            .is_some_and(|choice| choice.place.is_none())
    }

    /// Returns the mirrored guilds: chosen ones in order, then stored ones by when the bot joined.
    fn chosen(&self) -> Vec<GuildId> {
        let placed = self
            .choices
            .iter()
            .filter_map(|choice| Some((choice.place?, choice)));
        let mut placed: Vec<(u32, GuildId)> = placed
            .map(|(place, choice)| (place, choice.guild_id))
            .collect();
        placed.sort_unstable();
        let mut guilds: Vec<GuildId> = placed.into_iter().map(|(_, guild)| guild).collect();
        let mut others = self.guilds.clone();
        others.retain(|(guild, _)| self.choice(*guild).is_none());
        others.sort_by_key(|(guild, joined)| first_joined(*joined, *guild));
        guilds.extend(others.into_iter().map(|(guild, _)| guild));
        guilds
    }

    fn changes(&self, guilds: &[GuildId]) -> Vec<Fact> {
        let choices = guilds.iter().zip(0..).map(|(guild_id, place)| GuildChoice {
            guild_id: *guild_id,
            place: Some(place),
        });
        choices
            .filter(|choice| self.choice(choice.guild_id) != Some(*choice))
            .map(Fact::GuildChosen)
            .collect()
    }
}

/// Sort key by when the bot joined; unknown comes last.
fn first_joined(joined: Option<Millis>, guild: GuildId) -> (Millis, GuildId) {
    (joined.unwrap_or(Millis(i64::MAX)), guild)
}

impl Backfill {
    /// Decides and remembers which guilds are mirrored.
    /// `also` is a guild that the operator just named, if `DISCORD_GUILDS` is unset; `joined`
    /// lists the bot's guilds, if known.
    ///
    /// # Errors
    /// Nothing is chosen yet, and Discord doesn't list the bot's guilds.
    pub async fn choose_guilds(
        &self,
        also: Option<GuildId>,
        joined: Option<Vec<GuildId>>,
    ) -> Result<(), BackfillError> {
        let bot = self.bot.id;
        let known = self.read(move |store| Known::read(store, bot)).await?;
        let at = self.clock.stamp();
        if self.guilds.is_named() {
            // Naming a forgotten guild mirrors it again.
            let named = self.guilds.all().into_iter();
            let named: Vec<GuildId> = named.filter(|id| known.is_forgotten(*id)).collect();
            let mut guilds = known.chosen();
            if !named.is_empty() {
                guilds.extend(named);
                self.write(at, known.changes(&guilds)).await?;
            }
            return Ok(());
        }
        let mut guilds = known.chosen();
        guilds.extend(also.filter(|id| !guilds.contains(id)));
        if guilds.is_empty() {
            let joined = match joined {
                Some(joined) => joined,
                None => match self.history.guilds().await {
                    Ok((joined, unnamed)) => {
                        if unnamed > 0 {
                            warn!(
                                "{unnamed} guilds in Discord's list have no readable id; to mirror one of \
                                 them, name it in DISCORD_GUILDS"
                            );
                        }
                        joined.into_iter().map(|(id, _)| id).collect()
                    }
                    // Servers other than Discord's may not list them; then the gateway does.
                    Err(RestError::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(error.into()),
                },
            };
            guilds.extend(self.first(&known, joined).await?);
        }
        self.mirror_only(&known, guilds).await
    }

    /// Chooses the guild that the bot joined first, if none is mirrored yet.
    /// Returns the guild if one was chosen now.
    pub(super) async fn choose_among(
        &self,
        told: Vec<GuildId>,
    ) -> Result<Option<GuildId>, BackfillError> {
        if !self.guilds.is_open() {
            return Ok(None);
        }
        let bot = self.bot.id;
        let known = self.read(move |store| Known::read(store, bot)).await?;
        let first = self.first(&known, told).await?;
        if let Some(first) = first {
            self.mirror_only(&known, vec![first]).await?;
            // Its gateway events count from here on.
            let at = self.clock.stamp();
            self.write(at, vec![Fact::SessionLost(first, at)]).await?;
        }
        Ok(first)
    }

    async fn mirror_only(&self, known: &Known, guilds: Vec<GuildId>) -> Result<(), BackfillError> {
        let changes = known.changes(&guilds);
        if known.guilds.is_empty() && !guilds.is_empty() && !changes.is_empty() {
            info!(
                guild = %guilds[0],
                "mirroring this guild only (name more in DISCORD_GUILDS)"
            );
        }
        self.write(self.clock.stamp(), changes).await?;
        self.guilds.set(guilds);
        Ok(())
    }

    /// Returns the guild that the bot joined first.
    async fn first(
        &self,
        known: &Known,
        mut guilds: Vec<GuildId>,
    ) -> Result<Option<GuildId>, BackfillError> {
        guilds.retain(|guild| !known.is_forgotten(*guild));
        if let [only] = *guilds {
            return Ok(Some(only));
        }
        let mut joined = Vec::new();
        for guild in guilds {
            joined.push((joined_at(&self.history, guild, self.bot.id).await?, guild));
        }
        let first = joined
            .into_iter()
            .min_by_key(|(at, guild)| first_joined(*at, *guild));
        Ok(first.map(|(_, guild)| guild))
    }
}

/// Returns when the bot joined a guild; `None` if unknown or unreadable.
async fn joined_at(
    history: &DiscordApi,
    guild: GuildId,
    bot: UserId,
) -> Result<Option<Millis>, RestError> {
    match history.member(guild, bot).await {
        Ok(member) => Ok(member.and_then(|(_, presence)| presence.joined_at)),
        Err(RestError::Unreadable { .. } | RestError::TooLarge { .. }) => Ok(None),
        Err(error) if error.is_transient() || matches!(error, RestError::BadToken) => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: u64, place: Option<u32>) -> GuildChoice {
        GuildChoice {
            guild_id: GuildId(id),
            place,
        }
    }

    #[test]
    fn keeps_chosen_guilds_and_skips_forgotten_ones() {
        let known = Known {
            choices: vec![choice(1, None), choice(2, Some(1)), choice(3, Some(0))],
            guilds: vec![
                // The bot left and came back: it stays first.
                (GuildId(3), Some(Millis(900))),
                (GuildId(2), Some(Millis(100))),
                (GuildId(1), Some(Millis(1))),
                (GuildId(5), None),
                (GuildId(4), Some(Millis(50))),
            ],
        };
        let chosen = known.chosen();
        assert_eq!(chosen, [3, 2, 4, 5].map(GuildId));
        let added = [choice(4, Some(2)), choice(5, Some(3))];
        assert_eq!(known.changes(&chosen), added.map(Fact::GuildChosen));
    }

    #[test]
    fn only_operators_and_first_guild_admins_operate() {
        let guilds = MirroredGuilds::new(&[GuildId(1), GuildId(2)], &[UserId(7)]);
        assert!(guilds.operates(GuildId(1), UserId(8)));
        assert!(guilds.operates(GuildId(2), UserId(7)));
        assert!(!guilds.operates(GuildId(2), UserId(8)));
        assert!(!MirroredGuilds::default().operates(GuildId(1), UserId(8)));
    }
}
