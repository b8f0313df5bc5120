//! The command line: what was typed, and how it ended. See `propsbot --help`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::anyhow;
use clap::{Parser, Subcommand, ValueEnum};
use propsbot::{
    BLOCKING_THREADS,
    app::{self, Error, ExportOrder, GraphOrder, GraphPlugin},
    config::{Environment, Needs},
};
use propsbot_archive::Depth;
use propsbot_backends::ArchiveSpec;
use propsbot_graph::discord::Rules;
use propsbot_model::{GuildId, UserId, printable};
use tokio_util::sync::CancellationToken;

/// The allocator. Millions of small pages of the store come and go, on several threads: the system's own
/// allocators keep a multiple of what is in use, more and more of it, where this one gives it back.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long what nobody waits for any more may take to end.
const LAST_TASKS: Duration = Duration::from_millis(500);

/// Mirrors a community's Discord, and turns its thanks into SourceCred props.
///
/// Configured by environment variables or `.env`: see `.env.example`.
/// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done, but the mirror is incomplete.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What `sync --recheck` is for.
const RECHECK: &str = "\
Read all history again, and every list of reactors.

A plain sync reads again what was posted in the week (a setting) before nobody listened. Edits,
deletions and reactions to older messages are found by this, or by `propsbot run`, which reads history
again all the time. If it is interrupted, the next `sync --recheck` goes on there.";

/// What `sync --json` writes.
const JSON_LINES: &str = "\
Progress as JSON lines on stdout, for programs: one a second, and one at every change of phase.

