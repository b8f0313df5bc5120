//! What members ask of SourceCred's ledger, from the archive's links.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::{Millis, ReadError, RowSource};
use propsbot_model::UserId;
use propsbot_rows::{LinkRow, MemberRow, Snapshot};
use propsbot_sourcecred::{Alias, NodeAddress, cred::Wish};

use super::{identities::proposal, members::Members};

/// What each member asks of the ledger, by user. `github` returns the node of a login; `logins` is their prefix.
/// `is_current` says whether the GitHub account with an id still has a login: a ledger knows logins alone, and GitHub
/// gives the login of an account that was renamed to whoever wants it.
///
/// If several members proved that a GitHub account is theirs, or the same login, it is the last one's. Of what a member
/// said in several guilds about Grain, the last word counts.
///
/// # Errors
/// Rows that can't be read.
pub fn wishes(
    rows: &dyn RowSource,
    github: impl Fn(&str) -> Alias,
    logins: &NodeAddress,
    is_current: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Wish>, ReadError> {
    let links: Vec<LinkRow> = rows.all()?;
    let mut snapshot = Snapshot::default();
    let users: BTreeSet<UserId> = links.iter().map(|link| link.user_id).collect();
    rows.each(
        |_| true,
        |row: &MemberRow| {
            if users.contains(&row.user_id) {
                snapshot.members.push(row.clone());
            }
        },
    )?;
    // The order of rows doesn't matter.
    snapshot
        .members
        .sort_by_key(|row| (row.guild_id, row.user_id));
    Ok(asked(&links, &snapshot, github, logins, is_current))
}

/// What these members ask with these links.
pub(super) fn asked(
    links: &[LinkRow],
    snapshot: &Snapshot,
    github: impl Fn(&str) -> Alias,
    logins: &NodeAddress,
    is_current: impl Fn(&str, &str) -> bool,
) -> Vec<Wish> {
    let mut by_user: BTreeMap<UserId, Vec<&LinkRow>> = BTreeMap::new();
    for link in links {
        by_user.entry(link.user_id).or_default().push(link);
    }
    let current = |link| proved(link).filter(|(id, login, _)| is_current(id, login));
    let (mut of_id, mut of_login) = (Last::new(), Last::new());
    for link in links {
        if let Some((id, login, at)) = current(link) {
            for (last, key) in [(&mut of_id, id.to_owned()), (&mut of_login, lower(login))] {
                let known = last.entry(key).or_insert((at, link.user_id));
                *known = (*known).max((at, link.user_id));
            }
        }
    }
    let mut taken = BTreeSet::new();
    let members = Members::new(snapshot);
    let people = members.iter().filter(|member| !member.is_bot());
    let wishes = people.map(|member| {
        let (mut also, mut outdated) = (BTreeSet::new(), BTreeSet::new());
        let (mut has_undone, mut grain) = (false, None);
        for &link in by_user.get(&member.id()).into_iter().flatten() {
            grain = link.grain_at.zip(link.grain).max(grain);
            match (current(link), proved(link)) {
                (Some((id, login, _)), _)
                    if of_id[id].1 == member.id() && of_login[&lower(login)].1 == member.id() =>
                {
                    also.insert(login);
                }
                (None, Some((_, login, _))) => {
                    outdated.insert(login);
                }
                (current, _) => has_undone |= current.is_some() || link.undone_at.is_some(),
            }
        }
        Wish {
            person: proposal(member, &mut taken),
            also: also.into_iter().map(&github).collect(),
            outdated: outdated.into_iter().map(&github).collect(),
            no_longer: has_undone.then(|| logins.clone()),
            grain: grain.map(|(at, wants)| (wants, at)),
        }
    });
    wishes.collect()
}

/// The last proof of something, and whose it is.
type Last = BTreeMap<String, (Millis, UserId)>;

/// A login as GitHub compares them.
fn lower(login: &str) -> String {
    login.to_ascii_lowercase()
}

/// The GitHub account that is linked, its login, and since when.
fn proved(link: &LinkRow) -> Option<(&str, &str, Millis)> {
    let (id, login) = (&link.github_id, &link.github_login);
    let at = link.linked_at.filter(|_| link.undone_at.is_none());
    Some((id.as_deref()?, login.as_deref()?, at?))
}
