//! `query`: rows of an archive on stdout, for programs in any language.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use futures::TryStreamExt as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;

use super::{
    Error,
    error::Tried as _,
    output::{notify, write_text},
    providers::Providers,
    row_text::{RowFormat, RowText},
    verify::as_of,
};
use crate::config::Config;
use propsbot_archive::{
    ArchiveReader, Column, Id, Kind, Level, Millis, NeededFile, Presence, Query, ReadError, Schema,
    Table, retry,
};
use propsbot_backends::ArchiveSpec;
use propsbot_jobs::clock::Clock;
use propsbot_model::counted;

/// Help for `--since`.
const SINCE: &str = "\
Only rows from this time on: RFC 3339, or a date for its first moment in UTC.

A row's time is that of its id, or what the table says in docs/archive-format.md. --since and --until take a
half-open interval: from the first, and before the second. So `--since 2026-03-01 --until 2026-04-01` is March.";

/// Help for `--message-since`.
const MESSAGE_SINCE: &str = "\
Only reactions to messages from this time on.

--message-since and --message-until select reactions by the time of their message, however late they were added.
Other tables don't take them.";

/// Help for `--user`.
const USER: &str = "\
Only rows by or about this user.

That is: rows with this id in a column of type \"user\" in docs/archive-format.md, such as an author, a giver, a
receiver or a mention. A user who hides everything can't be found.";

/// Help for `--format`.
const FORMAT: &str = "\
How rows are written.

jsonl  A JSON object a line, in UTF-8, with all columns: what is absent is null. Ids are texts, times are integer
       milliseconds since 1970 (UTC).
csv    RFC 4180, in UTF-8, lines ending in CRLF, the first with the names of the columns. Lists and maps are JSON.
       What is absent is empty, an empty text is \"\". A text that a spreadsheet could take for a formula, or that
       begins with ', gets a ' in front: programs take it away again.";

/// Help for `--explain`.
const EXPLAIN: &str = "\
Read no rows; list the files that the query reads, and what they cost.

A row for each file: its path, its length in bytes, and how many rows of the table it has. The length is
uncompressed; what is fetched is less. This reads the manifests, lists and indexes, which are among those files.";

/// Which rows to write, and how.
#[derive(Args, Clone, Debug)]
pub struct QueryOrder {
    /// The table, for example messages
    #[arg(long, value_name = "TABLE")]
    pub table: String,
    /// Whose table it is, if several providers of the archive have one of this name
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// Only this space (Discord: server), if the archive holds several
    #[arg(long, value_name = "ID", value_parser = id, visible_alias = "guild")]
    pub space: Option<Id>,
    /// Only this part (Discord: channel or thread); can be given several times
    #[arg(long = "part", value_name = "ID", value_parser = id, visible_alias = "channel")]
    pub parts: Vec<Id>,
    /// Only rows from this time on
    #[arg(long, value_name = "TIME", value_parser = time, long_help = SINCE)]
    pub since: Option<Millis>,
    /// Only rows before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Millis>,
    /// Only reactions to messages from this time on
    #[arg(long, value_name = "TIME", value_parser = time, long_help = MESSAGE_SINCE)]
    pub message_since: Option<Millis>,
    /// Only reactions to messages before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub message_until: Option<Millis>,
    /// Only rows by or about this user
    #[arg(long, value_name = "ID", value_parser = id, long_help = USER)]
    pub user: Option<Id>,
    /// Only these columns, in this order, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", long_help = FORMAT)]
    pub format: RowFormat,
    /// List the files that the query reads, and what they cost, instead
    #[arg(long, long_help = EXPLAIN)]
    pub explain: bool,
}

/// An id as a provider writes it.
fn id(text: &str) -> Result<Id, String> {
    match text.len() {
        1..=255 => Ok(Id::from(text)),
        _ => Err("an id has 1 to 255 bytes".to_owned()),
    }
}

/// The first millisecond that is not before a time.
fn time(text: &str) -> Result<Millis, String> {
    let is_date = text.len() == "2026-03-01".len();
    let at = if is_date {
        let date = text.parse::<Date>();
        date.and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)))
    } else {
        text.parse::<Timestamp>()
    };
    let at = at.map_err(|error| {
        format!(
            "write a date, such as 2026-03-01, or a time, such as 2026-03-01T12:00:00Z: {error}"
        )
    })?;
    let rest = at.as_nanosecond().rem_euclid(1_000_000) > 0;
    let millis = at.as_nanosecond().div_euclid(1_000_000) + i128::from(rest);
    Ok(Millis(
        i64::try_from(millis).map_err(|error| error.to_string())?,
    ))
}

