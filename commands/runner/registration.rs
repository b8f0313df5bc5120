//! Registers the slash commands with Discord.

use sha2::{Digest as _, Sha256};

use propsbot_discord::{Rest, Route};
use propsbot_model::UserId;
use propsbot_service::Service;

/// Replaces the application's commands with this version's, unless they are registered already. If that
/// fails, the mirror continues, and members see the commands registered before. Source:
/// <https://discord.com/developers/docs/interactions/application-commands#bulk-overwrite-global-application-commands>.
pub(super) async fn register(
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
