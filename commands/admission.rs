//! Refuses interactions in servers that aren't mirrored.

use serenity::model::application::Interaction;

use super::{privacy, wording};
use propsbot_discord::IntoModel;
use propsbot_service::{Admission, Service, ServiceError};

/// The answer to an interaction in a server that isn't mirrored; `None` if it can be run.
///
/// # Errors
/// The store can't be read.
pub(super) async fn refusal(
    service: &Service,
    interaction: &Interaction,
) -> Result<Option<String>, ServiceError> {
    let (guild, is_privacy) = match interaction {
        Interaction::Command(run) => (run.guild_id, is_privacy(&run.data.name)),
        Interaction::Autocomplete(typing) => (typing.guild_id, false),
        Interaction::Component(part) => (part.guild_id, is_privacy(&part.data.custom_id)),
        Interaction::Modal(form) => (form.guild_id, false),
        _ => (None, false),
    };
    let Some(guild) = guild.map(IntoModel::into_model) else {
        return Ok(None);
    };
    Ok(match service.admission(guild).await? {
        Admission::Mirrored => None,
        Admission::Kept if is_privacy => None,
        Admission::Kept => Some(wording::no_longer_mirrored(guild)),
        Admission::NotMirrored => Some(wording::not_mirrored(guild)),
        Admission::NotJoined => Some(wording::not_joined()),
    })
}

/// Whether this command's name or button's id belongs to `/privacy`.
fn is_privacy(name: &str) -> bool {
    let kind = name.split(':').next().unwrap_or_default();
    [privacy::COMMAND, privacy::DELETE].contains(&kind)
}
