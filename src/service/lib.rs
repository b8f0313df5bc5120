//! The facade that commands call: queries, actions and their refusals.
//!
//! Hides the store, the writer and the message sender from commands. Doesn't know how answers are
//! worded. Each group of methods is an `impl` in its own file.

mod admin;
mod admission;
mod limits;
mod link;
mod meetings;
mod mirroring;
mod one_at_a_time;
mod privacy;
mod props;
mod reason;
mod recap;
mod reports;
mod settings;
mod undo;

use std::{io, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use propsbot_discord::{DiscordApi, MessageSender, RestError, Shards};
use propsbot_jobs::{
    backfill::Requests,
    clock::Clock,
    cred::CredBoard,
    estimate,
    guilds::PerGuild,
    mirrored::MirroredGuilds,
    progress::ProgressBoard,
    status::{self, GuildStatus, ShardsStatus},
    writer::Writer,
};
use propsbot_mirror::{Ending, ExportControl, ask};
use propsbot_model::{
    AdminAction, ChannelId, Evidence, Fact, GuildId, InteractionId, Millis, Observation, Quota,
    RoleId, UserId,
};
use propsbot_store::{Store, StoreError};

pub use admin::{ArchiveStatus, Destination, Setup};
pub use admission::Admission;
pub use link::{CommentsError, GithubComment, GithubComments, LinkCode, LinkStanding};
pub use meetings::InMeeting;
pub use one_at_a_time::UnderWay;
pub use privacy::{Kept, PERSONAL_DATA_LIMIT, PersonalData};
pub use props::{GiveProps, Given, Place};
pub use propsbot_jobs::cred::{CredFailure, CredStanding};
pub use recap::{DueRecap, RECAP_POSTING};
pub use reports::{
    Contribution, ContributionWhat, CredQuery, CredReport, EventsPreview, FoundCred, HistoryPage,
    HistoryQuery, HistoryReport, Leaderboard, LeaderboardQuery, MeetingsPreview, MemberCred,
    MessageCred, PREVIEW_DAYS, Period, RankBy, Ranked, Reader, RecapReport, Score, Side, Thanked,
    ThanksPreview, Why,
};
pub use undo::{Undone, Which};

use limits::InFlight;
use link::Codes;
use meetings::Meetings;
use one_at_a_time::OneAtATime;

pub const LONGEST_REASON: usize = 500;
/// The most receivers of one `/props`.
pub const MOST_RECEIVERS: usize = 20;
/// Discord's limit of characters in a message. Source:
/// <https://discord.com/developers/docs/resources/message#create-message-jsonform-params>.
pub const LONGEST_MESSAGE: usize = 2_000;

/// How long a command waits for a rate limit, or for its turn in a channel.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The member has to change something.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Discord(#[from] RestError),
    /// A member's data is deleted, but their cred may still be in the files that are kept.
    #[error("could not remove the cred that is kept of the guild (STORE_PATH): {0}")]
    KeptCred(io::Error),
    /// The mirror of GitHub can't be read.
    #[error("could not look for comments in the archive of GitHub (GITHUB_ARCHIVE): {0}")]
    Comments(CommentsError),
    /// The bot is shutting down.
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// What a member has to change, or why a command isn't possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("props need at least one receiver")]
    NoReceivers,
    /// More than [`MOST_RECEIVERS`] receivers were named.
    #[error("props go to at most {MOST_RECEIVERS} members at once, not to {0}")]
    TooManyReceivers(usize),
    #[error("the giver is a receiver")]
    ToSelf,
    #[error("the receiver {0} is a bot")]
    ToBot(UserId),
    #[error("the receiver {0} is not a member")]
    ToStranger(UserId),
    #[error("the reason is empty")]
    NoReason,
    /// The reason is longer than [`LONGEST_REASON`].
    #[error("the reason has {0} characters; the limit is {LONGEST_REASON}")]
    ReasonTooLong(usize),
    #[error("the message would be too long for Discord")]
    MessageTooLong,
    /// Only members with one of these roles can give props.
    #[error("only members with certain roles can give props")]
    NotAGiver(Vec<RoleId>),
    #[error("the quota allows {left} more until {again:?}")]
    QuotaReached {
        quota: Quota,
        /// How many members the giver can still thank now.
        left: u32,
        /// When these props are possible; `None` if they exceed the whole quota.
        again: Option<Millis>,
    },
    /// The giver took back so many props that more would ping people too often.
    #[error("too many props were taken back; possible again at {again:?}")]
    TooManyTakenBack {
        /// When props are possible again.
        again: Millis,
    },
    #[error("only {per_minute} commands a minute are allowed; possible again at {again:?}")]
    TooFast {
        per_minute: u32,
        /// When props are possible again.
        again: Millis,
    },
    /// A user whose posts should be props isn't a bot in this guild, or is this bot.
    #[error("{0} is not a bot in this guild whose posts can be props")]
    NoPropsBot(UserId),
    #[error("{to} was thanked a short while ago; possible again at {again:?}")]
    TooSoon {
        to: UserId,
        /// When props are possible again.
        again: Millis,
    },
    /// The bot can't post where props are posted. No props were given.
    #[error("the bot cannot post in {channel}: it lacks {}", missing.join(", "))]
    CannotPost {
        /// Where props are posted.
        channel: ChannelId,
        /// The missing permissions, as Discord's settings call them; empty if only Discord knows.
        missing: Vec<&'static str>,
    },
    /// The giver can't write in any channel where props are posted. No props were given.
    #[error("the giver cannot post in {channel}: they lack {}", missing.join(", "))]
    GiverCannotPost {
        channel: ChannelId,
        /// The missing permissions there, as Discord's settings call them.
        missing: Vec<&'static str>,
    },
    /// A rate limit is too long to wait for. No props were given.
    #[error("Discord accepts no requests for {} s", .0.as_secs())]
    Paused(Duration),
    /// The channel where props are posted no longer exists. No props were given.
    #[error("the channel {0} no longer exists")]
    ChannelGone(ChannelId),
    #[error("Discord refused the message in {0}")]
    NotPosted(ChannelId),
    #[error("there are no props to take back")]
    NothingToUndo,
    #[error("these props were given by another member")]
    NotYours,
    #[error("props can be taken back for {0} minutes only")]
    TooLateToUndo(u16),
    /// The message is unknown, or the member can't read it.
    #[error("the message is unknown or unreadable to the member")]
    NoMessage,
    #[error("{0} is not a channel in this guild")]
    NoChannel(ChannelId),
    #[error("{0} cannot be a props channel")]
    NoPropsChannel(ChannelId),
    /// The bot can't post recaps there.
    #[error("{channel} is no channel for recaps; the bot lacks there: {}", missing.join(", "))]
    NoRecapChannel {
        channel: ChannelId,
        /// The missing permissions, as Discord's settings call them; empty if it is of another kind.
        missing: Vec<&'static str>,
    },
    #[error("no meeting is running in the channel")]
    NoMeeting,
    #[error("a meeting is running in the channel")]
    MeetingRunning,
    /// The bot can't keep a meeting's list in the channel: the missing permissions, as Discord's settings
    /// call them.
    #[error("the bot cannot keep a meeting's list here: it lacks {}", .0.join(", "))]
    NoMeetingHere(Vec<&'static str>),
    #[error("a meeting's message has no room for more members")]
    MeetingFull,
    /// A meeting has so many hosts at most.
    #[error("a meeting has {0} hosts at most")]
    TooManyHosts(usize),
    #[error("a meeting's list can't be kept in a thread")]
    MeetingInThread,
    #[error("the member can't write in the channel, so they can't start a meeting there")]
    StarterCannotPost,
    /// Only these hosts can end the meeting.
    #[error("the member doesn't host the meeting")]
    NotTheHost(Vec<UserId>),
    #[error("the bot cannot react with {0}")]
    UnusableEmoji(String),
    /// The channel can't be included: a channel or category that it's in is excluded.
    #[error("{channel} is in {within}, which is excluded")]
    ExcludedWith {
        /// The channel or thread.
        channel: ChannelId,
        /// The category or channel that is excluded.
        within: ChannelId,
    },
    #[error("{0} is not a role in this guild")]
    NoRole(RoleId),
    /// A private channel is included only if the admin repeats its name.
    #[error("including {channel} has to be confirmed by its name")]
    Unconfirmed {
        channel: ChannelId,
        name: String,
        /// Whether it's a category, which stands for all its channels.
        category: bool,
    },
    /// Only the bot's operators can do what affects all guilds.
    #[error("only the bot's operators can do this")]
    NotAnOperator,
    #[error("{0:?} is no login on GitHub")]
    NotALogin(String),
    /// No repository of GitHub is mirrored, so nothing can be proved there.
    #[error("no repository on GitHub is mirrored")]
    NoRepositories,
    /// The member opted out of being named.
    #[error("the member hides their name")]
    NameHidden,
    #[error("the member got too many codes; possible again at {again:?}")]
    TooManyCodes {
        /// When they get another one.
        again: Millis,
    },
    #[error("no GitHub account is linked")]
    NothingLinked,
    #[error("the bot runs without an archive")]
    NoArchive,
    /// The operator switched cred off.
    #[error("the bot computes no cred")]
    NoCred,
    /// The operator decides which guilds are mirrored.
    #[error("the operator decides which guilds are mirrored")]
    NotUpToAdmins,
}

#[derive(Clone, Copy, Debug)]
pub struct Admin {
    pub guild_id: GuildId,
    /// The run of the command, or the press of a button.
    pub run: InteractionId,
    pub user_id: UserId,
}

pub struct Deps {
    /// The store, which the service only reads.
    pub store: Arc<Store>,
    /// The only way to change the store.
    pub writer: Writer,
    pub clock: Clock,
    pub progress: PerGuild<ProgressBoard>,
    /// The mirrored guilds, and the bot's operators.
    pub guilds: MirroredGuilds,
    pub shards: Shards,
    /// Requests backfills.
    pub requests: Requests,
    pub sender: MessageSender,
    pub discord: DiscordApi,
    pub bot: UserId,
    /// Controls the exports; `None` if there are none.
    pub exports: Option<ExportControl>,
    /// The kept cred.
    pub cred: CredBoard,
    /// The mirror of GitHub, for `/link`.
    pub comments: Option<Arc<dyn GithubComments>>,
}

/// The facade that commands call. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    parts: Arc<Deps>,
    in_flight: InFlight,
    heavy: OneAtATime,
    meetings: Meetings,
    codes: Codes,
}

