//! A request as routes see it, and their responses.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use super::source::wire::View;
use crate::github::faults::Files;
use crate::github::git::{Repository, is_oid};
use crate::github::state::Shared;
use crate::github::viewer::{ARCHIVED, NOT_ACCESSIBLE, Refusal, Viewer};
use crate::github::world::{Repository as Repo, World};

/// A request: path parameters in order, query, body.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) viewer: Viewer,
    pub(crate) world: &'a World,
    /// The repository that the path names, if it is one of the world.
    pub(crate) source: Option<&'a Repo>,
    pub(crate) params: Vec<String>,
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) accept: &'a str,
    /// Files that someone else commits during the request.
    pub(crate) race: Cell<Option<Files>>,
}

impl Call<'_> {
    pub(crate) fn git(&self) -> &Repository {
        &self.shared.git
    }

    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number in the query, such as `per_page`.
    pub(crate) fn number(&self, name: &str, default: usize) -> usize {
        let asked = self.asked(name).and_then(|text| text.parse().ok());
        asked.filter(|number| *number > 0).unwrap_or(default)
    }

    /// A required text in the body.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Problem> {
        match self.body.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) if !other.is_null() => Err(Problem::invalid(&format!(
                "For 'properties/{name}', {other} is not a string."
            ))),
            _ => Err(Problem::invalid(&format!("\"{name}\" wasn't supplied."))),
        }
    }

    /// An optional text in the body.
    pub(crate) fn maybe(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(name).map(Some),
        }
    }

    /// The world, for showing what is in it.
    pub(super) fn view(&self) -> View<'_> {
        View {
            base: &self.viewer.settings.url,
            world: self.world,
            role: self.viewer.settings.role,
        }
    }

    /// The repository's URL in the API.
    pub(crate) fn home(&self) -> String {
        let settings = &self.viewer.settings;
        format!("{}/repos/{}", settings.url, settings.full_name())
    }

    /// Whether the raw contents are wanted, without JSON.
    pub(crate) fn wants_raw(&self) -> bool {
        self.accept.contains(".raw")
    }

    /// Refuses what the git database API refuses before the first commit.
    pub(crate) fn not_empty(&self) -> Result<(), Problem> {
        if self.git().is_empty()? {
            Err(Problem::new(409, "Git Repository is empty."))
        } else {
            Ok(())
        }
    }

    /// Lets someone else commit now, if planned.
    pub(crate) fn let_race(&self) -> Result<(), Problem> {
        if let Some(files) = self.race.take() {
            self.shared.somebody_commits(files)?;
        }
        Ok(())
    }
}

/// A complete object hash.
pub(super) fn hash<'t>(text: &'t str, what: &str) -> Result<&'t str, Problem> {
    if is_oid(text) {
        return Ok(text);
    }
    let error =
        format!("The {what} parameter must be exactly 40 characters and contain only [0-9a-f].");
    Err(Problem::new(422, &error))
}

/// A successful response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// Media type for a commit's bare hash.
pub(crate) const SHA: &str = "application/vnd.github.sha; charset=utf-8";
pub(crate) const RAW: &str = "application/vnd.github.raw+json; charset=utf-8";

/// A route's response.
pub(crate) type Answer = Result<Reply, Problem>;

impl Reply {
    pub(crate) fn json(status: u16, of: &impl Serialize) -> Self {
        Self {
            status,
            content_type: JSON,
            headers: Vec::new(),
            body: serde_json::to_vec(of).expect("answers are plain JSON"),
        }
    }

    pub(crate) fn bytes(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type,
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn none(status: u16) -> Self {
        Self {
            status,
            ..Self::bytes("", Vec::new())
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// An error, as on GitHub's page "Troubleshooting the REST API".
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    message: String,
    errors: Vec<Value>,
    /// Why the simulator itself failed.
    pub(crate) internal: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: u16, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            errors: Vec::new(),
            internal: None,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    /// 422 for a malformed body.
    pub(crate) fn invalid(what: &str) -> Self {
        Self::new(422, &format!("Invalid request.\n\n{what}"))
    }

    /// 422 for a body with wrong values.
    pub(crate) fn failed(resource: &str, field: &str, code: &str) -> Self {
        Self {
            errors: vec![json!({"resource": resource, "field": field, "code": code})],
            ..Self::new(422, "Validation Failed")
        }
    }

    pub(crate) fn with(mut self, error: Value) -> Self {
        self.errors.push(error);
        self
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        Reply::json(self.status, &body)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self {
            internal: Some(format!("{error:#}")),
            ..Self::new(500, "Server Error")
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Hidden => Self::not_found(),
            Refusal::Anonymous => Self::new(401, "Requires authentication"),
            Refusal::Token => Self::new(403, NOT_ACCESSIBLE),
            Refusal::Archived => Self::new(403, ARCHIVED),
            Refusal::Ruled(rule) => Self::new(422, rule),
        }
    }
}

/// Base64 in GitHub's format: a line break after every 60 characters.
pub(crate) fn in_lines(bytes: &[u8]) -> String {
    let whole = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(whole.len() + whole.len() / 60 + 1);
    let mut rest = whole.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(60));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

/// Parses base64, ignoring line breaks, as GitHub does.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    // Bodies are tens of megabytes: searching bytes is faster than characters.
    let bytes = text.as_bytes();
    if bytes.contains(&b'\n') || bytes.contains(&b'\r') {
        STANDARD.decode(text.replace(['\n', '\r'], "")).ok()
    } else {
        STANDARD.decode(text).ok()
    }
}
