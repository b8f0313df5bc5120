//! What reactions would have given in the last 30 days if they had been thanks, and what meetings would have.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    channels,
    ledger::{Community, Order, entries},
    quota::OverQuota,
};
use propsbot_graph::{
    Rules,
    meetings::{EventsTotal, MeetingsConfig, MeetingsTotal},
};
use propsbot_mirror::Record as _;
use propsbot_model::{
    ChannelId, Emoji, EmojiKey, GuildId, InteractionId, MessageId, Millis, Reaction,
};
use propsbot_rows::EventRow;
use propsbot_store::{Store, StoreError};

/// How many days a preview is about.
pub const PREVIEW_DAYS: i64 = 30;

/// How many emojis a preview tries.
const TRIED: usize = 3;

/// What reactions with an emoji would have given in exported channels, under today's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThanksPreview {
    pub emoji: Emoji,
    pub thanks: usize,
    pub givers: usize,
    pub receivers: usize,
}

/// What the meetings plugin would have counted, with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct MeetingsPreview {
    /// The exported channels with "meeting" in their name.
    pub channels: Vec<ChannelId>,
    pub total: MeetingsTotal,
}

/// What scheduled events give the meetings plugin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventsPreview {
    /// They are kept: what those of the last days give.
    Kept(EventsTotal),
    /// They aren't. As many are announced on Discord, by so many members.
    Announced { events: usize, hosts: usize },
}

/// What the exported events that took place would have given.
pub(crate) fn events_preview(store: &Store, guild: GuildId) -> Result<EventsPreview, StoreError> {
    let now = store.newest()?.millis();
    let times = Millis(now.0 - PREVIEW_DAYS * 86_400_000)..=now;
    let settings = store.settings(guild)?;
    let exported = channels(store, guild, |permissions, channel| {
        settings.withheld(channel, permissions).is_none()
    })?;
    let mut community = Community::read(store, guild, None)?;
    for event in store.scheduled_events(guild)? {
        community
            .rows
            .events
            .extend(community.redactor.event(&event));
    }
    let is_exported = |row: &EventRow| row.channel_id.is_none_or(|id| exported.contains(&id));
    community.rows.events.retain(is_exported);
    let config = MeetingsConfig::of(BTreeSet::new());
    let total = EventsTotal::of(&community.rows, &config, &times);
    Ok(EventsPreview::Kept(total))
}

/// The preview of the meetings plugin; `None` if it would have counted none.
pub(crate) fn meetings_preview(
    store: &Store,
    guild: GuildId,
) -> Result<Option<MeetingsPreview>, StoreError> {
    let settings = store.settings(guild)?;
    let channels = channels(store, guild, |permissions, channel| {
        !channel.is_thread()
            && channel.name.to_lowercase().contains("meeting")
            && settings.withheld(channel, permissions).is_none()
    })?;
    if channels.is_empty() {
        return Ok(None);
    }
    let from = Millis(store.newest()?.millis().0 - PREVIEW_DAYS * 86_400_000);
    let mut community = Community::read(store, guild, None)?;
    for channel in &channels {
        let is_props = store.is_props_channel(guild, *channel)?;
        for state in store.messages(*channel, MessageId::at(from).0..=u64::MAX) {
            let row = community.redactor.message(&state?, is_props);
            let row = row.filter(|row| !row.mentions.is_empty());
            community.rows.messages.extend(row);
        }
    }
    let config = MeetingsConfig::of(channels.iter().copied().collect());
    let total = MeetingsTotal::of(&community.rows, &config);
    Ok((total.meetings > 0).then_some(MeetingsPreview { channels, total }))
}

/// The preview of the emojis that members used most; empty if reactions are thanks already.
pub(crate) fn previews(store: &Store, guild: GuildId) -> Result<Vec<ThanksPreview>, StoreError> {
    let settings = store.settings(guild)?;
    if settings.thanks_emoji.is_some() {
        return Ok(Vec::new());
    }
    let now = store.newest()?.millis();
    let from = Millis(now.0 - PREVIEW_DAYS * 86_400_000);
    let exported = channels(store, guild, |permissions, channel| {
        settings.withheld(channel, permissions).is_none()
    })?;
    let mut community = Community::read(store, guild, None)?;
    let mut found = Vec::new();
    for emoji in most_used(store, &community, &exported, from)? {
        let state = settings.thanks_by(Some(&emoji.to_string()), from);
        for row in &mut community.rows.guilds {
            row.reaction_thanks = vec![state.clone()];
        }
        let rules = Rules::new(&community.rows);
        let mut over = OverQuota::new(store, (&community, &rules), guild)?;
        let ids = InteractionId::at(from).0..=u64::MAX;
        let (mut thanks, mut givers, mut receivers) = (0, BTreeSet::new(), BTreeSet::new());
        let asked = (&community, &rules);
        for entry in entries(store, asked, &exported, &ids, Order::OldestFirst)? {
            let entry = entry?;
            let Some(props) = entry.props(&rules).filter(|_| entry.reaction.is_some()) else {
                continue;
            };
            if over.of(entry.key())?.is_none() {
                thanks += 1;
                givers.insert(props.giver);
                receivers.extend(props.receivers.into_keys());
            }
        }
        found.push(ThanksPreview {
            emoji,
            thanks,
            givers: givers.len(),
            receivers: receivers.len(),
        });
    }
    found.retain(|preview| preview.thanks > 0);
    found.sort_by_key(|preview| Reverse(preview.thanks));
    Ok(found)
}

/// The emojis with which members reacted most in these channels since a time, among those that an admin
/// can choose.
fn most_used(
    store: &Store,
    community: &Community,
    channels: &[ChannelId],
    from: Millis,
) -> Result<Vec<Emoji>, StoreError> {
    let Some(guild) = community.rows.guilds.first() else {
        return Ok(Vec::new());
    };
    let rules = Rules::new(&community.rows);
    let mut used: BTreeMap<EmojiKey, usize> = BTreeMap::new();
    for row in store.recent(guild.id, from..=Millis(i64::MAX)) {
        let row = row?;
        if !row.is_of(Reaction::TABLE) {
            continue;
        }
        let reaction: Reaction = row.read()?;
        if channels.binary_search(&reaction.channel_id).is_ok()
            && let Some(row) = community.redactor.reaction(&reaction)
            && let Ok((emoji, _)) = rules.judge_reaction(&row)
        {
            *used.entry(emoji).or_default() += 1;
        }
    }
    let emojis = &community.rows.emojis;
    let mut used: Vec<(usize, Emoji)> = used
        .into_iter()
        .filter_map(|(key, count)| {
            let own = emojis
                .iter()
                .find(|row| row.own && row.deleted_at.is_none() && key == EmojiKey::Custom(row.id));
            let is_usable = own.is_some() || matches!(key, EmojiKey::Unicode(_));
            let emoji = Emoji {
                key,
                name: own.and_then(|row| row.name.clone()),
                animated: own.is_some_and(|row| row.animated),
            };
            is_usable.then_some((count, emoji))
        })
        .collect();
    used.sort_by(|one, next| next.0.cmp(&one.0).then_with(|| one.1.cmp(&next.1)));
    used.truncate(TRIED);
    Ok(used.into_iter().map(|(_, emoji)| emoji).collect())
}
