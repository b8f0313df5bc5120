//! The guild's thanks, one by one as they were given, as the archive would show them.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    ops::RangeInclusive,
};

use propsbot_graph::Rules;
use propsbot_model::{ChannelId, GuildId, Language, Props, UserId};
use propsbot_rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, Snapshot, Veil,
};
use propsbot_store::{Store, StoreError};

/// What somebody is called who wants no name shown. (The archive has a pseudonym instead; here, where
/// everybody knows who wrote a message, it would tell whose it is.)
const UNNAMED: &str = "somebody";

/// Everything of a guild but what was said in it.
pub(super) struct Community {
    /// Without messages, reactions and props.
    pub(super) rows: Snapshot,
    /// What members do not want shown.
    pub(super) veil: Veil,
    /// How numbers are written.
    pub(super) language: Language,
    unnamed: BTreeSet<UserId>,
}

impl Community {
    /// Reads it; nothing of `asking` themselves is hidden from them.
    pub(super) fn read(
        store: &Store,
        guild: GuildId,
        asking: Option<UserId>,
    ) -> Result<Self, StoreError> {
        let settings = store.settings(guild)?;
        let mut chosen = store.privacy(guild)?;
        chosen.retain(|choice| Some(choice.user_id) != asking);
        let unnamed = chosen.iter().filter(|choice| !choice.tier.shows_names());
        let unnamed: BTreeSet<UserId> = unnamed.map(|choice| choice.user_id).collect();
        let veil = Veil::new(chosen);
        let members = store.members(guild)?;
        let mut shown: Vec<MemberRow> = members
            .iter()
            .flat_map(|member| veil.member(member))
            .collect();
        for row in &mut shown {
            if row.user_id.is_anonymous() || unnamed.contains(&row.user_id) {
                row.nick = Some(UNNAMED.to_owned());
            }
        }
        let guilds = store.guild(guild)?;
        let channels = store.channels(guild)?;
        let rows = Snapshot {
            guilds: guilds
                .iter()
                .filter_map(|guild| GuildRow::new(guild, &settings))
                .collect(),
            channels: channels
                .iter()
                .filter_map(|channel| ChannelRow::new(channel, &settings))
                .map(|row| veil.channel(row))
                .collect(),
            emojis: store
                .emojis(guild)?
                .iter()
                .filter_map(EmojiRow::new)
                .collect(),
            members: shown,
            ..Snapshot::default()
        };
        Ok(Self {
            rows,
            veil,
            language: settings.language,
            unnamed,
        })
    }

    /// Whether this is a member who wants no name shown.
    pub(super) fn is_unnamed(&self, user: UserId) -> bool {
        user.is_anonymous() || self.unnamed.contains(&user)
    }
}

/// A message that may be props.
pub(super) struct Entry {
    /// The id of the message, or of the command's run: it tells when they were given.
    pub(super) id: u64,
    pub(super) message: MessageRow,
    pub(super) given: Option<PropsRow>,
}

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    OldestFirst,
}

type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

/// All that may be props in these channels, given at these ids, in this order. Read as it is asked
/// for, one entry of each channel at a time.
pub(super) fn entries<'a>(
    store: &'a Store,
    (veil, rules): (&'a Veil, &Rules<'_>),
    channels: &[ChannelId],
    ids: &RangeInclusive<u64>,
    order: Order,
) -> Result<Merged<'a>, StoreError> {
    let mut merged = Merged {
        order,
        sources: Vec::new(),
        next: BinaryHeap::new(),
    };
    for channel in channels.iter().copied() {
        let commands = directed(store.props(channel, ids.clone()), order);
        merged.add(Box::new(commands.filter_map(move |props| {
            props
                .and_then(|props| by_command(store, veil, &props))
                .transpose()
        })))?;
        if rules.is_props_channel(channel) {
            let messages = directed(store.messages(channel, ids.clone()), order);
            merged.add(Box::new(messages.filter_map(move |state| match state {
                Ok(state) => {
                    let mentions = state
                        .message()
                        .is_some_and(|message| !message.mentions.is_empty());
                    let row = mentions.then(|| veil.message(&state, true)).flatten();
                    row.map(|message| {
                        Ok(Entry {
                            id: message.id.0,
                            message,
                            given: None,
                        })
                    })
                }
                Err(error) => Some(Err(error)),
            })))?;
        }
    }
    Ok(merged)
}

/// Props given with a command, with the message that says so; nothing where none is known.
pub(super) fn by_command(
    store: &Store,
    veil: &Veil,
    props: &Props,
) -> Result<Option<Entry>, StoreError> {
    let Some(message) = props.message_id else {
        return Ok(None);
    };
    let state = store.message(props.channel_id, message)?;
    let message = state.and_then(|state| veil.message(&state, false));
    Ok(message
        .zip(veil.props(props))
        .map(|(message, given)| Entry {
            id: props.id.0,
            message,
            given: Some(given),
        }))
}

fn directed<'a, T: 'a>(
    all: impl DoubleEndedIterator<Item = T> + 'a,
    order: Order,
) -> Box<dyn Iterator<Item = T> + 'a> {
    match order {
        Order::NewestFirst => Box::new(all.rev()),
        Order::OldestFirst => Box::new(all),
    }
}

/// Entries of several sources, each sorted, as one.
pub(super) struct Merged<'a> {
    order: Order,
    sources: Vec<(Entries<'a>, Option<Entry>)>,
    /// Which source has the next entry: the greatest rank is next.
    next: BinaryHeap<(u64, Reverse<usize>)>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, source: Entries<'a>) -> Result<(), StoreError> {
        self.sources.push((source, None));
        self.advance(self.sources.len() - 1)
    }

    fn advance(&mut self, index: usize) -> Result<(), StoreError> {
        let (source, head) = &mut self.sources[index];
        *head = source.next().transpose()?;
        if let Some(entry) = head {
            let rank = match self.order {
                Order::NewestFirst => entry.id,
                Order::OldestFirst => !entry.id,
            };
            self.next.push((rank, Reverse(index)));
        }
        Ok(())
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (_, Reverse(index)) = self.next.pop()?;
        let entry = self.sources[index].1.take()?;
        Some(self.advance(index).map(|()| entry))
    }
}
