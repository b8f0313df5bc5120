//! Which props exceed their giver's quota, or come too soon, and therefore don't count.

use std::collections::BTreeMap;

use super::props::{NoProps, Props, Rules};
use propsbot_model::{GuildId, Limits, Millis, Quota, QuotaPeriod, ReactionThanks, UserId};

/// What each member has given so far. Props must be added in the order in which they were given.
///
/// Members who opted out of everything share one quota per guild, because they can't be told apart.
/// Bots whose posts an admin made props have no quota.
pub struct Quotas<'a> {
    rules: &'a Rules<'a>,
    /// For each kind of period: the start of the latest one, and the recipients counted in it.
    given: BTreeMap<(GuildId, UserId), [(Millis, u32); QuotaPeriod::ALL.len()]>,
    /// When a member last thanked another one by command or reaction.
    thanked: BTreeMap<(GuildId, UserId, UserId), Millis>,
}

/// The data of props that a quota and a cooldown depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaEntry {
    pub guild: GuildId,
    pub giver: UserId,
    /// When they were given.
    pub at: Millis,
    pub way: Way,
    pub receivers: Vec<UserId>,
}

/// How props are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Command,
    Message,
    Reaction,
}

impl From<&Props<'_>> for QuotaEntry {
    fn from(props: &Props<'_>) -> Self {
        Self {
            guild: props.guild,
            giver: props.giver,
            at: props.given,
            way: match (props.command, &props.emoji) {
                (Some(_), _) => Way::Command,
                (None, Some(_)) => Way::Reaction,
                (None, None) => Way::Message,
            },
            receivers: props.receivers.keys().copied().collect(),
        }
    }
}

impl QuotaEntry {
    fn thanks(&self) -> u32 {
        u32::try_from(self.receivers.len()).unwrap_or(u32::MAX)
    }
}

impl<'a> Quotas<'a> {
    /// Starts without any props.
    pub fn new(rules: &'a Rules<'a>) -> Self {
        Self {
            rules,
            given: BTreeMap::new(),
            thanked: BTreeMap::new(),
        }
    }

    /// Adds these props. Returns why they don't count if they exceed the quota or come too soon; then
    /// they use no quota, and no cooldown begins with them.
    pub fn take(&mut self, entry: &QuotaEntry) -> Option<NoProps> {
        let why_not = self.exceeded(entry);
        if why_not.is_none() {
            let used = QuotaPeriod::ALL.map(|period| {
                let used = self.used(entry, period).saturating_add(entry.thanks());
                (period.start(entry.at), used)
            });
            self.given.insert(key(entry), used);
            let has_cooldown = !self.rules.reaction_thanks(entry.guild).is_empty();
            if has_cooldown && entry.way != Way::Message {
                let thanked = entry.receivers.iter();
                let thanked = thanked.map(|to| ((entry.guild, entry.giver, *to), entry.at));
                self.thanked.extend(thanked);
            }
        }
        why_not
    }

    /// Why these props wouldn't count: they would exceed the quota, or come too soon.
    pub fn exceeded(&self, entry: &QuotaEntry) -> Option<NoProps> {
        if let Some(minutes) = self.too_soon(entry) {
            return Some(NoProps::TooSoon(minutes));
        }
        let quota = self.quota(entry)?;
        let used = self.used(entry, quota.period);
        (used.saturating_add(entry.thanks()) > quota.count).then_some(NoProps::OverQuota(quota))
    }

    /// The cooldown in minutes, if it isn't over yet. A command was held back by its own when it was run.
    fn too_soon(&self, entry: &QuotaEntry) -> Option<u32> {
        if entry.way != Way::Reaction {
            return None;
        }
        let chosen = ReactionThanks::at(self.rules.reaction_thanks(entry.guild), entry.at)?;
        let minutes = chosen.cooldown_minutes;
        let again = |last: &Millis| Millis(last.0 + i64::from(minutes) * 60_000);
        let mut receivers = entry.receivers.iter();
        let is_soon = receivers.any(|to| {
            let last = self.thanked.get(&(entry.guild, entry.giver, *to));
            last.is_some_and(|last| again(last) > entry.at)
        });
        is_soon.then_some(minutes)
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
