//! Meetings that members begin, attend and end with commands. Each is a message of the bot, which the
//! meetings plugin reads like any other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Mutex as AsyncMutex;

use super::{LONGEST_MESSAGE, Refusal, Service, ServiceError, recap::needed_to_keep};
use propsbot_jobs::check::lacking;
use propsbot_model::{ChannelId, GuildId, InteractionId, Meeting, MessageId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// How many hosts a meeting has at most.
const MOST_HOSTS: usize = 10;

/// How long a meeting lasts at most, if nobody ends it.
const LONGEST_MS: i64 = 12 * 3_600_000;

/// Who does something with the meeting in a channel.
#[derive(Clone, Copy, Debug)]
pub struct InMeeting {
    /// The command's run, which tells when.
    pub run: InteractionId,
    pub guild_id: GuildId,
    pub channel_id: ChannelId,
    pub user_id: UserId,
    /// Whether they can manage the server.
    pub is_admin: bool,
    /// Whether they can write in the channel.
    pub may_post: bool,
}

/// The running meeting of each channel, as far as this process knows it. Whoever changes a meeting holds its
/// channel's lock, so that no change is lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Meetings(Arc<Mutex<BTreeMap<ChannelId, Slot>>>);

/// The message of a channel's running meeting.
type Slot = Arc<AsyncMutex<Option<MessageId>>>;

impl Meetings {
    fn of(&self, channel: ChannelId) -> Slot {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(channel).or_default())
    }
}

impl Service {
    /// Begins a meeting in the channel, hosted by the member and these others; returns its message.
    ///
    /// # Errors
    /// [`Refusal`] if one is running there, if the bot or the member can't post there, or there are too many hosts.
    pub async fn begin_meeting(
        &self,
        by: InMeeting,
        others: &[UserId],
    ) -> Result<MessageId, ServiceError> {
        if !by.may_post {
            return Err(Refusal::StarterCannotPost.into());
        }
        if others.len() >= MOST_HOSTS {
            return Err(Refusal::TooManyHosts(MOST_HOSTS).into());
        }
        let slot = self.meetings.of(by.channel_id);
        let mut known = slot.lock().await;
        if self.running(by, *known).await?.is_some() {
            return Err(Refusal::MeetingRunning.into());
        }
        let (bot, guild, channel) = (self.parts.bot, by.guild_id, by.channel_id);
        self.ask(move |store| check_place(store, guild, bot, channel))
            .await?;
        let mut meeting = Meeting {
            hosts: vec![by.user_id],
            notes: Vec::new(),
            participants: vec![by.user_id],
            begun: by.run.created_at(),
            ended: None,
        };
        for other in others {
            if meeting.join(&[*other]) {
                meeting.hosts.push(*other);
            }
        }
        let text = text(&meeting)?;
        let message = self.parts.sender.post(channel, &text, &[], by.run).await?;
        *known = Some(message);
        // Mentions its hosts, as the change of a message does without pinging them.
        self.rewrite(channel, message, &meeting).await?;
        Ok(message)
    }

    /// Adds the member to those who are at the channel's meeting; returns its message.
    ///
    /// # Errors
    /// [`Refusal`] if none is running there, or its list is full.
    pub async fn attend_meeting(&self, by: InMeeting) -> Result<MessageId, ServiceError> {
        let slot = self.meetings.of(by.channel_id);
        let mut known = slot.lock().await;
        let (message, mut meeting) = self.running_here(by, &mut known).await?;
        if meeting.join(&[by.user_id]) {
            self.rewrite(by.channel_id, message, &meeting).await?;
        }
        Ok(message)
    }

