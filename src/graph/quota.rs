//! Which props exceed their giver's quota and therefore don't count.

use std::collections::BTreeMap;

use super::props::{Props, Rules};
use propsbot_model::{GuildId, Limits, Millis, Quota, QuotaPeriod, UserId};

/// What each member has given so far. Props must be added in message order.
///
/// Members who opted out of everything share one quota per guild, because they can't be told apart.
/// Bots whose posts an admin made props have no quota.
pub struct Quotas<'a> {
    rules: &'a Rules<'a>,
    /// For each kind of period: the start of the latest one, and the recipients counted in it.
    given: BTreeMap<(GuildId, UserId), [(Millis, u32); QuotaPeriod::ALL.len()]>,
}

/// The data of props that a quota depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaEntry {
    pub guild: GuildId,
    pub giver: UserId,
    /// When the message was posted.
    pub at: Millis,
    pub thanks: u32,
}

impl From<&Props<'_>> for QuotaEntry {
    fn from(props: &Props<'_>) -> Self {
        Self {
            guild: props.guild,
            giver: props.giver,
            at: props.given,
            thanks: u32::try_from(props.receivers.len()).unwrap_or(u32::MAX),
        }
    }
}

impl<'a> Quotas<'a> {
    /// Starts without any props.
    pub fn new(rules: &'a Rules<'a>) -> Self {
        Self {
            rules,
            given: BTreeMap::new(),
        }
    }

    /// Adds these props. Returns the quota if they exceed it; then they don't count and use none of
    /// it.
    pub fn take(&mut self, entry: &QuotaEntry) -> Option<Quota> {
        let over = self.over(entry);
        if over.is_none() {
            let used = QuotaPeriod::ALL.map(|period| {
                let used = self.used(entry, period).saturating_add(entry.thanks);
                (period.start(entry.at), used)
            });
            self.given.insert(key(entry), used);
        }
        over
    }

    /// The quota that these props would exceed.
    pub fn over(&self, entry: &QuotaEntry) -> Option<Quota> {
        let quota = self.quota(entry)?;
        let used = self.used(entry, quota.period);
        (used.saturating_add(entry.thanks) > quota.count).then_some(quota)
    }

    /// The number of recipients that count so far in the period of these props.
    pub fn used(&self, entry: &QuotaEntry, period: QuotaPeriod) -> u32 {
        let given = self.given.get(&key(entry));
        let of_period = given.map(|given| given[period as usize]);
        match of_period {
            Some((start, used)) if start == period.start(entry.at) => used,
            _ => 0,
        }
    }

    fn quota(&self, entry: &QuotaEntry) -> Option<Quota> {
        if self.rules.is_props_bot(entry.guild, entry.giver) {
            return None;
        }
        Limits::at(self.rules.limits(entry.guild), entry.at)?.quota
    }
}

fn key(entry: &QuotaEntry) -> (GuildId, UserId) {
    if entry.giver.is_anonymous() {
        (entry.guild, UserId::nobody(0))
    } else {
        (entry.guild, entry.giver)
    }
}
