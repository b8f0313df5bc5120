//! All members with a page, by what they received.

use std::cmp::Reverse;

use askama::Template;

use super::{Frame, Stamp, Who, Writer, counted, overview::cred_text};

#[derive(Template)]
#[template(path = "members.html")]
struct Members<'a> {
    frame: Frame<'a>,
    count: String,
    has_cred: bool,
    #[expect(clippy::struct_field_names, reason = "the template's word")]
    members: Vec<Line<'a>>,
}

struct Line<'a> {
    who: Who<'a>,
    is_bot: bool,
    received: usize,
    given: usize,
    cred: String,
    last: Option<Stamp>,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let of = &writer.stats.of;
    let mut shown: Vec<usize> = (0..of.len())
        .filter(|member| of[*member].is_active())
        .collect();
    shown.sort_by_key(|member| {
        (
            Reverse(of[*member].received.len()),
            Reverse(of[*member].given.len()),
            *member,
        )
    });
    let members = shown.iter().map(|member| {
        let (stats, row) = (&of[*member], &writer.community.members[*member]);
        Line {
            who: writer.who(Some(*member)),
            is_bot: row.is_bot,
            received: stats.received.len(),
            given: stats.given.len(),
            cred: cred_text(stats.total_cred()),
            last: stats.received.last().map(|thanks| Stamp(thanks.at)),
        }
    });
    let page = Members {
        frame: writer.frame("members", "Members"),
        count: counted(shown.len(), "member", "members"),
        has_cred: writer.cred.is_some(),
        members: members.collect(),
    };
    writer.page("members.html", &page)
}
