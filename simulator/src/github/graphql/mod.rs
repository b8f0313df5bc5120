//! GraphQL: the part of GitHub's schema that concerns a repository's contents, with GitHub's names.
//!
//! The engine validates documents and variables. `tests/contract` checks that all of it exists in GitHub's published
//! schema.

mod inputs;
mod mutation;
mod objects;
mod query;
mod scalars;

use std::sync::{Arc, LazyLock, Mutex};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    DocumentOperations, OperationDefinition, OperationType, Selection,
};
use async_graphql::{
    Context, EmptySubscription, Error, ErrorExtensions as _, Request, Response, Schema, Value,
};
use serde_json::json;

use super::faults::{Files, Kind};
use super::rest::call::{Problem, Reply};
use super::state::Shared;
use super::viewer::{ARCHIVED, NOT_ACCESSIBLE, Refusal, Viewer};

static SCHEMA: LazyLock<Schema<query::Query, mutation::Mutation, EmptySubscription>> =
    LazyLock::new(|| Schema::new(query::Query, mutation::Mutation, EmptySubscription));

/// The context of resolvers.
struct World {
    shared: Arc<Shared>,
    viewer: Viewer,
    /// Files that someone else commits during a mutation.
    race: Mutex<Option<Files>>,
}

/// A nullable field: an error in it leaves the rest of the response intact.
type Maybe<T> = Option<Result<T, Error>>;

/// A parsed request: its contents are known before the limits are checked.
#[derive(Debug)]
pub(crate) struct Asked {
    request: Request,
    pub(crate) kind: Kind,
    pub(crate) fields: Vec<String>,
}

/// Parses a body: JSON with `query`, and optionally `variables` and `operationName`.
pub(crate) fn read(body: &[u8]) -> Result<Asked, String> {
    let request: Request = serde_json::from_slice(body).map_err(|_| "Problems parsing JSON")?;
    let document = parse_query(&request.query).map_err(|error| error.to_string())?;
    let name = request.operation_name.as_deref();
    let operation = match &document.operations {
        DocumentOperations::Single(operation) => Some(&operation.node),
        DocumentOperations::Multiple(all) => all
            .iter()
            // A name is required only if there are several operations.
            .find(|(known, _)| all.len() == 1 || Some(known.as_str()) == name)
            .map(|(_, operation)| &operation.node),
    };
    let operation = operation.ok_or("An operation name is required")?;
    let fields = fields(operation);
    let kind = match operation.ty {
        OperationType::Mutation if fields.iter().any(|field| field == "createCommitOnBranch") => {
            Kind::CommitOnBranch
        }
        OperationType::Mutation => Kind::Mutation,
        _ => Kind::Query,
    };
    Ok(Asked {
        request,
        kind,
        fields,
    })
}

fn fields(operation: &OperationDefinition) -> Vec<String> {
    let items = &operation.selection_set.node.items;
    let name = |item: &Selection| match item {
        Selection::Field(field) => Some(field.node.name.node.to_string()),
        _ => None,
    };
    items.iter().filter_map(|item| name(&item.node)).collect()
}

/// Responds to a request; the status is 200 unless the body is invalid JSON.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    viewer: Viewer,
    asked: Result<Asked, String>,
    race: Option<Files>,
) -> Reply {
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => {
            let mut state = shared.lock();
            state
                .log
                .violation(format!("GraphQL that cannot be read: {why}"));
            return if why == "Problems parsing JSON" {
                Problem::new(400, &why).reply()
            } else {
                Reply::json(200, &json!({"errors": [{"message": why}]}))
            };
        }
    };
    let world = World {
        shared: Arc::clone(shared),
        viewer,
        race: Mutex::new(race),
    };
    // Resolvers don't wait: they block on git, and this thread is for that.
    let response = futures::executor::block_on(SCHEMA.execute(asked.request.data(world)));
    if response.errors.iter().any(|error| error.path.is_empty()) {
        let why: Vec<_> = response.errors.iter().map(|error| &error.message).collect();
        let mut state = shared.lock();
        state
            .log
            .violation(format!("GraphQL that does not fit the schema: {why:?}"));
    }
    Reply::json(200, &written(&response))
}

/// The response in GitHub's format: an error's `type` is next to its message.
fn written(response: &Response) -> serde_json::Value {
    let errors: Vec<_> = response
        .errors
        .iter()
        .map(|error| {
            let mut shown = json!(error);
            let extensions = shown["extensions"].take();
            if let Some(shown) = shown.as_object_mut() {
                shown.remove("extensions");
                if let Some(kind) = extensions.get("type") {
                    shown.insert("type".to_owned(), kind.clone());
                }
            }
            shown
        })
        .collect();
    let mut shown = json!({});
    // Documents that don't fit the schema aren't executed, so there is no data.
    if response.data != Value::Null || errors.is_empty() {
        shown["data"] = json!(response.data);
    }
    if !errors.is_empty() {
        shown["errors"] = json!(errors);
    }
    shown
}

fn world<'c>(context: &Context<'c>) -> &'c World {
    context.data_unchecked::<World>()
}

/// An error of a GitHub type.
fn problem(kind: &'static str, message: &str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("type", kind))
}

fn refused(refusal: Refusal, full_name: &str) -> Error {
    match refusal {
        Refusal::Hidden => unresolved(full_name),
        Refusal::Anonymous | Refusal::Token => problem("FORBIDDEN", NOT_ACCESSIBLE),
        Refusal::Archived => problem("FORBIDDEN", ARCHIVED),
        Refusal::Ruled(rule) => problem("UNPROCESSABLE", rule),
    }
}

fn unresolved(full_name: &str) -> Error {
    let what = format!("Could not resolve to a Repository with the name '{full_name}'.");
    problem("NOT_FOUND", &what)
}
