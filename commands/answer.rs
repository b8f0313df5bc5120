//! Answers interactions: in time, and without accidental pings.
//! Source: <https://discord.com/developers/docs/interactions/receiving-and-responding>.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use futures::future::{Either, join, select};
use poise::{CreateReply, ReplyHandle};
use serenity::{
    builder::{
        CreateAllowedMentions, CreateInteractionResponse, CreateInteractionResponseFollowup,
        CreateInteractionResponseMessage, CreateMessage, EditInteractionResponse,
    },
    http::{Http, HttpError, StatusCode},
    model::application::{ComponentInteraction, ModalInteraction},
};

use super::{Context, Error, wording};
use propsbot_model::UserId;

/// When to defer an answer, because Discord waits only 3 s for one.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_800);

/// How often a progress message is updated.
const TELL: Duration = Duration::from_secs(4);

/// How long an update may take. If a rate limit takes longer, the next update shows it.
const TELLING: Duration = Duration::from_secs(5);

/// Discord's code for "Interaction has already been acknowledged".
const ALREADY_ANSWERED: isize = 40_060;

/// Discord's codes for an interaction token older than 15 minutes: "Unknown Webhook", "Unknown
/// interaction", "Invalid Webhook Token".
const TOO_LATE: [isize; 3] = [10_015, 10_062, 50_027];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Everyone in the channel.
    Everyone,
    /// Only the member who asked.
    OnlyThem,
}

/// An interaction to answer: a command, a submitted form, or a used button or list.
pub(super) trait Asker: Copy {
    /// Defers the answer: tells Discord that it's coming.
    fn announce(
        self,
        visibility: Visibility,
    ) -> impl Future<Output = Result<(), serenity::Error>> + Send;

    /// Whether the answer is deferred. If so, it's sent as a follow-up.
    fn announced(&self) -> &AtomicBool;

    /// Sends the answer without retrying.
    fn send_once(
        self,
        reply: CreateReply,
    ) -> impl Future<Output = Result<(), serenity::Error>> + Send;
}

impl Asker for Context<'_> {
    async fn announce(self, visibility: Visibility) -> Result<(), serenity::Error> {
        match visibility {
            Visibility::Everyone => self.defer().await,
            Visibility::OnlyThem => self.defer_ephemeral().await,
        }
    }

    fn announced(&self) -> &AtomicBool {
        // There are no prefix commands.
        static NEVER: AtomicBool = AtomicBool::new(false);
        match self {
            poise::Context::Application(run) => run.has_sent_initial_response,
            poise::Context::Prefix(_) => &NEVER,
        }
    }

    async fn send_once(self, reply: CreateReply) -> Result<(), serenity::Error> {
        self.send(reply).await.map(drop)
    }
}

/// A submitted form, or a used button or list.
#[derive(Clone, Copy)]
pub(super) struct Used<'a> {
    /// The client for Discord.
    pub(super) http: &'a Http,
    /// The form, button or list.
    pub(super) what: What<'a>,
    /// Whether the answer is deferred.
    pub(super) announced: &'a AtomicBool,
}

/// The component that a member used.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    Form(&'a ModalInteraction),
    /// A button or a select menu.
    Part(&'a ComponentInteraction),
}

impl Used<'_> {
    async fn respond(self, response: CreateInteractionResponse) -> Result<(), serenity::Error> {
        match self.what {
            What::Form(form) => form.create_response(self.http, response).await?,
            What::Part(part) => part.create_response(self.http, response).await?,
        }
        self.announced.swap(true, Ordering::Relaxed);
        Ok(())
    }

    async fn change_message(self, reply: CreateReply) -> Result<(), serenity::Error> {
        let message = reply.to_slash_initial_response(CreateInteractionResponseMessage::new());
        self.respond(CreateInteractionResponse::UpdateMessage(message))
            .await
    }

    /// Shows another page in the message of the button or list. Acknowledges the interaction first if the
    /// work takes long.
    pub(super) async fn turn_page(
        self,
        work: impl Future<Output = Result<CreateReply, Error>>,
    ) -> Result<(), Error> {
        let mut work = pin!(work);
        if let Ok(page) = tokio::time::timeout(DEADLINE, &mut work).await {
            return Ok(self.change_message(page?).await?);
        }
        let respond = || self.respond(CreateInteractionResponse::Acknowledge);
        let (page, announced) = join(work, announce(self, respond)).await;
        announced?;
        let page = page?;
        if let What::Part(part) = self.what {
            let edit = page.to_slash_initial_response_edit(EditInteractionResponse::new());
            part.edit_response(self.http, edit).await?;
        }
        Ok(())
    }
}

impl Asker for Used<'_> {
    async fn announce(self, visibility: Visibility) -> Result<(), serenity::Error> {
        let message =
            CreateInteractionResponseMessage::new().ephemeral(visibility == Visibility::OnlyThem);
        self.respond(CreateInteractionResponse::Defer(message))
            .await
    }

    fn announced(&self) -> &AtomicBool {
        self.announced
    }

    async fn send_once(self, reply: CreateReply) -> Result<(), serenity::Error> {
        if self.announced.load(Ordering::Relaxed) {
            let follow_up = CreateInteractionResponseFollowup::new();
            let follow_up = reply.to_slash_followup_response(follow_up);
            match self.what {
                What::Form(form) => form.create_followup(self.http, follow_up).await?,
                What::Part(part) => part.create_followup(self.http, follow_up).await?,
            };
            return Ok(());
        }
        let message = reply.to_slash_initial_response(CreateInteractionResponseMessage::new());
        self.respond(CreateInteractionResponse::Message(message))
            .await
    }
}

