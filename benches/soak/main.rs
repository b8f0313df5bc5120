//! `cargo bench --bench soak [-- OPTIONS]`: the bot's memory during constant activity.
//!
//! The built bot mirrors a simulated Discord in this process and exports to a folder; its memory is
//! sampled. Fails if it grows by more than the store's rows explain, by a least-squares line through the second
//! half, when all caches are warm. With `--guilds 100 --shards 16 --rate 200`, it is one process with many guilds; then
//! it also fails if an event is missing, or a session was lost.

mod many;
mod memory;

use std::{
    collections::VecDeque,
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use many::ManyGuilds;
use memory::{Memory, Sample, computed, slope};
use propsbot_archive::ArchiveReader;
use propsbot_backends::FolderArchive;
use propsbot_rows::SCHEMA;
use simulator::discord::{Action, Discord, Draft, Options, kind};
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

/// Interval between actions. A shorter one only makes this process slower.
const BEAT: Duration = Duration::from_millis(10);

/// How long the bot may take to start and to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Threads in use at a time: Discord archives inactive ones, and allows 1,000.
const OPEN_THREADS: usize = 100;

#[derive(Parser)]
struct Arguments {
    /// How long it runs
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Actions a second
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// The guild's activity
    #[arg(long, value_enum, default_value_t = Load::Life)]
    load: Load,
    /// Number of guilds; with more than one, there are only messages and reactions
    #[arg(long, default_value_t = 1)]
    guilds: u32,
    /// Number of shards
    #[arg(long, default_value_t = 1)]
    shards: u64,
    /// Seconds between two samples
    #[arg(long, default_value_t = 30.0)]
    every: f64,
    /// The bot's `EXPORT_INTERVAL`; "never" for no archive
    #[arg(long, default_value = "1m")]
    export: String,
    /// Largest allowed growth, in bytes per action: sled keeps where each page lies in memory
    #[arg(long, default_value_t = 100.0)]
    most: f64,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Load {
    /// Messages, reactions, edits, deletions, threads, members, commands
    Life,
    /// Only messages
    Messages,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let discord = Discord::start(Options::default()).await?;
    discord.recommend_shards(arguments.shards, arguments.shards);
    let home = tempfile::tempdir()?;
    let mut activity = if arguments.guilds > 1 {
        Activity::Many(ManyGuilds::found(&discord, arguments.guilds))
    } else {
        Activity::One(Guild::new(&discord, arguments.load))
    };
    let mut bot = Bot::start(&discord, &home, &arguments.export, &activity)?;
    let all = usize::try_from(arguments.shards)?;
    let listens = discord
        .wait(PATIENCE, |discord| discord.connected() == all)
        .await;
    ensure!(listens, "the bot never came");

    let length = Duration::try_from_secs_f64(arguments.minutes * 60.0)?;
    let every = Duration::try_from_secs_f64(arguments.every)?;
    let mut samples = Vec::new();
    say("   min    actions  actions/s     RSS MB   of it heap  store MB  requests  sessions");
    let begun = Instant::now();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while begun.elapsed() < length {
        beat.tick().await;
        activity.act(arguments.rate * begun.elapsed().as_secs_f64());
        let due = every * (u32::try_from(samples.len())? + 1);
        if begun.elapsed() >= due {
            let sample = Sample {
                at: begun.elapsed(),
                computed: bot.computed()?,
                actions: activity.actions(),
                memory: bot.memory()?,
            };
            tell(&sample, samples.last(), &discord, &home)?;
            samples.push(sample);
        }
    }

    let status = bot.stop().await?;
    ensure!(status.success(), "the bot did not end well: {status}");
    if arguments.export != "never" {
        let archive = FolderArchive::new(home.path().join("archive"));
        let reader = ArchiveReader::open(&archive, &SCHEMA).await?;
        say(&format!("exports: {}", reader.generation()));
    }
    if let Activity::Many(many) = &activity {
        let missing = many.missing(&status_of(&home)?);
        ensure!(missing.is_empty(), "events are missing: {missing:?}");
        let identifies = discord.counters().identifies;
        ensure!(identifies == arguments.shards, "{identifies} sessions");
        say("no event is missing, and no session was lost");
    }
    let second_half = &samples[samples.len() / 2..];
    let [first, .., last] = second_half else {
        anyhow::bail!("too short for two samples in its second half");
    };
    say(&format!(
        "in the second half it computes on {:.2} cores",
        last.computed.saturating_sub(first.computed).as_secs_f64()
            / last.at.saturating_sub(first.at).as_secs_f64()
    ));
    let grows = slope(second_half).context("too short for two samples in its second half")?;
    let most = samples.iter().map(|sample| sample.memory.resident).max();
    let is_bounded = grows <= arguments.most;
    say(&format!(
        "{}: in the second half it grows by {grows:.0} bytes an action, of which {:.0} are allowed; at \
         most {:.0} MB",
        if is_bounded { "bounded" } else { "NOT BOUNDED" },
        arguments.most,
        megabytes(most.unwrap_or_default()),
    ));
    ensure!(
        is_bounded,
        "the bot's memory grows by more than its rows explain"
    );
    Ok(())
}

enum Activity<'a> {
    One(Guild<'a>),
    Many(ManyGuilds<'a>),
}

impl Activity<'_> {
    /// Acts until this many actions have happened in total.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number"
    )]
    fn act(&mut self, until: f64) {
        match self {
            Self::One(guild) => guild.act(until as u64),
            Self::Many(guilds) => guilds.act(until as u64),
        }
    }

    fn actions(&self) -> u64 {
        match self {
            Self::One(guild) => guild.actions,
            Self::Many(guilds) => guilds.actions,
        }
    }
}

