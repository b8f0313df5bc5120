//! The one facade that commands see: what can be asked for, done, and refused.
//!
//! Knows the store, the writer and the bot's voice, so that no command has to; refuses to know how
//! anything is worded or where it came from. Each part of it is an `impl` of its own.

mod admin;
mod admission;
mod limits;
mod one_at_a_time;
mod privacy;
mod props;
mod reason;
mod reports;
mod settings;
pub mod status;
mod undo;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use propsbot_discord::{RestError, Speech};
use propsbot_jobs::{
    clock::Clock,
    estimate,
    export::ExportControl,
    guilds::PerGuild,
    mirrored::MirroredGuilds,
    progress::ProgressBoard,
    writer::{Stopped, Writer},
};
use propsbot_model::{
    AdminAction, ChannelId, Evidence, Fact, GuildId, InteractionId, Millis, Observation, Quota,
    RoleId, UserId,
};
use propsbot_store::{Store, StoreError};

pub use admin::{ArchiveStatus, ChannelNeeds, Destination, Setup};
pub use admission::Admission;
pub use one_at_a_time::UnderWay;
pub use privacy::{Kept, PERSONAL_DATA_LIMIT, PersonalData};
pub use props::{GiveProps, Given, Place};
pub use reports::{
    HistoryPage, HistoryQuery, HistoryReport, Leaderboard, LeaderboardQuery, Period, Ranked,
    Reader, Side, Thanked, Why,
};
pub use undo::{Undone, Which};

use limits::InFlight;
use one_at_a_time::OneAtATime;
use status::GuildStatus;

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;
/// The most receivers at once.
pub const MOST_RECEIVERS: usize = 20;
/// The most characters that Discord takes in a message. Source:
/// <https://discord.com/developers/docs/resources/message#create-message-jsonform-params>.
pub const LONGEST_MESSAGE: usize = 2_000;

/// How long somebody who waits for an answer may have to wait for a pause that Discord wants, or for
/// what is done in a channel.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The member has to change what was typed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Discord did not take what we had to say.
    #[error(transparent)]
    Discord(#[from] RestError),
    /// We are shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What is wrong with what a member wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody was named.
    #[error("props need at least one receiver")]
    NoReceivers,
    /// More were named than [`MOST_RECEIVERS`].
    #[error("props go to at most {MOST_RECEIVERS} members at once, not to {0}")]
    TooManyReceivers(usize),
    /// The giver was named.
    #[error("the giver is a receiver")]
    ToSelf,
    /// A bot was named.
    #[error("the receiver {0} is a bot")]
    ToBot(UserId),
    /// Somebody was named who is no member.
    #[error("the receiver {0} is not a member")]
    ToStranger(UserId),
    /// There is no reason.
    #[error("the reason is empty")]
    NoReason,
    /// The reason is longer than [`LONGEST_REASON`].
    #[error("the reason has {0} characters; the limit is {LONGEST_REASON}")]
    ReasonTooLong(usize),
    /// The message would be longer than Discord takes.
    #[error("the message would be too long for Discord")]
    MessageTooLong,
    /// Only members with one of these roles may give.
    #[error("only members with certain roles can give props")]
    NotAGiver(Vec<RoleId>),
    /// So many were given that this many more are possible now, and all at that time.
    #[error("the quota allows {left} more until {again:?}")]
    QuotaReached {
        /// The quota.
        quota: Quota,
        /// How many are possible now.
        left: u32,
        /// When what was wanted is possible; never, if it is more than the quota.
        again: Option<Millis>,
    },
    /// So many were taken back that this would ping people too often.
    #[error("too many props were taken back; possible again at {again:?}")]
    TooManyTakenBack {
        /// When it is possible again.
        again: Millis,
    },
    /// The member ran as many commands in the last minute as they may.
    #[error("only {per_minute} commands a minute are allowed; possible again at {again:?}")]
    TooFast {
        /// How many are possible in any minute.
        per_minute: u32,
        /// When it is possible again.
        again: Millis,
    },
    /// Somebody was named whose posts are to be props, and who is no bot here, or the bot itself.
    #[error("{0} is not a bot in this guild whose posts can be props")]
    NoPropsBot(UserId),
    /// The same member was thanked a short while ago.
    #[error("{to} was thanked a short while ago; possible again at {again:?}")]
    TooSoon {
        /// Who.
        to: UserId,
        /// When it is possible again.
        again: Millis,
    },
    /// The bot may not post where props are posted. Nothing was given.
    #[error("the bot cannot post in {channel}: it lacks {}", missing.join(", "))]
    CannotPost {
        /// Where.
        channel: ChannelId,
        /// The permissions that it lacks, as Discord's settings call them; none if only Discord
        /// knows.
        missing: Vec<&'static str>,
    },
    /// The giver may not see or write in any channel where props are posted. Nothing was given.
    #[error("the giver cannot post in {channel}: they lack {}", missing.join(", "))]
    GiverCannotPost {
        /// The last of these channels.
        channel: ChannelId,
        /// The permissions that they lack there, as Discord's settings call them.
        missing: Vec<&'static str>,
    },
    /// Discord wants no requests for so long that nothing can be posted. Nothing was given.
    #[error("Discord accepts no requests for {} s", .0.as_secs())]
    Paused(Duration),
    /// The channel where props are posted is gone. Nothing was given.
    #[error("the channel {0} no longer exists")]
    ChannelGone(ChannelId),
    /// Discord refused the message that says so. Nothing was given.
    #[error("Discord refused the message in {0}")]
    NotPosted(ChannelId),
    /// There are no props of this member to take back.
    #[error("there are no props to take back")]
    NothingToUndo,
    /// These are not this member's props.
    #[error("these props were given by another member")]
    NotYours,
    /// They were given too long ago.
    #[error("props can be taken back for {0} minutes only")]
    TooLateToUndo(u16),
    /// A message was named that is not known, or that the member may not read.
    #[error("the message is unknown or unreadable to the member")]
    NoMessage,
    /// A channel was named that the guild has not, or not any more.
    #[error("{0} is not a channel in this guild")]
    NoChannel(ChannelId),
    /// A channel was named in which no plain messages can be props.
    #[error("{0} cannot be a props channel")]
    NoPropsChannel(ChannelId),
    /// An emoji was named with which the bot cannot react.
    #[error("the bot cannot react with {0}")]
    UnusableEmoji(String),
    /// A channel is to be exported, but one that it is in is excluded.
    #[error("{channel} is in {within}, which is excluded")]
    ExcludedWith {
        /// The channel or thread.
        channel: ChannelId,
        /// The category or channel that is excluded.
        within: ChannelId,
    },
    /// A role was named that the guild has not.
    #[error("{0} is not a role in this guild")]
    NoRole(RoleId),
    /// A private channel is exported only by explicit word: its name.
    #[error("including {channel} has to be confirmed by its name")]
    Unconfirmed {
        /// The channel.
        channel: ChannelId,
        /// What it is called.
        name: String,
        /// Whether it is a category: then all of its channels are meant.
        category: bool,
    },
    /// Only admins of the operator's own guild may do what concerns all guilds.
    #[error("only the bot's operators can do this")]
    NotAnOperator,
    /// This runs without an archive: there is nothing to export to.
    #[error("the bot runs without an archive")]
    NoArchive,
}

