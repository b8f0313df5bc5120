//! Tests that no boundary names a message that was deleted on request.
//!
//! A small channel with messages of Ana and Ben is listed, heard, or both. Then Ana has her data
//! deleted, and all of it is listed again, page by page.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{convergence::Memory, merge};
use propsbot_mirror::ReadRows as _;
use propsbot_model::{
    Author, AuthorKind, ChannelId, Coverage, Evidence, Fact, Failure, FailureObject, Forget,
    GuildId, Live, Message, MessageId, MessageKind, MessageState, Millis, Observation, Page,
    PagedMessage, PagesBefore, Privacy, Reread, Scrub, Stamp, Tier, Unread, UserId, Walk,
};

const GUILD: GuildId = GuildId(1);
const CHANNEL: ChannelId = ChannelId(2);
const ANA: UserId = UserId(480_300_000_000_000_001);
const BEN: UserId = UserId(480_300_000_000_000_002);
const UNTIL: Millis = Millis(1_700_000_000_000);
const WITHIN_MS: u64 = (1 << 22) - 1;

/// The channel's messages, oldest first, and whether each is Ana's.
#[derive(Clone, Debug)]
struct World(Vec<(MessageId, bool)>);

impl World {
    fn ids(&self) -> impl DoubleEndedIterator<Item = MessageId> {
        self.0.iter().map(|(id, _)| *id)
    }

    fn message(&self, id: MessageId) -> Message {
        let is_anas = self
            .0
            .iter()
            .any(|(other, is_anas)| *other == id && *is_anas);
        Message {
            id,
            channel_id: CHANNEL,
            guild_id: GUILD,
            author: Author {
                id: if is_anas { ANA } else { BEN },
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: "words".to_owned(),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
            unread: Unread::default(),
            earlier: Vec::new(),
        }
    }

    /// The page that has all in `(after, to]`.
    fn page(&self, after: MessageId, to: MessageId, newest: bool) -> Page {
        let paged = |id: MessageId| PagedMessage {
            message: self.message(id),
            author: None,
            mentioned: Vec::new(),
            counts: Vec::new(),
            thread: None,
            replied: None,
        };
        let listed = self.ids().filter(|id| *id > after && *id <= to);
        Page {
            guild_id: GUILD,
            channel_id: CHANNEL,
            after,
            to,
            newest,
            messages: listed.map(paged).collect(),
            unreadable: Vec::new(),
            lists: None,
            told: Vec::new(),
            gone: BTreeSet::new(),
            lacks_some: false,
            before: None,
        }
    }

    /// All of it, in pages of this many messages, newest first, asked for from `asked` on.
    fn pages(&self, size: usize, asked: Stamp) -> Vec<Page> {
        let newest = self.ids().next_back().unwrap();
        let (mut pages, mut to) = (Vec::new(), newest);
        loop {
            let listed: Vec<MessageId> =
                self.ids().rev().filter(|id| *id <= to).take(size).collect();
            let after = match listed.last() {
                Some(oldest) if listed.len() == size => {
                    // Other messages of its millisecond may be missing.
                    let end = oldest.0 | WITHIN_MS;
                    if end >= to.0 { oldest.0 - 1 } else { end }
                }
                _ => 0,
            };
            let page = self.page(MessageId(after), to, pages.is_empty());
            let before = (!pages.is_empty()).then_some(PagesBefore {
                to: newest,
                newest: Some(asked),
            });
            pages.push(Page { before, ..page });
            if after == 0 {
                return pages;
            }
            to = MessageId(after);
        }
    }
}

fn world() -> impl Strategy<Value = World> {
    proptest::collection::vec((0..3u64, any::<bool>()), 1..16).prop_map(|steps| {
        let (mut ms, mut all) = (MessageId::at(Millis(UNTIL.0 - 1_000)).0 >> 22, Vec::new());
        for (low, (gap, is_anas)) in steps.into_iter().enumerate() {
            ms += gap;
            all.push((MessageId(ms << 22 | low as u64), is_anas));
        }
        World(all)
    })
}

/// What the mirror was told, and what follows from it.
struct Mirror<'a> {
    world: &'a World,
    rows: Memory,
    told: BTreeSet<MessageId>,
    now: i64,
}

