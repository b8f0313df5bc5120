//! How a simulated GitHub is started.

use std::path::PathBuf;

use super::limits::Limits;

/// How a simulated GitHub is started. The default: one empty private repository, a token that may write, GitHub's limits, any free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who owns the repository.
    pub owner: String,
    /// Its name.
    pub repo: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// The default branch.
    pub branch: String,
    /// Files of a first commit; without any, the repository is empty and the branch does not exist.
    pub files: Vec<(String, Vec<u8>)>,
    /// Where the bare repository is kept, made if it is not there. Default: a temporary folder, deleted at the end.
    pub path: Option<PathBuf>,
    /// The limits to keep.
    pub limits: Limits,
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The personal access token. Default: one in the shape of a fine-grained token.
    pub token: Option<String>,
    /// Whose token it is.
    pub login: String,
    /// What that account may do in the repository.
    pub role: Role,
    /// What the token may do of it.
    pub access: Access,
    /// Where to write all traffic as JSON lines.
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
            login: "octocat".to_owned(),
            role: Role::Admin,
            access: Access::Write,
            record: None,
        }
    }
}

/// Who may see a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Those with access.
    Private,
    /// Everyone in the enterprise; `private` is true of it.
    Internal,
}

/// What an account may do in the repository, whatever its token. It is what `permissions` and `viewerPermission` show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See it.
    Read,
    /// Push to it.
    Write,
    /// Everything.
    Admin,
}

/// What a fine-grained token may do in the repository. GitHub shows it nowhere: a refusal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The repository was not selected for the token: it is not there, unless it is public.
    None,
    /// "Metadata: read" only, which every token has.
    Metadata,
    /// "Contents: read".
    Read,
    /// "Contents: read and write".
    Write,
}