impl Service {
    pub fn new(parts: Deps) -> Self {
        Self {
            parts: Arc::new(parts),
            in_flight: InFlight::default(),
            heavy: OneAtATime::default(),
            meetings: Meetings::default(),
            codes: Codes::default(),
        }
    }

    /// Waits for the member's other heavy requests. The next one waits until the returned guard is
    /// dropped.
    pub async fn one_at_a_time(&self, user: UserId) -> UnderWay {
        self.heavy.begin(user).await
    }

    /// The sync status of a guild. Exports and shards concern all guilds, so only operators see them.
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
        if self.parts.guilds.operates(guild, asker) {
            status.shards = ShardsStatus::of(&self.parts.shards);
        } else {
            status.export = None;
        }
        if let Some(left) = self.parts.sender.paused() {
            let left = estimate::About(left);
            status.doing = format!(
                "paused: Discord wants no requests for {left} (its global rate limit); then {}",
                status.doing
            );
        }
        Ok(status)
    }

    /// The log of admin actions, newest first.
    pub async fn admin_actions(&self, guild: GuildId) -> Result<Vec<AdminAction>, ServiceError> {
        let mut actions = self
            .ask(move |store| Ok(store.admin_actions(guild)?))
            .await?;
        actions.reverse();
        Ok(actions)
    }

    /// Writes facts; they are durable when this returns.
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

    /// Runs a query on the store, off the async threads.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        ask(&self.parts.store, question).await?
    }

    /// Like [`Self::ask`] for heavy queries: waits for a permit, so that small queries find a thread.
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
    /// The entry of this admin's action for the log.
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
