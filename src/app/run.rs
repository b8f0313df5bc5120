//! `propsbot run`: the bot itself.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Error, Mirror, archive::target, log_in};
use crate::config::Config;
use propsbot_commands::Runner;
use propsbot_discord::{self as discord, GatewayOptions, MessageSender, log_outages};
use propsbot_jobs::{
    acknowledge::{acknowledge, acknowledgements},
    audit::audit,
    backfill::{self, Requests},
    clock::Clock,
    daily::{days, log_daily},
    export::{
        Failing, LETTING_GO, export_and_log, export_control, export_regularly, give_up_after,
        is_due,
    },
    guilds::PerGuild,
    listener::listen,
    progress::{ProgressBoard, log_regularly},
};
use propsbot_service::{Deps, Service};

/// How many bytes of events may wait to be processed. Events beyond that are dropped and fetched later.
const EVENTS: u32 = 32 << 20;

/// How long the gateway may take to close, and the tasks to end.
const ENDING: Duration = Duration::from_secs(6);

/// How long shutdown may take in all, with the last export. What it doesn't write stays marked for the
/// next one.
const WITH_LAST_EXPORT: Duration = Duration::from_secs(9);

/// Runs until `stop` is cancelled, or until an error that only a person can fix.
///
/// Shutdown takes at most 10 s: everything received is made durable, and exported if there is time.
#[expect(clippy::too_many_lines, reason = "all parts, connected in one place")]
pub async fn run(config: &Config, stop: CancellationToken) -> Result<(), Error> {
    let discord = config
        .discord
        .as_ref()
        .expect("the command line reads what this command needs");
    // The next start resumes what is interrupted here.
    let opening = Mirror::open(&config.store_path);
    let Some(mirror) = stop.run_until_cancelled(opening).await else {
        return Ok(());
    };
    let mirror = mirror?;
    let target = target(config, &config.archive, &mirror.store).await?;
    let heard = mirror.store.heard()?;
    let progress: PerGuild<ProgressBoard> = PerGuild::default();
    let (exports, export_requests) = export_control(target.clone(), config.export_interval);
    let connecting = async {
        let (history, bot) = log_in(discord, &config.network, &mirror.store).await?;
        let backfill = mirror.backfill(config, history.clone(), bot.clone(), progress.clone());
        backfill.choose_guilds(None, None).await?;
        let clock = mirror.clock.clone();
        let service = Service::new(Deps {
            store: Arc::clone(&mirror.store),
            writer: mirror.writer.clone(),
            clock: clock.clone(),
            progress: progress.clone(),
            guilds: backfill.guilds.clone(),
            speech: MessageSender::new(history.rest().clone()),
            bot: bot.id,
            exports: Some(exports),
        });
        let interactions = Runner::new(&discord.token, history.rest().clone(), service)
            .await
            .context("could not start the commands")?;
        let gateway = discord::start(GatewayOptions {
            token: discord.token.clone(),
            rest: history.rest().clone(),
            clock: Box::new(move || clock.stamp()),
            capacity: EVENTS,
            interactions: Box::new(interactions),
            stop: stop.clone(),
        })
        .await?;
        // The gateway has accepted the token.
        info!(bot = bot.username, "logged in");
        Ok::<_, Error>((backfill, bot, gateway))
    };
    let Some(connected) = stop.run_until_cancelled(connecting).await else {
        return mirror.close().await;
    };
    let (backfill, bot, gateway) = connected?;

    let requests = Requests::default();
    let rest = backfill.history.rest().clone();
    let (acknowledgements, thanks) = acknowledgements();
    let listening = listen(
        gateway.items,
        bot.id,
        heard,
        backfill.guilds.clone(),
        mirror.writer.clone(),
        requests.clone(),
        acknowledgements,
    );
    let acknowledging = acknowledge(
        thanks,
        MessageSender::new(backfill.history.rest().clone()),
        Arc::clone(&mirror.store),
        mirror.writer.clone(),
        mirror.clock.clone(),
        bot.id,
        stop.clone(),
    );
    let auditing = audit(backfill.clone(), requests.clone(), stop.clone());
    let supervising = backfill::supervise(backfill, requests, stop.clone());
    let exporting = export_regularly(
        Arc::clone(&mirror.store),
        target.clone(),
        export_requests,
        Clock::now,
        stop.clone(),
    );
    let telling = log_regularly(progress, stop.clone());
    let outages = log_outages(rest.outages(), stop.clone());
    let living = log_daily(Arc::clone(&mirror.store), rest, days(), stop.clone());
    let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
    tasks.spawn(async move {
        tokio::join!(telling, outages, living);
        Ok(())
    });
    tasks.spawn(async move { Ok(gateway.ended.wait().await?) });
    tasks.spawn(async move { Ok(listening.await?) });
    tasks.spawn(async move { Ok(acknowledging.await?) });
    tasks.spawn(async move { Ok(Box::pin(supervising).await?) });
    tasks.spawn(async move { Ok(auditing.await?) });
    tasks.spawn(async move {
        exporting.await;
        Ok(())
    });

    let first = tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(end) = tasks.join_next() => ended(end),
    };
    info!("stopping");
    stop.cancel();
    let over = Instant::now() + WITH_LAST_EXPORT;
    let ending = timeout(ENDING, async {
        let mut all = Ok(());
        while let Some(end) = tasks.join_next().await {
            all = all.and(ended(end));
        }
        all
    });
    let ended_in_time = ending.await.unwrap_or_else(|_| Err(Error::Failed(late())));
    tasks.shutdown().await;
    let store = Arc::clone(&mirror.store);
    // If the store failed, everything else ended because of it.
    let closed = timeout_at(over, mirror.close()).await;
    closed.unwrap_or_else(|_| Err(Error::Failed(late())))?;
    first.and(ended_in_time)?;
    let give_up = CancellationToken::new();
    let last = async {
        if is_due(&store).await? {
            // It logs its own failure.
            let mut failing = Failing::default();
            let _ = export_and_log(&store, &target, Clock::now(), &give_up, &mut failing).await;
        }
        Ok(())
    };
    let late = sleep_until(over - LETTING_GO);
    let ended = give_up_after(late, LETTING_GO, &give_up, last).await;
    ended.unwrap_or_else(|| {
        warn!("the last export took too long; the next one exports what it did not write");
        Ok(())
    })
}

/// The error for a shutdown that takes too long.
fn late() -> anyhow::Error {
    anyhow!("not everything ended in time; the next start fetches what was not saved yet")
}

fn ended(end: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    end.context("a task panicked; report this")?
}
