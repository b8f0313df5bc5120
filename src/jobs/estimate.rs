//! Estimates the minimum time left, from Discord's limits.
//!
//! A channel's number of pages is known only at its end. Until then, the evidence is what the store
//! has for that time; when finished channels had messages, as members are active in all channels at
//! the same times; and the density of pages already read. Without enough evidence there is no
//! estimate. Pure: time is an argument.

use std::{cmp::Ordering, fmt, time::Duration};

use propsbot_discord::{Pace, Rate, Urgency};
use propsbot_ingest::Read;
use propsbot_model::MessageId;

/// Messages on a full page.
const FULL: u32 = 100;

/// Pages of finished channels that must overlap a channel's read part before they count as evidence
/// for the rest.
const EVIDENCE: f64 = 3.0;

/// A time span in milliseconds as in ids: after `from`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns the overlap with `other`.
    fn within(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            to: self.to.min(other.to),
        }
    }
}

/// Pages remembered per channel, and for all finished ones. Beyond that, two are merged into one,
/// so that estimates stay cheap.
const REMEMBERED: usize = 4_096;

/// One or more pages: the time they cover, and their number of full pages.
type Page = (Span, f64);

/// The part of a channel's messages read so far.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pages: Vec<Page>,
    /// The time already read, and the time left.
    done: Vec<Span>,
    rest: Vec<Span>,
}

/// Progress of reading a channel.
#[derive(Clone, Debug, Default)]
pub struct Course {
    pub props: bool,
    /// Whether it is a thread: assumed to be short until known otherwise.
    pub thread: bool,
    pub reads: bool,
    /// Pages to read, if the store knows that part.
    pub expected: Option<u32>,
    /// Pages of messages read so far.
    pub pages: u32,
    /// Lists of reactors left by an earlier run.
    pub left: u32,
    /// Lists of reactors found missing so far.
    pub found: u32,
    /// Lists done, of both kinds.
    pub done: u32,
    pub trace: Trace,
}

/// When messages were written in finished channels.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    pages: Vec<Page>,
    /// Earliest time that they cover.
    since: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PagesLeft {
    read: f64,
    known: f64,
    /// Pages extrapolated from the channel's own density, back to its creation.
    guessed: f64,
}

impl Finished {
    pub fn add(&mut self, course: &mut Course) {
        let first = course.trace.done.iter().map(|span| span.from).min();
        self.since = self.since.into_iter().chain(first).min();
        self.pages.append(&mut course.trace.pages);
        while self.pages.len() > REMEMBERED {
            let sample = self.pages.iter().step_by(2);
            self.pages = sample.map(|(page, full)| (*page, full * 2.0)).collect();
        }
    }

    /// Returns the number of full pages in these spans.
    fn pages_in(&self, spans: &[Span]) -> f64 {
        let part = |(page, fullness): &Page| {
            let inside: u64 = spans.iter().map(|span| page.within(*span).len()).sum();
            fullness * ratio(inside, page.len())
        };
        self.pages.iter().map(part).sum()
    }
}

impl Course {
    /// Records a page: `reading` is the index of its read, `oldest` its lower end.
    /// `len` counts its messages. `first` is the channel's own id, `newest` its last message.
    pub fn read(
        &mut self,
        reads: &[Read],
        (first, newest): (MessageId, MessageId),
        (reading, oldest): (usize, MessageId),
        len: usize,
    ) {
        let (done, rest) = split(reads, (first, newest), (reading, oldest));
        // The page is what is newly done.
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

    pub fn is_read(&self) -> bool {
        self.pages > 0 && length(&self.trace.rest) == 0
    }

    /// Returns the share of the time already read, from 0 to 1.
    fn share(&self) -> f64 {
        let (done, rest) = (length(&self.trace.done), length(&self.trace.rest));
        if done + rest == 0 {
            return 1.0;
        }
        ratio(done, done + rest)
    }

    /// Estimates the pages left; `None` without evidence.
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
        // Finished channels are evidence only for the time they cover.
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

    /// Estimates the lists left, assuming a constant rate of reactions.
    fn lists_left(&self, pages_left: f64) -> f64 {
        let known = f64::from((self.left + self.found).saturating_sub(self.done));
        let a_page = f64::from(self.found) / f64::from(self.pages.max(1));
        known + a_page * pages_left
    }

    /// Returns the priority of the channel's next request: the longest first.
    /// Its own limits may delay it until everything else is done. An unknown channel first reads
    /// one page, which shows its length. Assumes a constant rate of messages.
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

/// Estimates the minimum time left: by the global limit, or by the slowest channel's.
/// Without limits, uses the `measured` speed in requests per second. `None` if that is unknown, or
/// if most pages would be guessed.
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
    // Without evidence, there may be nothing left.
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

/// Returns how long a channel's own limits delay these requests.
fn held_up(pace: &Pace, pages: f64, lists: f64) -> Duration {
    times(pace.pages, pages).max(times(pace.lists, lists))
}

/// Extrapolates the number of pages in `time` before these from their trend.
/// A single page shows no trend.
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
        // Growth towards the past would never end: assume a constant rate.
        return older * float(time);
    }
    let edge = older * (-growth * older_time / 2.0).exp();
    edge * (1.0 - (-growth * float(time)).exp()) / growth
}

/// Splits the time to read into what is done, down to `oldest` of the current read, and the rest.
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

/// Returns how long the requests take; zero if unlimited.
fn times(rate: Option<Rate>, requests: f64) -> Duration {
    rate.map_or(Duration::ZERO, |rate| {
        seconds(rate.per.as_secs_f64() * requests / f64::from(rate.requests.max(1)))
    })
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// A rounded duration, such as "about 4 min".
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
