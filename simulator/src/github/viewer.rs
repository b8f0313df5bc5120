//! The viewer and their permissions, for both REST and GraphQL.

use super::options::{Access, Role, Visibility};
use super::state::Settings;
use super::world::Repository as Source;

/// The viewer, with the current settings.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) settings: Settings,
    /// Whether the request has a token. Bad ones are refused earlier.
    pub(crate) known: bool,
    /// Whether the token was given access to the world's private repositories.
    pub(crate) reads_source: bool,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The repository seems not to exist.
    Hidden,
    /// A token is needed.
    Anonymous,
    /// The token, or its owner, lacks the permission.
    Token,
    /// The repository is archived, so it is read-only.
    Archived,
    /// A rule of the repository forbids it, in these words.
    Ruled(&'static str),
}

/// GitHub's message for a fine-grained token without the permission.
pub(crate) const NOT_ACCESSIBLE: &str = "Resource not accessible by personal access token";
/// GitHub's message for an archived repository.
pub(crate) const ARCHIVED: &str = "Repository was archived so is read-only.";
/// GitHub's message for a commit refused by a ruleset.
pub(crate) const PROTECTED: &str =
    "Repository rule violations found\n\nChanges must be made through a pull request.\n\n";
/// GitHub's message where a ruleset restricts the creation of branches.
pub(crate) const NO_CREATION: &str =
    "Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n";

impl Viewer {
    /// The token's access. Everyone can read public repositories.
    fn access(&self) -> Access {
        let own = if self.known {
            self.settings.access
        } else {
            Access::None
        };
        if self.settings.visibility == Visibility::Public {
            own.max(Access::Read)
        } else {
            own
        }
    }

    /// Whether a repository of the world is visible. Everyone sees public ones.
    pub(crate) fn sees(&self, source: &Source) -> bool {
        !source.private || (source.readable && self.reads_source)
    }

    /// Whether the archive's repository is visible.
    pub(crate) fn see(&self) -> Result<(), Refusal> {
        if self.access() == Access::None {
            Err(Refusal::Hidden)
        } else {
            Ok(())
        }
    }

    /// Whether its contents are readable.
    pub(crate) fn read(&self) -> Result<(), Refusal> {
        self.see()?;
        if self.access() < Access::Read {
            Err(Refusal::Token)
        } else {
            Ok(())
        }
    }

    /// Whether its contents are writable.
    pub(crate) fn write(&self) -> Result<(), Refusal> {
        self.see()?;
        if !self.known {
            Err(Refusal::Anonymous)
        } else if self.access() < Access::Write || self.settings.role < Role::Write {
            Err(Refusal::Token)
        } else if self.settings.archived {
            Err(Refusal::Archived)
        } else {
            Ok(())
        }
    }

    /// Whether a ref can be moved or deleted.
    pub(crate) fn move_ref(&self, name: &str) -> Result<(), Refusal> {
        self.write()?;
        if self.settings.is_protected(name) {
            Err(Refusal::Ruled(PROTECTED))
        } else {
            Ok(())
        }
    }

    /// Whether a ref that does not exist can be created.
    pub(crate) fn create_ref(&self, name: &str) -> Result<(), Refusal> {
        self.move_ref(name)?;
        if self.settings.restricts_creations && name.starts_with("refs/heads/") {
            Err(Refusal::Ruled(NO_CREATION))
        } else {
            Ok(())
        }
    }
}
