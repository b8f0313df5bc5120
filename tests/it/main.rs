//! The tests: `propsbot` through its real paths, against a Discord on loopback.

mod discord;
mod mirror;
mod sync;
