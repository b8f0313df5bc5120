//! propsbot mirrors a community's Discord and turns its thanks into SourceCred props.
//!
//! The program: configuration and composition. The parts are separate crates.

pub mod app;
pub mod config;
mod text_file;

/// The most threads for blocking work, per runtime. They share one disk and one lock, so more threads
/// would only cost memory.
pub const BLOCKING_THREADS: usize = 16;
