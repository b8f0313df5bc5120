//! The history of the seeded world: messages of many kinds over the days, with threads and reactions.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::voices::{CHAT, EMOJI, REASONS, REPLIES, THANKS, THREADS};
use super::{Cast, DAY, DELETED_EMOJI};
use crate::discord::guild::{Guild, Thread, kind};
use crate::discord::message::{
    Cause, Emoji, Extras, Message, Reference, flag, mentioned, message_type,
};
use crate::discord::options::Seed;
use crate::discord::snowflake::at;
use crate::discord::wire::Id;

/// A random item; earlier ones are more likely.
pub(crate) fn someone<R: Rng>(rng: &mut R, of: &[u64]) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a choice among few"
    )]
    let index = (rng.random::<f64>().powi(2) * of.len() as f64) as usize;
    of[index.min(of.len() - 1)]
}

/// A random text.
pub(crate) fn one<'a, R: Rng>(rng: &mut R, of: &[&'a str]) -> &'a str {
    of.choose(rng).copied().unwrap_or_default()
}

/// Thanks to one to three people.
pub(crate) fn thanks<R: Rng>(rng: &mut R, author: u64, people: &[u64]) -> String {
    let count = [1, 1, 1, 2, 2, 3].choose(rng).copied().unwrap_or(1);
    let mut to: Vec<u64> = (0..count)
        .map(|_| someone(rng, people))
        .filter(|id| *id != author || rng_is_humble(*id))
        .collect();
    to.dedup();
    if to.is_empty() {
        to.push(people[0]);
    }
    let old = rng.random_ratio(1, 20);
    let named: Vec<String> = to
        .iter()
        .map(|id| {
            if old {
                format!("<@!{id}>")
            } else {
                format!("<@{id}>")
            }
        })
        .collect();
    let mut text = one(rng, THANKS)
        .replace("{to}", &named.join(" and "))
        .replace("{why}", one(rng, REASONS));
    if let Some(first) = text.chars().next()
        && first.is_lowercase()
    {
        text = first.to_uppercase().chain(text.chars().skip(1)).collect();
    }
    if rng.random_ratio(1, 12) {
        text = format!("{text} Really, {}!", named[0]);
    }
    text
}

/// Occasionally someone thanks themselves, which shouldn't count.
fn rng_is_humble(id: u64) -> bool {
    id.is_multiple_of(11)
}

/// A random emoji, earlier ones more likely; sometimes custom, rarely deleted.
pub(crate) fn emoji<R: Rng>(rng: &mut R, guild: &Guild) -> Emoji {
    match rng.random_range(0..40) {
        0..5 if !guild.emojis.is_empty() => {
            let index = rng.random_range(0..guild.emojis.len());
            let custom = guild
                .emojis
                .values()
                .nth(index)
                .expect("the index is below the length");
            Emoji::custom(custom.id, Some(&custom.name), custom.animated)
        }
        5 => Emoji::custom(DELETED_EMOJI, None, false),
        _ => {
            let first = rng.random_range(0..EMOJI.len());
            Emoji::unicode(EMOJI[rng.random_range(0..=first)])
        }
    }
}

/// Where and when messages can be posted.
struct Place {
    channel: u64,
    from: i64,
    until: i64,
}

/// Generates the whole history.
pub(super) fn write(
    guild: &mut Guild,
    rng: &mut ChaCha8Rng,
    seed: &Seed,
    (from, until): (i64, i64),
    cast: &Cast,
) {
    let props = guild
        .channels
        .values()
        .find(|c| c.name == "props")
        .map_or(0, |c| c.id);
    let mut places = Vec::new();
    for channel in guild.channels.values().filter(|c| c.holds_messages()) {
        let weight = match channel.name.as_str() {
            "general" => 4,
            "props" => 3,
            "announcements" | "Fireside" | "Studio" | "council" | "time-capsule" => 1,
            _ => 2,
        };
        places.extend(std::iter::repeat_n(channel.id, weight));
    }
    let threads = make_threads(guild, rng, seed, (from, until), cast);
    let mut writer = Writer {
        guild,
        rng,
        cast,
        props,
        share: seed.reactions,
        recent: BTreeMap::new(),
    };
    let span = until - from;
    let total = i64::try_from(seed.messages).unwrap_or(i64::MAX).max(1);
    for index in 0..seed.messages {
        let slot = span / total;
        let index = i64::try_from(index).unwrap_or(0);
        let time = from
            + span / total * index
            + span % total * index / total
            + writer.rng.random_range(0..slot.max(1));
        let thread = threads
            .choose(writer.rng)
            .filter(|t| (t.from..t.until).contains(&time));
        let channel = match thread {
            Some(thread) if writer.rng.random_ratio(1, 5) => thread.channel,
            _ => places.choose(writer.rng).copied().unwrap_or(props),
        };
        writer.write(channel, time);
    }
    if let Some(message) = guild
        .channels
        .get_mut(&props)
        .and_then(|c| c.messages.values_mut().rev().find(|m| m.kind == 0))
        && seed.reactions > 0.0
    {
        // A message everyone likes: with many members, its reactions take several pages.
        for user in &cast.people {
            message.react(*user, Emoji::unicode("❤️"), false);
        }
    }
}

