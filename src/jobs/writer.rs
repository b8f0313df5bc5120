//! The one writer: merges observations into the store, many at a time.
//!
//! A disk makes a few hundred batches durable a second, and a batch of a hundred costs little more
//! than one of one. So what nobody waits for stays in memory until there are `ENOUGH` or
//! `PATIENCE` is over; what somebody waits for is written at once, with all that waits besides.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    model::{Observation, Pending},
    store::{Store, StoreError},
};

/// Groups of observations that make a batch worth writing.
const ENOUGH: usize = 100;
/// The most groups in a batch, taken where more are waiting already.
const MOST: usize = 1_000;
/// The longest that an observation waits to be written.
const PATIENCE: Duration = Duration::from_millis(100);
/// Groups that may wait for the writer; whoever sends more waits too.
const QUEUE: usize = 4_096;

/// The writer has stopped: the store failed, as the writer's own result tells, or the process is
/// shutting down.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the store's writer has stopped")]
pub struct Stopped;

struct Group {
    observations: Vec<Observation>,
    /// Told once the group is durable, with the lists of reactors that it showed to be missing.
    written: Option<oneshot::Sender<Vec<Pending>>>,
}

/// Sends observations to the writer, in order.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Group>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.observations.len())
    }
}

impl Writer {
    /// Hands observations over. They are durable after a later [`Self::write`] has returned.
    pub async fn send(&self, observations: Vec<Observation>) -> Result<(), Stopped> {
        let group = Group {
            observations,
            written: None,
        };
        self.queue.send(group).await.map_err(|_| Stopped)
    }

    /// Hands observations over and waits until they, and all that was handed over before, are
    /// durable. Returns the lists of reactors that they showed to be missing.
    pub async fn write(&self, observations: Vec<Observation>) -> Result<Vec<Pending>, Stopped> {
        let (written, done) = oneshot::channel();
        let group = Group {
            observations,
            written: Some(written),
        };
        self.queue.send(group).await.map_err(|_| Stopped)?;
        done.await.map_err(|_| Stopped)
    }
}

/// Starts the writer on a thread of its own.
///
/// It stops when every [`Writer`] is dropped and all they sent is durable, or at the first failure
/// of the store. The receiver then gets the result.
pub fn start(store: Arc<Store>) -> (Writer, oneshot::Receiver<Result<(), StoreError>>) {
    let (queue, groups) = mpsc::channel(QUEUE);
    let (stopped, result) = oneshot::channel();
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            let result = run(&store, groups);
            // Whoever hears of the end may open the store anew.
            drop(store);
            // Nobody listens any more only when the process is ending anyway.
            let _ = stopped.send(result);
        })
        .expect("the system can start one more thread");
    (Writer { queue }, result)
}

fn run(store: &Store, mut groups: mpsc::Receiver<Group>) -> Result<(), StoreError> {
    while let Some(first) = groups.blocking_recv() {
        let mut batch = vec![first];
        fill(&mut batch, &mut groups);
        let (observations, waiting): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|group| (group.observations, group.written))
            .unzip();
        let missing = store.merge(&observations)?;
        for (waiting, missing) in waiting.into_iter().zip(missing) {
            if let Some(waiting) = waiting {
                // Who stopped waiting does not need the answer.
                let _ = waiting.send(missing);
            }
        }
    }
    Ok(())
}

/// Takes what is there, and waits for more while nobody waits for what was taken.
fn fill(batch: &mut Vec<Group>, groups: &mut mpsc::Receiver<Group>) {
    let begun = Instant::now();
    let mut awaited = batch.iter().any(|group| group.written.is_some());
    while batch.len() < MOST {
        match groups.try_recv() {
            Ok(group) => {
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
