//! Decides which guilds are mirrored. Anyone can add a public bot to their guild.
//!
//! Those that the operator names, or those whose admins switched it on. If the operator leaves it
//! open: the guilds in the store; if there are none, the guild that the bot joined first, which is
//! then remembered.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tracing::{info, warn};

use super::backfill::{Backfill, BackfillError};
use propsbot_discord::{DiscordApi, RestError};
use propsbot_model::{Fact, GuildChoice, GuildId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// Who decides which guilds are mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Nobody: those in the store, or else the first one that the bot joined.
    #[default]
    First,
    /// The operator, who names them.
    Named(Vec<GuildId>),
    /// Each guild's admins.
    Admins,
}

/// The mirrored guilds, and who operates the bot. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MirroredGuilds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    selection: Selection,
    operators: Vec<UserId>,
    guilds: RwLock<Vec<GuildId>>,
}

impl MirroredGuilds {
    /// Creates it with the named guilds; others are chosen by [`Backfill::choose_guilds`].
    pub fn new(selection: Selection, operators: &[UserId]) -> Self {
        let named = match &selection {
            Selection::Named(guilds) => guilds.clone(),
            Selection::First | Selection::Admins => Vec::new(),
        };
        Self(Arc::new(Inner {
            selection,
            operators: operators.to_vec(),
            guilds: RwLock::new(named),
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
        matches!(self.0.selection, Selection::Named(_))
    }

    /// Returns whether each guild's admins decide.
    pub fn is_up_to_admins(&self) -> bool {
        self.0.selection == Selection::Admins
    }

    /// Mirrors this guild from now on.
    pub fn add(&self, guild: GuildId) {
        let mut guilds = self.write();
        if !guilds.contains(&guild) {
            guilds.push(guild);
        }
    }

    /// Returns whether the next guild that the bot joins is mirrored.
    /// That is so if the operator names none and none was chosen yet.
    pub fn is_open(&self) -> bool {
        self.0.selection == Selection::First && self.read().is_empty()
    }

    /// Returns whether an admin may act on all guilds: as an operator or, unless it's up to admins
    /// which guilds are mirrored, in the first one.
    pub fn operates(&self, guild: GuildId, admin: UserId) -> bool {
        let is_first = || !self.is_up_to_admins() && self.read().first() == Some(&guild);
        self.0.operators.contains(&admin) || is_first()
    }

    /// Ends the mirroring of a guild. Returns its place if it was mirrored.
    pub fn remove(&self, guild: GuildId) -> Option<usize> {
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

/// Returns the guilds that were chosen and aren't switched off, in order.
pub fn chosen_guilds(choices: &[GuildChoice]) -> Vec<GuildId> {
    let on = choices.iter().filter(|choice| !choice.is_off);
    let placed = on.filter_map(|choice| Some((choice.place?, choice.guild_id)));
    let mut placed: Vec<(u32, GuildId)> = placed.collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, guild)| guild).collect()
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
        let mut guilds = chosen_guilds(&self.choices);
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
            is_off: false,
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
        if self.guilds.is_up_to_admins() {
            self.guilds.set(chosen_guilds(&known.choices));
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
            is_off: false,
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
        let mut choices = known.choices;
        choices[1].is_off = true;
        assert_eq!(chosen_guilds(&choices), [GuildId(3)]);
    }

    #[test]
    fn only_operators_and_first_guild_admins_operate() {
        let named = Selection::Named(vec![GuildId(1), GuildId(2)]);
        let guilds = MirroredGuilds::new(named, &[UserId(7)]);
        assert!(guilds.operates(GuildId(1), UserId(8)));
        assert!(guilds.operates(GuildId(2), UserId(7)));
        assert!(!guilds.operates(GuildId(2), UserId(8)));
        assert!(!MirroredGuilds::default().operates(GuildId(1), UserId(8)));
        let guilds = MirroredGuilds::new(Selection::Admins, &[UserId(7)]);
        guilds.add(GuildId(1));
        assert!(!guilds.operates(GuildId(1), UserId(8)));
        assert!(guilds.operates(GuildId(1), UserId(7)));
    }
}
