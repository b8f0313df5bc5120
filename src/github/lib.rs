//! GitHub as a provider: mirrors repositories, and draws the graph of SourceCred's own GitHub plugin.
//!
//! `rows.rs` has what is kept; `merge.rs` how readings change it. `client.rs` asks GitHub within its limits, in the
//! words of `queries.rs`; `wire.rs` and `objects.rs` make rows of the answers. `first.rs`, `changes.rs`, `listings.rs`
//! and `scrub.rs` decide what is asked, and `listen.rs` when. `vitals.rs` tells how that goes. `export.rs` says what may
//! leave. `graph/` draws.

mod changes;
mod client;
mod clock;
mod error;
mod exclusions;
mod export;
mod first;
pub mod graph;
mod history;
mod listen;
mod listings;
mod merge;
mod objects;
mod overview;
mod provider;
mod queries;
mod reading;
mod records;
mod restore;
pub mod rows;
mod schema;
mod scrub;
mod sync;
mod tables;
mod vitals;
mod wanted;
mod webhook;
mod wire;

#[cfg(test)]
mod convergence;

pub use client::Login;
pub use error::GithubError;
pub use provider::{GithubOptions, GithubProvider};
pub use schema::SCHEMA;
pub use vitals::GithubVitals;
pub use wanted::Wanted;
pub use webhook::Webhook;
