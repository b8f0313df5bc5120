//! `/settings`: shows and changes the server's settings.

use serenity::builder::{AutocompleteChoice, CreateAutocompleteResponse};

use super::{
    Context, Error, admin,
    answer::{Visibility, answer, in_time, plain},
    channels::{AnyChannel, RecapChannel},
    guild,
    receivers::{read_channels, read_roles, read_users},
    wording,
};
use propsbot_model::{
    Emoji, Language, QUOTA, Quota, QuotaPeriod, RecapPeriod, RecapSetting, SETTINGS, Settings,
    SettingsChange,
};
use propsbot_service::ServiceError;

/// The format of numbers and dates.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum LanguageChoice {
    #[name = "International: 1,234 and 2026-11-23"]
    International,
    #[name = "American: 1,234 and 11/23/2026"]
    American,
    #[name = "British: 1,234 and 23/11/2026"]
    British,
    #[name = "German: 1.234 and 23.11.2026"]
    German,
    #[name = "French: 1 234 and 23/11/2026"]
    French,
    #[name = "Spanish: 1.234 and 23/11/2026"]
    Spanish,
}

/// The period of a quota.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum Period {
    #[name = "day"]
    Day,
    #[name = "week"]
    Week,
    #[name = "month"]
    Month,
}

/// How often the recap is posted.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum RecapChoice {
    #[name = "off"]
    Off,
    #[name = "weekly"]
    Weekly,
    #[name = "monthly"]
    Monthly,
}

