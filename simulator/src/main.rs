//! Runs a simulator manually: starts a Discord or a GitHub on loopback and prints how to point a bot at it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use simulator::discord::{self, Discord, Limits, Options, Rate, Seed};
use simulator::github::world::World;
use simulator::github::{self, Github};

/// Simulated services on loopback, to try a bot against
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    service: Service,
}

#[derive(Subcommand)]
enum Service {
    /// A Discord with one guild, made from a seed.
    Discord(DiscordArgs),
    /// A GitHub with one repository.
    Github(GithubArgs),
}

#[derive(Args)]
struct DiscordArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Seed; with the same --until it gives the same world
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Number of channels of all kinds, categories included
    #[arg(long, default_value_t = 12)]
    channels: usize,
    /// Number of messages
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// Number of members who are people
    #[arg(long, default_value_t = 40)]
    members: usize,
    /// Number of threads, active and archived
    #[arg(long, default_value_t = 12)]
    threads: usize,
    /// Share of messages with reactions, 0 to 1
    #[arg(long, default_value_t = 0.2)]
    reactions: f64,
    /// Length of the history in days
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// End of the history, such as 2026-01-01T00:00:00Z; default: now
    #[arg(long)]
    until: Option<Timestamp>,
    /// Start with an empty guild
    #[arg(long)]
    empty: bool,
    /// Actions per second of the community
    #[arg(long, value_name = "ACTIONS_PER_SECOND", default_value_t = 0.0)]
    lively: f64,
    /// Seconds between a client's heartbeats
    #[arg(long, value_name = "SECONDS", default_value_t = 41.25)]
    heartbeat: f64,
    /// Rate limits to enforce
    #[arg(long, value_enum, default_value_t = Keep::Discord)]
    limits: Keep,
    /// Requests per second over all routes, overriding --limits; 0 for no limit
    #[arg(long, value_name = "REQUESTS_PER_SECOND")]
    limit_global: Option<u32>,
    /// Message pages per 5 s and channel, overriding --limits; 0 for no limit
    #[arg(long, value_name = "REQUESTS")]
    limit_messages: Option<u32>,
    /// Milliseconds between reaction requests of a channel, overriding --limits; 0 for no limit
    #[arg(long, value_name = "MILLISECONDS")]
    limit_reactions: Option<u64>,
    /// Write all traffic to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The bot's token; default: derived from the seed
    #[arg(long)]
    token: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    /// None, and no headers
    None,
    /// Like Discord's
    Discord,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct GithubArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The repository, as OWNER/NAME
    #[arg(long, value_name = "OWNER/NAME", default_value = "octo-org/archive", value_parser = repository)]
    repo: (String, String),
    /// Visible only to accounts with access (the default)
    #[arg(long)]
    private: bool,
    /// Visible to everyone
    #[arg(long, conflicts_with = "private")]
    public: bool,
    /// Start without a commit, and so without a branch; otherwise there is a README.md
    #[arg(long)]
    empty: bool,
    /// The default branch
    #[arg(long, default_value = "main")]
    branch: String,
    /// A repository to read, as OWNER/NAME, beside that one; several times for several. What follows is for all together
    #[arg(long, value_name = "OWNER/NAME")]
    source: Vec<String>,
    /// Seed of the sources; with the same --until it gives the same world
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Number of issues and pull requests
    #[arg(long, default_value_t = 60)]
    issues: usize,
    /// Number of comments, those in reviews included
    #[arg(long, default_value_t = 300)]
    comments: usize,
    /// Number of commits, without those that merge pull requests
    #[arg(long, default_value_t = 40)]
    commits: usize,
    /// Number of discussions
    #[arg(long, default_value_t = 12)]
    discussions: usize,
    /// Number of accounts of people
    #[arg(long, default_value_t = 20)]
    users: usize,
    /// Share of what was written that has reactions, 0 to 1
    #[arg(long, default_value_t = 0.2)]
    reactions: f64,
    /// Length of the history in days
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// End of the history, such as 2026-01-01T00:00:00Z; default: now
    #[arg(long)]
    until: Option<Timestamp>,
    /// No mannequins, and no reactions without a user: SourceCred's plugin fails on both
    #[arg(long)]
    plain: bool,
    /// What happens before anything is served: actions as JSON, one a line
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Read actions, faults and questions from standard input, as JSON, one a line, and answer each with a line
    #[arg(long)]
    control: bool,
    /// Random changes per second in the sources
    #[arg(long, value_name = "ACTIONS_PER_SECOND", default_value_t = 0.0)]
    lively: f64,
    /// Where to deliver webhooks
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook: Option<String>,
    /// What they are signed with
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Option<String>,
    /// Folder of the bare repository, created if needed; default: a temporary folder, deleted at the end
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// No rate limits, and no headers for them
    #[arg(long)]
    no_limits: bool,
    /// Write all traffic to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The personal access token; default: a made-up one
    #[arg(long)]
    token: Option<String>,
    /// A second token for the sources alone; then the other one is for the archive alone
    #[arg(long)]
    source_token: Option<String>,
}

fn repository(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((owner.to_owned(), name.to_owned()))
        }
        _ => Err("a repository is named OWNER/NAME".to_owned()),
    }
}

