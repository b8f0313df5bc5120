//! A member's pages: what they received and gave.
//!
//! The first one has the latest thanks. Older ones are on pages of their own, counted from the oldest, so that these
//! stay as they are when another one comes.

use askama::Template;

use super::{
    Entry, Frame, Item, Stamp, Writer,
    overview::{by_weeks, cred_chart, cred_text},
};
use crate::{
    buckets::{Buckets, month_of},
    chart::Chart,
    stats::OfMember,
};

/// How many thanks an older page has. The first one has at least as many, and less than twice as many.
const PAGE: usize = 150;
/// How many of the given thanks there are: each is on its receivers' pages.
const GIVEN: usize = 5;
const PARTNERS: usize = 6;
const COLUMNS: usize = 24;

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage<'a> {
    frame: Frame<'a>,
    name: &'a str,
    is_bot: bool,
    is_here: bool,
    received: usize,
    given: usize,
    cred: Option<String>,
    since: Option<Stamp>,
    charts: Vec<Chart>,
    thanked_by: Vec<Entry<'a>>,
    thanked: Vec<Entry<'a>>,
    latest: Vec<Item<'a>>,
    latest_given: Vec<Item<'a>>,
    pages: Vec<Older>,
    dir: &'static str,
}

#[derive(Template)]
#[template(path = "older.html")]
struct OlderPage<'a> {
    frame: Frame<'a>,
    name: &'a str,
    id: String,
    of: Older,
    latest: Vec<Item<'a>>,
    pages: Vec<Older>,
    dir: &'static str,
}

/// A page with older thanks.
#[derive(Clone)]
struct Older {
    number: usize,
    file: String,
    from: usize,
    to: usize,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    for member in 0..writer.stats.of.len() {
        if writer.stats.of[member].is_active() {
            write_member(writer, member)?;
        }
    }
    Ok(())
}

fn write_member(writer: &mut Writer<'_>, member: usize) -> Result<(), askama::Error> {
    let row = &writer.community.members[member];
    let received = writer.stats.of[member].received.clone();
    let older = (received.len() / PAGE).saturating_sub(1);
    let pages: Vec<Older> = (0..older)
        .map(|page| Older {
            number: page + 1,
            file: format!("{}-{}.html", row.id, page + 1),
            from: page * PAGE + 1,
            to: (page + 1) * PAGE,
        })
        .collect();
    let frame = |writer: &Writer<'_>, title: &str| {
        let frame = writer.frame("members", title);
        let root = format!("../{}", frame.root);
        (root, title.to_owned())
    };
    for page in &pages {
        let (root, title) = frame(writer, &format!("{}, {}–{}", row.name, page.from, page.to));
        let items = received[page.from - 1..page.to].iter().rev();
        let html = OlderPage {
            frame: Frame {
                root,
                home: "../",
                ..writer.frame("members", &title)
            },
            name: &row.name,
            id: row.id.to_string(),
            of: page.clone(),
            latest: items
                .map(|thanks| writer.item(thanks, Some(member)))
                .collect(),
            // The others are near; all of them would make each page new with each page.
            pages: pages
                .iter()
                .filter(|other| {
                    other.number.abs_diff(page.number) == 1 && other.number < page.number
                })
                .cloned()
                .collect(),
            dir: "",
        };
        writer.page(&format!("member/{}", page.file), &html)?;
    }
    let of = &writer.stats.of[member];
    let (root, title) = frame(writer, &row.name);
    let partners = |is_received| {
        let partners = of.partners(is_received).into_iter();
        let partners: Vec<_> = partners
            .map(|(partner, count)| (partner, f64::from(count)))
            .collect();
        writer.entries(&partners, PARTNERS)
    };
    let newest = received[older * PAGE..].iter().rev();
    let given = of.given.iter().rev().take(GIVEN);
    let page = MemberPage {
        frame: Frame {
            root,
            home: "../",
            ..writer.frame("members", &title)
        },
        name: &row.name,
        is_bot: row.is_bot,
        is_here: row.is_here,
        received: of.received.len(),
        given: of.given.len(),
        cred: writer.cred.map(|_| cred_text(of.total_cred())),
        since: of.received.first().map(|thanks| Stamp(thanks.at)),
        charts: charts(writer, of),
        thanked_by: partners(true),
        thanked: partners(false),
        latest: newest
            .map(|thanks| writer.item(thanks, Some(member)))
            .collect(),
        latest_given: given.map(|thanks| writer.item(thanks, None)).collect(),
        pages: pages.into_iter().rev().collect(),
        dir: "",
    };
    writer.page(&format!("member/{}.html", row.id), &page)
}

fn charts(writer: &Writer<'_>, of: &OfMember<'_>) -> Vec<Chart> {
    let mut charts = Vec::new();
    let months = |thanks: &[&crate::community::Thanks]| -> Vec<i32> {
        thanks.iter().map(|thanks| month_of(thanks.at)).collect()
    };
    let (received, given) = (months(&of.received), months(&of.given));
    let all = || received.iter().chain(&given).copied();
    if let (Some(first), Some(last)) = (all().min(), all().max()) {
        let buckets = Buckets::over(first, last, COLUMNS);
        let values = |months: &[i32]| {
            let mut values = vec![0.0; buckets.count];
            for index in months.iter().filter_map(|month| buckets.index(*month)) {
                values[index] += 1.0;
            }
            values
        };
        charts.push(Chart::new(
            format!("Thanks by {}", buckets.unit()),
            &buckets,
            &[
                ("Received", "received", values(&received)),
                ("Given", "given", values(&given)),
            ],
        ));
    }
    if let (Some(cred), Some(own)) = (writer.cred, of.cred)
        && let Some(first) = own.iter().position(|cred| *cred > 0.0)
    {
        let chart = cred_chart(&cred.weeks[first..], &own[first..], COLUMNS);
        charts.push(Chart {
            zoom: by_weeks(&cred.weeks, own),
            ..chart
        });
    }
    charts
}
