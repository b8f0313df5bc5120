//! What each guild has of its own, so that no guild waits for another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use propsbot_model::GuildId;

/// One `T` for each guild, made when it is first asked for. Cheap to clone, and shared then.
#[derive(Clone, Debug, Default)]
pub struct PerGuild<T>(Arc<Mutex<BTreeMap<GuildId, T>>>);

impl<T: Clone + Default> PerGuild<T> {
    pub fn of(&self, guild: GuildId) -> T {
        let mut all = self.0.lock().expect("no look panics");
        all.entry(guild).or_default().clone()
    }

    pub fn all(&self) -> Vec<(GuildId, T)> {
        let all = self.0.lock().expect("no look panics");
        all.iter().map(|(id, state)| (*id, state.clone())).collect()
    }
}
