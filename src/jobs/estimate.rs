//! How much is left to do, and how long that will take at the least: from Discord's limits, not from
//! how long the rest took.
//!
//! Pure: it knows neither a clock nor who asks.

use std::{fmt, time::Duration};

use crate::{
    discord::{Pace, Rate, Urgency},
    ingest::Read,
    model::MessageId,
};

/// How far the reading of a channel is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// Whether it is a props channel.
    pub props: bool,
    /// Whether it is a thread: those are short, until one turns out not to be.
    pub thread: bool,
    /// Whether there are pages to be read at all.
    pub reads: bool,
    /// Pages of messages read so far.
    pub pages: u32,
    /// The share of the time to be read that these cover, from 0 to 1.
    pub share: f64,
    /// Lists of reactors that an earlier run had left.
    pub left: u32,
    /// Lists of reactors that the pages so far have shown to be missing.
    pub found: u32,
    /// Lists of either kind that are done.
    pub done: u32,
}

impl Course {
    /// Pages still to be read, as many as if people had always written as much as in those read.
    fn pages_left(&self) -> f64 {
        if !self.reads {
            return 0.0;
        }
        if self.pages == 0 {
            return 1.0;
        }
        f64::from(self.pages) * (1.0 - self.share) / self.share.max(1e-6)
    }

    /// Lists still to be fetched, as many as if people had always reacted as much.
    fn lists_left(&self) -> f64 {
        let known = f64::from((self.left + self.found).saturating_sub(self.done));
        let a_page = f64::from(self.found) / f64::from(self.pages.max(1));
        known + a_page * self.pages_left()
    }

    /// How long the channel's own limits hold it up.
    fn time(&self, pace: &Pace) -> Duration {
        times(pace.pages, self.pages_left()).max(times(pace.lists, self.lists_left()))
    }

    /// How urgent its next request is. Of what must come first anyway the longest goes first, since
    /// its own limits may hold it up until all else is done; and of what nothing is known yet, one
    /// page, which tells how long it is.
    pub fn urgency(&self, pace: &Pace) -> Urgency {
        let time = if self.reads && self.pages == 0 && !self.thread {
            Duration::MAX
        } else {
            self.time(pace)
        };
        if self.props {
            Urgency::Props(time)
        } else {
            Urgency::History(time)
        }
    }
}

/// The time in which a channel's messages are to be read that was read already, as a share from 0
/// to 1: all reads before this one, and this one down to `oldest`.
///
/// `first` is the first id that there can be, the channel's own; `newest` the last one.
pub fn share(
    reads: &[Read],
    (first, newest): (MessageId, MessageId),
    (reading, oldest): (usize, MessageId),
) -> f64 {
    // The upper bits of an id are milliseconds.
    let span = |to: MessageId, after: MessageId| {
        let (to, after) = (to.0 >> 22, after.max(first).0 >> 22);
        Duration::from_millis(to.saturating_sub(after))
    };
    let whole = |read: &Read| span(read.to.unwrap_or(newest), read.after);
    let all: Duration = reads.iter().map(whole).sum();
    let before: Duration = reads.iter().take(reading).map(whole).sum();
    let this = reads.get(reading).map_or(Duration::ZERO, |read| {
        span(read.to.unwrap_or(newest), oldest.max(read.after))
    });
    if all.is_zero() {
        return 1.0;
    }
    ((before + this).as_secs_f64() / all.as_secs_f64()).clamp(0.0, 1.0)
}

