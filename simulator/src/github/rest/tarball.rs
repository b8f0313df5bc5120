//! A commit's files as a tarball: the API redirects to another service, codeload, which serves it.

use super::call::{Answer, Call, Problem, Reply};
use crate::github::options::Visibility;

/// The secret in a link that gives access to a private repository.
fn pass(call: &Call<'_>) -> String {
    format!("{:X}", call.viewer.settings.created.as_nanosecond())
}

pub(super) fn redirect(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    if call.git().is_empty()? {
        return Err(Problem::not_found());
    }
    let default = call.git().default_branch()?;
    let asked = Some(call.param(2)).filter(|name| !name.is_empty());
    let name = asked.unwrap_or(&default);
    let branch = format!("refs/heads/{name}");
    let full = match call.git().target(&branch)? {
        Some(_) => branch,
        None => name.to_owned(),
    };
    let settings = &call.viewer.settings;
    let mut to = format!(
        "{}/codeload/{}/legacy.tar.gz/{full}",
        settings.url,
        settings.full_name()
    );
    if settings.visibility != Visibility::Public {
        to.push_str("?token=");
        to.push_str(&pass(call));
    }
    Ok(Reply::none(302).with("location", to))
}

pub(super) fn download(call: &Call<'_>) -> Answer {
    let settings = &call.viewer.settings;
    let passes = call.asked("token").is_some_and(|token| token == pass(call));
    let open = passes || settings.visibility == Visibility::Public;
    let found = if open {
        call.git().commit_of(call.param(2))?
    } else {
        None
    };
    let commit = found.ok_or_else(Problem::not_found)?;
    let folder = format!("{}-{}-{}", settings.owner, settings.repo, &commit[..7]);
    let bytes = call.git().archive(&commit, &folder)?;
    let disposition = format!("attachment; filename={folder}.tar.gz");
    Ok(Reply::bytes("application/x-gzip", bytes).with("content-disposition", disposition))
}
