//! Who thanked whom, as a picture.

use std::{cmp::Reverse, collections::BTreeMap, fmt::Write as _};

use askama::Template;

use super::{Frame, Who, Writer, counted};
use crate::layout::layout;

/// How many members are drawn; all others are one node.
const MEMBERS: usize = 2_000;
/// How many links are drawn at once. All others show at their members.
const LINKS: usize = 3_000;
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
    strong: String,
    middle: String,
    weak: String,
    nodes: Vec<Node<'a>>,
    names: Vec<Name>,
    pairs: Vec<Pair<'a>>,
    data: String,
    width: f64,
    height: f64,
}

struct Node<'a> {
    who: Who<'a>,
    x: i64,
    y: i64,
    radius: String,
    class: &'static str,
    received: usize,
    given: usize,
    is_stop: bool,
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
}

#[expect(clippy::cast_possible_truncation, reason = "it is within the picture")]
fn on_picture((x, y): (f64, f64)) -> (i64, i64) {
    let scale = |at: f64, size: f64| (EDGE + at * (size - 2.0 * EDGE)).round() as i64;
    (scale(x, WIDTH), scale(y, HEIGHT))
}

#[expect(clippy::too_many_lines, reason = "it fills in one template")]
pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let stats = &writer.stats;
    let mut shown: Vec<usize> = stats
        .pairs
        .keys()
        .flat_map(|(giver, receiver)| [*giver, *receiver])
        .collect();
    shown.sort_unstable();
    shown.dedup();
    let total = shown.len();
    let thanks = |member: usize| stats.of[member].received.len() + stats.of[member].given.len();
    shown.sort_by_key(|member| (Reverse(thanks(*member)), *member));
    let others = shown.split_off(shown.len().min(MEMBERS)).len();
    let number: BTreeMap<usize, usize> = shown
        .iter()
        .enumerate()
        .map(|(number, member)| (*member, number))
        .collect();
    let nodes = shown.len() + usize::from(others > 0);

    // Both directions together; whoever isn't drawn is the last node.
    let mut links: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for ((giver, receiver), count) in &stats.pairs {
        let of = |member: &usize| number.get(member).copied().unwrap_or(shown.len());
        let (one, other) = (of(giver), of(receiver));
        if one != other {
            *links.entry((one.min(other), one.max(other))).or_default() += count;
        }
    }
    let weighted: Vec<_> = links
        .iter()
        .map(|((one, other), count)| (*one, *other, f64::from(*count).sqrt()))
        .collect();
    let places: Vec<_> = layout(nodes, &weighted)
        .into_iter()
        .map(on_picture)
        .collect();

    let mut strongest: Vec<_> = links.iter().collect();
    strongest.sort_by_key(|(pair, count)| (Reverse(**count), **pair));
    let hidden = strongest.len().saturating_sub(LINKS);
    strongest.truncate(LINKS);
    let top = strongest.first().map_or(1, |(_, count)| **count);
    let mut paths = [const { String::new() }; 3];
    for ((one, other), count) in strongest {
        let class = if *count * 2 > top {
            0
        } else {
            usize::from(*count * 5 <= top) + 1
        };
        let ((x, y), (to_x, to_y)) = (places[*one], places[*other]);
        let _ = write!(paths[class], "M{x} {y}l{} {}", to_x - x, to_y - y);
    }
    let [strong, middle, weak] = paths;

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
            radius: format!("{:.1}", largest * (0.25 + 0.75 * share)),
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
            },
            x,
            y,
            radius: "12".to_owned(),
            class: "others",
            received: 0,
            given: 0,
            is_stop: true,
        });
    }
    let mut data = String::from("propsbotGraph=[");
    for ((one, other), count) in &links {
        let _ = write!(data, "{one},{other},{count},");
    }
    data.push_str("];\n");

    let mut strongest: Vec<_> = stats.pairs.iter().collect();
    strongest.sort_by_key(|(pair, count)| (Reverse(**count), **pair));
    let pairs = strongest
        .into_iter()
        .take(PAIRS)
        .map(|((giver, receiver), count)| Pair {
            giver: writer.who(Some(*giver)),
            receiver: writer.who(Some(*receiver)),
            count: *count,
        });
    let pairs = pairs.collect();
    let data = if links.is_empty() {
        String::new()
    } else {
        writer.data("graph", data)
    };
    let page = Graph {
        frame: writer.frame("graph", "Graph"),
        sentence: format!(
            "{1} between {0} who thanked each other.",
            counted(total, "member", "members"),
            counted(links.len(), "link", "links")
        ),
        left_out: if hidden == 0 {
            String::new()
        } else {
            counted(hidden, "weaker link is", "weaker links are")
        },
        strong,
        middle,
        weak,
        names: names(&drawn),
        nodes: drawn,
        pairs,
        data,
        width: WIDTH,
        height: HEIGHT,
    };
    writer.page("graph.html", &page)
}

/// The names of the first nodes that have room for one: below the circle or above it, on no other name, and on no large
/// circle.
#[expect(clippy::cast_precision_loss, reason = "it is within the picture")]
fn names(nodes: &[Node<'_>]) -> Vec<Name> {
    let circle = |node: &Node<'_>| {
        let radius: f64 = node.radius.parse().unwrap_or_default();
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
