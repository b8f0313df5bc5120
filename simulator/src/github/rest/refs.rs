//! Branches and tags in the git database.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use crate::github::git::is_oid;
use crate::github::node;

fn shown(call: &Call<'_>, name: &str, oid: &str, kind: &str) -> Value {
    let (home, short) = (call.home(), name.trim_start_matches("refs/"));
    json!({
        "ref": name,
        "node_id": node::reference(name),
        "url": format!("{home}/git/refs/{short}"),
        "object": {"type": kind, "sha": oid, "url": format!("{home}/git/{kind}s/{oid}")},
    })
}

fn full_name(call: &Call<'_>) -> String {
    format!("refs/{}", call.param(2).trim_start_matches("refs/"))
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let name = full_name(call);
    let found = call.git().target(&name)?;
    let (oid, kind) = found.ok_or_else(Problem::not_found)?;
    Ok(Reply::json(200, &shown(call, &name, &oid, &kind)))
}

pub(super) fn matching(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let found = call.git().refs(&full_name(call))?;
    let list: Vec<_> = found
        .iter()
        .map(|(name, oid, kind)| shown(call, name, oid, kind))
        .collect();
    Ok(Reply::json(200, &list))
}

fn object(call: &Call<'_>, name: &str) -> Result<(String, String), Problem> {
    let sha = call.text("sha")?;
    let found = call.git().look(sha)?.filter(|_| is_oid(sha));
    let (oid, kind, _) = found.ok_or_else(|| Problem::new(422, "Object does not exist"))?;
    if name.starts_with("refs/heads/") && kind != "commit" {
        return Err(Problem::new(422, "Reference update failed"));
    }
    Ok((oid, kind))
}

pub(super) fn create(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let name = call.text("ref")?;
    let well_named = name.starts_with("refs/") && name.matches('/').count() >= 2;
    if !well_named || !call.git().is_ref_name(name)? {
        let what = format!("{name} is not a valid ref name.");
        return Err(Problem::new(422, &what));
    }
    let (oid, kind) = object(call, name)?;
    call.viewer.create_ref(name)?;
    if call.git().target(name)?.is_some() || !call.git().move_ref(name, None, Some(&oid))? {
        return Err(Problem::new(422, "Reference already exists"));
    }
    Ok(Reply::json(201, &shown(call, name, &oid, &kind)))
}

pub(super) fn update(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let name = full_name(call);
    let missing = || Problem::new(422, "Reference does not exist");
    let (before, _) = call.git().target(&name)?.ok_or_else(missing)?;
    let (oid, kind) = object(call, &name)?;
    call.viewer.move_ref(&name)?;
    let forced = call.body.get("force") == Some(&Value::Bool(true));
    if !forced && !call.git().is_ancestor(&before, &oid)? {
        return Err(Problem::new(422, "Update is not a fast forward"));
    }
    call.let_race()?;
    if !call.git().move_ref(&name, Some(&before), Some(&oid))? {
        return Err(Problem::new(422, "Reference cannot be updated"));
    }
    Ok(Reply::json(200, &shown(call, &name, &oid, &kind)))
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let name = full_name(call);
    let missing = || Problem::new(422, "Reference does not exist");
    let (before, _) = call.git().target(&name)?.ok_or_else(missing)?;
    call.viewer.move_ref(&name)?;
    if name == format!("refs/heads/{}", call.git().default_branch()?) {
        let what = format!("Refusing to delete the current branch: {name}");
        return Err(Problem::new(422, &what));
    }
    if !call.git().move_ref(&name, Some(&before), None)? {
        return Err(missing());
    }
    Ok(Reply::none(204))
}
