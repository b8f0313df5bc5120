//! The tasks: who owns what runs for long, and how it is stopped.
//!
//! The writer owns the store's changes, backfill fetches what is missing, the audit reads older
//! history again, the listener turns what the gateway says into the mirror, the export timer keeps
//! the archive.

pub mod acknowledge;
pub mod audit;
pub mod backfill;
pub mod clock;
pub mod daily;
mod deletion;
pub mod estimate;
pub mod export;
pub mod guilds;
pub mod listener;
pub mod mirrored;
pub mod privacy;
pub mod progress;
pub mod quota;
pub mod restore;
pub mod writer;

/// Why a channel is not mirrored, in the words under which it is recorded.
pub const UNREADABLE: &str =
    "the bot lacks View Channel or Read Message History (in voice channels also Connect) here";
