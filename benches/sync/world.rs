//! Worlds to sync, and the minimum cost of doing so, computed from the truth and the simulated
//! Discord's limits.

use std::{collections::BTreeMap, time::Duration};

use simulator::discord::{Discord, Draft, Limits, Options, Rate, Truth, World, kind};

/// Messages per page, and users per page of a reactor list.
const PAGE: usize = 100;

const EMOJIS: [&str; 8] = ["👍", "❤️", "🎉", "🙏", "🌱", "🔥", "👏", "🦊"];

/// Size of a channel.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) messages: usize,
    /// Message-emoji pairs, with one reaction each.
    pub(crate) lists: usize,
    /// Whether its newest message is older than any other channel's.
    pub(crate) silent: bool,
}

/// A guild with channels of these sizes, all active at the same time, and limits like Discord's.
pub(crate) async fn grown(sizes: &[Size]) -> anyhow::Result<Discord> {
    let mut options = Options {
        world: World::Empty,
        limits: Limits::discord(),
        ..Options::default()
    };
    // A logical clock: ids a millisecond apart.
    options.seed.until = Some(1_767_225_600_000);
    let discord = Discord::start(options).await?;
    let ana = discord.join("ana");
    let channels: Vec<u64> = (0..sizes.len())
        .map(|index| discord.create_channel(kind::TEXT, &format!("room-{index}"), Vec::new()))
        .collect();
    let steps = sizes
        .iter()
        .map(|size| size.messages)
        .max()
        .unwrap_or_default()
        + PAGE;
    for step in 0..steps {
        for (size, channel) in sizes.iter().zip(&channels) {
            let end = if size.silent { steps - PAGE } else { steps };
            let due = |step: usize| step.min(end) * size.messages / end;
            for message in due(step)..due(step + 1) {
                let pairs = |message: usize| message * size.lists / size.messages;
                let text = "Thank you for all the work that you put into this, it helped a lot.";
                let posted = discord.post_many([Draft::new(ana, *channel, text)]);
                for emoji in EMOJIS.iter().take(pairs(message + 1) - pairs(message)) {
                    discord.react(ana, *channel, posted[0], emoji, false);
                }
            }
        }
    }
    Ok(discord)
}

/// The minimum requests to learn everything in the channels.
pub(crate) struct Least {
    /// Pages of messages, by channel.
    pages: BTreeMap<u64, usize>,
    /// Pages of reactor lists, by channel.
    lists: BTreeMap<u64, usize>,
    /// Channels whose archived threads have to be listed.
    archives: usize,
}

impl Least {
    pub(crate) fn of(truth: &Truth) -> Self {
        let mut messages: BTreeMap<u64, usize> = BTreeMap::new();
        let mut lists: BTreeMap<u64, usize> = BTreeMap::new();
        for message in &truth.messages {
            *messages.entry(message.channel).or_default() += 1;
            *lists.entry(message.channel).or_default() += message
                .reactions
                .iter()
                .map(|reaction| reaction.users.len() / PAGE + 1)
                .sum::<usize>();
        }
        let archives = truth.channels.iter().filter(|channel| {
            let has_threads = [kind::TEXT, kind::ANNOUNCEMENT, kind::FORUM].contains(&channel.kind);
            has_threads && channel.visible
        });
        Self {
            pages: messages
                .into_iter()
                .map(|(channel, count)| (channel, pages(count)))
                .collect(),
            lists,
            archives: archives.count(),
        }
    }

    pub(crate) fn pages(&self) -> usize {
        self.pages.values().sum()
    }

    pub(crate) fn lists(&self) -> usize {
        self.lists.values().sum()
    }

    /// The minimum time under these limits: responses take no time, all channels are read in
    /// parallel once the threads are known, and every rate window is fully used.
    pub(crate) fn time(&self, limits: &Limits) -> Duration {
        let all = self.pages() + self.lists() + self.archives;
        let pages = self
            .pages
            .values()
            .map(|page| windows(limits.messages, *page));
        let lists = self
            .lists
            .values()
            .map(|list| windows(limits.reactions, *list));
        let longest = pages.chain(lists).max().unwrap_or_default();
        windows(limits.global, all).max(windows(limits.global, self.archives) + longest)
    }
}

/// Pages for this many messages. Each overlaps with the last message of the previous one, since
/// other messages of that millisecond may be missing from it.
fn pages(messages: usize) -> usize {
    messages.saturating_sub(1).div_ceil(PAGE - 1).max(1)
}

/// Time for this many requests in windows of this rate; the last window doesn't have to end.
fn windows(rate: Option<Rate>, requests: usize) -> Duration {
    let Some(rate) = rate else {
        return Duration::ZERO;
    };
    let requests = u32::try_from(requests).expect("there are fewer requests than that");
    rate.per * (requests.saturating_sub(1) / rate.requests)
}
