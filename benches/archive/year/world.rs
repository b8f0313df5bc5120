//! A guild that is written, edited and left in, hour by hour. The same seed gives the same facts.

use std::{cmp::Reverse, collections::BinaryHeap};

use propsbot_model::{
    Author, AuthorKind, Channel, ChannelId, ChannelKind, Emoji, EmojiKey, Evidence, Fact, Guild,
    GuildId, Live, Message, MessageId, MessageKind, Millis, Observation, Overwrite, OverwriteKind,
    Page, PagedMessage, Presence, Privacy, ReactionEvent, Role, RoleId, SessionNumber, Stamp,
    Thread, Tier, Unread, User, UserId, permissions::VIEW_CHANNEL,
};

pub(super) const GUILD: GuildId = GuildId(1_000_000);
const CHANNELS: u64 = 40;
const MEMBERS: u64 = 500;
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// How much happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Messages an hour.
    pub(super) messages: u64,
    /// Threads from before the year.
    pub(super) threads: u64,
    /// Messages from before the year, in each channel.
    pub(super) older: u64,
}

/// What becomes of a message later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    React(u64),
    Unreact(u64),
    Edit,
    Delete,
}

/// When, to which message, by its number.
type Event = (i64, usize, Later);

pub(super) struct World {
    pace: Pace,
    random: u64,
    /// All that was posted: channel, id, author.
    posted: Vec<(ChannelId, MessageId, UserId)>,
    later: BinaryHeap<Reverse<Event>>,
    members: u64,
}

