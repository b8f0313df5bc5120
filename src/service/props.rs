//! Giving props: who can give them, how often, and where they are posted.
//!
//! The record is durable before the message is posted. It's stored under the id of the command's run, so
//! a repeated run makes no second record. Props count only once their message is seen: props that
//! couldn't be posted don't count, and a lost answer costs nothing, because the message names its run.

use std::collections::BTreeSet;

use super::{
    LONGEST_MESSAGE, LONGEST_REASON, MOST_RECEIVERS, PATIENCE, Refusal, Service, ServiceError,
    limits::{Others, PendingProps, check_limits},
    reason,
};
use propsbot_discord::RestError;
use propsbot_jobs::check::lacking;
use propsbot_model::{
    Answer, Channel, ChannelId, ChannelKind, Class, Fact, GuildId, InteractionId, MessageId,
    Millis, Props, PropsOrigin, RoleId, User, UserId, permissions, props_answer,
};
use propsbot_store::{Store, StoreError};

/// Discord's code for "Unknown Channel".
const UNKNOWN_CHANNEL: u64 = 10_003;

#[derive(Clone, Debug)]
pub struct GiveProps {
    /// The command's run; for a form, the run that opened it.
    pub id: InteractionId,
    pub guild_id: GuildId,
    pub channel_id: ChannelId,
    pub giver: User,
    pub roles: Vec<RoleId>,
    /// The receivers, as typed.
    pub receivers: Vec<UserId>,
    /// The reason, as typed.
    pub reason: String,
    pub about: Option<(ChannelId, MessageId)>,
    /// The run of the submitted form, which Discord names in the answer's message.
    pub form: Option<InteractionId>,
}

impl GiveProps {
    /// The run that gives props: the command's, or the submitted form's.
    pub(super) fn run(&self) -> InteractionId {
        self.form.unwrap_or(self.id)
    }

    pub(super) fn at(&self) -> Millis {
        self.run().created_at()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the command's answer, in its channel.
    Here(ChannelId),
    /// In one of the guild's props channels.
    Elsewhere(ChannelId),
}

impl Place {
    pub fn channel(self) -> ChannelId {
        let (Self::Here(channel) | Self::Elsewhere(channel)) = self;
        channel
    }
}

/// The outcome of giving props.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The answer has to show this text to everyone and ping the receivers.
    SayHere {
        /// The run under which the props are recorded.
        run: InteractionId,
        text: String,
        receivers: Vec<UserId>,
    },
    /// The props were posted in another channel.
    Posted(ChannelId, MessageId),
    Already,
}

impl Service {
    /// Where to post props that this member gives in this channel: right there if it's a props channel or
    /// a thread of one, or if none is chosen; else in the first chosen props channel where the bot can post.
    /// In either case, only where the giver can post, too.
    ///
    /// # Errors
    /// [`Refusal`] if the giver or the bot can't post in any of the props channels.
    pub async fn props_place(
        &self,
        guild: GuildId,
        here: ChannelId,
        giver: UserId,
        roles: &[RoleId],
    ) -> Result<Place, ServiceError> {
        let (bot, roles) = (self.parts.bot, roles.to_vec());
        self.ask(move |store| {
            let lacked_by_giver = |channel: &Channel| {
                let asked = store.with_permissions_in(guild, channel, |permissions| {
                    let bits = permissions.of_member(giver, &roles, channel);
                    lacking(bits, &needed_to_post(channel))
                });
                asked.map(Option::unwrap_or_default)
            };
            let known = store.channel(guild, here)?;
            let missing = match known.as_ref().and_then(|part| part.state.now()) {
                Some(channel) => lacked_by_giver(channel)?,
                // If it's unknown, Discord decides.
                None => Vec::new(),
            };
            let may_post_here = missing.is_empty();
            let refused_here = Refusal::GiverCannotPost {
                channel: here,
                missing,
            };
            let chosen = store.settings(guild)?.props_channels;
            let is_props_channel = chosen.is_none() || store.is_props_channel(guild, here)?;
            if is_props_channel && may_post_here {
                return Ok(Place::Here(here));
            }
            let mut refusal = is_props_channel.then_some(refused_here.clone());
            let chosen = chosen.unwrap_or_default();
            for (id, channel) in posting_places(store, guild, &chosen)? {
                let Some(channel) = channel else {
                    refusal = refusal.or(Some(Refusal::ChannelGone(id)));
                    continue;
                };
                let missing = lacked_by_giver(&channel)?;
                if missing.is_empty() {
                    match check_may_post(store, guild, bot, id) {
                        Ok(()) => return Ok(Place::Elsewhere(id)),
                        // The most specific refusal for the giver.
                        Err(ServiceError::Refused(other)) => refusal = Some(other),
                        Err(error) => return Err(error),
                    }
                } else if !matches!(refusal, Some(Refusal::CannotPost { .. })) {
                    refusal = Some(Refusal::GiverCannotPost {
                        channel: id,
                        missing,
                    });
                }
            }
            match refusal {
                Some(refusal) => Err(refusal.into()),
                None if may_post_here => Ok(Place::Here(here)),
                None => Err(refused_here.into()),
            }
        })
        .await
    }

