//! The REST side: a table of routes, and what answers each.

pub(crate) mod call;
mod commits;
mod contents;
mod objects;
mod refs;
mod repository;
pub(crate) mod routes;
mod tarball;
mod wire;
