//! An archive on GitHub: its requests and its use of this machine. The exporter is its own process,
//! so that its memory can be measured.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use propsbot_archive::{Hash, dry_run, export};
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

/// Manifests by path.
type Manifests = BTreeMap<String, Hash>;

/// An exporter's instructions.
#[derive(Deserialize, Serialize)]
struct Order {
    url: String,
    token: String,
    owner: String,
    repo: String,
    messages: u64,
    /// Based on these manifests, with one more message.
    since: Option<Manifests>,
    more: bool,
}

/// An exporter's results.
#[derive(Deserialize, Serialize)]
struct Report {
    manifests: Manifests,
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
    let asked = match order.since {
        Some(since) if order.more => community.change(since),
        Some(since) => {
            let mut asked = request();
            asked.since = since;
            asked
        }
        None => request(),
    };
    let mut planning = Duration::ZERO;
    if !asked.since.is_empty() {
        let begun = Instant::now();
        dry_run(&archive, community.clone(), asked.clone()).await?;
        planning = begun.elapsed();
    }
    let begun = Instant::now();
    let done = export(&archive, community, asked).await?;
    let report = Report {
        manifests: done.manifests,
        changed: done.changed,
        files: done.files + u64::from(done.changed),
        bytes: done.bytes,
        planning,
        took: begun.elapsed(),
        memory: most_memory()?,
    };
    say(&serde_json::to_string(&report)?);
    Ok(())
}

/// Exports in a separate process and prints the cost. Returns the manifests.
async fn exported(
    github: &Github,
    messages: u64,
    since: Option<Manifests>,
    more: bool,
) -> anyhow::Result<Manifests> {
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
    Ok(report.manifests)
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
