//! `/audit`: the log of admin actions.

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, plain},
    guild, wording,
};

/// See what admins changed recently: who, when, what
#[poise::command(
    slash_command,
    guild_only,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD"
)]
pub(super) async fn audit(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx.data().admin_actions(guild(ctx)?);
    let actions = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::admin_actions(&actions);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}
