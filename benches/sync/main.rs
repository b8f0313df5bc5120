//! `cargo bench --bench sync [-- SCENARIO…]`: the cost of syncing, compared with the minimum under
//! Discord's API and limits, and with SourceCred's Discord plugin.
//!
//! Scenarios: `requests`, `online`, `4`, `50`, `300`, `skewed` (those with limits take one to two
//! minutes each), and, only if named, `million`, which also exports, verifies and restores. Fails on too many requests, or too much time under
//! simulated limits, which don't depend on the machine; other times and memory are only printed.
//! `tests/it/faults.rs` tests that faults lose nothing.

mod world;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use simulator::discord::{Discord, Limits, Options, Seed};
use tempfile::TempDir;
use world::{Least, Size, grown};

/// Requests of SourceCred's Discord plugin for the messages of `requests`, which it makes
/// sequentially.
const SOURCECRED_REQUESTS: usize = 4_196;
/// The same for a second run without changes.
const SOURCECRED_AGAIN: usize = 117;

/// Largest allowed ratios to the minimum, for requests and for time under limits.
const REQUESTS_RATIO: f64 = 1.02;
const TIME_RATIO: f64 = 1.10;

/// How long the bot may take to start, and the length of the quiet period to observe.
const PATIENCE: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let usual = ["requests", "online", "4", "50", "300", "skewed"].map(str::to_owned);
    let scenarios = if named.is_empty() { &usual[..] } else { &named };
    let mut missed = Vec::new();
    for scenario in scenarios {
        let reached = match scenario.as_str() {
            "requests" => requests().await,
            "online" => online().await,
            "million" => million().await,
            limits => under_limits(limits).await,
        };
        if !reached.with_context(|| format!("the scenario {scenario}"))? {
            missed.push(scenario.as_str());
        }
    }
    ensure!(missed.is_empty(), "not reached: {}", missed.join(", "));
    Ok(())
}

/// 20,000 messages, then a second sync without changes.
async fn requests() -> anyhow::Result<bool> {
    let discord = Discord::start(Options {
        seed: Seed {
            messages: 20_000,
            channels: 14,
            threads: 0,
            reactions: 0.1,
            ..Seed::default()
        },
        limits: Limits::none(),
        ..Options::default()
    })
    .await?;
    let home = tempfile::tempdir()?;
    let least = Least::of(&discord.truth());
    let ideal = least.pages() + least.lists();
    let first = sync(&discord, &home).await?;
    let again = sync(&discord, &home).await?;
    let ratio = ratio(first.requests, ideal);
    say(&format!(
        "20,000 messages: {} requests, ideal {ideal} ({} pages, {} lists of reactors): ratio \
         {ratio:.3}, to reach {REQUESTS_RATIO}; SourceCred's plugin {SOURCECRED_REQUESTS}\n  \
         {:.1?} without limits, {} MB",
        first.requests,
        least.pages(),
        least.lists(),
        first.took,
        first.memory >> 20,
    ));
    say(&format!(
        "the same again: {} requests, to reach 6 + one for each channel's archived threads + look-back \
         pages; SourceCred's plugin {SOURCECRED_AGAIN}",
        again.requests
    ));
    Ok(ratio <= REQUESTS_RATIO && is_well_behaved(&discord))
}

/// A late reaction to an old message, while the bot listens.
async fn online() -> anyhow::Result<bool> {
    let discord = Discord::start(Options::default()).await?;
    let home = tempfile::tempdir()?;
    let mut bot = start(&discord, home.path(), &["run"])?;
    let listens = discord
        .wait(PATIENCE, |discord| discord.connected() > 0)
        .await;
    let quiet = async {
        let mut before = usize::MAX;
        while before != discord.requests().len() {
            before = discord.requests().len();
            tokio::time::sleep(QUIET).await;
        }
        before
    };
    let before = tokio::time::timeout(PATIENCE, quiet).await?;
    let old = discord.truth().messages.swap_remove(0);
    discord.react(discord.owner_id(), old.channel, old.id, "🦀", false);
    tokio::time::sleep(QUIET).await;
    let asked = discord.requests().len() - before;
    bot.kill()?;
    bot.wait()?;
    say(&format!(
        "a late reaction, bot online: {asked} requests, to reach 0"
    ));
    Ok(listens && asked == 0 && is_well_behaved(&discord))
}

/// A first sync under limits like Discord's, compared with the minimum time.
async fn under_limits(scenario: &str) -> anyhow::Result<bool> {
    let size = |messages, lists| Size {
        messages,
        lists,
        silent: false,
    };
    let sizes = match scenario {
        // Two are bound by their pages, two by their reactions.
        "4" => [size(7_950, 30), size(1_950, 280)].repeat(2),
        "50" => vec![size(1_950, 60); 50],
        "300" => vec![size(350, 10); 300],
        // One takes as long as all others together, and looks smallest: that shows only after
        // looking at every channel, which takes 6 s in any case.
        "skewed" => {
            let mut sizes = vec![size(350, 13); 299];
            sizes.push(Size {
                silent: true,
                ..size(11_150, 20)
            });
            sizes
        }
        other => anyhow::bail!("there is no scenario {other}"),
    };
    let discord = grown(&sizes).await?;
    let home = tempfile::tempdir()?;
    let least = Least::of(&discord.truth()).time(&Limits::discord());
    let done = sync(&discord, &home).await?;
    let ratio = done.took.as_secs_f64() / least.as_secs_f64();
    let limited = discord.counters().rate_limited;
    say(&format!(
        "limits, {scenario} ({} channels): {:.1?} for {} requests, at best {least:.1?}: ratio \
         {ratio:.3}, to reach {TIME_RATIO:.2}; {limited} answers of 429, {} MB\n  {}",
        sizes.len(),
        done.took,
        done.requests,
        done.memory >> 20,
        told(&done),
    ));
    Ok(ratio <= TIME_RATIO && limited == 0 && is_well_behaved(&discord))
}

