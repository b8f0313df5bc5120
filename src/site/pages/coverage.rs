//! What the mirror knows of each channel, month by month.

use askama::Template;
use propsbot_archive::Millis;

use super::{Frame, Stamp, Writer, counted};
use crate::{
    Neighbour,
    buckets::{Buckets, month_of},
    community::Channel,
};

/// The most columns. More than this are quarters, then years.
const COLUMNS: usize = 40;

#[derive(Template)]
#[template(path = "coverage.html")]
struct Coverage<'a> {
    frame: Frame<'a>,
    until: Option<Stamp>,
    unit: &'static str,
    columns: Vec<String>,
    channels: Vec<Line<'a>>,
    excluded: Option<String>,
    neighbours: Vec<Elsewhere<'a>>,
}

/// A space of another provider, and until when each of its parts is complete.
pub(super) struct Elsewhere<'a> {
    pub(super) name: &'a str,
    pub(super) provider: &'a str,
    pub(super) parts: Vec<(&'a str, Option<Stamp>)>,
}

struct Line<'a> {
    name: &'a str,
    is_deleted: bool,
    threads: String,
    cells: Vec<State>,
}

/// What is known of a channel and its threads in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It wasn't there.
    None,
    Known,
    Partly,
    Unknown,
}

impl State {
    fn class(self) -> &'static str {
        match self {
            Self::None => "n",
            Self::Known => "k",
            Self::Partly => "p",
            Self::Unknown => "u",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::None => "not there",
            Self::Known => "known",
            Self::Partly => "partly known",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let community = writer.community;
    // Of a running bot, the last minutes are never covered yet.
    let covered = community.channels.iter().flat_map(Channel::times);
    let until = covered.map(|(_, until)| *until).max();
    let until = until.unwrap_or(community.created_at);
    let there = community
        .channels
        .iter()
        .filter(|channel| channel.created_at < until);
    let first = there
        .map(|channel| channel.created_at)
        .min()
        .unwrap_or(until);
    let buckets = Buckets::over(month_of(first), month_of(until), COLUMNS);
    let channels = community.channels.iter().map(|channel| Line {
        name: &channel.name,
        is_deleted: channel.deleted_at.is_some(),
        threads: match channel.threads.len() {
            0 => String::new(),
            count => counted(count, "thread", "threads"),
        },
        cells: (0..buckets.count)
            .map(|index| state(channel, buckets.bounds(index), until))
            .collect(),
    });
    let page = Coverage {
        frame: writer.frame("coverage", "Coverage"),
        until: community.known_until.map(Stamp),
        unit: buckets.unit(),
        columns: (0..buckets.count)
            .map(|index| buckets.label(index))
            .collect(),
        channels: channels.collect(),
        excluded: (community.excluded > 0)
            .then(|| counted(community.excluded, "excluded channel", "excluded channels")),
        neighbours: elsewhere(&community.neighbours),
    };
    writer.page("coverage.html", &page)
}

/// What another provider has, as pages show it.
pub(super) fn elsewhere(neighbours: &[Neighbour]) -> Vec<Elsewhere<'_>> {
    let shown = neighbours.iter().map(|neighbour| {
        let parts = neighbour.parts.iter();
        let parts = parts.map(|(part, until)| (*part, until.map(Stamp)));
        Elsewhere {
            name: &neighbour.name,
            provider: neighbour.provider,
            parts: parts.collect(),
        }
    });
    shown.collect()
}

/// What is known from one time to another, the latter excluded.
fn state(channel: &Channel, (from, to): (Millis, Millis), until: Millis) -> State {
    let end = channel
        .deleted_at
        .map_or(until, |deleted| deleted.min(until));
    let to = Millis(to.0.min(end.0.saturating_add(1)));
    let own = if channel.has_only_threads {
        State::None
    } else {
        of_times(&channel.covered, channel.created_at, (from, to))
    };
    let threads = channel.threads.iter();
    let threads = threads.map(|(created, covered)| of_times(covered, *created, (from, to)));
    threads
        .filter(|state| *state != State::None)
        .fold(own, |all, state| match (all, state) {
            (State::None, state) if channel.has_only_threads => state,
            (State::None, _) => State::None,
            (all, state) if all == state => all,
            _ => State::Partly,
        })
}

/// What these times, each without its first millisecond, cover of a stretch.
fn of_times(covered: &[(Millis, Millis)], created: Millis, (from, to): (Millis, Millis)) -> State {
    let from = from.max(created).0;
    let wanted = to.0 - from;
    if wanted <= 0 {
        return State::None;
    }
    let known: i64 = covered
        .iter()
        .map(|(after, until)| (until.0.min(to.0 - 1) - after.0.max(from - 1)).max(0))
        .sum();
    match known {
        0 => State::Unknown,
        known if known >= wanted => State::Known,
        _ => State::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_known_if_all_of_it_is_covered() {
        let channel = |covered: &[(i64, i64)], thread: &[(i64, i64)]| {
            let times = |times: &[(i64, i64)]| {
                times
                    .iter()
                    .map(|(after, until)| (Millis(*after), Millis(*until)))
                    .collect()
            };
            Channel {
                name: String::new(),
                created_at: Millis(100),
                deleted_at: None,
                has_only_threads: false,
                covered: times(covered),
                threads: vec![(Millis(150), times(thread))],
            }
        };
        let all: &[(i64, i64)] = &[(0, 1_000)];
        for (covered, thread, (from, to), expected) in [
            (all, all, (100, 200), State::Known),
            (all, all, (0, 100), State::None),
            (all, all, (900, 1_100), State::Known),
            (all, &[][..], (100, 140), State::Known),
            (all, &[], (100, 200), State::Partly),
            (&[(0, 120)], all, (100, 200), State::Partly),
            (&[(99, 149), (149, 199)], all, (100, 200), State::Known),
            (&[], &[], (100, 200), State::Unknown),
            (all, all, (1_001, 1_200), State::None),
        ] {
            let state = state(
                &channel(covered, thread),
                (Millis(from), Millis(to)),
                Millis(1_000),
            );
            assert_eq!(state, expected, "{covered:?} {thread:?} {from} {to}");
        }
        // A forum is as well known as its posts.
        for (thread, (from, to), expected) in [
            (all, (100, 200), State::Known),
            (&[(0, 160)][..], (100, 200), State::Partly),
            (&[], (100, 200), State::Unknown),
            (all, (100, 140), State::None),
        ] {
            let forum = Channel {
                has_only_threads: true,
                ..channel(&[], thread)
            };
            let state = state(&forum, (Millis(from), Millis(to)), Millis(1_000));
            assert_eq!(state, expected, "{thread:?} {from} {to}");
        }
    }
}
