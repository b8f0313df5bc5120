//! Dates in configurations, as JavaScript's `Date.parse` reads those that people write.

use jiff::{
    civil::{Date, DateTime, Time},
    tz::Offset,
};
use propsbot_archive::Millis;

/// The milliseconds of a date: `2021-01-30`, `2021-01`, `2021`, with a time after `T` and an offset, or
/// `1/30/2021`. What has no offset is UTC, also where JavaScript takes the time zone of the machine.
pub(super) fn parse(text: &str) -> Option<Millis> {
    let (date, rest) = match text.split_once(['T', 't']) {
        Some((date, rest)) => (date, Some(rest)),
        None => (text, None),
    };
    let date = parse_date(date)?;
    let (time, offset) = match rest {
        None => (Time::midnight(), 0),
        Some(rest) => parse_time(rest)?,
    };
    let local = DateTime::from_parts(date, time);
    let utc = Offset::UTC.to_timestamp(local).ok()?;
    Some(Millis(utc.as_millisecond() - offset))
}

fn parse_date(text: &str) -> Option<Date> {
    let number = |text: &str| text.parse::<i16>().ok().filter(|_| digits(text));
    let small = |text: &str| text.parse::<i8>().ok().filter(|_| digits(text));
    let slashes: Vec<&str> = text.split('/').collect();
    if let [month, day, year] = slashes[..] {
        return Date::new(number(year)?, small(month)?, small(day)?).ok();
    }
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day) = match parts[..] {
        [year] => (year, "1", "1"),
        [year, month] => (year, month, "1"),
        [year, month, day] => (year, month, day),
        _ => return None,
    };
    (year.len() == 4).then_some(())?;
    Date::new(number(year)?, small(month)?, small(day)?).ok()
}

/// A time of day, and its offset from UTC in milliseconds.
fn parse_time(text: &str) -> Option<(Time, i64)> {
    let at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = text.split_at(at);
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let minutes = match zone[1..].split_once(':') {
                Some((hours, minutes)) => two(hours)? * 60 + two(minutes)?,
                None => return None,
            };
            sign * minutes * 60_000
        }
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    // JavaScript reads three digits.
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let milliseconds: i32 = digits.parse().ok()?;
    let parts: Vec<&str> = time.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (two(hour)?, two(minute)?, 0),
        [hour, minute, second] => (two(hour)?, two(minute)?, two(second)?),
        _ => return None,
    };
    let small = |number: i64| i8::try_from(number).ok();
    let time = Time::new(
        small(hour)?,
        small(minute)?,
        small(second)?,
        milliseconds * 1_000_000,
    );
    Some((time.ok()?, offset))
}

/// A number of exactly two digits.
fn two(text: &str) -> Option<i64> {
    (text.len() == 2 && digits(text)).then(|| text.parse().ok())?
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_as_javascript_does() {
        for (text, at) in [
            ("2021-01-30", 1_611_964_800_000),
            ("1/30/2021", 1_611_964_800_000),
            ("2021", 1_609_459_200_000),
            ("2021-01", 1_609_459_200_000),
            ("2021-01-30T12:00Z", 1_612_008_000_000),
            ("2021-01-30T12:00:01.5Z", 1_612_008_001_500),
            ("2021-01-30T12:00:00.123456+02:00", 1_612_000_800_123),
            ("2021-01-30T00:00:00-01:30", 1_611_970_200_000),
        ] {
            assert_eq!(parse(text), Some(Millis(at)), "{text}");
        }
        for text in ["", "soon", "2021-13-01", "21-01-30", "2021-01-30T", "1/2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
