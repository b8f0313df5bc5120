//! Finds, blanks or deletes a member's data in the whole mirror.
//!
//! Owns the search, which reads all of a guild and takes a while. The writer gets the results in
//! small groups, so that others needn't wait.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    deletion::{self, opened_by},
    writer::Writer,
};
use crate::clock::Clock;
use propsbot_mirror::{Ending, ask};
use propsbot_model::{
    AdminAction, Channel, ChannelId, Evidence, Fact, Forget, GuildChoice, GuildEntity, GuildId,
    Link, Member, Message, Millis, Observation, Privacy, Props, Reaction, ScheduledEvent, Tier,
    UserId,
};
use propsbot_store::{Store, StoreError, purge};

pub use deletion::Forgotten;

/// Searches that run at the same time.
static SEARCHES: Semaphore = Semaphore::const_new(2);

/// Facts per write.
const GROUP: usize = 200;

/// Data stored about a member in a guild.
#[derive(Debug, Default)]
pub struct Found {
    /// Their current and former names.
    pub member: Option<Member>,
    pub owns_guild: bool,
    /// Threads and forum posts that they opened.
    pub threads: Vec<Channel>,
    /// Scheduled events that they created or are interested in.
    pub events: Vec<ScheduledEvent>,
    /// Messages that contain their words.
    pub messages: Vec<Message>,
    pub reactions: Vec<Reaction>,
    pub given: Vec<Props>,
    pub received: Vec<Props>,
    pub admin_actions: Vec<AdminAction>,
    /// What they asked of SourceCred's ledger.
    pub link: Option<Link>,
}

fn has_created(event: &ScheduledEvent, user: UserId) -> bool {
    let mut occurrences = event.occurrences.iter();
    occurrences.any(|own| own.details.creator_id == Some(user))
}

/// Why handling a member's data failed.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ending(#[from] Ending),
}

