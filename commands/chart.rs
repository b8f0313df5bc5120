//! Draws the leaderboard as a bar chart.
//!
//! The picture is a card with its own background, so it's readable on Discord's light and dark themes. It's
//! drawn with bundled fonts, whatever fonts the machine has.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{self, Options, Tree, fontdb},
};
use tokio::sync::Semaphore;

use skrifa::{FontRef, MetadataProvider as _, charmap::Charmap};

/// The width of the card, and its padding.
pub(super) const WIDTH: f32 = 560.0;
pub(super) const EDGE: f32 = 24.0;

/// The height of the title area, and of each row: a name above its bar.
const HEAD: f32 = 62.0;
const ROW: f32 = 50.0;

/// The left edge of names, and their greatest width.
const NAME_AT: f32 = 66.0;
const NAME_WIDTH: f32 = 380.0;

pub(super) const TITLE_SIZE: f32 = 20.0;
const NAME_SIZE: f32 = 17.0;

/// How many charts are drawn at once. Each takes a core, and other commands need one too.
static DRAWING: Semaphore = Semaphore::const_new(2);

/// Pixels per unit, for sharp text on high-resolution screens.
const SCALE: f32 = 2.0;

/// Gold, silver and bronze for the first ranks; then the colour of all others.
const MEDALS: [&str; 3] = ["#f5c451", "#d3d8de", "#e09a62"];
const RANK: &str = "#a9aeb8";

/// The names of the fonts.
const FAMILIES: [&str; 2] = ["DejaVu Sans", "Noto Emoji"];

/// A font for most alphabets, including Arabic and Hebrew, and one for monochrome emojis.
fn fonts() -> [&'static [u8]; 2] {
    let emojis = epaint_default_fonts::NOTO_EMOJI_REGULAR;
    [dejavu::sans::regular(), emojis]
}

#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// The rank; the first three have the colours of medals.
    pub(super) rank: usize,
    /// The member's name, on one line.
    pub(super) name: String,
    /// The name to use if the fonts lack a letter of `name`.
    pub(super) plain_name: String,
    /// The bar's length, from 0 to 1.
    pub(super) share: f32,
    /// The text at the end of the row.
    pub(super) count: String,
}

/// Why drawing failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChartError {
    #[error("could not parse the chart's SVG: {0}")]
    Svg(#[from] usvg::Error),
    #[error("could not draw a chart without size: {0} bars")]
    Size(usize),
    #[error("could not encode the chart as PNG: {0}")]
    Png(String),
}

/// Draws the bars as a PNG. It's slow; don't call it on async threads.
pub(super) fn draw(title: &str, bars: &[Bar]) -> Result<Vec<u8>, ChartError> {
    png(&svg(title, bars)?, bars.len())
}

/// Draws on another thread, when it's its turn; `None` if that fails, which is logged.
pub(super) async fn drawn(
    draw: impl FnOnce() -> Result<Vec<u8>, ChartError> + Send + 'static,
) -> Option<Vec<u8>> {
    let _turn = DRAWING.acquire().await;
    match tokio::task::spawn_blocking(draw).await {
        Ok(Ok(picture)) => Some(picture),
        Ok(Err(error)) => {
            tracing::error!("{error}");
            None
        }
        Err(_) => {
            tracing::error!("drawing the chart panicked");
            None
        }
    }
}

/// A card's SVG of so many bars as a PNG.
pub(super) fn png(svg: &str, bars: usize) -> Result<Vec<u8>, ChartError> {
    let tree = Tree::from_str(svg, &OPTIONS)?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let mut picture = size
        .and_then(|size| Pixmap::new(size.width(), size.height()))
        .ok_or(ChartError::Size(bars))?;
    let scale = Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, scale, &mut picture.as_mut());
    picture
        .encode_png()
        .map_err(|error| ChartError::Png(error.to_string()))
}

