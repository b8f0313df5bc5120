//! The slash commands: one file each, gathered by [`all`].
//!
//! A command checks what was typed, makes one call to the [`Service`], and answers; how it says so
//! is in [`wording`]. Refuses to know where anything is kept: it names no store, no archive, no job.

mod answer;
mod props;
mod receivers;
mod settings;
mod sync_status;
pub mod wording;

use poise::{Command, FrameworkError};

use crate::service::{Service, ServiceError};
use answer::{Visibility, answer, plain};

/// What a command is run with.
type Context<'a> = poise::Context<'a, Service, Error>;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The member has to change what was typed. The text says so to them, and is never logged.
    #[error("a member's mistake")]
    Mistake(String),
    /// We failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Discord did not take the answer.
    #[error("the answer could not be sent: {}", answer::describe(.0))]
    Answer(Box<serenity::Error>),
}

impl From<serenity::Error> for Error {
    fn from(error: serenity::Error) -> Self {
        Self::Answer(Box::new(error))
    }
}

/// All commands, as they are registered and run.
pub fn all() -> Vec<Command<Service, Error>> {
    vec![
        props::props(),
        sync_status::sync_status(),
        settings::settings(),
    ]
}

/// Tells members what they can mend, and operators what we have to.
pub async fn on_error(error: FrameworkError<'_, Service, Error>) {
    let Some(ctx) = error.ctx() else {
        tracing::error!("a command could not be started: {}", kind(&error));
        return;
    };
    let text = match &error {
        FrameworkError::Command {
            error: Error::Mistake(text),
            ..
        } => text.clone(),
        FrameworkError::ArgumentParse { input, .. } => wording::unreadable_option(input.as_deref()),
        FrameworkError::MissingUserPermissions { .. } => wording::needs_manage_server(),
        FrameworkError::GuildOnly { .. } => wording::only_in_servers(),
        FrameworkError::CommandStructureMismatch { .. } => wording::outdated_command(),
        FrameworkError::Command { error, .. } => {
            tracing::error!(command = ctx.command().qualified_name.as_ref(), "{error}");
            wording::our_fault()
        }
        other => {
            let command = ctx.command().qualified_name.as_ref();
            tracing::error!(command, "failed: {}", kind(other));
            wording::our_fault()
        }
    };
    if let Err(error) = answer(ctx, plain(text), Visibility::OnlyThem).await {
        tracing::error!(
            "a member could not be told so: {}",
            answer::describe(&error)
        );
    }
}

/// What went wrong within the framework. Not its own words, which may repeat what was typed.
fn kind(error: &FrameworkError<'_, Service, Error>) -> &'static str {
    match error {
        FrameworkError::CommandPanic { .. } => "the command panicked",
        FrameworkError::UnknownInteraction { .. } => "an unknown command was run",
        FrameworkError::Setup { .. } => "the start-up failed",
        _ => "the framework refused it",
    }
}
