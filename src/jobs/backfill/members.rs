//! Fetches the guild's current members.

use std::collections::BTreeSet;

use super::{
    Backfill, BackfillError,
    lists::{SINGLY, sample},
};
use propsbot_discord::RestError;
use propsbot_model::{Class, Fact, FailureObject, Field, GuildId, RoleId, Stamp, User, UserId};

const MEMBERS_FULL: usize = 1_000;
/// Maximum number of members to list if the server doesn't say how many there are.
const MOST_MEMBERS: u64 = 250_000;

struct Members {
    first: Stamp,
    /// All ids, unreadable members included.
    all: BTreeSet<UserId>,
    /// Whether all ids were readable.
    all_named: bool,
    /// Descriptions of what was unreadable.
    odd: Vec<String>,
    /// The bot's own roles, if readable.
    bot_roles: Option<Vec<RoleId>>,
}

impl Backfill {
    /// Lists all members, approximately `about`; returns the bot's own roles if listed.
    ///
    /// A list that lacks known members, or most members, is fetched again. Those missing from both
    /// are fetched one by one: a few, or a sample of more. If a sampled one is still a member,
    /// none of them has left. A list without the bot isn't believed.
    pub(super) async fn members(
        &self,
        guild: GuildId,
        about: Option<u64>,
    ) -> Result<Option<Vec<RoleId>>, BackfillError> {
        self.writer.write(Vec::new()).await?;
        let known: BTreeSet<UserId> = self
            .read(move |store| {
                let members = store.members(guild)?.into_iter();
                let present = members.filter(|member| member.presence.now().is_some());
                Ok(present.map(|member| member.user_id).collect())
            })
            .await?;
        let object = FailureObject::Class(Class::Members);
        let Some(mut list) = self.list_members(guild, about).await? else {
            return Ok(None);
        };
        let lacks_bot = |list: &Members| list.all_named && !list.all.contains(&self.bot.id);
        let lacks_most = |list: &Members| {
            let len = list.all.len() as u64;
            list.all_named && about.is_some_and(|about| about > len.saturating_mul(2))
        };
        if lacks_bot(&list) || lacks_most(&list) || known.difference(&list.all).count() > SINGLY {
            let Some(again) = self.list_members(guild, about).await? else {
                return Ok(list.bot_roles);
            };
            // A user in either list was a member.
            list.all.extend(again.all);
            list.all_named &= again.all_named;
            list.odd = again.odd;
            list.bot_roles = again.bot_roles.or(list.bot_roles);
        }
        if lacks_bot(&list) {
            self.progress.update(|now| now.refused += 1);
            let reason = "the list of members lacks the bot itself, so it may lack others";
            let refused = Fact::Refused(guild, object, reason.into());
            self.tell(self.clock.stamp(), vec![refused]).await?;
            return Ok(list.bot_roles);
        }
        let lacking: Vec<UserId> = known.difference(&list.all).copied().collect();
        let mut there = 0;
        for user in sample(&lacking, SINGLY) {
            there += usize::from(self.ask_for_member(guild, *user, &mut list).await?);
        }
        let mut is_whole = lacking.len() <= SINGLY || there == 0;
        if let Some(about) = about.filter(|_| lacks_most(&list)) {
            is_whole = false;
            let len = list.all.len();
            list.odd
                .push(format!("only {len} of about {about} members are listed"));
        }
        let mut facts = Vec::new();
        if is_whole {
            facts.push(Fact::Synced(guild, Class::Members));
        }
        if is_whole && list.all_named {
            facts.push(Fact::AllMembers(guild, list.all));
        }
        self.tell(list.first, facts).await?;
        self.note_odd(guild, Class::Members, list.odd).await?;
        Ok(list.bot_roles)
    }

    /// Returns whether a user missing from the list is a member; only a clear no means they left.
    async fn ask_for_member(
        &self,
        guild: GuildId,
        user: UserId,
        list: &mut Members,
    ) -> Result<bool, BackfillError> {
        let at = self.clock.stamp();
        match self.history.member(guild, user).await {
            // Some servers can't look up single members.
            Ok(None) | Err(RestError::NotFound { .. }) => return Ok(false),
            Ok(Some((found, presence))) => {
                list.all.insert(user);
                list.odd
                    .push(format!("member {user} exists but isn't listed"));
                let member = Fact::Member(guild, found, presence);
                self.tell(at, vec![member]).await?;
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Err(error) => {
                list.all.insert(user);
                list.odd
                    .push(format!("member {user} isn't listed: {error}"));
            }
        }
        Ok(true)
    }

    /// Lists all members once; `None`, recording why, if the server prevents reading to the end.
    async fn list_members(
        &self,
        guild: GuildId,
        about: Option<u64>,
    ) -> Result<Option<Members>, BackfillError> {
        let object = FailureObject::Class(Class::Members);
        let mut list = Members {
            first: self.clock.stamp(),
            all: BTreeSet::new(),
            all_named: true,
            odd: Vec::new(),
            bot_roles: None,
        };
        loop {
            let at = self.clock.stamp();
            let after = list.all.last().copied().unwrap_or(UserId(0));
            let page = match self.history.members(guild, after).await {
                Ok(page) => page,
                Err(error) => {
                    self.fail(guild, object, error).await?;
                    return Ok(None);
                }
            };
            let before = list.all.len();
            list.all.extend(page.items.iter().map(|(user, _)| user.id));
            list.all.extend(page.unreadable.iter().copied().map(UserId));
            list.all_named &= page.all_named;
            list.odd.extend(page.unread("member"));
            for (User { id, unread, .. }, presence) in &page.items {
                for odd in [unread.odd(), presence.unread.odd()] {
                    if !odd.is_empty() {
                        list.odd.push(format!("member {id}: {odd}"));
                    }
                }
                if *id == self.bot.id && !presence.unread.has(Field::Roles) {
                    list.bot_roles = Some(presence.roles.clone());
                }
            }
            let members = page.items.into_iter();
            let facts = members.map(|(user, presence)| Fact::Member(guild, user, presence));
            self.tell(at, facts.collect()).await?;
            // A short page is the last, unless the server has more and sends short pages.
            let have_all = about.is_some_and(|about| list.all.len() as u64 >= about);
            if page.len == 0 || page.len < MEMBERS_FULL && have_all {
                return Ok(Some(list));
            }
            let most = about.map_or(MOST_MEMBERS, |about| 2 * about + MEMBERS_FULL as u64);
            let has_too_many = list.all.len() as u64 > most;
            if list.all.len() == before || has_too_many {
                // More may exist, so absence proves nothing.
                let reason = if has_too_many {
                    "the server lists more members than the guild has"
                } else {
                    "the server keeps returning the same members"
                };
                let refused = Fact::Refused(guild, object, reason.into());
                self.tell(self.clock.stamp(), vec![refused]).await?;
                return Ok(None);
            }
        }
    }
}
