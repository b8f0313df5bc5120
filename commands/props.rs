//! `/props`: thanks, said in the open.

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, pinging},
    receivers::read_users,
    wording::{self, Typed},
};
use crate::{
    discord,
    model::props_answer,
    service::{GiveProps, ServiceError},
};

/// Thank somebody in front of everybody
#[poise::command(slash_command, guild_only)]
pub(super) async fn props(
    ctx: Context<'_>,
    #[description = "Whom you thank: one or several @members"]
    #[max_length = 1000]
    to: String,
    #[description = "What for"]
    #[rename = "for"]
    #[max_length = 500]
    reason: String,
) -> Result<(), Error> {
    let (Some(guild_id), poise::Context::Application(run)) = (ctx.guild_id(), ctx) else {
        return Err(Error::Mistake(wording::only_in_servers()));
    };
    let typed = Typed {
        to: &to,
        reason: &reason,
    };
    let mistake = |text: String| Error::Mistake(text);
    let receivers =
        read_users(&to).map_err(|unclear| mistake(wording::unclear_receivers(&unclear, typed)))?;
    let giver = discord::user(ctx.author());
    let said = props_answer(giver.id, &receivers, reason.trim());
    if said.chars().count() > wording::LONGEST_MESSAGE {
        return Err(mistake(wording::too_long(typed)));
    }
    let wish = GiveProps {
        id: run.interaction.id.into(),
        guild_id: guild_id.into(),
        channel_id: ctx.channel_id().into(),
        giver,
        receivers: receivers.clone(),
        reason: reason.clone(),
    };
    match in_time(ctx, Visibility::Everyone, ctx.data().give_props(wish)).await {
        Ok(_) => {}
        Err(ServiceError::Refused(refusal)) => {
            return Err(mistake(wording::refused(&refusal, Some(typed))));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(answer(ctx, pinging(said, &receivers), Visibility::Everyone).await?)
}
