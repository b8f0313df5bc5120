//! What is still to be fetched, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Channel, ChannelId, Coverage, Guild, Interval, Listed, MessageId, Millis, Pending, Role,
    RoleId, SessionNumber, Settings, UserId,
    permissions::{MANAGE_THREADS, Permissions},
};

/// A guild as Discord describes it now, and what of it we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The guild.
    pub guild: Guild,
    /// All of its roles.
    pub roles: Vec<Role>,
    /// All of its channels and every thread that was found.
    pub channels: Vec<Listed>,
    /// The bot's user.
    pub bot: UserId,
    /// The bot's roles.
    pub bot_roles: Vec<RoleId>,
    /// Threads that are known but were not listed now; nothing new is expected of them.
    pub kept_threads: BTreeSet<ChannelId>,
}

impl Described {
    /// Permissions as they follow from it.
    pub fn permissions(&self) -> Permissions<'_> {
        Permissions::new(
            &self.guild,
            &self.roles,
            self.channels.iter().map(|it| &it.channel),
        )
    }

    /// Whether the bot may read all of the channel. Where the role that everyone has is not told,
    /// that cannot be computed: then it is tried.
    pub fn reads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
        if self.roles.iter().all(|role| role.id.0 != self.guild.id.0) {
            return true;
        }
        permissions.member_reads(self.bot, &self.bot_roles, channel)
    }

    /// Whether the bot may see the channel's private threads.
    pub fn sees_private_threads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
        permissions.of_member(self.bot, &self.bot_roles, channel) & MANAGE_THREADS != 0
    }
}

/// Messages to be listed: those with ids in `(after, to]`, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The last id that is not asked for.
    pub after: MessageId,
    /// The first id to be listed; `None` for whatever is newest.
    pub to: Option<MessageId>,
}

/// What is to be done in one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The channel or thread.
    pub channel_id: ChannelId,
    /// What it is called.
    pub name: String,
    /// The last message posted, as described.
    pub last_message_id: Option<MessageId>,
    /// A message that was there: Discord's last one, or else ours. Where a list is empty, it tells
    /// whether the channel may still be read.
    pub witness: Option<MessageId>,
    /// What is to be listed, newest first.
    pub reads: Vec<Read>,
    /// The session in which the channel is to go live: what is posted from here on arrives by the
    /// gateway.
    pub go_live: Option<SessionNumber>,
    /// Lists of reactors that an earlier run left to be fetched.
    pub reactors: Vec<Pending>,
}

/// What is to be done in a guild: props channels first, then those with the newest messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every channel with messages that the bot may read, also those with nothing to do.
    pub channels: Vec<ChannelPlan>,
    /// Every channel with messages that the bot may not read.
    pub unreadable: Vec<ChannelId>,
}

/// What is known already.
pub struct Settled<'a> {
    /// The coverage of each channel.
    pub coverage: &'a BTreeMap<ChannelId, Coverage>,
    /// Lists of reactors still to be fetched.
    pub pending: Vec<Pending>,
    /// The guild's settings.
    pub settings: &'a Settings,
    /// The session in which the gateway is telling everything new, if it is connected.
    pub session: Option<SessionNumber>,
    /// Messages posted at this time or later are read again, since they may have changed while
    /// nobody listened. `None`: nothing is read again.
    pub look_back_to: Option<Millis>,
}

/// Plans what to fetch, so that every message the bot may read becomes covered.
///
/// Discord's word for the last message is taken where it is what we have. In every other case the
/// newest messages are asked for, whatever it says.
pub fn plan(described: &Described, settled: Settled<'_>) -> Plan {
    let permissions = described.permissions();
    let mut pending: BTreeMap<ChannelId, Vec<Pending>> = BTreeMap::new();
    for it in settled.pending {
        pending.entry(it.channel_id).or_default().push(it);
    }
    let mut plan = Plan::default();
    let mut with_messages: Vec<&Listed> = described
        .channels
        .iter()
        .filter(|it| it.channel.kind.has_messages())
        .collect();
    with_messages.sort_by_key(|it| {
        let props = settled.settings.is_props_channel(&it.channel);
        (!props, std::cmp::Reverse(it.last_message_id), it.channel.id)
    });
    for Listed {
        channel,
        last_message_id,
    } in with_messages
    {
        if !described.reads(&permissions, channel) {
            plan.unreadable.push(channel.id);
            continue;
        }
        let coverage = settled.coverage.get(&channel.id);
        let is_live = settled.session.is_some()
            && coverage.and_then(|it| it.live).map(|live| live.session) == settled.session;
        // Of what is live, and of what was not listed, no news is to be asked for.
        let top = coverage.map(Coverage::top);
        let is_kept = described.kept_threads.contains(&channel.id);
        let last = if is_live || is_kept {
            top
        } else {
            *last_message_id
        };
        plan.channels.push(ChannelPlan {
            channel_id: channel.id,
            name: channel.name.clone(),
            last_message_id: last,
            witness: last.or(top).filter(|id| id.0 > 0),
            reads: reads(coverage, last, settled.look_back_to),
            go_live: settled.session.filter(|_| !is_live && !is_kept),
            reactors: pending.remove(&channel.id).unwrap_or_default(),
        });
    }
    plan
}

