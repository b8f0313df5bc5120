//! Planned faults.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::mutations::Mutations;

/// What happens to a request instead of its normal response.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// This status, with Discord's JSON error; the request isn't carried out.
    Status(u16),
    /// The normal response, late.
    Delay(Duration),
    /// The connection breaks; the request isn't carried out.
    Reset,
    /// The request is carried out, but the connection breaks before the response.
    Lost,
    /// Status 200 with an invalid JSON body.
    Malformed,
    /// A 429, although no limit was exceeded.
    RateLimited {
        /// Seconds to wait.
        retry_after: f64,
        /// The global limit instead of the route's.
        global: bool,
        /// A limit shared with others, which doesn't count as an invalid request.
        shared: bool,
    },
    /// This status and body.
    Answer(u16, String),
    /// This status, these headers and this body.
    AnswerWith(u16, Vec<(&'static str, String)>, String),
    /// The normal response, with these headers replacing its own.
    Headers(Vec<(&'static str, String)>),
    /// Status 200 with an empty list among this many MiB of spaces, gzip-compressed to a few KB.
    GzipBomb(usize),
    /// Status 200 with an endless body: a byte per interval.
    Trickle(Duration),
    /// The normal response, a list, without the items at these positions.
    Without(Range<usize>),
    /// An endless list of messages, members, reactors, guilds or archived threads: the normal page, filled up with
    /// made-up items whose ids are this far apart.
    Endless(u64),
}

/// What happens to an event on the gateway. It has its sequence number all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFault {
    /// Only the first half of its JSON arrives, in a complete frame.
    Lost,
    /// Only the first half of its JSON arrives, in a whole frame.
    Cut,
    /// It arrives as a binary frame that isn't zlib.
    BrokenZlib,
    /// It arrives as text in a frame of this many bytes, mostly spaces.
    Oversize(usize),
    /// It arrives as zlib that inflates to this many bytes, mostly spaces.
    Bomb(usize),
}

/// How the gateway treats its clients. The default is the documented behaviour.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Manners {
    /// Never acknowledges heartbeats.
    pub deaf: bool,
    /// Accepts connections, but sends no HELLO.
    pub silent: bool,
    /// Doesn't respond to IDENTIFY.
    pub ignores_identify: bool,
    /// Doesn't respond to RESUME.
    pub ignores_resume: bool,
    /// Closes with this code on IDENTIFY.
    pub refuses_identify: Option<u16>,
    /// Closes with this code on RESUME.
    pub refuses_resume: Option<u16>,
}

#[derive(Debug)]
struct Planned {
    route: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// Reactor lists of a message that lack some users.
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
    /// Channels whose messages are refused regardless of permissions.
    pub(crate) refused: BTreeSet<u64>,
    /// Fields replaced in responses and events.
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

    /// The next `times` reactor lists of a message lack their last `hidden` users.
    pub(crate) fn shorten(&mut self, message: u64, hidden: usize, times: usize) {
        self.short_lists.push(ShortList {
            message,
            hidden,
            times,
        });
    }

    /// Number of users that the response to this request lacks.
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

    /// The fault for this request: the first planned one that applies.
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

/// A route without parameter names: `{channel.id}` equals `{channel_id}`.
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
