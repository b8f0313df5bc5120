//! The first page: the leaderboard by period, thanks over time, and the latest ones.

use std::ops::RangeInclusive;

use askama::Template;
use propsbot_archive::Millis;

use super::{Entry, Frame, Item, Stamp, Writer, counted};
use crate::{
    buckets::{Buckets, month_of},
    chart::{Chart, number},
    cred::WEEK_MS,
};

const DAY_MS: i64 = 86_400_000;
/// The first Sunday after 1970 began: `SourceCred`'s weeks begin on Sundays.
const SUNDAY_MS: i64 = 3 * DAY_MS;

/// How many members a list has, and how many thanks.
const PLACES: usize = 10;
const LATEST: usize = 20;
/// The most columns of a chart.
const COLUMNS: usize = 60;

/// The periods of `/leaderboard`, in days.
const PERIODS: [(&str, &str, Option<i64>); 4] = [
    ("week", "7 days", Some(7)),
    ("month", "30 days", Some(30)),
    ("year", "365 days", Some(365)),
    ("always", "All time", None),
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    thanks: String,
    people: String,
    since: Option<Stamp>,
    until: Stamp,
    periods: Vec<Period<'a>>,
    latest: Vec<Item<'a>>,
    charts: Vec<Chart>,
    weeks: String,
    is_empty: bool,
    dir: &'static str,
}

struct Period<'a> {
    id: &'static str,
    label: &'static str,
    is_first: bool,
    boards: Vec<Board<'a>>,
}

struct Board<'a> {
    title: &'static str,
    class: &'static str,
    entries: Vec<Entry<'a>>,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let community = writer.community;
    // Full days, so that the periods begin at midnight.
    let until = Millis((community.created_at.0.div_euclid(DAY_MS) + 1) * DAY_MS);
    let mut periods = Vec::new();
    for (id, label, days) in PERIODS {
        let since = Millis(days.map_or(i64::MIN, |days| until.0 - days * DAY_MS));
        let mut boards = vec![
            board(
                writer,
                "Received",
                "received",
                writer.stats.most(true, since),
            ),
            board(writer, "Given", "given", writer.stats.most(false, since)),
        ];
        if let Some(cred) = writer.cred {
            boards.push(board(
                writer,
                "Cred",
                "cred",
                writer.stats.most_cred(cred, since),
            ));
        }
        periods.push(Period {
            id,
            label,
            is_first: false,
            boards,
        });
    }
    // The shortest one with something to look at.
    let is_full = |period: &Period<'_>| period.boards[0].entries.len() >= PLACES / 2;
    let all = periods.len() - 1;
    let first = periods
        .iter()
        .skip(1)
        .position(is_full)
        .map_or(all, |found| found + 1);
    periods[first].is_first = true;

    let shown = community
        .thanks
        .iter()
        .rev()
        .filter(|thanks| thanks.is_shown());
    let latest = shown
        .take(LATEST)
        .map(|thanks| writer.item(thanks, None))
        .collect();
    let people = writer.stats.of.iter().filter(|of| of.is_active()).count();
    let (charts, weeks) = charts(writer);
    let page = Overview {
        frame: writer.frame("index", "Thanks"),
        thanks: counted(community.thanks.len(), "time", "times"),
        people: counted(people, "member", "members"),
        since: community.thanks.first().map(|thanks| Stamp(thanks.at)),
        until: Stamp(community.created_at),
        periods,
        latest,
        charts,
        weeks: weeks
            .map(|script| writer.data("weeks", script))
            .unwrap_or_default(),
        is_empty: community.thanks.is_empty(),
        dir: "member/",
    };
    writer.page("index.html", &page)
}

fn board<'a>(
    writer: &Writer<'a>,
    title: &'static str,
    class: &'static str,
    ranked: Vec<(usize, f64)>,
) -> Board<'a> {
    let ranked: Vec<_> = ranked
        .into_iter()
        .map(|(member, count)| (Some(member), count))
        .collect();
    Board {
        title,
        class,
        entries: writer.entries(&ranked, PLACES),
    }
}

