//! propsbot mirrors a community's Discord and turns its thanks into SourceCred props.
//!
//! The program: what is configured, and which parts it is made of. The parts are crates of their own.

pub mod app;
pub mod config;
mod text_file;

/// The most threads for work that blocks, in each runtime. They wait for one disk and one lock, so that
/// more would do no more; each keeps memory of its own while it lives.
pub const BLOCKING_THREADS: usize = 16;
