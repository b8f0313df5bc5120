//! How much is left to do, and how long that will take at the least: from Discord's limits, not from
//! how long the rest took.
//!
//! How many pages a channel has is known only at its end. What tells of them before: what the store
//! knows of the time to be read; when messages were written in the channels that are read to their
//! end, since members write in all of them at the same times; and how densely they lie in the pages
//! that were read. Where none of these tells enough, nothing is told. Pure: it knows neither a clock
//! nor who asks.

use std::{cmp::Ordering, fmt, time::Duration};

use propsbot_discord::{Pace, Rate, Urgency};
use propsbot_ingest::Read;
use propsbot_model::MessageId;

/// Messages in a full page.
const FULL: u32 = 100;

/// So many pages of finished channels have to lie where another one was read, before they tell
/// anything of the rest of it.
const EVIDENCE: f64 = 3.0;

/// A stretch of time, in milliseconds as ids have them: after `from`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The part of it that is in `other`.
    fn within(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        }
    }
}

/// Pages that are remembered of a channel, and of all that are finished. Beyond that, two stand for
/// one, so that looking costs little however much was read.
const REMEMBERED: usize = 4_096;

/// A page that was read, or several: the time that it covers, and how many full pages it is.
type Page = (Span, f64);

/// What was read of a channel's messages.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pages: Vec<Page>,
    /// What of the time to be read is done, and what is left.
    done: Vec<Span>,
    rest: Vec<Span>,
}

/// How far the reading of a channel is.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Whether it is a props channel.
    pub props: bool,
    /// Whether it is a thread: those are short, until one turns out not to be.
    pub thread: bool,
    /// Whether there are pages to be read at all.
    pub reads: bool,
    /// How many pages are to be read, where the store knows what lies there.
    pub expected: Option<u32>,
    /// Pages of messages read so far.
    pub pages: u32,
    /// Lists of reactors that an earlier run had left.
    pub left: u32,
    /// Lists of reactors that the pages so far have shown to be missing.
    pub found: u32,
    /// Lists of either kind that are done.
    pub done: u32,
    /// What was read of its messages.
    pub trace: Trace,
}

/// When messages were written in the channels that are read to their end.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    pages: Vec<Page>,
    /// From when on they can have had messages.
    since: Option<u64>,
}

/// Pages still to be read in a channel.
#[derive(Clone, Copy, Debug, Default)]
struct PagesLeft {
    /// Those that were read.
    read: f64,
    /// Those that something tells of.
    known: f64,
    /// Those that only the channel's own density suggests, back to when it was made.
    guessed: f64,
}

impl Finished {
    /// Takes over what a channel that is read to its end tells.
    pub fn add(&mut self, course: &mut Course) {
        let first = course.trace.done.iter().map(|span| span.from).min();
        self.since = self.since.into_iter().chain(first).min();
        self.pages.append(&mut course.trace.pages);
        while self.pages.len() > REMEMBERED {
            let sample = self.pages.iter().step_by(2);
            self.pages = sample.map(|(page, full)| (*page, full * 2.0)).collect();
        }
    }

    /// How many full pages lie in these stretches.
    fn pages_in(&self, spans: &[Span]) -> f64 {
        let part = |(page, fullness): &Page| {
            let inside: u64 = spans.iter().map(|span| page.within(*span).len()).sum();
            fullness * ratio(inside, page.len())
        };
        self.pages.iter().map(part).sum()
    }
}

impl Course {
    /// A page was read: `reading` is which of the reads it belongs to, `oldest` how far down it comes,
    /// and `len` how many messages it has. `first` is the first id that there can be, the channel's
    /// own; `newest` the last one.
    pub fn read(
        &mut self,
        reads: &[Read],
        (first, newest): (MessageId, MessageId),
        (reading, oldest): (usize, MessageId),
        len: usize,
    ) {
        let (done, rest) = split(reads, (first, newest), (reading, oldest));
        // The page is what is done now and was not before.
        let page = done.last().map(|now| {
            let before = self.trace.done.get(done.len() - 1);
            Span {
                from: now.from,
                to: before.map_or(now.to, |before| before.from),
            }
        });
        let len = u32::try_from(len).unwrap_or(FULL).min(FULL);
        let fullness = f64::from(len) / f64::from(FULL);
        self.pages += 1;
        self.trace.pages.extend(page.map(|page| (page, fullness)));
        (self.trace.done, self.trace.rest) = (done, rest);
        if self.trace.pages.len() > REMEMBERED {
            self.trace.pages = merged(&self.trace.pages);
        }
    }

