//! The first line that a program gets: what there is.

use serde_json::{Value, json};

use super::{ExecPlugin, PROTOCOL};
use propsbot_archive::{Column, Id, Kind, Level, RowSource};

/// The line, with its end.
pub(super) fn hello(plugin: &ExecPlugin, rows: &dyn RowSource) -> Vec<u8> {
    let schema = rows.schema();
    let tables = schema.tables.iter().map(|table| {
        json!({
            "name": table.name,
            "of": match table.level {
                Level::Space => "space",
                Level::Part => "part",
            },
            "columns": columns(table.columns),
        })
    });
    let mut parts = rows.scopes(Level::Part);
    parts.sort_unstable();
    let spaces = rows.scopes(Level::Space).into_iter().map(|space| {
        let own = parts.iter().filter(|part| part.space == space.space);
        let own = own.filter_map(|part| part.part.as_ref()).map(Id::as_str);
        json!({"id": space.space.as_str(), "parts": own.collect::<Vec<_>>()})
    });
    let hello = json!({"hello": {
        "protocol": PROTOCOL,
        "plugin": plugin.name,
        "prefix": ["external", plugin.name],
        "provider": schema.provider,
        "schema": {"version": schema.version, "tables": tables.collect::<Vec<Value>>()},
        "spaces": spaces.collect::<Vec<Value>>(),
        "settings": plugin.settings,
    }});
    let mut line = hello.to_string().into_bytes();
    line.push(b'\n');
    line
}

fn columns(columns: &[Column]) -> Vec<Value> {
    let column = |column: &Column| json!({"name": column.name, "type": kind(&column.kind)});
    columns.iter().map(column).collect()
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Id => "id".into(),
        Kind::User => "user".into(),
        Kind::Bits => "bits".into(),
        Kind::Text | Kind::OneOf(_) => "text".into(),
        Kind::Time => "time".into(),
        Kind::Integer => "integer".into(),
        Kind::Bool => "bool".into(),
        Kind::List(of) => json!([kind(of)]),
        Kind::Map(of) => columns(of).into(),
    }
}
