//! The only writer: merges observations into the store in batches.
//!
//! A disk makes a few hundred batches durable per second, and a batch of a hundred groups costs
//! little more than one of a single group. So groups stay in memory until there are `ENOUGH` or
//! `PATIENCE` is over. Once a caller waits for a group, it is written at once with everything else
//! that is queued.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use propsbot_mirror::{Ending, IDLE, Pulse};
use propsbot_model::{Fact, GuildEmoji, Message, Observation, Pending, Reason, User};
use propsbot_store::{Store, StoreError};
use tracing::{error, info};

/// Groups of observations that make a batch worth writing.
const ENOUGH: usize = 100;
/// The maximum number of groups in a batch.
const MOST: usize = 1_000;
/// How long an observation may wait to be written.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many bytes a batch may have before no more is added. The store takes up to 70 times as many until the batch is
/// written.
const MOST_BYTES: usize = 1 << 20;
/// Bytes that may be queued. Senders wait for room.
const QUEUE: u32 = 32 << 20;
/// How long to wait before another look at a full disk.
const NO_ROOM: Duration = Duration::from_secs(1);

struct Group {
    observations: Vec<Observation>,
    /// Approximate size in memory.
    bytes: usize,
    /// Its room in the queue, released once it is written.
    room: OwnedSemaphorePermit,
    /// Notified once the group is durable, with the reactor lists that it found to be missing.
    written: Option<oneshot::Sender<Vec<Pending>>>,
}

/// Sends observations to the writer, in order.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Group>,
    /// The free bytes of the queue.
    room: Arc<Semaphore>,
    signals: WriterSignals,
}

/// How the writer is. Clones share it and don't keep the writer running.
#[derive(Clone, Debug)]
pub struct WriterSignals {
    /// Beats with each batch, and while there is nothing to write or no room to write to.
    pub pulse: Pulse,
    is_disk_full: Arc<AtomicBool>,
    room: Arc<Semaphore>,
}

impl WriterSignals {
    fn new(room: &Arc<Semaphore>) -> Self {
        Self {
            pulse: Pulse::default(),
            is_disk_full: Arc::default(),
            room: Arc::clone(room),
        }
    }

    /// Whether the writer waits for room on the disk.
    pub fn is_disk_full(&self) -> bool {
        self.is_disk_full.load(Ordering::Relaxed)
    }

    /// How many bytes are queued.
    pub fn queued_bytes(&self) -> u64 {
        u64::from(QUEUE).saturating_sub(self.room.available_permits() as u64)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.observations.len())
    }
}

/// Fails once the writer has stopped: the process is ending, or the store failed, which the writer's own
/// result reports.
impl Writer {
    /// Queues observations. They are durable once a later [`Self::write`] returns.
    pub async fn send(&self, observations: Vec<Observation>) -> Result<(), Ending> {
        self.hand_over(observations, None).await
    }

    /// Queues observations and waits until they and everything queued before are durable. Returns
    /// the reactor lists that they found to be missing.
    pub async fn write(&self, observations: Vec<Observation>) -> Result<Vec<Pending>, Ending> {
        let (written, done) = oneshot::channel();
        self.hand_over(observations, Some(written)).await?;
        done.await.map_err(|_| Ending)
    }

    pub fn signals(&self) -> WriterSignals {
        self.signals.clone()
    }

    /// Waits for room, in order.
    async fn hand_over(
        &self,
        observations: Vec<Observation>,
        written: Option<oneshot::Sender<Vec<Pending>>>,
    ) -> Result<(), Ending> {
        let bytes = observations.iter().map(size).sum();
        // A group larger than the queue takes all of it.
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(QUEUE);
        let room = Arc::clone(&self.room).acquire_many_owned(wanted).await;
        let group = Group {
            observations,
            bytes,
            room: room.map_err(|_| Ending)?,
            written,
        };
        self.queue.send(group).map_err(|_| Ending)
    }
}

