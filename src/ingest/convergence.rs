//! Tests that the mirror converges on the world, whatever order facts arrive in.
//!
//! A small world runs through random actions. The gateway reports each in order, except during an
//! outage; REST answers, true when requested, arrive any time later, perhaps twice. After one more
//! backfill, the mirror must match the world.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::merge;
pub(super) use propsbot_mirror::MemoryRows as Memory;
use propsbot_mirror::ReadRows as _;
use propsbot_model::{
    Author, AuthorKind, ChannelId, Coverage, Drift, Emoji, Evidence, Fact, GuildId, Mention,
    Message, MessageId, MessageKind, MessageState, Millis, Observation, Page, PagedMessage,
    Pending, Reaction, ReactionCount, ReactionEvent, Scrub, Stamp, Tally, User, UserId,
};

const GUILD: GuildId = GuildId(1);
const CHANNEL: ChannelId = ChannelId(2);

/// The world: messages with text and edit time, and who reacted with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World {
    messages: BTreeMap<u64, (String, Option<i64>)>,
    reactions: BTreeSet<(u64, u8, bool, u64)>,
}

#[derive(Clone, Debug)]
enum Action {
    Post,
    Edit(usize),
    Delete(usize),
    React(usize, u8, bool, u64),
    Unreact(usize, u8, bool, u64),
    Clear(usize, Option<u8>),
    /// Lists all messages; the answer arrives this many actions later and may lack a message.
    List {
        delay: usize,
        lacks: Option<usize>,
    },
    /// REST wrongly reports an existing message as gone.
    Hide(usize),
    Reactors {
        message: usize,
        emoji: u8,
        burst: bool,
        delay: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let emoji = 0..2u8;
    prop_oneof![
        2 => Just(Action::Post),
        1 => (0..8usize).prop_map(Action::Edit),
        1 => (0..8usize).prop_map(Action::Delete),
        4 => (0..8usize, emoji.clone(), any::<bool>(), 1..4u64).prop_map(|(m, e, b, u)| Action::React(m, e, b, u)),
        3 => (0..8usize, emoji.clone(), any::<bool>(), 1..4u64).prop_map(|(m, e, b, u)| Action::Unreact(m, e, b, u)),
        1 => (0..8usize, proptest::option::of(emoji.clone())).prop_map(|(m, e)| Action::Clear(m, e)),
        2 => (0..6usize, proptest::option::of(0..8usize))
            .prop_map(|(delay, lacks)| Action::List { delay, lacks }),
        1 => (0..8usize).prop_map(Action::Hide),
        2 => (0..8usize, emoji, any::<bool>(), 0..6usize)
            .prop_map(|(message, emoji, burst, delay)| Action::Reactors { message, emoji, burst, delay }),
    ]
}

fn user(id: u64) -> User {
    User {
        id: UserId(id),
        username: format!("u{id}"),
        global_name: None,
        discriminator: None,
        bot: false,
        system: false,
        unread: propsbot_model::Unread::default(),
    }
}

fn emoji(number: u8) -> Emoji {
    Emoji::unicode(["👍", "#️⃣"][usize::from(number)])
}

impl World {
    fn message(&self, id: u64) -> Message {
        let (content, edited) = &self.messages[&id];
        Message {
            id: MessageId(id),
            channel_id: CHANNEL,
            guild_id: GUILD,
            author: Author {
                id: UserId(1),
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: content.clone(),
            // Each version mentions another user.
            mentions: vec![Mention {
                user_id: UserId(
                    content.len() as u64 + edited.unwrap_or_default().cast_unsigned() % 3,
                ),
                count: 1,
            }],
            reply_to: None,
            command: None,
            edited_at: edited.map(Millis),
            by_webhook: None,
            unread: propsbot_model::Unread::default(),
            earlier: Vec::new(),
        }
    }

    fn nth(&self, n: usize) -> Option<u64> {
        let count = self.messages.len().max(1);
        self.messages.keys().nth(n % count).copied()
    }

    fn count(&self, id: u64, of: u8, burst: bool) -> u64 {
        self.reactions
            .iter()
            .filter(|reaction| (reaction.0, reaction.1, reaction.2) == (id, of, burst))
            .count() as u64
    }

    /// Counts the reactions to each message with each emoji.
    fn counts(&self) -> BTreeMap<(u64, u8, bool), usize> {
        let mut counts = BTreeMap::new();
        for it in &self.reactions {
            *counts.entry((it.0, it.1, it.2)).or_default() += 1;
        }
        counts
    }

    /// Lists all messages but one, as requested at this state of the world.
    fn list(&self, rows: &Memory, lacks: Option<u64>) -> Fact {
        let messages: Vec<MessageState> = rows.scan(()).unwrap();
        let reactions: Vec<Reaction> = rows.scan(()).unwrap();
        let known = messages.iter().map(|message| message.id);
        let known = known.chain(reactions.iter().map(|reaction| reaction.message_id));
        let gone = known
            .filter(|id| !self.messages.contains_key(&id.0))
            .collect();
        let listed = self.messages.keys().filter(|id| Some(**id) != lacks);
        let messages = listed.map(|id| PagedMessage {
            message: self.message(*id),
            author: Some(user(1)),
            mentioned: vec![],
            counts: (0..2)
                .map(|of| ReactionCount {
                    emoji: emoji(of),
                    normal: self.count(*id, of, false),
                    burst: self.count(*id, of, true),
                })
                .filter(|count| count.normal + count.burst > 0)
                .collect(),
            thread: None,
            replied: None,
        });
        Fact::Page(Page {
            guild_id: GUILD,
            channel_id: CHANNEL,
            after: MessageId(0),
            to: MessageId(u64::MAX - 1),
            newest: true,
            messages: messages.collect(),
            unreadable: vec![],
            lists: None,
            told: vec![],
            gone,
            lacks_some: false,
            before: None,
        })
    }

    fn reactors(&self, id: u64, of: &Emoji, burst: bool) -> Fact {
        let number = u8::from(*of == emoji(1));
        let users = self
            .reactions
            .iter()
            .filter(|reaction| (reaction.0, reaction.1, reaction.2) == (id, number, burst));
        Fact::Reactors {
            guild_id: GUILD,
            channel_id: CHANNEL,
            message_id: MessageId(id),
            emoji: of.clone(),
            burst,
            users: users.map(|message| user(message.3)).collect(),
        }
    }

    /// Runs an action; returns the gateway's event for it.
    fn live(&mut self, action: &Action, now: u64) -> Option<Fact> {
        let event = |message: u64, of: u8, burst, by| ReactionEvent {
            guild_id: GUILD,
            channel_id: CHANNEL,
            message_id: MessageId(message),
            user_id: UserId(by),
            emoji: emoji(of),
            burst,
        };
        match *action {
            Action::Post => {
                self.messages.insert(now, (format!("said at {now}"), None));
                Some(Fact::Posted(self.message(now)))
            }
            Action::Edit(n) => {
                let id = self.nth(n)?;
                let edited = Some(i64::try_from(now).unwrap());
                self.messages
                    .insert(id, (format!("edited at {now}"), edited));
                Some(Fact::Message(self.message(id)))
            }
            Action::Delete(n) => {
                let id = self.nth(n)?;
                self.messages.remove(&id);
                self.reactions.retain(|reaction| reaction.0 != id);
                Some(Fact::MessageGone(GUILD, CHANNEL, MessageId(id)))
            }
            Action::React(n, of, burst, by) => {
                let id = self.nth(n)?;
                let new = self.reactions.insert((id, of, burst, by));
                new.then(|| Fact::Reacted(event(id, of, burst, by)))
            }
            Action::Unreact(n, of, burst, by) => {
                let id = self.nth(n)?;
                let was = self.reactions.remove(&(id, of, burst, by));
                was.then(|| Fact::Unreacted(event(id, of, burst, by)))
            }
            Action::Clear(n, of) => {
                let id = self.nth(n)?;
                self.reactions
                    .retain(|reaction| reaction.0 != id || of.is_some_and(|of| of != reaction.1));
                let of = of.map(|of| emoji(of).key);
                Some(Fact::ReactionsCleared(GUILD, CHANNEL, MessageId(id), of))
            }
            Action::List { .. } | Action::Reactors { .. } | Action::Hide(_) => None,
        }
    }
}

fn tell(rows: &mut Memory, now: usize, by: Evidence, fact: Fact) -> Vec<Pending> {
    let at = Stamp(i64::try_from(now).unwrap());
    merge(rows, &Observation { at, by, fact }).unwrap()
}

fn shown(rows: &Memory) -> World {
    let messages: Vec<MessageState> = rows.scan(()).unwrap();
    let reactions: Vec<Reaction> = rows.scan(()).unwrap();
    World {
        messages: messages
            .iter()
            .filter_map(MessageState::message)
            .map(|message| {
                (
                    message.id.0,
                    (message.content.clone(), message.edited_at.map(|at| at.0)),
                )
            })
            .collect(),
        reactions: reactions
            .iter()
            .filter(|reaction| reaction.is_present())
            .map(|reaction| {
                (
                    reaction.message_id.0,
                    u8::from(reaction.emoji == emoji(1).key),
                    reaction.burst,
                    reaction.user_id.0,
                )
            })
            .collect(),
    }
}

fn drift(rows: &Memory) -> Drift {
    let scrub: Option<Scrub> = rows.get(GUILD).unwrap();
    scrub.unwrap_or(Scrub::unknown(GUILD)).drift
}

/// Returns the differences from the world within what the mirror claims to know.
fn hidden(rows: &Memory, world: &World) -> Drift {
    let coverage: Option<Coverage> = rows.get((GUILD, CHANNEL)).unwrap();
    let covers = |id: &u64| {
        coverage
            .as_ref()
            .is_some_and(|coverage| coverage.covers(MessageId(*id)))
    };
    let mirror = shown(rows);
    let both = |id: &u64| mirror.messages.contains_key(id) && world.messages.contains_key(id);
    let count = |of: &World, not: &World| {
        let ids = of.messages.keys().filter(|id| covers(id));
        ids.filter(|id| !not.messages.contains_key(id)).count() as u64
    };
    let (ours, theirs) = (mirror.counts(), world.counts());
    let kinds: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let is_pending = |kind: &(u64, u8, bool)| {
        let key = (GUILD, CHANNEL, MessageId(kind.0), emoji(kind.1).key, kind.2);
        rows.get::<Pending>(key).unwrap().is_some()
    };
    let changed = kinds
        .into_iter()
        .filter(|kind| covers(&kind.0) && both(&kind.0) && !is_pending(kind))
        .filter(|kind| ours.get(kind) != theirs.get(kind));
    let edited = mirror.messages.iter().filter(|(id, said)| {
        covers(id)
            && world
                .messages
                .get(id)
                .is_some_and(|message| message != *said)
    });
    Drift {
        edited: edited.count() as u64,
        deleted: count(&mirror, world),
        found: count(world, &mirror),
        reactions: changed.count() as u64,
        threads: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_mirror_converges(
        actions in proptest::collection::vec(action(), 1..60),
        outage in (0..60usize, 0..20usize),
        twice in any::<bool>(),
        final_backfill in any::<bool>(),
    ) {
        let mut world = World::default();
        let mut rows = Memory::default();
        let mut under_way: Vec<(usize, usize, Fact)> = vec![];
        let mut missed = false;
        for (n, action) in actions.iter().enumerate() {
            let now = n + 1;
            if let Some(fact) = world.live(action, now as u64) {
                if (outage.0..outage.0 + outage.1).contains(&n) {
                    missed = true;
                } else {
                    tell(&mut rows, now, Evidence::Gateway, fact.clone());
                    if twice {
                        tell(&mut rows, now, Evidence::Gateway, fact);
                    }
                }
            }
            match *action {
                Action::List { delay, lacks } => {
                    let lacks = lacks.and_then(|n| world.nth(n));
                    let list = world.list(&rows, lacks);
                    under_way.push((now + delay, now, list));
                }
                Action::Hide(n) => {
                    if let Some(id) = world.nth(n) {
                        missed = true;
                        let gone = Fact::MessageGone(GUILD, CHANNEL, MessageId(id));
                        tell(&mut rows, now, Evidence::Rest, gone);
                    }
                }
                Action::Reactors { message, emoji: of, burst, delay } => {
                    if let Some(id) = world.nth(message) {
                        under_way.push((now + delay, now, world.reactors(id, &emoji(of), burst)));
                    }
                }
                _ => {}
            }
            for (_, asked, fact) in under_way.extract_if(.., |under_way| under_way.0 <= now) {
                tell(&mut rows, asked, Evidence::Rest, fact);
            }
        }
        let end = actions.len() + 1;
        for (_, asked, fact) in under_way {
            tell(&mut rows, asked, Evidence::Rest, fact);
        }
        // If every event arrived, nothing is missing. After an outage, a backfill repairs the
        // rest.
        if !missed {
            prop_assert_eq!(drift(&rows), Drift::default(), "all was heard");
        }
        if missed || final_backfill {
            let (before, expected) = (drift(&rows), hidden(&rows, &world));
            let list = world.list(&rows, None);
            tell(&mut rows, end, Evidence::Rest, list.clone());
            prop_assert_eq!(drift(&rows).since(before), expected);
            // Repeating a page counts no more drift.
            tell(&mut rows, end, Evidence::Rest, list.clone());
            prop_assert_eq!(drift(&rows).since(before), expected);
            let pending: Vec<Pending> = rows.scan(()).unwrap();
            for it in pending {
                let list = world.reactors(it.message_id.0, &it.emoji, it.burst);
                tell(&mut rows, end, Evidence::Rest, list);
            }
            prop_assert!(rows.scan::<Pending>(()).unwrap().is_empty());
            // Then nothing is left to fetch.
            prop_assert_eq!(tell(&mut rows, end + 1, Evidence::Rest, list), vec![]);
            let coverage: Coverage = rows.get((GUILD, CHANNEL)).unwrap().unwrap();
            prop_assert_eq!(coverage.gaps(MessageId(u64::MAX - 1)), vec![]);
        }
        let mirror = shown(&rows);
        if missed {
            // Only counts reveal missed changes: one user taking a reaction back while another
            // gives the same goes unnoticed. Nothing else may differ.
            prop_assert_eq!(&mirror.messages, &world.messages);
            prop_assert_eq!(mirror.counts(), world.counts());
        } else {
            prop_assert_eq!(&mirror, &world);
        }
        let tally: Option<Tally> = rows.get((GUILD, CHANNEL)).unwrap();
        let counted = tally.map_or((0, 0), |tally| (tally.messages, tally.reactions));
        prop_assert_eq!(counted, (world.messages.len() as u64, world.reactions.len() as u64));
    }
}
