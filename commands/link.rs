//! `/link`: proves which GitHub login is a member's, and asks for Grain.

use std::time::Duration;

use poise::CreateReply;
use serenity::{
    builder::{CreateActionRow, CreateButton},
    model::application::ComponentInteraction,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Context, Error, allowed,
    answer::{Used, Visibility, answer, in_time, plain},
    guild, known, run, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_jobs::clock::Clock;
use propsbot_model::{GuildId, InteractionId, Millis, UserId};
use propsbot_service::{LinkStanding, Service, ServiceError};

/// The id of the button that looks for the comment.
pub(super) const CHECK: &str = "link-check";

/// How often to look for the comments of all codes that are out.
const EACH: Duration = Duration::from_mins(5);

/// Say which GitHub account is yours, or ask for Grain
#[poise::command(
    slash_command,
    guild_only,
    subcommands("github", "grain", "status", "undo"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn link(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// Prove that a GitHub account is yours, with a comment there
#[poise::command(slash_command, guild_only)]
async fn github(
    ctx: Context<'_>,
    #[description = "Your login on GitHub, such as octocat"]
    #[max_length = 100]
    login: String,
) -> Result<(), Error> {
    let (member, now) = asked(ctx)?;
    let asking = ctx.data().link_code(member, &login, now);
    let (code, repositories) = allowed(in_time(ctx, Visibility::OnlyThem, asking).await)?;
    let text = wording::link_code(&code, &repositories);
    let reply = plain(text).components(vec![check_button()]);
    Ok(answer(ctx, reply, Visibility::OnlyThem).await?)
}

/// Say whether you want to receive Grain
#[poise::command(slash_command, guild_only)]
async fn grain(
    ctx: Context<'_>,
    #[description = "Whether you want to receive Grain"] receive: bool,
) -> Result<(), Error> {
    let (member, now) = asked(ctx)?;
    let asking = ctx.data().ask_for_grain(member, receive, now);
    allowed(in_time(ctx, Visibility::OnlyThem, asking).await)?;
    let text = wording::grain_asked(receive);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// See what you linked and asked for
#[poise::command(slash_command, guild_only)]
async fn status(ctx: Context<'_>) -> Result<(), Error> {
    let (member, now) = asked(ctx)?;
    let asking = ctx.data().link_standing(member, false, now);
    let standing = in_time(ctx, Visibility::OnlyThem, asking).await?;
    Ok(answer(ctx, shown(&standing, now), Visibility::OnlyThem).await?)
}

/// Undo the link with your GitHub account
#[poise::command(slash_command, guild_only)]
async fn undo(ctx: Context<'_>) -> Result<(), Error> {
    let (member, now) = asked(ctx)?;
    let undoing = ctx.data().undo_link(member, now);
    let login = allowed(in_time(ctx, Visibility::OnlyThem, undoing).await)?;
    let text = wording::link_undone(&login);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Handles the pressed button. Only the member who asked sees it.
pub(super) async fn check_pressed(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let member = (known(part.guild_id)?, part.user.id.into_model());
    let now = InteractionId(part.id.get()).created_at();
    let looking = async {
        let standing = service.link_standing(member, true, now).await?;
        Ok(shown(&standing, now))
    };
    used.turn_page(looking).await
}

/// Looks for comments until the bot ends.
pub(super) async fn look_regularly(service: Service, ending: CancellationToken) {
    let mut failed = None;
    while ending.run_until_cancelled(sleep(EACH)).await.is_some() {
        let looking = service.look_for_comments(Clock::now());
        match ending.run_until_cancelled(looking).await {
            None | Some(Err(ServiceError::Ending(_))) => return,
            Some(Ok(())) => failed = None,
            Some(Err(error)) => {
                let error = error.to_string();
                if failed.as_ref() != Some(&error) {
                    tracing::error!("{error}");
                }
                failed = Some(error);
            }
        }
    }
}

/// Who asks, and when.
fn asked(ctx: Context<'_>) -> Result<((GuildId, UserId), Millis), Error> {
    let member = (guild(ctx)?, ctx.author().id.into_model());
    Ok((member, run(ctx).created_at()))
}

fn shown(standing: &LinkStanding, now: Millis) -> CreateReply {
    let buttons = standing.code.iter().map(|_| check_button());
    plain(wording::link_standing(standing, now)).components(buttons.collect())
}

fn check_button() -> CreateActionRow {
    let button = CreateButton::new(CHECK).label(wording::check_link_button());
    CreateActionRow::Buttons(vec![button])
}
