//! GraphQL: any query that is valid by GitHub's published schema, over the world and the archive's repository.
//!
//! The engine (`apollo-compiler`) validates documents and variables, carries them out field by field, and answers
//! introspection. `object` is what it asks; the others know the answers.

mod archive;
mod cost;
mod discussions;
mod inputs;
mod items;
mod markers;
mod mutation;
mod object;
mod page;
mod root;
mod schema;
mod source;

use std::sync::{Arc, Mutex};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::Node;
use apollo_compiler::executable::{Operation, Selection};
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::resolvers::{Execution, FieldError};
use apollo_compiler::response::{ExecutionResponse, GraphQLError, JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::faults::{Files, Kind};
use super::rest::call::{Problem, Reply};
use super::state::Shared;
use super::viewer::{ARCHIVED, NOT_ACCESSIBLE, Refusal, Viewer};
use super::world;
use cost::{Cost, MOST_NODES};
pub(super) use items::path;
use object::{Object, Thing};
use schema::{IMPLEMENTERS, SCHEMA};
pub(super) use source::{WEB, page};

/// Stand before and after an error, and between its type and its message: the engine knows only messages, and puts its
/// own words around them.
const AROUND: char = '\u{1e}';
const BETWEEN: char = '\u{1f}';

/// What resolvers answer from.
struct World<'w> {
    shared: &'w Arc<Shared>,
    viewer: &'w Viewer,
    source: &'w world::World,
    cost: Cost,
    /// Files that someone else commits during a mutation.
    race: Mutex<Option<Files>>,
}

impl World<'_> {
    /// Records that something isn't simulated.
    fn unsimulated(&self, what: &str) {
        let mut state = self.shared.lock();
        state
            .log
            .violation(format!("simulator: {what} isn't simulated"));
    }
}

/// A parsed and valid request: its contents are known before the limits are checked.
#[derive(Debug)]
pub(crate) struct Asked {
    document: Valid<ExecutableDocument>,
    operation: Node<Operation>,
    variables: Valid<JsonMap>,
    pub(crate) kind: Kind,
    pub(crate) fields: Vec<String>,
    pub(crate) cost: Cost,
}

/// Why a request isn't carried out.
#[derive(Debug)]
pub(crate) enum Unreadable {
    NotJson,
    /// Errors in GitHub's format.
    Invalid(Vec<Value>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: String,
    variables: Option<JsonMap>,
    operation_name: Option<String>,
}

/// Parses and validates a body: JSON with `query`, and optionally `variables` and `operationName`.
pub(crate) fn read(body: &[u8]) -> Result<Asked, Unreadable> {
    let body: Body = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    let document = ExecutableDocument::parse_and_validate(&SCHEMA, body.query, "query");
    let document = document.map_err(|invalid| {
        let errors = invalid.errors.iter().map(|error| json!(error.to_json()));
        Unreadable::Invalid(errors.collect())
    })?;
    let one = |message: String| Unreadable::Invalid(vec![json!({"message": message})]);
    // A name is required only if there are several operations.
    let name = body.operation_name.as_deref();
    let name = name.filter(|_| document.operations.len() > 1);
    let operation = document.operations.get(name);
    let operation = operation
        .map_err(|_| one("An operation name is required".to_owned()))?
        .clone();
    let given = body.variables.unwrap_or_default();
    let variables = coerce_variable_values(&SCHEMA, &operation, &given);
    let variables = variables.map_err(|error| one(error.message().to_string()))?;
    let names = operation
        .selection_set
        .selections
        .iter()
        .filter_map(Selection::as_field);
    let fields: Vec<_> = names.map(|field| field.name.to_string()).collect();
    let kind = if !operation.is_mutation() {
        Kind::Query
    } else if fields.iter().any(|field| field == "createCommitOnBranch") {
        Kind::CommitOnBranch
    } else {
        Kind::Mutation
    };
    let cost = Cost::of(&document, &operation.selection_set, &variables);
    if cost.nodes > MOST_NODES {
        let what = format!(
            "This query requests up to {} possible nodes which exceeds the maximum limit of 500,000.",
            cost.nodes
        );
        let error = json!({"type": "MAX_NODE_LIMIT_EXCEEDED", "message": what});
        return Err(Unreadable::Invalid(vec![error]));
    }
    Ok(Asked {
        document,
        operation,
        variables,
        kind,
        fields,
        cost,
    })
}

/// Responds to a request; the status is 200 unless the body is invalid JSON.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    viewer: &Viewer,
    asked: Result<Asked, Unreadable>,
    race: Option<Files>,
) -> Reply {
    let asked = match asked {
        Ok(asked) => asked,
        Err(Unreadable::NotJson) => {
            let why = "Problems parsing JSON";
            shared
                .lock()
                .log
                .violation(format!("GraphQL that cannot be read: {why}"));
            return Problem::new(400, why).reply();
        }
        Err(Unreadable::Invalid(errors)) => {
            let why: Vec<_> = errors.iter().map(|error| &error["message"]).collect();
            let what = format!("GraphQL that does not fit the schema: {why:?}");
            shared.lock().log.violation(what);
            return Reply::json(200, &json!({"errors": errors}));
        }
    };
    let source = shared.world();
    let world = World {
        shared,
        viewer,
        source: &source,
        cost: asked.cost,
        race: Mutex::new(race),
    };
    let thing = match asked.kind {
        Kind::Query => Thing::Query,
        _ => Thing::Mutation,
    };
    let root = Object {
        world: &world,
        thing,
    };
    let response = Execution::new(&SCHEMA, &asked.document)
        .operation(&asked.operation)
        .implementers_map(&IMPLEMENTERS)
        .coerced_variable_values(&asked.variables)
        .enable_schema_introspection(true)
        .execute_sync(&root);
    match response {
        Ok(response) => Reply::json(200, &Written::from(&response)),
        Err(error) => {
            let what = error.message().to_string();
            shared.lock().log.violation(format!("simulator: {what}"));
            Reply::json(200, &json!({"errors": [{"message": what}]}))
        }
    }
}

