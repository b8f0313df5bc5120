//! What may leave the store as of one instant.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{decided, exported_channels};
use propsbot_archive::{ExportPart, ExportSpace, Id, ManifestHistory};
use propsbot_mirror::Contents;
use propsbot_model::{
    ChannelId, ChannelKind, Class, FailureObject, Guild, GuildId, Message, MessageId, Millis,
    Privacy, Stamp, Tier, tables,
};
use propsbot_rows::{ChannelRow, Redactor, covered_times, without_unseen};
use propsbot_store::{Dirty, Mark, Reader, StoreError};

const DAY_MS: i64 = 86_400_000;

/// The exported guilds and channels, and what changed in them.
pub(super) fn contents(store: &Reader) -> Result<Contents, StoreError> {
    let dirty = store.dirty()?;
    let mut guilds = Vec::new();
    for part in store.guilds()? {
        let Some(guild) = part.state.ever() else {
            continue;
        };
        let synced: BTreeMap<Class, Millis> = store
            .synced(guild.id)?
            .iter()
            .map(|synced| (synced.class, synced.at.millis()))
            .collect();
        guilds.push(ExportSpace {
            id: Id::new(guild.id),
            name: guild.name.clone(),
            heard_at: heard_at(store, guild.id)?,
            synced: Class::ALL
                .iter()
                .map(|class| (class.to_string(), synced.get(class).copied()))
                .collect(),
            history: Some(ManifestHistory {
                known_until: Some(store.history_known_until(guild.id)?.millis()),
                reread_at: store.scrub(guild.id)?.last_reread(),
            }),
            // The ledger has those of the archive that the store was restored from.
            stamps: None,
            parts: parts(store, guild)?,
        });
    }
    let marks = dirty.iter().map(|dirty| &dirty.mark);
    let again = reconsidered(store, &marks)?;
    let has_choices = {
        let mut guilds = store.guilds()?.into_iter();
        guilds.try_fold(false, |found, guild| {
            Ok::<_, StoreError>(found || !store.privacy(guild.guild_id)?.is_empty())
        })?
    };
    Ok(Contents {
        spaces: guilds,
        changed: marks.chain(&again).flat_map(propsbot_rows::marks).collect(),
        carries_out_choices: dirty.iter().any(is_choice),
        has_choices,
        marks: dirty,
    })
}

/// The exported channels of a guild, with their names as they are shown in its rows.
fn exported(store: &Reader, guild: &Guild) -> Result<Vec<(ChannelId, String)>, StoreError> {
    let (roles, channels) = (store.roles(guild.id)?, exported_channels(store, guild.id)?);
    let settings = store.settings(guild.id)?;
    let redactor = Redactor::new(store.strictest_privacy(guild.id)?);
    let rows = channels.iter();
    let rows = rows.filter_map(|channel| ChannelRow::new(channel, &settings));
    let rows = rows.map(|row| redactor.channel(row));
    let mut names: BTreeMap<ChannelId, String> = rows.map(|row| (row.id, row.name)).collect();
    let public = decided(guild, &settings, &roles, &channels).into_iter();
    let public = public.filter(|(_, withheld)| withheld.is_none());
    let public = public.map(|(channel, _)| (channel.id, names.remove(&channel.id)));
    Ok(public
        .map(|(channel, name)| (channel, name.unwrap_or_default()))
        .collect())
}

/// The exported channels of a guild, with the times in which each is complete.
fn parts(store: &Reader, guild: &Guild) -> Result<Vec<ExportPart>, StoreError> {
    let (coverage, unfinished) = (store.coverage(guild.id)?, unfinished(store, guild.id)?);
    let session = store.session(guild.id)?.number;
    let heard = heard_at(store, guild.id)?;
    let window = i64::from(store.settings(guild.id)?.look_back_days) * DAY_MS;
    let covered = |channel: ChannelId| {
        let known = coverage.get(&channel)?;
        let is_live = known.live.is_some_and(|live| live.session == session);
        let unfinished = unfinished.get(&channel).cloned().unwrap_or_default();
        let covered = covered_times(known, heard.filter(|_| is_live), &unfinished);
        Some(match known.unseen_since {
            Some(since) => without_unseen(covered, since.millis(), window),
            None => covered,
        })
    };
    let exported = exported(store, guild)?.into_iter();
    let parts = exported.map(|(channel, name)| ExportPart {
        id: Id::new(channel),
        name,
        covered: covered(channel).unwrap_or_default(),
    });
    Ok(parts.collect())
}

