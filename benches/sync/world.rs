//! Worlds to be synced, and the least that syncing them can cost: computed from the truth, and from
//! the limits as the simulated Discord keeps them.

use std::{collections::BTreeMap, time::Duration};

use simulator::discord::{Discord, Draft, Limits, Options, Rate, Truth, World, kind};

/// Messages in an answer, and users in a list of reactors.
const PAGE: usize = 100;

const EMOJIS: [&str; 8] = ["👍", "❤️", "🎉", "🙏", "🌱", "🔥", "👏", "🦊"];

/// How much is said in a channel.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) messages: usize,
    /// Message-emoji pairs, with one reaction each.
    pub(crate) lists: usize,
    /// It has fallen silent: its newest message is older than any other channel's.
    pub(crate) silent: bool,
}

/// A guild with channels of these sizes, which grow at the same time, and with limits like Discord's.
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

/// The requests without which no client can know all that is in the channels.
pub(crate) struct Least {
    /// Pages of messages, by channel.
    pages: BTreeMap<u64, usize>,
    /// Lists of who reacted, by channel; the long ones take several requests.
    lists: BTreeMap<u64, usize>,
    /// Channels whose archived threads have to be asked for.
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

    /// How long they take at the least under these limits: no answer takes any time, all channels
    /// are read at once as soon as it is known which threads there are, and of every window all is
    /// used.
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

/// Pages of so many messages. Each begins with the last message of the one before: what else was
/// posted in that millisecond may not be on it.
fn pages(messages: usize) -> usize {
    messages.saturating_sub(1).div_ceil(PAGE - 1).max(1)
}

/// How long so many requests take in windows of this rate: the last window need not end.
fn windows(rate: Option<Rate>, requests: usize) -> Duration {
    let Some(rate) = rate else {
        return Duration::ZERO;
    };
    let requests = u32::try_from(requests).expect("there are fewer requests than that");
    rate.per * (requests.saturating_sub(1) / rate.requests)
}