/// The charts over time, and the numbers by week for zooming.
fn charts(writer: &Writer<'_>) -> (Vec<Chart>, Option<String>) {
    let thanks = &writer.community.thanks;
    let (Some(first), Some(last)) = (thanks.first(), thanks.last()) else {
        return (Vec::new(), None);
    };
    let last = last.at.max(
        writer
            .community
            .created_at
            .min(Millis(last.at.0.saturating_add(400 * DAY_MS))),
    );
    let buckets = Buckets::over(month_of(first.at), month_of(last), COLUMNS);
    let mut values = vec![0.0; buckets.count];
    let week = |time: Millis| (time.0 - SUNDAY_MS).div_euclid(WEEK_MS);
    let from = week(first.at);
    let weeks = usize::try_from(week(last) - from + 1)
        .unwrap_or(1)
        .min(10_000);
    let mut by_week = vec![0.0; weeks];
    for thanks in thanks {
        if let Some(index) = buckets.index(month_of(thanks.at)) {
            values[index] += 1.0;
        }
        let index = usize::try_from(week(thanks.at) - from).unwrap_or_default();
        if let Some(count) = by_week.get_mut(index) {
            *count += 1.0;
        }
    }
    let thanks = [("Thanks", "received", values)];
    let mut charts = vec![Chart::new(
        &buckets,
        vec![("Thanks", "thanks".to_owned(), &thanks[..])],
    )];
    let start = |week: i64| Millis((from + week) * WEEK_MS + SUNDAY_MS);
    let starts: Vec<Millis> = (0..).map(start).take(weeks).collect();
    let by_week = by_weeks(&starts, &by_week);
    let mut script = format!("propsbotWeeks={{thanks:\"{by_week}\"");
    if let Some(cred) = writer.cred.filter(|cred| !cred.weeks.is_empty()) {
        let mut totals = vec![0.0; cred.weeks.len()];
        for of in &writer.stats.of {
            for (total, cred) in totals.iter_mut().zip(of.cred.unwrap_or_default()) {
                *total += cred;
            }
        }
        if let Some(months) = months_with(&cred.weeks, &totals) {
            let buckets = Buckets::over(*months.start(), *months.end(), COLUMNS);
            let own = [cred_series(&buckets, &cred.weeks, &totals)];
            charts.push(Chart::new(
                &buckets,
                vec![("Cred", "cred".to_owned(), &own[..])],
            ));
            script.extend([",cred:\"", &by_weeks(&cred.weeks, &totals), "\""]);
        }
    }
    script.push_str("};\n");
    (charts, Some(script))
}

/// The first month with cred and the last one; `None` without any.
pub(super) fn months_with(weeks: &[Millis], cred: &[f64]) -> Option<RangeInclusive<i32>> {
    let is_some = |cred: &f64| *cred > 0.0;
    let (first, last) = (
        cred.iter().position(is_some)?,
        cred.iter().rposition(is_some)?,
    );
    Some(month_of(*weeks.get(first)?)..=month_of(*weeks.get(last)?))
}

/// Cred by bucket.
pub(super) fn cred_series(
    buckets: &Buckets,
    weeks: &[Millis],
    cred: &[f64],
) -> (&'static str, &'static str, Vec<f64>) {
    let mut values = vec![0.0; buckets.count];
    for (week, cred) in weeks.iter().zip(cred) {
        if let Some(index) = buckets.index(month_of(*week)) {
            values[index] += cred;
        }
    }
    ("Cred", "cred", values)
}

/// The highest of the levels that [`by_weeks`] tells: two letters for each week.
const LEVELS: f64 = 4_095.0;

/// The digits of levels, the same as in `assets/zoom.js`.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// When the first week with something begins, the highest number, and two letters for each week up to the last one with
/// something: what `assets/zoom.js` reads. The letters are a level: the root of the number's share of the highest, times
/// 4,095. So small numbers are nearly as exact as large ones.
pub(super) fn by_weeks(weeks: &[Millis], numbers: &[f64]) -> String {
    let is_some = |number: &f64| *number > 0.0;
    let ends = numbers.iter().position(is_some);
    let Some((first, last)) = ends.zip(numbers.iter().rposition(is_some)) else {
        return String::new();
    };
    let shown = &numbers[first..=last];
    let top = shown.iter().copied().fold(0.0, f64::max);
    let mut text = format!("{} {top:.4} ", weeks[first].0);
    for number in shown {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to 4,095"
        )]
        let level = ((number / top).sqrt() * LEVELS).round() as usize;
        text.extend([level / 64, level % 64].map(|digit| char::from(DIGITS[digit])));
    }
    text
}

/// A total of cred, readable.
pub(super) fn cred_text(cred: f64) -> String {
    number(cred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_are_told_from_the_first_to_the_last_with_something() {
        let weeks: Vec<Millis> = (0..6).map(|week| Millis(week * WEEK_MS)).collect();
        assert_eq!(by_weeks(&weeks, &[0.0; 6]), "");
        // 8 is the highest, 2 the half of its root, and 0 nothing.
        let text = by_weeks(&weeks, &[0.0, 8.0, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(text, format!("{WEEK_MS} 8.0000 __AAgA"));
    }
}