fn make_threads(
    guild: &mut Guild,
    rng: &mut ChaCha8Rng,
    seed: &Seed,
    (from, until): (i64, i64),
    cast: &Cast,
) -> Vec<Place> {
    let allowed = |c: &&super::super::guild::Channel| {
        matches!(c.kind, kind::TEXT | kind::ANNOUNCEMENT | kind::FORUM)
    };
    let parents: Vec<(u64, u8)> = guild
        .channels
        .values()
        .filter(allowed)
        .map(|c| (c.id, c.kind))
        .collect();
    let mut places = Vec::new();
    for index in 0..seed.threads {
        let (parent, parent_kind) = parents[(index * 5 + 5) % parents.len()];
        let opened = from + rng.random_range(0..(until - from).max(1));
        let archived = index % 5 != 0 && index % 5 != 3;
        let archived_at = if archived {
            opened + rng.random_range(0..(until - opened).max(1))
        } else {
            opened
        };
        let private = index % 5 == 2 && parent_kind == kind::TEXT;
        let owner = someone(rng, &cast.people);
        let id = guild.clock.past_id(opened);
        let title = THREADS[index % THREADS.len()];
        let title = if index < THREADS.len() {
            title.to_owned()
        } else {
            format!("{title} ({})", index / THREADS.len() + 1)
        };
        let sort = match parent_kind {
            kind::ANNOUNCEMENT => kind::ANNOUNCEMENT_THREAD,
            _ if private => kind::PRIVATE_THREAD,
            _ => kind::PUBLIC_THREAD,
        };
        guild.add_channel(id, sort, &title, Some(parent), Vec::new());
        let mut members: BTreeMap<u64, i64> = (0..3)
            .map(|_| (someone(rng, &cast.people), opened))
            .collect();
        members.insert(owner, opened);
        if private && index % 2 == 0 {
            members.insert(guild.bot, opened);
        }
        let thread = Thread {
            owner,
            archived,
            archived_at,
            locked: index % 20 == 6,
            members,
            sent: 0,
        };
        if let Some(channel) = guild.channels.get_mut(&id) {
            channel.thread = Some(thread);
        }
        let opening = format!("{} {}", title, one(rng, CHAT));
        if parent_kind == kind::FORUM {
            guild.insert_message(Message::new(id, id, owner, opening));
        } else if !private {
            let mut starter = Message::new(id, parent, owner, opening);
            starter.flags = flag::HAS_THREAD;
            guild.insert_message(starter);
            let mut pointer = Message::new(guild.clock.past_id(opened + 1), id, owner, "");
            pointer.kind = message_type::THREAD_STARTER_MESSAGE;
            pointer.reference = Some(Reference {
                kind: 0,
                channel: parent,
                message: Some(id),
            });
            guild.insert_message(pointer);
        }
        places.push(Place {
            channel: id,
            from: opened + 2,
            until: if archived { archived_at } else { until },
        });
    }
    places
}

struct Writer<'a> {
    guild: &'a mut Guild,
    rng: &'a mut ChaCha8Rng,
    cast: &'a Cast,
    props: u64,
    share: f64,
    /// The newest message of each channel, to reply to.
    recent: BTreeMap<u64, (u64, u64)>,
}

