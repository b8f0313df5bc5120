//! Who asks, and what they may do: one answer for REST and GraphQL.

use super::options::{Access, Role, Visibility};
use super::state::Settings;

/// Who asks, with the settings of the moment.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) settings: Settings,
    /// Whether a token came with the request. A bad one is refused before.
    pub(crate) known: bool,
}

/// Why something may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is as if the repository were not there.
    Hidden,
    /// A token is needed.
    Anonymous,
    /// The token, or its owner, may not.
    Token,
    /// Nobody may, as long as the repository is archived.
    Archived,
    /// The branch takes pull requests only.
    Protected,
}

/// What GitHub says to a fine-grained token that lacks a permission.
pub(crate) const NOT_ACCESSIBLE: &str = "Resource not accessible by personal access token";
/// What it says of a repository that was archived.
pub(crate) const ARCHIVED: &str = "Repository was archived so is read-only.";
/// What it says when a ruleset refuses a commit.
pub(crate) const PROTECTED: &str =
    "Repository rule violations found\n\nChanges must be made through a pull request.\n\n";

impl Viewer {
    /// What the token may do here. Public repositories may be read by anyone.
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

    /// Whether the repository may be seen at all.
    pub(crate) fn see(&self) -> Result<(), Refusal> {
        if self.access() == Access::None {
            Err(Refusal::Hidden)
        } else {
            Ok(())
        }
    }

    /// Whether its contents may be read.
    pub(crate) fn read(&self) -> Result<(), Refusal> {
        self.see()?;
        if self.access() < Access::Read {
            Err(Refusal::Token)
        } else {
            Ok(())
        }
    }

    /// Whether its contents may be written.
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

    /// Whether a ref may be moved, made or deleted.
    pub(crate) fn move_ref(&self, name: &str) -> Result<(), Refusal> {
        self.write()?;
        if self.settings.is_protected(name) {
            Err(Refusal::Protected)
        } else {
            Ok(())
        }
    }
}
