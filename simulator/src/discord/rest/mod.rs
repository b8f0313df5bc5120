//! The REST API: which routes there are, and what happens to a request before its route answers it.

mod call;
mod channels;
mod commands;
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