/// `propsbot status --json`.
fn status_of(home: &TempDir) -> anyhow::Result<serde_json::Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_propsbot"));
    let command = command
        .args(["status", "--json"])
        .current_dir(home.path())
        .env("STORE_PATH", home.path().join("data"));
    Ok(serde_json::from_slice(&command.output()?.stdout)?)
}

/// The simulated guild's activity.
struct Guild<'a> {
    discord: &'a Discord,
    load: Load,
    rooms: Vec<u64>,
    /// Oldest first.
    open_threads: VecDeque<u64>,
    actions: u64,
}

impl<'a> Guild<'a> {
    fn new(discord: &'a Discord, load: Load) -> Self {
        let channels = discord.truth().channels.into_iter();
        let rooms = channels.filter(|channel| channel.readable && channel.kind == kind::TEXT);
        Self {
            discord,
            load,
            rooms: rooms.map(|room| room.id).collect(),
            open_threads: VecDeque::new(),
            actions: 0,
        }
    }

    /// Acts until this many actions have happened in total.
    #[expect(clippy::cast_possible_truncation, reason = "a small number")]
    fn act(&mut self, until: u64) {
        let owed = until.saturating_sub(self.actions);
        match self.load {
            Load::Life => {
                for action in self.discord.step(owed as usize) {
                    if let Action::Thread { thread, .. } = action {
                        self.open_threads.push_back(thread);
                    }
                }
                while self.open_threads.len() > OPEN_THREADS
                    && let Some(oldest) = self.open_threads.pop_front()
                {
                    self.discord.archive_thread(oldest);
                }
            }
            Load::Messages => {
                let author = self.discord.owner_id();
                let draft = |number: u64| {
                    let room = self.rooms[number as usize % self.rooms.len()];
                    let text = "Thank you for all the work that you put into this.";
                    Draft::new(author, room, text)
                };
                let numbers = self.actions..self.actions + owed;
                self.discord.post_many(numbers.map(draft));
            }
        }
        self.actions += owed;
    }
}

/// The bot; killed when dropped.
struct Bot(Child);

impl Bot {
    fn start(
        discord: &Discord,
        home: &TempDir,
        export: &str,
        activity: &Activity<'_>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_propsbot"));
        command
            .arg("run")
            .current_dir(home.path())
            .env("DISCORD_TOKEN", discord.token())
            .env("DISCORD_API_URL", discord.url())
            .env("STORE_PATH", home.path().join("data"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Activity::Many(guilds) = activity {
            command.env("DISCORD_GUILDS", guilds.ids().join(","));
        }
        if export != "never" {
            let archive = home.path().join("archive");
            command
                .env("ARCHIVE", format!("dir:{}", archive.display()))
                .env("EXPORT_INTERVAL", export);
        }
        Ok(Self(command.spawn()?))
    }

    fn computed(&self) -> anyhow::Result<Duration> {
        computed(self.0.id()).context("the bot is gone")
    }

    fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.0.id()).context("the bot is gone")
    }

    async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.0.id().to_string()]);
        ensure!(
            kill.status()?.success(),
            "the bot could not be told to stop"
        );
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(BEAT).await;
        }
        anyhow::bail!("the bot does not stop")
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn tell(
    sample: &Sample,
    before: Option<&Sample>,
    discord: &Discord,
    home: &TempDir,
) -> anyhow::Result<()> {
    let counters = discord.counters();
    let (since, actions) = before.map_or((Duration::ZERO, 0), |sample| (sample.at, sample.actions));
    let rate = (sample.actions - actions) as f64 / sample.at.saturating_sub(since).as_secs_f64();
    say(&format!(
        "{:6.1} {:10} {rate:10.0} {:10.1} {:12.1} {:9.1} {:9} {:9}",
        sample.at.as_secs_f64() / 60.0,
        sample.actions,
        megabytes(sample.memory.resident),
        megabytes(sample.memory.anonymous),
        megabytes(length(&home.path().join("data/sled/db"))?),
        counters.requests,
        counters.identifies,
    ));
    Ok(())
}

fn length(path: &Path) -> anyhow::Result<u64> {
    Ok(File::open(path)?.metadata()?.len())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
fn say(line: &str) {
    println!("{line}");
}