    /// Ends the channel's meeting, and notes who took notes; returns its message.
    ///
    /// # Errors
    /// [`Refusal`] if none is running there, its list is full, or the member neither hosts it nor is an admin.
    pub async fn end_meeting(
        &self,
        by: InMeeting,
        notes: &[UserId],
    ) -> Result<(MessageId, Meeting), ServiceError> {
        let slot = self.meetings.of(by.channel_id);
        let mut known = slot.lock().await;
        let (message, mut meeting) = self.running_here(by, &mut known).await?;
        if !by.is_admin && !meeting.hosts.contains(&by.user_id) {
            return Err(Refusal::NotTheHost(meeting.hosts).into());
        }
        meeting.join(notes);
        meeting.notes = notes.to_vec();
        meeting.ended = Some(by.run.created_at());
        self.rewrite(by.channel_id, message, &meeting).await?;
        *known = None;
        Ok((message, meeting))
    }

    async fn running_here(
        &self,
        by: InMeeting,
        known: &mut Option<MessageId>,
    ) -> Result<(MessageId, Meeting), ServiceError> {
        let running = self.running(by, *known).await?;
        *known = running.as_ref().map(|(message, _)| *message);
        running.ok_or_else(|| Refusal::NoMeeting.into())
    }

    /// The meeting that runs in the channel, as Discord has it now. `known` is its message, if this process
    /// began it.
    async fn running(
        &self,
        by: InMeeting,
        known: Option<MessageId>,
    ) -> Result<Option<(MessageId, Meeting)>, ServiceError> {
        let (channel, bot, now) = (by.channel_id, self.parts.bot, by.run.created_at());
        let found = match known {
            Some(known) => Some(known),
            None => {
                self.ask(move |store| Ok(latest(store, channel, bot, now)?))
                    .await?
            }
        };
        let Some(message) = found else {
            return Ok(None);
        };
        let asked = self.parts.discord.message(by.guild_id, channel, message);
        let meeting = asked
            .await?
            .and_then(|paged| Meeting::read(&paged.message.content));
        let meeting = meeting.filter(|meeting| is_running(meeting, now));
        Ok(meeting.map(|meeting| (message, meeting)))
    }

    /// Changes a meeting's message. Nobody is pinged by a change.
    async fn rewrite(
        &self,
        channel: ChannelId,
        message: MessageId,
        meeting: &Meeting,
    ) -> Result<(), ServiceError> {
        let text = text(meeting)?;
        let named = &meeting.participants;
        let changing = self.parts.sender.change(channel, message, &text, named);
        Ok(changing.await?)
    }
}

fn text(meeting: &Meeting) -> Result<String, Refusal> {
    let text = meeting.text();
    if text.chars().count() > LONGEST_MESSAGE {
        return Err(Refusal::MeetingFull);
    }
    Ok(text)
}

fn is_running(meeting: &Meeting, now: Millis) -> bool {
    meeting.ended.is_none() && now.0 - meeting.begun.0 < LONGEST_MS
}

/// The latest meeting in a channel that the store knows and that isn't over.
fn latest(
    store: &Store,
    channel: ChannelId,
    bot: UserId,
    now: Millis,
) -> Result<Option<MessageId>, StoreError> {
    let ids = MessageId::at(Millis(now.0 - LONGEST_MS)).0..=u64::MAX;
    for state in store.messages(channel, ids).rev() {
        let state = state?;
        let message = state.message().filter(|message| message.author.id == bot);
        let meeting = message.and_then(|message| Meeting::read(&message.content));
        if meeting.is_some_and(|meeting| is_running(&meeting, now)) {
            return Ok(Some(state.id));
        }
    }
    Ok(None)
}

/// Whether the bot can post in the channel and read back what it posts.
fn check_place(
    store: &Store,
    guild: GuildId,
    bot: UserId,
    id: ChannelId,
) -> Result<(), ServiceError> {
    let part = store.channel(guild, id)?;
    let Some(channel) = part.as_ref().and_then(|part| part.state.now()) else {
        return Err(Refusal::NoChannel(id).into());
    };
    if channel.is_thread() {
        return Err(Refusal::MeetingInThread.into());
    }
    // If it's unknown, Discord decides.
    let bits = store.bits_of(guild, bot, channel)?.unwrap_or(u64::MAX);
    let missing = lacking(bits, &needed_to_keep(channel));
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Refusal::NoMeetingHere(missing).into())
    }
}
