//! `/sync-status`: how complete the mirror is.

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, plain},
    channels::MessageChannel,
    guild, wording,
};
use propsbot_discord::IntoModel as _;

/// See how much of this server is mirrored, and what's missing
#[poise::command(
    slash_command,
    guild_only,
    rename = "sync-status",
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD"
)]
pub(super) async fn sync_status(
    ctx: Context<'_>,
    #[description = "Only this channel, forum or thread"] channel: Option<MessageChannel>,
) -> Result<(), Error> {
    let asking = ctx
        .data()
        .sync_status(guild(ctx)?, ctx.author().id.into_model());
    let status = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = match channel {
        Some(channel) => wording::channel_status(&status, channel.0),
        None => wording::sync_status(&status),
    };
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}
