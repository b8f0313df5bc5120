//! `/meeting`: keeps the list of those who are at a meeting, in a message that the meetings plugin reads.

use serenity::all::Permissions;

use super::{
    Context, Error, allowed,
    answer::{Visibility, answer, in_time, plain},
    guild,
    receivers::read_users,
    run, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::UserId;
use propsbot_service::InMeeting;

/// Keep the list of who is at a meeting
#[poise::command(
    slash_command,
    guild_only,
    subcommands("start", "here", "end"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn meeting(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// Start a meeting in this channel, with you as its host
#[poise::command(slash_command, guild_only)]
async fn start(
    ctx: Context<'_>,
    #[description = "Other hosts: @members"]
    #[max_length = 1000]
    hosts: Option<String>,
) -> Result<(), Error> {
    let (by, others) = (member(ctx)?, members(hosts.as_deref())?);
    let starting = ctx.data().begin_meeting(by, &others);
    let message = allowed(in_time(ctx, Visibility::OnlyThem, starting).await)?;
    let text = wording::meeting_begun(by.guild_id, by.channel_id, message);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Say that you're at this channel's meeting
#[poise::command(slash_command, guild_only)]
async fn here(ctx: Context<'_>) -> Result<(), Error> {
    let by = member(ctx)?;
    let joining = ctx.data().attend_meeting(by);
    let message = allowed(in_time(ctx, Visibility::OnlyThem, joining).await)?;
    let text = wording::meeting_attended(by.guild_id, by.channel_id, message);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// End this channel's meeting
#[poise::command(slash_command, guild_only)]
async fn end(
    ctx: Context<'_>,
    #[description = "Who took notes: @members"]
    #[max_length = 1000]
    notes: Option<String>,
) -> Result<(), Error> {
    let (by, notes) = (member(ctx)?, members(notes.as_deref())?);
    let ending = ctx.data().end_meeting(by, &notes);
    let (message, meeting) = allowed(in_time(ctx, Visibility::OnlyThem, ending).await)?;
    let text = wording::meeting_ended(by.guild_id, by.channel_id, message, &meeting);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

fn member(ctx: Context<'_>) -> Result<InMeeting, Error> {
    let member = match ctx {
        poise::Context::Application(run) => run.interaction.member.as_deref(),
        poise::Context::Prefix(_) => None,
    };
    let permissions = member.and_then(|member| member.permissions);
    Ok(InMeeting {
        run: run(ctx),
        guild_id: guild(ctx)?,
        channel_id: ctx.channel_id().into_model(),
        user_id: ctx.author().id.into_model(),
        is_admin: permissions.is_some_and(Permissions::manage_guild),
        may_post: permissions.is_none_or(Permissions::send_messages),
    })
}

fn members(typed: Option<&str>) -> Result<Vec<UserId>, Error> {
    let typed = typed.unwrap_or_default();
    read_users(typed).map_err(|unclear| Error::Mistake(wording::unclear_members(&unclear, typed)))
}
