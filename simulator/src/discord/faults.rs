//! Things that go wrong on purpose.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::mutations::Mutations;

/// What happens to a request instead of its answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// This status, with Discord's JSON error; nothing is done.
    Status(u16),
    /// The right answer, late.
    Delay(Duration),
    /// The connection breaks; nothing is done.
    Reset,
    /// It is done, but the connection breaks before the answer arrives.
    Lost,
    /// Status 200 with a body that is no JSON.
    Malformed,
    /// A 429, although no limit was exceeded.
    RateLimited {
        /// Seconds to wait.
        retry_after: f64,
        /// The global limit rather than the route's.
        global: bool,
        /// A limit shared with others, which does not count as an invalid request.
        shared: bool,
    },
    /// This status and body.
    Answer(u16, String),
    /// This status, these headers and this body.
    AnswerWith(u16, Vec<(&'static str, String)>, String),
    /// The right answer, with these headers instead of its own of the same names.
    Headers(Vec<(&'static str, String)>),
    /// Status 200 with an empty list, in so many MiB of blanks, gzip-compressed to some KB each.
    GzipBomb(usize),
    /// Status 200 with a body that never ends: one byte each time.
    Trickle(Duration),
    /// The right answer, a list, but without the items at these places.
    Without(Range<usize>),
    /// A list of messages, members, reactors, guilds or archived threads that goes on for ever: the right page, filled up with made-up items whose ids
    /// are this far apart.
    Endless(u64),
}

/// What happens to an event on its way over the gateway. It has its sequence number all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFault {
    /// It never arrives.
    Lost,
    /// Only the first half of its JSON arrives, in a whole frame.
    Cut,
    /// It arrives as a binary frame that is no zlib.
    BrokenZlib,
    /// It arrives as text in a frame of this many bytes, most of them blanks.
    Oversize(usize),
    /// It arrives as zlib that inflates to this many bytes, most of them blanks.
    Bomb(usize),
}

/// How the gateway treats its clients. The default: as documented.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Manners {
    /// Heartbeats are never acknowledged.
    pub deaf: bool,
    /// Connections are taken, but there is no HELLO.
    pub silent: bool,
    /// IDENTIFY gets no answer.
    pub ignores_identify: bool,
    /// RESUME gets no answer.
    pub ignores_resume: bool,
    /// IDENTIFY is answered by this close code.
    pub refuses_identify: Option<u16>,
    /// RESUME is answered by this close code.
    pub refuses_resume: Option<u16>,
}

#[derive(Debug)]
struct Planned {
    route: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// Lists of a message's reactors that lack some.
#[derive(Debug)]
struct ShortList {
    message: u64,
    hidden: usize,
    times: usize,
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Vec<Planned>,
    short_lists: Vec<ShortList>,
    /// Channels whose messages are refused, whatever the permissions say.
    pub(crate) refused: BTreeSet<u64>,
    /// Fields that are replaced in answers and events.
    pub(crate) mutations: Mutations,
}

impl Faults {
    pub(crate) fn plan(&mut self, route: &str, skip: usize, times: usize, fault: Fault) {
        self.planned.push(Planned {
            route: plain(route),
            skip,
            times,
            fault,
        });
    }

    /// The next `times` answers that list a message's reactors lack the last `hidden` of those they
    /// should have.
    pub(crate) fn shorten(&mut self, message: u64, hidden: usize, times: usize) {
        self.short_lists.push(ShortList {
            message,
            hidden,
            times,
        });
    }

    /// How many users the answer to this request lacks.
    pub(crate) fn hidden(&mut self, message: u64) -> usize {
        let mut lists = self.short_lists.iter_mut();
        let list = lists.find(|list| list.message == message && list.times > 0);
        list.map_or(0, |list| {
            list.times -= 1;
            list.hidden
        })
    }

    pub(crate) fn clear(&mut self) {
        self.planned.clear();
        self.short_lists.clear();
        self.refused.clear();
        self.mutations.clear();
    }

    /// The fault that this request meets, if any: the first planned that still applies.
    pub(crate) fn meet(&mut self, method: &str, template: &str) -> Option<Fault> {
        if self.planned.is_empty() {
            return None;
        }
        let route = plain(&format!("{method} {template}"));
        for planned in self
            .planned
            .iter_mut()
            .filter(|planned| planned.route == route || planned.route == "*")
        {
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if planned.times > 0 {
                planned.times -= 1;
                return Some(planned.fault.clone());
            }
        }
        None
    }
}

/// A route without its parameters' names: `{channel.id}` and `{channel_id}` are the same.
pub(crate) fn plain(route: &str) -> String {
    let mut inside = false;
    route
        .chars()
        .filter(|c| {
            let keep = !inside || *c == '}';
            inside = match c {
                '{' => true,
                '}' => false,
                _ => inside,
            };
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        faults.plan(
            "GET /channels/{channel.id}/messages",
            1,
            2,
            Fault::Status(500),
        );
        let met: Vec<_> = (0..4)
            .map(|_| {
                faults
                    .meet("GET", "/channels/{channel_id}/messages")
                    .is_some()
            })
            .collect();
        assert_eq!(met, [false, true, true, false]);
        assert!(faults.meet("GET", "/gateway").is_none());
    }
}