/// The time up to which events of the guild arrived; `None` if unknown.
fn heard_at(store: &Reader, guild: GuildId) -> Result<Option<Millis>, StoreError> {
    let session = store.session(guild)?;
    let until = [session.unheard, session.disconnected];
    let heard = until.into_iter().flatten().fold(store.heard()?, Stamp::min);
    Ok(Some(heard.millis()).filter(|heard| heard.0 > 0))
}

/// Whether the mark is that of a privacy choice.
pub(super) fn is_choice(dirty: &Dirty) -> bool {
    dirty.mark.is_of(tables::PRIVACY)
}

/// What must be read again because it may now be redacted differently.
///
/// Props-channel thanks are kept even for members who opted out of everything. Which channels are
/// props channels follows from the settings or, without a setting there, from the names of channels
/// and their categories.
pub(super) fn reconsidered<'a>(
    store: &Reader,
    changed: &(impl Iterator<Item = &'a Mark> + Clone),
) -> Result<BTreeSet<Mark>, StoreError> {
    let mut again = BTreeSet::new();
    let wishes = changed.clone().any(|mark| mark.is_of(tables::PRIVACY));
    for guild in store.guilds()?.into_iter().map(|guild| guild.guild_id) {
        if wishes {
            // The strictest choice applies in all guilds.
            again.insert(Mark::of_space(guild, tables::PRIVACY));
        }
        let space = Id::new(guild);
        let of_guild = |table| {
            let mut changed = changed.clone();
            changed.any(|mark| mark.space == space && mark.is_of(table))
        };
        let moved = of_guild(tables::SETTINGS)
            || of_guild(tables::CHANNELS) && follow_channels(store, guild)?;
        let hides = |privacy: &Privacy| privacy.tier == Tier::Everything;
        if moved && store.strictest_privacy(guild)?.iter().any(hides) {
            // Reactions are exported with their message.
            again.insert(Mark::of_space(guild, tables::MESSAGES));
            again.insert(Mark::of_space(guild, tables::REACTIONS));
        }
    }
    Ok(again)
}

/// Whether a change of a channel can make it a props channel.
fn follow_channels(store: &Reader, guild: GuildId) -> Result<bool, StoreError> {
    let Some(chosen) = store.settings(guild)?.props_channels else {
        return Ok(true);
    };
    for id in chosen {
        let channel = store.channel(guild, id)?;
        let channel = channel.as_ref().and_then(|channel| channel.state.ever());
        if channel.is_some_and(|channel| channel.kind == ChannelKind::CATEGORY) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The incomplete messages: unreadable, with a missing text, or with missing reactors.
fn unfinished(
    store: &Reader,
    guild: GuildId,
) -> Result<BTreeMap<ChannelId, BTreeSet<MessageId>>, StoreError> {
    let pending = store.pending(guild)?;
    let pending = pending.iter().filter(|list| list.is_missing());
    let pending = pending.map(|list| (list.channel_id, list.message_id));
    let failures = store.failures(guild)?;
    let failed = failures.iter().filter_map(|failure| match &failure.object {
        FailureObject::Message(channel, message)
        | FailureObject::Reactions(channel, message, ..) => Some((*channel, *message)),
        _ => None,
    });
    let mut unfinished: BTreeMap<ChannelId, BTreeSet<MessageId>> = BTreeMap::new();
    for (channel, message) in pending.chain(failed) {
        unfinished.entry(channel).or_default().insert(message);
    }
    let tallies = store.tallies(guild)?.into_iter();
    for tally in tallies.filter(|tally| tally.texts_missing > 0) {
        for state in store.messages(tally.channel_id, 0..=u64::MAX) {
            let state = state?;
            if state.message().is_some_and(Message::text_is_missing) {
                unfinished
                    .entry(tally.channel_id)
                    .or_default()
                    .insert(state.id);
            }
        }
    }
    Ok(unfinished)
}
