//! The one facade that commands see: what can be asked for, done, and refused.
//!
//! Owns the rules of giving props. Knows the store and the writer, so that no command has to;
//! refuses to know how anything is worded or where it came from.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    jobs::{
        clock::Clock,
        progress::ProgressBoard,
        writer::{Stopped, Writer},
    },
    model::{
        ChannelId, Class, Evidence, Fact, GuildId, InteractionId, Observation, Props, PropsOrigin,
        Settings, User, UserId,
    },
    status::{self, GuildStatus},
    store::{Store, StoreError},
};

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;
/// The most receivers at once.
pub const MOST_RECEIVERS: usize = 20;

/// Props that a member wants to give.
#[derive(Clone, Debug)]
pub struct GiveProps {
    /// The command's run.
    pub id: InteractionId,
    /// The guild.
    pub guild_id: GuildId,
    /// Where the answer will be posted.
    pub channel_id: ChannelId,
    /// Who gives.
    pub giver: User,
    /// To whom, as typed.
    pub receivers: Vec<UserId>,
    /// What for, as typed.
    pub reason: String,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The member has to change what was typed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// We are shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What is wrong with what a member typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody was named.
    #[error("props need at least one receiver")]
    NoReceivers,
    /// More were named than [`MOST_RECEIVERS`].
    #[error("props go to at most {MOST_RECEIVERS} members at once, not {0}")]
    TooManyReceivers(usize),
    /// The giver was named.
    #[error("nobody gives props to themselves")]
    ToSelf,
    /// A bot was named.
    #[error("{0} is a bot")]
    ToBot(UserId),
    /// Somebody was named who is no member.
    #[error("{0} is no member")]
    ToStranger(UserId),
    /// There is no reason.
    #[error("props need a reason")]
    NoReason,
    /// The reason is longer than [`LONGEST_REASON`].
    #[error("the reason has {0} characters, of at most {LONGEST_REASON}")]
    ReasonTooLong(usize),
    /// A channel was named that is no text channel of the guild.
    #[error("{0} is no text channel here")]
    NoTextChannel(ChannelId),
}

/// What commands may ask for. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    store: Arc<Store>,
    writer: Writer,
    clock: Clock,
    progress: ProgressBoard,
}

impl Service {
    /// A facade over the store and its writer.
    pub fn new(store: Arc<Store>, writer: Writer, clock: Clock, progress: ProgressBoard) -> Self {
        Self {
            store,
            writer,
            clock,
            progress,
        }
    }

    /// Records props. They are durable when this returns; each receiver counts once.
    ///
    /// # Errors
    /// [`Refusal`] where the giver has to change something.
    pub async fn give_props(&self, wish: GiveProps) -> Result<Props, ServiceError> {
        let receivers: BTreeSet<UserId> = wish.receivers.iter().copied().collect();
        let reason = wish.reason.trim().to_owned();
        let length = reason.chars().count();
        if receivers.is_empty() {
            return Err(Refusal::NoReceivers.into());
        }
        if receivers.len() > MOST_RECEIVERS {
            return Err(Refusal::TooManyReceivers(receivers.len()).into());
        }
        if receivers.contains(&wish.giver.id) {
            return Err(Refusal::ToSelf.into());
        }
        if length == 0 {
            return Err(Refusal::NoReason.into());
        }
        if length > LONGEST_REASON {
            return Err(Refusal::ReasonTooLong(length).into());
        }
        let to = receivers.clone();
        self.ask(move |store| check_receivers(store, wish.guild_id, &to))
            .await?;
        let props = Props {
            id: wish.id,
            guild_id: wish.guild_id,
            channel_id: wish.channel_id,
            message_id: None,
            giver: wish.giver.id,
            receivers: receivers.into_iter().collect(),
            reason,
            origin: PropsOrigin::Command,
        };
        self.record(vec![
            Fact::User(wish.guild_id, wish.giver),
            Fact::Props(props.clone()),
        ])
        .await?;
        Ok(props)
    }

    /// How whole the mirror of a guild is, and what is being done about it.
    pub async fn sync_status(&self, guild: GuildId) -> Result<GuildStatus, ServiceError> {
        let progress = self.progress.look();
        self.ask(move |store| Ok(status::of_guild(store, guild, &progress)?))
            .await
    }

    /// The guild's settings.
    pub async fn settings(&self, guild: GuildId) -> Result<Settings, ServiceError> {
        self.ask(move |store| Ok(store.settings(guild)?)).await
    }

    /// Chooses the props channels; `None` for the default rule. Durable when this returns.
    ///
    /// # Errors
    /// [`Refusal::NoTextChannel`] for the first that is none.
    pub async fn set_props_channels(
        &self,
        guild: GuildId,
        channels: Option<BTreeSet<ChannelId>>,
    ) -> Result<Settings, ServiceError> {
        let chosen = channels.clone();
        let mut settings = self
            .ask(move |store| {
                for id in chosen.into_iter().flatten() {
                    let channel = store.channel(guild, id)?;
                    let channel = channel.as_ref().and_then(|it| it.state.now());
                    if !channel.is_some_and(|it| it.kind.has_messages() && !it.kind.is_thread()) {
                        return Err(Refusal::NoTextChannel(id).into());
                    }
                }
                Ok(store.settings(guild)?)
            })
            .await?;
        settings.props_channels = channels.map(|it| it.into_iter().collect());
        self.record(vec![Fact::Settings(settings.clone())]).await?;
        Ok(settings)
    }

    async fn record(&self, facts: Vec<Fact>) -> Result<(), ServiceError> {
        let at = self.clock.stamp();
        let seen = |fact| Observation {
            at,
            by: Evidence::Gateway,
            fact,
        };
        self.writer
            .write(facts.into_iter().map(seen).collect())
            .await?;
        Ok(())
    }

    /// Asks the store, off the async threads.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let store = Arc::clone(&self.store);
        let answer = tokio::task::spawn_blocking(move || question(&store)).await;
        // A question neither panics nor is cancelled, unless the process is ending.
        answer.unwrap_or(Err(ServiceError::Stopped(Stopped)))
    }
}

fn check_receivers(
    store: &Store,
    guild: GuildId,
    receivers: &BTreeSet<UserId>,
) -> Result<(), ServiceError> {
    // Until all members are known, somebody unknown may well be one.
    let all_known = store
        .synced(guild)?
        .iter()
        .any(|it| it.class == Class::Members);
    for id in receivers {
        match store.member(guild, *id)? {
            Some(member) if member.user.as_ref().is_some_and(|user| user.value.bot) => {
                return Err(Refusal::ToBot(*id).into());
            }
            Some(member) if member.presence.now().is_some() => {}
            Some(member) if member.presence.gone.is_none() && !all_known => {}
            None if !all_known => {}
            _ => return Err(Refusal::ToStranger(*id).into()),
        }
    }
    Ok(())
}
