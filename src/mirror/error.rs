//! Errors of a store.

use std::path::PathBuf;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder can't be used.
    #[error("could not use {path} as the store (STORE_PATH): {source}")]
    Unusable {
        /// The store's folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another process uses it.
    #[error(
        "the store {path} (STORE_PATH) is in use by another propsbot, and only one at a time can use it. Wait \
         until that one has ended, or stop it"
    )]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// It is another provider's.
    #[error(
        "the store {path} (STORE_PATH) isn't one of {provider}: it mirrors another platform; set STORE_PATH to \
         another folder, and ARCHIVE to another archive"
    )]
    OtherProvider {
        /// The store's folder.
        path: PathBuf,
        /// Who was to open it.
        provider: &'static str,
    },
    /// A newer propsbot wrote it.
    #[error(
        "the store {path} has schema {found}, but this propsbot only knows schemas up to {known}; update \
         propsbot, or restore from the archive into an empty folder"
    )]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// The schema of the store.
        found: u32,
        /// The newest schema this version knows.
        known: u32,
    },
    /// The disk has no room for the copy that the upgrade makes.
    #[error(
        "could not upgrade the store {path}: it is copied for that, which takes {} MB of free disk space; \
         make room and start again (nothing was changed)",
        needed.div_ceil(1_000_000)
    )]
    NoRoom {
        /// The store's folder.
        path: PathBuf,
        /// How many bytes must be free.
        needed: u64,
    },
    /// A restore was interrupted.
    #[error(
        "the store {path} is only half restored from an archive; run `propsbot restore` again, or \
         delete the folder"
    )]
    HalfRestored {
        /// The store's folder.
        path: PathBuf,
    },
    /// A restore needs an empty store.
    #[error(
        "could not restore into the store {path}: it is not empty; set STORE_PATH to a new folder"
    )]
    NotEmpty {
        /// The store's folder.
        path: PathBuf,
    },
    /// The files on disk can't be read.
    #[error(
        "the store {path} is damaged ({reason}); keep the folder as it is, set STORE_PATH to a new \
         one, and sync again"
    )]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("could not read or write the store {path}: {reason}; is the disk full?")]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The disk is nearly full, and nothing was written. The store can be used: once there is room,
    /// the same write succeeds.
    #[error(
        "the disk of the store {path} is full: only {} MB are free, and the last {} MB are kept free so \
         that the store stays usable; make room",
        free / 1_000_000, crate::RESERVE / 1_000_000
    )]
    Full {
        /// The store's folder.
        path: PathBuf,
        /// How many bytes are free.
        free: u64,
    },
    /// Too much changed while a view was open. Open another one and try again.
    #[error("more than {limit} bytes of the store changed while it was read; start again")]
    ViewEnded {
        /// How many bytes may change.
        limit: usize,
    },
    /// A row can't be decoded.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Why a row can't be decoded.
#[derive(Debug, thiserror::Error)]
#[error("could not read a row of {table}: {reason}")]
pub struct RowError {
    /// The table's name.
    pub table: &'static str,
    /// What is wrong with it.
    pub reason: String,
}
