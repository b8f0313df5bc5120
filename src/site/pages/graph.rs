//! Who thanked whom, as a picture: an arrow from each giver to each receiver. It bends to its right, so that the arrow
//! back lies beside it.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write as _};

use askama::Template;

use super::{Frame, Who, Writer, counted};
use crate::{layout::layout, stats::Stats};

/// How many members are drawn; all others are one node.
const MEMBERS: usize = 2_000;
/// How many arrows are drawn at once. All others show at their members.
const ARROWS: usize = 3_000;
/// How far arrows bend, as a share of their length; the same in `assets/graph.js`.
const BEND: f64 = 0.12;
/// How many names are written beside members, as far as there is room.
const NAMES: usize = 60;
/// How many letters of a name.
const LETTERS: usize = 22;
/// How many members the Tab key reaches.
const STOPS: usize = 40;
/// How many pairs the table has.
const PAIRS: usize = 40;
/// The size of the picture, and its edge.
const WIDTH: f64 = 1_200.0;
const HEIGHT: f64 = 860.0;
const EDGE: f64 = 30.0;

#[derive(Template)]
#[template(path = "graph.html")]
struct Graph<'a> {
    frame: Frame<'a>,
    sentence: String,
    left_out: String,
    /// The weak ones first.
    arrows: [Arrows; 3],
    nodes: Vec<Node<'a>>,
    names: Vec<Name>,
    pairs: Vec<Pair<'a>>,
    data: String,
    width: f64,
    height: f64,
}

/// Arrows of about the same strength, as paths.
#[derive(Default)]
struct Arrows {
    class: &'static str,
    lines: String,
    /// In tenths of the picture's unit.
    heads: String,
}

struct Node<'a> {
    who: Who<'a>,
    x: i64,
    y: i64,
    /// In tenths of the picture's unit.
    radius: i64,
    class: &'static str,
    received: usize,
    given: usize,
    is_stop: bool,
}

impl Node<'_> {
    /// In the picture's unit.
    fn radius(&self) -> String {
        format!("{}.{}", self.radius / 10, self.radius % 10)
    }
}

struct Name {
    /// Its node.
    index: usize,
    #[expect(clippy::struct_field_names, reason = "the template's word")]
    name: String,
    x: i64,
    y: i64,
}

struct Pair<'a> {
    giver: Who<'a>,
    receiver: Who<'a>,
    count: u32,
    /// How often the receiver thanked the giver.
    back: u32,
}

#[expect(clippy::cast_possible_truncation, reason = "it is within the picture")]
fn on_picture((x, y): (f64, f64)) -> (i64, i64) {
    let scale = |at: f64, size: f64| (EDGE + at * (size - 2.0 * EDGE)).round() as i64;
    (scale(x, WIDTH), scale(y, HEIGHT))
}

/// What is drawn, and where.
pub(super) struct Picture {
    /// The members, by their numbers.
    shown: Vec<usize>,
    /// How many more there are: together they are the last node.
    others: usize,
    /// How often the first node thanked the second.
    arrows: BTreeMap<(usize, usize), u32>,
    /// Where each node is.
    places: Vec<(i64, i64)>,
}

impl Picture {
    /// Computes where the members are: with thousands of them, this takes a good part of the time that a site takes.
    pub(super) fn of(stats: &Stats<'_>) -> Self {
        let mut shown: Vec<usize> = stats
            .pairs
            .keys()
            .flat_map(|(giver, receiver)| [*giver, *receiver])
            .collect();
        shown.sort_unstable();
        shown.dedup();
        let thanks = |member: usize| stats.of[member].received.len() + stats.of[member].given.len();
        shown.sort_by_key(|member| (Reverse(thanks(*member)), *member));
        let others = shown.split_off(shown.len().min(MEMBERS)).len();
        let number: BTreeMap<usize, usize> = shown
            .iter()
            .enumerate()
            .map(|(number, member)| (*member, number))
            .collect();

        // Whoever isn't drawn is the last node.
        let mut arrows: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for ((giver, receiver), count) in &stats.pairs {
            let of = |member: &usize| number.get(member).copied().unwrap_or(shown.len());
            let (from, to) = (of(giver), of(receiver));
            if from != to {
                *arrows.entry((from, to)).or_default() += count;
            }
        }
        // What pulls members together is both directions at once.
        let mut links: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for ((from, to), count) in &arrows {
            *links.entry((*from.min(to), *from.max(to))).or_default() += count;
        }
        let weighted: Vec<_> = links
            .iter()
            .map(|((one, other), count)| (*one, *other, f64::from(*count).sqrt()))
            .collect();
        let places = layout(shown.len() + usize::from(others > 0), &weighted);
        Self {
            shown,
            others,
            arrows,
            places: places.into_iter().map(on_picture).collect(),
        }
    }
}

