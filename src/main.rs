//! The command line: parses the arguments, runs the command, and turns errors into exit codes.
//! See `propsbot --help`.

mod arguments;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use arguments::{Arguments, Command, Request};
use clap::{CommandFactory as _, Parser as _};
use propsbot::{
    BLOCKING_THREADS,
    app::{self, Destination, Error, GraphOrder, StoreCommand},
    config::{Config, Environment, Needs},
};
use propsbot_archive::{Depth, printable};
use tokio_util::sync::CancellationToken;

/// The allocator. Several threads allocate and free millions of small store pages: the system's
/// allocators keep a growing multiple of what is in use, while this one returns it.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long abandoned tasks may take to end.
const LAST_TASKS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // A mistake, or a request for help.
        Err(usage) => {
            return match app::printed(usage.print()) {
                Ok(()) => u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
                Err(error) => failed(&error),
            };
        }
    };
    let outcome = match arguments.request {
        Request::Command(command) => run(*command),
        Request::Completions { shell } => Ok(app::completions(Arguments::command(), shell)),
        Request::Man { out } => app::manual(Arguments::command(), out.as_deref()),
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
    // If stderr is closed too, only the exit code is left.
    let text = printable(&error.to_string());
    let _ = writeln!(io::stderr(), "propsbot: {text}");
    ExitCode::from(error.exit_code())
}

fn run(command: Command) -> Result<Vec<String>, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    let outcome = runtime.block_on(execute(command));
    // A DNS lookup that is still running must not delay the exit.
    runtime.shutdown_timeout(LAST_TASKS);
    outcome
}

/// Reads the configuration, and logs as it says.
fn configured(needs: Needs) -> Result<Config, Error> {
    let environment = Environment::read()?;
    let config = environment.config(needs)?;
    begin_log(&environment, &config, needs)?;
    Ok(config)
}

fn begin_log(environment: &Environment, config: &Config, needs: Needs) -> Result<(), Error> {
    app::log(&config.log)?;
    app::warn_of_exposed_secrets(config);
    environment.log_unknown(needs);
    Ok(())
}

/// Carries out a command in the process that has the store open, or else here.
async fn on_store(command: StoreCommand) -> Result<Vec<String>, Error> {
    let environment = Environment::read()?;
    // A running process has the token, so it isn't asked for before there turns out to be none.
    let needs = command.needs();
    let config = environment.config(Needs::Local);
    let config = config.or_else(|_| environment.config(needs))?;
    begin_log(&environment, &config, needs)?;
    let stop = CancellationToken::new();
    if command.stops() {
        stop_on_signal(&stop)?;
    }
    if let Some(done) = app::ask_running(&config, &command, &stop).await {
        return done;
    }
    let config = environment.config(needs)?;
    match Box::pin(app::carry_out(&config, &command, &stop)).await {
        // Another process may have opened it meanwhile.
        Err(error) if error.is_store_in_use() => {
            let asked = app::ask_running(&config, &command, &stop).await;
            asked.unwrap_or(Err(error))
        }
        done => done,
    }
}

async fn run_until_stopped(stop: CancellationToken) -> Result<Vec<String>, Error> {
    let config = configured(Needs::Discord)?;
    stop_on_signal(&stop)?;
    app::run(&config, stop).await?;
    Ok(vec!["stopped; everything is saved".to_owned()])
}

async fn execute(command: Command) -> Result<Vec<String>, Error> {
    let stop = CancellationToken::new();
    match command {
        Command::Check(order) => {
            app::check(Environment::read(), &order).await?;
            Ok(Vec::new())
        }
        Command::Run => run_until_stopped(stop).await,
        Command::Sync {
            guild,
            recheck: true,
            json,
        } => on_store(StoreCommand::Recheck { guild, json }).await,
        Command::Sync { guild, json, .. } => {
            let config = configured(Needs::Discord)?;
            stop_on_signal(&stop)?;
            app::sync(&config, guild, false, json, &stop).await
        }
        Command::Export {
            to,
            dry_run,
            replace,
            repair,
        } => {
            let to = to.map(Destination::new);
            on_store(if dry_run {
                StoreCommand::DryRun { to }
            } else {
                StoreCommand::Export {
                    to,
                    replace,
                    repair,
                }
            })
            .await
        }
        Command::Graph {
            from,
            out,
            plugin,
            guild,
            diff,
            json,
        } => {
            let order = GraphOrder {
                plugin: &plugin,
                out: out.as_deref(),
                space: guild,
                diff: diff.as_deref(),
                json,
            };
            app::graph(&configured(Needs::Local)?, &from, order).await
        }
        Command::Plugins { json } => app::plugins(json),
        Command::Openrank { from, guild } => {
            app::openrank(&configured(Needs::Local)?, &from, guild.as_ref()).await
        }
        Command::Cred(order) => app::cred(&configured(Needs::Local)?, *order).await,
        Command::Ledger(command) => app::ledger(&configured(Needs::Local)?, command).await,
        Command::KeepCred(order) => app::keep_cred(&configured(Needs::Local)?, order).await,
        Command::Query { from, order } => {
            app::query(&configured(Needs::Local)?, &from, &order).await
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
            app::verify(&configured(Needs::Local)?, &from, depth).await
        }
        Command::Car { from, out, replace } => {
            let config = configured(Needs::Local)?;
            stop_on_signal(&stop)?;
            app::car(&config, &from, &out, replace, &stop).await
        }
        Command::Tables { from, order } => {
            let config = configured(Needs::Local)?;
            stop_on_signal(&stop)?;
            app::tables(&config, &from, &order, &stop).await
        }
        Command::Site { from, order } => app::site(&configured(Needs::Local)?, &from, &order).await,
        Command::Restore { from } => app::restore(&configured(Needs::Local)?, &from).await,
        Command::Compact => app::compact(&configured(Needs::Local)?).await,
        Command::Forget {
            user,
            github,
            guild,
        } => {
            let user = user.or(github);
            on_store(StoreCommand::Forget { user, guild }).await
        }
        Command::Status(arguments) => on_store(arguments.into()).await,
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM. A second one exits at once, which loses nothing that
/// was acknowledged.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that ends the process"
)]
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
