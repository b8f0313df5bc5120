//! What is still to be fetched, as plain data.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use propsbot_model::{
    Channel, ChannelId, Coverage, Field, Guild, IdRange, Listed, MessageId, Millis, Pending, Role,
    RoleId, SessionNumber, Settings, Stamp, UserId,
    permissions::{MANAGE_THREADS, Permissions},
};

/// A guild as Discord describes it now, and what of it we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// When it was so.
    pub at: Stamp,
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
            self.channels.iter().map(|channel| &channel.channel),
        )
    }

    /// Whether the bot may read all of the channel. Where something that this follows from is
    /// unknown, it is tried.
    pub fn reads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
        !permissions.are_known(&self.bot_roles, channel)
            || permissions.member_reads(self.bot, &self.bot_roles, channel)
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
    /// Whether that is all that may have changed unseen.
    pub looks_back: bool,
    /// The session in which the channel is to go live: what is posted from here on arrives by the
    /// gateway.
    pub go_live: Option<SessionNumber>,
    /// Lists of reactors that an earlier run left to be fetched.
    pub reactors: Vec<Pending>,
    /// The recheck, by when it began, that reads all of it again: in the last of `reads`.
    pub reread: Option<Stamp>,
}

/// What is to be done in a guild: props channels first, then those with the newest messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every channel with messages that the bot may read, also those with nothing to do.
    pub channels: Vec<ChannelPlan>,
    /// Every channel with messages that the bot may not read.
    pub unreadable: Vec<ChannelId>,
}

impl Plan {
    /// Has these messages listed again, too.
    pub fn read_again(&mut self, ranges: &BTreeMap<ChannelId, Vec<IdRange>>) {
        for channel in &mut self.channels {
            if let Some(ranges) = ranges.get(&channel.channel_id) {
                channel.reads = united(&channel.reads, ranges);
            }
        }
    }
}

/// All that is to be read, newest first, nothing of it twice.
fn united(reads: &[Read], ranges: &[IdRange]) -> Vec<Read> {
    let newest = MessageId(u64::MAX);
    let reads = reads.iter().map(|read| IdRange {
        after: read.after,
        to: read.to.unwrap_or(newest),
    });
    let mut all: Vec<IdRange> = reads.chain(ranges.iter().copied()).collect();
    all.sort_unstable();
    let mut united: Vec<IdRange> = Vec::new();
    for range in all {
        match united.last_mut() {
            Some(last) if range.after <= last.to => last.to = last.to.max(range.to),
            _ => united.push(range),
        }
    }
    let read = |range: &IdRange| Read {
        after: range.after,
        to: Some(range.to).filter(|to| *to < newest),
    };
    united.iter().rev().map(read).collect()
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
    /// How far to look back.
    pub look_back: LookBack,
    /// When the recheck began that all history is to be read again for, if it is.
    pub recheck: Option<Stamp>,
    /// The time.
    pub now: Millis,
}

/// How far to look back where something may have changed unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookBack {
    /// Messages are read again that were posted since, or at most this many milliseconds before.
    pub window: i64,
    /// By how much Discord's clock, which ids tell, is ahead of ours, in milliseconds.
    pub ahead: i64,
}

impl LookBack {
    /// The last id before those that are read again where nobody has looked since that time.
    pub fn after(self, unseen_since: Stamp) -> MessageId {
        let first = MessageId::at(Millis(unseen_since.millis().0 + self.ahead - self.window));
        MessageId(first.0.saturating_sub(1))
    }
}

/// The channels of which something is known that may have changed since that time, and would be
/// looked back at.
pub fn unseen(
    described: &Described,
    coverage: &BTreeMap<ChannelId, Coverage>,
    since: Stamp,
    look_back: LookBack,
) -> Vec<ChannelId> {
    let after = look_back.after(since);
    let ids = described.channels.iter().map(|channel| channel.channel.id);
    ids.filter(|id| {
        coverage
            .get(id)
            .is_some_and(|coverage| coverage.top() > after)
    })
    .collect()
}