pub(super) fn write(writer: &mut Writer<'_>, picture: &Picture) -> Result<(), askama::Error> {
    let stats = writer.stats;
    let Picture {
        shown,
        others,
        arrows,
        places,
    } = picture;
    let (others, nodes) = (*others, places.len());
    let most = stats
        .of
        .iter()
        .map(|of| of.received.len())
        .max()
        .unwrap_or_default()
        .max(1);
    // The more there are, the smaller each is.
    let largest = (260.0 / f64::from(u32::try_from(nodes).unwrap_or(u32::MAX).max(1)).sqrt())
        .clamp(7.0, 20.0);
    let drawn = shown.iter().enumerate().map(|(number, member)| {
        let of = &stats.of[*member];
        #[expect(clippy::cast_precision_loss, reason = "it is a share")]
        let share = (of.received.len() as f64 / most as f64).sqrt();
        let (x, y) = places[number];
        Node {
            who: writer.who(Some(*member)),
            x,
            y,
            #[expect(clippy::cast_possible_truncation, reason = "it is at most 200")]
            radius: (10.0 * largest * (0.25 + 0.75 * share)).round() as i64,
            class: if writer.community.members[*member].is_bot {
                "bot"
            } else {
                "member"
            },
            received: of.received.len(),
            given: of.given.len(),
            is_stop: number < STOPS,
        }
    });
    let mut drawn: Vec<Node<'_>> = drawn.collect();
    let others_text = counted(others, "other", "others");
    if others > 0 {
        let (x, y) = places[shown.len()];
        drawn.push(Node {
            who: Who {
                id: None,
                name: &others_text,
                is_linked: false,
            },
            x,
            y,
            radius: 120,
            class: "others",
            received: 0,
            given: 0,
            is_stop: true,
        });
    }
    let mut strongest: Vec<_> = arrows.iter().collect();
    strongest.sort_by_key(|(pair, count)| (Reverse(**count), **pair));
    let hidden = strongest.len().saturating_sub(ARROWS);
    strongest.truncate(ARROWS);
    let mut pairs: Vec<_> = stats.pairs.iter().collect();
    pairs.sort_by_key(|(pair, count)| (Reverse(**count), **pair));
    let pairs = pairs.into_iter().take(PAIRS);
    let pairs = pairs.map(|((giver, receiver), count)| Pair {
        giver: writer.who(Some(*giver)),
        receiver: writer.who(Some(*receiver)),
        count: *count,
        back: stats
            .pairs
            .get(&(*receiver, *giver))
            .copied()
            .unwrap_or_default(),
    });
    let pairs = pairs.collect();
    let data = if arrows.is_empty() {
        String::new()
    } else {
        writer.data("graph", script(nodes, arrows))
    };
    let page = Graph {
        frame: writer.frame("graph", "Graph"),
        sentence: format!(
            "{1} between {0}, from each giver to each receiver.",
            counted(shown.len() + others, "member", "members"),
            counted(arrows.len(), "arrow", "arrows")
        ),
        left_out: match hidden {
            0 => String::new(),
            hidden => counted(hidden, "weaker arrow is", "weaker arrows are"),
        },
        arrows: drawn_arrows(&strongest, &drawn, largest),
        names: names(&drawn),
        nodes: drawn,
        pairs,
        data,
        width: WIDTH,
        height: HEIGHT,
    };
    writer.page("graph.html", &page)
}

