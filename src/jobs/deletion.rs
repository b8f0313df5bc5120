//! Finds what to delete with members' data, as steps that can be interrupted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use propsbot_model::{
    Channel, ChannelId, Forget, GuildEntity, GuildId, Life, Message, MessageId, Millis, Named,
    OverwriteKind, UserId, ids_in,
};
use propsbot_store::{Store, StoreError};

/// The numbers of deleted objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub messages: usize,
    pub reactions: usize,
    pub props: usize,
}

/// The deletion steps, in an order that can be interrupted.
///
/// Mentions of a message come before the message, which is needed to recognize them. `anew` also
/// finds what earlier versions left.
pub(super) fn find(
    store: &Store,
    guild: GuildId,
    wishes: BTreeMap<UserId, Millis>,
    anew: bool,
) -> Result<(Forgotten, Vec<Forget>), StoreError> {
    let channels = store.channels(guild)?;
    let ids: Vec<ChannelId> = channels
        .iter()
        .map(|channel| ChannelId(channel.id))
        .collect();
    let mut found = Deletion {
        store,
        named: Arc::default(),
        wishes,
        done: Forgotten::default(),
        steps: Vec::new(),
    };
    let messages = found.messages(&ids)?;
    found.named = Arc::new(Named {
        users: found.wishes.keys().copied().collect(),
        messages: messages.iter().map(|(_, id)| *id).collect(),
    });
    found.of_guild(guild, &channels)?;
    let mut told_by = BTreeSet::new();
    for channel in &ids {
        found.in_messages(*channel)?;
        found.reactions(*channel)?;
        found.props(*channel, &mut told_by)?;
    }
    if anew {
        for channel in &ids {
            found.tombstones(*channel, &told_by)?;
        }
    }
    found.done.messages = messages.len();
    let messages = messages.into_iter();
    let messages = messages.map(|(channel, id)| Forget::Message(channel, id));
    found.steps.extend(messages);
    // Discord still lists the others, so they would be fetched again.
    let gone = channels.iter().filter(|part| part.state.now().is_none());
    let gone = gone.filter_map(|part| part.state.ever());
    let theirs = gone.filter(|thread| {
        let opened = opened_by(thread).is_some_and(|user| found.wishes.contains_key(&user));
        let is_unowned = thread.is_thread() && opened_by(thread).is_none();
        opened || is_unowned || found.named.messages.contains(&MessageId(thread.id.0))
    });
    let theirs: Vec<Forget> = theirs.map(|thread| Forget::Thread(thread.id)).collect();
    found.steps.extend(theirs);
    for failure in store.failures(guild)? {
        let mut ids = ids_in(&failure.reason.to_string()).into_iter();
        if ids.any(|id| {
            found.named.users.contains(&UserId(id)) || found.named.messages.contains(&MessageId(id))
        }) {
            found.steps.push(Forget::Failure(failure.object));
        }
    }
    let coverage = store.coverage(guild)?;
    let covered = ids.iter().filter(|id| coverage.contains_key(id));
    found
        .steps
        .extend(covered.map(|id| Forget::InCoverage(*id)));
    found.steps.push(Forget::InWalk);
    Ok((found.done, found.steps))
}

/// Collects what is deleted with the data of some members of a guild.
struct Deletion<'a> {
    store: &'a Store,
    /// The members, and up to when their data is deleted.
    wishes: BTreeMap<UserId, Millis>,
    /// The members and their messages, as others may mention them.
    named: Arc<Named>,
    done: Forgotten,
    steps: Vec<Forget>,
}

