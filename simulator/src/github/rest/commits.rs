//! Commits: as objects of the git database, and as a branch's history.

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Answer, Call, Problem, Reply, SHA, hash};
use super::wire;
use crate::github::git::{Commit, Signature, is_oid};

pub(super) fn get_object(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let oid = hash(call.param(2), "sha")?;
    let found = call.git().commit(oid)?.filter(|commit| commit.oid == oid);
    let commit = found.ok_or_else(Problem::not_found)?;
    Ok(Reply::json(200, &wire::git_commit(call, &commit)))
}

pub(super) fn create_object(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let message = call.text("message")?.to_owned();
    let tree = hash(call.text("tree")?, "tree")?.to_owned();
    if call
        .git()
        .look(&tree)?
        .is_none_or(|found| found.1 != "tree")
    {
        return Err(Problem::new(422, "Tree SHA does not exist"));
    }
    let mut parents = Vec::new();
    for parent in call
        .body
        .get("parents")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let oid = parent.as_str().unwrap_or_default();
        let there = call
            .git()
            .look(oid)?
            .is_some_and(|found| found.1 == "commit");
        if !is_oid(oid) || !there {
            return Err(Problem::new(
                422,
                "Parent SHA does not exist or is not a commit object",
            ));
        }
        parents.push(oid.to_owned());
    }
    let viewer = Signature::now(&call.viewer.settings.login);
    let author = signature(call, "author", &viewer)?;
    let committer = signature(call, "committer", &author)?;
    let mut commit = Commit {
        oid: String::new(),
        tree,
        parents,
        author,
        committer,
        message,
    };
    commit.oid = call.git().write_commit(&commit)?;
    Ok(Reply::json(201, &wire::git_commit(call, &commit)))
}

fn signature(call: &Call<'_>, field: &str, default: &Signature) -> Result<Signature, Problem> {
    let Some(given) = call.body.get(field) else {
        return Ok(default.clone());
    };
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let at = match text("date") {
        None => default.at,
        Some(date) => date
            .parse::<Timestamp>()
            .map_err(|_| Problem::failed("Commit", "date", "invalid"))?,
    };
    let needed = |name: &str, default: &str| match (text(name), field) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, "committer") => Ok(default.to_owned()),
        (None, _) => Err(Problem::failed("Commit", name, "missing_field")),
    };
    Ok(Signature {
        name: needed("name", &default.name)?,
        email: needed("email", &default.email)?,
        at,
    })
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let default = call.git().default_branch()?;
    let from = call.asked("sha").unwrap_or(&default);
    let head = call.git().commit_of(from)?.ok_or_else(Problem::not_found)?;
    let all = call.git().history(&head, call.asked("path"))?;
    let (size, page) = (call.number("per_page", 30).min(100), call.number("page", 1));
    let on_page = all.iter().skip((page - 1) * size).take(size);
    let list: Vec<_> = on_page
        .map(|oid| wire::commit(call, oid))
        .collect::<Result<_, _>>()?;
    let reply = Reply::json(200, &list);
    if page * size < all.len() {
        let next = page + 1;
        let link = format!(
            "<{}/commits?sha={head}&per_page={size}&page={next}>; rel=\"next\"",
            call.home()
        );
        return Ok(reply.with("link", link));
    }
    Ok(reply)
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let name = call.param(2);
    let missing = || Problem::new(422, &format!("No commit found for SHA: {name}"));
    let oid = call.git().commit_of(name)?.ok_or_else(missing)?;
    if call.accept.contains(".sha") {
        return Ok(Reply::bytes(SHA, oid.into_bytes()));
    }
    Ok(Reply::json(200, &wire::commit(call, &oid)?))
}
