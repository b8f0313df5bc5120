//! The first page: the leaderboard by period, thanks over time, and the latest ones.

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
    let mut by_week = vec![0_u32; weeks];
    for thanks in thanks {
        if let Some(index) = buckets.index(month_of(thanks.at)) {
            values[index] += 1.0;
        }
        let index = usize::try_from(week(thanks.at) - from).unwrap_or_default();
        if let Some(count) = by_week.get_mut(index) {
            *count += 1;
        }
    }
    let title = format!("Thanks by {}", buckets.unit());
    let chart = Chart::new(title, &buckets, &[("Thanks", "received", values)]);
    let mut charts = vec![Chart {
        zoom: "thanks".to_owned(),
        ..chart
    }];
    let counts: Vec<String> = by_week.iter().map(u32::to_string).collect();
    let start = from * WEEK_MS + SUNDAY_MS;
    let mut script = format!("propsbotWeeks={{thanks:\"{start} {}\"", counts.join(" "));
    if let Some(cred) = writer.cred.filter(|cred| !cred.weeks.is_empty()) {
        let mut totals = vec![0.0; cred.weeks.len()];
        for of in &writer.stats.of {
            for (total, cred) in totals.iter_mut().zip(of.cred.unwrap_or_default()) {
                *total += cred;
            }
        }
        charts.push(Chart {
            zoom: "cred".to_owned(),
            ..cred_chart(&cred.weeks, &totals, COLUMNS)
        });
        script.extend([",cred:\"", &by_weeks(&cred.weeks, &totals), "\""]);
    }
    script.push_str("};\n");
    (charts, Some(script))
}

/// A chart of cred.
pub(super) fn cred_chart(weeks: &[Millis], cred: &[f64], columns: usize) -> Chart {
    let (first, last) = (
        weeks.first().copied().unwrap_or_default(),
        weeks.last().copied().unwrap_or_default(),
    );
    let buckets = Buckets::over(month_of(first), month_of(last), columns);
    let mut values = vec![0.0; buckets.count];
    for (week, cred) in weeks.iter().zip(cred) {
        if let Some(index) = buckets.index(month_of(*week)) {
            values[index] += cred;
        }
    }
    Chart::new(
        format!("Cred by {}", buckets.unit()),
        &buckets,
        &[("Cred", "cred", values)],
    )
}

/// The first week that has something, and a number for each week from then on: what `assets/zoom.js` reads.
pub(super) fn by_weeks(weeks: &[Millis], numbers: &[f64]) -> String {
    let Some(first) = numbers.iter().position(|number| *number > 0.0) else {
        return String::new();
    };
    let numbers: Vec<String> = numbers[first..]
        .iter()
        .map(|number| number_text(*number))
        .collect();
    format!("{} {}", weeks[first].0, numbers.join(" "))
}

fn number_text(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A total of cred, readable.
pub(super) fn cred_text(cred: f64) -> String {
    number(cred)
}