    /// Whether all messages that were to be read are.
    pub fn is_read(&self) -> bool {
        self.pages > 0 && length(&self.trace.rest) == 0
    }

    /// The share of the time to be read that was read, from 0 to 1.
    fn share(&self) -> f64 {
        let (done, rest) = (length(&self.trace.done), length(&self.trace.rest));
        if done + rest == 0 {
            return 1.0;
        }
        ratio(done, done + rest)
    }

    /// Pages still to be read; `None` where nothing tells.
    fn pages_left(&self, finished: &Finished) -> Option<PagesLeft> {
        let told = |known| PagesLeft {
            known,
            ..PagesLeft::default()
        };
        if !self.reads || self.is_read() {
            return Some(told(0.0));
        }
        if let Some(expected) = self.expected.filter(|expected| *expected > self.pages) {
            return Some(told(f64::from(expected - self.pages)));
        }
        if self.pages == 0 {
            return self.thread.then(|| told(1.0));
        }
        let Trace { pages, done, rest } = &self.trace;
        let read: f64 = pages.iter().map(|(_, fullness)| fullness).sum();
        let newer = finished.pages_in(done);
        let since = finished.since.filter(|_| newer >= EVIDENCE);
        let Some(since) = since else {
            return Some(PagesLeft {
                read,
                known: 0.0,
                guessed: before(pages, length(rest)),
            });
        };
        // The others tell as far back as they can have had messages.
        let part = |of: Span| rest.iter().map(|span| span.within(of)).collect::<Vec<_>>();
        let seen = part(Span {
            from: since,
            to: u64::MAX,
        });
        let unseen = part(Span { from: 0, to: since });
        let known = read * finished.pages_in(&seen) / newer;
        let time = length(done) + length(&seen);
        Some(PagesLeft {
            read,
            known,
            guessed: (read + known) * ratio(length(&unseen), time),
        })
    }

    /// Lists still to be fetched, as many as if people had always reacted as much.
    fn lists_left(&self, pages_left: f64) -> f64 {
        let known = f64::from((self.left + self.found).saturating_sub(self.done));
        let a_page = f64::from(self.found) / f64::from(self.pages.max(1));
        known + a_page * pages_left
    }

    /// How urgent its next request is. Of what must come first anyway the longest goes first, since
    /// its own limits may hold it up until all else is done; and of what nothing is known yet, one
    /// page, which tells how long it is. For an order it does as if people had always written as much
    /// as in the pages read.
    pub fn urgency(&self, pace: &Pace) -> Urgency {
        let time = if self.reads && self.pages == 0 && !self.thread {
            Duration::MAX
        } else {
            let share = self.share();
            let pages = match (self.reads, self.pages) {
                (false, _) => 0.0,
                (true, 0) => 1.0,
                (true, pages) => f64::from(pages) * (1.0 - share) / share.max(1e-6),
            };
            held_up(pace, pages, self.lists_left(pages))
        };
        if self.props {
            Urgency::Props(time)
        } else {
            Urgency::History(time)
        }
    }
}

/// How long all of it will take at the least: as long as the global limit makes it, or as the
/// limits of one of the channels do. Where nothing limits, at the speed measured so far, in requests
/// a second. `None` while there is none, and as long as most of what is left would be a guess.
pub fn time_left<'a>(
    courses: impl IntoIterator<Item = &'a Course>,
    finished: &Finished,
    pace: &Pace,
    measured: Option<f64>,
) -> Option<Duration> {
    let mut requests = 0.0;
    let mut longest = Duration::ZERO;
    let mut all = PagesLeft::default();
    for course in courses {
        let left = course.pages_left(finished)?;
        all.read += left.read;
        all.known += left.known;
        all.guessed += left.guessed;
        let pages = left.known + left.guessed;
        let lists = course.lists_left(pages);
        requests += pages + lists;
        longest = longest.max(held_up(pace, pages, lists));
    }
    // There may be nothing at all where nothing was seen.
    if all.guessed > all.read + all.known {
        return None;
    }
    let all = match (pace.global, measured) {
        (Some(rate), _) => times(Some(rate), requests),
        (None, Some(speed)) if speed > 0.0 => seconds(requests / speed),
        (None, _) => return None,
    };
    Some(all.max(longest))
}

