//! The state of a simulated GitHub apart from its repository, behind one lock that is never held across an await.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::{Faults, Files};
use super::git::{Changes, Repository, Signature};
use super::limits::Limiter;
use super::options::{Access, Role, Visibility};
use super::record::Log;
use super::webhooks::Webhooks;
use super::world::World;

/// Settings of the repository and the token. A request uses those of the moment it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) owner: String,
    pub(crate) repo: String,
    /// The repository's former name, if renamed: reads redirect from it.
    pub(crate) former: Option<String>,
    /// Renamed branches by former name: branch requests redirect.
    pub(crate) renamed: BTreeMap<String, String>,
    pub(crate) visibility: Visibility,
    pub(crate) archived: bool,
    pub(crate) deleted: bool,
    /// Branches that accept only pull requests.
    pub(crate) protected: BTreeSet<String>,
    /// Whether a ruleset restricts the creation of branches.
    pub(crate) restricts_creations: bool,
    pub(crate) token: String,
    /// The token for the world, if the other one is for the archive alone.
    pub(crate) source_token: Option<String>,
    pub(crate) login: String,
    pub(crate) role: Role,
    pub(crate) access: Access,
    /// When the token expires, as GitHub writes it.
    pub(crate) expires: Option<String>,
    pub(crate) created: Timestamp,
}

impl Settings {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repo)
    }

    /// Whether this is the repository's name, ignoring case, as GitHub does.
    pub(crate) fn is_named(&self, owner: &str, repo: &str) -> bool {
        !self.deleted
            && self.owner.eq_ignore_ascii_case(owner)
            && self.repo.eq_ignore_ascii_case(repo)
    }

    /// Whether this was the repository's name.
    pub(crate) fn was_named(&self, owner: &str, repo: &str) -> bool {
        let former = self.former.as_ref();
        former.is_some_and(|former| former.eq_ignore_ascii_case(repo))
            && self.is_named(owner, &self.repo)
    }

    /// Whether the branch's rules forbid direct commits.
    pub(crate) fn is_protected(&self, name: &str) -> bool {
        name.strip_prefix("refs/heads/")
            .is_some_and(|branch| self.protected.contains(branch))
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
}

/// The state, the repository, and their signals.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    world: RwLock<World>,
    pub(crate) git: Repository,
    pub(crate) webhooks: Webhooks,
    pub(crate) at_once: AtomicUsize,
    changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn new(state: State, git: Repository, world: World) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            world: RwLock::new(world),
            git,
            webhooks: Webhooks::default(),
            at_once: AtomicUsize::new(0),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
        })
    }

    /// Locks the state. A panic while it was locked (a failed assertion) doesn't affect other users.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, for a request. Who also wants the state locks it afterwards.
    pub(crate) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for a condition.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A commit on the default branch by someone with all rights; the first one creates the branch.
    pub(crate) fn somebody_commits(&self, files: Files) -> anyhow::Result<String> {
        let branch = format!("refs/heads/{}", self.git.default_branch()?);
        let changes = Changes {
            additions: files,
            deletions: Vec::new(),
        };
        loop {
            let head = self.git.target(&branch)?.map(|(oid, _)| oid);
            let author = Signature::now("somebody");
            let message = "Change something by hand";
            let oid = self
                .git
                .change(head.as_deref(), &changes, &author, message)?;
            if self.git.move_ref(&branch, head.as_deref(), Some(&oid))? {
                return Ok(oid);
            }
        }
    }
}
