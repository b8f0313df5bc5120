//! Which guilds are mirrored: the one rule for it. Anybody may add a public bot to a guild of theirs.
//!
//! Where the operator names guilds, it is those. Where not, it is the guilds that the store has; if it
//! has none, the one that the bot joined first, which is then remembered.

use std::sync::{Arc, RwLock};

use tracing::{info, warn};

use super::backfill::{Backfill, BackfillError};
use propsbot_discord::{DiscordApi, RestError};
use propsbot_model::{Fact, GuildChoice, GuildId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// Which guilds are mirrored, and who operates the bot. Cheap to clone, and shared then.
#[derive(Clone, Debug, Default)]
pub struct MirroredGuilds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_named: bool,
    operators: Vec<UserId>,
    /// In order.
    guilds: RwLock<Vec<GuildId>>,
}

impl MirroredGuilds {
    /// The guilds that the operator names; none: they are to be chosen, see [`Backfill::choose_guilds`].
    pub fn new(named: &[GuildId], operators: &[UserId]) -> Self {
        Self(Arc::new(Inner {
            is_named: !named.is_empty(),
            operators: operators.to_vec(),
            guilds: RwLock::new(named.to_vec()),
        }))
    }

    /// Whether the guild is mirrored.
    pub fn has(&self, guild: GuildId) -> bool {
        self.read().contains(&guild)
    }

    /// All of them, the operators' own first. Empty before the bot joined any.
    pub fn all(&self) -> Vec<GuildId> {
        self.read().clone()
    }

    /// Whether the operator named them.
    pub fn is_named(&self) -> bool {
        self.0.is_named
    }

    /// Whether the next guild that the bot joins is mirrored: the operator names none, and none was
    /// chosen yet.
    pub fn is_open(&self) -> bool {
        !self.0.is_named && self.read().is_empty()
    }

    /// Whether an admin of the guild may do what concerns all guilds: in the first guild, or as one
    /// of the operators.
    pub fn operates(&self, guild: GuildId, admin: UserId) -> bool {
        self.read().first() == Some(&guild) || self.0.operators.contains(&admin)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<GuildId>> {
        self.0.guilds.read().expect("no look panics")
    }

    fn set(&self, guilds: Vec<GuildId>) {
        *self.0.guilds.write().expect("no look panics") = guilds;
    }
}

/// What the store knows of guilds.
struct Known {
    choices: Vec<GuildChoice>,
    /// Each guild, and when the bot joined it.
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

    /// The guilds that are mirrored, in order: first those that were chosen, then the others that the
    /// store has, by when the bot joined them.
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

    /// What is to be remembered of these guilds.
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

/// The order in which guilds were joined; where it is not known when, last.
fn first_joined(joined: Option<Millis>, guild: GuildId) -> (Millis, GuildId) {
    (joined.unwrap_or(Millis(i64::MAX)), guild)
}

impl Backfill {
    /// Decides which guilds are mirrored, and remembers it. `also` is one that the operator has just
    /// named, unless they always name them; `joined` is where the bot is, if that is known already.
    ///
    /// # Errors
    /// Nothing is chosen yet, and Discord does not tell where the bot is.
    pub async fn choose_guilds(
        &self,
        also: Option<GuildId>,
        joined: Option<Vec<GuildId>>,
    ) -> Result<(), BackfillError> {
        let bot = self.bot.id;
        let known = self.read(move |store| Known::read(store, bot)).await?;
        let at = self.clock.stamp();
        if self.guilds.is_named() {
            // Whoever names a guild wants it again.
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
                                "{unnamed} guilds in Discord's list have no readable id: if one of them \
                                 is to be mirrored, name it in DISCORD_GUILDS"
                            );
                        }
                        joined.into_iter().map(|(id, _)| id).collect()
                    }
                    // A server that is not Discord's may not list them: the gateway tells.
                    Err(RestError::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(error.into()),
                },
            };
            guilds.extend(self.first(&known, joined).await?);
        }
        self.mirror_only(&known, guilds).await
    }

    /// The bot is in these guilds, as the gateway tells: where nothing is mirrored yet, that begins
    /// with the one that it joined first. Returns which one that is, if any was chosen now.
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
            // From here on, the gateway is heard of it.
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
                "this guild is mirrored from now on, and no other (DISCORD_GUILDS names more)"
            );
        }
        self.write(self.clock.stamp(), changes).await?;
        self.guilds.set(guilds);
        Ok(())
    }

    /// Of these guilds, the one that the bot joined first.
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

/// When the bot joined a guild; `None` where Discord does not say, or not readably.
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
    fn what_was_chosen_stays_and_forgotten_guilds_stay_away() {
        let known = Known {
            choices: vec![choice(1, None), choice(2, Some(1)), choice(3, Some(0))],
            guilds: vec![
                // The bot was removed from it and came back: it stays the first.
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
    fn only_admins_of_the_first_guild_and_operators_operate() {
        let guilds = MirroredGuilds::new(&[GuildId(1), GuildId(2)], &[UserId(7)]);
        assert!(guilds.operates(GuildId(1), UserId(8)));
        assert!(guilds.operates(GuildId(2), UserId(7)));
        assert!(!guilds.operates(GuildId(2), UserId(8)));
        assert!(!MirroredGuilds::default().operates(GuildId(1), UserId(8)));
    }
}
