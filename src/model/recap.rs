//! The recap: a message about the thanks of a week or month, posted once when that is over.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::{ChannelId, GuildId, MessageId, Millis, QuotaPeriod};

/// How long after its period a recap is posted at the earliest, so that the last messages are in the store.
const SETTLING_MS: i64 = 60_000;

/// How long after its period a recap is posted at the latest.
const LATEST_MS: i64 = 7 * 86_400_000;

/// Where and how often recaps are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecapSetting {
    pub channel_id: ChannelId,
    pub every: RecapPeriod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecapPeriod {
    /// Monday to Sunday, UTC.
    Week,
    /// A UTC calendar month.
    Month,
}

/// The latest recap of a guild. It is stored before the recap is posted, so that none is posted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recap {
    pub guild_id: GuildId,
    /// The end of its period.
    pub until: Millis,
    /// Whether it was posted, or there was nothing to tell. If not, it may have been posted.
    pub is_done: bool,
    /// When the last attempt to post it began, by Discord's clock.
    pub begun: Millis,
    /// Where it was to be posted.
    pub channel_id: ChannelId,
    /// Its message; `None` if there was nothing to tell, or while it isn't done.
    pub message_id: Option<MessageId>,
}

impl RecapSetting {
    /// The period whose recap is to be posted now; `None` if there is none, it is done, or it is too late.
    /// `last` is the guild's latest recap.
    pub fn due(self, last: Option<&Recap>, now: Millis) -> Option<Range<Millis>> {
        let period = self.every.last_over(Millis(now.0 - SETTLING_MS));
        let is_done = last.is_some_and(|last| {
            last.until > period.end || last.until == period.end && last.is_done
        });
        let is_late = now.0 - period.end.0 > LATEST_MS;
        (!is_done && !is_late).then_some(period)
    }
}

impl RecapPeriod {
    /// How every recap of this kind begins. It never changes, because a recap that may have been posted is
    /// recognised by it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Week => "📣 **Recap of the week**",
            Self::Month => "📣 **Recap of the month**",
        }
    }

    /// The last week or month that was over at a time.
    fn last_over(self, time: Millis) -> Range<Millis> {
        let calendar = match self {
            Self::Week => QuotaPeriod::Week,
            Self::Month => QuotaPeriod::Month,
        };
        let end = calendar.start(time);
        calendar.start(Millis(end.0 - 1))..end
    }
}

impl fmt::Display for RecapPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Week => "weekly",
            Self::Month => "monthly",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Millis {
        let time: jiff::Timestamp = text.parse().unwrap();
        Millis(time.as_millisecond())
    }

    fn day(text: &str) -> Millis {
        time(&format!("{text}T00:00:00Z"))
    }

    fn setting(every: RecapPeriod) -> RecapSetting {
        RecapSetting {
            channel_id: ChannelId(5),
            every,
        }
    }

    fn recap(until: &str, is_done: bool) -> Recap {
        Recap {
            guild_id: GuildId(1),
            until: day(until),
            is_done,
            begun: day(until),
            channel_id: ChannelId(5),
            message_id: None,
        }
    }

    #[test]
    fn the_last_period_is_due_once_it_is_over_and_for_a_week() {
        let weekly = setting(RecapPeriod::Week);
        let week = Some(day("2026-11-23")..day("2026-11-30"));
        for (now, due) in [
            ("2026-11-30T00:00:59Z", None),
            ("2026-11-30T00:01:00Z", week.clone()),
            ("2026-12-06T23:59:59Z", week.clone()),
            ("2026-12-07T00:00:00Z", week.clone()),
        ] {
            let last = recap("2026-11-23", true);
            assert_eq!(weekly.due(Some(&last), time(now)), due, "{now}");
        }
        let monthly = setting(RecapPeriod::Month);
        let month = Some(day("2026-11-01")..day("2026-12-01"));
        for (now, due) in [
            ("2026-12-01T00:01:00Z", month.clone()),
            ("2026-12-08T00:00:00Z", month),
            ("2026-12-08T00:00:01Z", None),
            (
                "2027-01-01T00:01:00Z",
                Some(day("2026-12-01")..day("2027-01-01")),
            ),
        ] {
            assert_eq!(monthly.due(None, time(now)), due, "{now}");
        }
    }

    #[test]
    fn only_the_last_one_missed_is_due() {
        let last = recap("2026-11-02", true);
        let due = setting(RecapPeriod::Week).due(Some(&last), time("2026-11-26T12:00:00Z"));
        assert_eq!(due, Some(day("2026-11-16")..day("2026-11-23")));
    }

    #[test]
    fn one_that_is_done_is_never_due_again() {
        let now = time("2026-11-30T12:00:00Z");
        let weekly = setting(RecapPeriod::Week);
        assert_eq!(weekly.due(Some(&recap("2026-11-30", true)), now), None);
        assert!(weekly.due(Some(&recap("2026-11-30", false)), now).is_some());
        // A month that ended before the last weekly recap.
        let now = time("2026-11-03T12:00:00Z");
        let monthly = setting(RecapPeriod::Month);
        assert_eq!(monthly.due(Some(&recap("2026-11-02", true)), now), None);
        // A clock that was set back.
        let now = time("2026-11-20T12:00:00Z");
        assert_eq!(weekly.due(Some(&recap("2026-11-30", false)), now), None);
    }

    #[test]
    fn what_is_known_later_is_greater() {
        let begun = recap("2026-11-30", false);
        let again = Recap {
            begun: Millis(begun.begun.0 + 1),
            ..begun
        };
        let done = recap("2026-11-30", true);
        assert!(begun < again && again < done && done < recap("2026-12-07", false));
    }
}
