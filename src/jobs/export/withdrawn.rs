//! Channels that an export withdrew from the archive.

use std::collections::BTreeMap;

use super::decision::{Decision, decisions};
use propsbot_archive::Id;
use propsbot_mirror::WithdrawnPart;
use propsbot_model::{ChannelId, GuildId, Millis, one_line};
use propsbot_store::{Reader, StoreError};

/// These channels with their names, and why they aren't exported.
pub(super) fn explain(store: &Reader, ids: &[Id]) -> Result<Vec<WithdrawnPart>, StoreError> {
    let decided = decisions(store)?.into_iter();
    let decided: BTreeMap<Id, Decision> = decided
        .map(|decision| (Id::new(decision.id), decision))
        .collect();
    let until = latest_deletion(store)?;
    // The id of a deleted thread may be that of a message that was deleted on request.
    let may_be_kept = |id: &&Id| {
        let created = id.as_str().parse().map(ChannelId::created_at);
        decided.contains_key(*id) || created.is_ok_and(|created| Some(created) > until)
    };
    let explain = |id: &Id| {
        let mut part = WithdrawnPart::unknown(id);
        if let Some(decision) = decided.get(id) {
            // Thread names are written by members. They are neither logged nor kept here, where no
            // deletion would find them.
            if !decision.is_thread {
                part.name.clone_from(&decision.name);
            }
            if let Some(why) = decision.withheld {
                part.why = why.to_string();
            }
        }
        part
    };
    Ok(ids.iter().filter(may_be_kept).map(explain).collect())
}

/// A withdrawn channel in one line.
pub fn describe(WithdrawnPart { id, name, why }: &WithdrawnPart) -> String {
    // A guild that was deleted from the store has no name.
    match &*one_line(name) {
        "" => format!("channel {id}: {why}"),
        name => format!("#{name} ({id}): {why}"),
    }
}

/// When a member last had their data deleted, in any guild.
fn latest_deletion(store: &Reader) -> Result<Option<Millis>, StoreError> {
    let mut latest = None;
    for guild in store.guilds()? {
        let wishes = store.privacy(GuildId(guild.id))?;
        latest = latest.max(wishes.iter().filter_map(|wish| wish.forgotten).max());
    }
    Ok(latest)
}
