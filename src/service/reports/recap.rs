//! What a recap tells: the thanks of a week or month.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Leaderboard, channels,
    leaderboard::{board, counted},
    ledger::{Community, Order, entries},
    quota::OverQuota,
};
use propsbot_graph::Rules;
use propsbot_model::{GuildId, InteractionId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// The thanks of a period.
#[derive(Clone, Debug, PartialEq)]
pub struct RecapReport {
    pub period: Range<Millis>,
    /// How many props messages.
    pub thanks: u64,
    /// How many members they thank.
    pub receivers: u64,
    /// Who received most.
    pub board: Leaderboard,
    /// Who was never thanked before, by id.
    pub newcomers: Vec<UserId>,
}

/// The thanks of a period; `None` if there were none.
///
/// It counts only channels that every member can read and that aren't age-restricted, so that everyone who
/// can read the recap can read them too, wherever it's posted. What was thanked elsewhere makes no difference
/// to who is a newcomer, or that would reveal it. Members who hide their name aren't named.
pub(crate) fn report(
    store: &Store,
    guild: GuildId,
    period: Range<Millis>,
) -> Result<Option<RecapReport>, StoreError> {
    let community = Community::read(store, guild, None)?;
    let rules = Rules::new(&community.rows);
    let channels = channels(store, guild, |permissions, channel| {
        permissions.every_member_reads(channel) && !permissions.is_age_restricted(channel)
    })?;
    let asked = (&community, &rules);
    let mut over = OverQuota::new(store, asked, guild)?;
    let first = InteractionId::at(period.start).0;
    let ids = first..=InteractionId::at(period.end).0.saturating_sub(1);
    let (mut thanks, mut counts) = (0, BTreeMap::<UserId, u64>::new());
    for entry in entries(store, asked, &channels, &ids, Order::OldestFirst)? {
        let entry = entry?;
        let Some(props) = entry.props(&rules) else {
            continue;
        };
        if over.of(entry.key())?.is_some() {
            continue;
        }
        thanks += 1;
        for receiver in props.receivers.keys() {
            *counts.entry(*receiver).or_default() += 1;
        }
    }
    if thanks == 0 {
        return Ok(None);
    }
    let members = community.rows.members.iter();
    let mut newcomers: BTreeSet<UserId> = members
        .filter(|row| row.member && !row.bot && !community.is_unnamed(row.user_id))
        .map(|row| row.user_id)
        .filter(|user| counts.contains_key(user))
        .collect();
    for entry in entries(
        store,
        asked,
        &channels,
        &(0..=first.saturating_sub(1)),
        Order::NewestFirst,
    )? {
        if newcomers.is_empty() {
            break;
        }
        let entry = entry?;
        if let Some(props) = entry.props(&rules)
            && props.receivers.keys().any(|user| newcomers.contains(user))
            && over.of(entry.key())?.is_none()
        {
            newcomers.retain(|user| !props.receivers.contains_key(user));
        }
    }
    // A hidden member is another pseudonym in each message.
    let known = counts.keys().filter(|user| !user.is_anonymous());
    Ok(Some(RecapReport {
        period,
        thanks,
        receivers: known.count() as u64,
        newcomers: newcomers.into_iter().collect(),
        board: board(asked, counted(counts), 0),
    }))
}
