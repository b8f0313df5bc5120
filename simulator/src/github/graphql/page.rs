//! Connections: pages of a list, by cursors that survive changes of the list.

use apollo_compiler::executable::Selection;
use apollo_compiler::resolvers::{FieldError, ResolveInfo};
use apollo_compiler::response::JsonValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::object::{Given, Thing};
use super::problem;
use super::schema::SCHEMA;

/// The largest page.
const LARGEST: i64 = 100;

/// An entry of a list, which is sorted by the keys. A descending list has negative ones.
#[derive(Clone)]
pub(super) struct Entry<'w> {
    pub(super) key: (i64, i64),
    pub(super) thing: Thing<'w>,
}

impl Entry<'_> {
    fn cursor(&self) -> String {
        let (value, id) = self.key;
        STANDARD.encode(format!("cursor:v2:{value}:{id}"))
    }
}

fn read(cursor: &str) -> Option<(i64, i64)> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let (value, id) = text.strip_prefix("cursor:v2:")?.split_once(':')?;
    Some((value.parse().ok()?, id.parse().ok()?))
}

/// A page of a connection.
#[derive(Clone)]
pub(super) struct Connection<'w> {
    pub(super) type_name: String,
    total: usize,
    page: Vec<Entry<'w>>,
    has_next: bool,
    has_previous: bool,
}

/// An entry with its cursor.
#[derive(Clone)]
pub(super) struct Edge<'w> {
    pub(super) type_name: String,
    entry: Box<Entry<'w>>,
}

impl<'w> Connection<'w> {
    /// Cuts the page that the arguments ask for.
    pub(super) fn cut(
        type_name: String,
        info: &ResolveInfo<'_>,
        mut all: Vec<Entry<'w>>,
    ) -> Result<Self, FieldError> {
        let (field, arguments) = (info.field_name(), info.arguments());
        let number = |name: &str| arguments.get(name).and_then(JsonValue::as_i64);
        let size = |name: &str| match number(name) {
            Some(..0) => {
                let what =
                    format!("`{name}` on the `{field}` connection cannot be less than zero.");
                Err(problem("UNPROCESSABLE", &what))
            }
            Some(asked) if asked > LARGEST => {
                let what = format!(
                    "Requesting {asked} records on the `{field}` connection exceeds the `{name}` limit of {LARGEST} records."
                );
                Err(problem("EXCESSIVE_PAGINATION", &what))
            }
            asked => Ok(asked.and_then(|asked| usize::try_from(asked).ok())),
        };
        let cursor = |name: &str| {
            let given = arguments.get(name).and_then(JsonValue::as_str);
            let given = given.filter(|cursor| !cursor.is_empty());
            given
                .map(|given| {
                    let what = format!("`{given}` does not appear to be a valid cursor.");
                    read(given).ok_or_else(|| problem("INVALID_CURSOR_ARGUMENTS", &what))
                })
                .transpose()
        };
        let (first, last) = (size("first")?, size("last")?);
        let (after, before) = (cursor("after")?, cursor("before")?);
        if first.is_none() && last.is_none() && lists(info) {
            let what = format!(
                "You must provide a `first` or `last` value to properly paginate the `{field}` connection."
            );
            return Err(problem("MISSING_PAGINATION_BOUNDARIES", &what));
        }
        let total = all.len();
        let mut from = after.map_or(0, |after| all.partition_point(|entry| entry.key <= after));
        let mut to = before.map_or(total, |before| {
            all.partition_point(|entry| entry.key < before)
        });
        to = to.max(from);
        if let Some(first) = first {
            to = to.min(from + first);
        }
        if let Some(last) = last {
            from = from.max(to.saturating_sub(last));
        }
        all.truncate(to);
        Ok(Self {
            type_name,
            total,
            page: all.split_off(from),
            has_next: to < total,
            has_previous: from > 0,
        })
    }

    pub(super) fn field(&self, name: &str) -> Option<Given<'w>> {
        Some(match name {
            "totalCount" => i64::try_from(self.total).unwrap_or(i64::MAX).into(),
            "nodes" => {
                let things = self.page.iter().map(|entry| entry.thing.clone());
                Given::Many(things.collect())
            }
            "edges" => {
                let edges = SCHEMA.type_field(&self.type_name, "edges").ok()?;
                let type_name = edges.ty.inner_named_type();
                let edge = |entry: &Entry<'w>| Edge {
                    type_name: type_name.to_string(),
                    entry: Box::new(entry.clone()),
                };
                let edges = self.page.iter().map(|entry| Thing::Edge(edge(entry)));
                Given::Many(edges.collect())
            }
            "pageInfo" => {
                let cursor = |entry: Option<&Entry<'_>>| entry.map(Entry::cursor).into();
                let fields = vec![
                    ("hasNextPage", self.has_next.into()),
                    ("hasPreviousPage", self.has_previous.into()),
                    ("startCursor", cursor(self.page.first())),
                    ("endCursor", cursor(self.page.last())),
                ];
                Given::One(Thing::Plain("PageInfo", fields))
            }
            _ => return None,
        })
    }
}

/// Whether entries are asked for, not only their number.
fn lists(info: &ResolveInfo<'_>) -> bool {
    fn any(selections: &[Selection]) -> bool {
        selections.iter().any(|selection| match selection {
            Selection::Field(field) => matches!(field.name.as_str(), "nodes" | "edges"),
            Selection::InlineFragment(part) => any(&part.selection_set.selections),
            Selection::FragmentSpread(_) => false,
        })
    }
    let mut fields = info.field_selections().iter();
    fields.any(|field| any(&field.selection_set.selections))
}

impl<'w> Edge<'w> {
    pub(super) fn field(&self, name: &str) -> Option<Given<'w>> {
        match name {
            "node" => Some(Given::One(self.entry.thing.clone())),
            "cursor" => Some(self.entry.cursor().into()),
            // What stands beside the node in some edges.
            "reactedAt" => match &self.entry.thing {
                Thing::Reaction(_, of) => Some(crate::github::world::time(of.created).into()),
                _ => None,
            },
            _ => None,
        }
    }
}
