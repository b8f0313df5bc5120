//! `/undo`: takes props back.

use serenity::builder::{AutocompleteChoice, CreateAutocompleteResponse};

use super::{
    Context, Error,
    answer::{Visibility, answer, in_time, plain},
    guild, run, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{GuildId, InteractionId, read_jump_url};
use propsbot_service::{ServiceError, Which};

/// Discord's limit of choices. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding>.
pub(super) const CHOICES: usize = 25;

/// Take back props you gave recently
#[poise::command(slash_command, guild_only)]
pub(super) async fn undo(
    ctx: Context<'_>,
    #[description = "Pick from the list, or paste the message's link (default: your latest)"]
    #[max_length = 200]
    #[autocomplete = "own"]
    which: Option<String>,
) -> Result<(), Error> {
    let guild = guild(ctx)?;
    let which = match which.as_deref() {
        None => Which::Latest,
        Some(text) => {
            read(text, guild).ok_or_else(|| Error::Mistake(wording::unclear_props(text)))?
        }
    };
    let undoing = ctx.data().undo(
        guild,
        ctx.author().id.into_model(),
        which,
        run(ctx).created_at(),
    );
    let undone = match in_time(ctx, Visibility::OnlyThem, undoing).await {
        Err(ServiceError::Refused(refusal)) => {
            return Err(Error::Mistake(wording::refused(&refusal, None)));
        }
        undone => undone?,
    };
    let text = wording::undone(&undone);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

fn read(text: &str, here: GuildId) -> Option<Which> {
    if let Some((guild, channel, message)) = read_jump_url(text) {
        return (guild == here).then_some(Which::Message(channel, message));
    }
    let id = text.trim().parse().ok()?;
    Some(Which::Run(InteractionId(id)))
}

/// The member's own props that can be taken back and contain the typed text.
async fn own(ctx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let response = CreateAutocompleteResponse::new();
    let Some(guild) = ctx.guild_id() else {
        return response;
    };
    let now = run(ctx).created_at();
    let asked = ctx
        .data()
        .undoable(guild.into_model(), ctx.author().id.into_model(), now);
    let Ok(all) = asked.await else {
        return response;
    };
    let typed = typed.to_lowercase();
    let choices = all
        .iter()
        .map(|(props, name)| {
            (
                wording::props_choice(props, name, now),
                props.id.to_string(),
            )
        })
        .filter(|(label, _)| label.to_lowercase().contains(&typed))
        .take(CHOICES)
        .map(|(label, id)| AutocompleteChoice::new(label, id));
    response.set_choices(choices.collect())
}
