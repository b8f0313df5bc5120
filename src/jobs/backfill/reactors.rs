//! Fetches lists of reactors and checks them against Discord's counts.
//!
//! If a list's length differs from the count, the message and the list are fetched once more.
//! `ingest` then decides whether to believe the list.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::{Backfill, BackfillError, reread::page_of_one};
use propsbot_discord::RestError;
use propsbot_model::{EmojiKey, Fact, FailureObject, Pending, ReactionEvent, Stamp, User, UserId};

/// Users on a full page; a shorter one is usually the last.
const FULL: usize = 100;

/// Users beyond twice the count after which a list counts as endless: counts may be wrong.
const MOST_UNCOUNTED: u64 = 1_000;

/// Why reading a list stopped.
const ENDLESS: &str = "the server lists far more users than it counts";

/// Discord's code for "Unknown Message". Source:
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.
const UNKNOWN_MESSAGE: u64 = 10008;
/// Discord's code for "Unknown Emoji".
const UNKNOWN_EMOJI: u64 = 10014;

enum Listed {
    /// The users, the time of the request, and whether all were readable.
    Users(Vec<User>, Stamp, bool),
    Gone(RestError),
    /// It failed; `false` if it may succeed later.
    Failed(bool),
}

impl Backfill {
    /// Fetches lists left from before, then those found missing; `false` if some may succeed later.
    pub(super) async fn reactors(
        &self,
        left: Vec<Pending>,
        mut missing: mpsc::Receiver<Pending>,
    ) -> Result<bool, BackfillError> {
        let mut whole = true;
        for list in left {
            whole &= self.list(list).await?;
        }
        while let Some(list) = missing.recv().await {
            whole &= self.list(list).await?;
        }
        Ok(whole)
    }

    /// Fetches a list of reactors; `false` if it failed but may succeed later.
    pub(crate) async fn list(&self, list: Pending) -> Result<bool, BackfillError> {
        let channel = list.channel_id;
        let kind = |list: &Pending| (list.emoji.key.clone(), list.burst);
        let mut seen: BTreeSet<(EmojiKey, bool)> = [kind(&list)].into();
        let mut whole = true;
        // Reading the message again may show that more of its lists are missing.
        let mut lists = vec![list];
        while let Some(list) = lists.pop() {
            let mut more = Vec::new();
            whole &= self.fetch_list(list, &mut more).await?;
            lists.extend(more.into_iter().filter(|list| seen.insert(kind(list))));
        }
        self.progress
            .advance(channel, |progress| progress.done += 1);
        Ok(whole)
    }

    /// Fetches a list; if it disagrees with the count, fetches message and list once more.
    /// Either may have changed, or be wrong.
    async fn fetch_list(
        &self,
        mut list: Pending,
        more: &mut Vec<Pending>,
    ) -> Result<bool, BackfillError> {
        let (guild, channel, message) = (list.guild_id, list.channel_id, list.message_id);
        let gone = |at| self.tell(at, vec![Fact::MessageGone(guild, channel, message)]);
        let mut is_second = list.is_contradicted();
        loop {
            if is_second {
                let at = self.clock.stamp();
                match self.history.message(guild, channel, message).await {
                    Ok(Some(found)) => {
                        let page = page_of_one(guild, channel, message, Some(found));
                        more.extend(self.write(at, vec![Fact::Page(page)]).await?);
                    }
                    Ok(None) => {
                        gone(at).await?;
                        return Ok(true);
                    }
                    Err(error) => return self.fail(guild, object(&list), error).await,
                }
                let asked = list.clone();
                let Some(now) = self.read(move |store| store.list(&asked)).await? else {
                    self.progress.update(|progress| progress.lists_done += 1);
                    return Ok(true);
                };
                list = now;
            }
            let (users, at, all_readable) = match self.users(&list).await? {
                Listed::Users(users, at, all_readable) => (users, at, all_readable),
                // A page just showed the message: fetch it to be sure.
                Listed::Gone(_) if !is_second => {
                    is_second = true;
                    continue;
                }
                Listed::Gone(error) => return self.fail(guild, object(&list), error).await,
                Listed::Failed(refused) => return Ok(refused),
            };
            if !all_readable {
                self.progress.update(|progress| progress.lists_done += 1);
                self.tell(at, unreadable(&list, users)).await?;
                return Ok(true);
            }
            let distinct: BTreeSet<UserId> = users.iter().map(|user| user.id).collect();
            if is_second || list.agrees(distinct.len() as u64) {
                self.progress.update(|progress| progress.lists_done += 1);
                let reactors = Fact::Reactors {
                    guild_id: guild,
                    channel_id: channel,
                    message_id: message,
                    emoji: list.emoji,
                    burst: list.burst,
                    users,
                };
                self.tell(at, vec![reactors]).await?;
                return Ok(true);
            }
            is_second = true;
        }
    }

