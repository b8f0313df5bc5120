//! Sending the answer to a command, in time and without pinging anybody by mistake.
//! Source: <https://discord.com/developers/docs/interactions/receiving-and-responding>.

use std::{pin::pin, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use poise::CreateReply;
use serenity::{
    builder::CreateAllowedMentions,
    http::{HttpError, StatusCode},
};

use super::Context;
use crate::model::UserId;

/// After this time an answer is announced, since Discord waits for 3 s only.
const DEADLINE: Duration = Duration::from_millis(1_800);

/// Discord's code for "Interaction has already been acknowledged".
const ALREADY_ANSWERED: isize = 40_060;

/// Who sees an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Whoever reads the channel.
    Everyone,
    /// Who ran the command.
    OnlyThem,
}

/// Does the work; if that takes long, tells Discord that the answer is on its way.
pub(super) async fn in_time<T>(
    ctx: Context<'_>,
    visibility: Visibility,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(DEADLINE, &mut work).await {
        return done;
    }
    let told = match visibility {
        Visibility::Everyone => ctx.defer().await,
        Visibility::OnlyThem => ctx.defer_ephemeral().await,
    };
    if let Err(error) = told {
        tracing::warn!("a late answer could not be announced: {}", describe(&error));
    }
    work.await
}

/// Sends the answer. Nobody is pinged but those whom the reply itself allows. Tried again a few
/// times if Discord is limiting or failing: serenity does not tell how long to wait, so the waits
/// grow, within the 3 s there are.
pub(super) async fn answer(
    ctx: Context<'_>,
    reply: CreateReply,
    visibility: Visibility,
) -> Result<(), serenity::Error> {
    let reply = reply.ephemeral(visibility == Visibility::OnlyThem);
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(300))
        .with_factor(2.0)
        .with_max_times(3);
    let sent = (|| async { ctx.send(reply.clone()).await.map(drop) })
        .retry(waits)
        .when(|error| status(error).is_some_and(may_pass))
        .await;
    match sent {
        Err(error) if code(&error) == Some(ALREADY_ANSWERED) => Ok(()),
        sent => sent,
    }
}

/// A text that pings nobody.
pub(super) fn plain(text: String) -> CreateReply {
    pinging(text, &[])
}

/// A text that pings these users, where it mentions them, and nobody else.
pub(super) fn pinging(text: String, users: &[UserId]) -> CreateReply {
    let pinged = users
        .iter()
        .filter(|id| id.0 != 0)
        .map(|id| serenity::model::id::UserId::new(id.0));
    let mentions = CreateAllowedMentions::new().users(pinged);
    CreateReply::default()
        .content(text)
        .allowed_mentions(mentions)
}

/// What went wrong, without addresses: those of interactions hold a token.
pub(super) fn describe(error: &serenity::Error) -> String {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => format!(
            "Discord answered {} ({}, code {})",
            answer.status_code, answer.error.message, answer.error.code
        ),
        serenity::Error::Http(_) => "no answer from Discord".to_owned(),
        serenity::Error::Model(error) => format!("it is not acceptable: {error}"),
        _ => "serenity failed".to_owned(),
    }
}

fn status(error: &serenity::Error) -> Option<StatusCode> {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => Some(answer.status_code),
        _ => None,
    }
}

fn code(error: &serenity::Error) -> Option<isize> {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => Some(answer.error.code),
        _ => None,
    }
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}