impl Writer<'_> {
    fn write(&mut self, channel: u64, time: i64) {
        let id = self.guild.clock.past_id(time);
        let left = self.rng.random_ratio(1, 25);
        let author = if left {
            someone(self.rng, &self.cast.gone)
        } else {
            someone(self.rng, &self.cast.people)
        };
        let thanking = channel == self.props || self.rng.random_ratio(1, 12);
        let content = if thanking {
            thanks(self.rng, author, &self.cast.people)
        } else {
            one(self.rng, CHAT).to_owned()
        };
        let mut message = Message::new(id, channel, author, content);
        self.vary(&mut message, time);
        if message.mentions.is_empty() {
            message.mentions = mentioned(&message.content);
        }
        if self.rng.random_ratio(1, 30) && message.kind < message_type::CHAT_INPUT_COMMAND {
            message.edited = Some(time + self.rng.random_range(5_000..600_000));
        }
        // Reactions are frequent in the props channel and slightly rarer elsewhere, matching the share overall.
        let share = if channel == self.props {
            (self.share * 4.0).min(1.0)
        } else {
            self.share * 0.75
        };
        if share > 0.0 && self.rng.random_bool(share.clamp(0.0, 1.0)) {
            self.react(&mut message);
        }
        // Deleted messages leave gaps, and replies to nothing.
        self.recent.insert(channel, (id, author));
        if !self.rng.random_ratio(1, 60) {
            self.guild.insert_message(message);
        }
    }

    /// Turns a message into one of the rarer kinds.
    fn vary(&mut self, message: &mut Message, time: i64) {
        match self.rng.random_range(0..200) {
            0..24 => self.reply(message),
            24..30 => message.extras = Some(Box::new(self.attachment(message))),
            30..33 => message.extras = Some(Box::new(link())),
            33..35 => {
                message.extras = Some(Box::new(Extras {
                    stickers: vec![
                        json!({"id": Id(749_054_660_769_218_631), "name": "Wave", "format_type": 3}),
                    ],
                    ..Extras::default()
                }));
                message.content.clear();
            }
            35..39 => {
                message.author = self.cast.webhook;
                "Version 0.9 is out: smaller, kinder, better documented."
                    .clone_into(&mut message.content);
            }
            39..43 => self.command(message, time),
            43 => system(message, message_type::USER_JOIN, ""),
            44 => system(message, message_type::GUILD_BOOST, ""),
            45 => {
                if let Some((pinned, _)) = self.recent.get(&message.channel) {
                    message.reference = Some(Reference {
                        kind: 0,
                        channel: message.channel,
                        message: Some(*pinned),
                    });
                    system(message, message_type::CHANNEL_PINNED_MESSAGE, "");
                }
            }
            46 if message.channel != self.props => {
                let role = self
                    .guild
                    .roles
                    .values()
                    .find(|role| role.name == "Mentors")
                    .map_or(self.guild.id, |role| role.id);
                message.content =
                    format!("<@&{role}> could one of you have a look at this, please?");
                message.extras = Some(Box::new(Extras {
                    mention_roles: vec![role],
                    ..Extras::default()
                }));
            }
            47 => {
                let who = someone(self.rng, &self.cast.gone);
                message.content =
                    format!("We miss you <@{who}>, thank you for everything <@{who}> 💛");
            }
            _ => {}
        }
    }

    fn reply(&mut self, message: &mut Message) {
        let Some(&(to, author)) = self.recent.get(&message.channel) else {
            return;
        };
        message.kind = message_type::REPLY;
        one(self.rng, REPLIES).clone_into(&mut message.content);
        message.reference = Some(Reference {
            kind: 0,
            channel: message.channel,
            message: Some(to),
        });
        if self.rng.random_ratio(2, 3)
            && !self
                .guild
                .users
                .get(&author)
                .is_some_and(|user| user.webhook)
        {
            message.mentions = vec![author];
        }
    }

    fn attachment(&mut self, message: &Message) -> Extras {
        let file = message.id + 1;
        let url = format!(
            "https://cdn.discordapp.com/attachments/{}/{file}/garden.png",
            message.channel
        );
        let size = self.rng.random_range(20_000..4_000_000);
        let attachment = json!({
            "id": Id(file), "filename": "garden.png", "size": size, "url": url, "proxy_url": url,
            "width": 1280, "height": 720, "content_type": "image/png",
        });
        Extras {
            attachments: vec![attachment],
            ..Extras::default()
        }
    }

    fn command(&mut self, message: &mut Message, time: i64) {
        let user = message.author;
        message.author = self.cast.bot;
        message.kind = if self.rng.random_ratio(1, 4) {
            message_type::CONTEXT_MENU_COMMAND
        } else {
            message_type::CHAT_INPUT_COMMAND
        };
        "I wrote that down for you.".clone_into(&mut message.content);
        let target = (message.kind == message_type::CONTEXT_MENU_COMMAND).then(|| at(time - DAY));
        let cause = Cause {
            id: message.id - 1,
            kind: 2,
            name: "remember".to_owned(),
            user,
            target,
        };
        message.extras = Some(Box::new(Extras {
            cause: Some(cause),
            ..Extras::default()
        }));
    }

    fn react(&mut self, message: &mut Message) {
        for _ in 0..self.rng.random_range(1..=3) {
            let emoji = emoji(self.rng, self.guild);
            let burst = self.rng.random_ratio(1, 12);
            for _ in 0..self.rng.random_range(1..=5) {
                message.react(someone(self.rng, &self.cast.people), emoji.clone(), burst);
            }
            if self.rng.random_ratio(1, 30) {
                message.react(someone(self.rng, &self.cast.gone), emoji.clone(), false);
                message.react(someone(self.rng, &self.cast.people), emoji, !burst);
            }
        }
    }
}

fn link() -> Extras {
    let embed = json!({"type": "link", "url": "https://example.org/", "title": "A page worth reading", "description": "Found by a friend."});
    Extras {
        embeds: vec![embed],
        ..Extras::default()
    }
}

fn system(message: &mut Message, kind: u8, content: &str) {
    message.kind = kind;
    content.clone_into(&mut message.content);
    message.mentions.clear();
}
