//! Sending the answer to a command, in time and without pinging anybody by mistake.
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

/// After this time an answer is announced, since Discord waits for 3 s only.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_800);

/// How often an answer tells how far its work is.
const TELL: Duration = Duration::from_secs(4);

/// How long telling so may take. What Discord limits for longer is told the next time.
const TELLING: Duration = Duration::from_secs(5);

/// Discord's code for "Interaction has already been acknowledged".
const ALREADY_ANSWERED: isize = 40_060;

/// Discord's codes for a token that was good for 15 minutes: "Unknown Webhook", "Unknown
/// interaction", "Invalid Webhook Token".
const TOO_LATE: [isize; 3] = [10_015, 10_062, 50_027];

/// Who sees an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Whoever reads the channel.
    Everyone,
    /// Who ran the command.
    OnlyThem,
}

/// Who waits for an answer: whoever ran a command, filled in a form, or pressed a button.
pub(super) trait Asker: Copy {
    /// Tells Discord that the answer is on its way.
    fn announce(
        self,
        visibility: Visibility,
    ) -> impl Future<Output = Result<(), serenity::Error>> + Send;

    /// Whether Discord knows that the answer is on its way: what is sent then is a further message.
    fn announced(&self) -> &AtomicBool;

    /// Sends the answer, once.
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
        // No command has a prefix.
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

/// A form that was filled in, or a button or list that was used.
#[derive(Clone, Copy)]
pub(super) struct Used<'a> {
    /// How to reach Discord.
    pub(super) http: &'a Http,
    /// Which.
    pub(super) what: What<'a>,
    /// Whether Discord was told that it arrived.
    pub(super) announced: &'a AtomicBool,
}

/// What was used.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// A form.
    Form(&'a ModalInteraction),
    /// A button, or a list to choose from.
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

    /// Changes the message under which the button or list is.
    async fn change_message(self, reply: CreateReply) -> Result<(), serenity::Error> {
        let message = reply.to_slash_initial_response(CreateInteractionResponseMessage::new());
        self.respond(CreateInteractionResponse::UpdateMessage(message))
            .await
    }

    /// Does the work for another page of the message under which the button or list is, and shows it
    /// there. If that takes long, tells Discord that the change is on its way.
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

/// Does the work; if that takes long, tells Discord that the answer is on its way.
pub(super) async fn in_time<T>(
    asker: impl Asker,
    visibility: Visibility,
    work: impl Future<Output = T>,
) -> T {
    in_time_for(asker, || visibility, work).await
}

/// As [`in_time`], where only the work tells who sees the answer.
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

/// Tells Discord that the answer is on its way. Where Discord's own answer is lost, it is told again:
/// it says if it knew.
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

/// When what failed is sent again: at once, and a few times, within the 3 s for which Discord waits.
fn again() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(300))
        .with_factor(2.0)
        .with_max_times(3)
}

/// Sends the answer. Nobody is pinged but those whom the reply itself allows. Tried again a few
/// times if Discord is failing, within the 3 s there are. (What Discord limits was waited for already,
/// where that could help.)
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

/// An answer that tells, as long as the work takes, how far it is.
pub(super) struct Told<'a>(Option<ReplyHandle<'a>>);

/// Does long work. If it takes more than a moment, an answer that only they see tells how far it is,
/// and for how long it has been under way, again and again.
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
            // It may be there all the same: then what came of the work is said below it.
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
            // After 15 minutes Discord takes no more edits; the work goes on.
            let telling = tokio::time::timeout(TELLING, handle.edit(ctx, so_far()));
            if let (Some(done), _) = beside(&mut work, telling).await {
                return (done, told);
            }
        }
    }
}

/// Goes on with the work while something is told, which is told to its end. Returns what came of the
/// work, if it was done meanwhile.
async fn beside<W: Future + Unpin, T>(
    work: W,
    telling: impl Future<Output = T>,
) -> (Option<W::Output>, T) {
    match select(work, pin!(telling)).await {
        Either::Left((done, telling)) => (Some(done), telling.await),
        Either::Right((told, _)) => (None, told),
    }
}

/// Puts the answer to long work in the place of what told how far it was. After the 15 minutes for
/// which Discord takes answers, it is `late` that is said, in the channel and to who asked.
pub(super) async fn finish(
    ctx: Context<'_>,
    told: Told<'_>,
    reply: CreateReply,
    late: String,
) -> Result<(), serenity::Error> {
    let answered = match told.0 {
        // The same edit again changes nothing.
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

/// Whether Discord refused: then nothing was done, and nobody saw anything.
pub(super) fn was_refused(error: &serenity::Error) -> bool {
    status(error).is_some_and(|status| status.is_client_error())
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

/// Whether it may have been done all the same: there was no answer, or none of Discord's.
fn is_unsure(error: &serenity::Error) -> bool {
    status(error).is_none_or(may_pass)
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
}
