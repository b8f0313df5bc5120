//! How each guild's cred stands: between what computes it and what answers members.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use propsbot_model::{GuildId, Millis};

use super::KeptCred;

/// The suffix of the files that say until when.
pub const CLEARED: &str = "cleared";

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
    /// When the repositories of GitHub were exported that it counts, too; `None` if it counts none.
    pub github_as_of: Option<Millis>,
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

    /// Removes the kept cred of a guild, or of all, because somebody's data was deleted. None is kept again of what
    /// was exported until `now`.
    pub fn clear(&self, guild: Option<GuildId>, now: Millis) -> io::Result<()> {
        let Some(board) = &self.0 else { return Ok(()) };
        fs::create_dir_all(&board.folder)?;
        fs::write(board.marker(guild), now.0.to_string())?;
        for entry in fs::read_dir(&board.folder)? {
            let path = entry?.path();
            let is_of = |guild: GuildId| path.file_stem() == Some(guild.to_string().as_ref());
            if path.extension() != Some(CLEARED.as_ref()) && guild.is_none_or(is_of) {
                fs::remove_file(path)?;
            }
        }
        board
            .guilds()
            .retain(|other, _| guild.is_some_and(|guild| *other != guild));
        Ok(())
    }

    /// Removes all kept cred, if there is any.
    pub fn clear_if_any(&self, now: Millis) -> io::Result<()> {
        let any = self.0.as_ref().is_some_and(|board| board.folder.exists());
        if any { self.clear(None, now) } else { Ok(()) }
    }

    /// Whether cred of what was exported then may be kept: nobody's data was deleted since.
    pub fn may_keep(&self, guild: GuildId, exported_at: Millis) -> io::Result<bool> {
        let Some(board) = &self.0 else {
            return Ok(false);
        };
        for marker in [Some(guild), None].map(|guild| board.marker(guild)) {
            let cleared = match fs::read_to_string(marker) {
                Ok(text) => text.parse().unwrap_or(i64::MAX),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if exported_at.0 <= cleared {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A guild's cred; `None` if there is none yet.
    pub fn kept(&self, guild: GuildId) -> io::Result<Option<KeptCred>> {
        self.path(guild)
            .map_or(Ok(None), |path| KeptCred::open(&path))
    }
}

impl Board {
    /// The file that says until when nothing that was exported is kept of a guild, or of any.
    fn marker(&self, guild: Option<GuildId>) -> PathBuf {
        let name = guild.map_or_else(|| "all".to_owned(), |guild| guild.to_string());
        self.folder.join(name).with_extension(CLEARED)
    }

    fn guilds(&self) -> MutexGuard<'_, BTreeMap<GuildId, CredStanding>> {
        self.guilds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_what_was_exported_before_a_deletion() {
        let folder = tempfile::tempdir().unwrap();
        let board = CredBoard::new(folder.path().join("cred"));
        let (one, other) = (GuildId(1), GuildId(2));
        board.clear(Some(one), Millis(5)).unwrap();
        let may_keep = |guild, at| board.may_keep(guild, Millis(at)).unwrap();
        assert_eq!([may_keep(one, 5), may_keep(one, 6)], [false, true]);
        assert!(may_keep(other, 1));

        let files = [one, other].map(|guild| board.path(guild).unwrap());
        let write = || {
            for file in &files {
                fs::write(file, "cred").unwrap();
            }
        };
        let are_there = || [files[0].exists(), files[1].exists()];
        write();
        board.clear(Some(one), Millis(7)).unwrap();
        assert_eq!(are_there(), [false, true]);
        write();
        board.clear(None, Millis(9)).unwrap();
        assert_eq!(are_there(), [false, false]);
        assert_eq!([may_keep(one, 9), may_keep(other, 9)], [false, false]);
        assert!(may_keep(other, 10));
    }
}