    /// Checks whether this giver can thank these receivers, without giving props.
    ///
    /// # Errors
    /// [`Refusal`] if they can't.
    pub async fn check_receivers(
        &self,
        guild: GuildId,
        giver: UserId,
        receivers: &[UserId],
    ) -> Result<(), ServiceError> {
        let receivers: BTreeSet<UserId> = receivers.iter().copied().collect();
        if receivers.contains(&giver) {
            return Err(Refusal::ToSelf.into());
        }
        self.ask(move |store| check_receivers(store, guild, &receivers))
            .await
    }

    /// Records props, and posts them unless that's the answer's task. They are durable when this returns;
    /// each receiver counts once. If the answer then can't be posted, call [`Self::not_said`].
    ///
    /// # Errors
    /// [`Refusal`] if no props were given.
    /// [`ServiceError::Discord`] if they may have been posted; if they were, they count.
    pub async fn give_props(
        &self,
        mut wish: GiveProps,
        place: Place,
    ) -> Result<Given, ServiceError> {
        let reason = reason::clean(&wish.reason).unwrap_or_default();
        let receivers = check(&wish, &reason)?;
        let (channel, opened) = (place.channel(), wish.id);
        if let Some(form) = wish.form
            && let Some(before) = self
                .ask(move |store| props_of(store, channel, opened))
                .await?
            && before.withdrawn.is_some()
            && before.message_id.is_none()
        {
            // The same form's earlier props couldn't be posted: it's submitted again.
            wish.id = form;
        }
        let entry = PendingProps {
            id: wish.id,
            guild_id: wish.guild_id,
            giver: wish.giver.id,
            receivers: receivers.iter().copied().collect(),
            run: wish.run(),
        };
        let Some((flying, others)) = self.in_flight.begin(entry) else {
            return Ok(Given::Already);
        };
        if let (Place::Elsewhere(_), Some(wait)) = (place, self.parts.sender.paused())
            && wait > PATIENCE
        {
            return Err(Refusal::Paused(wait).into());
        }
        let (bot, asked) = (self.parts.bot, wish.clone());
        let to = receivers.clone();
        let checked = self
            .ask(move |store| allow(store, bot, &asked, &to, place, &others))
            .await?;
        let Allowed::New { shown } = checked else {
            return Ok(Given::Already);
        };
        let mut said = Vec::new();
        for id in &wish.receivers {
            if !said.contains(id) {
                said.push(*id);
            }
        }
        let told_otherwise = wish.form.is_some() || matches!(place, Place::Elsewhere(_));
        let answer = Answer {
            giver: wish.giver.id,
            receivers: said.clone(),
            reason: reason.clone(),
            about: wish.about,
            run: told_otherwise.then_some((shown, wish.id)),
        };
        let text = props_answer(wish.guild_id, &answer);
        if text.chars().count() > LONGEST_MESSAGE {
            return Err(Refusal::MessageTooLong.into());
        }
        let props = Props {
            id: wish.id,
            guild_id: wish.guild_id,
            channel_id: place.channel(),
            message_id: None,
            giver: wish.giver.id,
            receivers: receivers.into_iter().collect(),
            reason,
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: wish.about,
        };
        self.record(vec![
            Fact::User(wish.guild_id, wish.giver),
            Fact::Props(props.clone()),
        ])
        .await?;
        match place {
            Place::Here(_) => {
                flying.said();
                Ok(Given::SayHere {
                    run: props.id,
                    text,
                    receivers: said,
                })
            }
            Place::Elsewhere(channel) => {
                let given = self.post_props(props, channel, &text, &said).await;
                if !matches!(given, Err(ServiceError::Refused(_))) {
                    flying.said();
                }
                given
            }
        }
    }

