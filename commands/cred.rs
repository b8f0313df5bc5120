//! `/cred`: how much cred a member has, since when, and what for.

use poise::CreateReply;
use serenity::{builder::CreateAttachment, model::user::User};

use super::{
    Context, Error, allowed,
    answer::{Visibility, answer, in_time, plain},
    chart, reader, run, trend, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_service::{CredQuery, CredReport, FoundCred, Service, UnderWay};

/// See how much cred you have, and what brought it
#[poise::command(slash_command, guild_only)]
pub(super) async fn cred(
    ctx: Context<'_>,
    #[description = "Whose cred (default: yours)"] member: Option<User>,
) -> Result<(), Error> {
    let query = CredQuery {
        reader: reader(ctx)?,
        member: member.map(|user| user.id.into_model()),
        now: run(ctx).created_at(),
    };
    let asking = found(ctx.data(), query);
    // Only the member who asked sees it: it may be about channels that others can't read.
    let (page, _under_way) = in_time(ctx, Visibility::OnlyThem, asking).await?;
    Ok(answer(ctx, page, Visibility::OnlyThem).await?)
}

/// The answer; one at a time per member.
async fn found(service: &Service, query: CredQuery) -> Result<(CreateReply, UnderWay), Error> {
    let under_way = service.one_at_a_time(query.reader.user_id).await;
    let guild = query.reader.guild_id;
    let report = allowed(service.cred(query).await)?;
    let page = plain(wording::cred(guild, &report));
    let page = match picture(&report).await {
        Some(picture) => page.attachment(picture),
        None => page,
    };
    Ok((page, under_way))
}

/// The member's cred by week; `None` if there was none.
async fn picture(report: &CredReport) -> Option<CreateAttachment> {
    let FoundCred::Member(cred) = &report.found else {
        return None;
    };
    if cred.by_week.iter().all(|(_, cred)| *cred <= 0.0) {
        return None;
    }
    let weeks = wording::weeks_of_trend(report.language, cred);
    let title = wording::trend_title(cred);
    let alt_text = wording::trend_alt_text(report, cred);
    let picture = chart::drawn(move || trend::draw(&title, &weeks)).await?;
    Some(CreateAttachment::bytes(picture, "cred.png").description(alt_text))
}
