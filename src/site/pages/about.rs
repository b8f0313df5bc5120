//! Which generation of the archive the pages show, what they leave out, and how to read the archive itself.

use askama::Template;

use super::{Frame, Stamp, Writer, counted};

#[derive(Template)]
#[template(path = "about.html")]
struct About<'a> {
    frame: Frame<'a>,
    id: String,
    generation: u64,
    hash: String,
    created: Stamp,
    known: Option<Stamp>,
    rows: Vec<(&'a str, String)>,
    hidden: Option<String>,
    uncounted: Option<String>,
    excluded: Option<String>,
    has_cred: bool,
    neighbours: Option<String>,
    version: &'static str,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let community = writer.community;
    let rows = community.rows.iter().map(|(table, rows)| {
        let rows = usize::try_from(*rows).unwrap_or(usize::MAX);
        (table.as_str(), counted(rows, "row", "rows"))
    });
    let some = |count: usize, one, many| (count > 0).then(|| counted(count, one, many));
    let page = About {
        frame: writer.frame("about", "About these pages"),
        id: community.id.to_string(),
        generation: community.generation,
        hash: community.hash.to_string(),
        created: Stamp(community.created_at),
        known: community.known_until.map(Stamp),
        rows: rows.collect(),
        hidden: some(community.hidden, "member shows", "members show"),
        uncounted: some(community.uncounted, "thanks doesn't", "thanks don't"),
        excluded: some(community.excluded, "more channel", "more channels"),
        has_cred: writer.cred.is_some(),
        neighbours: some(community.neighbours.len(), "repository", "repositories"),
        version: env!("CARGO_PKG_VERSION"),
    };
    writer.page("about.html", &page)
}
