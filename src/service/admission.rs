//! In which guilds what members do is heeded.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Refusal, Service, ServiceError};
use propsbot_model::{GuildId, UserId};

/// How long it may take until a guild that the bot has just joined is in the store: what is left of
/// Discord's 3 s is for the answer.
const JOINING: Duration = Duration::from_secs(1);
/// Between two looks whether it is.
const GLANCE: Duration = Duration::from_millis(50);

/// What may be done in a guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Everything: it is mirrored.
    Mirrored,
    /// It was mirrored and is not any more: members may take away what is kept of them.
    Kept,
    /// Nothing: it is not mirrored.
    NotMirrored,
    /// Nothing: the bot is not in it.
    NotJoined,
}

impl Service {
    /// What may be done in a guild.
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

    /// Whether an admin of the guild may do what concerns all guilds.
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
