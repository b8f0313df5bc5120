//! Fetches the scheduled events, and who is interested.

use std::collections::BTreeSet;

use super::{Backfill, BackfillError};
use propsbot_discord::RestError;
use propsbot_model::{EventId, Fact, FailureObject, GuildId, MOST_INTERESTED, User, UserId};

/// Users on a full page.
const FULL: usize = 100;

/// The most pages of users that are read of an event, should hardly any of them be interested.
const PAGES: usize = 50;

/// Who answered an event, their account if it is known, and whether they are interested.
type Answered = (UserId, Option<User>, bool);

impl Backfill {
    /// Fetches the guild's events, if an admin wants them. What can't be fetched is recorded, and holds up
    /// nothing else.
    ///
    /// Discord's list lacks events that are over, so what it lacks isn't deleted.
    pub(super) async fn events(&self, guild: GuildId) -> Result<(), BackfillError> {
        let settings = self.read(move |store| store.settings(guild)).await?;
        let object = FailureObject::ScheduledEvents;
        if !settings.meeting_events {
            let settled = Fact::Settled(guild, object);
            return Ok(self.tell(self.clock.stamp(), vec![settled]).await?);
        }
        let at = self.clock.stamp();
        let events = match self.history.events(guild).await {
            Ok(events) => events,
            Err(error) => return self.fail(guild, object, error).await.map(drop),
        };
        let (mut odd, mut failed) = (events.unread("event"), None::<RestError>);
        let (ids, facts): (Vec<EventId>, Vec<Fact>) = events.items.into_iter().unzip();
        self.tell(at, facts).await?;
        for event in ids {
            let at = self.clock.stamp();
            let (users, is_whole) = match self.interested(guild, event).await {
                Ok(listed) => listed,
                // It is over, or was deleted.
                Err(RestError::NotFound { .. }) => continue,
                Err(error @ (RestError::BadToken | RestError::TooManyRefused { .. })) => {
                    return Err(error.into());
                }
                // The others may work. What may work later counts most.
                Err(error) => {
                    failed = failed.filter(RestError::is_transient).or(Some(error));
                    continue;
                }
            };
            let mut interested = BTreeSet::new();
            let mut facts = Vec::new();
            for (id, user, is_interested) in users {
                interested.extend(is_interested.then_some(id));
                facts.extend(user.map(|user| Fact::User(guild, user)));
            }
            if is_whole {
                facts.push(Fact::AllInterested(guild, event, interested));
            } else {
                odd.push(format!("the list of those interested in event {event}"));
                let interested = interested.into_iter();
                facts.extend(interested.map(|user| Fact::Interest(guild, event, user, true)));
            }
            self.tell(at, facts).await?;
        }
        if let Some(error) = failed {
            return self.fail(guild, object, error).await.map(drop);
        }
        let fact = if odd.is_empty() {
            Fact::Settled(guild, object)
        } else {
            self.progress.update(|now| now.refused += odd.len() as u64);
            let reason = format!("unexpected data from Discord: {}", odd.join("; "));
            Fact::Refused(guild, object, reason.into())
        };
        Ok(self.tell(self.clock.stamp(), vec![fact]).await?)
    }

    /// Lists who answered an event, and whether these are all that the mirror keeps: it keeps the interested with
    /// the lowest ids, and pages come by id.
    async fn interested(
        &self,
        guild: GuildId,
        event: EventId,
    ) -> Result<(Vec<Answered>, bool), RestError> {
        let mut all = Vec::new();
        let (mut after, mut interested) = (UserId(0), 0);
        for _ in 0..PAGES {
            let page = self.history.event_users(guild, event, after).await?;
            let (is_last, is_readable) = (page.len < FULL, page.all_readable());
            let last = page.items.iter().map(|(id, ..)| *id).max();
            interested += page.items.iter().filter(|(.., is)| *is).count();
            all.extend(page.items);
            if interested >= MOST_INTERESTED && is_readable {
                return Ok((all, true));
            }
            match last.filter(|last| *last > after && is_readable && !is_last) {
                Some(last) => after = last,
                // The last page, or a server that ignores `after` and would go on for ever.
                None => return Ok((all, is_last && is_readable)),
            }
        }
        Ok((all, false))
    }
}
