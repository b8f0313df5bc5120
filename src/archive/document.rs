//! `FORMAT.md`: an archive carries its own specification, with the tables of its providers.

use std::fmt::Write as _;

use crate::{Column, Kind, Level, Presence, Schema};

/// What every archive's specification says, whatever its provider.
const PAGE: &str = include_str!("FORMAT.md");

/// Where the specification is in an archive.
pub const FORMAT_MD: &str = "FORMAT.md";

/// The specification of archives of these providers.
pub fn format_md(schemas: &[&Schema]) -> String {
    let mut page = PAGE.to_owned();
    for schema in schemas {
        let of = match schemas {
            [_] => String::new(),
            _ => format!(" of {}", schema.provider),
        };
        write!(page, "\n## Tables{of}\n").expect("a text takes all");
        page.push_str("\nTimes marked \"found\" are when the mirror learned of something, which may be later than it \
             happened.\n");
        add_tables(&mut page, schema);
    }
    page
}

/// Adds a provider's tables, and what else it has to say.
fn add_tables(page: &mut String, schema: &Schema) {
    for table in schema.tables {
        let kept = match table.level {
            Level::Space => "Kept by the space.",
            Level::Part => "Kept by part.",
        };
        let belongs_to = match table.belongs_to {
            Some(item) => {
                format!(" Each belongs to a row of `{item}`, and its time isn't before that one's.")
            }
            None => String::new(),
        };
        write!(
            page,
            "\n### {}\n\n{kept} {}{belongs_to}\n\n| field | type | meaning |\n|---|---|---|\n",
            table.name, table.doc
        )
        .expect("a text takes all");
        for column in table.columns {
            let Column { name, doc, .. } = column;
            writeln!(page, "| `{name}` | {} | {doc} |", typed(column)).expect("a text takes all");
        }
    }
    if !schema.notes.is_empty() {
        page.push('\n');
        page.push_str(schema.notes);
    }
}

/// A column's type, in the page's words.
fn typed(column: &Column) -> String {
    let kind = in_words(&column.kind);
    match column.presence {
        Presence::Required => kind,
        Presence::Nullable => format!("{kind} or nil"),
        Presence::Optional => format!("{kind}, optional"),
    }
}

fn in_words(kind: &Kind) -> String {
    match kind {
        Kind::Id => "id".to_owned(),
        Kind::User => "user".to_owned(),
        Kind::Bits => "bits".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::OneOf(texts) => {
            let texts = texts.iter().map(|text| format!("\"{text}\""));
            texts.collect::<Vec<_>>().join(" / ")
        }
        Kind::List(kind) => format!("[{}]", in_words(kind)),
        Kind::Map(columns) => {
            let fields = columns.iter();
            let fields = fields.map(|column| format!("`{}` {}", column.name, typed(column)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FILE_LIMIT, LIMITS, MANIFEST_LIMIT, tests::forum::SCHEMA};

    #[test]
    fn an_archive_describes_its_tables_and_limits() {
        let page = format_md(&[&SCHEMA]);
        for line in [
            "### likes\n\nKept by part. By `post`, `emoji` and `user`. Each belongs to a row of `posts`, and its time isn't before that one's.",
            "| `added_by` | \"gateway\" / \"rest\" or nil |  |",
            "| `mentions` | [user] |  |",
            "| `removed_at` | time, optional |  |",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
        let (parts, own) = (
            LIMITS.parts,
            [LIMITS.own, LIMITS.own_whole, LIMITS.own_apart],
        );
        for limit in [parts, FILE_LIMIT, MANIFEST_LIMIT].into_iter().chain(own) {
            let digits = limit.to_string();
            let groups = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(String::from_utf8_lossy);
            let limit = groups.collect::<Vec<_>>().join(",");
            assert!(page.contains(&limit), "{limit}");
        }
    }
}
