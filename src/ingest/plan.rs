//! What is still to be fetched, as plain data.

use std::collections::BTreeMap;

use crate::model::{
    Channel, ChannelId, Coverage, Guild, Interval, Listed, MessageId, Millis, Pending, Role,
    RoleId, Settings, UserId,
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

    /// Whether the bot may read all of the channel.
    pub fn reads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
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
    /// What is to be listed, newest first.
    pub reads: Vec<Read>,
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
    /// Messages posted at this time or later are read again, since they may have changed while
    /// nobody watched. `None`: nothing is read again.
    pub look_back_to: Option<Millis>,
}

/// Plans what to fetch, so that every message the bot may read becomes covered.
///
/// A channel of which nothing is known is read whatever Discord says of its last message, and so is
/// one that Discord says has no last message although we know some: it is asked, not believed.
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
        plan.channels.push(ChannelPlan {
            channel_id: channel.id,
            name: channel.name.clone(),
            last_message_id: *last_message_id,
            reads: reads(coverage, *last_message_id, settled.look_back_to),
            reactors: pending.remove(&channel.id).unwrap_or_default(),
        });
    }
    plan
}

fn reads(
    coverage: Option<&Coverage>,
    last: Option<MessageId>,
    look_back_to: Option<Millis>,
) -> Vec<Read> {
    let Some(coverage) = coverage else {
        return vec![Read {
            after: MessageId(0),
            to: last,
        }];
    };
    let Some(last) = last else {
        let top = coverage.top();
        return if top == MessageId(0) {
            vec![]
        } else {
            vec![Read {
                after: top,
                to: None,
            }]
        };
    };
    let mut missing = Coverage::unknown(coverage.channel_id);
    for gap in coverage.gaps(last) {
        missing.add(gap);
    }
    if let Some(time) = look_back_to {
        let first = MessageId::at(time);
        missing.add(Interval {
            after: MessageId(first.0.saturating_sub(1)),
            to: last,
        });
    }
    let newest_first = missing.intervals.into_iter().rev();
    newest_first
        .map(|it| Read {
            after: it.after,
            to: Some(it.to),
        })
        .collect()
}
