//! `propsbot run`: the bot itself.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Error,
    archive::{Followers, target},
    bars::log_regularly,
    control::{Destination, Running, Session, serve},
    cred::CredKeeper,
    health::HealthServer,
    link_comments::ArchivedComments,
    plugins::beside,
    service_manager,
};
use crate::config::Config;
use propsbot_commands::Runner;
use propsbot_discord::{DiscordApi, InteractionHandler, MessageSender};
use propsbot_jobs::{clock::Clock, cred::CredBoard, provider::Connected};
use propsbot_mirror::{
    ExportControl, ExportTarget, ExportTurn, Exports, Failing, LETTING_GO, ask, export_and_log,
    export_control, export_regularly, give_up_after,
};
use propsbot_service::{Deps, Service};

/// How long shutdown may take in all, with the last export. What it doesn't write stays marked for the
/// next one.
const WITH_LAST_EXPORT: Duration = Duration::from_secs(9);

/// Runs until `stop` is cancelled, or until an error that only a person can fix.
///
/// Shutdown takes at most 10 s: everything received is made durable, and exported if there is time.
pub async fn run(config: &Config, stop: CancellationToken) -> Result<(), Error> {
    // A mistake in the configuration must not leave a new store behind.
    let beside = beside(config)?;
    let turn = ExportTurn::default();
    let mut session = Session::new(config, None);
    let provider = session.provider.clone();
    let discord = provider.discord().cloned();
    let mut health = HealthServer::start(config, &provider).await?;
    // The next start resumes what is interrupted here.
    let Some(store) = stop.run_until_cancelled(provider.open()).await else {
        return Ok(());
    };
    store?;
    service_manager::ready();
    let exports = provider.exports().await?;
    let to = Destination::new(config.archive.clone());
    let mut target = target(config, &to, &exports, beside).await?;
    // Cred is computed for answers to commands.
    let keeper = discord.as_ref().and_then(|_| CredKeeper::new(config));
    let wakes = keeper.as_ref().map(CredKeeper::follower);
    target.follower = Followers::of([target.follower, wakes]);
    let cred = keeper.as_ref().map(CredKeeper::board).unwrap_or_default();
    let (control, requests) =
        export_control(exports.schema(), target.clone(), config.export_interval);
    if let Some(health) = &mut health {
        health.watch(control.clone(), cred.clone());
    }
    let connected = CancellationToken::new();
    match &discord {
        Some(discord) => discord.answer_with({
            let connected = connected.clone();
            let comments = ArchivedComments::new(config);
            Box::new(|connection| answer(connection, (control, cred, comments), connected).boxed())
        }),
        None => connected.cancel(),
    }
    // If one of them ends, the others have to.
    let stop = stop.child_token();
    session.running = Some(Running {
        turn: Arc::clone(&turn),
        target: Some(target.clone()),
    });
    let server = serve(&Arc::new(session), &stop);
    let controlling = async {
        stop.cancelled().await;
        if let Some(server) = server {
            server.finish().await;
        }
    };
    let listening = async {
        let listened = provider.listen(stop.clone()).await;
        stop.cancel();
        listened
    };
    let exporting = {
        let (exports, target, stop) = (Arc::clone(&exports), target.clone(), stop.clone());
        let turn = Arc::clone(&turn);
        tokio::spawn(async move {
            if stop
                .run_until_cancelled(connected.cancelled())
                .await
                .is_some()
            {
                export_regularly(exports, target, requests, turn, Clock::now, stop).await;
            }
        })
    };
    let keeping = {
        let stop = stop.clone();
        keeper.map(|keeper| tokio::spawn(keeper.run(stop)))
    };
    let logging = log_regularly(provider.shared(), stop.clone());
    let exporting = async {
        let exported = exporting.await;
        stop.cancel();
        exported
    };
    let stopping = async {
        stop.cancelled().await;
        service_manager::stopping();
        Instant::now()
    };
    let living = service_manager::keep_alive(discord.as_deref(), &stop);
    let (listened, exported, stopped_at, (), (), ()) =
        tokio::join!(listening, exporting, stopping, logging, controlling, living);
    listened?;
    exported?;
    if let Some(keeping) = keeping {
        keeping.await?;
    }
    let ended = export_once_more(&exports, &target, &turn, stopped_at).await;
    if let Some(health) = health {
        health.finish().await;
    }
    ended.unwrap_or_else(|| {
        warn!("the last export took too long; the next one exports what it did not write");
        Ok(())
    })
}

/// Exports what is still to be exported; `None` if that takes too long.
async fn export_once_more(
    exports: &Arc<dyn Exports>,
    target: &ExportTarget,
    turn: &ExportTurn,
    stopped_at: Instant,
) -> Option<Result<(), Error>> {
    let give_up = CancellationToken::new();
    let last = async {
        let _turn = turn.lock().await;
        if ask(exports, |exports| exports.ledger().is_due()).await?? {
            // It logs its own failure.
            let mut failing = Failing::default();
            let _ = export_and_log(exports, target, Clock::now(), &give_up, &mut failing).await;
        }
        Ok(())
    };
    let late = sleep_until(stopped_at + WITH_LAST_EXPORT - LETTING_GO);
    give_up_after(late, LETTING_GO, &give_up, last).await
}

async fn answer(
    connection: Connected,
    (exports, cred, comments): (ExportControl, CredBoard, ArchivedComments),
    connected: CancellationToken,
) -> Result<Box<dyn InteractionHandler>, Box<dyn StdError + Send + Sync>> {
    let service = Service::new(Deps {
        store: connection.store,
        writer: connection.writer,
        clock: connection.clock,
        progress: connection.progress,
        guilds: connection.guilds,
        shards: connection.shards,
        requests: connection.requests,
        sender: MessageSender::new(connection.rest.clone()),
        discord: DiscordApi::new(connection.rest.clone()),
        bot: connection.bot.id,
        exports: Some(exports),
        cred,
        comments: Some(Arc::new(comments)),
    });
    let runner = Runner::new(&connection.token, connection.rest, service).await;
    let runner = runner.context("could not start the commands")?;
    connected.cancel();
    Ok(Box::new(runner))
}
