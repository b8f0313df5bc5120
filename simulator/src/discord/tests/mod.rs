//! Tests of the simulated Discord from outside, with its own small HTTP and WebSocket client.

mod client;
mod gateway;
mod interactions;
mod limits;
mod rest;
mod world;

use super::*;

/// A reproducible world.
fn seeded() -> Options {
    Options {
        seed: Seed {
            until: Some(1_793_000_000_000),
            ..Seed::default()
        },
        ..Options::default()
    }
}

/// An empty guild.
fn empty() -> Options {
    Options {
        world: World::empty(),
        ..seeded()
    }
}
