//! Node ids in GitHub's newer style: a prefix for the type, and base64 of a MessagePack array with the numbers that lead
//! to the object. Opaque to clients; they stay the same when something is renamed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::entities::{AccountKind, ItemKind, MarkerKind};

/// What a node id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeRef {
    Account(u64),
    Repository(u64),
    /// An item, in this repository.
    Item(ItemKind, u64, u64),
    /// A label or a milestone, of this repository.
    Marker(MarkerKind, u64, u64),
    /// The reaction with this id, on the item.
    Reaction(u64, u64),
    Commit(u64, String),
    /// The default branch of a repository.
    Branch(u64),
}

const ITEMS: [(ItemKind, &str); 8] = [
    (ItemKind::Issue, "I"),
    (ItemKind::PullRequest, "PR"),
    (ItemKind::Comment, "IC"),
    (ItemKind::Review, "PRR"),
    (ItemKind::ReviewComment, "PRRC"),
    (ItemKind::Discussion, "D"),
    (ItemKind::DiscussionComment, "DC"),
    (ItemKind::Release, "RE"),
];

const MARKERS: [(MarkerKind, &str); 2] = [(MarkerKind::Label, "LA"), (MarkerKind::Milestone, "MI")];

const ACCOUNTS: [(AccountKind, &str); 4] = [
    (AccountKind::User, "U"),
    (AccountKind::Bot, "BOT"),
    (AccountKind::Organization, "O"),
    (AccountKind::Mannequin, "M"),
];

fn write(prefix: &str, numbers: &[u64], text: &str) -> String {
    let parts = u8::try_from(1 + numbers.len() + usize::from(!text.is_empty()));
    let mut packed = vec![0x90 | parts.unwrap_or(0), 0];
    for number in numbers {
        if let Ok(small) = u32::try_from(*number) {
            packed.push(0xce);
            packed.extend(small.to_be_bytes());
        } else {
            packed.push(0xcf);
            packed.extend(number.to_be_bytes());
        }
    }
    if !text.is_empty() {
        packed.extend([0xd9, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        packed.extend(text.as_bytes());
    }
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(packed))
}

pub(crate) fn account(kind: AccountKind, id: u64) -> String {
    let prefix = ACCOUNTS.iter().find(|(of, _)| *of == kind);
    write(prefix.map_or("U", |(_, prefix)| prefix), &[id], "")
}

pub(crate) fn repository(id: u64) -> String {
    write("R", &[id], "")
}

pub(crate) fn item(kind: ItemKind, repository: u64, id: u64) -> String {
    let prefix = ITEMS.iter().find(|(of, _)| *of == kind);
    write(
        prefix.map_or("I", |(_, prefix)| prefix),
        &[repository, id],
        "",
    )
}

pub(crate) fn marker(kind: MarkerKind, repository: u64, id: u64) -> String {
    let prefix = MARKERS.iter().find(|(of, _)| *of == kind);
    write(
        prefix.map_or("LA", |(_, prefix)| prefix),
        &[repository, id],
        "",
    )
}

pub(crate) fn category(repository: u64, name: &str) -> String {
    write("DIC", &[repository], name)
}

pub(crate) fn review_thread(repository: u64, comment: u64) -> String {
    write("PRRT", &[repository, comment], "")
}

pub(crate) fn reaction(item: u64, id: u64) -> String {
    write("REA", &[item, id], "")
}

pub(crate) fn commit(repository: u64, sha: &str) -> String {
    write("C", &[repository], sha)
}

pub(crate) fn branch(repository: u64, name: &str) -> String {
    write("REF", &[repository], &format!("refs/heads/{name}"))
}

/// What a node id stands for; none if it isn't one of these.
pub(crate) fn read(id: &str) -> Option<NodeRef> {
    let (prefix, rest) = id.split_once('_')?;
    let bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
    let (numbers, text) = unpack(&bytes)?;
    let found = match (prefix, numbers.as_slice(), text.as_str()) {
        ("R", [id], "") => NodeRef::Repository(*id),
        ("REA", [item, id], "") => NodeRef::Reaction(*item, *id),
        ("C", [repository], sha) => NodeRef::Commit(*repository, sha.to_owned()),
        ("REF", [repository], _) => NodeRef::Branch(*repository),
        (prefix, [id], "") => {
            ACCOUNTS.iter().find(|(_, of)| *of == prefix)?;
            NodeRef::Account(*id)
        }
        (prefix, [repository, id], "") => {
            if let Some((kind, _)) = MARKERS.iter().find(|(_, of)| *of == prefix) {
                return Some(NodeRef::Marker(*kind, *repository, *id));
            }
            let (kind, _) = ITEMS.iter().find(|(_, of)| *of == prefix)?;
            NodeRef::Item(*kind, *repository, *id)
        }
        _ => return None,
    };
    Some(found)
}

fn unpack(bytes: &[u8]) -> Option<(Vec<u64>, String)> {
    let (head, mut rest) = bytes.split_at_checked(2)?;
    if head[0] & 0xf0 != 0x90 || head[1] != 0 {
        return None;
    }
    let (mut numbers, mut text) = (Vec::new(), String::new());
    for _ in 1..head[0] & 0x0f {
        let (kind, after) = rest.split_first()?;
        rest = match kind {
            0xce => {
                let (number, after) = after.split_at_checked(4)?;
                numbers.push(u64::from(u32::from_be_bytes(number.try_into().ok()?)));
                after
            }
            0xcf => {
                let (number, after) = after.split_at_checked(8)?;
                numbers.push(u64::from_be_bytes(number.try_into().ok()?));
                after
            }
            0xd9 => {
                let (length, after) = after.split_first()?;
                let (found, after) = after.split_at_checked(usize::from(*length))?;
                text = String::from_utf8(found.to_vec()).ok()?;
                after
            }
            _ => return None,
        };
    }
    rest.is_empty().then_some((numbers, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_are_read_back() {
        assert!(item(ItemKind::Issue, 77, 78).starts_with("I_kwDO"));
        let sha = "a".repeat(40);
        for (id, expected) in [
            (account(AccountKind::Mannequin, 5), NodeRef::Account(5)),
            (repository(1 << 40), NodeRef::Repository(1 << 40)),
            (
                item(ItemKind::ReviewComment, 7, 8),
                NodeRef::Item(ItemKind::ReviewComment, 7, 8),
            ),
            (
                marker(MarkerKind::Milestone, 7, 8),
                NodeRef::Marker(MarkerKind::Milestone, 7, 8),
            ),
            (reaction(8, 9), NodeRef::Reaction(8, 9)),
            (commit(7, &sha), NodeRef::Commit(7, sha.clone())),
            (branch(7, "main"), NodeRef::Branch(7)),
        ] {
            assert_eq!(read(&id), Some(expected), "{id}");
        }
        for id in ["", "I", "I_", "X_kgDOAAAAAQ", "I_kgDOAAAAAQ", "U_!!"] {
            assert_eq!(read(id), None, "{id}");
        }
    }
}