/// The times from the first one on and before the second.
fn range(
    name: &str,
    since: Option<Millis>,
    until: Option<Millis>,
) -> anyhow::Result<RangeInclusive<Millis>> {
    let all = Query::all().times;
    let from = since.unwrap_or(*all.start());
    let last = until.map_or(*all.end(), |until| Millis(until.0 - 1));
    ensure!(
        from <= last,
        "--{name}since has to be before --{name}until, which is not included"
    );
    Ok(from..=last)
}

impl QueryOrder {
    /// The provider of the archive that has the table.
    fn schema(&self, providers: &Providers) -> anyhow::Result<&'static Schema> {
        let all = providers.schemas();
        let names = |schemas: &[&Schema]| {
            let names = schemas.iter().map(|schema| schema.provider);
            names.collect::<Vec<_>>().join(" and ")
        };
        if let Some(named) = &self.provider {
            return providers.named(named);
        }
        // Without a choice, the only provider says what it has.
        let (table, space) = (&self.table, self.space.as_ref());
        let of_space = space.and_then(|space| providers.of_space(space));
        let mut fitting: Vec<_> = of_space.map_or(all, |schema| vec![schema]);
        if fitting.len() > 1 {
            let others = names(&fitting);
            fitting.retain(|schema| schema.table(table).is_some());
            ensure!(
                !fitting.is_empty(),
                "{others} have no table {table:?}; with --provider, the tables of one are listed"
            );
        }
        ensure!(
            fitting.len() == 1,
            "{} both have a table {table:?}: choose one with --provider, or a space with --space",
            names(&fitting)
        );
        Ok(fitting[0])
    }

    /// What to ask an archive with this schema for, and which columns to write.
    fn query(&self, schema: &'static Schema) -> anyhow::Result<(Query, Vec<Column>)> {
        let (name, provider) = (&self.table, schema.provider);
        let all = |of: fn(&Table) -> bool| {
            let tables = schema.tables.iter().filter(|table| of(table));
            tables
                .map(|table| table.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let table = schema.table(name).with_context(|| {
            let tables = all(|_| true);
            format!("an archive of {provider} has no table {name:?}; it has {tables}")
        })?;
        if table.level == Level::Space && !self.parts.is_empty() {
            let tables = all(|table| table.level == Level::Part);
            bail!("the rows of {name} belong to no part: leave out --part, which is for {tables}");
        }
        let times = range("", self.since, self.until)?;
        let item_times = range("message-", self.message_since, self.message_until)?;
        if table.belongs_to.is_none() && (self.message_since, self.message_until) != (None, None) {
            let tables = all(|table| table.belongs_to.is_some());
            bail!(
                "the rows of {name} belong to no message: --message-since and --message-until are for \
                 {tables}"
            );
        }
        if self.user.is_some() && !table.has_users() {
            let tables = all(Table::has_users);
            bail!("{name} has no column with users: --user is for {tables}");
        }
        for id in self.space.iter().chain(&self.parts).chain(&self.user) {
            ensure!((schema.is_id)(id.as_str()), "{id:?} is no id of {provider}");
        }
        let columns: Vec<Column> = if self.columns.is_empty() {
            table.columns.to_vec()
        } else {
            let columns = self.columns.iter();
            columns
                .map(|name| column(table, name))
                .collect::<anyhow::Result<_>>()?
        };
        let names: BTreeSet<&str> = columns.iter().map(|column| column.name).collect();
        ensure!(
            names.len() == columns.len(),
            "--columns names a column twice"
        );
        let parts: BTreeSet<Id> = self.parts.iter().cloned().collect();
        let query = Query {
            parts: Some(parts).filter(|parts| !parts.is_empty()),
            times,
            item_times,
            user: self.user.clone(),
            ..Query::table(table.name)
        };
        Ok((query, columns))
    }
}

/// A column of a table.
fn column(table: &Table, name: &str) -> anyhow::Result<Column> {
    let mut columns = table.columns.iter();
    columns
        .find(|column| column.name == name)
        .copied()
        .with_context(|| {
            let columns = table.columns.iter().map(|column| column.name);
            let columns = columns.collect::<Vec<_>>().join(", ");
            format!("{} has no column {name:?}; it has {columns}", table.name)
        })
}

/// Writes the rows that are asked for, or which files have them.
pub async fn query(
    config: &Config,
    spec: &ArchiveSpec,
    order: &QueryOrder,
) -> Result<Vec<String>, Error> {
    let archive = propsbot_backends::open_to_query(spec, &config.access, &config.network)?;
    let tried = || format!("could not query {spec}");
    let providers = Providers::of(archive.as_ref()).await.tried(tried)?;
    let schema = order.schema(&providers).map_err(Error::Wrong)?;
    let (query, columns) = order.query(schema).map_err(Error::Wrong)?;
    let columns = if order.explain {
        FILES.to_vec()
    } else {
        columns
    };
    let output = Arc::new(Output {
        text: RowText::new(columns, order.format),
        has_begun: AtomicBool::new(false),
    });
    let done = retry(archive.as_ref(), schema, order.space.as_ref(), |reader| {
        let (output, query) = (Arc::clone(&output), query.clone());
        async move {
            notify(&as_of(&reader.manifests(), Clock::now())?);
            let done = if order.explain {
                explain(&reader, &query, &output).await
            } else {
                write(&reader, &query, &output).await
            };
            match done {
                // What was written can't be taken back.
                Err(Stopped::Read(error)) if !output.has_begun() => Err(error),
                done => Ok(done),
            }
        }
    });
    match done.await.map_err(Stopped::Read).flatten() {
        Ok(()) | Err(Stopped::Closed) => Ok(Vec::new()),
        Err(Stopped::Read(error)) => Err(error).tried(tried),
        Err(Stopped::Unwritten(error)) => Err(error),
    }
}

/// Why not all rows were written.
enum Stopped {
    Read(ReadError),
    Unwritten(Error),
    /// Nobody reads stdout any more.
    Closed,
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The newest rows come first.
async fn write(
    reader: &ArchiveReader<'_>,
    query: &Query,
    output: &Arc<Output>,
) -> Result<(), Stopped> {
    let mut batches = reader.batches(query);
    while let Some(batch) = batches.try_next().await? {
        let output = Arc::clone(output);
        let writing = move || {
            let mut text = output.begin();
            for row in batch.json().rev() {
                output.text.row(&row?, &mut text);
            }
            print(&text)
        };
        blocking(writing).await?;
    }
    let output = Arc::clone(output);
    blocking(move || print(&output.begin())).await
}

async fn explain(
    reader: &ArchiveReader<'_>,
    query: &Query,
    output: &Arc<Output>,
) -> Result<(), Stopped> {
    let files = reader.needed(query).await?;
    let sum = |of: fn(&NeededFile) -> u64| files.iter().map(of).sum::<u64>();
    notify(&[format!(
        "{}: {} uncompressed, with {} of {}",
        counted(files.len(), "file"),
        counted(sum(|file| file.bytes), "byte"),
        counted(sum(|file| file.rows), "row"),
        query
            .tables
            .iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>()
            .join(", "),
    )]);
    let output = Arc::clone(output);
    let writing = move || {
        let mut text = output.begin();
        for file in files {
            let row = json!({ "path": file.path, "bytes": file.bytes, "rows": file.rows });
            let row = row.as_object().expect("it was just made as one");
            output.text.row(row, &mut text);
        }
        print(&text)
    };
    blocking(writing).await
}

/// What `--explain` says of a file.
const FILES: [Column; 3] = [
    file_column("path", Kind::Text),
    file_column("bytes", Kind::Integer),
    file_column("rows", Kind::Integer),
];

const fn file_column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        presence: Presence::Required,
        doc: "",
    }
}

