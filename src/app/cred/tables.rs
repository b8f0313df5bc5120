//! Cred for people, and for spreadsheets.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use propsbot_archive::Millis;
use propsbot_sourcecred::{
    cred::{CredChange, CredGrainView, Top, Why},
    description,
};

/// How many participants the table shows.
const SHOWN: usize = 20;
/// Smaller changes aren't shown.
const NOTICEABLE: f64 = 1e-9;

/// Who has most cred.
pub(super) fn everyone(view: &CredGrainView<'_>) -> String {
    let mut participants: Vec<_> = view.participants().iter().collect();
    participants.sort_by(|a, b| b.cred.total_cmp(&a.cred));
    let all: f64 = participants
        .iter()
        .map(|participant| participant.cred)
        .sum();
    let last = view.weeks().start(view.weeks().len() - 1);
    let mut table = table(["", "name", "cred", "", &format!("week of {}", date(last))]);
    for (index, participant) in participants.iter().take(SHOWN).enumerate() {
        table.add_row([
            (index + 1).to_string(),
            participant.account.identity.name.to_string(),
            format!("{:.1}", participant.cred),
            percent(participant.cred, all),
            format!(
                "{:.1}",
                participant.by_week.last().copied().unwrap_or_default()
            ),
        ]);
    }
    align(&mut table, &[0, 2, 3, 4]);
    let more = participants.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!("\n{more} more: --json and --csv have everyone")
    } else {
        String::new()
    };
    format!("{table}\nall cred: {all:.1}{more}")
}

/// Everyone's cred by week.
pub(super) fn csv(view: &CredGrainView<'_>) -> String {
    let mut csv = "name,id,type,active,grain,cred".to_owned();
    for start in view.weeks().starts() {
        let _ = write!(csv, ",{}", date(start));
    }
    for participant in view.participants() {
        let (account, cred) = (participant.account, participant.cred);
        let identity = &account.identity;
        let r#type = serde_json::to_value(identity.subtype).unwrap_or_default();
        let r#type = r#type.as_str().unwrap_or_default();
        let (name, id, active, grain) =
            (&identity.name, &identity.id, account.active, account.paid.0);
        let _ = write!(csv, "\n{name},{id},{type},{active},{grain},{cred}");
        for cred in &participant.by_week {
            let _ = write!(csv, ",{cred}");
        }
    }
    csv
}

/// What changed.
pub(super) fn changes(changes: &[CredChange]) -> String {
    let mut table = table(["name", "before", "now", "change", ""]);
    let is_shown = |change: &&CredChange| {
        change.by().abs() >= NOTICEABLE || change.before.is_none() || change.now.is_none()
    };
    let shown = changes.iter().filter(is_shown).count();
    for change in changes.iter().filter(is_shown) {
        table.add_row(row(&change.name, change.before, change.now));
    }
    let sum = |of: fn(&CredChange) -> Option<f64>| changes.iter().filter_map(of).sum();
    table.add_row(row(
        "all cred",
        Some(sum(|change| change.before)),
        Some(sum(|change| change.now)),
    ));
    align(&mut table, &[1, 2, 3, 4]);
    format!("{table}\nwith the same cred: {}", changes.len() - shown)
}

fn row(name: &str, before: Option<f64>, now: Option<f64>) -> [String; 5] {
    let number = |cred: Option<f64>| cred.map_or_else(String::new, |cred| format!("{cred:.3}"));
    let change = now.unwrap_or_default() - before.unwrap_or_default();
    let percent = match before {
        Some(before) if before > 0.0 => format!("{:+.2} %", 100.0 * change / before),
        Some(_) => String::new(),
        None => "new".to_owned(),
    };
    let percent = if now.is_none() {
        "gone".to_owned()
    } else {
        percent
    };
    [
        name.to_owned(),
        number(before),
        number(now),
        format!("{change:+.3}"),
        percent,
    ]
}

/// Why a participant has cred.
pub(super) fn why(why: &Why<'_>, shown: usize) -> String {
    let mut table = table(["cred", "", "for"]);
    let mut add = |cred: f64, text: String| {
        table.add_row([format!("{cred:.3}"), percent(cred, why.cred), text]);
    };
    let top = why.contributions.iter().take(shown);
    for brought in top {
        let (text, link) = description::linked(brought.description);
        let when = brought
            .timestamp
            .map_or_else(String::new, |at| format!("{}  ", date(at)));
        let link = link.map_or_else(String::new, |link| format!("\n{link}"));
        add(brought.cred, format!("{when}{text}{link}"));
    }
    let others = why.contributions.get(shown..).unwrap_or_default();
    if !others.is_empty() {
        let cred = others.iter().map(|brought| brought.cred).sum();
        add(cred, format!("{} other contributions", others.len()));
    }
    for (account, cred) in &why.attributions {
        add(*cred, format!("passed on by {}", account.identity.name));
    }
    add(
        why.rest,
        "left over, because the computation stops early".to_owned(),
    );
    add(
        why.cred,
        format!("all cred of {}", why.account.identity.name),
    );
    align(&mut table, &[0, 1]);
    if why.passed_on > 0.0 {
        return format!(
            "{table}\n{:.3} more went on to others by personal attributions",
            why.passed_on
        );
    }
    table.to_string()
}

/// Why a participant has cred, for programs.
#[derive(Serialize)]
pub(super) struct WhyJson<'a> {
    name: &'a str,
    id: &'a str,
    cred: f64,
    contributions: Vec<Top<'a>>,
    other_contributions: Others,
    attributions: Vec<AttributionJson<'a>>,
    rest: f64,
    passed_on: f64,
}

#[derive(Serialize)]
struct Others {
    count: usize,
    cred: f64,
}

#[derive(Serialize)]
struct AttributionJson<'a> {
    name: &'a str,
    id: &'a str,
    cred: f64,
}

impl<'a> WhyJson<'a> {
    pub(super) fn new(why: &Why<'a>, shown: usize) -> Self {
        let identity = &why.account.identity;
        let others = why.contributions.get(shown..).unwrap_or_default();
        let attributions = why.attributions.iter();
        Self {
            name: identity.name.as_str(),
            id: identity.id.as_str(),
            cred: why.cred,
            contributions: why
                .contributions
                .iter()
                .take(shown)
                .map(Top::from)
                .collect(),
            other_contributions: Others {
                count: others.len(),
                // The sum of no numbers is -0.
                cred: others.iter().fold(0.0, |sum, brought| sum + brought.cred),
            },
            attributions: attributions
                .map(|(account, cred)| AttributionJson {
                    name: account.identity.name.as_str(),
                    id: account.identity.id.as_str(),
                    cred: *cred,
                })
                .collect(),
            rest: why.rest,
            passed_on: why.passed_on,
        }
    }
}

fn table<'a>(head: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    table
}

fn align(table: &mut Table, right: &[usize]) {
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn percent(part: f64, all: f64) -> String {
    if all > 0.0 {
        format!("{:.1} %", 100.0 * part / all)
    } else {
        String::new()
    }
}

fn date(Millis(at): Millis) -> String {
    let time = Timestamp::from_millisecond(at);
    time.map_or_else(
        |_| at.to_string(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}
