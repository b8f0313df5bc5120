//! Posts recaps when they are due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serenity::{
    builder::{CreateAllowedMentions, CreateAttachment, CreateMessage},
    http::Http,
    model::{channel::Nonce, id::ChannelId},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{describe, was_refused},
    chart,
    leaderboard::bars,
    wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::GuildId;
use propsbot_service::{DueRecap, RECAP_POSTING, RecapReport, Service, ServiceError};

/// How often to look which recaps are due.
const EACH: Duration = Duration::from_secs(5);

/// Posts recaps until the bot ends. What goes wrong with one guild's doesn't hold up the others'.
pub(super) async fn post_regularly(http: Arc<Http>, service: Service, ending: CancellationToken) {
    let mut failed = BTreeMap::new();
    loop {
        for guild in service.guilds() {
            if ending.is_cancelled() {
                return;
            }
            match post_due(&http, &service, guild).await {
                Ok(()) => drop(failed.remove(&guild)),
                Err(ServiceError::Ending(_)) => return,
                Err(error) => {
                    let error = error.to_string();
                    if failed.insert(guild, error.clone()).as_ref() != Some(&error) {
                        tracing::error!(%guild, "the recap can't be posted: {error}");
                    }
                }
            }
        }
        if ending.run_until_cancelled(sleep(EACH)).await.is_none() {
            return;
        }
    }
}

async fn post_due(http: &Http, service: &Service, guild: GuildId) -> Result<(), ServiceError> {
    let Some(due) = service.due_recap(guild).await? else {
        return Ok(());
    };
    match post(http, service, &due).await {
        Err(ServiceError::Discord(error)) => {
            let why = wording::recap_failure(&error);
            service.recap_failed(&due, why, false).await
        }
        done => done,
    }
}

async fn post(http: &Http, service: &Service, due: &DueRecap) -> Result<(), ServiceError> {
    let Some(report) = service.recap(due).await? else {
        return Ok(());
    };
    let message = message(due, &report).await;
    service.recap_begins(due).await?;
    let channel = ChannelId::new(due.setting.channel_id.0);
    let posting = channel.send_message(http, message);
    match timeout(RECAP_POSTING, posting).await {
        Ok(Ok(posted)) => {
            let message = posted.id.into_model();
            service.recap_ended(due, Some(message)).await?;
            tracing::info!(guild = %due.guild_id, %message, "posted the recap");
            Ok(())
        }
        Ok(Err(error)) => {
            let why = wording::recap_failure(&describe(&error));
            service.recap_failed(due, why, was_refused(&error)).await
        }
        Err(late) => {
            let why = wording::recap_failure(&late);
            service.recap_failed(due, why, false).await
        }
    }
}

/// The recap, which pings nobody.
async fn message(due: &DueRecap, report: &RecapReport) -> CreateMessage {
    let every = due.setting.every;
    let message = CreateMessage::new()
        .content(wording::recap(every, report))
        .allowed_mentions(CreateAllowedMentions::new())
        .nonce(Nonce::String(due.nonce()))
        .enforce_nonce(true);
    if !due.may_attach || report.board.ranked.is_empty() {
        return message;
    }
    let title = wording::recap_chart_title(report);
    let alt_text = wording::recap_alt_text(report);
    let bars = bars(&report.board);
    // Without a picture, the text shows the same.
    match chart::drawn(move || chart::draw(&title, &bars)).await {
        Some(picture) => {
            let picture = CreateAttachment::bytes(picture, "recap.png");
            message.add_file(picture.description(alt_text))
        }
        None => message,
    }
}