/// The arrows, the strongest first, between these nodes, the largest of which has this radius.
fn drawn_arrows(
    strongest: &[(&(usize, usize), &u32)],
    nodes: &[Node<'_>],
    largest: f64,
) -> [Arrows; 3] {
    let top = strongest.first().map_or(1, |(_, count)| **count);
    let mut drawn = ["weak", "middle", "strong"].map(|class| Arrows {
        class,
        ..Arrows::default()
    });
    for ((from, to), count) in strongest {
        let level = if **count * 2 > top {
            2
        } else {
            usize::from(**count * 5 > top)
        };
        let (from, to) = (&nodes[*from], &nodes[*to]);
        let length = largest * [4.0, 5.5, 7.5][level];
        let (line, head) = arrow((from.x, from.y), (to.x, to.y), to.radius, length);
        // A minus separates numbers, too.
        drawn[level].lines.push_str(&line.replace(" -", "-"));
        drawn[level].heads.push_str(&head.replace(" -", "-"));
    }
    drawn
}

/// An arrow's line, and its head in tenths, which is so long and ends at the receiver's circle.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "it is within the picture"
)]
fn arrow(from: (i64, i64), to: (i64, i64), radius: i64, length: f64) -> (String, String) {
    let (x, y) = ((to.0 - from.0) as f64, (to.1 - from.1) as f64);
    let bend = (x / 2.0 - y * BEND, y / 2.0 + x * BEND);
    let line = format!("M{} {}q{:.0} {:.0} {x} {y}", from.0, from.1, bend.0, bend.1);
    // Where the line arrives from.
    let (dx, dy) = (x - bend.0, y - bend.1);
    let far = (dx * dx + dy * dy).sqrt();
    if far == 0.0 {
        return (line, String::new());
    }
    let (dx, dy) = (dx / far, dy / far);
    let tip = (
        to.0 as f64 * 10.0 - dx * radius as f64,
        to.1 as f64 * 10.0 - dy * radius as f64,
    );
    let half = length * 0.42;
    let points = [
        tip,
        (-dx * length - dy * half, -dy * length + dx * half),
        (dy * 2.0 * half, -dx * 2.0 * half),
    ];
    let [tip, side, other] = points.map(|(x, y)| (x.round() as i64, y.round() as i64));
    let head = format!(
        "M{} {}l{} {} {} {}z",
        tip.0, tip.1, side.0, side.1, other.0, other.1
    );
    (line, head)
}

/// `propsbotGraph = [[to, count, …], …]`: for each node whom it thanked, and how often.
fn script(nodes: usize, arrows: &BTreeMap<(usize, usize), u32>) -> String {
    let mut of: Vec<String> = vec![String::new(); nodes];
    for ((from, to), count) in arrows {
        let comma = if of[*from].is_empty() { "" } else { "," };
        let _ = write!(of[*from], "{comma}{to},{count}");
    }
    format!("propsbotGraph=[[{}]];\n", of.join("],\n["))
}

/// The names of the first nodes that have room for one: below the circle or above it, on no other name, and on no large
/// circle.
#[expect(clippy::cast_precision_loss, reason = "it is within the picture")]
fn names(nodes: &[Node<'_>]) -> Vec<Name> {
    let circle = |node: &Node<'_>| {
        let radius = node.radius as f64 / 10.0;
        let (x, y) = (node.x as f64, node.y as f64);
        [x - radius, y - radius, x + radius, y + radius]
    };
    let is_apart = |one: &[f64; 4], other: &[f64; 4]| {
        one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1]
    };
    let circles = nodes.iter().take(NAMES).map(circle);
    let mut boxes: Vec<[f64; 4]> = circles.collect();
    let mut names = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if names.len() == NAMES {
            break;
        }
        let mut name: String = node.who.name.chars().take(LETTERS).collect();
        if name.len() < node.who.name.len() {
            name.push('…');
        }
        let [_, top, _, bottom] = circle(node);
        let (x, half) = (node.x as f64, name.chars().count() as f64 * 4.2);
        let places = [bottom + 14.0, top - 6.0];
        let place = places.into_iter().find(|y| {
            let own = [x - half, y - 14.0, x + half, y + 4.0];
            let is_inside = own[0] > 0.0 && own[1] > 0.0 && own[2] < WIDTH && own[3] < HEIGHT;
            is_inside && boxes.iter().all(|other| is_apart(&own, other))
        });
        if let Some(y) = place {
            boxes.push([x - half, y - 14.0, x + half, y + 4.0]);
            #[expect(clippy::cast_possible_truncation, reason = "it is within the picture")]
            let y = y as i64;
            let x = node.x;
            names.push(Name { index, name, x, y });
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_of_two_who_thank_each_other_lie_apart_and_point_away() {
        let (there, head) = arrow((100, 100), (300, 100), 100, 40.0);
        assert_eq!(there, "M100 100q100 24 200 0");
        // It comes from below, and ends at the circle's edge, left of its middle.
        assert_eq!(head, "M2903 1023l-35 26 -8 -33z");
        let (back, head) = arrow((300, 100), (100, 100), 100, 40.0);
        assert_eq!(back, "M300 100q-100 -24 -200 0");
        assert_eq!(head, "M1097 977l35 -26 8 33z");
        assert_eq!(arrow((5, 5), (5, 5), 100, 40.0).1, "");
    }

    #[test]
    fn a_script_has_the_arrows_of_each_node() {
        let arrows = [((0, 1), 3), ((0, 2), 1), ((2, 0), 5)].into();
        assert_eq!(
            script(3, &arrows),
            "propsbotGraph=[[1,3,2,1],\n[],\n[0,5]];\n"
        );
    }
}
