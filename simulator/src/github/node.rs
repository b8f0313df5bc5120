//! GraphQL node ids: a type prefix and the node's name, in base64. Opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn id(prefix: &str, of: &str) -> String {
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(of))
}

fn read(prefix: &str, id: &str) -> Option<String> {
    let encoded = id.strip_prefix(prefix)?.strip_prefix('_')?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

pub(crate) fn user(login: &str) -> String {
    id("U", login)
}

/// The repository by its full name.
pub(crate) fn repository(full_name: &str) -> String {
    id("R", full_name)
}

/// A ref by its full name.
pub(crate) fn reference(name: &str) -> String {
    id("REF", name)
}

/// The full name of a ref.
pub(crate) fn read_reference(id: &str) -> Option<String> {
    read("REF", id)
}

/// A git object: a commit, a tree or a blob.
pub(crate) fn object(kind: &str, oid: &str) -> String {
    id(kind, oid)
}
