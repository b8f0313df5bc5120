//! `/privacy`: shows what is kept about a member, and limits, exports or deletes it.

use serenity::{
    all::ButtonStyle,
    builder::{CreateActionRow, CreateAttachment, CreateButton},
    model::application::ComponentInteraction,
};

use super::{
    Context, Error,
    answer::{Used, Visibility, answer, finish, in_time, plain, while_telling},
    guild, known, reader, run, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{InteractionId, Tier};
use propsbot_service::Service;

pub(super) const COMMAND: &str = "privacy";

/// The id of the button that deletes data.
pub(super) const DELETE: &str = "privacy-delete";

/// The levels of opting out.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum OptOut {
    #[name = "My content: what I write isn't kept or exported"]
    Content,
    #[name = "My identity: a pseudonym also replaces my name"]
    Identity,
    #[name = "Everything: nothing of mine is exported"]
    Everything,
}

/// See what I keep about you, and change that
#[poise::command(
    slash_command,
    guild_only,
    subcommands("show", "opt_out", "opt_in", "export", "delete"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn privacy(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// See what I keep about you, why, and who sees it
#[poise::command(slash_command, guild_only)]
async fn show(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx
        .data()
        .privacy(guild(ctx)?, ctx.author().id.into_model());
    let kept = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::privacy(&kept);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Limit what I keep and export about you
#[poise::command(slash_command, guild_only, rename = "opt-out")]
async fn opt_out(
    ctx: Context<'_>,
    #[description = "How far to opt out; thanks that others gave you stay intact"] what: OptOut,
) -> Result<(), Error> {
    let tier = match what {
        OptOut::Content => Tier::Content,
        OptOut::Identity => Tier::Identity,
        OptOut::Everything => Tier::Everything,
    };
    choose(ctx, tier).await
}

/// Let me keep and export everything again, from now on
#[poise::command(slash_command, guild_only, rename = "opt-in")]
async fn opt_in(ctx: Context<'_>) -> Result<(), Error> {
    choose(ctx, Tier::None).await
}

async fn choose(ctx: Context<'_>, tier: Tier) -> Result<(), Error> {
    let (guild, user) = (guild(ctx)?, ctx.author().id.into_model());
    let choosing = ctx.data().opt_out(guild, user, tier, run(ctx).created_at());
    let (chosen, told) = while_telling(ctx, choosing, wording::still_blanking).await;
    chosen?;
    let text = wording::chosen(tier);
    Ok(finish(ctx, told, plain(text), wording::privacy_done()).await?)
}

/// Get everything I keep about you as a file
#[poise::command(slash_command, guild_only)]
async fn export(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx.data().personal_data(reader(ctx)?);
    let (data, _under_way) = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::personal_data(data.left_out);
    let file = CreateAttachment::bytes(data.json, "my-data.json");
    let reply = plain(text).attachment(file);
    Ok(answer(ctx, reply, Visibility::OnlyThem).await?)
}

/// Delete everything I keep about you
#[poise::command(slash_command, guild_only)]
async fn delete(ctx: Context<'_>) -> Result<(), Error> {
    let button = CreateButton::new(DELETE)
        .label(wording::delete_button())
        .style(ButtonStyle::Danger);
    let reply =
        plain(wording::confirm_deletion()).components(vec![CreateActionRow::Buttons(vec![button])]);
    Ok(answer(ctx, reply, Visibility::OnlyThem).await?)
}

/// Handles the pressed button. Only the member who asked sees it.
pub(super) async fn delete_pressed(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let forgetting = service.forget(
        known(part.guild_id)?,
        part.user.id.into_model(),
        InteractionId(part.id.get()).created_at(),
    );
    let forgotten = in_time(used, Visibility::OnlyThem, forgetting).await?;
    let text = wording::forgotten(&forgotten);
    Ok(answer(used, plain(text), Visibility::OnlyThem).await?)
}
