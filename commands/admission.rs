//! In which servers I do anything at all.

use serenity::model::application::Interaction;

use super::{privacy, wording};
use propsbot_discord::IntoModel;
use propsbot_service::{Admission, Service, ServiceError};

/// What somebody is told who does something in a server where that is not heeded; `None` where it is.
///
/// # Errors
/// The store could not be read.
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

/// Whether it is about what is kept of a member: a command's name, or a button's id.
fn is_privacy(name: &str) -> bool {
    let kind = name.split(':').next().unwrap_or_default();
    [privacy::COMMAND, privacy::DELETE].contains(&kind)
}
