//! The slash commands: one file each, collected by `all`.
//!
//! A command parses its options, makes one call to the [`Service`], and answers with a text from
//! [`wording`]. It knows no store, no archive and no job.

mod admission;
mod answer;
mod audit;
mod channels;
mod chart;
mod cred;
mod event;
mod exports;
mod help;
mod history;
mod leaderboard;
mod link;
mod meeting;
mod privacy;
mod props;
mod recap;
mod receivers;
mod runner;
mod settings;
mod setup;
mod sync_status;
mod trend;
mod undo;
mod why;
pub mod wording;

use poise::{Command, CommandInteractionType, FrameworkError};
use serenity::{
    builder::{
        CreateAutocompleteResponse, CreateInteractionResponse, CreateInteractionResponseMessage,
    },
    http::Http,
    model::application::CommandInteraction,
};

use answer::{Visibility, answer, plain};
use propsbot_discord::IntoModel;
use propsbot_model::{GuildId, InteractionId, RoleId};
use propsbot_service::{Admin, Reader, Service, ServiceError};

pub use runner::Runner;

use admission::refusal;
use event::on_event;

type Context<'a> = poise::Context<'a, Service, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The member has to change something. The text tells them what, and is never logged.
    #[error("the member has to change something")]
    Mistake(String),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("the answer could not be sent: {}", answer::describe(.0))]
    Answer(Box<serenity::Error>),
}

impl From<serenity::Error> for Error {
    fn from(error: serenity::Error) -> Self {
        Self::Answer(Box::new(error))
    }
}

fn all() -> Vec<Command<Service, Error>> {
    vec![
        props::props(),
        props::give_props_to(),
        props::give_props_for(),
        undo::undo(),
        leaderboard::leaderboard(),
        history::history(),
        cred::cred(),
        why::why(),
        why::why_this_cred(),
        meeting::meeting(),
        link::link(),
        privacy::privacy(),
        help::help(),
        setup::setup(),
        settings::settings(),
        sync_status::sync_status(),
        exports::exports(),
        audit::audit(),
    ]
}

fn guild(ctx: Context<'_>) -> Result<GuildId, Error> {
    known(ctx.guild_id())
}

fn known(guild: Option<serenity::model::id::GuildId>) -> Result<GuildId, Error> {
    let guild = guild.map(IntoModel::into_model);
    guild.ok_or_else(|| Error::Mistake(wording::only_in_servers()))
}

/// The id of the command's run, which contains its time.
fn run(ctx: Context<'_>) -> InteractionId {
    InteractionId(match ctx {
        poise::Context::Application(run) => run.interaction.id.get(),
        // There are no prefix commands.
        poise::Context::Prefix(run) => run.msg.id.get(),
    })
}

/// The member who runs a command, as a reader of channels.
fn reader(ctx: Context<'_>) -> Result<Reader, Error> {
    let member = match ctx {
        poise::Context::Application(run) => run.interaction.member.as_deref(),
        poise::Context::Prefix(_) => None,
    };
    Ok(Reader {
        guild_id: guild(ctx)?,
        user_id: ctx.author().id.into_model(),
        roles: roles(member),
    })
}

fn roles(member: Option<&serenity::model::guild::Member>) -> Vec<RoleId> {
    let roles = member.iter().flat_map(|member| &member.roles);
    roles.map(|role| (*role).into_model()).collect()
}

/// Turns a refusal into the text for the member.
fn allowed<T>(result: Result<T, ServiceError>) -> Result<T, Error> {
    match result {
        Err(ServiceError::Refused(refusal)) => {
            Err(Error::Mistake(wording::refused(&refusal, None)))
        }
        result => Ok(result?),
    }
}

fn admin(ctx: Context<'_>) -> Result<Admin, Error> {
    Ok(Admin {
        guild_id: guild(ctx)?,
        run: run(ctx),
        user_id: ctx.author().id.into_model(),
    })
}

/// The text that a member sees of an error.
fn text_for(error: &Error) -> String {
    match error {
        Error::Mistake(text) => text.clone(),
        _ => wording::our_fault(),
    }
}

/// Shows members their mistakes, and logs ours for operators.
async fn on_error(error: FrameworkError<'_, Service, Error>) {
    let unknown = match &error {
        FrameworkError::UnknownInteraction {
            framework,
            interaction,
            ..
        } => Some((framework.serenity_context, *interaction)),
        _ => None,
    };
    if let Some((ctx, interaction)) = unknown {
        return answer_unknown(&ctx.http, interaction).await;
    }
    let Some(ctx) = error.ctx() else {
        tracing::error!("a command could not be started: {}", kind(&error));
        return;
    };
    if let poise::Context::Application(run) = ctx
        && run.interaction_type == CommandInteractionType::Autocomplete
    {
        tracing::debug!(
            command = ctx.command().qualified_name.as_ref(),
            "nothing to suggest: {}",
            kind(&error)
        );
        return answer_unknown(ctx.http(), run.interaction).await;
    }
    let text = match &error {
        FrameworkError::Command {
            error: error @ Error::Mistake(_),
            ..
        } => text_for(error),
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
            "could not send the error to the member: {}",
            answer::describe(&error)
        );
    }
}

/// Answers a command that Discord still knows but this version doesn't have. Autocompletion gets an empty
/// list.
async fn answer_unknown(http: &Http, interaction: &CommandInteraction) {
    let response = if interaction.data.autocomplete().is_some() {
        CreateInteractionResponse::Autocomplete(CreateAutocompleteResponse::new())
    } else {
        tracing::warn!("a command was run that this version does not have");
        let text = CreateInteractionResponseMessage::new()
            .content(wording::unknown_command())
            .ephemeral(true);
        CreateInteractionResponse::Message(text)
    };
    if let Err(error) = interaction.create_response(http, response).await {
        tracing::error!(
            "could not send the error to the member: {}",
            answer::describe(&error)
        );
    }
}

/// Describes an error of the framework. Its own words may repeat what was typed.
fn kind(error: &FrameworkError<'_, Service, Error>) -> &'static str {
    match error {
        FrameworkError::CommandPanic { .. } => "the command panicked",
        FrameworkError::Setup { .. } => "the start-up failed",
        _ => "the framework refused it",
    }
}