impl GithubArgs {
    /// The repositories to read.
    fn world(&self) -> anyhow::Result<World> {
        let mut world = if self.source.is_empty() {
            World::default()
        } else {
            World::seeded(&github::world::Seed {
                seed: self.seed,
                repositories: self.source.clone(),
                issues: self.issues,
                comments: self.comments,
                commits: self.commits,
                discussions: self.discussions,
                users: self.users,
                reactions: self.reactions,
                days: self.days,
                until: self.until.map(Timestamp::as_second),
                odd: !self.plain,
            })
        };
        if let Some(file) = &self.world {
            let lines = std::fs::read_to_string(file);
            let lines = lines.with_context(|| format!("cannot read {}", file.display()))?;
            for (number, line) in (1..).zip(lines.lines()) {
                let done = github::act_in_line(&mut world, line);
                done.with_context(|| format!("{}:{number}", file.display()))?;
            }
        }
        Ok(world)
    }

    fn options(self) -> anyhow::Result<github::Options> {
        let source = self.world()?;
        let readme = format!("# {}\n", self.repo.1);
        Ok(github::Options {
            source,
            webhook: self.webhook.zip(self.webhook_secret),
            owner: self.repo.0,
            repo: self.repo.1,
            visibility: if self.public {
                github::Visibility::Public
            } else {
                github::Visibility::Private
            },
            branch: self.branch,
            files: if self.empty {
                Vec::new()
            } else {
                vec![("README.md".to_owned(), readme.into_bytes())]
            },
            path: self.path,
            limits: if self.no_limits {
                github::Limits::none()
            } else {
                github::Limits::github()
            },
            port: self.port,
            record: self.record,
            token: self.token,
            source_token: self.source_token,
            ..github::Options::default()
        })
    }
}

impl DiscordArgs {
    fn limits(&self) -> Limits {
        let mut limits = match self.limits {
            Keep::None => Limits::none(),
            Keep::Discord => Limits::discord(),
        };
        let rate = |requests: u32, per| (requests > 0).then(|| Rate::new(requests, per));
        if let Some(requests) = self.limit_global {
            limits.global = rate(requests, Duration::from_secs(1));
        }
        if let Some(requests) = self.limit_messages {
            limits.messages = rate(requests, Duration::from_secs(5));
        }
        if let Some(wait) = self.limit_reactions {
            limits.reactions = rate(u32::from(wait > 0), Duration::from_millis(wait));
        }
        limits
    }

    fn options(self) -> Options {
        Options {
            limits: self.limits(),
            seed: Seed {
                seed: self.seed,
                channels: self.channels,
                messages: self.messages,
                members: self.members,
                threads: self.threads,
                reactions: self.reactions,
                days: self.days,
                until: self.until.map(Timestamp::as_millisecond),
            },
            world: if self.empty {
                discord::World::Empty
            } else {
                discord::World::Seeded
            },
            port: self.port,
            record: self.record,
            token: self.token,
            lively: self.lively,
            heartbeat: Duration::from_secs_f64(self.heartbeat),
            ..Options::default()
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse().service {
        Service::Discord(args) => run_discord(args.options()).await,
        Service::Github(args) => {
            let (control, lively, seed) = (args.control, args.lively, args.seed);
            run_github(args.options()?, control, (lively, seed)).await
        }
    }
}

async fn run_discord(options: Options) -> anyhow::Result<()> {
    let discord = Discord::start(options).await?;
    announce(&[
        ("GUILD_ID", discord.guild_id().to_string()),
        ("BOT_ID", discord.bot_id().to_string()),
        (
            "GATEWAY_URL",
            format!("{}/gateway", discord.url().replacen("http", "ws", 1)),
        ),
        ("DISCORD_API_URL", discord.url()),
        ("DISCORD_TOKEN", discord.token()),
    ])?;
    stopped().await.context("cannot wait for signals")?;
    let (counters, violations) = (discord.counters(), discord.violations());
    discord.stop().await;
    tracing::info!(?counters, violations = violations.len(), "stopped");
    Ok(())
}

async fn run_github(
    options: github::Options,
    control: bool,
    (lively, seed): (f64, u64),
) -> anyhow::Result<()> {
    let github = Github::start(options).await?;
    announce(&[
        ("REPOSITORY", github.repository_path().display().to_string()),
        ("GITHUB_API_URL", github.url()),
        ("GITHUB_TOKEN", github.token()),
        (
            "ARCHIVE",
            format!("github:{}/{}", github.owner(), github.repo()),
        ),
    ])?;
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    if control {
        std::thread::spawn(move || {
            let lines = std::io::stdin().lines().map_while(Result::ok);
            lines
                .map(|line| sender.blocking_send(line))
                .find(Result::is_err)
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut moments = tokio::time::interval(Duration::from_secs_f64(1.0 / lively.max(0.001)));
    let stop = stopped();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            stopped = &mut stop => break stopped.context("cannot wait for signals")?,
            Some(told) = lines.recv() => say(&github.obey(&told).to_string())?,
            _ = moments.tick(), if lively > 0.0 => { github.live(&mut rng); }
        }
    }
    let (counters, violations) = (github.counters(), github.violations());
    github.stop().await;
    // Counted as GitHub documents, to compare what clients cost. Standard output may be a `.env`.
    writeln!(std::io::stderr(), "{}", serde_json::to_string(&counters)?)?;
    tracing::info!(violations = violations.len(), "stopped");
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("cannot write to stdout")
}

/// One `NAME=value` per line for shells; the last ones configure a bot.
fn announce(facts: &[(&str, String)]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut write = || -> std::io::Result<()> {
        for (name, value) in facts {
            writeln!(out, "{name}={value}")?;
        }
        out.flush()
    };
    write().context("cannot write to stdout")
}

/// SIGINT or SIGTERM.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
