//! Posting recaps: which are due, and that each is posted once.
//!
//! That a recap is about to be posted is durable before it is. If it isn't known whether it was, because the
//! process ended or Discord's answer was lost, the channel is searched for it before it's posted again.
//! Within minutes, its nonce also keeps Discord from posting it twice.

use std::{ops::Range, time::Duration};

use super::{
    Refusal, Service, ServiceError,
    props::needed_to_post,
    reports::{REPORTS, RecapReport, report},
};
use propsbot_discord::{Listing, RestError};
use propsbot_jobs::{check::lacking, clock::Clock, progress::Phase};
use propsbot_model::{
    Channel, ChannelId, ChannelKind, Fact, Failure, FailureObject, GuildId, MessageId, Millis,
    Reason, Recap, RecapPeriod, RecapSetting, UserId, permissions,
};
use propsbot_store::{Store, StoreError};

/// How long a post may take at most; a rate limit may delay it.
pub const RECAP_POSTING: Duration = Duration::from_millis(RECAP_POSTING_MS.unsigned_abs());
const RECAP_POSTING_MS: i64 = 10 * 60_000;

const DAY_MS: i64 = 86_400_000;

/// How long a recap waits for what could not be fetched: a channel that always fails must not hold it back for good.
const LONGEST_WAIT_MS: i64 = DAY_MS;

/// How far Discord's clock may be from what its answers say, in milliseconds.
const CLOCKS_MS: i64 = 60_000;

/// How many pages of a channel are searched for a recap at most.
const PAGES: usize = 50;

const GONE: &str =
    "the channel no longer exists; choose another one with /settings set recap_channel";

/// A recap to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRecap {
    pub guild_id: GuildId,
    pub setting: RecapSetting,
    period: Range<Millis>,
    /// An attempt to post it of which the outcome isn't known.
    attempt: Option<Recap>,
    /// Whether the bot may attach its picture.
    pub may_attach: bool,
}

impl DueRecap {
    /// Makes Discord post it only once if it's sent again within minutes. Discord compares the nonces of all that
    /// the bot posts anywhere, and takes up to 25 characters.
    pub fn nonce(&self) -> String {
        let kind = match self.setting.every {
            RecapPeriod::Week => 'w',
            RecapPeriod::Month => 'm',
        };
        format!(
            "{:x}{kind}{:x}",
            self.guild_id.0,
            self.period.end.0 / DAY_MS
        )
    }

    fn recap(&self, is_done: bool, at: Millis) -> Recap {
        Recap {
            guild_id: self.guild_id,
            until: self.period.end,
            is_done,
            begun: at,
            channel_id: self.setting.channel_id,
            message_id: None,
        }
    }
}

/// Whether a recap can be posted now.
enum Readiness {
    Ready(DueRecap),
    /// The reason why it can't, which an admin has to mend, if it isn't recorded yet.
    Hindered(DueRecap, String),
    NotNow,
}

/// The time by our clock and by Discord's.
#[derive(Clone, Copy)]
struct Now {
    ours: Millis,
    discords: Millis,
}

impl Service {
    /// The guilds that are mirrored.
    pub fn guilds(&self) -> Vec<GuildId> {
        self.parts.guilds.all()
    }

    /// The recap of a guild to post now. It waits until the guild's mirror has caught up with Discord, and after a
    /// failure as long as other retries do. What an admin has to mend is recorded and logged once.
    pub async fn due_recap(&self, guild: GuildId) -> Result<Option<DueRecap>, ServiceError> {
        let (bot, now) = (self.parts.bot, self.recap_now());
        let ready = self.ask(move |store| Ok(readiness(store, guild, bot, now)?));
        match ready.await? {
            Readiness::Ready(recap) => {
                // Asked after the store: what is missing there is being fetched by now.
                let progress = self.parts.progress.of(guild).look();
                let has_caught_up = !progress.is_incomplete
                    || now.discords.0 - recap.period.end.0 > LONGEST_WAIT_MS;
                let is_ready = progress.phase == Phase::Idle && has_caught_up;
                Ok(Some(recap).filter(|_| is_ready))
            }
            Readiness::Hindered(recap, why) => {
                self.recap_failed(&recap, why, false).await?;
                Ok(None)
            }
            Readiness::NotNow => Ok(None),
        }
    }

