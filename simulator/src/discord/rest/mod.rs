//! The REST API: its routes, and the processing before a route responds.

mod call;
mod channels;
mod commands;
mod events;
mod guilds;
mod interactions;
mod messages;
mod odd;
mod reactions;
mod routes;
mod serve;
mod threads;

pub(crate) use routes::Target;
pub(crate) use serve::serve;
