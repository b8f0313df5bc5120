//! Where coverage may begin and end in a guild in which members had their data deleted.
//!
//! Most boundaries are ids of messages. If such a message is deleted on request, its id must not stay as a
//! boundary: Discord's history would tell whose it was. So a boundary as old as the latest deletion stands
//! only at a message that is kept, or at the time of a deletion. Any other one moves to a message that is
//! kept, in the direction that claims less.

use super::{Rows, merge::session};
use propsbot_model::{
    ChannelId, Coverage, Evidence, GuildId, Interval, MessageId, MessageState, Privacy, Reread,
    Stamp, WITHIN_MS,
};

/// The deletions in a guild, and the kept messages of one of its channels.
pub(super) struct Boundaries<'a, S> {
    rows: &'a S,
    channel: ChannelId,
    /// The last ids of the milliseconds of the deletions, sorted.
    deletions: Vec<MessageId>,
}

impl<'a, S: Rows> Boundaries<'a, S> {
    /// `None` if no member of the guild had their data deleted: then any boundary may stand.
    pub(super) fn of(
        rows: &'a S,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<Option<Self>, S::Error> {
        let chosen: Vec<Privacy> = rows.scan(guild)?;
        let times = chosen.iter().filter_map(|chosen| chosen.forgotten);
        let mut deletions: Vec<MessageId> = times.map(MessageId::last_at).collect();
        deletions.sort_unstable();
        Ok((!deletions.is_empty()).then_some(Self {
            rows,
            channel,
            deletions,
        }))
    }

    /// The time of the latest deletion, as a boundary.
    fn latest(&self) -> MessageId {
        self.deletions.last().copied().unwrap_or_default()
    }

    /// Whether a boundary may stand at this id: it is newer than every deletion, says nothing of a
    /// message, or what it says is of one that is kept.
    fn may_stand(&self, id: MessageId) -> Result<bool, S::Error> {
        if id.0 == 0 || id > self.latest() || self.deletions.contains(&id) {
            return Ok(true);
        }
        // A page ends with a whole millisecond.
        let first = if id.0 & WITHIN_MS == WITHIN_MS {
            id.0 - WITHIN_MS
        } else {
            id.0
        };
        Ok(self.kept(first, id).next().transpose()?.is_some())
    }

    /// The kept messages with ids from `first` to `last`.
    fn kept(
        &self,
        first: u64,
        last: MessageId,
    ) -> impl DoubleEndedIterator<Item = Result<MessageState, S::Error>> {
        let channel = self.channel;
        let keys = (channel, MessageId(first))..=(channel, last);
        self.rows.iter::<MessageState>(keys)
    }

    /// The last kept message in `(after, to]`.
    fn last_kept(&self, after: MessageId, to: MessageId) -> Result<Option<MessageId>, S::Error> {
        let last = self.kept(after.0.saturating_add(1), to).next_back();
        Ok(last.transpose()?.map(|kept| kept.id))
    }

    /// The first kept message in `(after, to]`.
    fn first_kept(&self, after: MessageId, to: MessageId) -> Result<Option<MessageId>, S::Error> {
        let first = self.kept(after.0.saturating_add(1), to).next();
        Ok(first.transpose()?.map(|kept| kept.id))
    }

    /// A place up to which something is still to be read: the same, or a later one.
    pub(super) fn later(&self, id: MessageId) -> Result<MessageId, S::Error> {
        if self.may_stand(id)? {
            return Ok(id);
        }
        Ok(self.first_kept(id, self.latest())?.unwrap_or(self.latest()))
    }

    /// The last id of a list that was asked for at `asked` and had everything that was newest: up to the
    /// latest deletion everything is known, if the list was asked for after it.
    pub(super) fn end_of_newest(&self, to: MessageId, asked: Stamp) -> Result<MessageId, S::Error> {
        let is_later = MessageId::last_at(asked.millis()) > self.latest();
        if !is_later || self.may_stand(to)? {
            return Ok(to);
        }
        Ok(self.latest())
    }

    /// Moves the boundaries that must not stand. Claims no id that was not covered.
    pub(super) fn settle(&self, coverage: &mut Coverage) -> Result<(), S::Error> {
        let mut joined: Vec<Interval> = Vec::new();
        for interval in &coverage.intervals {
            match joined.last_mut() {
                // Where they touch would tell of the message that is there.
                Some(last) if last.to == interval.after && !self.may_stand(last.to)? => {
                    last.to = interval.to;
                    last.by = Evidence::Rest;
                    last.since = last.since.max(interval.since);
                }
                _ => joined.push(*interval),
            }
        }
        let covering = |id: MessageId| {
            let mut joined = joined.iter();
            joined.find(|interval| interval.after < id && id <= interval.to)
        };
        if let Some(live) = &mut coverage.live
            && !self.may_stand(live.after)?
        {
            // What is covered below is as good as heard.
            let below = match covering(live.after) {
                Some(known) => match self.last_kept(known.after, live.after)? {
                    None if self.may_stand(known.after)? => Some(known.after),
                    kept => kept,
                },
                None => None,
            };
            live.after = below.unwrap_or(self.latest());
        }
        let top = coverage.top();
        coverage.intervals.clear();
        for mut interval in joined {
            let (after, to) = (interval.after, interval.to);
            if !self.may_stand(after)? {
                interval.after = self.first_kept(after, to)?.unwrap_or(to);
            }
            if !self.may_stand(to)? {
                interval.to = self.last_kept(interval.after, to)?.unwrap_or_default();
            }
            coverage.add(interval);
        }
        coverage.is_cut |= coverage.top() < top;
        if let Some(Reread { left, .. }) = &mut coverage.reread
            && left.0 < u64::MAX
        {
            *left = self.later(*left)?;
        }
        Ok(())
    }
}

/// [`Boundaries::settle`], if any member of the guild had their data deleted.
pub(super) fn settle<S: Rows>(
    rows: &S,
    guild: GuildId,
    coverage: &mut Coverage,
) -> Result<(), S::Error> {
    match Boundaries::of(rows, guild, coverage.channel_id)? {
        Some(boundaries) => boundaries.settle(coverage),
        None => Ok(()),
    }
}

/// Whether all messages up to this age are known in the channel, or were before they were deleted.
pub(super) fn has_known<S: Rows>(
    rows: &S,
    guild: GuildId,
    channel: ChannelId,
    id: MessageId,
) -> Result<bool, S::Error> {
    let Some(coverage) = rows.get::<Coverage>((guild, channel))? else {
        return Ok(false);
    };
    if coverage.covers(id) || coverage.is_cut && id > coverage.top() {
        return Ok(true);
    }
    let live = coverage.live.filter(|live| live.after < id);
    match live {
        Some(live) => Ok(live.session == session(rows, guild)?.number),
        None => Ok(false),
    }
}
