//! Has age-restricted channels exported, as an admin does with `/settings`: for the stores of tests whose
//! Discord has no slash commands. Takes the store's folder.

use std::path::Path;

use anyhow::Context as _;
use propsbot_model::{Evidence, Fact, Observation, SettingsChange};
use propsbot_store::Store;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("name the store's folder")?;
    let store = Store::open(Path::new(&folder))?;
    let wished = store.guilds()?.into_iter().map(|guild| Observation {
        at: guild.state.last.map(|seen| seen.at).unwrap_or_default(),
        by: Evidence::Rest,
        fact: Fact::SettingsChanged(guild.guild_id, SettingsChange::AgeRestricted(true)),
    });
    store.merge(&[wished.collect()])?;
    Ok(())
}
