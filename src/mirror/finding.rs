//! What a check found: one type for the command line, `/setup` and bug reports.

use std::{error::Error, fmt};

use propsbot_archive::{Id, one_line};
use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It couldn't be checked, because something else is wrong.
    Unknown,
    /// It works, but a person should know.
    Warning,
    /// Something doesn't work.
    Wrong,
}

impl Outcome {
    /// The sign before a line.
    pub fn sign(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Unknown | Self::Warning => '!',
            Self::Wrong => '✗',
        }
    }

    /// Whether a person should look at it.
    pub fn wants_attention(self) -> bool {
        self >= Self::Warning
    }
}

/// What a check found.
///
/// Its parts differ in who may see them: a bug report has `text`, and `error` without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked: a word that doesn't change between versions.
    pub check: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in our words and numbers only: no names, no ids, nothing that a server said.
    pub text: String,
    /// The names and ids that it is about.
    pub names: Option<String>,
    /// The error that it comes from, with what to do.
    pub error: Option<String>,
    /// What to do, unless the error says so.
    pub remedy: Option<String>,
    /// The space that it is about.
    pub space: Option<Id>,
    /// The part of that space.
    pub part: Option<Id>,
}

impl Finding {
    /// A finding without details.
    pub fn new(check: &'static str, outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            check,
            outcome,
            text: text.into(),
            names: None,
            error: None,
            remedy: None,
            space: None,
            part: None,
        }
    }

    /// All is well.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, text)
    }

    /// It works, but a person should know.
    pub fn warning(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Outcome::Warning, text)
    }

    /// It couldn't be checked.
    pub fn unknown(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Outcome::Unknown, text)
    }

    /// Something doesn't work.
    pub fn wrong(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Outcome::Wrong, text)
    }

    /// Adds the names that it is about.
    #[must_use]
    pub fn names(self, names: impl fmt::Display) -> Self {
        let names = Some(names.to_string());
        Self { names, ..self }
    }

    /// Adds the error that it comes from.
    #[must_use]
    pub fn error(self, error: &dyn Error) -> Self {
        let error = Some(with_causes(error));
        Self { error, ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { remedy, ..self }
    }

    /// Adds the space and the part that it is about.
    #[must_use]
    pub fn of(self, space: Id, part: Option<Id>) -> Self {
        let space = Some(space);
        Self {
            space,
            part,
            ..self
        }
    }

    /// What was found and what to do, on one line for a log.
    pub fn sentence(&self) -> String {
        let remedy = self.remedy.as_ref();
        let remedy = remedy.map(|remedy| format!("; {remedy}"));
        format!("{}{}", self.text, remedy.unwrap_or_default())
    }
}

/// For a terminal: the sign, what was checked and found, and what to do on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, check, text) = (self.outcome.sign(), self.check, &self.text);
        write!(f, "{sign} {check}: {text}")?;
        if let Some(names) = &self.names {
            write!(f, ": {}", one_line(names))?;
        }
        if let Some(error) = &self.error {
            write!(f, ": {}", one_line(error))?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {remedy}"),
            None => Ok(()),
        }
    }
}

/// An error's message with those of its causes. Some messages end with their cause already.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text += ": ";
            text += &said;
        }
        next = cause.source();
    }
    text
}
