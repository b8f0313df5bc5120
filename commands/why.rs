//! `/why`, and "Why this cred?" in the menu of messages: what a message counts for, and why.

use serenity::{
    builder::{AutocompleteChoice, CreateAutocompleteResponse},
    model::channel::Message,
};

use super::{
    Context, Error, allowed,
    answer::{Visibility, answer, in_time, plain},
    reader, run,
    undo::CHOICES,
    wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{ChannelId, MessageId, jump_url, read_jump_url};

/// See what props count for in SourceCred, and why
#[poise::command(slash_command, guild_only)]
pub(super) async fn why(
    ctx: Context<'_>,
    #[description = "Pick from the list, or paste the message's link (or its id, if it's in this channel)"]
    #[max_length = 200]
    #[autocomplete = "latest"]
    message: String,
) -> Result<(), Error> {
    if let Ok(id) = message.trim().parse() {
        return tell(ctx, ctx.channel_id().into_model(), MessageId(id)).await;
    }
    let Some((guild, channel, id)) = read_jump_url(&message) else {
        return Err(Error::Mistake(wording::no_link(&message)));
    };
    if guild != super::guild(ctx)? {
        return Err(Error::Mistake(wording::elsewhere()));
    }
    tell(ctx, channel, id).await
}

/// The latest props to or from the member that contain the typed text.
async fn latest(ctx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let response = CreateAutocompleteResponse::new();
    let Ok(reader) = reader(ctx) else {
        return response;
    };
    let guild = reader.guild_id;
    let asking = ctx
        .data()
        .latest_thanks(reader, run(ctx).created_at(), CHOICES);
    let Ok(thanks) = asking.await else {
        return response;
    };
    let typed = typed.to_lowercase();
    let choices = thanks.iter().map(|thanks| {
        let (channel, message) = thanks.message;
        let link = jump_url(guild, channel, message);
        (wording::thanks_choice(thanks), link)
    });
    let choices = choices.filter(|(label, _)| label.to_lowercase().contains(&typed));
    response.set_choices(
        choices
            .map(|(label, link)| AutocompleteChoice::new(label, link))
            .collect(),
    )
}

/// Explains what the message counts for in SourceCred
#[poise::command(context_menu_command = "Why this cred?", guild_only)]
pub(super) async fn why_this_cred(
    ctx: poise::ApplicationContext<'_, propsbot_service::Service, Error>,
    message: Message,
) -> Result<(), Error> {
    let (channel, id) = (message.channel_id.into_model(), message.id.into_model());
    tell(ctx.into(), channel, id).await
}

/// Answers privately: the answer depends on what the member can read.
async fn tell(ctx: Context<'_>, channel: ChannelId, message: MessageId) -> Result<(), Error> {
    let reader = reader(ctx)?;
    let guild = reader.guild_id;
    let service = ctx.data();
    let asking = async {
        let under_way = service.one_at_a_time(reader.user_id).await;
        let why = service.why(reader, channel, message).await?;
        Ok((why, under_way))
    };
    let (why, _under_way) = allowed(in_time(ctx, Visibility::OnlyThem, asking).await)?;
    let text = wording::why(guild, &why);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}
