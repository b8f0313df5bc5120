//! The rules by which facts become the mirror, and the plan of what to fetch.
//!
//! Owns merging, coverage, and the backfill plan. Refuses to know the database, Discord's
//! libraries, and the time: rows come and go through [`Rows`], times come with the facts.

mod audit;
#[cfg(test)]
mod contradictions;
#[cfg(test)]
mod convergence;
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
mod rows;

pub use audit::{audit_interval, found_within, round_requests, slices};
pub use merge::merge;
pub use plan::{
    ChannelPlan, Described, LookBack, Plan, Read, Settled, archived_since, is_from_the_future,
    plan, uncovered, unseen,
};
pub use rows::Rows;