/// The beginning of a card's SVG.
pub(super) fn card(height: f32) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="{}">
<rect width="{WIDTH}" height="{height}" rx="12" fill="#24262c"/>
"##,
        FAMILIES[0],
    )
}

fn svg(title: &str, bars: &[Bar]) -> Result<String, ChartError> {
    let rows: f32 = bars.iter().map(|_| ROW).sum();
    let height = HEAD + rows + EDGE / 2.0;
    let end = WIDTH - EDGE;
    let room = end - NAME_AT;
    let mut svg = card(height);
    let _ = writeln!(
        svg,
        r##"<text x="{EDGE}" y="38" font-size="{TITLE_SIZE}" fill="#ffffff">{}</text>"##,
        text(title)
    );
    let mut top = HEAD;
    for bar in bars {
        let name = drawable(bar);
        let wide = width(&name)?;
        let size = NAME_SIZE * (NAME_WIDTH / wide.max(1.0)).min(1.0);
        let medal = bar.rank.checked_sub(1).and_then(|index| MEDALS.get(index));
        let (rank, colour) = (bar.rank, medal.unwrap_or(&RANK));
        let (line, track) = (top + 18.0, top + 28.0);
        let length = (room * bar.share.clamp(0.0, 1.0)).max(8.0);
        // The inner <svg> clips stacked combining marks to their row.
        let _ = write!(
            svg,
            r##"<text x="{rank_at}" y="{line}" font-size="{NAME_SIZE}" text-anchor="end" fill="{colour}">{rank}</text>
<svg x="{NAME_AT}" y="{top}" width="{room}" height="26"><text y="18" font-size="{size}" fill="#f2f3f5">{name}</text></svg>
<text x="{end}" y="{line}" font-size="{NAME_SIZE}" text-anchor="end" fill="#ffffff">{}</text>
<rect x="{NAME_AT}" y="{track}" width="{room}" height="8" rx="4" fill="#3a3d45"/>
<rect x="{NAME_AT}" y="{track}" width="{length}" height="8" rx="4" fill="#7c88ff"/>
"##,
            text(&bar.count),
            rank_at = NAME_AT - 14.0,
        );
        top += ROW;
    }
    svg.push_str("</svg>");
    Ok(svg)
}

/// The width of a name's SVG at full size.
fn width(name: &str) -> Result<f32, ChartError> {
    let alone = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><text id="it" font-size="{NAME_SIZE}">{name}</text></svg>"#
    );
    let tree = Tree::from_str(&alone, &OPTIONS)?;
    let drawn = tree.node_by_id("it");
    Ok(drawn.map_or(0.0, |node| node.abs_bounding_box().width()))
}

/// The name as SVG, or the plain name if the fonts lack a letter.
fn drawable(bar: &Bar) -> String {
    let plain = || runs(&bar.plain_name);
    runs(&bar.name).or_else(plain).unwrap_or_default()
}

