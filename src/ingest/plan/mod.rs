//! Plans what to fetch, as plain data.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use propsbot_model::{
    Channel, ChannelId, Coverage, Field, Guild, IdRange, Listed, MessageId, Millis, Pending, Role,
    RoleId, SessionNumber, Settings, Stamp, UserId,
    permissions::{MANAGE_THREADS, Permissions},
};

/// A guild as Discord describes it now, and the bot's place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub at: Stamp,
    pub guild: Guild,
    pub roles: Vec<Role>,
    /// All channels, and every thread that was found.
    pub channels: Vec<Listed>,
    pub bot: UserId,
    pub bot_roles: Vec<RoleId>,
    /// Known threads that weren't listed now; nothing new is expected there.
    pub kept_threads: BTreeSet<ChannelId>,
}

impl Described {
    pub fn permissions(&self) -> Permissions<'_> {
        Permissions::new(
            &self.guild,
            &self.roles,
            self.channels.iter().map(|channel| &channel.channel),
        )
    }

    /// Returns whether the bot may read the channel; `true` if that is unknown, to try it.
    pub fn reads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
        !permissions.are_known(&self.bot_roles, channel)
            || permissions.member_reads(self.bot, &self.bot_roles, channel)
    }

    pub fn sees_private_threads(&self, permissions: &Permissions<'_>, channel: &Channel) -> bool {
        permissions.of_member(self.bot, &self.bot_roles, channel) & MANAGE_THREADS != 0
    }
}

/// A range of messages to list: ids in `(after, to]`, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Exclusive lower bound.
    pub after: MessageId,
    /// Inclusive upper bound; `None` for the newest message.
    pub to: Option<MessageId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlan {
    pub channel_id: ChannelId,
    pub name: String,
    /// The last message according to Discord.
    pub last_message_id: Option<MessageId>,
    /// A message known to have existed: Discord's last one, or ours. If a list is empty, fetching
    /// it shows whether the channel is still readable.
    pub witness: Option<MessageId>,
    /// Ranges to list, newest first.
    pub reads: Vec<Read>,
    /// Whether the reads include everything that may have changed unseen.
    pub looks_back: bool,
    /// Session in which the channel is to go live, as new messages arrive over the gateway.
    pub go_live: Option<SessionNumber>,
    /// Lists of reactors left by an earlier run.
    pub reactors: Vec<Pending>,
    /// When the recheck began, if the last of `reads` is part of it.
    pub reread: Option<Stamp>,
}

/// What to do in a guild: props channels first, then the channels with the newest messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// All readable channels that can hold messages, even if nothing is to be done.
    pub channels: Vec<ChannelPlan>,
    /// All channels that can hold messages and that the bot may not read.
    pub unreadable: Vec<ChannelId>,
}

impl Plan {
    pub fn read_again(&mut self, ranges: &BTreeMap<ChannelId, Vec<IdRange>>) {
        for channel in &mut self.channels {
            if let Some(ranges) = ranges.get(&channel.channel_id) {
                channel.reads = united(&channel.reads, ranges);
            }
        }
    }
}

/// Merges overlapping ranges, newest first.
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

pub struct Settled<'a> {
    pub coverage: &'a BTreeMap<ChannelId, Coverage>,
    /// The newest message in the mirror, deleted or not, of each channel that has any.
    pub newest: &'a BTreeMap<ChannelId, MessageId>,
    /// Lists of reactors still to fetch.
    pub pending: Vec<Pending>,
    pub settings: &'a Settings,
    /// The session in which the gateway reports everything new, if connected.
    pub session: Option<SessionNumber>,
    pub look_back: LookBack,
    /// When the current recheck of all history began, if there is one.
    pub recheck: Option<Stamp>,
    pub now: Millis,
}

/// How far to look back at what may have changed unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookBack {
    /// Messages up to this many milliseconds older than the loss are read again.
    pub window: i64,
    /// How many milliseconds Discord's clock (in ids) is ahead of ours.
    pub ahead: i64,
}

impl LookBack {
    /// Returns the last id that is too old to be read again after a loss at `unseen_since`.
    pub fn after(self, unseen_since: Stamp) -> MessageId {
        let first = MessageId::at(Millis(unseen_since.millis().0 + self.ahead - self.window));
        MessageId(first.0.saturating_sub(1))
    }
}

/// Returns the channels with covered messages that a look-back from `since` would read.
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

/// Plans what to fetch so that every readable message becomes covered.
///
/// Discord's last message id is trusted only if it matches ours, or where coverage ends; otherwise the
/// newest messages are fetched. An id from the future is ignored.
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
    // Discord omits the last message only if none was ever posted; other servers may always omit
    // it.
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
        let newest = settled.newest.get(&channel.id).copied();
        let is_kept = described.kept_threads.contains(&channel.id);
        let left = |begun| {
            coverage.map_or(MessageId(u64::MAX), |coverage| {
                coverage.left_to_reread(begun)
            })
        };
        let reread = settled.recheck.filter(|begun| left(*begun).0 > 0);
        // Discord names a newer message than any received: the gateway lags or has lost it.
        let is_behind = is_live && last_message_id > top;
        // Live channels and unlisted threads have no news to fetch.
        let last = if is_live && !is_behind || is_kept {
            top
        } else if tells_last && is_told {
            Some(last_message_id.unwrap_or_default())
        } else {
            last_message_id
        };
        // Coverage may end with a time up to which everything is known.
        let ends_with_time = newest < top;
        let is_our_newest = last == Some(newest.unwrap_or_default());
        let read_to = if ends_with_time && is_our_newest {
            top
        } else {
            last
        };
        let reads = reads(coverage, read_to, settled.look_back);
        plan.channels.push(ChannelPlan {
            channel_id: channel.id,
            name: channel.name.clone(),
            last_message_id: last,
            witness: last
                .filter(|_| last != top || !ends_with_time)
                .filter(|id| id.0 > 0)
                .or(newest)
                .or(top.filter(|id| id.0 > 0)),
            reads: match reread {
                Some(begun) => all_again(reads, top.unwrap_or_default(), left(begun)),
                None => reads,
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

/// Returns whether `now` is too early for this message id, even with skewed clocks.
pub fn is_from_the_future(id: MessageId, now: Millis) -> bool {
    let leeway = i64::try_from(LEEWAY.as_millis()).expect("it is short");
    id.created_at().0 > now.0.saturating_add(leeway)
}

/// Allowance for clock skew and stale answers.
const LEEWAY: Duration = Duration::from_mins(10);

/// Returns from when on a channel's archived threads have to be listed.
///
/// `listed` is when they were last listed completely. Even just after that, a thread may have been
/// opened on an old message and archived by hand; nothing else reports it.
pub fn archived_since(listed: Option<Stamp>, now: Stamp) -> Millis {
    let leeway = i64::try_from(LEEWAY.as_millis()).expect("it is short");
    // A future time was recorded while the clock was wrong.
    let was_right = |listed: &Millis| listed.0 <= now.millis().0 + leeway;
    match listed.map(Stamp::millis).filter(was_right) {
        None => Millis(0),
        Some(listed) => Millis(listed.0 - leeway),
    }
}

/// Returns the channels not covered up to the last message that Discord names.
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
    // Everything newer than this is fetched.
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

/// Appends all messages with ids up to `left` to the reads.
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
