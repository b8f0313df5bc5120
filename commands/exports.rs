//! `/archive`: exports, checks and shows the archive.

use std::sync::OnceLock;

use super::{
    Context, Error, admin,
    answer::{Visibility, answer, finish, in_time, plain, while_telling},
    wording,
};
use propsbot_service::{Refusal, ServiceError};

/// Export now, check the archive, or see its status
#[poise::command(
    slash_command,
    guild_only,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD",
    rename = "archive",
    subcommands("now", "status", "verify"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn exports(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// Export to the archive now
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn now(ctx: Context<'_>) -> Result<(), Error> {
    let admin = admin(ctx)?;
    let known = OnceLock::new();
    let language = || known.get().copied().unwrap_or_default();
    let asking = async {
        let settings = ctx.data().settings(admin.guild_id).await?;
        known.get_or_init(|| settings.language);
        let exporting = ctx.data().export_now(admin, wording::action_export());
        exporting.await
    };
    let how_far = || wording::exporting(ctx.data().export_made(), language());
    let (outcome, told) = while_telling(ctx, asking, how_far).await;
    let outcome = refusable(outcome)?;
    let text = wording::exported(&outcome, language());
    Ok(finish(ctx, told, plain(text.clone()), text).await?)
}

/// See the last export, what it wrote, and when the next one is due
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn status(ctx: Context<'_>) -> Result<(), Error> {
    let admin = admin(ctx)?;
    let asking = async {
        let status = ctx.data().archive_status(admin).await?;
        let settings = ctx.data().settings(admin.guild_id).await?;
        Ok((status, settings.language))
    };
    let asked = in_time(ctx, Visibility::OnlyThem, asking).await;
    let (status, language) = refusable(asked)?;
    let text = wording::archive_status(&status, language);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Check every hash, count and reference in the archive
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn verify(ctx: Context<'_>) -> Result<(), Error> {
    let admin = admin(ctx)?;
    let checking = Box::pin(ctx.data().verify_archive(admin));
    let (found, told) = while_telling(ctx, checking, wording::verifying).await;
    let found = refusable(found)?;
    let settings = ctx.data().settings(admin.guild_id).await?;
    let text = wording::verified(&found, settings.language);
    Ok(finish(ctx, told, plain(text.clone()), text).await?)
}

fn refusable<T>(result: Result<T, ServiceError>) -> Result<T, Error> {
    match result {
        Err(ServiceError::Refused(refusal @ (Refusal::NoArchive | Refusal::NotAnOperator))) => {
            Err(Error::Mistake(wording::refused(&refusal, None)))
        }
        result => Ok(result?),
    }
}
