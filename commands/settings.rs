//! `/settings`: what an admin chooses for the server.

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, plain},
    receivers::read_channels,
    wording,
};
use crate::{model::GuildId, service::ServiceError};

/// What counts as props here
#[poise::command(
    slash_command,
    guild_only,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD",
    subcommands("show", "set"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn settings(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// Show the settings
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn show(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx.data().settings(guild(ctx)?);
    let settings = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::settings(&settings);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Change the settings
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn set(
    ctx: Context<'_>,
    #[description = "Channels whose messages are props: #channels, or \"default\" for all with props in their name"]
    #[max_length = 1000]
    props_channels: String,
) -> Result<(), Error> {
    let guild = guild(ctx)?;
    let chosen = match props_channels.trim() {
        default if default.eq_ignore_ascii_case("default") => None,
        list => {
            let unclear = |it| Error::Mistake(wording::unclear_channels(&it, &props_channels));
            let channels = read_channels(list).map_err(unclear)?;
            Some(channels.into_iter().collect())
        }
    };
    let setting = ctx.data().set_props_channels(guild, chosen);
    let settings = match in_time(ctx, Visibility::OnlyThem, setting).await {
        Err(ServiceError::Refused(refusal)) => {
            return Err(Error::Mistake(wording::refused(&refusal, None)));
        }
        settings => settings?,
    };
    let text = wording::settings_changed(&settings);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

fn guild(ctx: Context<'_>) -> Result<GuildId, Error> {
    let guild = ctx.guild_id().map(Into::into);
    guild.ok_or_else(|| Error::Mistake(wording::only_in_servers()))
}