/// How many of the plan's channels are not covered up to what Discord says is their last message.
pub fn uncovered(plan: &Plan, coverage: &BTreeMap<ChannelId, Coverage>) -> usize {
    let is_covered = |it: &ChannelPlan| {
        coverage.get(&it.channel_id).is_some_and(|known| {
            known
                .gaps(known.top().max(it.last_message_id.unwrap_or_default()))
                .is_empty()
        })
    };
    plan.channels.iter().filter(|it| !is_covered(it)).count()
}

fn reads(
    coverage: Option<&Coverage>,
    last: Option<MessageId>,
    look_back_to: Option<Millis>,
) -> Vec<Read> {
    let Some(coverage) = coverage else {
        return vec![Read {
            after: MessageId(0),
            to: None,
        }];
    };
    let top = coverage.top();
    let mut missing = Coverage::unknown(coverage.channel_id);
    for gap in coverage.gaps(top) {
        missing.add(gap);
    }
    let end = MessageId(u64::MAX);
    if last != Some(top) {
        missing.add(Interval {
            after: top,
            to: end,
        });
    }
    if let Some(time) = look_back_to {
        let first = MessageId(MessageId::at(time).0.saturating_sub(1));
        if last.is_none_or(|last| last > first) || top > first {
            missing.add(Interval {
                after: first,
                to: end,
            });
        }
    }
    let newest_first = missing.intervals.into_iter().rev();
    newest_first
        .map(|it| Read {
            after: it.after,
            to: (it.to != end).then_some(it.to),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(pairs: &[(u64, u64)]) -> Coverage {
        let mut coverage = Coverage::unknown(ChannelId(1));
        for (after, to) in pairs {
            coverage.add(Interval {
                after: MessageId(*after),
                to: MessageId(*to),
            });
        }
        coverage
    }

    /// Coverage, Discord's last message, and what is to be read, newest first; 0 for "the newest".
    #[test]
    fn what_is_not_covered_is_read() {
        type Case<'a> = (Option<&'a [(u64, u64)]>, Option<u64>, &'a [(u64, u64)]);
        let cases: [Case<'_>; 9] = [
            (None, Some(9), &[(0, 0)]),
            (None, None, &[(0, 0)]),
            (Some(&[(0, 9)]), Some(9), &[]),
            (Some(&[(0, 9)]), Some(12), &[(9, 0)]),
            (Some(&[(0, 9)]), Some(7), &[(9, 0)]),
            (Some(&[(0, 9)]), None, &[(9, 0)]),
            (Some(&[]), None, &[(0, 0)]),
            (Some(&[(0, 2), (5, 9)]), Some(9), &[(2, 5)]),
            (Some(&[(3, 9)]), None, &[(9, 0), (0, 3)]),
        ];
        for (known, last, expected) in cases {
            let known = known.map(covered);
            let found = reads(known.as_ref(), last.map(MessageId), None);
            let found: Vec<_> = found
                .iter()
                .map(|it| (it.after.0, it.to.unwrap_or_default().0))
                .collect();
            assert_eq!(found, expected, "{known:?} {last:?}");
        }
    }

    #[test]
    fn what_is_recent_is_read_again() {
        let now = Millis(1_760_000_000_000);
        let (old, recent) = (MessageId::at(Millis(now.0 - 1000)), MessageId::at(now));
        let read = |top: MessageId| {
            let known = covered(&[(0, top.0)]);
            reads(Some(&known), Some(top), Some(now))
        };
        assert_eq!(read(old), []);
        let again = Read {
            after: MessageId(recent.0 - 1),
            to: None,
        };
        assert_eq!(read(recent), [again]);
    }
}
