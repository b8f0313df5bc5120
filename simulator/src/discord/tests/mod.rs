//! The simulated Discord seen from outside: a small HTTP client and WebSocket client of its own, so that nothing else is needed.

mod client;
mod gateway;
mod interactions;
mod rest;
mod world;

use super::*;

/// A world that is the same every time.
fn seeded() -> Options {
    Options {
        seed: Seed {
            until: Some(1_793_000_000_000),
            ..Seed::default()
        },
        ..Options::default()
    }
}

/// A guild with nothing in it but what a test puts there.
fn empty() -> Options {
    Options {
        world: World::empty(),
        ..seeded()
    }
}
