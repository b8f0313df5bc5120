//! Generates a world from a seed: equal seeds give equal guilds, people and histories, ids included.

mod history;
pub(crate) use history::{emoji, one, someone, thanks};
pub(crate) mod voices;

use rand::Rng;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::guild::{CustomEmoji, Guild, kind};
use super::options::Seed;
use super::permissions::{Overwrite, bit};
use super::snowflake::{Clock, wall_clock};
use voices::{NAMES, ROOMS, TRADES};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// A custom emoji deleted before the world begins: its reactions remain, without a name.
const DELETED_EMOJI: u64 = 1_004_030_188_551_540_827;

/// The participants.
#[derive(Debug, Default)]
struct Cast {
    /// Current members.
    people: Vec<u64>,
    /// Former members with messages.
    gone: Vec<u64>,
    /// Another bot.
    bot: u64,
    webhook: u64,
}

/// Generates the world.
pub(crate) fn generate(seed: &Seed) -> Guild {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.seed);
    let mut guild = Guild::empty(Clock::new(seed.until), seed.seed);
    let until = seed.until.unwrap_or_else(wall_clock);
    let from = until - i64::from(seed.days.max(1)) * DAY;
    let roles = make_roles(&mut guild);
    let cast = make_people(&mut guild, &mut rng, seed, from, &roles);
    make_emoji(&mut guild);
    make_channels(&mut guild, seed.channels.max(6), roles[0]);
    history::write(&mut guild, &mut rng, seed, (from, until), &cast);
    guild
}

fn make_roles(guild: &mut Guild) -> Vec<u64> {
    let founded = super::snowflake::time_of(guild.id);
    let moderator = bit::MANAGE_MESSAGES | bit::MANAGE_THREADS | bit::MENTION_EVERYONE;
    let roles = [
        ("Stewards", moderator | bit::MANAGE_GUILD, 0x00e6_7e22),
        ("Mentors", bit::MENTION_EVERYONE, 0x0034_98db),
        ("Makers", 0, 0x002e_cc71),
    ];
    let mut made = Vec::new();
    for (index, (name, permissions, color)) in (1..).zip(roles) {
        let id = guild.clock.past_id(founded + index * DAY);
        guild.add_role(id, name, permissions, color);
        made.push(id);
    }
    made
}

/// A person's name: given names first, then with a trade, then with a number.
pub(crate) fn name(index: usize) -> String {
    let given = NAMES[index % NAMES.len()];
    match index / NAMES.len() {
        0 => given.to_owned(),
        round if round <= TRADES.len() => format!("{given} {}", TRADES[round - 1]),
        round => format!("{given} {round}"),
    }
}

fn username(display: &str) -> String {
    display.to_lowercase().replace(' ', ".")
}

fn make_people(
    guild: &mut Guild,
    rng: &mut ChaCha8Rng,
    seed: &Seed,
    from: i64,
    roles: &[u64],
) -> Cast {
    let mut cast = Cast::default();
    let founded = super::snowflake::time_of(guild.id);
    let gone = (seed.members / 10).max(1);
    for index in 0..seed.members + gone {
        // Accounts are older or younger than the guild, so ids have 17 to 19 digits, as in real guilds.
        let born = founded - rng.random_range(0..6 * 365) * DAY
            + rng.random_range(0..2 * 365) * DAY
            + rng.random_range(0..DAY);
        let id = guild.clock.past_id(born);
        let display = name(index);
        guild.add_user(
            id,
            &username(&display),
            (index % 7 != 3).then_some(display.as_str()),
            false,
        );
        if index >= seed.members {
            cast.gone.push(id);
            continue;
        }
        let held = roles
            .iter()
            .enumerate()
            .filter(|(rank, _)| rng.random_ratio(1, 4 * (3 - u32::try_from(*rank).unwrap_or(0))));
        let held = held.map(|(_, role)| *role).collect();
        let joined = born.max(founded) + rng.random_range(0..(from - founded).max(2 * DAY)) / 2;
        guild.add_member(id, joined, held);
        if index % 9 == 4
            && let Some(member) = guild.members.get_mut(&id)
        {
            member.nick = Some(format!("{display} 🌱"));
        }
        cast.people.push(id);
    }
    if cast.people.is_empty() {
        cast.people.push(guild.owner);
    }
    cast.bot = guild.clock.past_id(founded - 200 * DAY);
    guild.add_user(cast.bot, "Quill", None, true);
    guild.add_member(cast.bot, founded + 3 * DAY, Vec::new());
    cast.webhook = guild.clock.past_id(founded + 90 * DAY);
    guild.add_webhook(cast.webhook, "Release Notes");
    cast
}

