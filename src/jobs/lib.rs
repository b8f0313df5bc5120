//! Long-running tasks, and how each is stopped.
//!
//! The writer owns changes to the store, backfill fetches what is missing, the scrub re-reads older
//! history, the listener merges gateway events, and the export timer keeps the archive current.

pub mod acknowledge;
pub mod backfill;
mod census;
pub mod check;
pub mod clock;
pub mod cred;
pub mod daily;
mod deletion;
pub mod estimate;
pub mod export;
pub mod guilds;
pub mod listener;
pub mod mirrored;
pub mod privacy;
pub mod progress;
pub mod provider;
pub mod quota;
pub mod restore;
pub mod scrub;
pub mod status;
pub mod writer;
