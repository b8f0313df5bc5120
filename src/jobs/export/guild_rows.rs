//! The exported rows of a guild's channels, redacted as members chose, in order of their times.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    iter::{self, Peekable},
    ops::RangeInclusive,
};

use super::decision::{decided, exported_channels};
use propsbot_archive::{EncodedRow, Id, Mark, Millis, PartRow, Row};
use propsbot_mirror::IndexedRow;
use propsbot_model::{ChannelId, GuildId, MessageId, MessageState, Props, Reaction, tables};
use propsbot_rows::{MESSAGES, PROPS, REACTIONS, Redactor, ids};
use propsbot_store::{Reader, StoreError};

pub(super) struct GuildRows {
    pub(super) redactor: Redactor,
    /// The exported channels, and whether plain messages in each may be props.
    channels: BTreeMap<ChannelId, bool>,
}

/// Rows as they are read; boxed, since those of different tables are merged.
type Rows<'a> = Box<dyn Iterator<Item = Result<PartRow, StoreError>> + 'a>;

impl GuildRows {
    pub(super) fn of(store: &Reader, id: GuildId) -> Result<Self, StoreError> {
        let mut rows = Self {
            redactor: Redactor::new(store.strictest_privacy(id)?),
            channels: BTreeMap::new(),
        };
        let part = store.guild(id)?;
        let Some(guild) = part.as_ref().and_then(|part| part.state.ever()) else {
            return Ok(rows);
        };
        let (settings, roles) = (store.settings(id)?, store.roles(id)?);
        let channels = exported_channels(store, id)?;
        for (channel, withheld) in decided(guild, &settings, &roles, &channels) {
            if withheld.is_none() {
                let is_props = store.is_props_channel(id, channel.id)?;
                rows.channels.insert(channel.id, is_props);
            }
        }
        Ok(rows)
    }

    /// Whether this channel is exported.
    pub(super) fn exports(&self, channel: ChannelId) -> bool {
        self.channels.contains_key(&channel)
    }

