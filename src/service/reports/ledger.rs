//! A guild's props in the order they were given, redacted as in the archive.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    ops::RangeInclusive,
};

use propsbot_graph::{self as graph, Rules, ThanksKey};
use propsbot_jobs::quota::BEGUN_BEFORE_MS;
use propsbot_model::{
    ChannelId, GuildId, InteractionId, Language, MessageId, Millis, Props, ReactionThanks, UserId,
};
use propsbot_rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, Redactor,
    Snapshot,
};
use propsbot_store::{Store, StoreError};

/// The name of a member who hides theirs. (The archive uses a pseudonym. Here, where everyone can see who
/// wrote a message, that would reveal whose it is.)
const UNNAMED: &str = "someone";

/// A guild's rows without its messages.
pub(super) struct Community {
    /// Rows without messages, reactions and props.
    pub(super) rows: Snapshot,
    /// Applies the members' privacy choices.
    pub(super) redactor: Redactor,
    pub(super) language: Language,
    unnamed: BTreeSet<UserId>,
}

impl Community {
    /// Reads a guild's rows; nothing about `asking` is hidden from them.
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
        let redactor = Redactor::new(chosen);
        let members = store.members(guild)?;
        let mut shown: Vec<MemberRow> = members
            .iter()
            .flat_map(|member| redactor.member(member))
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
                .map(|row| redactor.channel(row))
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
            redactor,
            language: settings.language,
            unnamed,
        })
    }

    /// Whether this member hides their name.
    pub(super) fn is_unnamed(&self, user: UserId) -> bool {
        user.is_anonymous() || self.unnamed.contains(&user)
    }
}

/// A message that may be props, or thanks by reaction to one.
pub(super) struct Entry {
    /// The id of the message or of the command's run, or one made for the reaction. It tells when the props
    /// were given.
    pub(super) id: u64,
    pub(super) message: MessageRow,
    pub(super) given: Option<PropsRow>,
    pub(super) reaction: Option<ReactionRow>,
}

impl Entry {
    /// The props, if they count by themselves: the giver may have given too much.
    pub(super) fn props(&self, rules: &Rules<'_>) -> Option<graph::Props<'_>> {
        match &self.reaction {
            Some(reaction) => rules.judge_thanks(&self.message, reaction).ok(),
            None => rules.judge(&self.message, self.given.as_ref()).props.ok(),
        }
    }

    pub(super) fn key(&self) -> ThanksKey {
        let of_message = || ThanksKey::of_message(self.message.id);
        let of_reaction = self.reaction.as_ref().map(ThanksKey::of_reaction);
        of_reaction.unwrap_or_else(of_message)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    OldestFirst,
}

type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

/// Everything that may be props in these channels and this id range, in this order. Reads lazily, one entry
/// of each channel at a time.
pub(super) fn entries<'a>(
    store: &'a Store,
    (community, rules): (&'a Community, &Rules<'_>),
    channels: &[ChannelId],
    ids: &RangeInclusive<u64>,
    order: Order,
) -> Result<Merged<'a>, StoreError> {
    let mut merged = Merged {
        order,
        sources: Vec::new(),
        next: BinaryHeap::new(),
    };
    let redactor = &community.redactor;
    let mut reactions = by_reaction(store, (community, rules), channels, ids)?;
    if order == Order::NewestFirst {
        reactions.reverse();
    }
    merged.add(Box::new(reactions.into_iter().map(Ok)))?;
    for channel in channels.iter().copied() {
        let commands = directed(store.props(channel, ids.clone()), order);
        merged.add(Box::new(commands.filter_map(move |props| {
            props
                .and_then(|props| by_command(store, redactor, &props))
                .transpose()
        })))?;
        if rules.is_props_channel(channel) {
            let messages = directed(store.messages(channel, ids.clone()), order);
            merged.add(Box::new(messages.filter_map(move |state| match state {
                Ok(state) => {
                    let mentions = state
                        .message()
                        .is_some_and(|message| !message.mentions.is_empty());
                    let row = mentions.then(|| redactor.message(&state, true)).flatten();
                    row.map(|message| {
                        Ok(Entry {
                            id: message.id.0,
                            message,
                            given: None,
                            reaction: None,
                        })
                    })
                }
                Err(error) => Some(Err(error)),
            })))?;
        }
    }
    Ok(merged)
}

/// What may be props in this message; `None` if it is unknown, or may not be props.
pub(super) fn entry_of(
    store: &Store,
    redactor: &Redactor,
    (channel, id): (ChannelId, MessageId),
    is_props_channel: bool,
) -> Result<Option<Entry>, StoreError> {
    if let Some(props) = command_of(store, (channel, id))? {
        return by_command(store, redactor, &props);
    }
    let state = store.message(channel, id)?.filter(|_| is_props_channel);
    let message = state.and_then(|state| redactor.message(&state, true));
    Ok(message.map(|message| Entry {
        id: message.id.0,
        message,
        given: None,
        reaction: None,
    }))
}

