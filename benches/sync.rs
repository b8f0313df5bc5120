//! `cargo bench --bench sync`: what a first sync of 20,000 messages costs, and the same again, against
//! the least that Discord's API allows. It prints ratios, and judges nothing but the requests.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use simulator::discord::{Discord, Limits, Options, Seed};

/// Messages in an answer.
const PAGE: usize = 100;

/// What SourceCred's Discord plugin needs for as much: one request after the other.
const SOURCECRED_REQUESTS: usize = 4_196;
/// Its CPU time for that.
const SOURCECRED_CPU: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
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
    let store = tempfile::tempdir()?;

    let (pages, lists) = least(&discord);
    let ideal = pages + lists;
    let (first, requests) = sync(&discord, &store).await?;
    let (again, more) = sync(&discord, &store).await?;
    say(&format!(
        "first sync: {requests} requests, ideal {ideal} ({pages} pages, {lists} lists of reactors): ratio {:.3}",
        ratio(requests, ideal)
    ));
    say(&format!(
        "            {first:.2?} of wall time; SourceCred's plugin: {SOURCECRED_REQUESTS} requests in a row, \
         {SOURCECRED_CPU:.0?} of CPU time: ratio {:.1}",
        SOURCECRED_CPU.as_secs_f64() / first.as_secs_f64()
    ));
    say(&format!(
        "again:      {more} requests, {again:.2?} of wall time"
    ));
    anyhow::ensure!(
        ratio(requests, ideal) <= 1.02,
        "more requests than 1.02 of the ideal"
    );
    anyhow::ensure!(
        discord.violations().is_empty(),
        "{:?}",
        discord.violations()
    );
    discord.stop().await;
    Ok(())
}

/// The requests without which no client can know all: pages of messages, and who reacted.
fn least(discord: &Discord) -> (usize, usize) {
    let truth = discord.truth();
    let mut pages = 0;
    let mut lists = 0;
    for channel in truth.channels.iter().filter(|it| it.readable) {
        let messages = truth.messages.iter().filter(|it| it.channel == channel.id);
        let messages: Vec<_> = messages.collect();
        pages += messages.len().div_ceil(PAGE);
        for message in messages {
            lists += message.reactions.len();
        }
    }
    (pages, lists)
}

async fn sync(discord: &Discord, store: &tempfile::TempDir) -> anyhow::Result<(Duration, usize)> {
    let before = discord.requests().len();
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_propsbot"));
    command
        .arg("sync")
        .current_dir(store.path())
        .env("DISCORD_TOKEN", discord.token())
        .env("DISCORD_API_URL", discord.url())
        .env("STORE_PATH", store.path().join("data"))
        .stdout(Stdio::null());
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    anyhow::ensure!(status.success(), "the sync failed");
    Ok((begun.elapsed(), discord.requests().len() - before))
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
fn ratio(is: usize, ideal: usize) -> f64 {
    is as f64 / ideal as f64
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
fn say(line: &str) {
    println!("{line}");
}
