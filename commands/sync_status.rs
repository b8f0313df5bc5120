//! `/sync-status`: how whole the mirror is.

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, plain},
    wording,
};

/// How much of this server is mirrored, and what is not
#[poise::command(
    slash_command,
    guild_only,
    rename = "sync-status",
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD"
)]
pub(super) async fn sync_status(ctx: Context<'_>) -> Result<(), Error> {
    let Some(guild_id) = ctx.guild_id() else {
        return Err(Error::Mistake(wording::only_in_servers()));
    };
    let asking = ctx.data().sync_status(guild_id.into());
    let status = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::sync_status(&status);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}