/// Set what counts as props here, and who can give them
#[poise::command(
    slash_command,
    guild_only,
    default_member_permissions = "MANAGE_GUILD",
    required_permissions = "MANAGE_GUILD",
    subcommands("show", "set", "include", "exclude", "reset"),
    subcommand_required
)]
#[expect(
    clippy::unused_async,
    reason = "poise asks for it; Discord never runs it"
)]
pub(super) async fn settings(_ctx: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// See the settings
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn show(ctx: Context<'_>) -> Result<(), Error> {
    let asking = ctx.data().settings(guild(ctx)?);
    let settings = in_time(ctx, Visibility::OnlyThem, asking).await?;
    let text = wording::settings(&settings);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

/// Change settings; options you leave out stay as they are
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
#[expect(clippy::too_many_arguments, reason = "they are the command's options")]
async fn set(
    ctx: Context<'_>,
    #[description = "#channels or categories whose messages are props; \"default\": all with “props” in their name"]
    #[max_length = 1000]
    props_channels: Option<String>,
    #[description = "How many members each member can thank in a period, repeats included; 0: no limit"]
    #[min = 0]
    #[max = 1000]
    quota: Option<u32>,
    #[description = "The quota's calendar period, in UTC (default: a day)"] quota_period: Option<
        Period,
    >,
    #[description = "Minutes before a member can thank the same member again; 0: no cooldown"]
    #[min = 0]
    #[max = 43200]
    cooldown_minutes: Option<u32>,
    #[description = "Who can give props with commands: @roles, or \"everyone\""]
    #[max_length = 1000]
    giver_roles: Option<String>,
    #[description = "The emoji I react with to plain props, or \"off\""]
    #[max_length = 100]
    acknowledge: Option<String>,
    #[description = "Whether props still count after my message about them is deleted"]
    keep_deleted_props: Option<bool>,
    #[description = "How many minutes props can be taken back for; 0: not at all"]
    #[min = 0]
    #[max = 1440]
    undo_minutes: Option<u16>,
    #[description = "Days of history I re-read after an outage, for edits and deletions"]
    #[min = 0]
    #[max = 365]
    look_back_days: Option<u16>,
    #[description = "Share of my requests that check older history, in thousandths; 0: none"]
    #[min = 0]
    #[max = 1000]
    scrub_share: Option<u16>,
    #[description = "Least hours from the start of one round of that check to the next"]
    #[min = 0]
    #[max = 720]
    scrub_rest_hours: Option<u16>,
    #[description = "How numbers and dates are written"] language: Option<LanguageChoice>,
    #[description = "Whether age-restricted (NSFW) channels are exported"] age_restricted: Option<
        bool,
    >,
    #[description = "How many times a minute a member can give props with commands; 0: no limit"]
    #[min = 0]
    #[max = 60]
    per_minute: Option<u32>,
    #[description = "Whether only commands give props: from now on, members' plain messages don't"]
    commands_only: Option<bool>,
    #[description = "Minutes after posting in which mentions added by an edit still count; 0: never"]
    #[min = 0]
    #[max = 525_600]
    edit_minutes: Option<u32>,
    #[description = "@bots whose posts in props channels count as props, or \"none\""]
    #[max_length = 1000]
    props_bots: Option<String>,
    #[description = "The emoji with which a reaction thanks the message's author, from now on, or \"off\""]
    #[max_length = 100]
    thanks_emoji: Option<String>,
    #[description = "How often I post a recap of the thanks, with a picture"] recap: Option<
        RecapChoice,
    >,
    #[description = "The channel where I post the recap"] recap_channel: Option<RecapChannel>,
    #[description = "Whether I keep and export scheduled events: who hosts them, and who is interested"]
    meeting_events: Option<bool>,
) -> Result<(), Error> {
    let mut changes = Vec::new();
    if let Some(text) = props_channels {
        changes.push(SettingsChange::PropsChannels(read_props_channels(&text)?));
    }
    let is_quota = quota.is_some() || quota_period.is_some();
    let is_recap = recap.is_some() || recap_channel.is_some();
    if is_quota || is_recap {
        let asking = ctx.data().settings(guild(ctx)?);
        let before = in_time(ctx, Visibility::OnlyThem, asking).await?;
        if is_quota {
            let quota = read_quota(quota, quota_period, before.quota)?;
            changes.push(SettingsChange::Quota(quota));
        }
        if is_recap {
            let recap = read_recap(recap, recap_channel, before.recap)?;
            changes.push(SettingsChange::Recap(recap));
        }
    }
    changes.extend(cooldown_minutes.map(SettingsChange::Cooldown));
    if let Some(text) = giver_roles {
        let everyone = text.trim().trim_start_matches('@');
        let roles = if everyone.eq_ignore_ascii_case("everyone") {
            Vec::new()
        } else {
            let unclear = |unclear| Error::Mistake(wording::unclear_roles(&unclear, &text));
            let mut roles = read_roles(&text).map_err(unclear)?;
            roles.sort_unstable();
            roles.dedup();
            roles
        };
        changes.push(SettingsChange::GiverRoles(roles));
    }
    if let Some(text) = acknowledge {
        changes.push(SettingsChange::Acknowledge(read_emoji(&text)?));
    }
    changes.extend(keep_deleted_props.map(SettingsChange::KeepDeletedProps));
    changes.extend(undo_minutes.map(SettingsChange::UndoMinutes));
    changes.extend(look_back_days.map(SettingsChange::LookBackDays));
    changes.extend(scrub_share.map(SettingsChange::ScrubShare));
    changes.extend(scrub_rest_hours.map(SettingsChange::ScrubRestHours));
    changes.extend(language.map(|language| SettingsChange::Language(language.into())));
    changes.extend(age_restricted.map(SettingsChange::AgeRestricted));
    changes.extend(per_minute.map(SettingsChange::PerMinute));
    changes.extend(commands_only.map(SettingsChange::CommandsOnly));
    changes.extend(edit_minutes.map(SettingsChange::EditMinutes));
    changes.extend(meeting_events.map(SettingsChange::MeetingEvents));
    if let Some(text) = props_bots {
        changes.push(SettingsChange::PropsBots(read_props_bots(&text)?));
    }
    if let Some(text) = thanks_emoji {
        changes.push(SettingsChange::ThanksEmoji(read_emoji(&text)?));
    }
    if changes.is_empty() {
        return Err(Error::Mistake(wording::nothing_to_change()));
    }
    // Discord checks the numbers, too, but not every client is Discord's.
    for change in &changes {
        if let Some((value, most)) = change.beyond() {
            let mistake = wording::out_of_range(change.name(), value, 0, most);
            return Err(Error::Mistake(mistake));
        }
    }
    change(ctx, changes).await
}

/// Export a channel or category; if it's private, repeat its name to confirm
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn include(
    ctx: Context<'_>,
    #[description = "The channel; a category means all its channels, present and future"]
    channel: AnyChannel,
    #[description = "Its name again, if it's private or age-restricted: everything in it will be exported"]
    #[max_length = 100]
    confirm: Option<String>,
) -> Result<(), Error> {
    let what = wording::action_include(channel.0);
    let including = ctx
        .data()
        .include_channel(admin(ctx)?, channel.0, confirm, what);
    let settings = in_time(ctx, Visibility::OnlyThem, including).await;
    changed(ctx, settings).await
}

/// Keep a channel or category out of exports, even if everyone can read it
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn exclude(
    ctx: Context<'_>,
    #[description = "The channel with its threads; a category means all its channels, present and future"]
    channel: AnyChannel,
) -> Result<(), Error> {
    change(ctx, vec![SettingsChange::Exclude(channel.0)]).await
}

/// Reset a setting to its default
#[poise::command(slash_command, guild_only, required_permissions = "MANAGE_GUILD")]
async fn reset(
    ctx: Context<'_>,
    #[description = "Which setting, or all"]
    #[autocomplete = "names"]
    setting: String,
) -> Result<(), Error> {
    let default = Settings::default_for(guild(ctx)?);
    let names: Vec<&str> = if setting.trim() == "all" {
        SETTINGS.to_vec()
    } else {
        vec![setting.trim()]
    };
    let changes: Option<Vec<SettingsChange>> = names
        .into_iter()
        .map(|name| SettingsChange::reset(name, default.clone()))
        .collect();
    let changes = changes.ok_or_else(|| Error::Mistake(wording::no_setting(&setting)))?;
    change(ctx, changes).await
}

#[expect(clippy::unused_async, reason = "poise asks for it")]
async fn names(_ctx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let all = SETTINGS.into_iter().chain(["all"]);
    let fitting = all.filter(|name| name.contains(typed.trim()));
    let choices = fitting.map(|name| AutocompleteChoice::new(name, name));
    CreateAutocompleteResponse::new().set_choices(choices.collect())
}

async fn change(ctx: Context<'_>, changes: Vec<SettingsChange>) -> Result<(), Error> {
    let what = wording::changes(&changes);
    let changing = ctx.data().change_settings(admin(ctx)?, changes, what);
    let settings = in_time(ctx, Visibility::OnlyThem, changing).await;
    changed(ctx, settings).await
}

async fn changed(ctx: Context<'_>, settings: Result<Settings, ServiceError>) -> Result<(), Error> {
    let settings = match settings {
        Err(ServiceError::Refused(refusal)) => {
            return Err(Error::Mistake(wording::refused(&refusal, None)));
        }
        settings => settings?,
    };
    let text = wording::settings_changed(&settings);
    Ok(answer(ctx, plain(text), Visibility::OnlyThem).await?)
}

fn read_props_channels(text: &str) -> Result<Option<Vec<propsbot_model::ChannelId>>, Error> {
    if text.trim().eq_ignore_ascii_case("default") {
        return Ok(None);
    }
    let unclear = |unclear| Error::Mistake(wording::unclear_channels(&unclear, text));
    let mut channels = read_channels(text).map_err(unclear)?;
    channels.sort_unstable();
    channels.dedup();
    Ok(Some(channels))
}

/// The emoji as Discord writes it; `None` turns the setting off.
fn read_emoji(text: &str) -> Result<Option<String>, Error> {
    if ["off", "none"].contains(&text.trim().to_lowercase().as_str()) {
        return Ok(None);
    }
    let emoji = Emoji::read(text);
    let emoji = emoji.ok_or_else(|| Error::Mistake(wording::no_emoji(text)))?;
    Ok(Some(emoji.to_string()))
}

fn read_props_bots(text: &str) -> Result<Vec<propsbot_model::UserId>, Error> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let unclear = |unclear| Error::Mistake(wording::unclear_bots(&unclear, text));
    let mut bots = read_users(text).map_err(unclear)?;
    bots.sort_unstable();
    bots.dedup();
    Ok(bots)
}

fn read_quota(
    count: Option<u32>,
    period: Option<Period>,
    before: Option<Quota>,
) -> Result<Option<Quota>, Error> {
    let period = period.map(|period| match period {
        Period::Day => QuotaPeriod::Day,
        Period::Week => QuotaPeriod::Week,
        Period::Month => QuotaPeriod::Month,
    });
    let Some(count) = count.or(before.map(|quota| quota.count)) else {
        return Err(Error::Mistake(wording::quota_without_count()));
    };
    if count == 0 {
        return Ok(None);
    }
    if !QUOTA.contains(&count) {
        let (least, most) = (*QUOTA.start(), *QUOTA.end());
        let mistake = wording::out_of_range("quota", count.into(), least.into(), most.into());
        return Err(Error::Mistake(mistake));
    }
    let period = period.or(before.map(|quota| quota.period));
    Ok(Some(Quota {
        count,
        period: period.unwrap_or(QuotaPeriod::Day),
    }))
}

fn read_recap(
    choice: Option<RecapChoice>,
    channel: Option<RecapChannel>,
    before: Option<RecapSetting>,
) -> Result<Option<RecapSetting>, Error> {
    let every = match choice {
        Some(RecapChoice::Off) => return Ok(None),
        Some(RecapChoice::Weekly) => Some(RecapPeriod::Week),
        Some(RecapChoice::Monthly) => Some(RecapPeriod::Month),
        None => before.map(|recap| recap.every),
    };
    let channel = channel.map(|channel| channel.0);
    let channel = channel.or(before.map(|recap| recap.channel_id));
    let whole = channel
        .zip(every)
        .map(|(channel_id, every)| RecapSetting { channel_id, every });
    match whole {
        Some(recap) => Ok(Some(recap)),
        None => Err(Error::Mistake(wording::incomplete_recap())),
    }
}

impl From<LanguageChoice> for Language {
    fn from(choice: LanguageChoice) -> Self {
        match choice {
            LanguageChoice::International => Self::International,
            LanguageChoice::American => Self::American,
            LanguageChoice::British => Self::British,
            LanguageChoice::German => Self::German,
            LanguageChoice::French => Self::French,
            LanguageChoice::Spanish => Self::Spanish,
        }
    }
}
