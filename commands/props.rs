//! `/props`, and "Give props" in the menus of members and messages.

use std::sync::atomic::{AtomicBool, Ordering};

use poise::ApplicationContext;
use serenity::{
    all::{ActionRowComponent, InputTextStyle},
    builder::{CreateActionRow, CreateInputText, CreateInteractionResponse, CreateModal},
    model::{application::ModalInteraction, channel::Message, user::User},
};

use super::{
    Context, Error,
    answer::{
        Asker, DEADLINE, Used, Visibility, answer, describe, in_time_for, pinging, plain,
        was_refused,
    },
    known,
    receivers::read_users,
    wording::{self, Typed},
};
use propsbot_discord as discord;
use propsbot_discord::IntoModel as _;
use propsbot_model::{ChannelId, GuildId, InteractionId, MessageId, UserId, jump_url};
use propsbot_service::{GiveProps, Given, LONGEST_REASON, Place, Refusal, Service, ServiceError};

/// The prefix of the form's id, followed by the run that opened it, the receiver, and the message that the
/// props are for (0 for none).
pub(super) const FORM: &str = "props";

/// How long a form may be open, in milliseconds.
const FORM_LIVES_MS: i64 = 3_600_000;

/// The id of the form's field.
const REASON: &str = "reason";

/// Thank someone, for everyone to see
#[poise::command(slash_command, guild_only)]
pub(super) async fn props(
    ctx: Context<'_>,
    #[description = "Who to thank: one or more @members"]
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
    let unclear = |unclear| Error::Mistake(wording::unclear_receivers(&unclear, typed));
    let receivers = read_users(&to).map_err(unclear)?;
    let member = run.interaction.member.as_ref();
    let wish = GiveProps {
        id: run.interaction.id.into_model(),
        guild_id: guild_id.into_model(),
        channel_id: ctx.channel_id().into_model(),
        giver: discord::user(ctx.author()),
        roles: member.map_or_else(Vec::new, |member| {
            member
                .roles
                .iter()
                .map(|role| (*role).into_model())
                .collect()
        }),
        receivers,
        reason: reason.clone(),
        about: None,
        form: None,
    };
    give(ctx, ctx.data(), wish, typed).await
}

/// Asks for a reason, then thanks the member
#[poise::command(context_menu_command = "Give props", guild_only)]
pub(super) async fn give_props_to(
    ctx: ApplicationContext<'_, Service, Error>,
    user: User,
) -> Result<(), Error> {
    ask_for_reason(ctx, user.id.into_model(), None).await
}

/// Asks for a reason, then thanks the message's author for the message
#[poise::command(context_menu_command = "Give props", guild_only)]
pub(super) async fn give_props_for(
    ctx: ApplicationContext<'_, Service, Error>,
    message: Message,
) -> Result<(), Error> {
    if message.webhook_id.is_some() && message.interaction_metadata.is_none() {
        return Err(Error::Mistake(wording::no_author()));
    }
    ask_for_reason(
        ctx,
        message.author.id.into_model(),
        Some(message.id.into_model()),
    )
    .await
}

async fn ask_for_reason(
    ctx: ApplicationContext<'_, Service, Error>,
    to: UserId,
    about: Option<MessageId>,
) -> Result<(), Error> {
    let run = ctx.interaction;
    let guild = known(run.guild_id)?;
    // Check first, so that no one fills in the form in vain.
    let service = ctx.data();
    let receivers = [to];
    let checking = service.check_receivers(guild, run.user.id.into_model(), &receivers);
    // A form can't be deferred. If the check takes longer, it fails when the form is submitted.
    if let Ok(checked) = tokio::time::timeout(DEADLINE, checking).await {
        refusable(checked, None)?;
    }
    let id = format!("{FORM}:{}:{to}:{}", run.id, about.unwrap_or_default());
    let length = u16::try_from(LONGEST_REASON).expect("the limit fits into 16 bits");
    let reason = CreateInputText::new(InputTextStyle::Paragraph, wording::what_for(), REASON)
        .placeholder(wording::an_example())
        .min_length(1)
        .max_length(length)
        .required(true);
    let form = CreateModal::new(id, wording::give_props())
        .components(vec![CreateActionRow::InputText(reason)]);
    let response = CreateInteractionResponse::Modal(form);
    run.create_response(ctx.http(), response).await?;
    ctx.has_sent_initial_response.swap(true, Ordering::SeqCst);
    Ok(())
}

/// The data in a form's id.
struct Form {
    opened: InteractionId,
    to: UserId,
    about: Option<MessageId>,
}

impl Form {
    /// Whether the form was opened at most an hour before it was submitted, by Discord's ids. The run in its
    /// id comes from the member's app and will be recorded, so it has to be checked.
    fn is_current(&self, submitted: InteractionId) -> bool {
        let age = submitted.created_at().0 - self.opened.created_at().0;
        self.opened < submitted && age <= FORM_LIVES_MS
    }

