//! Draws a member's cred by week as a small chart, on the same card as the leaderboard.

use std::fmt::Write as _;

use super::chart::{self, ChartError, EDGE, TITLE_SIZE, WIDTH, text};

/// The height of the card, and where bars begin and end.
const HEIGHT: f32 = 210.0;
const TOP: f32 = 78.0;
const BOTTOM: f32 = 168.0;

const LABEL_SIZE: f32 = 14.0;
const LABEL: &str = "#a9aeb8";

/// A week's bar.
#[derive(Clone, Debug)]
pub(super) struct Week {
    /// The bar's length, from 0 to 1.
    pub(super) share: f32,
    /// What stands below it; empty for most.
    pub(super) label: String,
    /// What stands above it; empty for most.
    pub(super) cred: String,
}

/// Draws the weeks as a PNG. It's slow; don't call it on async threads.
pub(super) fn draw(title: &str, weeks: &[Week]) -> Result<Vec<u8>, ChartError> {
    chart::png(&svg(title, weeks), weeks.len())
}

fn svg(title: &str, weeks: &[Week]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few weeks")]
    let step = (WIDTH - 2.0 * EDGE) / weeks.len().max(1) as f32;
    let mut svg = chart::card(HEIGHT);
    let _ = writeln!(
        svg,
        r##"<text x="{EDGE}" y="38" font-size="{TITLE_SIZE}" fill="#ffffff">{}</text>
<rect x="{EDGE}" y="{BOTTOM}" width="{}" height="2" fill="#3a3d45"/>"##,
        text(title),
        WIDTH - 2.0 * EDGE,
    );
    let mut left = EDGE;
    for Week { share, label, cred } in weeks {
        let height = (BOTTOM - TOP) * share.clamp(0.0, 1.0);
        // Some cred is never no bar.
        let height = if *share > 0.0 { height.max(2.0) } else { 0.0 };
        let (top, width) = (BOTTOM - height, step * 0.72);
        let _ = writeln!(
            svg,
            r##"<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="2" fill="#7c88ff"/>"##
        );
        // A text near an edge grows away from it.
        let (at, anchor) = if left + step > WIDTH - 4.0 * EDGE {
            (left + width, "end")
        } else {
            (left, "start")
        };
        for (words, y, colour) in [(label, BOTTOM + 24.0, LABEL), (cred, top - 8.0, "#f2f3f5")] {
            if !words.is_empty() {
                let words = text(words);
                let _ = writeln!(
                    svg,
                    r#"<text x="{at}" y="{y}" font-size="{LABEL_SIZE}" text-anchor="{anchor}" fill="{colour}">{words}</text>"#
                );
            }
        }
        left += step;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::tiny_skia::Pixmap;

    #[test]
    fn draws_a_bar_for_each_week_with_cred() {
        let week = |share: f32, label: &str| Week {
            share,
            label: label.to_owned(),
            cred: if share >= 1.0 {
                "1,234.5".to_owned()
            } else {
                String::new()
            },
        };
        let mut weeks = vec![week(0.0, "2026-01-04")];
        weeks.extend([week(0.5, ""), week(0.001, ""), week(1.0, "this week")]);
        let picture = Pixmap::decode_png(&draw("Cred <by> week", &weeks).unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (1120, 420));
        // How much of the middle of a week's bar is blue, from the baseline up.
        let blue = |week: u32| {
            let x = 2 * (24 + week * 128 + 40);
            let column = (156..336).filter(|y| {
                let pixel = picture.pixel(x, *y).unwrap();
                pixel.blue() > 200 && pixel.red() < 160
            });
            column.count()
        };
        assert_eq!(blue(0), 0);
        assert!((85..95).contains(&blue(1)), "{}", blue(1));
        assert!((3..6).contains(&blue(2)), "{}", blue(2));
        assert!(blue(3) > 170, "{}", blue(3));
    }
}