/// Does the work; defers the answer if it takes long.
pub(super) async fn in_time<T>(
    asker: impl Asker,
    visibility: Visibility,
    work: impl Future<Output = T>,
) -> T {
    in_time_for(asker, || visibility, work).await
}

/// Like [`in_time`], if only the work decides who sees the answer.
pub(super) async fn in_time_for<T>(
    asker: impl Asker,
    visibility: impl Fn() -> Visibility,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(DEADLINE, &mut work).await {
        return done;
    }
    let announcing = announce(asker, || asker.announce(visibility()));
    let (done, announced) = join(work, announcing).await;
    if let Err(error) = announced {
        tracing::warn!("a late answer could not be announced: {}", describe(&error));
    }
    done
}

/// Defers an answer. Retries if Discord's response is lost: Discord reports if it already knows.
async fn announce<A: Future<Output = Result<(), serenity::Error>>>(
    asker: impl Asker,
    once: impl FnMut() -> A,
) -> Result<(), serenity::Error> {
    if asker.announced().load(Ordering::Relaxed) {
        return Ok(());
    }
    match once.retry(again()).when(is_unsure).await {
        Err(error) if code(&error) == Some(ALREADY_ANSWERED) => {
            asker.announced().swap(true, Ordering::Relaxed);
            Ok(())
        }
        announced => announced,
    }
}

/// The retries of a failed request: a few within the 3 s for which Discord waits.
fn again() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(300))
        .with_factor(2.0)
        .with_max_times(3)
}

/// Sends the answer. It pings only users that the reply allows. Retries a few times if Discord fails,
/// within the 3 s there are. (The client has already waited for rate limits where that helps.)
pub(super) async fn answer(
    asker: impl Asker,
    reply: CreateReply,
    visibility: Visibility,
) -> Result<(), serenity::Error> {
    let reply = reply.ephemeral(visibility == Visibility::OnlyThem);
    let sent = (|| asker.send_once(reply.clone()))
        .retry(again())
        .when(|error| status(error).is_some_and(may_pass))
        .await;
    match sent {
        Err(error) if code(&error) == Some(ALREADY_ANSWERED) => Ok(()),
        sent => sent,
    }
}

/// The progress message of long work, if one was sent.
pub(super) struct Told<'a>(Option<ReplyHandle<'a>>);

/// Does long work. If it takes more than a moment, shows its progress and its duration in a private
/// answer, and keeps that up to date.
pub(super) async fn while_telling<T>(
    ctx: Context<'_>,
    work: impl Future<Output = T>,
    how_far: impl Fn() -> String,
) -> (T, Told<'_>) {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(DEADLINE, &mut work).await {
        return (done, Told(None));
    }
    let begun = Instant::now();
    let so_far = || plain(wording::so_far(&how_far(), DEADLINE + begun.elapsed()));
    let first = async {
        let told = ctx.send(so_far().ephemeral(true)).await;
        if told.as_ref().is_err_and(is_unsure) {
            // It may have arrived anyway; then the result is sent below it.
            let announcing = announce(ctx, || ctx.announce(Visibility::OnlyThem));
            let _ = announcing.await;
        }
        Told(told.ok())
    };
    let (done, told) = beside(&mut work, first).await;
    if let Some(done) = done {
        return (done, told);
    }
    loop {
        if let Ok(done) = tokio::time::timeout(TELL, &mut work).await {
            return (done, told);
        }
        if let Some(handle) = &told.0 {
            // After 15 minutes Discord accepts no more edits; the work continues.
            let telling = tokio::time::timeout(TELLING, handle.edit(ctx, so_far()));
            if let (Some(done), _) = beside(&mut work, telling).await {
                return (done, told);
            }
        }
    }
}

/// Continues the work while a progress message is sent to the end. Returns the work's result if it's done
/// by then.
async fn beside<W: Future + Unpin, T>(
    work: W,
    telling: impl Future<Output = T>,
) -> (Option<W::Output>, T) {
    match select(work, pin!(telling)).await {
        Either::Left((done, telling)) => (Some(done), telling.await),
        Either::Right((told, _)) => (None, told),
    }
}

/// Replaces the progress message with the answer. After 15 minutes Discord accepts no more answers; then
/// posts `late` in the channel and pings the member who asked.
pub(super) async fn finish(
    ctx: Context<'_>,
    told: Told<'_>,
    reply: CreateReply,
    late: String,
) -> Result<(), serenity::Error> {
    let answered = match told.0 {
        // Repeating an edit is harmless.
        Some(told) => {
            let edit = || told.edit(ctx, reply.clone());
            edit.retry(again()).when(is_unsure).await
        }
        None => answer(ctx, reply, Visibility::OnlyThem).await,
    };
    match answered {
        Err(error) if code(&error).is_some_and(|code| TOO_LATE.contains(&code)) => {
            let asker = ctx.author().id;
            let mentions = CreateAllowedMentions::new().users([asker]);
            let message = CreateMessage::new()
                .content(format!("<@{asker}> {late}"))
                .allowed_mentions(mentions);
            ctx.channel_id().send_message(ctx.http(), message).await?;
            Ok(())
        }
        answered => answered,
    }
}

pub(super) fn plain(text: String) -> CreateReply {
    pinging(text, &[])
}

/// A text that pings only these users, if it mentions them.
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

/// Whether Discord refused the request: then no one saw anything.
pub(super) fn was_refused(error: &serenity::Error) -> bool {
    status(error).is_some_and(|status| status.is_client_error())
}

/// Describes the error without its URL: an interaction's URL contains a token.
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

/// Whether the request may have succeeded anyway: there was no response, or not Discord's.
fn is_unsure(error: &serenity::Error) -> bool {
    status(error).is_none_or(may_pass)
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
}
