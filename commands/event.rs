//! Dispatches submitted forms and used buttons and lists.
//!
//! Their ids carry all their state, so they work after any time and after a restart.

use std::sync::atomic::AtomicBool;

use poise::FrameworkContext;
use serenity::{all::Interaction, client::FullEvent};

use super::{
    Error,
    answer::{self, Used, Visibility, What, answer, plain},
    history, leaderboard, link, privacy, props, setup, text_for, wording,
};
use propsbot_service::Service;

/// Handles the event if it's a form, button or list.
pub(super) async fn on_event(framework: FrameworkContext<'_, Service, Error>, event: &FullEvent) {
    let FullEvent::InteractionCreate { interaction } = event else {
        return;
    };
    let announced = AtomicBool::new(false);
    let service = framework.user_data;
    let (id, what) = match interaction {
        Interaction::Modal(form) => (&form.data.custom_id, What::Form(form)),
        Interaction::Component(part) => (&part.data.custom_id, What::Part(part)),
        _ => return,
    };
    let used = Used {
        http: &framework.serenity_context.http,
        what,
        announced: &announced,
    };
    let kind = id.split(':').next().unwrap_or_default();
    let done = match (kind, what) {
        (props::FORM, What::Form(form)) => props::submitted(used, service, form).await,
        (privacy::DELETE, What::Part(part)) => privacy::delete_pressed(used, service, part).await,
        (link::CHECK, What::Part(part)) => link::check_pressed(used, service, part).await,
        (history::TURN, What::Part(part)) => history::turned(used, service, part).await,
        (leaderboard::TURN, What::Part(part)) => leaderboard::turned(used, service, part).await,
        (setup::CHANNELS, What::Part(part)) => setup::chosen(used, service, part).await,
        (setup::MIRROR, What::Part(part)) => setup::switched(used, service, part).await,
        _ => Err(Error::Mistake(wording::outdated_button())),
    };
    let Err(error) = done else { return };
    if !matches!(error, Error::Mistake(_)) {
        tracing::error!(kind, "{error}");
    }
    if let Err(error) = answer(used, plain(text_for(&error)), Visibility::OnlyThem).await {
        tracing::error!(
            "could not send the error to the member: {}",
            answer::describe(&error)
        );
    }
}
