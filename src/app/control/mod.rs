//! Commands on a store that a running propsbot has open.
//!
//! `run` and `sync` listen on a Unix socket in the store. A command asks there first: if a propsbot
//! answers, that one carries the command out, and the client prints what it tells. Otherwise the
//! command opens the store itself. [`Session::execute`] does the work in both cases.

mod client;
mod command;
mod protocol;
mod server;
mod socket;

pub use client::ask_running;
pub use command::{Destination, StoreCommand, carry_out};
pub(super) use command::{Running, Session};
pub(super) use protocol::Event;
pub(super) use server::{serve, stopping};
