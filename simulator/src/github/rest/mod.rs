//! REST: the route table, and the handlers.

pub(crate) mod call;
mod commits;
mod contents;
mod objects;
mod refs;
mod repository;
pub(crate) mod routes;
pub(crate) mod source;
mod tarball;
mod wire;
