//! In which guilds members can use commands.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Refusal, Service, ServiceError};
use propsbot_model::{GuildId, UserId};

/// How long to wait for a guild that the bot has just joined to reach the store. It leaves enough of
/// Discord's 3 s for the answer.
const JOINING: Duration = Duration::from_secs(1);
/// The interval between two checks for it.
const GLANCE: Duration = Duration::from_millis(50);

/// What members can do in a guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Mirrored,
    /// Only `/privacy`: the guild was mirrored before, so members can delete their data.
    Kept,
    /// Nothing: the guild isn't mirrored.
    NotMirrored,
    /// Nothing: the bot isn't in the guild.
    NotJoined,
}

impl Service {
    pub async fn admission(&self, guild: GuildId) -> Result<Admission, ServiceError> {
        let begun = Instant::now();
        loop {
            let known = self.ask(move |store| Ok(store.guild(guild)?)).await?;
            let is_joined = known.as_ref().map(|part| part.state.now().is_some());
            return Ok(match (self.parts.guilds.has(guild), is_joined) {
                (true, Some(true)) => Admission::Mirrored,
                (true, None) if begun.elapsed() < JOINING => {
                    sleep(GLANCE).await;
                    continue;
                }
                (true, _) => Admission::NotJoined,
                (false, Some(true)) => Admission::Kept,
                (false, _) => Admission::NotMirrored,
            });
        }
    }

    /// Checks that an admin of the guild can do what affects all guilds.
    ///
    /// # Errors
    /// [`Refusal::NotAnOperator`] if not.
    pub(super) fn as_operator(&self, guild: GuildId, admin: UserId) -> Result<(), ServiceError> {
        if self.parts.guilds.operates(guild, admin) {
            Ok(())
        } else {
            Err(Refusal::NotAnOperator.into())
        }
    }
}
