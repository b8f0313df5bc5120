//! A member's pages: what they received and gave.
//!
//! The first one has the latest thanks. Older ones are on pages of their own, counted from the oldest, so that these
//! stay as they are when another one comes. Each page links a name once: with ten years of thanks, more links would be a
//! tenth of the site. `assets/site.js` makes the other links.

use std::collections::BTreeSet;

use askama::Template;

use super::{
    Entry, Frame, Item, Stamp, Writer,
    overview::{by_weeks, cred_series, cred_text, months_with},
};
use crate::{
    buckets::{Buckets, month_of},
    chart::Chart,
    community::Thanks,
    stats::OfMember,
};

/// How many thanks an older page has. The first one has at least as many, and less than twice as many.
const PAGE: usize = 150;
/// How many of the given thanks there are: each is on its receivers' pages.
const GIVEN: usize = 3;
const PARTNERS: usize = 5;
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
    chart: Option<Chart>,
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
    let (mut names, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for member in &writer.community.members {
        if !names.insert(&*member.name) {
            shared.insert(&*member.name);
        }
    }
    for member in 0..writer.stats.of.len() {
        if writer.stats.of[member].is_active() {
            write_member(writer, member, &shared)?;
        }
    }
    Ok(())
}

/// Leaves one link to each member, except to those who share their name with another.
fn link_once<'a>(
    mut items: Vec<Item<'a>>,
    shared: &BTreeSet<&str>,
    linked: &mut BTreeSet<&'a str>,
) -> Vec<Item<'a>> {
    for item in &mut items {
        let people = [&mut item.giver].into_iter().chain(&mut item.receivers);
        for who in people.filter(|who| who.id.is_some() && !shared.contains(who.name)) {
            who.is_linked = linked.insert(who.name);
        }
    }
    items
}

fn write_member(
    writer: &mut Writer<'_>,
    member: usize,
    shared: &BTreeSet<&str>,
) -> Result<(), askama::Error> {
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
        let items = items.map(|thanks| writer.item(thanks, Some(member)));
        let html = OlderPage {
            frame: Frame {
                root,
                home: "../",
                ..writer.frame("members", &title)
            },
            name: &row.name,
            id: row.id.to_string(),
            of: page.clone(),
            latest: link_once(items.collect(), shared, &mut BTreeSet::new()),
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
    let (thanked_by, thanked) = (partners(true), partners(false));
    let with_page = thanked_by.iter().chain(&thanked);
    let with_page = with_page.filter(|entry| entry.who.id.is_some());
    let mut linked = with_page.map(|entry| entry.who.name).collect();
    let latest = received[older * PAGE..].iter().rev();
    let latest = latest.map(|thanks| writer.item(thanks, Some(member)));
    let latest = link_once(latest.collect(), shared, &mut linked);
    let given = of.given.iter().rev().take(GIVEN);
    let given = given.map(|thanks| writer.item(thanks, None));
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
        chart: chart(writer, of),
        thanked_by,
        thanked,
        latest,
        latest_given: link_once(given.collect(), shared, &mut linked),
        pages: pages.into_iter().rev().collect(),
        dir: "",
    };
    writer.page(&format!("member/{}.html", row.id), &page)
}

/// Thanks and cred over the same time.
fn chart(writer: &Writer<'_>, of: &OfMember<'_>) -> Option<Chart> {
    let months = |thanks: &[&Thanks]| -> Vec<i32> {
        thanks.iter().map(|thanks| month_of(thanks.at)).collect()
    };
    let (received, given) = (months(&of.received), months(&of.given));
    let cred = writer.cred.zip(of.cred);
    let cred = cred.and_then(|(all, own)| Some((all, own, months_with(&all.weeks, own)?)));
    let of_cred = cred
        .iter()
        .flat_map(|(.., months)| [*months.start(), *months.end()]);
    let all = || {
        received
            .iter()
            .chain(&given)
            .copied()
            .chain(of_cred.clone())
    };
    let buckets = Buckets::over(all().min()?, all().max()?, COLUMNS);
    let values = |months: &[i32]| {
        let mut values = vec![0.0; buckets.count];
        for index in months.iter().filter_map(|month| buckets.index(*month)) {
            values[index] += 1.0;
        }
        values
    };
    let thanks = [
        ("Received", "received", values(&received)),
        ("Given", "given", values(&given)),
    ];
    let own = cred.map(|(all, own, _)| {
        let series = [cred_series(&buckets, &all.weeks, own)];
        (by_weeks(&all.weeks, own), series)
    });
    let mut shown = Vec::new();
    if !(received.is_empty() && given.is_empty()) {
        shown.push(("Thanks", String::new(), &thanks[..]));
    }
    if let Some((weeks, series)) = &own {
        shown.push(("Cred", weeks.clone(), &series[..]));
    }
    Some(Chart::new(&buckets, shown))
}

#[cfg(test)]
mod tests {
    use propsbot_archive::Millis;
    use propsbot_model::UserId;

    use super::*;
    use crate::pages::Who;

    #[test]
    fn a_page_links_each_name_once_unless_several_have_it() {
        let who = |id: Option<u64>, name| Who {
            id: id.map(UserId),
            name,
            is_linked: true,
        };
        let item = |giver| Item {
            at: Stamp(Millis(0)),
            giver,
            receivers: vec![who(Some(2), "Ben")],
            unnamed: 0,
            reason: "",
            reactions: 0,
        };
        let items = vec![
            item(who(Some(1), "Ana")),
            item(who(Some(3), "Alex")),
            item(who(None, "someone")),
            item(who(Some(1), "Ana")),
            item(who(Some(4), "Alex")),
            item(who(Some(5), "someone")),
        ];
        let shared = ["Alex"].into();
        let items = link_once(items, &shared, &mut ["Ben"].into());
        let linked = items.iter().map(|item| item.giver.is_linked);
        assert_eq!(
            linked.collect::<Vec<_>>(),
            [true, true, true, false, true, true]
        );
        assert!(items.iter().all(|item| !item.receivers[0].is_linked));
    }
}
