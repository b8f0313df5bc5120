//! How much of their quota a member has used.
//!
//! Checked before a command gives props and before plain props are acknowledged. Applies the
//! graph's rule to one member's props in the store.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_graph::{QuotaEntry, Quotas, Rules, ThanksKey, Way};
use propsbot_mirror::Record as _;
use propsbot_model::{
    ChannelId, GuildId, InteractionId, Limits, MessageId, MessageState, Millis, Props,
    ReactionThanks, Settings, UserId,
};
use propsbot_rows::{
    ChannelRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, Redactor, Snapshot,
};
use propsbot_store::{Store, StoreError};

/// Longest time between the start of props and their message, in milliseconds. A form is open for
/// up to 15 minutes, and failed posts are retried.
pub const BEGUN_BEFORE_MS: i64 = 86_400_000;

/// A member's use of their quota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Recipients in the current period, counting only props within the quota.
    pub thanks: u32,
    /// Messages over the quota, including earlier periods.
    pub over: BTreeSet<MessageId>,
}

/// The time since when a member's props are needed to compute their usage.
pub fn since(settings: &Settings, now: Millis) -> Millis {
    let start = settings.quota.map_or(now, |quota| quota.period.start(now));
    Limits::needed_since(&settings.limits, start, now)
}

/// A member's command props whose message was posted since this time, including withdrawn ones.
pub fn commands_since(
    store: &Store,
    (guild, giver): (GuildId, UserId),
    since: Millis,
) -> Result<Vec<Props>, StoreError> {
    props_by(store, (guild, giver), Millis(since.0 - BEGUN_BEFORE_MS))
}

/// A member's command props since this time, including withdrawn ones.
pub fn props_by(
    store: &Store,
    (guild, giver): (GuildId, UserId),
    since: Millis,
) -> Result<Vec<Props>, StoreError> {
    let mut all = Vec::new();
    for row in store.given(guild, giver, since) {
        let row = row?;
        if row.is_of(Props::TABLE) {
            all.push(row.read()?);
        }
    }
    Ok(all)
}

/// Command props since this time, including withdrawn ones.
pub fn props_since(store: &Store, guild: GuildId, since: Millis) -> Result<Vec<Props>, StoreError> {
    let from = InteractionId::at(since).0;
    let mut all = Vec::new();
    // Most of a guild's threads have no props.
    let tallies = store.tallies(guild)?.into_iter();
    for tally in tallies.filter(|tally| tally.props > 0) {
        for props in store.props(tally.channel_id, from..=u64::MAX) {
            all.push(props?);
        }
    }
    Ok(all)
}

/// Whether the message was seen or may still come.
///
/// Discord accepts responses for 15 minutes; props without a message by then never count. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>.
pub fn may_be_said(props: &Props, now: Millis) -> bool {
    let age = now.0 - props.id.created_at().0;
    props.message_id.is_some() || props.withdrawn.is_none() && age <= 16 * 60_000
}

/// When props were given: the time of their message, if seen.
pub fn given_at(props: &Props) -> Millis {
    let told = props.message_id.map(MessageId::created_at);
    told.unwrap_or_else(|| props.id.created_at())
}

/// A member's usage at `now`. `commands` are their command props.
pub fn used(
    store: &Store,
    settings: &Settings,
    (guild, giver): (GuildId, UserId),
    now: Millis,
    commands: &[Props],
) -> Result<Used, StoreError> {
    let Some(quota) = settings.quota else {
        return Ok(Used::default());
    };
    let standing: Vec<&Props> = commands
        .iter()
        .filter(|props| props.withdrawn.is_none())
        .collect();
    let mut rows = Snapshot::default();
    let known = store.guild(guild)?;
    let of_guild = known.and_then(|part| GuildRow::new(&part, settings));
    rows.guilds.extend(of_guild);
    for row in store.given(guild, giver, since(settings, now)) {
        let row = row?;
        if row.is_of(MessageState::TABLE) {
            let state: MessageState = row.read()?;
            rows.messages.push(MessageRow::from(&state));
        }
    }
    let mut unseen = Vec::new();
    for props in &standing {
        let seen = match props.message_id {
            Some(message) => store.message(props.channel_id, message)?,
            None => None,
        };
        match seen {
            Some(state) => rows.messages.push(MessageRow::from(&state)),
            // Counts as if its message had been seen, so that members can't get ahead of the
            // gateway.
            None => unseen.push((
                props.message_id.unwrap_or(MessageId(props.id.0)),
                QuotaEntry {
                    guild,
                    giver,
                    at: given_at(props),
                    way: Way::Command,
                    receivers: props.receivers.clone(),
                },
            )),
        }
    }
    rows.channels = channels_of(store, guild, settings, &rows.messages)?;
    let mentioned = rows.messages.iter().flat_map(|row| &row.mentions);
    let mut people: BTreeSet<UserId> = mentioned.map(|mention| mention.user_id).collect();
    people.extend(standing.iter().flat_map(|props| &props.receivers));
    for user in people {
        let member = store.member(guild, user)?;
        rows.members.extend(member.as_ref().map(MemberRow::from));
    }
    let reacted = reacted(store, settings, (guild, giver), now, &mut rows)?;
    let by_message: BTreeMap<MessageId, PropsRow> = standing
        .iter()
        .filter_map(|props| Some((props.message_id?, PropsRow::from(*props))))
        .collect();
    let rules = Rules::new(&rows);
    let judged = rows.messages.iter().filter_map(|row| {
        let props = rules.judge(row, by_message.get(&row.id)).props.ok()?;
        Some((row.id, QuotaEntry::from(&props)))
    });
    let of_messages = judged
        .chain(unseen)
        .map(|(id, entry)| (ThanksKey::of_message(id), entry));
    let mut entries: BTreeMap<ThanksKey, QuotaEntry> = of_messages.collect();
    for (message, reactions) in &reacted {
        for row in rules.thanks_to(message, reactions) {
            let props = rules.judge_thanks(message, row).ok();
            let entry = props.map(|props| QuotaEntry::from(&props));
            entries.extend(entry.map(|entry| (ThanksKey::of_reaction(row), entry)));
        }
    }
    let mut quotas = Quotas::new(&rules);
    let mut over = BTreeSet::new();
    for (key, entry) in &entries {
        if quotas.take(entry).is_some() && key.reacted.is_none() {
            over.insert(key.message);
        }
    }
    let this = QuotaEntry {
        guild,
        giver,
        at: now,
        way: Way::Command,
        receivers: Vec::new(),
    };
    Ok(Used {
        thanks: quotas.used(&this, quota.period),
        over,
    })
}

