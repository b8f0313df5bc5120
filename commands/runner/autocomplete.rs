//! Autocompletion. Always answers, if only with an empty list; poise doesn't if the input has a mistake.

use std::{any::Any, sync::atomic::AtomicBool};

use poise::{CommandInteractionType, FrameworkContext};
use serenity::{
    builder::{CreateAutocompleteResponse, CreateInteractionResponse},
    model::application::{CommandInteraction, ResolvedValue},
};
use tokio::sync::Mutex;

use crate::Error;
use propsbot_service::Service;

/// Answers with the choices that match the input.
pub(super) async fn choices(
    framework: FrameworkContext<'_, Service, Error>,
    typing: &CommandInteraction,
) {
    let found = find(framework, typing).await.unwrap_or_default();
    let response = CreateInteractionResponse::Autocomplete(found);
    let http = &framework.serenity_context.http;
    if typing.create_response(http, response).await.is_err() {
        // The error would contain the URL, and the token in it.
        tracing::debug!("an autocompletion could not be answered");
    }
}

async fn find(
    framework: FrameworkContext<'_, Service, Error>,
    typing: &CommandInteraction,
) -> Option<CreateAutocompleteResponse> {
    let (answered, mut tree) = (AtomicBool::new(false), Vec::new());
    let nothing: Mutex<Box<dyn Any + Send + Sync>> = Mutex::new(Box::new(()));
    let options = typing.data.options();
    let kind = CommandInteractionType::Autocomplete;
    let context = poise::extract_command_and_run_checks(
        framework, typing, kind, &answered, &nothing, &options, &mut tree,
    );
    let context = context.await.ok()?;
    let (name, typed) = context.args.iter().find_map(|option| match &option.value {
        ResolvedValue::Autocomplete { value, .. } => Some((option.name, *value)),
        _ => None,
    })?;
    let parameters = &context.command().parameters;
    let parameter = parameters.iter().find(|parameter| parameter.name == name)?;
    let choices = parameter.autocomplete_callback?;
    Some(choices(context, typed).await)
}
