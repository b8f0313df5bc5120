//! The search page, and what it searches: a script for each month.

use std::{collections::BTreeMap, fmt::Write as _};

use askama::Template;

use super::{Frame, Writer, counted};
use crate::{
    Community,
    buckets::{month_of, month_text},
    community::Thanks,
};

#[derive(Template)]
#[template(path = "search.html")]
struct Search<'a> {
    frame: Frame<'a>,
    count: String,
    /// The names of the scripts, the newest month first.
    files: Vec<String>,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let community = writer.community;
    let mut months: BTreeMap<i32, Vec<&Thanks>> = BTreeMap::new();
    for thanks in community.thanks.iter().filter(|thanks| thanks.is_shown()) {
        months.entry(month_of(thanks.at)).or_default().push(thanks);
    }
    let count = months.values().map(Vec::len).sum();
    let mut files = Vec::new();
    for (month, thanks) in months.iter().rev() {
        files.push(writer.data(&month_text(*month), script(community, thanks)));
    }
    let page = Search {
        frame: writer.frame("search", "Search"),
        count: counted(count, "message", "messages"),
        files,
    };
    writer.page("search.html", &page)
}

/// `propsbot.push({names: [["ID", "name"], …], thanks: [[minutes, giver, [receivers], reason], …]})`, in which members
/// are indexes of `names`, and -1 is someone who shows none.
fn script(community: &Community, thanks: &[&Thanks]) -> String {
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut members = Vec::new();
    let mut number = |member: Option<usize>| {
        let Some(member) = member else {
            return "-1".to_owned();
        };
        let number = numbers.entry(member).or_insert_with(|| {
            members.push(member);
            members.len() - 1
        });
        number.to_string()
    };
    let mut lines = String::new();
    for (index, thanks) in thanks.iter().rev().enumerate() {
        let receivers: Vec<String> = thanks
            .receivers
            .iter()
            .map(|receiver| number(*receiver))
            .collect();
        let separator = if index > 0 { ",\n" } else { "" };
        let minutes = thanks.at.0.div_euclid(60_000);
        let giver = number(thanks.giver);
        let _ = write!(
            lines,
            "{separator}[{minutes},{giver},[{}],{}]",
            receivers.join(","),
            literal(&thanks.reason)
        );
    }
    let names = members.iter().map(|member| {
        let member = &community.members[*member];
        format!("[\"{}\",{}]", member.id, literal(&member.name))
    });
    let names: Vec<String> = names.collect();
    format!(
        "propsbot.push({{names:[{}],thanks:[\n{lines}]}});\n",
        names.join(",")
    )
}

/// A text as a literal of `JavaScript`, which means the same in every place of a page.
fn literal(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text is JSON");
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_ends_no_script() {
        let literal = literal("</script><!--\u{2028}\"\\");
        assert_eq!(literal, r#""\u003c/script>\u003c!--\u2028\"\\""#);
        assert_eq!(
            serde_json::from_str::<String>(&literal).unwrap(),
            "</script><!--\u{2028}\"\\"
        );
    }
}