    async fn post_props(
        &self,
        mut props: Props,
        channel: ChannelId,
        text: &str,
        pinged: &[UserId],
    ) -> Result<Given, ServiceError> {
        let posting = self.parts.sender.post(channel, text, pinged, props.id);
        let error = match posting.await {
            Ok(message) => {
                props.message_id = Some(message);
                self.record(vec![Fact::Props(props)]).await?;
                return Ok(Given::Posted(channel, message));
            }
            Err(error) => error,
        };
        let Some(refusal) = refusal(&error, channel) else {
            // It may have been posted; then its message names the run, and it counts.
            return Err(error.into());
        };
        tracing::warn!(%error, "props were not posted");
        self.withdraw(props).await?;
        Err(refusal.into())
    }

    /// Withdraws props whose message Discord refused. No one saw them, so they use no quota.
    pub async fn not_said(&self, place: Place, id: InteractionId) -> Result<(), ServiceError> {
        let channel = place.channel();
        self.in_flight.not_said(id);
        let given = self.ask(move |store| props_of(store, channel, id)).await?;
        match given {
            Some(props) => self.withdraw(props).await,
            None => Ok(()),
        }
    }

    async fn withdraw(&self, mut props: Props) -> Result<(), ServiceError> {
        props.withdrawn = Some(self.parts.clock.stamp().millis());
        self.record(vec![Fact::Props(props)]).await
    }
}

/// The refusal for a message that Discord refused; `None` if it may have been posted anyway.
fn refusal(error: &RestError, channel: ChannelId) -> Option<Refusal> {
    match error {
        RestError::NotFound {
            code: UNKNOWN_CHANNEL,
            ..
        } => Some(Refusal::ChannelGone(channel)),
        RestError::Forbidden { .. } => Some(Refusal::CannotPost {
            channel,
            missing: Vec::new(),
        }),
        RestError::NotFound { .. }
        | RestError::Rejected { .. }
        | RestError::Limited { .. }
        | RestError::TooManyRefused { .. }
        | RestError::BadToken
        | RestError::Failing {
            // The error page of a proxy: Discord never got the request.
            status: ..500,
            ..
        } => Some(Refusal::NotPosted(channel)),
        _ => None,
    }
}

/// The props that this run gave in this guild.
fn props_of(
    store: &Store,
    channel: ChannelId,
    run: InteractionId,
) -> Result<Option<Props>, ServiceError> {
    Ok(store.props(channel, run.0..=run.0).next().transpose()?)
}

/// The checks that need neither the store nor Discord.
fn check(wish: &GiveProps, reason: &str) -> Result<BTreeSet<UserId>, Refusal> {
    let receivers: BTreeSet<UserId> = wish.receivers.iter().copied().collect();
    let length = reason.chars().count();
    if receivers.is_empty() {
        Err(Refusal::NoReceivers)
    } else if receivers.len() > MOST_RECEIVERS {
        Err(Refusal::TooManyReceivers(receivers.len()))
    } else if receivers.contains(&wish.giver.id) {
        Err(Refusal::ToSelf)
    } else if length == 0 {
        Err(Refusal::NoReason)
    } else if length > LONGEST_REASON {
        Err(Refusal::ReasonTooLong(length))
    } else {
        Ok(receivers)
    }
}