    fn read(id: &str) -> Option<Self> {
        let mut parts = id.split(':').skip(1).map(str::parse::<u64>);
        let mut next = || parts.next()?.ok();
        let (opened, to, about) = (next()?, next()?, next()?);
        Some(Self {
            opened: InteractionId(opened),
            to: UserId(to),
            about: Some(MessageId(about)).filter(|id| id.0 != 0),
        })
    }
}

pub(super) async fn submitted(
    used: Used<'_>,
    service: &Service,
    form: &ModalInteraction,
) -> Result<(), Error> {
    let guild_id = known(form.guild_id)?;
    let Some(of) = Form::read(&form.data.custom_id) else {
        return Err(Error::Mistake(wording::outdated_command()));
    };
    let is_current = of.is_current(form.id.into_model());
    let mut fields = form.data.components.iter().flat_map(|row| &row.components);
    let reason = fields
        .find_map(|field| match field {
            ActionRowComponent::InputText(input) if input.custom_id == REASON => {
                input.value.clone()
            }
            _ => None,
        })
        .unwrap_or_default();
    let channel_id: ChannelId = form.channel_id.into_model();
    let to = format!("<@{}>", of.to);
    let typed = Typed {
        to: &to,
        reason: &reason,
    };
    if !is_current {
        return Err(Error::Mistake(wording::outdated_form(typed)));
    }
    let roles = form.member.as_ref().map(|member| &member.roles);
    let wish = GiveProps {
        id: of.opened,
        guild_id,
        channel_id,
        giver: discord::user(&form.user),
        roles: roles.map_or_else(Vec::new, |roles| {
            roles.iter().map(|role| (*role).into_model()).collect()
        }),
        receivers: vec![of.to],
        reason: reason.clone(),
        about: of.about.map(|message| (channel_id, message)),
        form: Some(form.id.into_model()),
    };
    give(used, service, wish, typed).await
}

async fn give(
    asker: impl Asker,
    service: &Service,
    wish: GiveProps,
    typed: Typed<'_>,
) -> Result<(), Error> {
    let guild: GuildId = wish.guild_id;
    // Props posted in this channel must be public.
    let is_here = AtomicBool::new(true);
    let visibility = || {
        if is_here.load(Ordering::Relaxed) {
            Visibility::Everyone
        } else {
            Visibility::OnlyThem
        }
    };
    let giving = async {
        let (here, giver) = (wish.channel_id, wish.giver.id);
        let choosing = service.props_place(guild, here, giver, &wish.roles);
        let place = choosing.await?;
        is_here.swap(matches!(place, Place::Here(_)), Ordering::Relaxed);
        Ok((place, service.give_props(wish, place).await))
    };
    let giving = in_time_for(asker, visibility, giving);
    let (place, given) = refusable(giving.await, Some(typed))?;
    if let (Err(ServiceError::Discord(error)), Place::Elsewhere(channel)) = (&given, place) {
        tracing::error!(%error, "props may or may not have been posted");
        let text = wording::perhaps_posted(channel, typed);
        return Ok(answer(asker, plain(text), Visibility::OnlyThem).await?);
    }
    match refusable(given, Some(typed))? {
        Given::SayHere {
            run,
            text,
            receivers,
        } => {
            let reply = pinging(text, &receivers);
            let Err(error) = answer(asker, reply, Visibility::Everyone).await else {
                return Ok(());
            };
            tracing::error!("props could not be said: {}", describe(&error));
            let text = if was_refused(&error) {
                service.not_said(place, run).await?;
                wording::refused(&Refusal::NotPosted(place.channel()), Some(typed))
            } else {
                wording::perhaps_posted(place.channel(), typed)
            };
            answer(asker, plain(text), Visibility::OnlyThem).await?;
        }
        Given::Posted(channel, message) => {
            let text = wording::posted(channel, &jump_url(guild, channel, message));
            answer(asker, plain(text), Visibility::OnlyThem).await?;
        }
        Given::Already => {
            let text = wording::already_given();
            answer(asker, plain(text), Visibility::OnlyThem).await?;
        }
    }
    Ok(())
}

/// Turns a refusal into a text with everything that was typed.
fn refusable<T>(result: Result<T, ServiceError>, typed: Option<Typed<'_>>) -> Result<T, Error> {
    match result {
        Err(ServiceError::Refused(refusal)) => {
            Err(Error::Mistake(wording::refused(&refusal, typed)))
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_current_for_an_hour() {
        let at = |ms: u64| InteractionId(ms << 22);
        let form = |opened| Form {
            opened,
            to: UserId(1),
            about: None,
        };
        let now = 10_000_000;
        for (opened, is_current) in [
            (at(now - 1), true),
            (at(now - 3_600_000), true),
            (at(now - 3_600_001), false),
            (at(now + 1), false),
            (at(now), false),
            (InteractionId(u64::MAX), false),
            (InteractionId(1), false),
        ] {
            assert_eq!(form(opened).is_current(at(now)), is_current, "{opened:?}");
        }
    }
}
