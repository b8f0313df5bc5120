//! The programs of `docs/analytics.md`, as they stand there, give propsbot's own answers.
//!
//! `cargo test` alone passes them over: `.ci/run` and `.ci/slow spark` install the Python packages that they take.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use propsbot_graph::standings;
use propsbot_model::{Millis, Tier, UserId};
use propsbot_rows::Snapshot;
use serde_json::{Value, json};

use crate::{
    archive::object_store::ObjectStore,
    mirror::{Mirror, start},
};

const PAGE: &str = include_str!("../../docs/analytics.md");

/// How long a program may take. Spark starts several processes, each of them slowly.
const PATIENCE: Duration = Duration::from_mins(20);

/// Loads `httpfs` from its Python package, so that nothing is downloaded.
const HTTPFS: &str = r#"
import duckdb, duckdb_extension_httpfs, pathlib
[extension] = pathlib.Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension")
duckdb.sql(f"load '{extension}'")
"#;

/// Prints what the programs answer.
const PRINT: &str = r#"
import json

def rows(answer):
    if hasattr(answer, "collect"):  # Spark
        return [tuple(row) for row in answer.collect()]
    return answer.values.tolist() if hasattr(answer, "values") else answer.fetchall()

print(json.dumps([rows(answer) for answer in [leaderboard, pairs, days]], default=str))
if "spark" in globals():
    spark.stop()
"#;

