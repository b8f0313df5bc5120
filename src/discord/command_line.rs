//! The slash commands on the gateway's connection: told to Discord, and run when members use them.

use poise::{Framework, FrameworkOptions, builtins::create_application_commands};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{Rest, Route};
use crate::{commands, model::UserId, service::Service};

/// Registers the commands and has them run.
pub(super) struct CommandLine {
    rest: Rest,
    service: Service,
    /// Where the registration runs: not on the gateway's thread.
    runtime: Handle,
}

impl CommandLine {
    /// Must be called within the runtime on which `rest` was made.
    pub(super) fn new(rest: Rest, service: Service) -> Self {
        Self {
            rest,
            service,
            runtime: Handle::current(),
        }
    }

    /// What serenity hands each interaction to. Its setup cannot fail: if it did, every event
    /// after it would wait for ever.
    pub(super) fn framework(&self) -> Framework<Service, commands::Error> {
        let (rest, service) = (self.rest.clone(), self.service.clone());
        let runtime = self.runtime.clone();
        let options = FrameworkOptions {
            commands: commands::all(),
            on_error: |error| Box::pin(commands::on_error(error)),
            event_handler: |framework, event| {
                Box::pin(async move {
                    commands::on_event(framework, event).await;
                    Ok(())
                })
            },
            ..FrameworkOptions::default()
        };
        Framework::builder()
            .options(options)
            .initialize_owners(false)
            .setup(move |_, ready, framework| {
                let application = UserId(ready.application.id.get());
                let known = create_application_commands(&framework.options().commands);
                runtime.spawn(register(rest, service.clone(), application, known));
                Box::pin(async move { Ok(service) })
            })
            .build()
    }
}

/// Replaces the application's commands by ours, if they are not those that Discord was told of. If
/// that fails, the mirror goes on without: members then see the commands of the last start. Source:
/// <https://discord.com/developers/docs/interactions/application-commands#bulk-overwrite-global-application-commands>.
async fn register(
    rest: Rest,
    service: Service,
    application: UserId,
    known: Vec<serenity::builder::CreateCommand>,
) {
    let json = match serde_json::to_vec(&known) {
        Ok(json) => json,
        Err(error) => {
            tracing::error!(%error, "the commands could not be written as JSON; report this");
            return;
        }
    };
    let digest = hex::encode(Sha256::digest(&json));
    match service.knows_commands(application, digest.clone()).await {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "it is not known which commands Discord knows"),
    }
    if let Err(error) = rest.put(&Route::Commands(application), json).await {
        tracing::error!(
            %error,
            "the slash commands could not be registered; members may see old ones, or none, \
             until the next start"
        );
        return;
    }
    tracing::info!(commands = known.len(), "registered the slash commands");
    if let Err(error) = service.commands_are_known(application, digest).await {
        tracing::warn!(%error, "the commands will be registered again at the next start");
    }
}