/// Starts the writer on its own thread.
///
/// It stops when every [`Writer`] is dropped and everything queued is durable, or at the first
/// failure of the store. The receiver then gets the result.
pub fn start(store: Arc<Store>) -> (Writer, oneshot::Receiver<Result<(), StoreError>>) {
    let (queue, groups) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(QUEUE.try_into().unwrap_or(usize::MAX)));
    let closing = Arc::clone(&room);
    let signals = WriterSignals::new(&room);
    let writer = Writer {
        queue,
        room,
        signals: signals.clone(),
    };
    let (stopped, result) = oneshot::channel();
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            let result = run(&store, groups, &signals);
            // Fails the senders that wait for room.
            closing.close();
            // The receiver of the result may open the store again, so it is closed first.
            drop(store);
            // The receiver is dropped only when the process is ending.
            let _ = stopped.send(result);
        })
        .expect("the system can start one more thread");
    (writer, result)
}

/// Wakes the writer's thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a group, and beats meanwhile; `None` once every sender is gone.
fn next(groups: &mut mpsc::UnboundedReceiver<Group>, pulse: &Pulse) -> Option<Group> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        pulse.beat();
        match groups.poll_recv(&mut Context::from_waker(&waker)) {
            Poll::Ready(group) => return group,
            Poll::Pending => thread::park_timeout(IDLE),
        }
    }
}

fn run(
    store: &Store,
    mut groups: mpsc::UnboundedReceiver<Group>,
    signals: &WriterSignals,
) -> Result<(), StoreError> {
    while let Some(first) = next(&mut groups, &signals.pulse) {
        let mut batch = vec![first];
        fill(&mut batch, &mut groups);
        let mut rooms = Vec::with_capacity(batch.len());
        let (observations, waiting): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|group| {
                rooms.push(group.room);
                (group.observations, group.written)
            })
            .unzip();
        let missing = merge(store, &observations, &groups, signals)?;
        drop((observations, rooms));
        for (waiting, missing) in waiting.into_iter().zip(missing) {
            if let Some(waiting) = waiting {
                // The sender may have stopped waiting.
                let _ = waiting.send(missing);
            }
        }
    }
    Ok(())
}

/// Merges the observations. Waits while the disk is full, unless the process is ending.
fn merge(
    store: &Store,
    observations: &[Vec<Observation>],
    groups: &mpsc::UnboundedReceiver<Group>,
    signals: &WriterSignals,
) -> Result<Vec<Vec<Pending>>, StoreError> {
    loop {
        match store.merge(observations) {
            Err(full @ StoreError::Full { .. }) if !groups.is_closed() => {
                if !signals.is_disk_full.swap(true, Ordering::Relaxed) {
                    error!("nothing is stored until there is room: {full}");
                }
                signals.pulse.beat();
                thread::sleep(NO_ROOM);
            }
            merged => {
                if merged.is_ok() && signals.is_disk_full.swap(false, Ordering::Relaxed) {
                    info!("the disk has room again; what waited is being stored");
                }
                return merged;
            }
        }
    }
}

/// Adds queued groups to the batch, and waits for more as long as no caller waits for the batch.
fn fill(batch: &mut Vec<Group>, groups: &mut mpsc::UnboundedReceiver<Group>) {
    let begun = Instant::now();
    let mut awaited = batch.iter().any(|group| group.written.is_some());
    let mut bytes: usize = batch.iter().map(|group| group.bytes).sum();
    while batch.len() < MOST && bytes < MOST_BYTES {
        match groups.try_recv() {
            Ok(group) => {
                bytes += group.bytes;
                awaited |= group.written.is_some();
                batch.push(group);
            }
            Err(mpsc::error::TryRecvError::Empty)
                if !awaited && batch.len() < ENOUGH && begun.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return,
        }
    }
}