/// How long all of it will take at the least: as long as the global limit makes it, or as the
/// limits of one of the channels do. Where nothing limits, at the speed measured so far, in requests
/// a second; `None` while there is none.
pub fn time_left<'a>(
    courses: impl IntoIterator<Item = &'a Course>,
    pace: &Pace,
    measured: Option<f64>,
) -> Option<Duration> {
    let mut requests = 0.0;
    let mut longest = Duration::ZERO;
    for course in courses {
        requests += course.pages_left() + course.lists_left();
        longest = longest.max(course.time(pace));
    }
    let all = match (pace.global, measured) {
        (Some(rate), _) => times(Some(rate), requests),
        (None, Some(speed)) if speed > 0.0 => seconds(requests / speed),
        (None, _) => return None,
    };
    Some(all.max(longest))
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
mod tests {
    use super::*;

    fn course(pages: u32, share: f64, found: u32, done: u32) -> Course {
        Course {
            reads: true,
            pages,
            share,
            found,
            done,
            ..Course::default()
        }
    }

    /// To the millisecond.
    fn left(courses: &[Course], pace: &Pace, measured: Option<f64>) -> Option<f64> {
        time_left(courses, pace, measured).map(|it| (it.as_secs_f64() * 1e3).round() / 1e3)
    }

    #[test]
    fn the_slowest_of_all_limits_tells_the_time() {
        let usual = &Pace::USUAL;
        // 10 pages cover a quarter: 30 more, at one a second.
        let pages = course(10, 0.25, 0, 0);
        assert_eq!(left(&[pages], usual, None), Some(30.0));
        // 100 lists in those 10 pages: 300 more in the other 30, and 50 of the known ones.
        let lists = course(10, 0.25, 100, 50);
        assert_eq!(left(&[lists], usual, None), Some(87.5));
        // 60 such channels have 60 × 380 requests: more than 48 a second allow.
        assert_eq!(left(&[lists; 60], usual, None), Some(475.0));
        // Of what nothing is known, one page; of what is done, nothing.
        assert_eq!(left(&[course(0, 0.0, 0, 0)], usual, None), Some(1.0));
        assert_eq!(left(&[course(7, 1.0, 5, 5)], usual, None), Some(0.0));
        assert_eq!(left(&[Course::default()], usual, None), Some(0.0));
    }

    #[test]
    fn where_nothing_limits_the_speed_so_far_tells_it() {
        let (all, free) = (&[course(10, 0.25, 0, 0)], &Pace::UNLIMITED);
        assert_eq!(left(all, free, None), None);
        assert_eq!(left(all, free, Some(0.0)), None);
        assert_eq!(left(all, free, Some(15.0)), Some(2.0));
    }

    #[test]
    fn props_first_then_what_is_unknown_then_the_longest() {
        let urgency = |course: Course| course.urgency(&Pace::USUAL);
        let (long, short) = (course(1, 0.01, 0, 0), course(1, 0.5, 0, 0));
        let unknown = course(0, 0.0, 0, 0);
        let props = Course {
            props: true,
            ..short
        };
        let thread = Course {
            thread: true,
            ..unknown
        };
        assert!(urgency(props) > urgency(unknown));
        assert!(urgency(unknown) > urgency(long));
        assert!(urgency(long) > urgency(short));
        assert!(urgency(long) > urgency(thread));
    }

    #[test]
    fn the_share_is_of_time_within_what_is_to_be_read() {
        let id = |ms: u64| MessageId(ms << 22);
        let read = |after, to: Option<u64>| Read {
            after: id(after),
            to: to.map(id),
        };
        let ends = (id(100), id(500));
        // All of it, from the channel's beginning at 100 on.
        let whole = [read(0, None)];
        assert!((share(&whole, ends, (0, id(400))) - 0.25).abs() < 1e-9);
        assert!((share(&whole, ends, (0, id(100))) - 1.0).abs() < 1e-9);
        // Two gaps of 100 each; a page may reach below its gap.
        let gaps = [read(400, None), read(200, Some(300))];
        assert!((share(&gaps, ends, (0, id(350))) - 0.5).abs() < 1e-9);
        assert!((share(&gaps, ends, (1, id(250))) - 0.75).abs() < 1e-9);
        assert!((share(&[], ends, (0, id(250))) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = |seconds| About(Duration::from_secs(seconds)).to_string();
        assert_eq!(said(3), "a few seconds");
        assert_eq!(said(41), "about 50 s");
        assert_eq!(said(240), "about 4 min");
        assert_eq!(said(12_000), "about 3 h 20 min");
    }
}
