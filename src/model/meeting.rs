//! The message that records a meeting: for people, for the meetings plugin, and for reading back.
//!
//! It is the meeting's only record, and has nothing that a member wrote. Archives have it as they have any
//! message, with the privacy choices of those whom it names. Deleting it takes the meeting back.

use std::fmt::Write as _;

use super::{Millis, UserId};

/// Its first line.
const MEETING: &str = "📅 **Meeting**";

/// The labels of its lines. The meetings plugin knows them as roles.
const HOSTS: &str = "Hosts: ";
const NOTES: &str = "Notes: ";
const PARTICIPANTS: &str = "Participants: ";

/// How its last line begins.
const BEGAN: &str = "-# Began <t:";
const ENDED: &str = ":t>, ended <t:";
const RUNNING: &str = ":t>. If you're here, run `/meeting here`.";

/// A meeting as its message tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// At least one.
    pub hosts: Vec<UserId>,
    /// Who took notes.
    pub notes: Vec<UserId>,
    /// Everyone who is there, hosts and note-takers too, in the order of arrival.
    pub participants: Vec<UserId>,
    /// To the second.
    pub begun: Millis,
    /// To the second; `None` while it runs.
    pub ended: Option<Millis>,
}

impl Meeting {
    /// Adds members who are there; `false` if they all were already.
    pub fn join(&mut self, users: &[UserId]) -> bool {
        let before = self.participants.len();
        for user in users {
            if !self.participants.contains(user) {
                self.participants.push(*user);
            }
        }
        self.participants.len() > before
    }

    /// The text of its message.
    pub fn text(&self) -> String {
        let mut text = MEETING.to_owned();
        for (label, users) in [
            (HOSTS, &self.hosts),
            (NOTES, &self.notes),
            (PARTICIPANTS, &self.participants),
        ] {
            if !users.is_empty() {
                let users: Vec<String> = users.iter().map(|id| format!("<@{id}>")).collect();
                let _ = write!(text, "\n{label}{}", users.join(" "));
            }
        }
        let seconds = |time: Millis| time.0.div_euclid(1000);
        let _ = write!(text, "\n{BEGAN}{}", seconds(self.begun));
        let _ = match self.ended {
            Some(ended) => write!(text, "{ENDED}{}:t>.", seconds(ended)),
            None => write!(text, "{RUNNING}"),
        };
        text
    }

    /// Parses a text that [`Self::text`] wrote; `None` for any other.
    pub fn read(content: &str) -> Option<Self> {
        let mut lines = content.split('\n');
        if lines.next()? != MEETING {
            return None;
        }
        let mut meeting = Self {
            hosts: Vec::new(),
            notes: Vec::new(),
            participants: Vec::new(),
            begun: Millis(0),
            ended: None,
        };
        for line in lines {
            let labels = [
                (HOSTS, &mut meeting.hosts),
                (NOTES, &mut meeting.notes),
                (PARTICIPANTS, &mut meeting.participants),
            ];
            let mut labelled = labels.into_iter();
            let found =
                labelled.find_map(|(label, users)| Some((line.strip_prefix(label)?, users)));
            match found {
                Some((named, users)) => {
                    *users = named.split(' ').map(user).collect::<Option<_>>()?;
                }
                None => {
                    (meeting.begun, meeting.ended) = times(line.strip_prefix(BEGAN)?)?;
                }
            }
        }
        (!meeting.hosts.is_empty() && meeting.begun.0 > 0).then_some(meeting)
    }
}

/// When it began and ended.
fn times(text: &str) -> Option<(Millis, Option<Millis>)> {
    let time = |seconds: &str| Some(Millis(seconds.parse::<i64>().ok()?.checked_mul(1000)?));
    if let Some((begun, ended)) = text.split_once(ENDED) {
        return Some((time(begun)?, Some(time(ended.strip_suffix(":t>.")?)?)));
    }
    Some((time(text.strip_suffix(RUNNING)?)?, None))
}

fn user(mention: &str) -> Option<UserId> {
    mention.strip_prefix("<@")?.strip_suffix('>')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn users(ids: &[u64]) -> Vec<UserId> {
        ids.iter().copied().map(UserId).collect()
    }

    #[test]
    fn writes_meetings_for_people() {
        let mut meeting = Meeting {
            hosts: users(&[1]),
            notes: Vec::new(),
            participants: users(&[1]),
            begun: Millis(1_700_000_000_000),
            ended: None,
        };
        assert!(meeting.join(&users(&[2, 1])));
        assert!(!meeting.join(&users(&[2])));
        assert_snapshot!(meeting.text(), @r"
        📅 **Meeting**
        Hosts: <@1>
        Participants: <@1> <@2>
        -# Began <t:1700000000:t>. If you're here, run `/meeting here`.
        ");
        meeting.notes = users(&[2]);
        meeting.ended = Some(Millis(1_700_003_600_000));
        assert_snapshot!(meeting.text(), @r"
        📅 **Meeting**
        Hosts: <@1>
        Notes: <@2>
        Participants: <@1> <@2>
        -# Began <t:1700000000:t>, ended <t:1700003600:t>.
        ");
    }

    #[test]
    fn rejects_texts_that_are_no_meetings() {
        for text in [
            "📅 **Meeting**: one\nHosts: <@1>\n-# Began <t:1:t>, ended <t:2:t>.",
            "📅 **Meeting**\nHosts: ana\n-# Began <t:1:t>, ended <t:2:t>.",
            "📅 **Meeting**\n-# Began <t:1:t>, ended <t:2:t>.",
            "📅 **Meeting**\nHosts: <@1>",
            "📅 **Meeting**\nHosts: <@1>\nand more\n-# Began <t:1:t>, ended <t:2:t>.",
            "Meeting at 10",
        ] {
            assert_eq!(Meeting::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn meetings_round_trip(
            hosts in proptest::collection::vec((1..u64::MAX).prop_map(UserId), 1..3),
            notes in proptest::collection::vec((1..u64::MAX).prop_map(UserId), 0..3),
            participants in proptest::collection::vec((1..u64::MAX).prop_map(UserId), 0..5),
            begun in 1..4_000_000_000_i64,
            lasted in proptest::option::of(0..100_000_i64),
        ) {
            let meeting = Meeting {
                hosts,
                notes,
                participants,
                begun: Millis(begun * 1000),
                ended: lasted.map(|lasted| Millis((begun + lasted) * 1000)),
            };
            prop_assert_eq!(Meeting::read(&meeting.text()), Some(meeting));
        }
    }
}
