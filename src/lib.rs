//! propsbot mirrors a community's Discord and turns its thanks into SourceCred props.

pub mod app;
pub mod archive;
#[path = "../commands/mod.rs"]
pub mod commands;
pub mod config;
pub mod discord;
pub mod graph;
pub mod ingest;
pub mod jobs;
pub mod model;
pub mod network;
pub mod service;
pub mod status;
pub mod store;
mod text_file;

/// The most threads for work that blocks, in each runtime. They wait for one disk and one lock, so that
/// more would do no more; each keeps memory of its own while it lives.
pub const BLOCKING_THREADS: usize = 16;
