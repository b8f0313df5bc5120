//! Tests that coverage holds only what was received or fetched, however channels are hidden and
//! shown, sessions are lost, and descriptions arrive late.

use proptest::prelude::*;

use super::{convergence::Memory, merge};
use propsbot_mirror::ReadRows as _;
use propsbot_model::{
    Author, AuthorKind, Channel, ChannelId, ChannelKind, Coverage, Evidence, Fact, GuildId, Live,
    Message, MessageId, MessageKind, Observation, Overwrite, OverwriteKind, Session, Stamp, UserId,
    permissions::VIEW_CHANNEL,
};

const GUILD: GuildId = GuildId(1);
const CHANNEL: ChannelId = ChannelId(2);

#[derive(Clone, Debug)]
enum Action {
    Post,
    /// Hides the channel from the bot, or shows it again.
    Hide(bool),
    /// The connection is lost, or a new session begins.
    Connect(bool),
    /// Learns which message is the channel's last; reports it this many actions later, for the
    /// session current by then.
    Describe(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Post),
        2 => any::<bool>().prop_map(Action::Hide),
        1 => any::<bool>().prop_map(Action::Connect),
        3 => (0..8usize).prop_map(Action::Describe),
    ]
}

fn channel(hidden: bool) -> Channel {
    let hides = Overwrite {
        kind: OverwriteKind::Member,
        id: 3,
        allow: 0,
        deny: VIEW_CHANNEL,
    };
    Channel {
        id: CHANNEL,
        guild_id: GUILD,
        kind: ChannelKind::TEXT,
        name: String::new(),
        parent_id: None,
        position: 0,
        nsfw: false,
        overwrites: hidden.then_some(hides).into_iter().collect(),
        thread: None,
        unread: propsbot_model::Unread::default(),
    }
}

fn message(id: MessageId) -> Message {
    Message {
        id,
        channel_id: CHANNEL,
        guild_id: GUILD,
        author: Author {
            id: UserId(4),
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: String::new(),
        mentions: vec![],
        reply_to: None,
        command: None,
        by_webhook: None,
        unread: propsbot_model::Unread::default(),
        earlier: Vec::new(),
        edited_at: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn covers_only_what_was_received(actions in proptest::collection::vec(action(), 1..40)) {
        let mut rows = Memory::default();
        let mut tell = |now: usize, fact: Fact| {
            let (at, by) = (Stamp(i64::try_from(now).unwrap()), Evidence::Gateway);
            merge(&mut rows, &Observation { at, by, fact }).unwrap();
            let session: Option<Session> = rows.get(GUILD).unwrap();
            let coverage: Option<Coverage> = rows.get((GUILD, CHANNEL)).unwrap();
            (session.map_or(0, |session| session.number), coverage)
        };
        let (mut hidden, mut connected) = (false, true);
        let (mut last, mut unheard) = (MessageId(0), vec![]);
        let mut late: Vec<(usize, usize, MessageId)> = vec![];
        tell(0, Fact::SessionLost(GUILD, Stamp(0)));
        let (mut session, _) = tell(0, Fact::Channel(channel(false)));
        let mut heard_until = 0;
        for (n, action) in actions.iter().enumerate() {
            let now = n + 1;
            let mut coverage = None;
            match *action {
                Action::Post => {
                    last = MessageId(now as u64);
                    if connected && !hidden {
                        coverage = tell(now, Fact::Posted(message(last))).1;
                    } else {
                        unheard.push(last);
                    }
                }
                Action::Hide(hide) => {
                    hidden = hide;
                    if connected {
                        tell(now, Fact::Channel(channel(hide)));
                    }
                }
                Action::Connect(true) if !connected => {
                    let at = Stamp(heard_until);
                    session = tell(now, Fact::SessionLost(GUILD, at)).0;
                    tell(now, Fact::Channel(channel(hidden)));
                }
                // Discord sends no event to a bot that can't see the channel.
                Action::Describe(delay) if !hidden => late.push((now + delay, now, last)),
                Action::Describe(_) | Action::Connect(_) => {}
            }
            if let Action::Connect(on) = *action {
                connected = on;
            }
            if connected {
                heard_until = i64::try_from(now).unwrap();
            }
            for (_, asked, after) in late.extract_if(.., |late| late.0 <= now) {
                let since = Stamp(i64::try_from(asked).unwrap());
                let live = Live { session, after, since };
                coverage = tell(asked, Fact::Live(GUILD, CHANNEL, live)).1.or(coverage);
            }
            let covers = |coverage: &Coverage| unheard.iter().find(|id| coverage.covers(**id)).copied();
            prop_assert_eq!(coverage.as_ref().and_then(covers), None, "after action {}", now);
        }
    }
}