/// The channels among these where props can be posted, in order; `None` for a deleted one. A category
/// stands for its channels.
fn posting_places(
    store: &Store,
    guild: GuildId,
    chosen: &[ChannelId],
) -> Result<Vec<(ChannelId, Option<Channel>)>, StoreError> {
    let parts = store.channels(guild)?;
    let channels = || parts.iter().filter_map(|part| part.state.now());
    let mut places = Vec::new();
    for id in chosen {
        match channels().find(|channel| channel.id == *id) {
            Some(category) if category.kind == ChannelKind::CATEGORY => {
                let mut inside: Vec<&Channel> = channels()
                    .filter(|channel| channel.parent_id == Some(*id) && channel.kind.has_messages())
                    .collect();
                inside.sort_by_key(|channel| (channel.position, channel.id));
                let inside = inside.into_iter().cloned();
                places.extend(inside.map(|channel| (channel.id, Some(channel))));
            }
            Some(channel) if !channel.kind.has_messages() => {}
            known => places.push((*id, known.cloned())),
        }
    }
    Ok(places)
}

/// The store's verdict on props.
enum Allowed {
    Already,
    /// They can be given; with the channel whose name can be shown beside them.
    New {
        shown: ChannelId,
    },
}

fn allow(
    store: &Store,
    bot: UserId,
    wish: &GiveProps,
    receivers: &BTreeSet<UserId>,
    place: Place,
    others: &Others,
) -> Result<Allowed, ServiceError> {
    let guild = wish.guild_id;
    if props_of(store, place.channel(), wish.id)?.is_some() {
        return Ok(Allowed::Already);
    }
    check_receivers(store, guild, receivers)?;
    let settings = store.settings(guild)?;
    let roles = &settings.giver_roles;
    let everyone = roles.is_empty() || roles.contains(&RoleId(guild.0));
    if !everyone && !wish.roles.iter().any(|role| roles.contains(role)) {
        return Err(Refusal::NotAGiver(roles.clone()).into());
    }
    check_limits(store, &settings, wish, receivers, others)?;
    if let Place::Elsewhere(channel) = place {
        check_may_post(store, guild, bot, channel)?;
    }
    Ok(Allowed::New {
        shown: shown(store, guild, wish.channel_id, place)?,
    })
}

fn check_receivers(
    store: &Store,
    guild: GuildId,
    receivers: &BTreeSet<UserId>,
) -> Result<(), ServiceError> {
    // Until all members are known, an unknown user may be one.
    let all_known = store
        .synced(guild)?
        .iter()
        .any(|synced| synced.class == Class::Members);
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

/// The permissions needed to post in a channel, with their names in Discord's settings.
pub(super) fn needed_to_post(channel: &Channel) -> Vec<(u64, &'static str)> {
    let send = if channel.is_thread() {
        (
            permissions::SEND_MESSAGES_IN_THREADS,
            "Send Messages in Threads",
        )
    } else {
        (permissions::SEND_MESSAGES, "Send Messages")
    };
    vec![(permissions::VIEW_CHANNEL, "View Channel"), send]
}

fn check_may_post(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    channel: ChannelId,
) -> Result<(), ServiceError> {
    let part = store.channel(guild, channel)?;
    let Some(known) = part.as_ref().and_then(|channel| channel.state.now()) else {
        return Err(Refusal::ChannelGone(channel).into());
    };
    // If it's unknown, Discord decides.
    let bits = store.bits_of(guild, bot, known)?.unwrap_or(u64::MAX);
    let missing = lacking(bits, &needed_to_post(known));
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Refusal::CannotPost { channel, missing }.into())
    }
}

/// The channel to link beside props: where they were given, if everyone can see it.
fn shown(
    store: &Store,
    guild: GuildId,
    here: ChannelId,
    place: Place,
) -> Result<ChannelId, StoreError> {
    Ok(if store.everyone_reads(guild, here)? {
        here
    } else {
        place.channel()
    })
}
