//! End-to-end tests: `propsbot` against a Discord on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "tests are the outside world")]

mod archive;
mod bucket;
mod car;
mod check;
mod cli;
mod commands;
mod contradictions;
mod control;
mod crash;
mod damaged;
mod discord;
mod endings;
mod env_file;
mod faults;
mod fields;
mod foreign;
mod gateway;
mod git;
mod github;
mod guilds;
mod interactions;
mod live;
mod log;
mod memory;
mod mirror;
mod network;
mod ownership;
mod pages;
mod provider;
mod query;
mod recheck;
mod restore;
mod scrub;
mod secrets;
mod store;
mod strangers;
mod sync;
mod terminal;
mod texts;
mod threads;
mod time_left;
mod unseen;
mod upgrade;
mod weights;
