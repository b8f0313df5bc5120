//! `cargo bench --bench archive [-- MESSAGES … [folder|github]]`: the cost of exporting so many
//! messages (default 100,000 and 1,000,000), of exporting one more, and the speed of verifying and
//! reading: in a folder, and on a simulated GitHub. Only prints figures.
//!
//! With `year`, a guild's year of hourly exports instead.

mod community;
mod github;
#[expect(dead_code, reason = "the soak looks at more of a process")]
#[path = "../soak/memory.rs"]
mod memory;
mod year;

use propsbot_rows::SCHEMA;
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use propsbot_archive::{Depth, dry_run, export, verify};
use propsbot_backends::FolderArchive;
use propsbot_jobs::restore::restore;
use propsbot_store::Store;

use community::{CHANNELS, Community, request};

/// The program's own, or figures of memory would be another allocator's.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    given.retain(|given| given != "--bench");
    if let [exporter, rest @ ..] = given.as_slice()
        && exporter == github::EXPORTER
    {
        return github::exporter(rest).await;
    }
    if let [year, rest @ ..] = given.as_slice()
        && year == "year"
    {
        return year::run(rest).await;
    }
    let only = given.pop_if(|given| ["folder", "github"].contains(&given.as_str()));
    let mut sizes: Vec<u64> = given
        .iter()
        .map(|given| {
            given
                .parse()
                .with_context(|| format!("{given} is no number"))
        })
        .collect::<Result<_, _>>()?;
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    for messages in &sizes {
        if only.as_deref() != Some("github") {
            measure(*messages).await?;
        }
    }
    for messages in sizes {
        if only.as_deref() != Some("folder") {
            github::measure(messages).await?;
        }
    }
    Ok(())
}

async fn measure(messages: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = FolderArchive::new(folder.path().join("archive"));
    let community = |more| Arc::new(Community::new(messages, more));
    say(&format!("{messages} messages in {CHANNELS} channels"));

    let begun = Instant::now();
    let planned = dry_run(&archive, community(false), request()).await?;
    tell("planned", begun.elapsed(), planned.bytes);

    let begun = Instant::now();
    let first = export(&archive, community(false), request()).await?;
    tell("exported", begun.elapsed(), first.bytes);
    say(&format!("  {} files", first.files));

    // One more message in the first channel.
    let change = community(true).change(first.manifests);
    let begun = Instant::now();
    let more = export(&archive, community(true), change).await?;
    let files = more.files + 1;
    say(&format!(
        "  one message more: {:.1?}, {files} files, {} bytes",
        begun.elapsed(),
        more.bytes
    ));

    let begun = Instant::now();
    let found = verify(&archive, &SCHEMA, Depth::Whole).await?;
    anyhow::ensure!(found.is_valid(), "{:?}", found.faults);
    tell("verified", begun.elapsed(), found.read.bytes);

    let begun = Instant::now();
    let store = Store::open_to_restore(&folder.path().join("store"))?;
    let restored = restore(&Arc::new(store), &archive, &|_, _| {}).await?;
    tell("restored", begun.elapsed(), found.read.bytes);
    anyhow::ensure!(
        restored.contains(&format!(", {} row", found.read.rows.values().sum::<u64>())),
        "rows are missing"
    );
    say(&format!(
        "  most memory so far: {} MiB",
        most_memory()? >> 10
    ));
    Ok(())
}

/// Peak memory of this process, in KiB.
pub(crate) fn most_memory() -> anyhow::Result<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.context("no VmHWM")?.trim().parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn tell(what: &str, took: Duration, bytes: u64) {
    let megabytes = bytes as f64 / 1e6;
    let speed = megabytes / took.as_secs_f64();
    say(&format!(
        "  {what}: {took:.1?}, {megabytes:.1} MB, {speed:.0} MB/s"
    ));
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
