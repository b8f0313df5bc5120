//! An archive on GitHub: its requests and its use of this machine. The exporter is its own process,
//! so that its memory can be measured.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use propsbot_archive::{ArchiveReader, DataArchive, Hash, Previous, export, needed_indexes, plan};
use propsbot_backends::{
    Access, ArchiveSpec, GithubAccess, GithubArchive, GithubPlace, open_to_read,
};
use propsbot_network::Network;
use propsbot_rows::Snapshot;
use serde::{Deserialize, Serialize};
use simulator::github::{Github, Kind, Options};

use super::{
    community::{Community, request},
    most_memory, say,
};

/// The first argument of an exporter process.
pub(crate) const EXPORTER: &str = "--exporter";

/// An exporter's instructions.
#[derive(Deserialize, Serialize)]
struct Order {
    url: String,
    token: String,
    owner: String,
    repo: String,
    messages: u64,
    /// Based on this manifest, with one more message.
    since: Option<String>,
    more: bool,
}

/// An exporter's results.
#[derive(Deserialize, Serialize)]
struct Report {
    manifest: String,
    changed: bool,
    files: u64,
    bytes: u64,
    planning: Duration,
    took: Duration,
    /// In KiB.
    memory: u64,
}

fn access(order: &Order) -> (GithubPlace, GithubAccess) {
    let place = GithubPlace {
        owner: order.owner.clone(),
        repo: order.repo.clone(),
        branch: None,
        prefix: String::new(),
    };
    let access = GithubAccess {
        token: Some(order.token.clone()),
        api_url: Some(order.url.clone()),
        ..GithubAccess::default()
    };
    (place, access)
}

/// Runs as an exporter process: follows its instructions and prints its report.
pub(crate) async fn exporter(given: &[String]) -> anyhow::Result<()> {
    let order: Order = serde_json::from_str(given.first().context("no order")?)?;
    let (place, access) = access(&order);
    let archive = GithubArchive::new(place, &access, &Network::default())?;
    let community = Arc::new(Community::new(order.messages, order.more));
    let since = order.since.as_ref().map(|since| since.parse::<Hash>());
    let asked = match since.transpose()? {
        Some(since) if order.more => community.change(Some(since)),
        Some(since) => {
            let mut asked = request();
            asked.since = Some(since);
            asked
        }
        None => request(),
    };
    let mut planning = Duration::ZERO;
    if asked.since.is_some() {
        let previous = previous(&archive, &asked).await?;
        let begun = Instant::now();
        plan(Some(&previous), &asked, community.as_ref(), &mut |_| Ok(()))?;
        planning = begun.elapsed();
    }
    let begun = Instant::now();
    let done = export(&archive, community, asked).await?;
    let report = Report {
        manifest: done.manifest.context("no manifest")?.to_string(),
        changed: done.changed,
        files: done.blobs + done.indexes + u64::from(done.changed),
        bytes: done.bytes,
        planning,
        took: begun.elapsed(),
        memory: most_memory()?,
    };
    say(&serde_json::to_string(&report)?);
    Ok(())
}

async fn previous(
    archive: &dyn DataArchive,
    asked: &propsbot_archive::ExportRequest,
) -> anyhow::Result<Previous> {
    let reader = ArchiveReader::open(archive).await?;
    let mut indexes = std::collections::BTreeMap::new();
    for (scope, index) in needed_indexes(reader.manifest(), reader.hash(), asked) {
        indexes.insert(index.hash, reader.index(&scope, index).await?);
    }
    Ok(Previous {
        hash: reader.hash(),
        manifest: reader.manifest().clone(),
        indexes,
    })
}

/// Exports in a separate process and prints the cost. Returns the manifest.
async fn exported(
    github: &Github,
    messages: u64,
    since: Option<String>,
    more: bool,
) -> anyhow::Result<String> {
    let order = Order {
        url: github.url(),
        token: github.token(),
        owner: github.owner(),
        repo: github.repo(),
        messages,
        since,
        more,
    };
    let before = github.counters();
    let mut exporter = Command::new(std::env::current_exe()?);
    exporter
        .args([EXPORTER, &serde_json::to_string(&order)?])
        .stderr(Stdio::inherit());
    let exporter = tokio::task::spawn_blocking(move || exporter.output()).await??;
    anyhow::ensure!(exporter.status.success(), "the exporter failed");
    let report: Report = serde_json::from_slice(&exporter.stdout)?;
    let after = github.counters();
    say(&format!(
        "    {} content-creating requests of {}, {} bytes sent; {} files, {} bytes of them new objects; \
         {:.1?}, planning {:.1?}; most memory {} MiB",
        after.writes - before.writes,
        after.requests - before.requests,
        after.sent - before.sent,
        report.files,
        report.bytes,
        report.took,
        report.planning,
        report.memory >> 10,
    ));
    Ok(report.manifest)
}

pub(crate) async fn measure(messages: u64) -> anyhow::Result<()> {
    let github = Github::start(Options::default()).await?;
    say(&format!("{messages} messages on GitHub"));
    say("  exported for the first time:");
    let first = exported(&github, messages, None, false).await?;
    let cache = tempfile::tempdir()?;
    read(&github, &cache, "all of it").await?;
    say("  one message more:");
    let more = exported(&github, messages, Some(first), true).await?;
    read(&github, &cache, "again, after one change").await?;
    say("  nothing changed:");
    let same = exported(&github, messages, Some(more.clone()), false).await?;
    anyhow::ensure!(same == more, "something was exported");
    let violations = github.violations();
    anyhow::ensure!(violations.is_empty(), "{violations:?}");
    github.stop().await;
    Ok(())
}

/// Reads everything through the cache and prints the cost.
async fn read(github: &Github, cache: &tempfile::TempDir, what: &str) -> anyhow::Result<()> {
    let order = Order {
        url: github.url(),
        token: github.token(),
        owner: github.owner(),
        repo: github.repo(),
        messages: 0,
        since: None,
        more: false,
    };
    let (place, github_access) = access(&order);
    let access = Access {
        github: github_access,
        cache: Some(cache.path().to_owned()),
        ..Access::default()
    };
    let files = || github.count(Kind::ReadContents);
    let (before, found) = (github.counters(), files());
    let begun = Instant::now();
    let archive = open_to_read(&ArchiveSpec::Github(place), &access, &Network::default())?;
    let rows = Snapshot::read(archive.as_ref()).await?;
    let after = github.counters();
    say(&format!(
        "  read {what}: {} requests, {} files by name, {} bytes, {:.1?}, {} messages",
        after.requests - before.requests,
        files() - found,
        after.answered - before.answered,
        begun.elapsed(),
        rows.messages.len(),
    ));
    Ok(())
}