Fields: guild, name, phase (discovering, fetching, waiting, done), channels_done, channels, messages,
lists_done, lists, requests, eta_seconds (null while unknown), failures. The last line of a guild has
phase \"done\", complete (true or false), incomplete_channels, unreadable_channels, refused, missing
(the names of what the mirror lacks), unreadable (the channels that permissions keep the bot out of;
they don't make it incomplete), contradicted (lists of reactors that are not as long as Discord counts),
found (what had changed unheard of what was thought to be known), and error if the guild could not be
looked at.";

/// What `graph --plugin discord` is for.
const DISCORD_PLUGIN: &str = "\
The graph that is built.

props    Who was thanked: messages in props channels, and /props. Weighed by --weights.
discord  Exactly the graph of SourceCred 0.11.2's own Discord plugin, from the same config.json
         (--config), so that an instance can go on without that plugin: in sourcecred.json replace
         \"sourcecred/discord\" by \"external/discord\", and put the three files into
         config/plugins/external/discord. Nodes, edges, weights and the members' addresses stay as
         they are, so ledger and cred do; config/weights.json does too. In config/pluginBudgets.json
         rename the plugin alike. Never run both: they are the same nodes.";

/// What `graph --improved` changes.
const IMPROVED: &str = "\
With --plugin discord: better rules than SourceCred's own, so cred changes.

Who left the guild counts, with their messages, reactions and mentions. Announcement, voice and stage
channels count, and threads and forum posts, as the channel that they are in (its weight, category,
props, NSFW) unless they have a weight of their own. Super reactions count. Proposed names have at most
31 characters, so that two of one name cannot fail the whole run.";

#[derive(Clone, Copy, ValueEnum)]
enum Plugin {
    /// Who was thanked
    Props,
    /// The graph of SourceCred's own Discord plugin
    Discord,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bot until it is told to stop (SIGINT or SIGTERM)
    Run,
    /// Fetch all history that is missing, then stop
    Sync {
        /// Only this guild
        #[arg(long, value_name = "ID")]
        guild: Option<GuildId>,
        /// Read all history again, and every list of reactors; goes on where it was interrupted
        #[arg(long, long_help = RECHECK)]
        recheck: bool,
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
        /// First check all of the archive, and make anew from the store what is missing or damaged in it
        #[arg(long)]
        repair: bool,
        /// Write nothing: say what would go out or be withdrawn, what not, and why
        #[arg(long, conflicts_with_all = ["replace", "repair"])]
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
        /// Which graph
        #[arg(long, value_name = "PLUGIN", default_value = "props", long_help = DISCORD_PLUGIN)]
        plugin: Plugin,
        /// A JSON file with other weights than the default ones, for the props plugin
        #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "improved"])]
        weights: Option<PathBuf>,
        /// The config.json of SourceCred's Discord plugin, for the discord plugin
        #[arg(long, value_name = "FILE", required_if_eq("plugin", "discord"))]
        config: Option<PathBuf>,
        /// Better rules than those of SourceCred's Discord plugin
        #[arg(long, requires = "config", long_help = IMPROVED)]
        improved: bool,
        /// Only of this guild, where the archive holds several; for the discord plugin, its config names them
        #[arg(long, value_name = "ID", conflicts_with_all = ["config", "improved"])]
        guild: Option<GuildId>,
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
        /// Every blob too, which is what is done if nothing else is said
        #[arg(long, conflicts_with = "structure_only")]
        read_data: bool,
    },
    /// Rebuild an empty store from an archive
    Restore {
        /// The archive, such as dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
    },
    /// Delete what is kept of a member, on their request, or all of a guild
    Forget {
        /// The member's user id
        #[arg(long, value_name = "ID", required_unless_present = "guild")]
        user: Option<UserId>,
        /// Only in this guild; without --user, everything that is kept of the guild
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

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help was asked for, or is needed.
        Err(usage) => {
            return match app::printed(usage.print()) {
                Ok(()) => u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
                Err(error) => failed(&error),
            };
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(carry_out(arguments.command));
            // A host's name that is still being looked up must not hold up the end.
            runtime.shutdown_timeout(LAST_TASKS);
            outcome
        }
        Err(error) => Err(error.into()),
    };
    let printed = outcome.and_then(|lines| match &*lines {
        [] => Ok(()),
        lines => app::print_line(&printable(&lines.join("\n"))),
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    // Where stderr is gone too, the exit code has to do.
    let text = printable(&error.to_string());
    let _ = writeln!(io::stderr(), "propsbot: {text}");
    ExitCode::from(error.exit_code())
}

async fn carry_out(command: Command) -> Result<Vec<String>, Error> {
    let needs = match command {
        Command::Run | Command::Sync { .. } => Needs::Discord,
        _ => Needs::Local,
    };
    let environment = Environment::read()?;
    let config = environment.config(needs)?;
    app::log(&config.log)?;
    app::warn_of_exposed_secrets(&config);
    environment.log_unknown(needs);
    let stop = CancellationToken::new();
    match command {
        Command::Run => {
            stop_on_signal(&stop)?;
            app::run(&config, stop).await?;
            Ok(vec!["stopped; everything is kept".to_owned()])
        }
        Command::Sync {
            guild,
            recheck,
            json,
        } => {
            stop_on_signal(&stop)?;
            app::sync(&config, guild, recheck, json, &stop).await
        }
        Command::Export {
            to, dry_run: true, ..
        } => app::dry_run(&config, to.as_ref()).await,
        Command::Export {
            to,
            replace,
            repair,
            ..
        } => {
            stop_on_signal(&stop)?;
            let order = ExportOrder { replace, repair };
            app::export(&config, to.as_ref(), order, &stop).await
        }
        Command::Graph {
            from,
            out,
            plugin,
            weights,
            config: of_discord,
            improved,
            guild,
            diff,
            json,
        } => {
            let rules = if improved {
                Rules::Improved
            } else {
                Rules::Native
            };
            let plugin = match (plugin, of_discord) {
                (Plugin::Props, None) => GraphPlugin::Props { weights },
                (Plugin::Discord, Some(config)) => GraphPlugin::Discord { config, rules },
                _ => {
                    return Err(Error::Wrong(anyhow!(
                        "--config and --plugin discord go together"
                    )));
                }
            };
            let order = GraphOrder {
                plugin: &plugin,
                out: out.as_deref(),
                guild,
                diff: diff.as_deref(),
                json,
            };
            app::graph(&config, &from, order).await
        }
        Command::Verify {
            from,
            structure_only,
            ..
        } => {
            let depth = if structure_only {
                Depth::Structure
            } else {
                Depth::Whole
            };
            app::verify(&config, &from, depth).await
        }
        Command::Restore { from } => app::restore(&config, &from).await,
        Command::Forget {
            user: Some(user),
            guild,
        } => app::forget(&config, user, guild).await,
        Command::Forget { user: None, guild } => {
            let guild = guild.expect("clap asks for one of the two");
            app::forget_guild(&config, guild).await
        }
        Command::Status { json } => Ok(vec![app::status(&config, json).await?]),
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM. A second one ends the process at once, which
/// loses nothing that was acknowledged.
#[expect(clippy::disallowed_methods, reason = "this is where the process ends")]
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