/// Who asks for something that only admins may, and with which run of a command.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// The guild.
    pub guild_id: GuildId,
    /// The run.
    pub run: InteractionId,
    /// Who.
    pub user_id: UserId,
}

/// What the service works with.
pub struct Parts {
    /// The mirror.
    pub store: Arc<Store>,
    /// The only way to change it.
    pub writer: Writer,
    /// The time.
    pub clock: Clock,
    /// What is being done.
    pub progress: PerGuild<ProgressBoard>,
    /// Which guilds are mirrored, and who operates the bot.
    pub guilds: MirroredGuilds,
    /// The bot's voice.
    pub speech: Speech,
    /// The bot's own user.
    pub bot: UserId,
    /// The exports; nothing where none are made.
    pub exports: Option<ExportControl>,
}

/// What commands may ask for. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    parts: Arc<Parts>,
    in_flight: InFlight,
    heavy: OneAtATime,
}

impl Service {
    /// A facade over these.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            in_flight: InFlight::default(),
            heavy: OneAtATime::default(),
        }
    }

    /// Waits until no other heavy request of this member is under way, and holds up the next one until what
    /// it returns is dropped.
    pub async fn one_at_a_time(&self, user: UserId) -> UnderWay {
        self.heavy.begin(user).await
    }

    /// How whole the mirror of a guild is, and what is being done about it. Exports concern all guilds:
    /// only operators are told of them.
    pub async fn sync_status(
        &self,
        guild: GuildId,
        asker: UserId,
    ) -> Result<GuildStatus, ServiceError> {
        let progress = self.parts.progress.of(guild).look();
        let guilds = self.parts.guilds.clone();
        let mut status = self
            .ask(move |store| {
                let is_mirrored = |guild| guilds.has(guild);
                Ok(status::of_guild(
                    store,
                    guild,
                    Some(&progress),
                    &is_mirrored,
                )?)
            })
            .await?;
        if !self.parts.guilds.operates(guild, asker) {
            status.export = None;
        }
        if let Some(left) = self.parts.speech.paused() {
            let left = estimate::About(left);
            status.doing = format!(
                "paused: Discord wants no requests for {left} (its global rate limit); then {}",
                status.doing
            );
        }
        Ok(status)
    }

    /// What admins did of late, the latest first.
    pub async fn admin_actions(&self, guild: GuildId) -> Result<Vec<AdminAction>, ServiceError> {
        let mut actions = self
            .ask(move |store| Ok(store.admin_actions(guild)?))
            .await?;
        actions.reverse();
        Ok(actions)
    }

    /// Makes facts durable.
    async fn record(&self, facts: Vec<Fact>) -> Result<(), ServiceError> {
        let at = self.parts.clock.stamp();
        let seen = |fact| Observation {
            at,
            by: Evidence::Gateway,
            fact,
        };
        self.parts
            .writer
            .write(facts.into_iter().map(seen).collect())
            .await?;
        Ok(())
    }

    /// Asks the store, off the async threads.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let store = Arc::clone(&self.parts.store);
        let answer = tokio::task::spawn_blocking(move || question(&store)).await;
        // A question neither panics nor is cancelled, unless the process is ending.
        answer.unwrap_or(Err(ServiceError::Stopped(Stopped)))
    }

    /// As [`Self::ask`], for what reads much: when it has its turn, so that threads are left for what
    /// reads little.
    async fn ask_in_turn<T: Send + 'static>(
        &self,
        turns: &Semaphore,
        question: impl FnOnce(&Store) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let _turn = turns.acquire().await;
        self.ask(question).await
    }
}

impl Admin {
    /// What this admin did, to be remembered.
    fn did(self, what: String) -> Fact {
        Fact::AdminAction(AdminAction {
            guild_id: self.guild_id,
            id: self.run,
            at: self.run.created_at(),
            by: self.user_id,
            what,
        })
    }
}