    /// Fetches a list page by page.
    async fn users(&self, list: &Pending) -> Result<Listed, BackfillError> {
        let at = self.clock.stamp();
        let mut users = Vec::new();
        let (mut len, mut all_readable, mut after) = (0, true, None);
        loop {
            let urgency = self.progress.urgency(list.channel_id);
            let history = self.history.with_urgency(urgency);
            let (channel, message) = (list.channel_id, list.message_id);
            let answer = history.reactors(channel, message, &list.emoji, list.burst, after);
            match answer.await {
                Ok(page) => {
                    let unreadable = page.unreadable.iter().copied().map(UserId);
                    let newest = page
                        .items
                        .iter()
                        .map(|user| user.id)
                        .chain(unreadable)
                        .max();
                    len += page.len as u64;
                    all_readable &= page.all_readable();
                    // A short page may be cut.
                    let ends = page.len < FULL && len >= list.count;
                    users.extend(page.items);
                    // A server that ignores `after` would repeat pages forever.
                    if ends || newest <= after {
                        return Ok(Listed::Users(users, at, all_readable));
                    }
                    if len > list.count.saturating_mul(2).saturating_add(MOST_UNCOUNTED) {
                        let refused = Fact::Refused(list.guild_id, object(list), ENDLESS.into());
                        self.progress.update(|progress| progress.refused += 1);
                        self.tell(at, vec![refused]).await?;
                        return Ok(Listed::Failed(true));
                    }
                    after = newest;
                }
                Err(RestError::NotFound {
                    what,
                    code: UNKNOWN_MESSAGE,
                    ..
                }) => return Ok(Listed::Gone(RestError::Failing { what, status: 404 })),
                // The last reaction with this emoji was removed, as Discord's count says too.
                Err(RestError::NotFound {
                    code: UNKNOWN_EMOJI,
                    ..
                }) if list.count == 0 => return Ok(Listed::Users(users, at, all_readable)),
                Err(error) => {
                    let refused = self.fail(list.guild_id, object(list), error).await?;
                    return Ok(Listed::Failed(refused));
                }
            }
        }
    }
}

fn object(list: &Pending) -> FailureObject {
    let emoji = list.emoji.key.to_string();
    FailureObject::Reactions(list.channel_id, list.message_id, emoji, list.burst)
}

/// Converts a list with unreadable users: records reactions, removes none.
fn unreadable(list: &Pending, users: Vec<User>) -> Vec<Fact> {
    let reason = "some users are unreadable".into();
    let mut facts = vec![Fact::Refused(list.guild_id, object(list), reason)];
    facts.extend(users.into_iter().map(|user| {
        Fact::Reacted(ReactionEvent {
            guild_id: list.guild_id,
            channel_id: list.channel_id,
            message_id: list.message_id,
            user_id: user.id,
            emoji: list.emoji.clone(),
            burst: list.burst,
        })
    }));
    facts
}