/// The response in GitHub's format: an error's `type` is next to its message.
#[derive(Serialize)]
struct Written<'a> {
    data: Option<&'a JsonMap>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Value>,
}

impl<'a> From<&'a ExecutionResponse> for Written<'a> {
    fn from(response: &'a ExecutionResponse) -> Self {
        let errors = response.errors.iter();
        Self {
            data: response.data.as_ref(),
            errors: errors.map(write).collect(),
        }
    }
}

fn write(error: &GraphQLError) -> Value {
    let mut shown = json!(error);
    let own = error.message.split(AROUND).nth(1);
    if let Some((kind, message)) = own.and_then(|own| own.split_once(BETWEEN)) {
        shown["type"] = json!(kind);
        shown["message"] = json!(message);
    }
    shown
}

/// An argument that is a text, an enum's value or a time; nothing if it wasn't given.
fn text<'a>(arguments: &'a JsonMap, name: &str) -> &'a str {
    arguments
        .get(name)
        .and_then(JsonValue::as_str)
        .unwrap_or_default()
}

/// An argument that is a time, in seconds since 1970.
fn instant(arguments: &JsonMap, name: &str) -> Option<i64> {
    let time: Timestamp = text(arguments, name).parse().ok()?;
    Some(time.as_second())
}

/// An error of a GitHub type.
fn problem(kind: &str, message: &str) -> FieldError {
    FieldError {
        message: format!("{AROUND}{kind}{BETWEEN}{message}{AROUND}"),
    }
}

/// An error of the simulator itself.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: anyhow::Error) -> FieldError {
    problem("INTERNAL", &format!("simulator: {error:#}"))
}

fn refused(refusal: Refusal, full_name: &str) -> FieldError {
    match refusal {
        Refusal::Hidden => unresolved(full_name),
        Refusal::Anonymous | Refusal::Token => problem("FORBIDDEN", NOT_ACCESSIBLE),
        Refusal::Archived => problem("FORBIDDEN", ARCHIVED),
        Refusal::Ruled(rule) => problem("UNPROCESSABLE", rule),
    }
}

fn unresolved(full_name: &str) -> FieldError {
    let what = format!("Could not resolve to a Repository with the name '{full_name}'.");
    problem("NOT_FOUND", &what)
}
