//! What a query costs, as on GitHub's page "Rate limits and query limits for the GraphQL API": the number of requests to
//! fulfil each connection, every one of which is taken to be full, divided by 100 and rounded, but at least 1.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::response::JsonMap;

/// The most nodes that a query may ask for.
pub(super) const MOST_NODES: u64 = 500_000;

/// The cost of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Requests that its connections would take.
    requests: u64,
    /// The most nodes that it can answer with.
    pub(crate) nodes: u64,
}

impl Cost {
    /// The cost of a selection, with the variables that it uses.
    pub(super) fn of(
        document: &ExecutableDocument,
        selected: &SelectionSet,
        variables: &JsonMap,
    ) -> Self {
        let mut cost = Self::default();
        let counting = Counting {
            document,
            variables,
        };
        counting.add(selected, 1, &mut cost);
        cost
    }

    /// Points of the primary limit.
    pub(crate) fn points(self) -> u32 {
        u32::try_from((self.requests + 50) / 100)
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

struct Counting<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
}

impl Counting<'_> {
    fn add(&self, selected: &SelectionSet, times: u64, cost: &mut Cost) {
        for selection in &selected.selections {
            match selection {
                Selection::Field(field) => {
                    let below = self.field(field, times, cost);
                    self.add(&field.selection_set, below, cost);
                }
                Selection::InlineFragment(part) => self.add(&part.selection_set, times, cost),
                Selection::FragmentSpread(spread) => {
                    if let Some(part) = spread.fragment_def(self.document) {
                        self.add(&part.selection_set, times, cost);
                    }
                }
            }
        }
    }

    /// Counts a field, and says how often its own fields come up.
    fn field(&self, field: &Field, times: u64, cost: &mut Cost) -> u64 {
        let number = |name| {
            let given = field.specified_argument_by_name(name)?;
            match given.as_ref() {
                Value::Variable(name) => self.variables.get(name.as_str())?.as_u64(),
                value => u64::try_from(value.to_i32()?).ok(),
            }
        };
        let several = if field.ty().inner_named_type().ends_with("Connection") {
            cost.requests = cost.requests.saturating_add(times);
            number("first").or_else(|| number("last")).unwrap_or(0)
        } else if let Some(ids) = field.specified_argument_by_name("ids") {
            self.length(ids)
        } else {
            return times;
        };
        let below = times.saturating_mul(several);
        cost.nodes = cost.nodes.saturating_add(below);
        below.max(times)
    }

    fn length(&self, ids: &Value) -> u64 {
        let length = match ids {
            Value::List(ids) => ids.len(),
            Value::Variable(name) => {
                let given = self.variables.get(name.as_str());
                given.and_then(|ids| ids.as_array()).map_or(1, Vec::len)
            }
            _ => 1,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::SCHEMA;
    use super::*;

    fn cost(query: &str) -> Cost {
        let document = ExecutableDocument::parse_and_validate(&SCHEMA, query, "q");
        let document = document.expect("a query");
        let operation = document.operations.get(None).expect("one");
        Cost::of(&document, &operation.selection_set, &JsonMap::new())
    }

    #[test]
    fn costs_are_those_of_the_documented_examples() {
        // From GitHub's page.
        let example = cost(
            "{ viewer { login repositories(first: 100) { edges { node { id issues(first: 50) { edges { node { id
             labels(first: 60) { edges { node { id name } } } } } } } } } } }",
        );
        assert_eq!(example.requests, 1 + 100 + 100 * 50);
        assert_eq!(example.points(), 51);
        let example = cost(
            "{ viewer { repositories(first: 50) { edges { repository: node { name
             pullRequests(first: 20) { edges { pullRequest: node { title
               comments(first: 10) { edges { comment: node { bodyHTML } } } } } }
             issues(first: 20) { totalCount edges { issue: node { title bodyHTML
               comments(first: 10) { edges { comment: node { bodyHTML } } } } } } } } }
             followers(first: 10) { edges { follower: node { login } } } } }",
        );
        assert_eq!(example.nodes, 50 + 1000 + 10_000 + 1000 + 10_000 + 10);
        assert_eq!(cost("{ viewer { login } }").points(), 1);
        let many = cost(
            "{ nodes(ids: [\"a\", \"b\"]) { ... on Issue { comments(first: 10) { totalCount } } } }",
        );
        assert_eq!((many.requests, many.nodes), (2, 22));
    }
}
