//! Reads who has a role in the text of a meeting: lines such as "Hosts: @ana" or "**Notes:** @ben".

use std::collections::{BTreeMap, BTreeSet};

use propsbot_model::UserId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Host,
    Notes,
    /// Named, but not there.
    Absent,
}

/// The longest label of a line that has a role, in characters.
const LABEL: usize = 40;

/// The roles that a text gives to those whom it mentions; `None` among them stands for no role in
/// particular.
///
/// A label is what stands before a colon at the start of a line, without Markdown. It holds for the rest of its
/// line, and for the lines after it until the next label or an empty line.
pub(super) fn roles(
    text: &str,
    words: &BTreeMap<String, Role>,
) -> BTreeMap<UserId, BTreeSet<Option<Role>>> {
    let mut roles: BTreeMap<UserId, BTreeSet<Option<Role>>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if line.trim().is_empty() {
            current = None;
            continue;
        }
        let named = match labelled(line) {
            Some((label, rest)) => {
                current = words.get(&label).copied();
                rest
            }
            None => line,
        };
        for user in mentioned(named) {
            roles.entry(user).or_default().insert(current);
        }
    }
    roles
}

/// The label of a line, in lower case, and the rest of the line.
fn labelled(line: &str) -> Option<(String, &str)> {
    let (label, rest) = line.split_once([':', '：'])?;
    let is_markup = |letter: char| {
        letter.is_whitespace()
            || matches!(letter, '*' | '_' | '~' | '`' | '>' | '#' | '-' | '•' | '|')
    };
    let label = label.trim_matches(is_markup);
    let is_label = !label.is_empty() && !label.contains('<') && label.chars().count() <= LABEL;
    is_label.then(|| (label.to_lowercase(), rest))
}

/// The users whom a line mentions.
fn mentioned(line: &str) -> impl Iterator<Item = UserId> {
    line.split("<@").skip(1).filter_map(|from| {
        let (id, _) = from.split_once('>')?;
        id.strip_prefix('!').unwrap_or(id).parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Vec<Option<Role>>)> {
        let words = [
            ("hosts".to_owned(), Role::Host),
            ("notes".to_owned(), Role::Notes),
            ("absent".to_owned(), Role::Absent),
        ];
        let all = roles(text, &words.into()).into_iter();
        all.map(|(user, roles)| (user.0, roles.into_iter().collect()))
            .collect()
    }

    #[test]
    fn a_label_holds_for_its_line_and_those_after_it() {
        let (host, notes, absent) = (Some(Role::Host), Some(Role::Notes), Some(Role::Absent));
        for (text, expected) in [
            (
                "Hosts: <@1> and <@!2>",
                vec![(1, vec![host]), (2, vec![host])],
            ),
            ("**Hosts:** <@1>", vec![(1, vec![host])]),
            ("> - __HOSTS__ : <@1>", vec![(1, vec![host])]),
            ("Hosts：<@1>", vec![(1, vec![host])]),
            (
                "Hosts:\n- <@1>\n- <@2>\n\n<@3>",
                vec![(1, vec![host]), (2, vec![host]), (3, vec![None])],
            ),
            (
                "Hosts: <@1>\nParticipants: <@2>",
                vec![(1, vec![host]), (2, vec![None])],
            ),
            ("Hosts: <@1>\nNotes: <@1>", vec![(1, vec![host, notes])]),
            (
                "Absent: <@1>\nWe missed <@2>",
                vec![(1, vec![absent]), (2, vec![absent])],
            ),
            ("<@1>: hosts <@2>", vec![(1, vec![None]), (2, vec![None])]),
            ("at 10:30 with <@1>", vec![(1, vec![None])]),
            ("Hosts <@1>", vec![(1, vec![None])]),
            ("Hosts: <@x> <@1", vec![]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