/// How long a channel's own limits hold so many requests up.
fn held_up(pace: &Pace, pages: f64, lists: f64) -> Duration {
    times(pace.pages, pages).max(times(pace.lists, lists))
}

/// How many pages lie in so much time before these, if messages become fewer as they do in them. One
/// page alone tells nothing of that.
fn before(pages: &[Page], time: u64) -> f64 {
    let density = |pages: &[Page]| {
        let written: f64 = pages.iter().map(|(_, fullness)| fullness).sum();
        let time = pages.iter().map(|(page, _)| page.len()).sum::<u64>().max(1);
        (written / float(time), float(time))
    };
    let (newer, older) = pages.split_at(pages.len() / 2);
    if newer.is_empty() {
        return f64::INFINITY;
    }
    let ((newer, newer_time), (older, older_time)) = (density(newer), density(older));
    let growth = (newer / older).ln() / f64::midpoint(newer_time, older_time);
    if growth <= 0.0 || !growth.is_finite() {
        // More of it, the older it is, would be endless.
        return older * float(time);
    }
    let edge = older * (-growth * older_time / 2.0).exp();
    edge * (1.0 - (-growth * float(time)).exp()) / growth
}

/// The stretches of time to be read: what is done, which is all reads before this one, and this one
/// down to `oldest`; and what is left.
fn split(
    reads: &[Read],
    (first, newest): (MessageId, MessageId),
    (reading, oldest): (usize, MessageId),
) -> (Vec<Span>, Vec<Span>) {
    // The upper bits of an id are milliseconds.
    let span = |after: MessageId, to: MessageId| Span {
        from: after.max(first).0 >> 22,
        to: to.0 >> 22,
    };
    let (mut done, mut rest) = (Vec::new(), Vec::new());
    for (index, read) in reads.iter().enumerate() {
        let to = read.to.unwrap_or(newest);
        match index.cmp(&reading) {
            Ordering::Less => done.push(span(read.after, to)),
            Ordering::Greater => rest.push(span(read.after, to)),
            Ordering::Equal => {
                let oldest = oldest.max(read.after).min(to);
                done.push(span(oldest, to));
                rest.push(span(read.after, oldest));
            }
        }
    }
    (done, rest)
}

/// Each two pages as one.
fn merged(pages: &[Page]) -> Vec<Page> {
    let pairs = pages.chunks(2).filter_map(|pair| {
        let ((newer, _), (older, _)) = (pair.first()?, pair.last()?);
        let span = Span {
            from: older.from,
            to: newer.to,
        };
        Some((span, pair.iter().map(|(_, full)| full).sum()))
    });
    pairs.collect()
}

fn length(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.len()).sum()
}

fn ratio(part: u64, whole: u64) -> f64 {
    float(part) / float(whole.max(1))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of times that people lived in"
)]
fn float(millis: u64) -> f64 {
    millis as f64
}

/// How long so many requests take; no time where nothing limits them.
fn times(rate: Option<Rate>, requests: f64) -> Duration {
    rate.map_or(Duration::ZERO, |rate| {
        seconds(rate.per.as_secs_f64() * requests / f64::from(rate.requests.max(1)))
    })
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// A time as people say it: "about 4 min".
#[derive(Clone, Copy, Debug)]
pub struct About(pub Duration);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..10 => f.write_str("a few seconds"),
            10..90 => write!(f, "about {} s", seconds.div_ceil(10) * 10),
            90..5400 => write!(f, "about {} min", (seconds + 30) / 60),
            _ => {
                let minutes = seconds.div_ceil(600) * 10;
                write!(f, "about {} h {:02} min", minutes / 60, minutes % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests;