/// The text as SVG, each run of letters in a font that has them; `None` if a letter is in no font. (The
/// library's own font fallback fails for letters that form one glyph, such as a flag.)
fn runs(text: &str) -> Option<String> {
    let mut svg = String::new();
    let mut current = None;
    for letter in text.chars().filter(|letter| !joins(*letter)) {
        let has = |(at, font): (usize, &Charmap<'_>)| font.map(letter).map(|_| at);
        let font = LETTERS.iter().enumerate().find_map(has)?;
        if current != Some(font) {
            if current.is_some() {
                svg.push_str("</tspan>");
            }
            let _ = write!(svg, r#"<tspan font-family="{}">"#, FAMILIES[font]);
            current = Some(font);
        }
        svg.push_str(&self::text(letter.encode_utf8(&mut [0; 4])));
    }
    let seen = text
        .chars()
        .any(|letter| !letter.is_whitespace() && !joins(letter));
    seen.then(|| svg + "</tspan>")
}

/// Whether the character joins emojis or selects a variant. Monochrome emojis have no skin tones, and
/// joined ones are drawn side by side.
fn joins(letter: char) -> bool {
    matches!(letter, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

pub(super) fn text(plain: &str) -> String {
    plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

static LETTERS: LazyLock<Vec<Charmap<'static>>> = LazyLock::new(|| {
    let fonts = self::fonts()
        .into_iter()
        .filter_map(|font| FontRef::new(font).ok());
    fonts.map(|font| font.charmap()).collect()
});

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut known = fontdb::Database::new();
    for font in fonts() {
        known.load_font_source(fontdb::Source::Binary(Arc::new(font)));
    }
    Options {
        fontdb: Arc::new(known),
        ..Options::default()
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(rank: usize, name: &str, share: f32) -> Bar {
        Bar {
            rank,
            name: name.to_owned(),
            plain_name: format!("@user{rank}"),
            share,
            count: format!("{}", (share * 1_000.0).round()),
        }
    }

    /// The oddest names that Discord allows.
    fn odd() -> Vec<Bar> {
        let names = [
            "Ana ✨",
            "مُحَمَّد العربي",
            "שלום עליכם",
            "W".repeat(32).as_str(),
            &"🎉".repeat(32),
            "👩🏽‍💻 Zoë 🇩🇪 ❤️",
            "漢字かな",
            "Z̴̢̛͓̗̆̀a̶̛̦͐̇l̷̨̛̗͊g̸̡̛̳̈́o̴̢̾",
            "<b>&amp; \"q\" </svg>",
            "Ελλη Ж Հայ ქარ",
        ]
        .map(str::to_owned);
        let shares = [1.0, 0.83, 0.82, 0.5, 0.4, 0.31, 0.2, 0.1, 0.02, 0.001];
        let ranked = names.iter().zip(shares).enumerate();
        ranked
            .map(|(at, (name, share))| bar(at + 1, name, share))
            .collect()
    }

    #[test]
    fn the_chart_is_sharp_small_and_has_transparent_corners() {
        let png = draw("Props received · last 30 days", &odd()).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (1120, 1148));
        assert_eq!(picture.pixel(0, 0).unwrap().alpha(), 0);
        assert_eq!(picture.pixel(560, 4).unwrap().alpha(), 255);
        assert!(png.len() < 200_000, "{}", png.len());
    }

    /// Every name leaves light pixels on the dark card, and none where the counts are.
    #[test]
    fn every_name_is_visible_and_within_its_space() {
        let picture = Pixmap::decode_png(&draw("", &odd()).unwrap()).unwrap();
        let lit = |from: f32, to: f32, row: f32| {
            let points = |from: f32, to: f32| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a small picture"
                )]
                let range = (from * SCALE) as u32..(to * SCALE) as u32;
                range
            };
            let top = HEAD + row * ROW;
            let mut all =
                points(top, top + 26.0).flat_map(|y| points(from, to).map(move |x| (x, y)));
            all.any(|(x, y)| picture.pixel(x, y).unwrap().red() > 200)
        };
        let end = NAME_AT + NAME_WIDTH;
        for (row, bar) in odd().iter().enumerate() {
            let row = f32::from(u8::try_from(row).unwrap());
            assert!(lit(NAME_AT, end, row), "{}", bar.name);
            assert!(!lit(end + 4.0, end + 30.0, row), "{}", bar.name);
        }
    }

    #[test]
    fn uses_the_username_if_no_font_has_a_letter() {
        for drawn in ["Ana ✨", "👩🏽‍💻", "مُحَمَّد", "🇩🇪"] {
            assert!(!drawable(&bar(7, drawn, 1.0)).contains("@user7"), "{drawn}");
        }
        for lacking in ["漢字", "\u{fe0f}", "  ", ""] {
            assert!(
                drawable(&bar(7, lacking, 1.0)).contains("@user7"),
                "{lacking}"
            );
        }
    }
}
