//! Services on loopback, for tests, for the demo, and by hand. Written from their documentation, independent of what they are used to test.
//!
//! `discord` is a Discord: REST and gateway over a seeded world.
//!
//! `github` is a GitHub: REST and GraphQL over a bare repository that git itself keeps, so that `git clone` and `git fsck` tell the truth about what
//! was written. It keeps the documented permissions, errors, sizes and rate limits, and can be made to fail in the ways that GitHub does.

pub mod discord;
pub mod github;
