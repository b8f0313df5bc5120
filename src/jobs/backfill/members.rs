//! Who is in the guild now.

use std::collections::BTreeSet;

use super::{Backfill, BackfillError};
use crate::model::{Class, Fact, FailureObject, GuildId, RoleId, UserId};

/// Members on a full page.
const MEMBERS_FULL: usize = 1_000;

impl Backfill {
    /// Lists all members, of whom there are about so many. Returns the bot's own roles, if it is
    /// among them.
    pub(super) async fn members(
        &self,
        guild: GuildId,
        about: Option<u64>,
    ) -> Result<Option<Vec<RoleId>>, BackfillError> {
        let first = self.clock.stamp();
        let object = FailureObject::Class(Class::Members);
        let mut all = BTreeSet::new();
        let mut bot_roles = None;
        let (mut odd, mut all_named) = (0, true);
        loop {
            let at = self.clock.stamp();
            let after = all.last().copied().unwrap_or(UserId(0));
            let page = match self.history.members(guild, after).await {
                Ok(page) => page,
                Err(error) => {
                    self.fail(guild, object, error).await?;
                    return Ok(bot_roles);
                }
            };
            let before = all.len();
            all.extend(page.items.iter().map(|(user, _)| user.id));
            all.extend(page.unreadable.iter().copied().map(UserId));
            odd += page.odd();
            all_named &= page.all_named;
            let own = page.items.iter().find(|(user, _)| user.id == self.bot.id);
            bot_roles = bot_roles.or(own.map(|(_, presence)| presence.roles.clone()));
            let members = page.items.into_iter();
            let facts = members.map(|(user, presence)| Fact::Member(guild, user, presence));
            self.tell(at, facts.collect()).await?;
            // A short page is the last, unless the server has others that it gives in short pages.
            let have_all = about.is_some_and(|about| all.len() as u64 >= about);
            if page.len == 0 || page.len < MEMBERS_FULL && have_all {
                break;
            }
            if all.len() == before {
                // Whether there are more cannot be known: nobody is said to have left.
                let reason = "the server gives the same members again, whatever is asked for";
                let refused = Fact::Refused(guild, object, reason.to_owned());
                self.tell(self.clock.stamp(), vec![refused]).await?;
                return Ok(bot_roles);
            }
        }
        let mut facts = vec![Fact::Synced(guild, Class::Members)];
        if all_named {
            facts.push(Fact::AllMembers(guild, all));
        }
        self.tell(first, facts).await?;
        self.note_odd(guild, Class::Members, odd).await?;
        Ok(bot_roles)
    }
}
