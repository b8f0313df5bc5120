//! Which rows a program asks for.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use propsbot_archive::{
    Id, Level, Millis, ReadError, RowSource, Schema, Scope, TableQuery, TableRows,
};
use propsbot_rows::MEMBERS;

/// The spaces and parts that there are, and their tables.
pub(super) struct Scopes {
    schema: &'static Schema,
    parts: BTreeSet<Id>,
}

impl Scopes {
    pub(super) fn new(rows: &dyn RowSource) -> Self {
        let parts = rows.scopes(Level::Part).into_iter();
        Self {
            schema: rows.schema(),
            parts: parts.filter_map(|scope| scope.part).collect(),
        }
    }
}

/// Rows of one table.
pub(super) struct Need {
    pub(super) query: TableQuery,
    /// Only of these parts.
    parts: Option<BTreeSet<Id>>,
    /// Only these columns, in this order.
    columns: Option<Vec<String>>,
    /// Whether the program doesn't get them.
    is_ours: bool,
}

/// Rows of one table, as a program asks for them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    table: String,
    parts: Option<Vec<String>>,
    since: Option<i64>,
    until: Option<i64>,
    columns: Option<Vec<String>>,
}

impl Need {
    /// The members, which the program doesn't need.
    pub(super) fn members(schema: &Schema) -> Self {
        let table = schema.table(MEMBERS).expect("there is a table of members");
        Self {
            query: TableQuery::of(table),
            parts: None,
            columns: None,
            is_ours: true,
        }
    }

    /// What is asked for.
    pub(super) fn all(asked: Vec<Asked>, scopes: &Scopes) -> Result<Vec<Self>, String> {
        let mut needs = Vec::new();
        let mut tables = BTreeSet::new();
        for asked in asked {
            let need = Self::new(asked, scopes)?;
            if !tables.insert(need.query.table) {
                return Err(format!("it needs {} twice: ask once", need.query.table));
            }
            needs.push(need);
        }
        Ok(needs)
    }

    fn new(asked: Asked, scopes: &Scopes) -> Result<Self, String> {
        let Some(table) = scopes.schema.table(&asked.table) else {
            let names: Vec<&str> = scopes
                .schema
                .tables
                .iter()
                .map(|table| table.name)
                .collect();
            return Err(format!(
                "there is no table {:?}: there are {}",
                asked.table,
                names.join(", ")
            ));
        };
        let mut columns = asked.columns.iter().flatten();
        let is_known = |name: &&String| table.columns.iter().any(|column| column.name == **name);
        if let Some(unknown) = columns.find(|name| !is_known(name)) {
            return Err(format!("{} has no column {unknown:?}", table.name));
        }
        let is_narrow = asked.parts.is_some() || asked.since.is_some() || asked.until.is_some();
        if table.level == Level::Space && is_narrow {
            return Err(format!(
                "{} is a table of spaces: it has no parts, and is read for all times",
                table.name
            ));
        }
        let parts: Option<BTreeSet<Id>> =
            asked.parts.map(|parts| parts.iter().map(Id::new).collect());
        let mut wanted = parts.iter().flatten();
        if let Some(unknown) = wanted.find(|part| !scopes.parts.contains(part)) {
            return Err(format!("there is no part {unknown}: hello lists them"));
        }
        let mut query = TableQuery::of(table);
        let since = asked.since.map_or(*query.times.start(), Millis);
        // The end is exclusive.
        let until = asked
            .until
            .map_or(*query.times.end(), |until| Millis(until.saturating_sub(1)));
        query.times = since..=until;
        Ok(Self {
            query,
            parts,
            columns: asked.columns,
            is_ours: false,
        })
    }

    pub(super) fn wants(&self, scope: &Scope) -> bool {
        let part = scope.part.as_ref();
        let parts = self.parts.as_ref();
        parts.is_none_or(|parts| part.is_some_and(|part| parts.contains(part)))
    }

    /// Each row as the line that the program gets.
    pub(super) fn lines(&self, rows: &TableRows) -> impl Iterator<Item = Result<Value, ReadError>> {
        let (table, scope) = (rows.table(), rows.scope());
        let (space, part) = (scope.space.as_str(), scope.part.as_ref().map(Id::as_str));
        let rows = (!self.is_ours).then(|| rows.json());
        rows.into_iter().flatten().map(move |row| {
            let mut row = row?;
            if let Some(columns) = &self.columns {
                let only = columns.iter().map(|name| {
                    let value = row.remove(name).unwrap_or_default();
                    (name.clone(), value)
                });
                row = only.collect::<Map<_, _>>();
            }
            Ok(json!({"row": row, "table": table, "space": space, "part": part}))
        })
    }
}
