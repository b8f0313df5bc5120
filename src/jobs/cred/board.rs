//! How each guild's cred stands: between what computes it and what answers members.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use propsbot_model::{GuildId, Millis};

use super::KeptCred;

/// How each guild's cred stands. Cheap to clone; the default is for a bot that computes none.
#[derive(Clone, Debug, Default)]
pub struct CredBoard(Option<Arc<Board>>);

#[derive(Debug)]
struct Board {
    folder: PathBuf,
    guilds: Mutex<BTreeMap<GuildId, CredStanding>>,
}

/// How a guild's cred stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredStanding {
    /// Whether it's being computed.
    pub is_computing: bool,
    /// Why the kept cred is not that of the newest export; `None` if it is, or soon will be.
    pub failure: Option<CredFailure>,
    /// When that was exported which the kept cred is of.
    pub as_of: Option<Millis>,
}

/// Why cred could not be computed, for members. The log says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredFailure {
    /// It took more memory than so many MiB.
    TooLarge(u64),
    /// It took longer than so many minutes.
    TooSlow(u64),
    /// The instance or the weights are wrong.
    Misconfigured,
    /// Anything else.
    Failed,
}

impl CredBoard {
    /// A board for files in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self(Some(Arc::new(Board {
            folder,
            guilds: Mutex::default(),
        })))
    }

    /// Whether cred is computed at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// How a guild's cred stands.
    pub fn standing(&self, guild: GuildId) -> CredStanding {
        let standing = self
            .0
            .as_ref()
            .and_then(|board| board.guilds().get(&guild).cloned());
        standing.unwrap_or_default()
    }

    /// Changes how a guild's cred stands.
    pub fn set(&self, guild: GuildId, change: impl FnOnce(&mut CredStanding)) {
        if let Some(board) = &self.0 {
            change(board.guilds().entry(guild).or_default());
        }
    }

    /// Forgets the guilds that aren't `kept`.
    pub fn retain(&self, kept: impl Fn(GuildId) -> bool) {
        if let Some(board) = &self.0 {
            board.guilds().retain(|guild, _| kept(*guild));
        }
    }

    /// When that was exported which the oldest kept cred is of.
    pub fn oldest(&self) -> Option<Millis> {
        let board = self.0.as_ref()?;
        let guilds = board.guilds();
        guilds.values().filter_map(|standing| standing.as_of).min()
    }

    /// Where a guild's cred is kept; `None` if none is computed.
    pub fn path(&self, guild: GuildId) -> Option<PathBuf> {
        let board = self.0.as_ref()?;
        Some(board.folder.join(format!("{guild}.cred")))
    }

    /// A guild's cred; `None` if there is none yet.
    pub fn kept(&self, guild: GuildId) -> io::Result<Option<KeptCred>> {
        self.path(guild)
            .map_or(Ok(None), |path| KeptCred::open(&path))
    }
}

impl Board {
    fn guilds(&self) -> MutexGuard<'_, BTreeMap<GuildId, CredStanding>> {
        self.guilds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
