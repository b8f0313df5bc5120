//! How much of their quota a member has used.
//!
//! Checked before a command gives props and before plain props are acknowledged. Applies the
//! graph's rule to one member's props in the store.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_graph::{QuotaEntry, Quotas, Rules};
use propsbot_mirror::Record as _;
use propsbot_model::{
    ChannelId, GuildId, InteractionId, Limits, MessageId, MessageState, Millis, Props, Settings,
    UserId,
};
use propsbot_rows::{ChannelRow, GuildRow, MemberRow, MessageRow, PropsRow, Snapshot};
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
                    thanks: u32::try_from(props.receivers.len()).unwrap_or(u32::MAX),
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
    let by_message: BTreeMap<MessageId, PropsRow> = standing
        .iter()
        .filter_map(|props| Some((props.message_id?, PropsRow::from(*props))))
        .collect();
    let rules = Rules::new(&rows);
    let judged = rows.messages.iter().filter_map(|row| {
        let props = rules.judge(row, by_message.get(&row.id)).props.ok()?;
        Some((row.id, QuotaEntry::from(&props)))
    });
    let entries: BTreeMap<MessageId, QuotaEntry> = judged.chain(unseen).collect();
    let mut quotas = Quotas::new(&rules);
    let is_over = |(id, entry): (&MessageId, &QuotaEntry)| quotas.take(entry).map(|_| *id);
    let over = entries.iter().filter_map(is_over).collect();
    let this = QuotaEntry {
        guild,
        giver,
        at: now,
        thanks: 0,
    };
    Ok(Used {
        thanks: quotas.used(&this, quota.period),
        over,
    })
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