/// The props given with a command whose message this is.
pub(super) fn command_of(
    store: &Store,
    (channel, id): (ChannelId, MessageId),
) -> Result<Option<Props>, StoreError> {
    let begun = Millis(id.created_at().0 - BEGUN_BEFORE_MS);
    for props in store.props(channel, InteractionId::at(begun).0..=id.0) {
        let props = props?;
        if props.message_id == Some(id) {
            return Ok(Some(props));
        }
    }
    Ok(None)
}

/// Props given with a command, with their message; `None` if the message is unknown.
pub(super) fn by_command(
    store: &Store,
    redactor: &Redactor,
    props: &Props,
) -> Result<Option<Entry>, StoreError> {
    let Some(message) = props.message_id else {
        return Ok(None);
    };
    let state = store.message(props.channel_id, message)?;
    let message = state.and_then(|state| redactor.message(&state, false));
    Ok(message
        .zip(redactor.props(props))
        .map(|(message, given)| Entry {
            id: props.id.0,
            message,
            given: Some(given),
            reaction: None,
        }))
}

/// The thanks by reaction in these channels and this id range, the oldest first.
///
/// Reads only reactions with emojis that an admin chose, of any channel, and the messages that have them.
fn by_reaction(
    store: &Store,
    (community, rules): (&Community, &Rules<'_>),
    channels: &[ChannelId],
    ids: &RangeInclusive<u64>,
) -> Result<Vec<Entry>, StoreError> {
    let Some(guild) = community.rows.guilds.first() else {
        return Ok(Vec::new());
    };
    let Some(first) = guild.reaction_thanks.first() else {
        return Ok(Vec::new());
    };
    let from = InteractionId(*ids.start()).created_at().max(first.since);
    let until = InteractionId(*ids.end()).created_at();
    let channels: BTreeSet<&ChannelId> = channels.iter().collect();
    let mut messages = BTreeSet::new();
    for emoji in ReactionThanks::emojis(&guild.reaction_thanks) {
        for reaction in store.with_emoji(guild.id, &emoji, from..=until) {
            let row = ReactionRow::from(&reaction?);
            if channels.contains(&row.channel_id) && rules.has_thanks_emoji(&row) {
                messages.insert((row.channel_id, row.message_id));
            }
        }
    }
    let mut found = Vec::new();
    for of in messages {
        found.extend(by_reaction_to(store, (community, rules), of)?);
    }
    found.retain(|entry| ids.contains(&entry.id));
    found.sort_by_key(|entry| entry.id);
    Ok(found)
}

/// The thanks in the reactions to a message; none if it's unknown.
fn by_reaction_to(
    store: &Store,
    (community, rules): (&Community, &Rules<'_>),
    (channel, id): (ChannelId, MessageId),
) -> Result<Vec<Entry>, StoreError> {
    let state = store.message(channel, id)?;
    let is_props = rules.is_props_channel(channel);
    let shown = state.and_then(|state| community.redactor.message(&state, is_props));
    let Some(message) = shown else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for reaction in store.reactions(channel, id.0..=id.0) {
        rows.extend(community.redactor.reaction(&reaction?));
    }
    let thanks = rules.thanks_to(&message, &rows).into_iter();
    let entries = thanks.map(|row| Entry {
        id: id_of(&ThanksKey::of_reaction(row)),
        message: message.clone(),
        given: None,
        reaction: Some(row.clone()),
    });
    Ok(entries.collect())
}

/// The thanks that a member gave the author of this message by a reaction, if they stand.
pub(super) fn thanks_by(
    store: &Store,
    asked: (&Community, &Rules<'_>),
    of: (ChannelId, MessageId),
    giver: UserId,
) -> Result<Option<Entry>, StoreError> {
    let entries = by_reaction_to(store, asked, of)?;
    Ok(entries
        .into_iter()
        .find(|entry| entry.key().reacted == Some(giver)))
}

/// An id of its own for thanks by reaction, with their time. Many of them may have one time.
fn id_of(key: &ThanksKey) -> u64 {
    let user = key.reacted.unwrap_or_default().0;
    let mixed = (key.message.0 ^ user.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    MessageId::at(key.given).0 | mixed >> (64 - 22)
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

/// Merges sorted entries of several sources.
pub(super) struct Merged<'a> {
    order: Order,
    sources: Vec<(Entries<'a>, Option<Entry>)>,
    /// The source of the next entry: the one with the greatest rank.
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
