//! Column charts as SVG paths, whose outlines are the columns, each with a table of the same numbers.

use std::fmt::Write as _;

use crate::buckets::Buckets;

/// The size of the drawing, which is stretched to the page: what is drawn has no text, and its outlines are upright.
pub(crate) const WIDTH: f64 = 1_000.0;
pub(crate) const HEIGHT: f64 = 100.0;

/// How much of the space of a bucket its columns take.
const FILLED: f64 = 0.76;

/// Plots over the same time, one below the other, with one table of their numbers.
pub(crate) struct Chart {
    pub(crate) plots: Vec<Plot>,
    /// The first and the last bucket, and some between.
    pub(crate) ticks: Vec<Tick>,
    /// A row for each bucket that has something, the first column its name.
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) unit: &'static str,
}

/// One or two series on the same scale.
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) title: String,
    /// What it shows in a sentence, for those who don't see it.
    pub(crate) sentence: String,
    /// The highest number.
    pub(crate) top: String,
    /// How wide columns are.
    pub(crate) column: String,
    pub(crate) series: Vec<Series>,
    /// What zooming needs: see `assets/zoom.js`. Empty without it.
    pub(crate) zoom: String,
}

/// What a plot shows: its name; what zooming needs, if it can be zoomed; and series, each with a number for each bucket.
pub(crate) type Shown<'a> = (
    &'a str,
    String,
    &'a [(&'static str, &'static str, Vec<f64>)],
);

/// The name of a bucket below its columns.
pub(crate) struct Tick {
    pub(crate) label: String,
    /// Where it stands, in percent of the width.
    pub(crate) at: u64,
    /// Whether it begins, is centred or ends there: no name stands out of the chart on a narrow screen.
    pub(crate) anchor: &'static str,
}

pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// The class that colours it.
    pub(crate) class: &'static str,
    pub(crate) path: String,
}

/// A whole number with separators; otherwise with one digit behind the point.
pub(crate) fn number(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and none is negative"
    )]
    let tenths = (value * 10.0).round() as u64;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    let digits = whole.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if tenth > 0 && whole < 1_000 {
        let _ = write!(text, ".{tenth}");
    }
    text
}

impl Chart {
    /// A chart of these plots.
    pub(crate) fn new(buckets: &Buckets, shown: Vec<Shown<'_>>) -> Self {
        let all: Vec<&[f64]> = shown
            .iter()
            .flat_map(|(.., series)| series.iter().map(|(.., values)| &**values))
            .collect();
        let rows = (0..buckets.count).filter(|index| all.iter().any(|values| values[*index] > 0.0));
        let rows = rows.map(|index| {
            let numbers = all.iter().map(|values| number(values[index]));
            [buckets.label(index)].into_iter().chain(numbers).collect()
        });
        let rows = rows.collect();
        let plots = shown.into_iter();
        Self {
            plots: plots.map(|shown| Plot::new(buckets, shown)).collect(),
            ticks: ticks(buckets),
            rows,
            unit: buckets.unit(),
        }
    }
}

impl Plot {
    fn new(buckets: &Buckets, (name, zoom, series): Shown<'_>) -> Self {
        let values = series.iter().flat_map(|(.., values)| values);
        let top = values.copied().fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let (count, each) = (buckets.count as f64, series.len() as f64);
        let slot = WIDTH / count;
        let column = slot * FILLED / each;
        let mut drawn = Vec::new();
        for (number, (name, class, values)) in series.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let left = slot * (1.0 - FILLED) / 2.0 + column * (number as f64 + 0.5);
            let mut path = String::new();
            for (index, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
                #[expect(clippy::cast_precision_loss, reason = "there are few")]
                let x = left + slot * index as f64;
                let height = (value / top * HEIGHT).max(1.0);
                let _ = write!(path, "M{x:.0} {HEIGHT}v-{height:.0}");
            }
            drawn.push(Series { name, class, path });
        }
        let totals = series.iter().map(|(name, _, values)| {
            format!("{} {}", number(values.iter().sum()), name.to_lowercase())
        });
        let totals: Vec<String> = totals.collect();
        let title = format!("{name} by {}", buckets.unit());
        let last = buckets.label(buckets.count - 1);
        Self {
            sentence: format!(
                "{title}, {} to {last}: {}.",
                buckets.label(0),
                totals.join(", ")
            ),
            title,
            top: number(top),
            column: format!("{column:.0}"),
            series: drawn,
            zoom,
        }
    }
}

/// About three names, evenly spread, below the middle of their buckets. On a narrow screen, one takes a fifth of the width.
fn ticks(buckets: &Buckets) -> Vec<Tick> {
    let step = buckets.count.div_ceil(3).max(1);
    let ticks = (0..buckets.count).step_by(step).map(|index| {
        let middle = (200 * index as u64 + 100).div_ceil(2 * buckets.count as u64);
        let (at, anchor) = match middle {
            0..10 => (0, "start"),
            10..91 => (middle, "middle"),
            _ => (100, "end"),
        };
        let label = buckets.label(index);
        Tick { label, at, anchor }
    });
    ticks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (7.25, "7.3"),
            (999.96, "1,000"),
            (1234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn the_names_of_buckets_lie_apart_on_a_narrow_screen() {
        const NAME: u64 = 20;
        for count in 1..=60 {
            let buckets = Buckets::over(24_000, 24_000 + count - 1, 60);
            let places = ticks(&buckets).into_iter().map(|tick| match tick.anchor {
                "start" => (tick.at, tick.at + NAME),
                "middle" => (tick.at - NAME / 2, tick.at + NAME / 2),
                _ => (tick.at - NAME, tick.at),
            });
            let places: Vec<_> = places.collect();
            assert!(
                places.is_sorted_by(|one, next| one.1 <= next.0),
                "{count}: {places:?}"
            );
            assert!(
                places.iter().all(|place| place.1 <= 100),
                "{count}: {places:?}"
            );
        }
    }

    #[test]
    fn a_chart_has_a_column_and_a_row_for_each_number() {
        let buckets = Buckets::over(24_000, 24_003, 36);
        let thanks = [
            ("Received", "received", vec![4.0, 0.0, 1.0, 0.0]),
            ("Given", "given", vec![0.0, 0.0, 2.0, 0.0]),
        ];
        let cred = [("Cred", "cred", vec![0.0, 0.5, 0.0, 0.0])];
        let shown = vec![
            ("Thanks", String::new(), &thanks[..]),
            ("Cred", String::new(), &cred[..]),
        ];
        let chart = Chart::new(&buckets, shown);
        let [thanks, cred] = &chart.plots[..] else {
            panic!("two plots")
        };
        let path = &thanks.series[0].path;
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path, "M78 100v-100M578 100v-25");
        assert_eq!(cred.series[0].path.matches('M').count(), 1);
        let rows = [
            ["2000-01", "4", "0", "0"],
            ["2000-02", "0", "0", "0.5"],
            ["2000-03", "1", "2", "0"],
        ];
        assert_eq!(chart.rows, rows);
        assert_eq!(
            thanks.sentence,
            "Thanks by month, 2000-01 to 2000-04: 5 received, 2 given."
        );
    }
}
