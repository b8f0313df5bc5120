//! Files and folders by path, and commits of one file.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, RAW, Reply, from_base64, in_lines};
use super::wire;
use crate::github::git::{Changes, Signature, is_path};
use crate::github::viewer::Refusal;

/// Files up to this size have their content in the JSON.
const IN_JSON: usize = 1024 * 1024;
/// The most entries listed of a folder.
const MOST_ENTRIES: usize = 1000;

/// The common fields of files and folders.
fn described(call: &Call<'_>, branch: &str, path: &str, kind: &str, oid: &str, size: u64) -> Value {
    let (home, web) = (call.home(), wire::web(call));
    let (word, objects) = if kind == "tree" {
        ("dir", "trees")
    } else {
        ("file", "blobs")
    };
    let url = format!("{home}/contents/{path}?ref={branch}");
    let git_url = format!("{home}/git/{objects}/{oid}");
    let html_url = format!(
        "{web}/{}/{branch}/{path}",
        if word == "dir" { "tree" } else { "blob" }
    );
    let download = (word == "file").then(|| format!("{web}/raw/{branch}/{path}"));
    json!({
        "name": path.rsplit('/').next(),
        "path": path,
        "sha": oid,
        "size": size,
        "url": url,
        "html_url": html_url,
        "git_url": git_url,
        "download_url": download,
        "type": word,
        "_links": {"self": url, "git": git_url, "html": html_url},
    })
}

pub(super) fn get(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    if call.git().is_empty()? {
        return Err(Problem::new(404, "This repository is empty."));
    }
    let default = call.git().default_branch()?;
    let branch = call.asked("ref").unwrap_or(&default);
    let missing = || Problem::new(404, &format!("No commit found for the ref {branch}"));
    let commit = call.git().commit_of(branch)?.ok_or_else(missing)?;
    let path = call.param(2);
    let expression = format!("{commit}:{path}");
    let (oid, kind, size) = call
        .git()
        .look(&expression)?
        .ok_or_else(Problem::not_found)?;
    if kind == "tree" {
        let list: Vec<_> = call
            .git()
            .tree(&oid, false)?
            .iter()
            .take(MOST_ENTRIES)
            .map(|entry| {
                let path = format!("{path}/{}", entry.path);
                let path = path.trim_start_matches('/');
                let size = entry.size.unwrap_or(0);
                described(call, branch, path, &entry.kind, &entry.oid, size)
            })
            .collect();
        return Ok(Reply::json(200, &list));
    }
    let blob = call.git().read(&oid)?.ok_or_else(Problem::not_found)?;
    if blob.bytes.len() > call.shared.lock().limiter.limits.file {
        let error = json!({"resource": "Blob", "field": "data", "code": "too_large"});
        let what = "This API returns blobs up to 100 MB in size.";
        return Err(Problem::new(403, what).with(error));
    }
    if call.wants_raw() {
        return Ok(Reply::bytes(RAW, blob.bytes));
    }
    let mut shown = described(call, branch, path, &kind, &oid, size);
    let inside = blob.bytes.len() <= IN_JSON;
    shown["content"] = json!(if inside {
        in_lines(&blob.bytes)
    } else {
        String::new()
    });
    shown["encoding"] = json!(if inside { "base64" } else { "none" });
    Ok(Reply::json(200, &shown))
}

/// The branch for a commit of one file: full name and head. An empty repository has neither, and gets its default
/// branch.
fn branch(call: &Call<'_>) -> Result<(String, Option<String>), Problem> {
    let default = call.git().default_branch()?;
    let short = call.maybe("branch")?.unwrap_or(&default);
    let short = short.trim_start_matches("refs/heads/");
    let name = format!("refs/heads/{short}");
    let head = call.git().target(&name)?.map(|(oid, _)| oid);
    if head.is_none() && (short != default || !call.git().is_empty()?) {
        return Err(Problem::new(404, &format!("Branch {short} not found")));
    }
    let may = match head {
        Some(_) => call.viewer.move_ref(&name),
        None => call.viewer.create_ref(&name),
    };
    match may {
        Err(Refusal::Ruled(rule)) => Err(Problem::new(409, rule)),
        Err(refusal) => Err(refusal.into()),
        Ok(()) => Ok((name, head)),
    }
}

/// Compares the file's hash on the branch with the one sent. Returns whether the file exists.
fn compare(call: &Call<'_>, head: Option<&str>) -> Result<bool, Problem> {
    let path = call.param(2);
    let there = match head {
        Some(head) => call.git().look(&format!("{head}:{path}"))?,
        None => None,
    };
    match (there, call.maybe("sha")?) {
        (Some(_), None) => Err(Problem::invalid("\"sha\" wasn't supplied.")),
        (Some((oid, _, _)), Some(sha)) if oid != sha => {
            let what = format!("{path} does not match {sha}");
            Err(Problem::new(409, &what))
        }
        (None, Some(_)) if call.body.get("content").is_none() => Err(Problem::not_found()),
        (there, _) => Ok(there.is_some()),
    }
}

fn commit(
    call: &Call<'_>,
    name: &str,
    head: Option<&str>,
    changes: &Changes,
) -> Result<String, Problem> {
    let author = Signature::now(&call.viewer.settings.login);
    let message = call.text("message")?;
    let oid = call.git().change(head, changes, &author, message)?;
    call.let_race()?;
    if call.git().move_ref(name, head, Some(&oid))? {
        return Ok(oid);
    }
    let now = call
        .git()
        .target(name)?
        .map_or_else(String::new, |(oid, _)| oid);
    let what = format!("is at {now} but expected {}", head.unwrap_or_default());
    Err(Problem::new(409, &what))
}

pub(super) fn put(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    let path = call.param(2).to_owned();
    call.text("message")?;
    let decoded = from_base64(call.text("content")?);
    let bytes = decoded.ok_or_else(|| Problem::new(422, "content is not valid Base64"))?;
    if !is_path(&path) {
        return Err(Problem::new(
            422,
            "path contains a malformed path component",
        ));
    }
    let (name, head) = branch(call)?;
    let there = compare(call, head.as_deref())?;
    let size = bytes.len() as u64;
    let changes = Changes {
        additions: vec![(path.clone(), bytes)],
        deletions: Vec::new(),
    };
    let oid = commit(call, &name, head.as_deref(), &changes)?;
    let found = call.git().look(&format!("{oid}:{path}"))?;
    let (blob, kind, _) = found.ok_or_else(Problem::not_found)?;
    let made = call.git().commit(&oid)?.ok_or_else(Problem::not_found)?;
    let branch = name.trim_start_matches("refs/heads/");
    let shown = json!({
        "content": described(call, branch, &path, &kind, &blob, size),
        "commit": wire::git_commit(call, &made),
    });
    Ok(Reply::json(if there { 200 } else { 201 }, &shown))
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.text("message")?;
    call.text("sha")?;
    let (name, head) = branch(call)?;
    if !compare(call, head.as_deref())? {
        return Err(Problem::not_found());
    }
    let changes = Changes {
        additions: Vec::new(),
        deletions: vec![call.param(2).to_owned()],
    };
    let oid = commit(call, &name, head.as_deref(), &changes)?;
    let made = call.git().commit(&oid)?.ok_or_else(Problem::not_found)?;
    Ok(Reply::json(
        200,
        &json!({"content": null, "commit": wire::git_commit(call, &made)}),
    ))
}
