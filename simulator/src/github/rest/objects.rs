//! Blobs and trees of the git database.

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, RAW, Reply, from_base64, hash, in_lines};
use crate::github::git::{is_oid, is_path};
use crate::github::node;

/// The most entries in one response.
const MOST_ENTRIES: usize = 100_000;

pub(super) fn blob(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    let oid = hash(call.param(2), "sha")?;
    let found = call.git().read(oid)?.filter(|git| git.kind == "blob");
    let blob = found.ok_or_else(Problem::not_found)?;
    let (size, most) = (blob.bytes.len(), call.shared.lock().limiter.limits.file);
    if size > most {
        let what = format!(
            "The requested blob is too large to fetch via the API, but you can always clone the repository via Git. The blob has {size} bytes."
        );
        let error = json!({"resource": "Blob", "field": "data", "code": "too_large"});
        return Err(Problem::new(403, &what).with(error));
    }
    if call.wants_raw() {
        return Ok(Reply::bytes(RAW, blob.bytes));
    }
    let shown = json!({
        "sha": oid,
        "node_id": node::object("B", oid),
        "size": size,
        "url": format!("{}/git/blobs/{oid}", call.home()),
        "content": in_lines(&blob.bytes),
        "encoding": "base64",
    });
    Ok(Reply::json(200, &shown))
}

pub(super) fn create_blob(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let content = call.text("content")?;
    let bytes = match call.maybe("encoding")?.unwrap_or("utf-8") {
        "utf-8" => content.as_bytes().to_vec(),
        "base64" => {
            from_base64(content).ok_or_else(|| Problem::new(422, "content is not valid Base64"))?
        }
        other => return Err(Problem::new(422, &format!("{other} is not an encoding"))),
    };
    if bytes.len() > call.shared.lock().limiter.limits.posted_blob {
        let what = "Sorry, your input was too large to process. Consider creating the blob in a local clone of the repository and then pushing it to GitHub.";
        let error = json!({"resource": "Blob", "field": "data", "code": "too_large"});
        return Err(Problem::new(422, what).with(error));
    }
    let oid = call.git().write_blob(&bytes)?;
    let shown = json!({"sha": oid, "url": format!("{}/git/blobs/{oid}", call.home())});
    Ok(Reply::json(201, &shown))
}

fn shown(call: &Call<'_>, oid: &str, recursive: bool) -> Result<Value, Problem> {
    let home = call.home();
    let entries = call.git().tree(oid, recursive)?;
    let list: Vec<_> = entries
        .iter()
        .take(MOST_ENTRIES)
        .map(|entry| {
            let (kind, oid) = (&entry.kind, &entry.oid);
            let mut shown =
                json!({"path": entry.path, "mode": entry.mode, "type": kind, "sha": oid});
            if let Some(size) = entry.size {
                shown["size"] = json!(size);
            }
            if kind != "commit" {
                shown["url"] = json!(format!("{home}/git/{kind}s/{oid}"));
            }
            shown
        })
        .collect();
    Ok(json!({
        "sha": oid,
        "url": format!("{home}/git/trees/{oid}"),
        "truncated": entries.len() > MOST_ENTRIES,
        "tree": list,
    }))
}

pub(super) fn tree(call: &Call<'_>) -> Answer {
    call.viewer.read()?;
    call.not_empty()?;
    // Branches and commits work, too.
    let found = call.git().look(&format!("{}^{{tree}}", call.param(2)))?;
    let (oid, _, _) = found.ok_or_else(Problem::not_found)?;
    // Any value means recursive, even "0".
    let shown = shown(call, &oid, call.asked("recursive").is_some())?;
    Ok(Reply::json(200, &shown))
}

pub(super) fn create_tree(call: &Call<'_>) -> Answer {
    call.viewer.write()?;
    call.not_empty()?;
    let Some(Value::Array(wanted)) = call.body.get("tree") else {
        return Err(Problem::invalid("\"tree\" wasn't supplied."));
    };
    if wanted.is_empty() {
        return Err(Problem::new(422, "Invalid tree info"));
    }
    if wanted.len() > call.shared.lock().limiter.limits.posted_tree {
        return Err(Problem::new(502, "Server Error"));
    }
    let base = match call.maybe("base_tree")? {
        None => None,
        Some(base) => {
            let found = call.git().look(&format!("{base}^{{tree}}"))?;
            Some(
                found
                    .filter(|_| is_oid(base))
                    .ok_or_else(Problem::not_found)?
                    .0,
            )
        }
    };
    let there = match &base {
        Some(base) => call.git().tree(base, true)?,
        None => Vec::new(),
    };
    let mut entries = Vec::new();
    for entry in wanted {
        entries.push(read_entry(call, entry)?);
    }
    let missing = entries
        .iter()
        .any(|(_, oid, path)| oid.is_none() && !there.iter().any(|there| there.path == *path));
    let written = if missing {
        None
    } else {
        call.git().write_tree(base.as_deref(), &entries)?
    };
    // GitHub's response to deleting a missing file, and to an unknown hash.
    let oid = written.ok_or_else(|| Problem::new(422, "GitRPC::BadObjectState"))?;
    Ok(Reply::json(201, &shown(call, &oid, false)?))
}

/// Mode, hash (none deletes) and path of a posted entry.
fn read_entry(call: &Call<'_>, entry: &Value) -> Result<(String, Option<String>, String), Problem> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let path = text("path").unwrap_or_default();
    if !is_path(path) {
        return Err(Problem::new(
            422,
            "tree.path contains a malformed path component",
        ));
    }
    let mode = text("mode").unwrap_or_default();
    let kind = match mode {
        "100644" | "100755" | "120000" => "blob",
        "040000" => "tree",
        "160000" => "commit",
        _ => {
            return Err(Problem::new(422, "Must supply a valid tree.mode"));
        }
    };
    if text("type").is_some_and(|text| text != kind) {
        return Err(Problem::new(422, "tree.type does not fit tree.mode"));
    }
    let oid = match (entry.get("sha"), text("content")) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::new(
                422,
                "Must supply either tree.sha or tree.content",
            ));
        }
        (Some(Value::Null), _) => None,
        (Some(sha), _) => {
            let sha = hash(sha.as_str().unwrap_or_default(), "tree.sha")?;
            let found = call.git().look(sha)?;
            if kind != "commit" && found.is_none_or(|found| found.1 != kind) {
                let what = format!("tree.sha {sha} is not a valid {kind}");
                return Err(Problem::new(422, &what));
            }
            Some(sha.to_owned())
        }
        (None, Some(content)) => Some(call.git().write_blob(content.as_bytes())?),
    };
    Ok((mode.to_owned(), oid, path.to_owned()))
}