/// The messages of others that a member reacted to with an emoji that may be thanks, with those reactions;
/// adds their channels and authors, and the member, to the rows.
///
/// Reads only reactions with these emojis.
fn reacted(
    store: &Store,
    settings: &Settings,
    (guild, giver): (GuildId, UserId),
    now: Millis,
    rows: &mut Snapshot,
) -> Result<Vec<(MessageRow, Vec<ReactionRow>)>, StoreError> {
    let states = settings.reaction_thanks.iter();
    let Some(cooldown) = states.map(|state| state.cooldown_minutes).max() else {
        return Ok(Vec::new());
    };
    let since = Millis(since(settings, now).0 - i64::from(cooldown) * 60_000);
    let mut messages = BTreeSet::new();
    for emoji in ReactionThanks::emojis(&settings.reaction_thanks) {
        for reaction in store.with_emoji(guild, &emoji, since..=Millis(i64::MAX)) {
            let reaction = reaction?;
            if reaction.user_id == giver {
                messages.insert((reaction.channel_id, reaction.message_id));
            }
        }
    }
    let of_giver = Redactor::new([store.privacy_of(guild, giver)?]);
    let mut found = Vec::new();
    for (channel, id) in messages {
        let state = store.message(channel, id)?;
        let author = state
            .as_ref()
            .and_then(|state| Some(state.message()?.author.id));
        let Some((state, author)) = state.zip(author) else {
            continue;
        };
        let of_author = Redactor::new([store.privacy_of(guild, author)?]);
        let is_props = store.is_props_channel(guild, channel)?;
        let Some(message) = of_author.message(&state, is_props) else {
            continue;
        };
        let mut reactions = Vec::new();
        for reaction in store.reactions(channel, id.0..=id.0) {
            let reaction = reaction?;
            if reaction.user_id == giver {
                reactions.extend(of_giver.reaction(&reaction));
            }
        }
        if let Some(member) = store.member(guild, author)? {
            rows.members.extend(of_author.member(&member));
        }
        found.push((message, reactions));
    }
    if let Some(member) = store.member(guild, giver)? {
        rows.members.extend(of_giver.member(&member));
    }
    let messages: Vec<MessageRow> = found.iter().map(|(message, _)| message.clone()).collect();
    let known: BTreeSet<ChannelId> = rows.channels.iter().map(|row| row.id).collect();
    let channels = channels_of(store, guild, settings, &messages)?;
    let new = channels.into_iter().filter(|row| !known.contains(&row.id));
    rows.channels.extend(new);
    Ok(found)
}

/// Whether a new plain message exceeds its giver's quota.
pub fn is_over(
    store: &Store,
    settings: &Settings,
    giver: (GuildId, UserId),
    message: MessageId,
) -> Result<bool, StoreError> {
    let now = message.created_at();
    let mut commands = commands_since(store, giver, since(settings, now))?;
    commands.retain(|props| may_be_said(props, now));
    let used = used(store, settings, giver, now, &commands)?;
    Ok(used.over.contains(&message))
}

/// The channels of these messages, and those that they are in. A guild may have thousands.
fn channels_of(
    store: &Store,
    guild: GuildId,
    settings: &Settings,
    messages: &[MessageRow],
) -> Result<Vec<ChannelRow>, StoreError> {
    let mut rows: BTreeMap<ChannelId, ChannelRow> = BTreeMap::new();
    for message in messages {
        let mut next = Some(message.channel_id);
        while let Some(id) = next.filter(|id| !rows.contains_key(id)) {
            let part = store.channel(guild, id)?;
            let row = part.and_then(|part| ChannelRow::new(&part, settings));
            next = row.as_ref().and_then(|row| row.parent_id);
            rows.extend(row.map(|row| (id, row)));
        }
    }
    Ok(rows.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::PropsOrigin;

    #[test]
    fn props_without_a_message_expire_after_15_minutes() {
        let given = |minutes: i64, message: Option<u64>| Props {
            id: InteractionId::at(Millis(1_700_000_000_000 - minutes * 60_000)),
            guild_id: GuildId(1),
            channel_id: ChannelId(2),
            message_id: message.map(MessageId),
            giver: UserId(5),
            receivers: vec![UserId(9)],
            reason: String::new(),
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: None,
        };
        let now = Millis(1_700_000_000_000);
        for (props, counts) in [
            (given(1, None), true),
            (given(15, None), true),
            (given(17, None), false),
            (given(17, Some(7)), true),
        ] {
            assert_eq!(may_be_said(&props, now), counts, "{props:?}");
        }
    }
}