    /// What a recap says; `None` if it turns out that there is nothing to post.
    pub async fn recap(&self, due: &DueRecap) -> Result<Option<RecapReport>, ServiceError> {
        let guild = due.guild_id;
        if let Some(found) = self.posted(due).await? {
            self.recap_ended(due, Some(found)).await?;
            tracing::info!(%guild, "the recap is posted already");
            return Ok(None);
        }
        let period = due.period.clone();
        let report = self.ask_in_turn(&REPORTS, move |store| Ok(report(store, guild, period)?));
        let report = report.await?;
        if report.is_none() {
            self.recap_ended(due, None).await?;
            tracing::info!(%guild, "nobody was thanked, so there is no recap");
        }
        Ok(report)
    }

    /// Records that a recap is about to be posted; durable when this returns.
    pub async fn recap_begins(&self, due: &DueRecap) -> Result<(), ServiceError> {
        let begun = due.recap(false, self.recap_now().discords);
        self.record(vec![Fact::Recap(begun)]).await
    }

    /// Records that a recap is done. `message` is `None` if there was nothing to tell.
    pub async fn recap_ended(
        &self,
        due: &DueRecap,
        message: Option<MessageId>,
    ) -> Result<(), ServiceError> {
        let done = Recap {
            message_id: message,
            ..due.recap(true, self.recap_now().discords)
        };
        let settled = Fact::Settled(due.guild_id, FailureObject::Recap(due.setting.channel_id));
        self.record(vec![Fact::Recap(done), settled]).await
    }

    /// Records why a recap wasn't posted, or may not have been. If Discord refused it, it is tried again a day
    /// later. The same reason is logged once.
    pub async fn recap_failed(
        &self,
        due: &DueRecap,
        why: String,
        refused: bool,
    ) -> Result<(), ServiceError> {
        let (guild, channel) = (due.guild_id, due.setting.channel_id);
        let reason = Reason::from(why);
        let before = self
            .ask(move |store| Ok(failure(store, guild, channel)?))
            .await?;
        if before.is_some_and(|before| before.reason == reason) {
            tracing::debug!(%guild, %channel, "can't post the recap: {reason}");
        } else {
            tracing::warn!(%guild, %channel, "can't post the recap: {reason}");
        }
        let object = FailureObject::Recap(channel);
        self.record(vec![if refused {
            Fact::Refused(guild, object, reason)
        } else {
            Fact::Failed(guild, object, reason)
        }])
        .await
    }

    /// The message of a recap that may have been posted before.
    async fn posted(&self, due: &DueRecap) -> Result<Option<MessageId>, ServiceError> {
        let (channel, from, mut before) = match &due.attempt {
            Some(attempt) => {
                let ended = attempt.begun.0 + RECAP_POSTING_MS;
                (
                    attempt.channel_id,
                    MessageId::at(Millis(attempt.begun.0 - CLOCKS_MS)),
                    Some(MessageId::at(Millis(ended + CLOCKS_MS))),
                )
            }
            // Not that the store knows. It may have been restored.
            None => (due.setting.channel_id, MessageId::at(due.period.end), None),
        };
        for _ in 0..PAGES {
            let asked = self.parts.discord.messages(due.guild_id, channel, before);
            let page = match asked.await {
                // The message is gone with its channel.
                Err(RestError::NotFound { .. }) => return Ok(None),
                // Nor can it be found where the bot may not read any more, if an admin has chosen another channel.
                Err(RestError::Forbidden { .. }) if channel != due.setting.channel_id => {
                    return Ok(None);
                }
                page => page?,
            };
            let mut messages = page.messages.iter().map(|paged| &paged.message);
            let found = messages.find(|message| {
                message.author.id == self.parts.bot
                    && message.id >= from
                    && message.content.starts_with(due.setting.every.heading())
            });
            if let Some(found) = found {
                return Ok(Some(found.id));
            }
            before = page
                .oldest
                .filter(|oldest| *oldest > from && page.len >= Listing::FULL);
            if before.is_none() {
                break;
            }
        }
        Ok(None)
    }

    fn recap_now(&self) -> Now {
        let ours = Clock::now();
        let discords = self.parts.discord.discord_time(ours);
        Now { ours, discords }
    }
}

