//! What a table's columns are in Parquet.
//!
//! | column | Parquet |
//! |---|---|
//! | id, if the provider's are numbers | `INT64`: the 64 bits of the id, so one from 2^63 on is negative |
//! | id, otherwise; text; one of some texts | `BYTE_ARRAY (STRING)` |
//! | bits | `INT64`: the same 64 bits |
//! | time | `INT64 (TIMESTAMP(MICROS, UTC))`; null outside the years 1 to 9999, which not every engine has |
//! | integer | `INT64`; null from 2^63 on |
//! | bool | `BOOLEAN` |
//! | list | a three-level `LIST` |
//! | map with fields | a group |
//!
//! Every column may be null, whatever the provider promises: a value that can't be told is null, and costs no
//! other value.

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    errors::Result,
    schema::types::{Type, TypePtr},
};
use propsbot_archive::{Column, DerivedTable, Hash, Kind, Presence, Schema, Table};

/// The version of what is written for given columns. Another one has every partition written again.
const VERSION: u32 = 1;

/// A table, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
    /// The last column, if it is the month of the row that a row belongs to.
    pub(crate) month_of: Option<&'static str>,
    pub(crate) has_numeric_ids: bool,
    pub(crate) is_by_month: bool,
}

impl Shape {
    pub(crate) fn of(table: &Table, schema: &Schema, is_by_month: bool) -> Self {
        let month = table.month_of.map(|name| Column {
            name,
            kind: Kind::Text,
            presence: Presence::Nullable,
            doc: "",
        });
        Self {
            name: table.name,
            columns: table.columns.iter().copied().chain(month).collect(),
            month_of: table.month_of,
            has_numeric_ids: schema.has_numeric_ids,
            is_by_month,
        }
    }

    pub(crate) fn of_derived(table: &DerivedTable, schema: &Schema) -> Self {
        Self {
            name: table.name,
            columns: table.columns.to_vec(),
            month_of: None,
            has_numeric_ids: schema.has_numeric_ids,
            is_by_month: table.is_by_month,
        }
    }

    /// What the files of the table depend on besides rows.
    pub(crate) fn definition(&self) -> Hash {
        Hash::of(format!("{VERSION} {self:?}").as_bytes())
    }

    /// The root of its columns in Parquet.
    pub(crate) fn parquet(&self) -> Result<TypePtr> {
        let fields = self.fields(&self.columns)?;
        Ok(Arc::new(
            Type::group_type_builder("row")
                .with_fields(fields)
                .build()?,
        ))
    }

    fn fields(&self, columns: &[Column]) -> Result<Vec<TypePtr>> {
        let columns = columns.iter();
        columns
            .map(|column| self.column(column.name, &column.kind))
            .collect()
    }

    fn column(&self, name: &str, kind: &Kind) -> Result<TypePtr> {
        let (physical, logical) = match kind {
            Kind::List(item) => {
                let items = Type::group_type_builder("list")
                    .with_repetition(Repetition::REPEATED)
                    .with_fields(vec![self.column("element", item)?]);
                let list = Type::group_type_builder(name)
                    .with_repetition(Repetition::OPTIONAL)
                    .with_logical_type(Some(LogicalType::List))
                    .with_fields(vec![Arc::new(items.build()?)]);
                return list.build().map(Arc::new);
            }
            Kind::Map(columns) => {
                let group = Type::group_type_builder(name)
                    .with_repetition(Repetition::OPTIONAL)
                    .with_fields(self.fields(columns)?);
                return group.build().map(Arc::new);
            }
            Kind::Id | Kind::User if self.has_numeric_ids => (Physical::INT64, None),
            Kind::Bits | Kind::Integer => (Physical::INT64, None),
            Kind::Time => {
                let micros = LogicalType::timestamp(true, TimeUnit::MICROS);
                (Physical::INT64, Some(micros))
            }
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Id | Kind::User | Kind::Text | Kind::OneOf(_) => {
                (Physical::BYTE_ARRAY, Some(LogicalType::String))
            }
        };
        let leaf = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        leaf.build().map(Arc::new)
    }
}