/// Plans what to fetch, so that every message the bot may read becomes covered.
///
/// Discord's word for the last message is taken where it is what we have. In every other case the
/// newest messages are asked for, whatever it says. A last message that is still to be written says
/// nothing.
pub fn plan(described: &Described, settled: Settled<'_>) -> Plan {
    let permissions = described.permissions();
    let mut pending: BTreeMap<ChannelId, Vec<Pending>> = BTreeMap::new();
    for it in settled
        .pending
        .into_iter()
        .filter(|pending| pending.is_due(settled.now))
    {
        pending.entry(it.channel_id).or_default().push(it);
    }
    let mut plan = Plan::default();
    // Discord names none only where nothing was ever posted; other servers may name none at all.
    let tells_last = described
        .channels
        .iter()
        .any(|channel| channel.last_message_id.is_some());
    let mut with_messages: Vec<&Listed> = described
        .channels
        .iter()
        .filter(|channel| channel.channel.kind.has_messages())
        .collect();
    with_messages.sort_by_key(|with_message| {
        let props = settled.settings.is_props_channel(&with_message.channel);
        (
            !props,
            std::cmp::Reverse(with_message.last_message_id),
            with_message.channel.id,
        )
    });
    let now = settled.now.0 + settled.look_back.ahead.max(0);
    for Listed {
        channel,
        last_message_id: told,
    } in with_messages
    {
        let last_message_id = told.filter(|id| !is_from_the_future(*id, Millis(now)));
        let is_told = last_message_id == *told && !channel.unread.has(Field::LastMessage);
        if !described.reads(&permissions, channel) {
            plan.unreadable.push(channel.id);
            continue;
        }
        let coverage = settled.coverage.get(&channel.id);
        let is_live = settled.session.is_some()
            && coverage
                .and_then(|coverage| coverage.live)
                .map(|live| live.session)
                == settled.session;
        let top = coverage.map(Coverage::top);
        let is_kept = described.kept_threads.contains(&channel.id);
        let left = |begun| {
            coverage.map_or(MessageId(u64::MAX), |coverage| {
                coverage.left_to_reread(begun)
            })
        };
        let reread = settled.recheck.filter(|begun| left(*begun).0 > 0);
        // A newer last message than all that was heard: the gateway is behind, or has left it out.
        let is_behind = is_live && last_message_id > top;
        // Of what is live, and of what was not listed, no news is to be asked for.
        let last = if is_live && !is_behind || is_kept {
            top
        } else if tells_last && is_told {
            Some(last_message_id.unwrap_or_default())
        } else {
            last_message_id
        };
        plan.channels.push(ChannelPlan {
            channel_id: channel.id,
            name: channel.name.clone(),
            last_message_id: last,
            witness: [last, top].into_iter().flatten().find(|id| id.0 > 0),
            reads: match reread {
                Some(begun) => all_again(
                    reads(coverage, last, settled.look_back),
                    top.unwrap_or_default(),
                    left(begun),
                ),
                None => reads(coverage, last, settled.look_back),
            },
            looks_back: coverage.is_some_and(|coverage| coverage.unseen_since.is_some()),
            go_live: settled
                .session
                .filter(|_| (!is_live || is_behind) && !is_kept),
            reactors: pending.remove(&channel.id).unwrap_or_default(),
            reread,
        });
    }
    plan
}

/// Whether a message of this id cannot have been written by `now`, wherever the clock stands that made
/// it.
pub fn is_from_the_future(id: MessageId, now: Millis) -> bool {
    let leeway = i64::try_from(LEEWAY.as_millis()).expect("it is short");
    id.created_at().0 > now.0.saturating_add(leeway)
}

/// How far two clocks may be apart, and an answer behind the truth.
const LEEWAY: Duration = Duration::from_mins(10);

/// Which archived threads of a channel are to be listed at `now`: those archived at this time or later.
///
/// `listed` is when they were last listed whole. However short that is ago: a thread may have been
/// opened on an old message and archived by hand since, and nothing else tells of it.
pub fn archived_since(listed: Option<Stamp>, now: Stamp) -> Millis {
    let leeway = i64::try_from(LEEWAY.as_millis()).expect("it is short");
    // What is recorded for later than now was recorded while the clock was wrong.
    let was_right = |listed: &Millis| listed.0 <= now.millis().0 + leeway;
    match listed.map(Stamp::millis).filter(was_right) {
        None => Millis(0),
        Some(listed) => Millis(listed.0 - leeway),
    }
}

/// Which of the plan's channels are not covered up to what Discord says is their last message.
pub fn uncovered(plan: &Plan, coverage: &BTreeMap<ChannelId, Coverage>) -> Vec<ChannelId> {
    let is_covered = |channel_plan: &ChannelPlan| {
        coverage.get(&channel_plan.channel_id).is_some_and(|known| {
            known
                .gaps(
                    known
                        .top()
                        .max(channel_plan.last_message_id.unwrap_or_default()),
                )
                .is_empty()
        })
    };
    let channels = plan.channels.iter().filter(|channel| !is_covered(channel));
    channels.map(|channel| channel.channel_id).collect()
}

fn reads(coverage: Option<&Coverage>, last: Option<MessageId>, look_back: LookBack) -> Vec<Read> {
    let Some(coverage) = coverage else {
        return vec![Read {
            after: MessageId(0),
            to: None,
        }];
    };
    let top = coverage.top();
    // From here on, all is asked for.
    let mut tail = (last != Some(top)).then_some(top);
    if let Some(first) = coverage
        .unseen_since
        .map(|unseen_since| look_back.after(unseen_since))
        && (last.is_none_or(|last| last > first) || top > first)
    {
        tail = Some(tail.map_or(first, |tail| tail.min(first)));
    }
    let mut reads = Vec::new();
    for gap in coverage.gaps(top).into_iter().rev() {
        match tail {
            Some(after) if gap.to >= after => tail = Some(after.min(gap.after)),
            _ => reads.push(Read {
                after: gap.after,
                to: Some(gap.to),
            }),
        }
    }
    let tail = tail.map(|after| Read { after, to: None });
    tail.into_iter().chain(reads).collect()
}

/// What is to be listed anyway, and then all messages with ids up to `left`.
fn all_again(mut reads: Vec<Read>, top: MessageId, left: MessageId) -> Vec<Read> {
    let meets = |read: &Read| read.to.is_none() && read.after <= left;
    if left >= top || reads.iter().any(meets) {
        return vec![Read {
            after: MessageId(0),
            to: None,
        }];
    }
    reads.retain(|read| read.to.is_none_or(|to| to > left));
    for read in &mut reads {
        read.after = read.after.max(left);
    }
    reads.push(Read {
        after: MessageId(0),
        to: Some(left),
    });
    reads
}

#[cfg(test)]
mod tests;
