//! The command line: what was typed, and how it ended. See `propsbot --help`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use propsbot::{
    app::{self, Error, GraphOrder},
    archive::{ArchiveSpec, Depth},
    config::{self, Config, Needs},
    model::{GuildId, UserId},
};
use tokio_util::sync::CancellationToken;

/// Mirrors a community's Discord, and turns its thanks into SourceCred props.
///
/// Configured by environment variables or `.env`: see `.env.example`.
/// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What `sync --json` writes.
const JSON_LINES: &str = "\
Progress as JSON lines on stdout, for programs: one a second, and one at every change of phase.

Fields: guild, name, phase (discovering, fetching, waiting, done), channels_done, channels, messages,
lists_done, lists, requests, eta_seconds (null while unknown), failures. The last line of a guild has
phase \"done\", complete (true or false), incomplete_channels, unreadable_channels, refused, and error
if the guild could not be looked at.";

#[derive(Subcommand)]
enum Command {
    /// Run the bot until it is told to stop (SIGINT or SIGTERM)
    Run,
    /// Fetch all history that is missing, then stop
    Sync {
        /// Only this guild
        #[arg(long, value_name = "ID")]
        guild: Option<GuildId>,
        /// Progress as JSON lines on stdout, for programs
        #[arg(long, long_help = JSON_LINES)]
        json: bool,
    },
    /// Export what changed to the archive
    Export {
        /// Another archive than ARCHIVE, such as dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        to: Option<ArchiveSpec>,
        /// Take over an archive that another store has written, and replace what it holds
        #[arg(long)]
        replace: bool,
        /// Write nothing: say what would go out, what not, and why
        #[arg(long, conflicts_with = "replace")]
        dry_run: bool,
    },
    /// Build SourceCred's graph from an archive
    Graph {
        /// The archive, such as dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// The folder for graph.json, declaration.json and identityProposals.json
        #[arg(long, value_name = "DIR", required_unless_present = "diff")]
        out: Option<PathBuf>,
        /// A JSON file with other weights than the default ones
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// Show, per member, what differs in minted weight from an earlier graph: the folder of its
        /// files, or its graph.json
        #[arg(long, value_name = "OLD")]
        diff: Option<PathBuf>,
        /// The difference as JSON, for programs
        #[arg(long, requires = "diff")]
        json: bool,
    },
    /// Check every hash, count and reference of an archive
    Verify {
        /// The archive, such as dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// Only the manifest and the indexes: whether the blobs are there is not looked at
        #[arg(long)]
        structure_only: bool,
    },
    /// Rebuild an empty store from an archive
    Restore {
        /// The archive, such as dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
    },
    /// Delete what is kept of a member, on their request
    Forget {
        /// The member's user id
        #[arg(long, value_name = "ID")]
        user: UserId,
        /// Only in this guild
        #[arg(long, value_name = "ID")]
        guild: Option<GuildId>,
    },
    /// Show how whole the mirror is
    Status {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments.command).await {
        Ok(lines) => {
            // Who closed our output does not want the rest of it.
            if !lines.is_empty() {
                let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "propsbot: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn carry_out(command: Command) -> Result<Vec<String>, Error> {
    let needs = match command {
        Command::Run | Command::Sync { .. } => Needs::Discord,
        _ => Needs::Local,
    };
    let config = Config::read(&config::environment()?, needs)?;
    app::log(&config.log)?;
    let stop = CancellationToken::new();
    match command {
        Command::Run => {
            stop_on_signal(&stop)?;
            app::run(&config, stop).await?;
            Ok(vec!["stopped; everything is kept".to_owned()])
        }
        Command::Sync { guild, json } => {
            stop_on_signal(&stop)?;
            app::sync(&config, guild, json, &stop).await
        }
        Command::Export {
            to, dry_run: true, ..
        } => app::dry_run(&config, to.as_ref()).await,
        Command::Export { to, replace, .. } => app::export(&config, to.as_ref(), replace).await,
        Command::Graph {
            from,
            out,
            weights,
            diff,
            json,
        } => {
            let order = GraphOrder {
                weights: weights.as_deref(),
                out: out.as_deref(),
                diff: diff.as_deref(),
                json,
            };
            app::graph(&config, &from, order).await
        }
        Command::Verify {
            from,
            structure_only,
        } => {
            let depth = if structure_only {
                Depth::Structure
            } else {
                Depth::Whole
            };
            app::verify(&config, &from, depth).await
        }
        Command::Restore { from } => app::restore(&config, &from).await,
        Command::Forget { user, guild } => app::forget(&config, user, guild).await,
        Command::Status { json } => Ok(vec![app::status(&config, json).await?]),
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM. A second one ends the process at once, which
/// loses nothing that was acknowledged.
fn stop_on_signal(stop: &CancellationToken) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if second {
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    Ok(())
}