fn make_emoji(guild: &mut Guild) {
    let founded = super::snowflake::time_of(guild.id);
    for (index, (name, animated)) in (0..).zip([
        ("hearth", false),
        ("thank_you", false),
        ("party_fox", true),
        ("props", false),
    ]) {
        let id = guild.clock.past_id(founded + 40 * DAY + index);
        guild.emojis.insert(
            id,
            CustomEmoji {
                id,
                name: name.to_owned(),
                animated,
            },
        );
    }
}

/// The channels of every world, most relevant first, then rooms until there are enough.
fn make_channels(guild: &mut Guild, count: usize, stewards: u64) {
    let founded = super::snowflake::time_of(guild.id);
    let everyone = guild.id;
    let own = guild
        .roles
        .values()
        .find(|role| role.managed_by == Some(guild.bot))
        .map_or(0, |role| role.id);
    let hidden = Overwrite::role(everyone, 0, bit::VIEW_CHANNEL);
    let mut wanted: Vec<(u8, String, Vec<Overwrite>)> = vec![
        (kind::TEXT, "props".to_owned(), Vec::new()),
        (kind::TEXT, "general".to_owned(), Vec::new()),
        (
            kind::TEXT,
            "stewards".to_owned(),
            vec![
                hidden,
                Overwrite::role(stewards, bit::VIEW_CHANNEL, 0),
                Overwrite::role(own, bit::VIEW_CHANNEL, 0),
            ],
        ),
        (
            kind::TEXT,
            "council".to_owned(),
            vec![hidden, Overwrite::role(stewards, bit::VIEW_CHANNEL, 0)],
        ),
        (
            kind::ANNOUNCEMENT,
            "announcements".to_owned(),
            vec![Overwrite::role(everyone, 0, bit::SEND_MESSAGES)],
        ),
        (kind::FORUM, "ideas".to_owned(), Vec::new()),
        (kind::CATEGORY, "Community".to_owned(), Vec::new()),
        (kind::VOICE, "Fireside".to_owned(), Vec::new()),
        (kind::TEXT, "help-desk".to_owned(), Vec::new()),
        (kind::CATEGORY, "Making".to_owned(), Vec::new()),
        (kind::TEXT, "show-and-tell".to_owned(), Vec::new()),
        (
            kind::TEXT,
            "time-capsule".to_owned(),
            vec![
                Overwrite::role(everyone, 0, bit::READ_MESSAGE_HISTORY),
                Overwrite::role(own, 0, bit::READ_MESSAGE_HISTORY),
            ],
        ),
        (
            kind::VOICE,
            "Studio".to_owned(),
            vec![Overwrite::role(everyone, 0, bit::CONNECT)],
        ),
    ];
    for index in 2..count {
        let name = ROOMS
            .get(index)
            .map_or_else(|| format!("room-{index}"), |room| (*room).to_owned());
        wanted.push((kind::TEXT, name, Vec::new()));
    }
    let mut category = None;
    for (index, (kind, name, overwrites)) in wanted.into_iter().take(count).enumerate() {
        let id = guild
            .clock
            .past_id(founded + 60_000 + i64::try_from(index).unwrap_or(0) * 3_600_000);
        let parent = category.filter(|_| kind != kind::CATEGORY);
        guild.add_channel(id, kind, &name, parent, overwrites);
        if kind == kind::CATEGORY {
            category = Some(id);
        }
        if name == "props"
            && let Some(channel) = guild.channels.get_mut(&id)
        {
            channel.topic = Some("Say thank you. Mention them, and tell us what for.".to_owned());
        }
    }
}
