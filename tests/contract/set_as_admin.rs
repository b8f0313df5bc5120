//! Changes a setting, as an admin does with `/settings`: for the stores of tests whose Discord has no slash
//! commands. Takes the store's folder and the setting that is switched on.

use std::path::Path;

use anyhow::{Context as _, bail};
use propsbot_model::{Evidence, Fact, Observation, SettingsChange};
use propsbot_store::Store;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("name the store's folder")?;
    let change = match arguments.next().as_deref() {
        Some("age_restricted") => SettingsChange::AgeRestricted(true),
        Some("thanks_emoji") => SettingsChange::ThanksEmoji(Some("👍".to_owned())),
        Some("meeting_events") => SettingsChange::MeetingEvents(true),
        other => bail!("no setting {other:?}"),
    };
    let store = Store::open(Path::new(&folder))?;
    let wished = store.guilds()?.into_iter().map(|guild| Observation {
        at: guild.state.last.map(|seen| seen.at).unwrap_or_default(),
        by: Evidence::Rest,
        fact: Fact::SettingsChanged(guild.guild_id, change.clone()),
    });
    store.merge(&[wished.collect()])?;
    Ok(())
}
