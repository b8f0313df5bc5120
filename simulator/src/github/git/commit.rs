//! Commits, and their git representation.

use anyhow::Context as _;
use jiff::Timestamp;

use super::Object;
use crate::github::faults::Files;

/// The author or committer, with the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: Timestamp,
}

impl Signature {
    pub(crate) fn now(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            email: format!("{name}@users.noreply.github.com"),
            at: Timestamp::now(),
        }
    }

    pub(super) fn line(&self) -> String {
        // Drops characters that would end the name early, as git does.
        let plain = |text: &str| text.replace(['<', '>', '\n'], "");
        let (name, email) = (plain(&self.name), plain(&self.email));
        format!("{name} <{email}> {} +0000", self.at.as_second())
    }

    fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(" <")?;
        let (email, time) = rest.split_once("> ")?;
        let second = time.split(' ').next()?.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            email: email.to_owned(),
            at: Timestamp::from_second(second).ok()?,
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) oid: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// The changes of a commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) additions: Files,
    pub(crate) deletions: Vec<String>,
}

/// Reads a commit object.
pub(super) fn parse(object: &Object) -> anyhow::Result<Commit> {
    let text = String::from_utf8_lossy(&object.bytes);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let all = |name: &str| -> Vec<String> {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        head.lines().filter_map(value).collect()
    };
    let signature = |name| all(name).first().and_then(|line| Signature::read(line));
    Ok(Commit {
        oid: object.oid.clone(),
        tree: all("tree").pop().context("a commit without a tree")?,
        parents: all("parent"),
        author: signature("author").context("a commit without an author")?,
        committer: signature("committer").context("a commit without a committer")?,
        message: message.to_owned(),
    })
}
