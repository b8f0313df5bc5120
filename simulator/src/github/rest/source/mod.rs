//! REST over the world: repositories, issues, pull requests, what belongs to them, commits and accounts.

pub(super) mod accounts;
pub(super) mod commits;
mod list;
pub(crate) mod markers;
pub(super) mod threads;
pub(crate) mod wire;

use super::call::{Call, Problem};
use crate::github::world::Repository;

/// The repository that the path names. The token sees it: that was checked.
fn here<'c>(call: &Call<'c>) -> Result<&'c Repository, Problem> {
    call.source.ok_or_else(Problem::not_found)
}
