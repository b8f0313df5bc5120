//! The props that are over their giver's quota or come too soon, by the rules of the exported graph.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::ledger::{Community, Order, entries};
use propsbot_graph::{NoProps, QuotaEntry, Quotas, Rules, ThanksKey};
use propsbot_jobs::quota::BEGUN_BEFORE_MS;
use propsbot_model::{
    Channel, ChannelId, GuildId, InteractionId, Limits, Millis, QuotaPeriod,
    permissions::Permissions,
};
use propsbot_store::{Store, StoreError};

/// Computed month by month, on demand.
pub(super) struct OverQuota<'a> {
    store: &'a Store,
    community: &'a Community,
    rules: &'a Rules<'a>,
    guild: GuildId,
    /// The channels that may have props, and whether they are exported.
    channels: BTreeMap<ChannelId, bool>,
    months: BTreeMap<Millis, BTreeMap<ThanksKey, NoProps>>,
}

impl<'a> OverQuota<'a> {
    pub(super) fn new(
        store: &'a Store,
        (community, rules): (&'a Community, &'a Rules<'a>),
        guild: GuildId,
    ) -> Result<Self, StoreError> {
        let (settings, part) = (store.settings(guild)?, store.guild(guild)?);
        let (guild_roles, parts) = (store.roles(guild)?, store.channels(guild)?);
        // Deleted channels in their last state: their props may still count.
        let known: Vec<&Channel> = parts.iter().filter_map(|part| part.state.ever()).collect();
        let standing = guild_roles.iter().filter_map(|role| role.state.now());
        let permissions = part.as_ref().and_then(|part| part.state.ever());
        let permissions =
            permissions.map(|of_guild| Permissions::new(of_guild, standing, known.iter().copied()));
        let tallies = store.tallies(guild)?.into_iter();
        let with_commands: BTreeSet<ChannelId> = tallies
            .filter(|tally| tally.props > 0)
            .map(|tally| tally.channel_id)
            .collect();
        let is_exported = |channel: &Channel| {
            let permissions = permissions.as_ref();
            permissions.is_some_and(|permissions| settings.withheld(channel, permissions).is_none())
        };
        let by_reaction = !rules.reaction_thanks(guild).is_empty();
        let channels = known
            .iter()
            .filter(|channel| {
                by_reaction
                    || with_commands.contains(&channel.id)
                    || rules.is_props_channel(channel.id)
            })
            .map(|channel| (channel.id, is_exported(channel)))
            .collect();
        Ok(Self {
            store,
            community,
            rules,
            guild,
            channels,
            months: BTreeMap::new(),
        })
    }

    /// Why these thanks don't count although they do by themselves: they exceed the giver's quota, or come
    /// too soon.
    pub(super) fn of(&mut self, key: ThanksKey) -> Result<Option<NoProps>, StoreError> {
        let limits = self.rules.limits(self.guild);
        let has_quota = Limits::at(limits, key.given).is_some_and(|limits| limits.quota.is_some());
        if !has_quota && key.reacted.is_none() {
            return Ok(None);
        }
        let month = QuotaPeriod::Month.start(key.given);
        if !self.months.contains_key(&month) {
            let over = self.in_month(limits, month)?;
            self.months.insert(month, over);
        }
        let of_month = self.months.get(&month);
        Ok(of_month.and_then(|over| over.get(&key)).copied())
    }

    fn in_month(
        &self,
        limits: &[Limits],
        month: Millis,
    ) -> Result<BTreeMap<ThanksKey, NoProps>, StoreError> {
        let end = Millis(QuotaPeriod::Month.end(month).0 - 1);
        let mut since = Limits::needed_since(limits, month, end);
        // Which thanks a cooldown holds back depends on those that counted before.
        let states = self.rules.reaction_thanks(self.guild).iter();
        let first = states.take_while(|state| state.since <= end);
        let first = first
            .filter(|state| state.cooldown_minutes > 0)
            .map(|state| {
                let before = i64::from(state.cooldown_minutes) * 60_000;
                Millis(state.since.0 - before)
            });
        since = first.min().map_or(since, |first| first.min(since));
        since = Limits::needed_since(limits, since, end);
        let from = InteractionId::at(Millis(since.0 - BEGUN_BEFORE_MS)).0;
        let ids = from..=InteractionId::at(Millis(end.0 + 1)).0;
        let asked = (self.community, self.rules);
        let channels: Vec<ChannelId> = self.channels.keys().copied().collect();
        let mut given = BTreeMap::new();
        for entry in entries(self.store, asked, &channels, &ids, Order::OldestFirst)? {
            let entry = entry?;
            let key = entry.key();
            if key.given < since {
                continue;
            }
            if let Some(props) = entry.props(self.rules)
                && let Entry::Vacant(new) = given.entry(key)
            {
                let exported = self.channels.get(&entry.message.channel_id) == Some(&true);
                new.insert((QuotaEntry::from(&props), exported));
            }
        }
        let mut quotas = Quotas::new(self.rules);
        let mut over = BTreeMap::new();
        for (key, (entry, exported)) in &given {
            // Props that aren't exported use no quota of those that are.
            let why_not = if *exported {
                quotas.take(entry)
            } else {
                quotas.exceeded(entry)
            };
            over.extend(why_not.map(|why_not| (*key, why_not)));
        }
        Ok(over)
    }
}