impl Mirror<'_> {
    fn tell(&mut self, by: Evidence, fact: Fact) {
        match &fact {
            Fact::Page(page) => {
                let listed = page.messages.iter().map(|paged| paged.message.id);
                self.told.extend(listed);
            }
            Fact::Posted(message) => drop(self.told.insert(message.id)),
            _ => {}
        }
        self.now += 1;
        let at = Stamp(self.now);
        merge(&mut self.rows, &Observation { at, by, fact }).unwrap();
    }

    fn coverage(&self) -> Option<Coverage> {
        self.rows.get((GUILD, CHANNEL)).unwrap()
    }

    /// No boundary is one of Ana's messages, or of the millisecond of one alone.
    fn check_boundaries(&self) {
        let scrub: Option<Scrub> = self.rows.get(GUILD).unwrap();
        let walk = scrub.and_then(|scrub| scrub.walk?.value.before);
        let mut boundaries: Vec<u64> = walk.map(|before| before.0 - 1).into_iter().collect();
        if let Some(coverage) = self.coverage() {
            let ends = coverage.intervals.iter();
            boundaries.extend(ends.flat_map(|known| [known.after.0, known.to.0]));
            boundaries.extend(coverage.live.map(|live| live.after.0));
            boundaries.extend(coverage.reread.map(|reread| reread.left.0));
        }
        let kept: Vec<MessageState> = self.rows.scan(CHANNEL).unwrap();
        for boundary in boundaries {
            let anas = self.world.0.iter().filter(|(_, is_anas)| *is_anas);
            for (id, _) in anas {
                assert_ne!(boundary, id.0);
                let is_near = boundary >> 22 == id.0 >> 22;
                let stands_for = kept.iter().any(|row| row.id.0 >> 22 == id.0 >> 22);
                assert!(!is_near || stands_for, "{boundary} names {id}");
            }
        }
    }

    /// Nothing is covered that the mirror wasn't told.
    fn check_claims(&self) {
        let covered = |id: &MessageId| self.coverage().is_some_and(|known| known.covers(*id));
        let claimed = self.world.ids().filter(covered);
        for id in claimed {
            assert!(self.told.contains(&id), "{id} is covered");
        }
    }
}