fn readiness(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    now: Now,
) -> Result<Readiness, StoreError> {
    let Some(setting) = store.settings(guild)?.recap else {
        return Ok(Readiness::NotNow);
    };
    let (last, session) = (store.recap(guild)?, store.session(guild)?);
    let is_behind = session.unheard.is_some() || session.disconnected.is_some();
    let due = setting.due(last.as_ref(), now.discords);
    let Some(period) = due.filter(|_| !is_behind) else {
        return Ok(Readiness::NotNow);
    };
    let mut due = DueRecap {
        guild_id: guild,
        setting,
        attempt: last.filter(|last| last.until == period.end),
        period,
        may_attach: false,
    };
    let known = store.channel(guild, setting.channel_id)?;
    let channel = known.as_ref().and_then(|part| part.state.now());
    let hindrance = match channel {
        None => Some(GONE.to_owned()),
        Some(channel) => {
            // If it's unknown, Discord decides.
            let bits = store.bits_of(guild, bot, channel)?.unwrap_or(u64::MAX);
            due.may_attach = bits & permissions::ATTACH_FILES != 0;
            let missing = lacking(bits, &needed_to_keep(channel));
            (!missing.is_empty()).then(|| format!("the bot lacks {} here", missing.join(", ")))
        }
    };
    let failed = failure(store, guild, setting.channel_id)?;
    Ok(match (hindrance, failed) {
        (Some(why), Some(failed)) if failed.reason == Reason::Other(why.clone()) => {
            Readiness::NotNow
        }
        (Some(why), _) => Readiness::Hindered(due, why),
        (None, Some(failed)) if failed.due() > now.ours => Readiness::NotNow,
        (None, _) => Readiness::Ready(due),
    })
}

fn failure(
    store: &Store,
    guild: GuildId,
    channel: ChannelId,
) -> Result<Option<Failure>, StoreError> {
    let object = FailureObject::Recap(channel);
    let mut failures = store.failures(guild)?.into_iter();
    Ok(failures.find(|failure| failure.object == object))
}

/// What the bot needs to post and to read back what it posted: without Read Message History, Discord shows
/// no messages.
pub(super) fn needed_to_keep(channel: &Channel) -> Vec<(u64, &'static str)> {
    let mut needed = needed_to_post(channel);
    needed.push((permissions::READ_MESSAGE_HISTORY, "Read Message History"));
    needed
}

/// Whether the bot can post recaps in the channel.
pub(super) fn check_recap_channel(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    channel: &Channel,
) -> Result<(), ServiceError> {
    let bits = store.bits_of(guild, bot, channel)?.unwrap_or(u64::MAX);
    let missing = lacking(bits, &needed_to_keep(channel));
    let can_hold = [ChannelKind::TEXT, ChannelKind::ANNOUNCEMENT].contains(&channel.kind);
    if can_hold && missing.is_empty() {
        return Ok(());
    }
    let missing = if can_hold { missing } else { Vec::new() };
    Err(Refusal::NoRecapChannel {
        channel: channel.id,
        missing,
    }
    .into())
}

/// Forgets why recaps failed: an admin has just set where they are posted.
pub(super) fn settle(store: &Store, guild: GuildId) -> Result<Vec<Fact>, StoreError> {
    let failures = store.failures(guild)?.into_iter();
    let of_recaps = failures.filter(|failure| matches!(failure.object, FailureObject::Recap(_)));
    Ok(of_recaps
        .map(|failure| Fact::Settled(guild, failure.object))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Discord takes a message for posted if the bot posted one with the same nonce anywhere.
    #[test]
    fn every_recap_has_a_nonce_of_its_own() {
        let guilds = [GuildId(1), GuildId(u64::MAX)];
        let kinds = [RecapPeriod::Week, RecapPeriod::Month];
        let ends = [
            Millis(1_796_000_000_000),
            Millis(1_796_000_000_000 + DAY_MS),
        ];
        let mut all = BTreeSet::new();
        for (guild_id, (every, end)) in guilds.iter().flat_map(|guild| {
            let periods = kinds
                .iter()
                .flat_map(|kind| ends.iter().map(move |end| (*kind, *end)));
            periods.map(move |period| (*guild, period))
        }) {
            let due = DueRecap {
                guild_id,
                setting: RecapSetting {
                    channel_id: ChannelId(5),
                    every,
                },
                period: Millis(0)..end,
                attempt: None,
                may_attach: false,
            };
            assert!(due.nonce().len() <= 25, "{}", due.nonce());
            assert!(all.insert(due.nonce()), "{} is there twice", due.nonce());
        }
    }
}