/// Compares the estimated time left with the actual time, from 10 % of it on.
/// There is one line per second.
#[expect(clippy::cast_precision_loss, reason = "counts of seconds are small")]
fn told(done: &Done) -> String {
    let count = done.lines.len();
    let late = count - count / 10;
    let lines = done.lines.iter().enumerate().skip(count / 10);
    let ratios = lines.filter_map(|(index, line)| {
        let needed = done.took.as_secs_f64() * (1.0 - index as f64 / count as f64);
        Some(line["eta_seconds"].as_f64()? / needed.max(5.0))
    });
    let ratios: Vec<f64> = ratios.collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!(
        "the time left was told in {} of {late} s, as {least:.2} to {most:.2} times what was needed",
        ratios.len()
    )
}

/// Memory use with a million messages.
async fn million() -> anyhow::Result<bool> {
    let discord = Discord::start(Options {
        seed: Seed {
            // Some are in unreadable channels.
            messages: 1_060_000,
            channels: 60,
            threads: 200,
            members: 500,
            reactions: 0.02,
            ..Seed::default()
        },
        limits: Limits::none(),
        ..Options::default()
    })
    .await?;
    let home = tempfile::tempdir()?;
    let messages = discord.truth().messages.len();
    let done = sync(&discord, &home).await?;
    say(&format!(
        "{messages} messages: {} MB at most, to reach 200; {:.1?} without limits, {} requests",
        done.memory >> 20,
        done.took,
        done.requests,
    ));
    let (first, second) = (home.path(), home.path().join("second"));
    fs::create_dir(&second)?;
    for (into, arguments) in [
        (first, &["export"][..]),
        (first, &["verify", "--from", "dir:archive"]),
        (&second, &["restore", "--from", "dir:../archive"]),
    ] {
        let begun = Instant::now();
        let memory = end(start(&discord, into, arguments)?).await?;
        say(&format!(
            "{}: {} MB at most, to reach 200; {:.1?}",
            arguments[0],
            memory >> 20,
            begun.elapsed(),
        ));
    }
    Ok(true)
}

/// The cost of a sync.
struct Done {
    took: Duration,
    requests: usize,
    /// Peak memory of the process, in bytes.
    memory: u64,
    /// Its progress lines.
    lines: Vec<serde_json::Value>,
}

async fn sync(discord: &Discord, home: &TempDir) -> anyhow::Result<Done> {
    let before = discord.counters().requests;
    let begun = Instant::now();
    let mut child = start(discord, home.path(), &["sync", "--json"])?;
    let lines = child.stdout.take().context("its output is piped")?;
    let lines = thread::spawn(move || {
        let lines = serde_json::Deserializer::from_reader(lines).into_iter();
        lines.collect::<Result<Vec<serde_json::Value>, _>>()
    });
    let memory = end(child).await?;
    let took = begun.elapsed();
    let lines = lines.join().expect("reading does not panic")?;
    Ok(Done {
        took,
        lines,
        requests: usize::try_from(discord.counters().requests - before)?,
        memory,
    })
}

/// Waits until a command has succeeded. Returns its peak memory, in bytes.
async fn end(mut child: Child) -> anyhow::Result<u64> {
    let (status, memory) = tokio::task::spawn_blocking(move || {
        let mut memory = 0;
        loop {
            memory = peak(&child).unwrap_or(memory);
            if let Some(status) = child.try_wait()? {
                return Ok::<_, std::io::Error>((status, memory));
            }
            thread::sleep(Duration::from_millis(10));
        }
    })
    .await??;
    ensure!(status.success(), "the command failed");
    Ok(memory)
}

/// Peak memory of a process so far, in bytes; `None` once it has ended.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(
        Path::new("/proc")
            .join(child.id().to_string())
            .join("status"),
    );
    let status = status.ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

fn start(discord: &Discord, home: &Path, arguments: &[&str]) -> anyhow::Result<Child> {
    let child = Command::new(env!("CARGO_BIN_EXE_propsbot"))
        .args(arguments)
        .current_dir(home)
        .env("DISCORD_TOKEN", discord.token())
        .env("DISCORD_API_URL", discord.url())
        .env("STORE_PATH", home.join("data"))
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// Whether the bot violated no rules of Discord; prints the violations.
fn is_well_behaved(discord: &Discord) -> bool {
    let violations = discord.violations();
    for violation in violations.iter().take(5) {
        say(&format!("  violation: {violation}"));
    }
    violations.is_empty()
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
fn ratio(is: usize, ideal: usize) -> f64 {
    is as f64 / ideal as f64
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
fn say(line: &str) {
    println!("{line}");
}