/// Approximate bytes of memory that an observation takes.
fn size(of: &Observation) -> usize {
    const ID: usize = 16;
    let more = match &of.fact {
        Fact::Posted(message) | Fact::Message(message) => message_size(message),
        Fact::Page(page) => page
            .messages
            .iter()
            .map(|paged| {
                let users = paged.author.iter().chain(&paged.mentioned).map(user_size);
                let counts = paged.counts.len() * 100;
                size_of_val(paged) + message_size(&paged.message) + users.sum::<usize>() + counts
            })
            .sum(),
        Fact::Member(_, user, presence) => {
            let nick = presence.nick.as_ref().map_or(0, String::len);
            user_size(user) + presence.roles.len() * 8 + nick
        }
        Fact::User(_, user) => user_size(user),
        Fact::Reactors { users, .. } => users.iter().map(user_size).sum(),
        Fact::AllMembers(_, ids) | Fact::AllInterested(_, _, ids) => ids.len() * ID,
        Fact::AllRoles(_, ids) => ids.len() * ID,
        Fact::Event(.., details) => details.name.len(),
        Fact::Channel(channel) => channel.overwrites.len() * 32 + channel.name.len(),
        Fact::AllEmojis(_, emojis) => emojis.iter().map(emoji_size).sum(),
        Fact::Emoji(emoji) => emoji_size(emoji),
        Fact::Guild(guild) => guild.name.len(),
        Fact::Role(role) => role.name.len(),
        Fact::Props(props) => props.reason.len() + props.receivers.len() * ID,
        Fact::Failed(_, _, Reason::Other(reason)) | Fact::Refused(_, _, Reason::Other(reason)) => {
            reason.len()
        }
        Fact::AdminAction(action) => action.what.len(),
        // The rest holds a few ids and numbers, or comes from the bot itself.
        Fact::GuildGone(_)
        | Fact::ChannelGone(..)
        | Fact::RoleGone(..)
        | Fact::MemberGone(..)
        | Fact::MessageGone(..)
        | Fact::Reacted(_)
        | Fact::Unreacted(_)
        | Fact::ReactionsCleared(..)
        | Fact::Settings(_)
        | Fact::SettingsChanged(..)
        | Fact::Privacy(_)
        | Fact::Hushed(..)
        | Fact::PropsHushed(..)
        | Fact::Forget(..)
        | Fact::Registered(_)
        | Fact::Recap(_)
        | Fact::Link(_)
        | Fact::EventGone(..)
        | Fact::Interest(..)
        | Fact::SessionLost(..)
        | Fact::Disconnected(..)
        | Fact::Connected(_)
        | Fact::Noted(..)
        | Fact::Unseen(..)
        | Fact::LookedBack(..)
        | Fact::Live(..)
        | Fact::ArchivedThreads { .. }
        | Fact::Scrubbed(..)
        | Fact::OlderUnseen(..)
        | Fact::RecheckBegun(_)
        | Fact::Reread(..)
        | Fact::Rechecked(..)
        | Fact::RecheckEnded(..)
        | Fact::Synced(..)
        | Fact::GuildChosen(_)
        | Fact::Failed(..)
        | Fact::Refused(..)
        | Fact::Settled(..) => 0,
    };
    size_of_val(of) + more
}

fn emoji_size(emoji: &GuildEmoji) -> usize {
    size_of_val(emoji) + emoji.name.as_ref().map_or(0, String::len)
}

fn message_size(message: &Message) -> usize {
    message.content.len() + (message.mentions.len() + message.earlier.len()) * 16
}

fn user_size(user: &User) -> usize {
    let display = user.global_name.as_ref().map_or(0, String::len);
    size_of_val(user) + user.username.len() + display
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use propsbot_model::{Evidence, GuildId, Presence, Stamp, Unread, UserId};

    fn user(name: String) -> Observation {
        let user = User {
            id: UserId(1),
            username: name,
            global_name: None,
            discriminator: None,
            bot: false,
            system: false,
            unread: Unread::default(),
        };
        Observation {
            at: Stamp(1),
            by: Evidence::Rest,
            fact: Fact::User(GuildId(1), user),
        }
    }

    #[test]
    fn nicknames_count() {
        let nick = "x".repeat(30_000);
        let presence = Presence {
            nick: Some(nick),
            roles: Vec::new(),
            joined_at: None,
            unread: Unread::default(),
        };
        let mut seen = user(String::new());
        let Fact::User(guild, user) = seen.fact else {
            unreachable!("it is a user");
        };
        seen.fact = Fact::Member(guild, user, presence);
        assert!(size(&seen) > 30_000);
    }

    #[test]
    fn the_queue_is_bounded_in_bytes() {
        let (queue, mut groups) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(QUEUE.try_into().unwrap()));
        let signals = WriterSignals::new(&room);
        let writer = Writer {
            queue,
            room,
            signals,
        };
        let send = |size: usize| {
            let sent = writer.send(vec![user("x".repeat(size))]).now_or_never();
            sent.is_some()
        };
        let taken = (0..100).take_while(|_| send(1 << 20)).count();
        assert!((20..=32).contains(&taken), "{taken}");
        while groups.try_recv().is_ok() {}
        assert!(
            send(100 << 20),
            "what is larger than the queue passes alone"
        );
        assert!(!send(1));
        drop(groups.try_recv());
        assert!(send(1));
    }
}
