//! Refuses interactions in servers that aren't mirrored.

use serenity::model::application::Interaction;

use super::{privacy, setup, wording};
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
    let (guild, name) = match interaction {
        Interaction::Command(run) => (run.guild_id, run.data.name.as_str()),
        Interaction::Autocomplete(typing) => (typing.guild_id, ""),
        Interaction::Component(part) => (part.guild_id, part.data.custom_id.as_str()),
        Interaction::Modal(form) => (form.guild_id, ""),
        _ => (None, ""),
    };
    let Some(guild) = guild.map(IntoModel::into_model) else {
        return Ok(None);
    };
    let up_to = match service.mirroring(guild) {
        Some(_) => wording::UpTo::Admins,
        None => wording::UpTo::Operator(guild),
    };
    let is_setup = service.mirroring(guild) == Some(false) && is_of(name, &setup::SWITCHES);
    Ok(match service.admission(guild).await? {
        Admission::Mirrored => None,
        Admission::Kept | Admission::NotMirrored if is_setup => None,
        Admission::Kept if is_of(name, &[privacy::COMMAND, privacy::DELETE]) => None,
        Admission::Kept => Some(wording::no_longer_mirrored(up_to)),
        Admission::NotMirrored => Some(wording::not_mirrored(up_to)),
        Admission::NotJoined => Some(wording::not_joined()),
    })
}

/// Whether this command's name or button's id is one of these.
fn is_of(name: &str, kinds: &[&str]) -> bool {
    let kind = name.split(':').next().unwrap_or_default();
    kinds.contains(&kind)
}