/// Works on a thread that may block: stdout may be a slow pipe.
async fn blocking(
    work: impl FnOnce() -> Result<(), Stopped> + Send + 'static,
) -> Result<(), Stopped> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Stopped::Unwritten(Error::Failed(anyhow!(error)))))
}

/// Rows on their way to stdout.
struct Output {
    text: RowText,
    has_begun: AtomicBool,
}

impl Output {
    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// What comes next: the head, the first time.
    fn begin(&self) -> String {
        if self.has_begun.swap(true, Ordering::Relaxed) {
            String::new()
        } else {
            self.text.head()
        }
    }
}

/// Writes text to stdout.
fn print(text: &str) -> Result<(), Stopped> {
    match write_text(text) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stopped::Closed),
        Err(error) => Err(Stopped::Unwritten(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_dates_in_utc() {
        for (text, millis) in [
            ("1970-01-02", 86_400_000),
            ("2026-03-01", 1_772_323_200_000),
            ("2026-03-01T00:00:00Z", 1_772_323_200_000),
            ("2026-03-01T01:00:00+01:00", 1_772_323_200_000),
            // The next millisecond is the first that is not before.
            ("2026-03-01T00:00:00.0001Z", 1_772_323_200_001),
            ("1969-12-31T23:59:59.9999Z", 0),
        ] {
            assert_eq!(time(text), Ok(Millis(millis)), "{text}");
        }
        for wrong in ["", "2026", "2026-13-01", "yesterday", "2026-03-01T00:00:00"] {
            assert!(
                time(wrong).unwrap_err().contains("2026-03-01T12:00:00Z"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_interval_is_half_open() {
        let times = |since, until| range("", Some(Millis(since)), Some(Millis(until)));
        assert_eq!(times(3, 5).unwrap(), Millis(3)..=Millis(4));
        assert!(times(5, 5).is_err() && times(6, 5).is_err());
        assert_eq!(range("", None, None).unwrap(), Query::all().times);
    }
}
