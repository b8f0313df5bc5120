//! Why an archive can't be read.

use std::fmt;

use serde::Deserialize;

use super::{
    canonical::Problem,
    manifest::{FORMAT, ROOT},
};
use crate::{ArchiveError, Id, Schema, Scope, SourceError};

/// An archive couldn't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no root.
    #[error("there is no {ROOT}: nothing was exported here yet, or this is no archive")]
    Empty,
    /// The archive is of format 1.
    #[error(
        "the archive is of format 1, which an earlier propsbot wrote and this one doesn't read: \
         `propsbot export --replace` replaces it with a new archive and removes its files"
    )]
    FormatOne,
    /// The archive is of a format that this program doesn't know.
    #[error(
        "{path} is of format {found}, and this propsbot reads format {FORMAT}: update propsbot"
    )]
    OtherFormat {
        /// The root or a manifest.
        path: String,
        /// Its format.
        found: u64,
    },
    /// The archive is another provider's.
    #[error(
        "the archive is of the provider {found:?}, not of {wanted:?}: name an archive of {wanted:?}"
    )]
    OtherProvider {
        /// Its provider.
        found: String,
        /// The one whose archive it should be.
        wanted: &'static str,
    },
    /// A file isn't as it should be.
    #[error(
        "{path} is damaged: {problem}; put back an intact copy, or have it made again from the mirror \
         (`propsbot export --repair`)"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: Problem,
    },
    /// A file isn't there.
    #[error(
        "{0} is missing: put it back from a copy, or have it made again from the mirror (`propsbot export \
         --repair`)"
    )]
    Missing(String),
    /// This machine can't read a file.
    #[error("{path} can't be read: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: ArchiveError,
    },
    /// A manifest was written later than this machine's clock tells.
    #[error(
        "{path} was written {days} days after this machine's time, so what it claims to know can't be trusted: set \
         the clock of this machine if it is wrong; if the exporter's was, export again from a new store \
         (`propsbot sync`, then `propsbot export --replace`)"
    )]
    Future {
        /// The manifest.
        path: String,
        /// How many days later.
        days: u64,
    },
    /// The archive has no such space.
    #[error("the archive has no {}; it has {}", Scope::space(.missing), some(.spaces))]
    NoSpace {
        /// What was asked for.
        missing: Id,
        /// The spaces that it has.
        spaces: Vec<Id>,
    },
    /// The spaces that are read have no such part.
    #[error("the archive has no part {missing}; it has {}", some(.parts))]
    NoPart {
        /// What was asked for.
        missing: Id,
        /// The parts that they have, each with its name.
        parts: Vec<String>,
    },
    /// The program asked for rows of another provider.
    #[error("the provider {provider:?} has no table {table}; this is a bug, please report it")]
    NoTable {
        /// The provider.
        provider: &'static str,
        /// The table.
        table: &'static str,
    },
    /// Rows that aren't in an archive yet couldn't be read.
    #[error("could not read the {table} of {scope}: {source}")]
    Source {
        /// Whose rows.
        scope: Scope,
        /// Their table.
        table: &'static str,
        /// Why.
        source: SourceError,
    },
    /// A newer manifest was published meanwhile, and a file of the old one is gone.
    #[error("the archive was changed while it was read; read it again")]
    Superseded,
}

impl ReadError {
    /// The file that is damaged, missing or unreadable.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Damaged { path, .. } | Self::Missing(path) | Self::Unreadable { path, .. } => {
                Some(path)
            }
            _ => None,
        }
    }
}

/// The first ones, and how many more there are.
fn some(all: &[impl fmt::Display]) -> String {
    const MOST: usize = 20;
    let first: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    match all.len().saturating_sub(MOST) {
        0 if first.is_empty() => "none".to_owned(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

pub(super) fn damaged(path: &str) -> impl FnOnce(Problem) -> ReadError {
    let path = path.to_owned();
    move |problem| ReadError::Damaged { path, problem }
}

/// Fails if a root or manifest is of another format or provider. What else may be wrong isn't looked at.
pub(super) fn check_kind(path: &str, schema: &Schema, bytes: &[u8]) -> Result<(), ReadError> {
    #[derive(Deserialize)]
    struct Head {
        provider: String,
    }
    check_format(path, bytes)?;
    match serde_json::from_slice(bytes) {
        Ok(Head { provider }) if provider != schema.provider => Err(ReadError::OtherProvider {
            found: provider,
            wanted: schema.provider,
        }),
        _ => Ok(()),
    }
}

/// Fails if a root or manifest is of another format.
pub(super) fn check_format(path: &str, bytes: &[u8]) -> Result<(), ReadError> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    match serde_json::from_slice(bytes) {
        Ok(Head { format: 1 }) => Err(ReadError::FormatOne),
        Ok(Head { format }) if format != u64::from(FORMAT) => Err(ReadError::OtherFormat {
            path: path.to_owned(),
            found: format,
        }),
        _ => Ok(()),
    }
}
