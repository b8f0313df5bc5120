//! Simulated services on loopback, for tests, the demo, and manual use. Written from their documentation, independent
//! of the code they test.
//!
//! `discord` is a Discord: REST and gateway over a seeded world.
//!
//! `github` is a GitHub: REST and GraphQL over a bare git repository, so `git clone` and `git fsck` verify what was
//! written, and over a seeded world of repositories with issues and comments to read. It enforces the documented permissions, errors, sizes and rate limits, and can fail in the ways GitHub
//! does.

pub mod discord;
pub mod github;
