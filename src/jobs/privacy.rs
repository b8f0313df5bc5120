//! A member's data: found in the whole mirror, blanked, or deleted.
//!
//! Owns the search, which reads all of a guild and so takes a while; the writer gets what it finds
//! in small groups, so that nobody else has to wait.

use std::sync::Arc;

use super::writer::{Stopped, Writer};
use crate::{
    jobs::clock::Clock,
    model::{
        Channel, ChannelId, Evidence, Fact, GuildId, Member, Message, Millis, Observation, Part,
        Privacy, Props, Reaction, Tier, UserId,
    },
    store::{Store, StoreError},
};

/// Facts that the writer gets at once.
const GROUP: usize = 200;

/// What is kept of a member in a guild.
#[derive(Debug, Default)]
pub struct Found {
    /// What they are called and were.
    pub member: Option<Member>,
    /// The messages that have their words.
    pub messages: Vec<Message>,
    /// Their reactions.
    pub reactions: Vec<Reaction>,
    /// Props that they gave with commands.
    pub given: Vec<Props>,
    /// Props that they received by commands.
    pub received: Vec<Props>,
}

/// Why a member's data was not dealt with.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not be written.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Messages.
    pub messages: usize,
    /// Reactions.
    pub reactions: usize,
    /// Props that they gave.
    pub props: usize,
}

/// All that is kept of a member in a guild. Reads every row of the guild's messages and reactions.
pub fn find(store: &Store, guild: GuildId, user: UserId) -> Result<Found, StoreError> {
    let mut found = Found {
        member: store.member(guild, user)?,
        ..Found::default()
    };
    let channels: Vec<Part<Channel>> = store.channels(guild)?;
    for channel in channels.iter().map(|it| ChannelId(it.id)) {
        for state in store.messages(channel, 0..=u64::MAX) {
            let state = state?;
            let of_user = state.message().filter(|it| it.speaker() == Some(user));
            found.messages.extend(of_user.cloned());
        }
        for reaction in store.reactions(channel, 0..=u64::MAX) {
            let reaction = reaction?;
            if reaction.user_id == user {
                found.reactions.push(reaction);
            }
        }
        for props in store.props(channel, 0..=u64::MAX) {
            let props = props?;
            if props.receivers.contains(&user) {
                found.received.push(props.clone());
            }
            if props.giver == user {
                found.given.push(props);
            }
        }
    }
    Ok(found)
}

/// Remembers what a member chose, and blanks what they wrote if they want no text kept. The choice
/// is durable, and holds for all that comes, before anything is searched.
pub async fn choose(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    chosen: Privacy,
) -> Result<(), PrivacyError> {
    let (guild, user, tier) = (chosen.guild_id, chosen.user_id, chosen.tier);
    write(writer, clock, vec![Fact::Privacy(chosen)]).await?;
    if tier.keeps_content() {
        return Ok(());
    }
    let found = search(store, guild, user).await?;
    let texts = found
        .messages
        .into_iter()
        .filter(|it| !it.content.is_empty());
    let texts = texts.map(|it| Fact::Hushed(it.guild_id, it.channel_id, it.id));
    let reasons = found.given.into_iter().filter(|it| !it.reason.is_empty());
    let reasons = reasons.map(|it| {
        Fact::PropsReplaced(Props {
            reason: String::new(),
            ..it
        })
    });
    write(writer, clock, texts.chain(reasons).collect()).await
}

/// Makes the wishes that an archive remembers this store's own, for members who have told this store
/// nothing: what it is to replace may be newer than the store. Returns of how many.
pub async fn adopt(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    wishes: Vec<Privacy>,
) -> Result<usize, PrivacyError> {
    let mut adopted = 0;
    for wish in wishes {
        let known = store.privacy(wish.guild_id)?;
        if known.iter().any(|it| it.user_id == wish.user_id) {
            continue;
        }
        adopted += 1;
        if let Some(until) = wish.forgotten {
            forget(store, writer, clock, (wish.guild_id, wish.user_id), until).await?;
        }
        choose(store, writer, clock, wish).await?;
    }
    Ok(adopted)
}

/// Deletes all that a member did until `until`, and their names; what others did stays, without
/// them. From then on nothing of theirs is exported, until they choose otherwise. It is remembered,
/// so that no later fetch brings it back. Asked for again, it goes on where it was interrupted.
pub async fn forget(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    (guild, user): (GuildId, UserId),
    until: Millis,
) -> Result<Forgotten, PrivacyError> {
    let request = Privacy {
        guild_id: guild,
        user_id: user,
        tier: Tier::Everything,
        since: until,
        forgotten: Some(until),
    };
    let first = vec![Fact::Privacy(request), Fact::MemberForgotten(guild, user)];
    write(writer, clock, first).await?;
    let found = search(store, guild, user).await?;
    let before = |time: Millis| time <= until;
    let mut facts = Vec::new();
    let mut done = Forgotten::default();
    for it in found.reactions {
        if before(it.message_id.created_at()) {
            done.reactions += 1;
            facts.push(Fact::ReactionForgotten(Box::new(it)));
        }
    }
    for it in found.given {
        if before(it.id.created_at()) {
            done.props += 1;
            facts.push(Fact::PropsReplaced(it.forgotten(until)));
        }
    }
    for it in found.messages {
        if before(it.id.created_at()) {
            done.messages += 1;
            facts.push(Fact::MessageGone(guild, it.channel_id, it.id));
        }
    }
    write(writer, clock, facts).await?;
    Ok(done)
}

async fn search(store: &Arc<Store>, guild: GuildId, user: UserId) -> Result<Found, PrivacyError> {
    let store = Arc::clone(store);
    let found = tokio::task::spawn_blocking(move || find(&store, guild, user)).await;
    // It neither panics nor is cancelled, unless the process is ending.
    found.map_or(Err(PrivacyError::Stopped(Stopped)), |it| Ok(it?))
}

/// Makes facts durable, some at a time.
async fn write(writer: &Writer, clock: &Clock, facts: Vec<Fact>) -> Result<(), PrivacyError> {
    let mut facts = facts.into_iter().peekable();
    while facts.peek().is_some() {
        let group = facts.by_ref().take(GROUP).map(|fact| Observation {
            at: clock.stamp(),
            by: Evidence::Gateway,
            fact,
        });
        writer.write(group.collect()).await?;
    }
    Ok(())
}
