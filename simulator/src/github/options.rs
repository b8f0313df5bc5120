//! Options of a simulated GitHub.

use std::path::PathBuf;

use super::limits::Limits;
use super::world::World;

/// Options of a simulated GitHub. The default: an empty private repository, a token with write access, GitHub's
/// limits, any free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repository's owner.
    pub owner: String,
    pub repo: String,
    pub visibility: Visibility,
    /// The default branch.
    pub branch: String,
    /// Files of a first commit; if there are none, the repository is empty and has no branch.
    pub files: Vec<(String, Vec<u8>)>,
    /// Folder of the bare repository, created if needed. Default: a temporary folder, deleted at the end.
    pub path: Option<PathBuf>,
    pub limits: Limits,
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The personal access token. Default: one shaped like a fine-grained token.
    pub token: Option<String>,
    /// A second token: with it, this one alone sees the private repositories of `source`, and the other one alone the
    /// archive. Both share their rate limits. Default: the other token sees everything.
    pub source_token: Option<String>,
    /// The token's owner.
    pub login: String,
    /// That account's role in the repository.
    pub role: Role,
    /// The token's permissions.
    pub access: Access,
    /// Repositories that are a source of data, beside the one above.
    pub source: World,
    /// Where what happens in the world is told, and the secret that signs it.
    pub webhook: Option<(String, String)>,
    /// File for all traffic, as JSON lines.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            owner: "octo-org".to_owned(),
            repo: "archive".to_owned(),
            visibility: Visibility::Private,
            branch: "main".to_owned(),
            files: Vec::new(),
            path: None,
            limits: Limits::github(),
            port: 0,
            token: None,
            source_token: None,
            login: "octocat".to_owned(),
            role: Role::Admin,
            access: Access::Write,
            source: World::default(),
            webhook: None,
            record: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Accounts with access.
    Private,
    /// Everyone in the enterprise; its `private` is true.
    Internal,
}

/// An account's role in the repository, independent of its token. Shown as `permissions` and `viewerPermission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Read,
    Write,
    Admin,
}

/// Permissions of a fine-grained token. GitHub shows them only by refusing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The repository isn't selected for the token: it doesn't exist, unless it is public.
    None,
    /// Only "Metadata: read", which every token has.
    Metadata,
    /// "Contents: read".
    Read,
    /// "Contents: read and write".
    Write,
}
