//! GitHub's published schema, and what is answered for a field that isn't simulated.

use std::io::Read as _;
use std::sync::LazyLock;

use apollo_compiler::Name;
use apollo_compiler::Schema;
use apollo_compiler::collections::HashMap;
use apollo_compiler::resolvers::ResolveInfo;
use apollo_compiler::schema::{ExtendedType, Implementers};
use apollo_compiler::validation::Valid;
use flate2::read::GzDecoder;

use super::object::Given;

/// npm `@octokit/graphql-schema`, `schema.graphql`, compressed. A contract test compares them.
const PUBLISHED: &[u8] = include_bytes!("schema.graphql.gz");

pub(super) static SCHEMA: LazyLock<Valid<Schema>> = LazyLock::new(|| {
    let mut text = String::new();
    let read = GzDecoder::new(PUBLISHED).read_to_string(&mut text);
    read.expect("the schema is gzip");
    // It is GitHub's, with a field that is defined twice: it isn't ours to correct, and checking its 1.2 MB at every
    // start would only take time.
    let schema = Schema::parse(text, "schema.graphql").unwrap_or_else(|wrong| wrong.partial);
    Valid::assume_valid(schema)
});

/// Which types implement which interfaces.
pub(super) static IMPLEMENTERS: LazyLock<HashMap<Name, Implementers>> =
    LazyLock::new(|| SCHEMA.implementers_map());

/// Fields that aren't simulated although there is something to say: better an error than a wrong answer.
const MISSING: &[&str] = &[
    "contributionsCollection",
    "mentionableUsers",
    "search",
    "timeline",
    "timelineItems",
    "userContentEdits",
];

/// What a field answers that the world doesn't have: null, nothing in a list, false, 0, an empty text. None if it has to
/// be something else.
pub(super) fn unmodelled<'w>(info: &ResolveInfo<'_>) -> Option<Given<'w>> {
    if MISSING.contains(&info.field_name()) {
        return None;
    }
    let ty = &info.field_definition().ty;
    let name = ty.inner_named_type();
    let named = info.schema().types.get(name);
    if matches!(named, Some(ExtendedType::Object(_))) && name.ends_with("Connection") {
        return Some(Given::Page(Vec::new()));
    }
    if !ty.is_non_null() {
        return Some(Given::Leaf(().into()));
    }
    if ty.is_list() {
        return Some(Given::Many(Vec::new()));
    }
    match name.as_str() {
        "Boolean" => Some(Given::Leaf(false.into())),
        "Int" => Some(Given::Leaf(0.into())),
        "HTML" | "String" => Some("".into()),
        _ => match named? {
            // Its first value, such as that of a setting that nobody changed.
            ExtendedType::Enum(of) => of.values.keys().next().map(|value| value.as_str().into()),
            _ => None,
        },
    }
}

/// The type of a connection's edges.
pub(super) fn edge_type(info: &ResolveInfo<'_>) -> String {
    info.field_definition().ty.inner_named_type().to_string()
}
