//! `/setup`: a guided first setup.

use poise::CreateReply;
use serenity::{
    all::ComponentInteractionDataKind,
    builder::{CreateActionRow, CreateSelectMenu, CreateSelectMenuKind},
    model::application::ComponentInteraction,
};

use super::{
    Context, Error, allowed,
    answer::{Used, Visibility, answer, in_time, plain},
    channels::PROPS,
    guild, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{ChannelId, SettingsChange};
use propsbot_service::{Admin, Service, Setup};

/// The id of the list of props channels.
pub(super) const CHANNELS: &str = "setup-channels";

/// Discord's limit of channels in a list.
const MOST: u8 = 25;

/// Choose props channels, see what's exported, and check my permissions
#[poise::command(
    slash_command,
    guild_only,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD"
)]
pub(super) async fn setup(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx.data().setup(guild(ctx)?, ctx.author().id.into_model());
    let setup = in_time(ctx, Visibility::OnlyThem, asking).await?;
    Ok(answer(ctx, page(&setup), Visibility::OnlyThem).await?)
}

fn page(setup: &Setup) -> CreateReply {
    let chosen = setup.settings.props_channels.iter().flatten();
    let chosen = chosen
        .filter(|id| id.0 != 0)
        .take(MOST.into())
        .map(|id| serenity::model::id::ChannelId::new(id.0));
    let kind = CreateSelectMenuKind::Channel {
        channel_types: Some(PROPS.to_vec()),
        default_channels: Some(chosen.collect()),
    };
    let list = CreateSelectMenu::new(CHANNELS, kind)
        .placeholder(wording::choose_props_channels())
        .min_values(1)
        .max_values(MOST);
    plain(wording::setup(setup)).components(vec![CreateActionRow::SelectMenu(list)])
}

/// Handles channels chosen from the list.
pub(super) async fn chosen(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let member = part.member.as_ref();
    let permissions = member
        .and_then(|member| member.permissions)
        .unwrap_or_default();
    if !permissions.administrator() && !permissions.manage_guild() {
        return Err(Error::Mistake(wording::needs_manage_server()));
    }
    let Some(guild) = part.guild_id else {
        return Err(Error::Mistake(wording::only_in_servers()));
    };
    let mut channels: Vec<ChannelId> = match &part.data.kind {
        ComponentInteractionDataKind::ChannelSelect { values } => {
            values.iter().map(|id| (*id).into_model()).collect()
        }
        _ => return Err(Error::Mistake(wording::outdated_command())),
    };
    channels.sort_unstable();
    channels.dedup();
    let admin = Admin {
        guild_id: guild.into_model(),
        run: part.id.into_model(),
        user_id: part.user.id.into_model(),
    };
    let changes = vec![SettingsChange::PropsChannels(Some(channels))];
    let what = wording::changes(&changes);
    let changing = async {
        allowed(service.change_settings(admin, changes, what).await)?;
        Ok(page(&service.setup(admin.guild_id, admin.user_id).await?))
    };
    used.turn_page(changing).await
}
