//! The schema of GitHub's tables. Repositories are spaces; the tracker and the history are parts.

use std::fmt::Write as _;

use jiff::Timestamp;
use propsbot_archive::{FIGURES, Level, Manifest, Millis, Row, Schema, Table, one_line};

use crate::rows::{
    Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, Part, Reaction,
    Release, Repository, Review, User,
};

/// The classes of data that are complete up to a time of their own.
pub(crate) const CLASSES: [&str; 4] = ["tracker", "reactions", "history", "discussions"];

/// The schema of GitHub archives.
pub static SCHEMA: Schema = Schema {
    provider: "github",
    version: 1,
    tables: &[
        Table::of::<Repository>(Level::Space).with("One row.", Repository::COLUMNS),
        Table::of::<Part>(Level::Space).with("Two rows. By `id`.", Part::COLUMNS),
        Table::of::<User>(Level::Space).with(
            "Everyone who did something in the repository. A row's time says nothing: it spreads rows over files.",
            User::COLUMNS,
        ),
        Table::of::<Commit>(Level::Part).with("A row's time is `committed_at`. By `id`.", Commit::COLUMNS),
        Table::of::<Issue>(Level::Part).with("A row's time is `created_at`. By `id`.", Issue::COLUMNS),
        Table::of::<Review>(Level::Part).with("A row's time is `created_at`. By `id`.", Review::COLUMNS),
        Table::of::<Comment>(Level::Part).with("A row's time is `created_at`. By `id`.", Comment::COLUMNS),
        Table::of::<Reaction>(Level::Part).with("A row's time is `created_at`. By `id`.", Reaction::COLUMNS),
        Table::of::<Label>(Level::Part).with("A row's time is `created_at`. By `id`.", Label::COLUMNS),
        Table::of::<Milestone>(Level::Part).with("A row's time is `created_at`. By `id`.", Milestone::COLUMNS),
        Table::of::<Release>(Level::Part).with("A row's time is `created_at`. By `id`.", Release::COLUMNS),
        Table::of::<Discussion>(Level::Part).with("A row's time is `created_at`. By `id`.", Discussion::COLUMNS),
        Table::of::<DiscussionComment>(Level::Part)
            .with("A row's time is `created_at`. By `id`.", DiscussionComment::COLUMNS),
    ],
    classes: &CLASSES,
    spaces: <Repository as Row>::TABLE,
    parts: <Part as Row>::TABLE,
    is_id: |id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()),
    has_numeric_ids: false,
    notes: include_str!("github.md"),
    readme,
    commit_message,
};

/// Tables whose row counts are shown, with their labels.
const TOLD: [(&str, &str); 6] = [
    (<Issue as Row>::TABLE, "issues and pull requests"),
    (<Comment as Row>::TABLE, "comments"),
    (<Commit as Row>::TABLE, "commits"),
    (<Reaction as Row>::TABLE, "reactions"),
    (<Discussion as Row>::TABLE, "discussions"),
    (<Release as Row>::TABLE, "releases"),
];

fn rows(manifest: &Manifest, table: &str) -> u64 {
    manifest.rows.get(table).copied().unwrap_or_default()
}

fn minute(at: Millis) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "an unknown time".to_owned(),
    }
}

fn readme(repositories: &[&Manifest]) -> String {
    let mut text = String::from("# An archive of GitHub repositories\n\n");
    text.push_str(FIGURES[0]);
    text.push_str("| repository |");
    for (_, name) in TOLD {
        let _ = write!(text, " {name} |");
    }
    text.push_str(" written |\n|---|");
    text.push_str(&"---:|".repeat(TOLD.len()));
    text.push_str("---|\n");
    for repository in repositories {
        let name = one_line(&repository.name).replace('|', "\\|");
        let _ = write!(text, "| {name} |");
        for (table, _) in TOLD {
            let _ = write!(text, " {} |", rows(repository, table));
        }
        let _ = writeln!(text, " {} |", minute(repository.created_at));
    }
    text.push_str(FIGURES[1]);
    text.push_str(READING);
    text
}

const READING: &str = r"
propsbot keeps this archive: issues, pull requests, reviews, comments, reactions, discussions, releases and commits of
these repositories, so that [SourceCred](https://sourcecred.io) can compute cred from them. [`FORMAT.md`](FORMAT.md) says how every file is
written and what each column means; you need no account and no propsbot to read it. `propsbot verify` checks it,
`propsbot restore` rebuilds the mirror from it, and `propsbot graph --plugin github` makes SourceCred's graph.
propsbot writes this page; what you change here is lost.
";

fn commit_message(after: &[&Manifest], before: &[&Manifest], recreated: usize) -> String {
    let sum = |all: &[&Manifest], table: &str| -> u64 {
        all.iter().map(|manifest| rows(manifest, table)).sum()
    };
    let mut parts = Vec::new();
    for (table, name) in TOLD {
        let (now, then) = (sum(after, table), sum(before, table));
        match now.abs_diff(then) {
            0 => {}
            count if now > then => parts.push(format!("{count} {name} added")),
            count => parts.push(format!("{count} {name} removed")),
        }
    }
    if recreated > 0 {
        parts.push(format!("{recreated} damaged files recreated"));
    }
    if parts.is_empty() {
        parts.push("edits".to_owned());
    }
    let at = after
        .iter()
        .chain(before)
        .map(|manifest| manifest.created_at);
    let at = at.max().map_or_else(String::new, minute);
    format!("Archive {at}: {}", parts.join(", "))
}