/// What the mirror knows before the deletion.
#[derive(Clone, Debug)]
enum Known {
    /// A page from one message to another.
    Page(usize, usize),
    /// What was posted after this message was heard.
    Heard(usize),
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![
        3 => (0..16usize, 0..16usize).prop_map(|(from, to)| Known::Page(from, to)),
        1 => (0..16usize).prop_map(Known::Heard),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn boundaries_name_no_deleted_message(
        world in world(),
        known in proptest::collection::vec(known(), 0..5),
        (read_on, left) in (0..16usize, 0..16usize),
        size in 1..5usize,
        cut in 0..20usize,
    ) {
        let ids: Vec<MessageId> = world.ids().collect();
        let nth = |at: usize| ids[at % ids.len()];
        let mut mirror = Mirror {
            world: &world,
            rows: Memory::default(),
            told: BTreeSet::new(),
            now: (UNTIL.0 - 1) * 1_000,
        };
        mirror.tell(Evidence::Gateway, Fact::SessionLost(GUILD, Stamp(0)));
        for known in &known {
            match *known {
                Known::Page(from, to) => {
                    let after = MessageId(nth(from).0 | WITHIN_MS);
                    let to = MessageId(nth(to).0).max(after);
                    mirror.tell(Evidence::Rest, Fact::Page(world.page(after, to, to == ids[ids.len() - 1])));
                }
                Known::Heard(after) => {
                    let live = Live { session: 1, after: nth(after), since: Stamp(mirror.now) };
                    mirror.tell(Evidence::Rest, Fact::Live(GUILD, CHANNEL, live));
                    for id in ids.iter().filter(|id| **id > nth(after)) {
                        mirror.tell(Evidence::Gateway, Fact::Posted(world.message(*id)));
                    }
                }
            }
        }
        let walk = Walk { place: CHANNEL, before: Some(MessageId((nth(read_on).0 | WITHIN_MS) + 1)), ..Walk::none(UNTIL).next_round(UNTIL, 1) };
        mirror.tell(Evidence::Rest, Fact::Scrubbed(GUILD, walk));
        let reread = Reread { begun: Stamp(1), left: nth(left) };
        mirror.tell(Evidence::Rest, Fact::Reread(GUILD, CHANNEL, reread));
        mirror.check_claims();

        mirror.now = UNTIL.0 * 1_000 + 1_000;
        let wish = Privacy {
            tier: Tier::Everything,
            since: UNTIL,
            forgotten: Some(UNTIL),
            ..Privacy::unchosen(GUILD, ANA)
        };
        mirror.tell(Evidence::Gateway, Fact::Privacy(wish));
        for (id, _) in world.0.iter().filter(|(_, is_anas)| *is_anas) {
            mirror.tell(Evidence::Gateway, Fact::Forget(GUILD, Forget::Message(CHANNEL, *id)));
        }
        for step in [Forget::InCoverage(CHANNEL), Forget::InWalk] {
            mirror.tell(Evidence::Gateway, Fact::Forget(GUILD, step));
        }
        mirror.check_boundaries();
        mirror.check_claims();
        let scrub: Option<Scrub> = mirror.rows.get(GUILD).unwrap();
        prop_assert!(scrub.unwrap().walk.unwrap().value.before >= walk.before, "nothing is skipped");
        let settled = mirror.coverage();
        let left = settled.as_ref().and_then(|known| known.reread);
        prop_assert!(left.is_none_or(|known| known.left >= reread.left));
        mirror.tell(Evidence::Gateway, Fact::Forget(GUILD, Forget::InCoverage(CHANNEL)));
        prop_assert_eq!(mirror.coverage(), settled, "it was done before");
        // What the gateway tells of her messages now leaves no row, wherever they were known.
        for (id, _) in world.0.iter().filter(|(id, is_anas)| *is_anas && mirror.told.contains(id)).copied().collect::<Vec<_>>() {
            let newest = ids[ids.len() - 1];
            if mirror.coverage().is_some_and(|known| known.covers(id)) || id == newest && mirror.coverage().is_some_and(|known| known.is_cut) {
                mirror.tell(Evidence::Gateway, Fact::MessageGone(GUILD, CHANNEL, id));
                let row: Option<MessageState> = mirror.rows.get((CHANNEL, id)).unwrap();
                prop_assert_eq!(row, None);
            }
        }

        // A backfill that is killed after some pages, and one that isn't.
        mirror.now = UNTIL.0 * 1_000 + 2_000_000;
        let pages = world.pages(size, Stamp(mirror.now + 1));
        for page in pages.iter().take(cut).chain(&pages) {
            mirror.tell(Evidence::Rest, Fact::Page(page.clone()));
            mirror.check_boundaries();
            mirror.check_claims();
        }
        let coverage = mirror.coverage().unwrap();
        for id in ids {
            prop_assert!(coverage.covers(id), "{} is not covered: {:?}", id, coverage);
        }
        prop_assert_eq!(coverage.gaps(coverage.top()), vec![]);
    }
}

#[test]
fn reasons_of_failures_name_no_deleted_message() {
    let world = World(vec![(MessageId::at(Millis(UNTIL.0 - 5)), true)]);
    let id = world.0[0].0;
    let mut mirror = Mirror {
        world: &world,
        rows: Memory::default(),
        told: BTreeSet::new(),
        now: UNTIL.0 * 1_000 + 1_000,
    };
    let wish = Privacy {
        tier: Tier::Everything,
        since: UNTIL,
        forgotten: Some(UNTIL),
        ..Privacy::unchosen(GUILD, ANA)
    };
    mirror.tell(Evidence::Gateway, Fact::Privacy(wish));
    let reason = format!("no answer to GET channels/{CHANNEL}/messages/{id}, nor of {ANA}");
    let object = FailureObject::Channel(CHANNEL);
    mirror.tell(Evidence::Rest, Fact::Failed(GUILD, object, reason.into()));
    let failures: Vec<Failure> = mirror.rows.scan(GUILD).unwrap();
    assert_eq!(
        failures[0].reason.to_string(),
        "no answer to GET channels/2/messages/0, nor of 1"
    );
}
