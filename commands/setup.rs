//! `/setup`: a guided first setup.

use poise::CreateReply;
use serenity::{
    all::{ButtonStyle, ComponentInteractionDataKind},
    builder::{CreateActionRow, CreateButton, CreateSelectMenu, CreateSelectMenuKind},
    model::application::ComponentInteraction,
};

use super::{
    Context, Error, allowed,
    answer::{Used, Visibility, answer, in_time, plain},
    channels::PROPS,
    guild, known, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{ChannelId, GuildId, SettingsChange, UserId};
use propsbot_service::{Admin, Service, ServiceError, Setup};

/// The id of the list of props channels.
pub(super) const CHANNELS: &str = "setup-channels";

/// The id of the buttons about the mirror, before `:` and what they do.
pub(super) const MIRROR: &str = "setup-mirror";

/// What can be used while the mirror is off.
pub(super) const SWITCHES: [&str; 2] = ["setup", MIRROR];

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
    let asking = shown(ctx.data(), guild(ctx)?, ctx.author().id.into_model());
    let page = in_time(ctx, Visibility::OnlyThem, asking).await?;
    Ok(answer(ctx, page, Visibility::OnlyThem).await?)
}

/// The page for an admin of the guild.
async fn shown(
    service: &Service,
    guild: GuildId,
    admin: UserId,
) -> Result<CreateReply, ServiceError> {
    let mirroring = service.mirroring(guild);
    if mirroring == Some(false) {
        let switch = button("on", wording::mirror_button(), ButtonStyle::Success);
        return Ok(plain(wording::mirror_is_off()).components(vec![row(vec![switch])]));
    }
    Ok(page(
        &service.setup(guild, admin).await?,
        mirroring.is_some(),
    ))
}

fn button(does: &str, label: &str, style: ButtonStyle) -> CreateButton {
    CreateButton::new(format!("{MIRROR}:{does}"))
        .label(label)
        .style(style)
}

fn row(buttons: Vec<CreateButton>) -> CreateActionRow {
    CreateActionRow::Buttons(buttons)
}

/// Handles the buttons about the mirror.
pub(super) async fn switched(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let admin = pressing(part)?;
    let does = part.data.custom_id.split(':').nth(1).unwrap_or_default();
    let switching = async {
        match does {
            "ask" => {
                let stop = button("off", wording::stop_button(), ButtonStyle::Danger);
                let stay = button("stay", wording::stay_button(), ButtonStyle::Secondary);
                return Ok(plain(wording::confirm_stop()).components(vec![row(vec![stop, stay])]));
            }
            "on" | "off" => {
                let is_on = does == "on";
                let what = wording::mirror_switched(is_on);
                allowed(service.switch_mirror(admin, is_on, what.to_owned()).await)?;
                let text = if is_on {
                    wording::mirror_is_on()
                } else {
                    wording::mirror_stopped()
                };
                return Ok(plain(text).components(Vec::new()));
            }
            _ => {}
        }
        Ok(shown(service, admin.guild_id, admin.user_id).await?)
    };
    used.turn_page(switching).await
}

/// The admin who uses a button or list.
fn pressing(part: &ComponentInteraction) -> Result<Admin, Error> {
    let member = part.member.as_ref();
    let permissions = member
        .and_then(|member| member.permissions)
        .unwrap_or_default();
    if !permissions.administrator() && !permissions.manage_guild() {
        return Err(Error::Mistake(wording::needs_manage_server()));
    }
    Ok(Admin {
        guild_id: known(part.guild_id)?,
        run: part.id.into_model(),
        user_id: part.user.id.into_model(),
    })
}

/// The page of a mirrored guild. `can_stop`: whether its admins can switch the mirror off.
fn page(setup: &Setup, can_stop: bool) -> CreateReply {
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
    let mut rows = vec![CreateActionRow::SelectMenu(list)];
    if can_stop {
        let stop = button("ask", wording::ask_to_stop_button(), ButtonStyle::Secondary);
        rows.push(row(vec![stop]));
    }
    plain(wording::setup(setup)).components(rows)
}

/// Handles channels chosen from the list.
pub(super) async fn chosen(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let admin = pressing(part)?;
    let mut channels: Vec<ChannelId> = match &part.data.kind {
        ComponentInteractionDataKind::ChannelSelect { values } => {
            values.iter().map(|id| (*id).into_model()).collect()
        }
        _ => return Err(Error::Mistake(wording::outdated_command())),
    };
    channels.sort_unstable();
    channels.dedup();
    let changes = vec![SettingsChange::PropsChannels(Some(channels))];
    let what = wording::changes(&changes);
    let changing = async {
        allowed(service.change_settings(admin, changes, what).await)?;
        Ok(shown(service, admin.guild_id, admin.user_id).await?)
    };
    used.turn_page(changing).await
}