impl Deletion<'_> {
    fn goes(&self, user: UserId, time: Millis) -> bool {
        self.wishes.get(&user).is_some_and(|until| time <= *until)
    }

    fn messages(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, MessageId)>, StoreError> {
        let mut found = Vec::new();
        for channel in channels {
            for state in self.store.messages(*channel, 0..=u64::MAX) {
                let state = state?;
                let speaker = state.message().and_then(Message::speaker);
                if speaker.is_some_and(|user| self.goes(user, state.id.created_at())) {
                    found.push((*channel, state.id));
                }
            }
        }
        Ok(found)
    }

    /// Adds the members' rows, and mentions of them in the guild's own rows.
    fn of_guild(
        &mut self,
        guild: GuildId,
        channels: &[GuildEntity<Channel>],
    ) -> Result<(), StoreError> {
        for user in self.wishes.keys() {
            if self.store.privacy_of(guild, *user)?.is_gone() {
                self.steps.push(Forget::Member(*user));
            }
            self.steps.push(Forget::InActions(*user));
            self.steps.push(Forget::Link(*user));
        }
        for channel in channels.iter().filter_map(|channel| channel.state.ever()) {
            let named = channel.overwrites.iter().any(|overwrite| {
                overwrite.kind == OverwriteKind::Member
                    && self.wishes.contains_key(&UserId(overwrite.id))
            });
            let opened = opened_by(channel).is_some_and(|user| self.wishes.contains_key(&user));
            let mut called = ids_in(&channel.name).into_iter();
            let called = called.any(|id| self.wishes.contains_key(&UserId(id)));
            if named || opened || called {
                self.steps.push(Forget::InChannel(channel.id));
            }
        }
        for event in self.store.scheduled_events(guild)? {
            let is_theirs = |user: UserId| self.wishes.contains_key(&user);
            let mut occurrences = event.occurrences.iter().map(|own| &own.details);
            let is_named = occurrences.any(|details| {
                details.creator_id.is_some_and(is_theirs)
                    || ids_in(&details.name)
                        .into_iter()
                        .any(|id| is_theirs(UserId(id)))
            });
            let mut interest = event.interest.iter();
            if is_named || interest.any(|interest| is_theirs(interest.user_id)) {
                self.steps.push(Forget::InEvent(event.id));
            }
        }
        self.steps.push(Forget::InGuild);
        Ok(())
    }

    fn in_messages(&mut self, channel: ChannelId) -> Result<(), StoreError> {
        for state in self.store.messages(channel, 0..=u64::MAX) {
            let state = state?;
            let Some(message) = state.message() else {
                continue;
            };
            if self.named.messages.contains(&message.id) {
                continue;
            }
            let named = self.named_at(message.id.created_at());
            let mut without = message.clone();
            named.take_from_message(&mut without);
            if without != *message {
                self.steps
                    .push(Forget::InMessage(channel, message.id, named));
            }
        }
        Ok(())
    }

    /// What must no longer be mentioned in text of this time.
    fn named_at(&self, time: Millis) -> Arc<Named> {
        if self.wishes.values().all(|until| time <= *until) {
            return Arc::clone(&self.named);
        }
        let users = self.named.users.iter().copied();
        Arc::new(Named {
            users: users.filter(|user| self.goes(*user, time)).collect(),
            messages: self.named.messages.clone(),
        })
    }

    fn reactions(&mut self, channel: ChannelId) -> Result<(), StoreError> {
        for reaction in self.store.reactions(channel, 0..=u64::MAX) {
            let reaction = reaction?;
            let theirs = self.goes(reaction.user_id, reaction.message_id.created_at());
            self.done.reactions += usize::from(theirs);
            // Earlier versions stored a hash instead of the user's id.
            if theirs || reaction.user_id.is_anonymous() {
                self.steps.push(Forget::Reaction(Box::new(reaction)));
            }
        }
        Ok(())
    }

    /// Adds the members' props, and collects the messages that announce the other props.
    fn props(
        &mut self,
        channel: ChannelId,
        told_by: &mut BTreeSet<MessageId>,
    ) -> Result<(), StoreError> {
        for props in self.store.props(channel, 0..=u64::MAX) {
            let props = props?;
            let theirs = self.goes(props.giver, props.id.created_at());
            self.done.props += usize::from(theirs);
            // Earlier versions kept a row without receivers.
            if theirs || props.receivers.is_empty() {
                self.steps.push(Forget::Props(channel, props.id));
                continue;
            }
            told_by.extend(props.message_id);
            let named = self.named_at(props.id.created_at());
            let mut without = props.clone();
            named.take_from_props(&mut without);
            if without != props {
                self.steps.push(Forget::InProps(channel, props.id, named));
            }
        }
        Ok(())
    }

    /// Adds tombstones that earlier versions left for deleted messages.
    ///
    /// Their time is that of the deletion or of a later page, so tombstones of other messages may
    /// match. Those only matter for props whose message was deleted.
    fn tombstones(
        &mut self,
        channel: ChannelId,
        told_by: &BTreeSet<MessageId>,
    ) -> Result<(), StoreError> {
        for state in self.store.messages(channel, 0..=u64::MAX) {
            let state = state?;
            let Life::Deleted(at) = state.state else {
                continue;
            };
            let sent = state.id.created_at();
            let mut wishes = self.wishes.values();
            let possible = wishes.any(|until| sent <= *until && at >= *until);
            if possible && !told_by.contains(&state.id) {
                self.steps.push(Forget::Tombstone(channel, state.id));
            }
        }
        Ok(())
    }
}

/// The user who opened a thread or forum post.
pub(super) fn opened_by(channel: &Channel) -> Option<UserId> {
    channel.thread.as_ref()?.owner_id
}
