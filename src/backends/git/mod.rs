//! An archive on a branch of a git repository, on any host that the `git` program reaches.
//!
//! Every export is one commit that is pushed only if the branch is still where it was looked at
//! (`--force-with-lease`). If the answer to a push is lost, the branch shows whether it was made.
//!
//! `place` says where it is. `program` runs git in an `environment`, `error` interprets what it says.
//! `scratch` and `repository` have the local copy; `objects` and `head` read it, `spool` and `commit` make
//! commits. `write` orders the steps.

mod commit;
mod environment;
mod error;
mod head;
mod objects;
mod place;
mod program;
mod repository;
mod scratch;
mod site;
mod spool;
mod write;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::{BoxStream, poll_fn};
use tokio::{sync::mpsc, time::sleep};

use self::{
    environment::Environment,
    error::Tries,
    objects::Found,
    program::{Git, Running, STALL, StopOnDrop, check_program},
    repository::{Repository, Settings},
    write::Write,
};
pub use self::{error::GitError, place::GitPlace};
use crate::{GitAccess, History};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, FILE_LIMIT, Object, Probe, ROOT, check_bases,
    check_readable, is_space, is_swept,
};
use propsbot_network::Network;

/// What the names of temporary repositories begin with.
pub(crate) const PREFIX: &str = "git-";

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_secs(5);

/// An archive on a branch of a git repository.
pub struct GitArchive {
    settings: Arc<Settings>,
    allow_public: bool,
    history: History,
    /// The local copy. Taken out while it is used: if that is cancelled, the next use makes a new one.
    repository: tokio::sync::Mutex<Option<Repository>>,
    /// Held by the only writer.
    writing: tokio::sync::Mutex<()>,
}

impl GitArchive {
    /// The archive at this place. Its local copy is in a temporary folder within `cache`. Asks no server
    /// yet.
    ///
    /// # Errors
    /// git is missing or too old.
    pub fn new(
        place: GitPlace,
        access: &GitAccess,
        network: &Network,
        cache: Option<PathBuf>,
    ) -> Result<Self, ArchiveError> {
        check_program().map_err(|problem| ArchiveError::NoProgram {
            place: place.to_string(),
            problem: problem.to_string(),
        })?;
        let environment = Environment::new(&place, access.token.as_deref(), network.for_git());
        Ok(Self {
            settings: Arc::new(Settings {
                place,
                environment,
                cache,
                requests: Arc::new(AtomicU64::new(0)),
            }),
            allow_public: access.allow_public,
            history: access.history,
            repository: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// Uses the local copy on a thread for blocking work. Dropping this stops git.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Repository) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let mut slot = self.repository.lock().await;
        let settings = Arc::clone(&self.settings);
        let there = slot.take();
        let stop = StopOnDrop(Running::default());
        let running = stop.0.clone();
        let mut working = tokio::task::spawn_blocking(move || {
            let mut repository = match there.filter(Repository::is_usable) {
                Some(mut there) => {
                    there.git.running = running;
                    there
                }
                None => Repository::create(&settings, running)?,
            };
            let done = work(&mut repository);
            Ok((repository, done))
        });
        let ended = loop {
            tokio::select! {
                ended = &mut working => break ended,
                () = sleep(GLANCE) => {
                    if stop.0.is_stalled() {
                        return Err(GitError::Stalled(STALL));
                    }
                }
            }
        };
        let (repository, done) = ended.map_err(|_| GitError::Stopped)??;
        *slot = Some(repository);
        done
    }

    /// Uses the local copy, again if the host doesn't answer. Only for what may be repeated.
    async fn retry<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Repository) -> Result<T, GitError> + Clone + Send + 'static,
    ) -> Result<T, GitError> {
        let mut tries = Tries::new();
        loop {
            match self.with(work.clone()).await {
                Err(error) => tries.again(error).await?,
                done => return done,
            }
        }
    }

    /// Looks at the branch, and checks that it may be written to.
    async fn look_to_write(&self) -> Result<(), GitError> {
        let allow_public = self.allow_public;
        let look = move |repository: &mut Repository| {
            if !allow_public {
                repository.refuse_public()?;
            }
            repository.look()
        };
        self.retry(look).await
    }