    /// The rows of a table in a channel, by time; none if the channel isn't exported.
    pub(super) fn of_table<'a>(
        &'a self,
        store: &'a Reader,
        channel: ChannelId,
        table: &'static str,
        times: &RangeInclusive<Millis>,
    ) -> Option<Rows<'a>> {
        let is_exported = self.channels.contains_key(&channel);
        let times = times.clone();
        let rows: Rows<'a> = match table {
            _ if !is_exported => Box::new(iter::empty()),
            MESSAGES => {
                let states = store.messages(channel, ids(&times));
                rows_of(states, move |state| Ok(self.message(&state)))
            }
            PROPS => {
                let props = store.props(channel, ids(&times));
                rows_of(props, move |props| self.props(store, props))
            }
            REACTIONS => Box::new(ReactionsByTime {
                // A row's time is never before its message's.
                reactions: store
                    .reactions(channel, 0..=MessageId::last_at(*times.end()).0)
                    .peekable(),
                rows: self,
                store,
                times,
                waiting: BTreeMap::new(),
                read: 0,
                message: None,
            }),
            _ => return None,
        };
        Some(rows)
    }

    /// The time of the newest row that is not after `clock`; if it is known what changed since an export, perhaps
    /// only of the newest that did.
    pub(super) fn newest(
        &self,
        store: &Reader,
        guild: GuildId,
        clock: Millis,
        changed: Option<&[Mark]>,
    ) -> Result<Option<Millis>, StoreError> {
        let mut newest: Option<Millis> = None;
        let until = 0..=MessageId::last_at(clock).0;
        for channel in self.channels.keys() {
            let mut messages = store.messages(*channel, until.clone()).rev();
            let message = messages.find_map(|state| match state {
                Ok(state) => self.message(&state).map(|row| Ok(row.row.key.time)),
                Err(error) => Some(Err(error)),
            });
            let mut props = store.props(*channel, until.clone()).rev();
            let props = props.find_map(|props| {
                let row = props.map(|props| self.redactor.props(&props));
                row.transpose()
                    .map(|row| row.map(|row| row.id.created_at()))
            });
            newest = newest.max(message.transpose()?).max(props.transpose()?);
        }
        // Reactions may be newer than all messages.
        let after = newest.map_or(Millis(i64::MIN), |newest| Millis(newest.0 + 1));
        let recent_from = store.recent_from()?;
        let times = after.max(recent_from)..=clock;
        if !times.is_empty() {
            for row in store.recent(guild, times).rev() {
                if let Some(row) = self.recent(store, &row?)? {
                    return Ok(Some(row.row.key.time));
                }
            }
        }
        // Nothing is recent: all reactions have to be asked, of channels where one may have changed.
        let older = after..=clock.min(Millis(recent_from.0.saturating_sub(1)));
        let is_asked = |channel: &&ChannelId| {
            let part = Some(Id::new(channel));
            let is_of = |mark: &Mark| {
                let of = &mark.scope.part;
                mark.table == REACTIONS && (of.is_none() || *of == part)
            };
            changed.is_none_or(|marks| marks.iter().any(is_of))
        };
        if !older.is_empty() {
            for channel in self.channels.keys().filter(is_asked) {
                let rows = self.of_table(store, *channel, REACTIONS, &older);
                for row in rows.into_iter().flatten() {
                    newest = newest.max(Some(row?.row.key.time));
                }
            }
        }
        Ok(newest)
    }

    /// The row that was found in the index of recent rows; `None` if it isn't exported.
    pub(super) fn recent(
        &self,
        store: &Reader,
        found: &IndexedRow,
    ) -> Result<Option<PartRow>, StoreError> {
        if found.is_of(tables::MESSAGES) {
            Ok(self.message(&found.read()?))
        } else if found.is_of(tables::REACTIONS) {
            self.reaction(store, &found.read()?, &mut None)
        } else if found.is_of(tables::PROPS) {
            self.props(store, found.read()?)
        } else {
            Ok(None)
        }
    }

    /// All rows of the channels with these times, by time. Reads all reactions.
    pub(super) fn merged<'a>(
        &'a self,
        store: &'a Reader,
        times: &RangeInclusive<Millis>,
    ) -> impl Iterator<Item = Result<PartRow, StoreError>> + 'a {
        /// The time of the next row; an error comes first of all.
        fn next(rows: &mut Peekable<Rows<'_>>) -> Option<Millis> {
            let next = rows.peek()?.as_ref();
            Some(next.map_or(Millis(i64::MIN), |next| next.row.key.time))
        }
        let mut sources: Vec<Peekable<Rows<'a>>> = Vec::new();
        let mut heads: BinaryHeap<Reverse<(Millis, usize)>> = BinaryHeap::new();
        for channel in self.channels.keys() {
            for table in [MESSAGES, REACTIONS, PROPS] {
                let rows = self.of_table(store, *channel, table, times);
                let mut rows = rows.expect("it is a table of channels").peekable();
                heads.extend(next(&mut rows).map(|time| Reverse((time, sources.len()))));
                sources.push(rows);
            }
        }
        iter::from_fn(move || {
            let Reverse((_, source)) = heads.pop()?;
            let row = sources[source].next();
            heads.extend(next(&mut sources[source]).map(|time| Reverse((time, source))));
            row
        })
    }

    fn message(&self, state: &MessageState) -> Option<PartRow> {
        let is_props = *self.channels.get(&state.channel_id)?;
        let row = self.redactor.message(state, is_props)?;
        Some(part_row(state.channel_id, &row))
    }

    /// Props name their message only if that is exported.
    fn props(&self, store: &Reader, mut props: Props) -> Result<Option<PartRow>, StoreError> {
        if !self.channels.contains_key(&props.channel_id) {
            return Ok(None);
        }
        if let Some(id) = props.message_id
            && !self.shows(store, props.channel_id, id)?
        {
            props.message_id = None;
        }
        let row = self.redactor.props(&props);
        Ok(row.map(|row| part_row(props.channel_id, &row)))
    }

    /// Reactions are exported only with their message. `known`: the last message asked for, and whether it
    /// is exported.
    fn reaction(
        &self,
        store: &Reader,
        reaction: &Reaction,
        known: &mut Option<(MessageId, bool)>,
    ) -> Result<Option<PartRow>, StoreError> {
        let (channel, id) = (reaction.channel_id, reaction.message_id);
        let is_shown = match *known {
            Some((message, is_shown)) if message == id => is_shown,
            _ => self.shows(store, channel, id)?,
        };
        *known = Some((id, is_shown));
        let row = self.redactor.reaction(reaction).filter(|_| is_shown);
        Ok(row.map(|row| part_row(channel, &row)))
    }

    fn shows(&self, store: &Reader, channel: ChannelId, id: MessageId) -> Result<bool, StoreError> {
        let Some(is_props) = self.channels.get(&channel) else {
            return Ok(false);
        };
        let message = store.message(channel, id)?;
        Ok(message.is_some_and(|state| self.redactor.shows(&state, *is_props)))
    }
}

fn part_row<R: Row>(channel: ChannelId, row: &R) -> PartRow {
    PartRow {
        part: Some(Id::new(channel)),
        table: R::TABLE,
        row: EncodedRow::new(row),
    }
}

fn rows_of<'a, R>(
    records: impl Iterator<Item = Result<R, StoreError>> + 'a,
    row: impl Fn(R) -> Result<Option<PartRow>, StoreError> + 'a,
) -> Rows<'a> {
    Box::new(records.filter_map(move |record| record.and_then(&row).transpose()))
}

/// The rows of a channel's reactions by time. They are stored by message.
struct ReactionsByTime<'a, I: Iterator> {
    reactions: Peekable<I>,
    rows: &'a GuildRows,
    store: &'a Reader,
    times: RangeInclusive<Millis>,
    /// Rows that are later than the message that is read, by time and in the order of reading.
    waiting: BTreeMap<(Millis, usize), PartRow>,
    read: usize,
    /// The last message, and whether it is exported.
    message: Option<(MessageId, bool)>,
}

impl<I: Iterator<Item = Result<Reaction, StoreError>>> Iterator for ReactionsByTime<'_, I> {
    type Item = Result<PartRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // All that is still to come is as late as the next message, or later.
            let next = self.reactions.peek().and_then(|next| next.as_ref().ok());
            let reached = next.map(|next| next.message_id.created_at());
            if let Some(first) = self.waiting.first_entry()
                && reached.is_none_or(|reached| first.key().0 <= reached)
            {
                return Some(Ok(first.remove()));
            }
            let read = self.reactions.next()?.and_then(|reaction| {
                if !self.times.contains(&reaction.row_time()) {
                    return Ok(None);
                }
                self.rows.reaction(self.store, &reaction, &mut self.message)
            });
            match read {
                Ok(row) => {
                    self.read += 1;
                    let row = row.map(|row| ((row.row.key.time, self.read), row));
                    self.waiting.extend(row);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