/// The Python of a section.
pub(crate) fn program(section: &str) -> String {
    let (_, text) = PAGE.split_once(&format!("\n## {section}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let code = text.split("```python\n").skip(1);
    code.map(|code| code.split("```").next().unwrap()).collect()
}

/// Runs Python beside the tables; returns the last line that it prints.
pub(crate) async fn python(mirror: &Mirror, program: &str) -> Value {
    let mut python = Command::new("python3");
    python
        .current_dir(mirror.home.path())
        .envs(mirror.variables.iter().map(|(name, value)| (name, value)))
        .env(
            "PYSPARK_SUBMIT_ARGS",
            "--master local-cluster[2,1,1024] pyspark-shell",
        )
        .env("SPARK_LOCAL_IP", "127.0.0.1")
        .args(["-c", program]);
    let ended = start(python).wait_for(PATIENCE).await.ok();
    let last = ended.stdout.lines().last().unwrap().to_owned();
    serde_json::from_str(&last).unwrap()
}

/// A mirror of a seeded community, exported.
async fn exported() -> Mirror {
    let mirror = Mirror::seeded(7).await;
    mirror.sync().await.ok();
    mirror.export().await;
    mirror
}

pub(crate) async fn write_tables(mirror: &Mirror, out: &str) {
    let tables = ["tables", "--from", "dir:archive", "--out", out];
    mirror.run(&tables).await.ok();
}

/// What the page's questions come to.
struct Asked {
    month: String,
    channel: String,
    answers: Value,
}

impl Asked {
    /// Puts the month and the channel into a program, in place of the page's.
    fn of(&self, program: &str) -> String {
        assert!(program.contains("\"2026-03\"") || program.contains("'2026-03'"));
        program
            .replace("2026-03", &self.month)
            .replace("'general'", &format!("'{}'", self.channel))
            .replace("\"general\"", &format!("\"{}\"", self.channel))
    }

    /// The program must give these answers.
    async fn check(&self, mirror: &Mirror, program: &str) {
        let answers = python(mirror, &(self.of(program) + PRINT)).await;
        assert_eq!(answers, self.answers);
    }
}

/// Asks propsbot: who has most props, who thanked whom in the month of most thanks, and what was posted on each day of
/// that month in its busiest channel.
async fn asked(mirror: &Mirror) -> Asked {
    let archived = mirror.archived().await;
    let (month, pairs) = busiest_month(&thanked(mirror).await);
    let (channel, days) = busiest_channel(&archived, &month);
    Asked {
        month,
        channel,
        answers: json!([leaderboard(&archived), pairs, days]),
    }
}

fn leaderboard(archived: &Snapshot) -> Vec<(String, usize)> {
    let named: BTreeSet<UserId> = archived
        .members
        .iter()
        .filter(|row| row.privacy.is_none_or(Tier::shows_names) && !row.user_id.is_anonymous())
        .map(|row| row.user_id)
        .collect();
    let mut standings = standings(archived);
    standings.retain(|entry| entry.received > 0 && named.contains(&entry.member));
    standings.sort_by_key(|entry| (Reverse(entry.received), entry.member));
    let standings = standings.into_iter();
    standings
        .map(|entry| (entry.name, entry.received))
        .collect()
}

/// When who thanked whom, as `propsbot graph` draws it.
async fn thanked(mirror: &Mirror) -> Vec<(Millis, u64, u64)> {
    let graph = ["graph", "--from", "dir:archive", "--out", "graph"];
    mirror.run(&graph).await.ok();
    let graph = std::fs::read(mirror.home.path().join("graph/graph.json")).unwrap();
    let graph: Value = serde_json::from_slice(&graph).unwrap();
    let edges = graph[1]["graphJSON"][1]["edges"].as_array().unwrap().iter();
    let thanks = edges.filter_map(|edge| {
        let address = edge["address"].as_array().unwrap().iter();
        let address: Vec<&str> = address.map(|part| part.as_str().unwrap()).collect();
        let ["external", "props", "PROPS", _, giver, _, _, receiver] = address[..] else {
            return None;
        };
        let at = Millis(edge["timestampMs"].as_i64().unwrap());
        Some((at, giver.parse().unwrap(), receiver.parse().unwrap()))
    });
    thanks.collect()
}

/// The UTC day, as `2026-03-31`.
fn day(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap();
    at.strftime("%Y-%m-%d").to_string()
}

type Pairs = Vec<(u64, u64, u64)>;

fn busiest_month(thanked: &[(Millis, u64, u64)]) -> (String, Pairs) {
    let mut months: BTreeMap<String, BTreeMap<(u64, u64), u64>> = BTreeMap::new();
    for (at, giver, receiver) in thanked {
        let pairs = months.entry(day(*at)[..7].to_owned()).or_default();
        *pairs.entry((*giver, *receiver)).or_default() += 1;
    }
    assert!(
        months.len() > 1,
        "a query for one month must leave something out"
    );
    let most = |pairs: &BTreeMap<_, u64>| pairs.values().sum::<u64>();
    let (month, pairs) = months
        .into_iter()
        .max_by_key(|(_, pairs)| most(pairs))
        .unwrap();
    let pairs = pairs.into_iter();
    (
        month,
        pairs
            .map(|((giver, receiver), props)| (giver, receiver, props))
            .collect(),
    )
}

fn busiest_channel(archived: &Snapshot, month: &str) -> (String, Vec<(String, u64)>) {
    let mut channels: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for channel in &archived.channels {
        let days = channels.entry(&channel.name).or_default();
        let messages = archived.messages.iter();
        for row in messages.filter(|row| row.channel_id == channel.id && row.deleted_at.is_none()) {
            let day = day(row.id.created_at());
            if day.starts_with(month) {
                *days.entry(day).or_default() += 1;
            }
        }
    }
    let most = |days: &BTreeMap<_, u64>| days.values().sum::<u64>();
    let (name, days) = channels
        .into_iter()
        .max_by_key(|(_, days)| most(days))
        .unwrap();
    (name.to_owned(), days.into_iter().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes DuckDB for Python: .ci/run has it"]
async fn duckdb_answers_as_propsbot_does() {
    let mirror = exported().await;
    write_tables(&mirror, "tables").await;
    asked(&mirror)
        .await
        .check(&mirror, &program("DuckDB"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes DuckDB for Python: .ci/run has it"]
async fn duckdb_answers_as_propsbot_does_over_s3() {
    let objects = ObjectStore::start().await;
    let mut mirror = exported().await;
    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    write_tables(&mirror, "s3://props/tables").await;
    let local = "place = \"tables\"\n";
    let queries = program("DuckDB");
    assert!(queries.contains(local));
    let program = HTTPFS.to_owned() + &program("DuckDB over S3") + &queries.replace(local, "");
    asked(&mirror).await.check(&mirror, &program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes Java, and Spark and pandas for Python: .ci/slow spark has them"]
async fn spark_and_pandas_answer_as_propsbot_does() {
    let mirror = exported().await;
    write_tables(&mirror, "tables").await;
    let asked = asked(&mirror).await;
    asked.check(&mirror, &program("pandas")).await;
    asked.check(&mirror, &program("Spark")).await;
}
