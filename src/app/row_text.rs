//! Rows as text for other programs: JSON lines, or CSV.
//!
//! Owns how values are written. What members write may be meant to steer a terminal or a spreadsheet: JSON
//! escapes the one and has no formulas; in CSV, texts are marked that could be formulas.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use propsbot_archive::{Column, Kind};
use propsbot_model::{printable, printable_json};

/// The format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values, RFC 4180
    Csv,
}

/// Writes rows with some columns.
pub(super) struct RowText {
    columns: Vec<Column>,
    format: RowFormat,
    is_for_terminal: bool,
}

impl RowText {
    pub(super) fn new(columns: Vec<Column>, format: RowFormat) -> Self {
        Self {
            columns,
            format,
            is_for_terminal: io::stdout().is_terminal(),
        }
    }

    /// What comes before all rows.
    pub(super) fn head(&self) -> String {
        match self.format {
            RowFormat::Jsonl => String::new(),
            RowFormat::Csv => line(self.columns.iter().map(|column| column.name.to_owned())),
        }
    }

    /// Appends a row.
    pub(super) fn row(&self, row: &Map<String, Value>, text: &mut String) {
        match self.format {
            RowFormat::Jsonl => {
                text.push_str(&json(&Fields(&self.columns, row)));
                text.push('\n');
            }
            RowFormat::Csv => {
                let fields = self.columns.iter().map(|column| {
                    let value = row.get(column.name).unwrap_or(&Value::Null);
                    self.field(&column.kind, value)
                });
                text.push_str(&line(fields));
            }
        }
    }

    /// A value in CSV.
    fn field(&self, kind: &Kind, value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::String(text) if self.is_for_terminal => quoted(&inert(&printable(text))),
            Value::String(text) => quoted(&inert(text)),
            Value::Array(_) | Value::Object(_) => quoted(&json(&Shaped(kind, value))),
        }
    }
}

/// A line of CSV.
fn line(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(",") + "\r\n"
}

/// A text that no spreadsheet takes for a formula. To get it back, take away one `'` at its beginning.
///
/// Source of the letters: <https://owasp.org/www-community/attacks/CSV_Injection>.
fn inert(text: &str) -> String {
    let is_formula = |letter: char| "=+-@\t\r\n＝＋－＠'".contains(letter);
    let mark = if text.starts_with(is_formula) {
        "'"
    } else {
        ""
    };
    format!("{mark}{text}")
}

/// A text as a field of CSV. An empty one is told from no value.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value);
    printable_json(&json.expect("rows have only texts as keys, and memory takes them"))
}

/// A map in the order of its columns. What is absent is null.
struct Fields<'a>(&'a [Column], &'a Map<String, Value>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, fields) = self;
        serializer.collect_map(columns.iter().map(|column| {
            let value = fields.get(column.name).unwrap_or(&Value::Null);
            (column.name, Shaped(&column.kind, value))
        }))
    }
}

/// A value, with the maps in it as their columns have them.
struct Shaped<'a>(&'a Kind, &'a Value);

impl Serialize for Shaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Kind::Map(columns), Value::Object(fields)) => {
                Fields(columns, fields).serialize(serializer)
            }
            (Kind::List(kind), Value::Array(items)) => {
                serializer.collect_seq(items.iter().map(|item| Shaped(kind, item)))
            }
            (_, value) => value.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use propsbot_archive::Presence;

    const fn column(name: &'static str, kind: Kind) -> Column {
        Column {
            name,
            kind,
            presence: Presence::Optional,
            doc: "",
        }
    }

    const COLUMNS: [Column; 4] = [
        column("id", Kind::Id),
        column("text", Kind::Text),
        column("at", Kind::Integer),
        column(
            "tags",
            Kind::List(&Kind::Map(&[
                column("z", Kind::Text),
                column("a", Kind::Bool),
            ])),
        ),
    ];

    fn written(format: RowFormat, is_for_terminal: bool, row: &Value) -> String {
        let columns = COLUMNS.to_vec();
        let writer = RowText {
            columns,
            format,
            is_for_terminal,
        };
        let mut text = writer.head();
        writer.row(row.as_object().unwrap(), &mut text);
        text
    }

    #[test]
    fn json_has_all_columns_in_their_order() {
        let row = json!({"at": 5, "later": 1, "id": "18446744073709551615", "tags": [{"a": true, "z": "z"}, {}]});
        assert_eq!(
            written(RowFormat::Jsonl, false, &row),
            "{\"id\":\"18446744073709551615\",\"text\":null,\"at\":5,\"tags\":[{\"z\":\"z\",\"a\":true},\
             {\"z\":null,\"a\":null}]}\n"
        );
        let hostile = "\u{1b}[2J\u{202e}\r\n";
        let text = written(RowFormat::Jsonl, false, &json!({ "text": hostile }));
        assert!(text.contains(r#""text":"\u001b[2J\u202e\r\n""#), "{text:?}");
    }

    #[test]
    fn csv_follows_rfc_4180() {
        for (text, field) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("a, \"b\"\nc", "\"a, \"\"b\"\"\nc\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("@here", "'@here"),
            ("'quoted'", "''quoted'"),
            ("-1,2", "\"'-1,2\""),
            ("\ttab", "'\ttab"),
        ] {
            let row = json!({"id": "7", "text": text, "at": -5});
            let expected = format!("id,text,at,tags\r\n7,{field},-5,\r\n");
            assert_eq!(written(RowFormat::Csv, false, &row), expected);
        }
        let row = json!({"tags": [{"a": true, "z": "\""}]});
        let text = written(RowFormat::Csv, false, &row);
        assert_eq!(
            text.lines().last(),
            Some(r#",,,"[{""z"":""\"""",""a"":true}]""#)
        );
    }

    #[test]
    fn csv_for_a_terminal_cannot_steer_it() {
        let row = json!({"text": "\u{1b}[2Jowned\u{202e}"});
        let text = written(RowFormat::Csv, true, &row);
        assert!(text.ends_with("\r\n,[2Jowned,,\r\n"), "{text:?}");
    }
}
