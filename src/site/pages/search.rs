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
    /// The script with the members' names.
    names: String,
    /// Those with thanks, the newest month first.
    files: Vec<String>,
}

pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), askama::Error> {
    let community = writer.community;
    let mut months: BTreeMap<i32, Vec<&Thanks>> = BTreeMap::new();
    let mut numbers = Numbers::default();
    for thanks in community.thanks.iter().filter(|thanks| thanks.is_shown()) {
        months.entry(month_of(thanks.at)).or_default().push(thanks);
        for member in thanks.receivers.iter().chain([&thanks.giver]).flatten() {
            numbers.add(*member);
        }
    }
    let count = months.values().map(Vec::len).sum();
    let names = writer.data("names", numbers.script(community));
    let mut files = Vec::new();
    for (month, thanks) in months.iter().rev() {
        files.push(writer.data(&month_text(*month), script(&numbers, thanks)));
    }
    let page = Search {
        frame: writer.frame("search", "Search"),
        count: counted(count, "message", "messages"),
        names,
        files,
    };
    writer.page("search.html", &page)
}

/// Members numbered by their first thanks, so that a new one gets the next number, and leaves all others.
#[derive(Default)]
struct Numbers {
    numbers: BTreeMap<usize, usize>,
    members: Vec<usize>,
}

impl Numbers {
    fn add(&mut self, member: usize) {
        self.numbers.entry(member).or_insert_with(|| {
            self.members.push(member);
            self.members.len() - 1
        });
    }

    /// A member's number; -1 for someone who shows no name.
    fn of(&self, member: Option<usize>) -> String {
        let number = member.and_then(|member| self.numbers.get(&member));
        number.map_or_else(|| "-1".to_owned(), usize::to_string)
    }

    /// `propsbotNames = [["ID", "name"], …]`.
    fn script(&self, community: &Community) -> String {
        let names = self.members.iter().map(|member| {
            let member = &community.members[*member];
            format!("[\"{}\",{}]", member.id, literal(&member.name))
        });
        let names: Vec<String> = names.collect();
        format!("propsbotNames=[\n{}];\n", names.join(",\n"))
    }
}

/// `propsbot.push([minutes, giver, receiver, reason, …])`: four for each message. Several receivers are an array.
/// The minutes are since 1970, then how many less than of the message before.
fn script(numbers: &Numbers, thanks: &[&Thanks]) -> String {
    let mut script = String::from("propsbot.push([");
    let mut before = None;
    for thanks in thanks.iter().rev() {
        let receivers = thanks.receivers.iter();
        let receivers: Vec<String> = receivers.map(|receiver| numbers.of(*receiver)).collect();
        let receivers = match &receivers[..] {
            [receiver] => receiver.clone(),
            receivers => format!("[{}]", receivers.join(",")),
        };
        let minutes = thanks.at.0.div_euclid(60_000);
        let less = before.map_or(minutes, |before: i64| before - minutes);
        before = Some(minutes);
        let (giver, reason) = (numbers.of(thanks.giver), literal(&thanks.reason));
        let _ = write!(script, "\n{less},{giver},{receivers},{reason},");
    }
    script.push_str("]);\n");
    script
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
