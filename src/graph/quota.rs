//! Which props are over their giver's quota: those count nothing.

use std::collections::BTreeMap;

use super::props::{Props, Rules};
use propsbot_model::{GuildId, Limits, Millis, Quota, QuotaPeriod, UserId};

/// What each member has given so far, of props that come in the order of their messages.
///
/// Members who show nothing of themselves share one quota: nobody can tell them apart. The bots whose
/// posts an admin made props have none.
pub struct Quotas<'a> {
    rules: &'a Rules<'a>,
    /// In each period, when the current one began, and how much was given in it that counts.
    given: BTreeMap<(GuildId, UserId), [(Millis, u32); QuotaPeriod::ALL.len()]>,
}

/// As much of props as a quota needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaEntry {
    /// The guild.
    pub guild: GuildId,
    /// Who gives.
    pub giver: UserId,
    /// When the message was posted.
    pub at: Millis,
    /// How many members are thanked.
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
    /// For a community in which nothing was given yet.
    pub fn new(rules: &'a Rules<'a>) -> Self {
        Self {
            rules,
            given: BTreeMap::new(),
        }
    }

    /// Counts these props. Returns the quota that they are over, if so: then they count nothing, and use
    /// nothing of it.
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

    /// The quota that these props would be over.
    pub fn over(&self, entry: &QuotaEntry) -> Option<Quota> {
        let quota = self.quota(entry)?;
        let used = self.used(entry, quota.period);
        (used.saturating_add(entry.thanks) > quota.count).then_some(quota)
    }

    /// How much the giver has given in the period in which these props are.
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