impl World {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            random: 1,
            posted: Vec::new(),
            later: BinaryHeap::new(),
            members: MEMBERS,
        }
    }

    /// How many messages were ever posted.
    pub(super) fn posted(&self) -> usize {
        self.posted.len()
    }

    /// How much memory this takes, about.
    pub(super) fn bytes(&self) -> u64 {
        let posted = self.posted.capacity() * size_of::<(ChannelId, MessageId, UserId)>();
        let later = self.later.capacity() * size_of::<Event>();
        (posted + later) as u64
    }

    /// A number below `bound`, by `SplitMix64`.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    fn time_within(&mut self, span: i64) -> i64 {
        let bound = u64::try_from(span).expect("spans are positive");
        i64::try_from(self.below(bound)).expect("it is below a span")
    }

    /// The guild as the bot finds it, and its history from before `begin`.
    pub(super) fn found(&mut self, begin: i64) -> Vec<Observation> {
        let mut facts = vec![
            Fact::Guild(Guild {
                id: GUILD,
                name: "The Community".to_owned(),
                owner_id: user_id(0),
                unread: Unread::default(),
            }),
            Fact::Role(Role {
                id: RoleId(GUILD.0),
                guild_id: GUILD,
                name: "@everyone".to_owned(),
                position: 0,
                permissions: VIEW_CHANNEL | 1 << 16,
                managed: false,
                unread: Unread::default(),
            }),
        ];
        facts.extend((0..CHANNELS).map(|number| Fact::Channel(channel(number, false))));
        facts.extend((0..MEMBERS).map(|number| member(number, begin, 0)));
        for number in 0..CHANNELS {
            facts.push(self.history(channel(number, false).id, self.pace.older, begin));
        }
        for number in 0..self.pace.threads {
            let thread = thread(number, begin);
            let id = thread.id;
            facts.push(Fact::Channel(thread));
            facts.push(self.history(id, 2, begin));
        }
        let at = Stamp::from(Millis(begin));
        facts
            .into_iter()
            .map(|fact| Observation {
                at,
                by: Evidence::Rest,
                fact,
            })
            .collect()
    }

    /// Everything that was written in a channel in the two years before `begin`.
    fn history(&mut self, channel: ChannelId, messages: u64, begin: i64) -> Fact {
        let mut times: Vec<i64> = (0..messages)
            .map(|_| begin - 1 - self.time_within(730 * DAY))
            .collect();
        times.sort_unstable();
        times.dedup();
        let messages: Vec<PagedMessage> = times
            .into_iter()
            .map(|time| PagedMessage {
                message: self.message(channel, time),
                author: None,
                mentioned: Vec::new(),
                counts: Vec::new(),
                thread: None,
                replied: None,
            })
            .collect();
        Fact::Page(Page {
            guild_id: GUILD,
            channel_id: channel,
            after: MessageId(0),
            to: messages.last().map_or(MessageId(0), |last| last.message.id),
            newest: true,
            messages,
            unreadable: Vec::new(),
            lists: None,
            told: Vec::new(),
            gone: std::collections::BTreeSet::new(),
            lacks_some: false,
            before: None,
        })
    }

    /// From now on, the gateway tells what happens in all channels.
    pub(super) fn live(&self, session: SessionNumber, since: i64) -> Vec<Observation> {
        let channels = (0..CHANNELS).map(|number| channel(number, false).id);
        let threads = (0..self.pace.threads).map(thread_id);
        channels
            .chain(threads)
            .map(|id| {
                let live = Live {
                    session,
                    after: MessageId(0),
                    since: Stamp::from(Millis(since)),
                };
                event(since, Fact::Live(GUILD, id, live))
            })
            .collect()
    }

    /// What the gateway tells in the hour that begins then.
    pub(super) fn hour(&mut self, begin: i64) -> Vec<Observation> {
        let mut told = Vec::new();
        for _ in 0..self.pace.messages {
            let time = begin + self.time_within(HOUR);
            // Some channels are much busier than others.
            let number = self.below(CHANNELS).min(self.below(CHANNELS));
            let message = self.message(channel(number, false).id, time);
            let posted = self.posted.len() - 1;
            told.push(event(time, Fact::Posted(message)));
            if self.chance(300) {
                let delay = if self.chance(700) { HOUR } else { 30 * DAY };
                let (at, user) = (time + 1 + self.time_within(delay), self.below(MEMBERS));
                self.later.push(Reverse((at, posted, Later::React(user))));
                if self.chance(50) {
                    let at = at + 1 + self.time_within(DAY);
                    self.later.push(Reverse((at, posted, Later::Unreact(user))));
                }
            }
            if self.chance(20) {
                let at = time + 1 + self.time_within(HOUR);
                self.later.push(Reverse((at, posted, Later::Edit)));
            }
            // Edits and deletions of anything that was ever written.
            for later in [Later::Edit, Later::Delete] {
                if self.chance(2) {
                    let which = self.below(u64::try_from(self.posted.len()).expect("they fit"));
                    let which = usize::try_from(which).expect("it is an index");
                    self.later.push(Reverse((time, which, later)));
                }
            }
        }
        while let Some(Reverse((at, which, later))) = self.later.pop() {
            if at >= begin + HOUR {
                self.later.push(Reverse((at, which, later)));
                break;
            }
            let fact = self.becomes(which, &later, at);
            told.push(event(at.max(begin), fact));
        }
        if self.chance(100) {
            self.members += 1;
            told.push(event(begin, member(self.members, begin, 0)));
        }
        if self.chance(200) {
            let (number, roles) = (self.below(MEMBERS), self.below(4));
            told.push(event(begin, member(number, begin - DAY, roles)));
        }
        told.sort_by_key(|told| told.at);
        told
    }

    fn becomes(&mut self, which: usize, later: &Later, at: i64) -> Fact {
        let (channel_id, message_id, author) = self.posted[which];
        let reaction = |user: u64| ReactionEvent {
            guild_id: GUILD,
            channel_id,
            message_id,
            user_id: user_id(user),
            emoji: Emoji {
                key: EmojiKey::Unicode("🙏".to_owned()),
                name: None,
                animated: false,
            },
            burst: false,
        };
        match later {
            Later::React(user) => Fact::Reacted(reaction(*user)),
            Later::Unreact(user) => Fact::Unreacted(reaction(*user)),
            Later::Edit => Fact::Message(Message {
                content: self.text(),
                edited_at: Some(Millis(at)),
                ..blank(channel_id, message_id, author)
            }),
            Later::Delete => Fact::MessageGone(GUILD, channel_id, message_id),
        }
    }

    /// A member hides everything.
    pub(super) fn opt_out(number: u64, at: i64) -> Observation {
        let privacy = Privacy {
            tier: Tier::Everything,
            since: Millis(at),
            ..Privacy::unchosen(GUILD, user_id(number))
        };
        event(at, Fact::Privacy(privacy))
    }

    /// A channel becomes private.
    pub(super) fn withdraw(number: u64, at: i64) -> Observation {
        event(at, Fact::Channel(channel(number, true)))
    }

    fn message(&mut self, channel: ChannelId, time: i64) -> Message {
        let low = self.below(1 << 22);
        let id = MessageId(MessageId::at(Millis(time)).0 | low);
        let author = user_id(self.below(MEMBERS).min(self.below(MEMBERS)));
        self.posted.push((channel, id, author));
        Message {
            content: self.text(),
            ..blank(channel, id, author)
        }
    }

    /// Words that compress about as well as what people write.
    fn text(&mut self) -> String {
        let words = 2 + self.below(14) + self.below(14);
        let mut text = String::new();
        for _ in 0..words {
            let word = self.below(4_000).min(self.below(4_000));
            let letters = 2 + word % 8;
            if !text.is_empty() {
                text.push(' ');
            }
            text.extend((0..letters).map(|at| {
                let letter = (word.wrapping_mul(31 + at).wrapping_add(at * 7)) % 26;
                char::from(b'a' + u8::try_from(letter).expect("there are 26"))
            }));
        }
        text
    }
}