    /// Drops the local copy if it has become too large.
    async fn drop_grown(&self) -> Result<(), GitError> {
        if self.with(Repository::has_grown).await? {
            self.repository.lock().await.take();
        }
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(GitError) -> ArchiveError {
        let place = self.settings.place.to_string();
        move |source| ArchiveError::Remote {
            action,
            place,
            source: Box::new(source),
        }
    }

    /// The connections since this was asked last.
    fn take_requests(&self) -> u64 {
        self.settings.requests.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl DataArchive for GitArchive {
    /// Everything else is read from the root's commit, even if another export follows.
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        let name = path.to_owned();
        let read = move |repository: &mut Repository| {
            if name == ROOT || !repository.has_looked {
                repository.look()?;
            }
            let oid = repository
                .head
                .as_ref()
                .and_then(|head| head.files.get(&name));
            let Some(oid) = oid.cloned() else {
                return Ok(None);
            };
            Ok(repository.contents(&[oid], longest)?.pop())
        };
        match self.retry(read).await {
            Err(GitError::TooLong(longest)) => {
                let path = format!("{path} of {}", self.settings.place);
                Err(ArchiveError::TooLong { path, longest })
            }
            found => found.map_err(self.failed("read")),
        }
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let busy = |_| ArchiveError::Busy(self.settings.place.to_string().into());
        let turn = self.writing.try_lock().map_err(busy)?;
        Ok(Box::new(Write::begin(self, turn, bases).await?))
    }

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        let list = |repository: &mut Repository| {
            if !repository.has_looked {
                repository.look()?;
            }
            let paths = repository.files().map(|(path, _)| path);
            Ok(paths.filter(|path| is_space(path)).cloned().collect())
        };
        let listed = self.retry(list).await.map_err(self.failed("list"))?;
        Ok(Some(listed))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let busy = |_| ArchiveError::Busy(self.settings.place.to_string().into());
        let _turn = self.writing.try_lock().map_err(busy)?;
        self.remove_unneeded().await
    }

    async fn forget_history(&self) -> Result<(), ArchiveError> {
        if self.history == History::Keep {
            return Ok(());
        }
        let busy = |_| ArchiveError::Busy(self.settings.place.to_string().into());
        let _turn = self.writing.try_lock().map_err(busy)?;
        self.squash().await.map_err(self.failed("squash"))
    }

    async fn check_place(&self, has_published: bool) -> Result<(), ArchiveError> {
        let Some(branch) = self.settings.place.branch.clone().filter(|_| has_published) else {
            return Ok(());
        };
        let look = move |repository: &mut Repository| {
            repository.look()?;
            match repository.head {
                Some(_) => Ok(()),
                None => Err(GitError::BranchGone(branch.clone())),
            }
        };
        self.retry(look).await.map_err(self.failed("write to"))
    }

    async fn check_writable(&self) -> Result<(), ArchiveError> {
        self.look_to_write().await.map_err(self.failed("write to"))
    }

    async fn probe(&self) -> Result<Probe, ArchiveError> {
        let place = &self.settings.place;
        let probed = async {
            self.look_to_write().await?;
            place.check_writable()?;
            let push = |repository: &mut Repository| {
                repository.look()?;
                repository.try_push()
            };
            self.retry(push).await
        };
        probed.await.map_err(self.failed("write to"))?;
        // Otherwise nothing was asked without a login.
        let was_asked = !self.allow_public && place.origin().is_some() && !place.is_near();
        Ok(Probe {
            is_public: was_asked.then_some(false),
            expires: None,
        })
    }

    /// Fetches what isn't here at once.
    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        let fetch = |repository: &mut Repository| {
            if !repository.has_looked {
                repository.look()?;
            }
            let own = repository.files().filter(|(path, _)| is_swept(path));
            let (paths, oids): (Vec<String>, Vec<String>) =
                own.map(|(path, oid)| (path.clone(), oid.clone())).unzip();
            repository.fetch_objects(&oids)?;
            let git = Git {
                running: Running::default(),
                ..repository.git.clone()
            };
            Ok((paths, oids, git))
        };
        let (paths, oids, git) = self.retry(fetch).await.map_err(self.failed("download"))?;
        let place = self.settings.place.to_string();
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            let read = git.objects(&oids, FILE_LIMIT, |number, found| {
                let bytes = match found {
                    Found::Bytes(bytes) => bytes,
                    // Whoever reads it by itself says what is wrong.
                    Found::Missing | Found::TooLong => return Ok(true),
                };
                let object = Object {
                    path: paths[number].clone(),
                    bytes,
                };
                Ok(sender.blocking_send(Ok(object)).is_ok())
            });
            if let Err(source) = read {
                let failed = ArchiveError::Remote {
                    action: "read",
                    place,
                    source: Box::new(source),
                };
                let _ = sender.blocking_send(Err(failed));
            }
        });
        let objects = poll_fn(move |context| receiver.poll_recv(context));
        Ok(Some(Box::pin(objects)))
    }
}
