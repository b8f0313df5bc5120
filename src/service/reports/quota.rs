//! The props that are over their giver's quota, by the rules of the exported graph.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::ledger::{self, Community, Order, entries};
use propsbot_graph::{QuotaEntry, Quotas, Rules};
use propsbot_jobs::quota::BEGUN_BEFORE_MS;
use propsbot_model::{
    Channel, ChannelId, GuildId, InteractionId, Limits, MessageId, Millis, Quota, QuotaPeriod,
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
    months: BTreeMap<Millis, BTreeMap<MessageId, Quota>>,
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
        let channels = known
            .iter()
            .filter(|channel| {
                with_commands.contains(&channel.id) || rules.is_props_channel(channel.id)
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

    /// The quota that this message's props exceed.
    pub(super) fn of(&mut self, message: MessageId) -> Result<Option<Quota>, StoreError> {
        let at = message.created_at();
        let limits = self.rules.limits(self.guild);
        if Limits::at(limits, at).is_none_or(|limits| limits.quota.is_none()) {
            return Ok(None);
        }
        let month = QuotaPeriod::Month.start(at);
        if !self.months.contains_key(&month) {
            let over = self.in_month(limits, month)?;
            self.months.insert(month, over);
        }
        let of_month = self.months.get(&month);
        Ok(of_month.and_then(|over| over.get(&message)).copied())
    }

    fn in_month(
        &self,
        limits: &[Limits],
        month: Millis,
    ) -> Result<BTreeMap<MessageId, Quota>, StoreError> {
        let end = Millis(QuotaPeriod::Month.end(month).0 - 1);
        let since = Limits::needed_since(limits, month, end);
        let from = InteractionId::at(Millis(since.0 - BEGUN_BEFORE_MS)).0;
        let ids = from..=InteractionId::at(Millis(end.0 + 1)).0;
        let veiled = (&self.community.redactor, self.rules);
        let channels: Vec<ChannelId> = self.channels.keys().copied().collect();
        let mut given = BTreeMap::new();
        for entry in entries(self.store, veiled, &channels, &ids, Order::OldestFirst)? {
            let ledger::Entry {
                message,
                given: row,
                ..
            } = entry?;
            if message.id.created_at() < since {
                continue;
            }
            if let Ok(props) = self.rules.judge(&message, row.as_ref()).props
                && let Entry::Vacant(new) = given.entry(message.id)
            {
                let exported = self.channels.get(&message.channel_id) == Some(&true);
                new.insert((QuotaEntry::from(&props), exported));
            }
        }
        let mut quotas = Quotas::new(self.rules);
        let mut over = BTreeMap::new();
        for (message, (entry, exported)) in &given {
            // Props that aren't exported use no quota of those that are.
            let quota = if *exported {
                quotas.take(entry)
            } else {
                quotas.over(entry)
            };
            over.extend(quota.map(|quota| (*message, quota)));
        }
        Ok(over)
    }
}