fn event(at: i64, fact: Fact) -> Observation {
    Observation {
        at: Stamp::from(Millis(at)),
        by: Evidence::Gateway,
        fact,
    }
}

/// Members signed up with Discord in the ten years from 2015-06 on.
fn user_id(number: u64) -> UserId {
    let day = i64::try_from(number * 997 % 3_650).expect("days of ten years are few");
    UserId(MessageId::at(Millis(1_433_116_800_000 + day * DAY)).0 + number)
}

fn thread_id(number: u64) -> ChannelId {
    ChannelId(MessageId::at(Millis(1_600_000_000_000)).0 + number)
}

/// The channel in which most is written.
pub(super) fn busiest() -> ChannelId {
    channel(0, false).id
}

fn channel(number: u64, is_private: bool) -> Channel {
    let hides = Overwrite {
        kind: OverwriteKind::Role,
        id: GUILD.0,
        allow: 0,
        deny: VIEW_CHANNEL,
    };
    Channel {
        id: ChannelId(MessageId::at(Millis(1_550_000_000_000)).0 + number),
        guild_id: GUILD,
        kind: ChannelKind::TEXT,
        name: format!("channel-{number}"),
        parent_id: None,
        position: 0,
        nsfw: false,
        overwrites: is_private.then_some(hides).into_iter().collect(),
        thread: None,
        unread: Unread::default(),
    }
}

fn thread(number: u64, begin: i64) -> Channel {
    Channel {
        id: thread_id(number),
        kind: ChannelKind::PUBLIC_THREAD,
        name: format!("thread {number}"),
        parent_id: Some(channel(number % CHANNELS, false).id),
        thread: Some(Thread {
            owner_id: Some(user_id(number % MEMBERS)),
            archived: true,
            archive_timestamp: Some(Millis(begin - DAY)),
        }),
        ..channel(0, false)
    }
}

fn member(number: u64, joined: i64, roles: u64) -> Fact {
    let user = User {
        id: user_id(number),
        username: format!("member{number}"),
        global_name: Some(format!("Member {number}")),
        discriminator: None,
        bot: false,
        system: false,
        unread: Unread::default(),
    };
    let presence = Presence {
        nick: None,
        roles: (0..roles).map(|role| RoleId(2_000_000 + role)).collect(),
        joined_at: Some(Millis(joined)),
        unread: Unread::default(),
    };
    Fact::Member(GUILD, user, presence)
}

fn blank(channel_id: ChannelId, id: MessageId, author: UserId) -> Message {
    Message {
        id,
        channel_id,
        guild_id: GUILD,
        author: Author {
            id: author,
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: String::new(),
        mentions: Vec::new(),
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        unread: Unread::default(),
        earlier: Vec::new(),
    }
}
