//! Merges observations into the mirror and plans what to fetch.
//!
//! Owns the merge rules, coverage, and the backfill plan. Does no I/O: rows are read and written
//! through `Rows`, and times come with the facts.

mod boundaries;
#[cfg(test)]
mod contradictions;
#[cfg(test)]
mod convergence;
#[cfg(test)]
mod deleted_boundaries;
mod event;
mod forgotten;
mod guild;
#[cfg(test)]
mod liveness;
mod merge;
mod message;
mod plan;
mod privacy;
mod reaction;
mod reactors;
mod scrub;

pub use merge::merge;
pub use plan::{
    ChannelPlan, Described, LookBack, Plan, Read, Settled, archived_since, is_from_the_future,
    plan, uncovered, unseen,
};
use propsbot_mirror::Rows;
pub use scrub::{found_within, round_requests, scrub_interval, slices};
