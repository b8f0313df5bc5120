//! Commits of the default branch.

use super::super::call::{Answer, Call, Problem, Reply, SHA};
use super::list::{page, time};
use super::{here, wire};
use crate::github::world::Repository;

/// The place of the commit that a branch or a hash names.
fn place(home: &Repository, name: &str) -> Option<usize> {
    if name.is_empty() || name == home.branch || name == "HEAD" {
        return home.head;
    }
    home.commits.iter().position(|commit| commit.sha == name)
}

pub(in super::super) fn list(call: &Call<'_>) -> Answer {
    let home = here(call)?;
    if home.head.is_none() {
        return Err(Problem::new(409, "Git Repository is empty."));
    }
    let (since, until) = (time(call, "since")?, time(call, "until")?);
    let from = place(home, call.asked("sha").unwrap_or_default()).ok_or_else(Problem::not_found)?;
    let found = home
        .history(Some(from))
        .into_iter()
        .map(|at| &home.commits[at]);
    let within =
        |at: i64| since.is_none_or(|since| at >= since) && until.is_none_or(|until| at <= until);
    let all: Vec<_> = found.filter(|commit| within(commit.at)).collect();
    Ok(page(call, "/commits", &all, |commit| {
        wire::commit(call.view(), home, commit)
    }))
}

pub(in super::super) fn get(call: &Call<'_>) -> Answer {
    let home = here(call)?;
    let name = call.param(2);
    let missing = || Problem::new(422, &format!("No commit found for SHA: {name}"));
    let found = &home.commits[place(home, name).ok_or_else(missing)?];
    if call.accept.contains(".sha") {
        return Ok(Reply::bytes(SHA, found.sha.clone().into_bytes()));
    }
    Ok(Reply::json(200, &wire::commit(call.view(), home, found)))
}
