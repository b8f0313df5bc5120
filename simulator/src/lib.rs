//! Services on loopback, for tests, for the demo, and by hand. Written from their documentation, independent of what they are used to test.
//!
//! `discord` is a Discord: REST and gateway over a seeded world.

pub mod discord;