/// Finds everything stored about a member; reads all messages and reactions of the guild.
pub fn find(store: &Store, guild: GuildId, user: UserId) -> Result<Found, StoreError> {
    let mut found = Found {
        member: store.member(guild, user)?,
        admin_actions: store.admin_actions(guild)?,
        link: store.link(guild, user)?,
        ..Found::default()
    };
    found.admin_actions.retain(|action| action.by == user);
    let part = store.guild(guild)?;
    let owner = part.as_ref().and_then(|part| part.state.ever());
    found.owns_guild = owner.is_some_and(|owner| owner.owner_id == user);
    let channels: Vec<GuildEntity<Channel>> = store.channels(guild)?;
    let known = channels.iter().filter_map(|channel| channel.state.ever());
    found.threads = known
        .filter(|known| opened_by(known) == Some(user))
        .cloned()
        .collect();
    found.events = store.scheduled_events(guild)?;
    found
        .events
        .retain(|event| has_created(event, user) || event.interested().any(|own| own == user));
    for channel in channels.iter().map(|channel| ChannelId(channel.id)) {
        for state in store.messages(channel, 0..=u64::MAX) {
            let state = state?;
            let of_user = state
                .message()
                .filter(|message| message.speaker() == Some(user));
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

/// Stores a member's choice, and blanks their texts if they want none kept.
/// The choice is durable, and applies to later facts, before the search starts.
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
    let found = searching(store, move |store| find(store, guild, user)).await?;
    let texts = found
        .messages
        .iter()
        .filter(|message| !message.content.is_empty());
    let texts = texts.map(|text| Fact::Hushed(text.guild_id, text.channel_id, text.id));
    let reasons = found.given.iter().filter(|given| !given.reason.is_empty());
    let reasons =
        reasons.map(|reason| Fact::PropsHushed(reason.guild_id, reason.channel_id, reason.id));
    let titles = found
        .threads
        .iter()
        .filter(|thread| !thread.name.is_empty());
    let titles = titles.map(|title| Fact::Forget(guild, Forget::InChannel(title.id)));
    let events = found.events.iter();
    let events = events.filter(|event| has_created(event, user));
    let names = events.map(|event| Fact::Forget(guild, Forget::InEvent(event.id)));
    let facts: Vec<Fact> = texts.chain(reasons).chain(titles).chain(names).collect();
    if !facts.is_empty() {
        reading(store, Store::owe_rewrite).await?;
    }
    write(writer, clock, facts).await
}

/// Adopts the choices in an archive for members without one here; returns how many.
/// The archive may be newer than the store that is to replace it.
pub async fn adopt(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    wishes: Vec<Privacy>,
) -> Result<usize, PrivacyError> {
    let mut adopted = 0;
    for wish in wishes {
        let known = store.privacy_of(wish.guild_id, wish.user_id)?;
        let is_unknown = known == Privacy::unchosen(wish.guild_id, wish.user_id);
        let deleted = wish.forgotten.filter(|_| known.forgotten < wish.forgotten);
        if deleted.is_none() && !is_unknown {
            continue;
        }
        adopted += 1;
        if let Some(until) = deleted {
            forget(store, writer, clock, (wish.guild_id, wish.user_id), until).await?;
        }
        if is_unknown {
            // The archive doesn't say since when. It must be later than the deletion, which hides
            // everything.
            let since = deleted.map_or(wish.since, |until| Millis(until.0 + 1));
            let since = since.max(wish.since);
            choose(store, writer, clock, Privacy { since, ..wish }).await?;
        }
    }
    Ok(adopted)
}

/// Deletes what a member did until `until`, and their name everywhere.
/// What others did stays, without naming them. Nothing of theirs is exported until they choose
/// otherwise. The request is remembered, so no fetch restores the data; [`resume`] finishes it if
/// interrupted.
pub async fn forget(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    (guild, user): (GuildId, UserId),
    until: Millis,
) -> Result<Forgotten, PrivacyError> {
    let request = Privacy {
        tier: Tier::Everything,
        since: until,
        forgotten: Some(until),
        ..Privacy::unchosen(guild, user)
    };
    // The next rewrite removes it from sled's log too, whatever happens next.
    reading(store, Store::owe_rewrite).await?;
    write(writer, clock, vec![Fact::Privacy(request)]).await?;
    let wishes = BTreeMap::from([(user, until)]);
    let search = move |store: &Store| deletion::find(store, guild, wishes, false);
    let (done, steps) = searching(store, search).await?;
    carry_out(writer, clock, guild, steps).await?;
    Ok(done)
}

/// Deletes all data of a guild and stops mirroring it, unless the operator names it again.
/// [`resume`] finishes it if interrupted. Needs exclusive write access.
pub async fn forget_guild(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
    guild: GuildId,
) -> Result<(), PrivacyError> {
    reading(store, Store::owe_rewrite).await?;
    let choice = GuildChoice {
        guild_id: guild,
        place: None,
        is_off: false,
    };
    write(writer, clock, vec![Fact::GuildChosen(choice)]).await?;
    reading(store, move |store| purge(store, guild)).await
}

/// Finishes interrupted deletions in all guilds, and removes leftovers of earlier versions.
/// Needs exclusive write access.
pub async fn resume(
    store: &Arc<Store>,
    writer: &Writer,
    clock: &Clock,
) -> Result<(), PrivacyError> {
    for choice in reading(store, |store| store.guild_choices()).await? {
        if choice.place.is_none() {
            reading(store, move |store| purge(store, choice.guild_id)).await?;
        }
    }
    for guild in reading(store, |store| store.guilds()).await? {
        let guild = guild.guild_id;
        let search = move |store: &Store| {
            let chosen = store.privacy(guild)?.into_iter();
            let wishes: BTreeMap<UserId, Millis> = chosen
                .filter_map(|chosen| Some((chosen.user_id, chosen.forgotten?)))
                .collect();
            if wishes.is_empty() {
                return Ok(Vec::new());
            }
            Ok(deletion::find(store, guild, wishes, true)?.1)
        };
        let steps = reading(store, search).await?;
        carry_out(writer, clock, guild, steps).await?;
    }
    Ok(())
}

async fn carry_out(
    writer: &Writer,
    clock: &Clock,
    guild: GuildId,
    steps: Vec<Forget>,
) -> Result<(), PrivacyError> {
    let facts = steps.into_iter().map(|step| Fact::Forget(guild, step));
    write(writer, clock, facts.collect()).await
}

/// Runs a search of a whole guild off the async threads.
/// Few run at a time, which leaves threads for short queries.
pub async fn searching<T: Send + 'static>(
    store: &Arc<Store>,
    search: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, PrivacyError> {
    let _turn = SEARCHES.acquire().await;
    reading(store, search).await
}

/// Queries the store off the async threads.
async fn reading<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, PrivacyError> {
    Ok(ask(store, question).await??)
}

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
