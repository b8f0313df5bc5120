//! What members ask of SourceCred's ledger, from the archive's links.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::{Millis, ReadError, RowSource};
use propsbot_model::UserId;
use propsbot_rows::{LinkRow, MemberRow, Snapshot};
use propsbot_sourcecred::{Alias, cred::Wish};

use super::{identities::proposal, members::Members};

/// What each member asks of the ledger, by user. `github` returns the node of a login.
///
/// If several members proved that a GitHub account is theirs, it is the last one's. Of what a member said in several
/// guilds about Grain, the last word counts.
///
/// # Errors
/// Rows that can't be read.
pub fn wishes(
    rows: &dyn RowSource,
    github: impl Fn(&str) -> Alias,
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
    let mut last: BTreeMap<&str, (Millis, UserId)> = BTreeMap::new();
    for link in &links {
        if let Some((id, at)) = proved(link) {
            let known = last.entry(id).or_insert((at, link.user_id));
            *known = (*known).max((at, link.user_id));
        }
    }
    let mut taken = BTreeSet::new();
    let members = Members::new(&snapshot);
    let people = members.iter().filter(|member| !member.is_bot());
    let wishes = people.map(|member| {
        let (mut also, mut no_longer) = (BTreeSet::new(), BTreeSet::new());
        let mut grain = None;
        for link in links.iter().filter(|link| link.user_id == member.id()) {
            let said = link.grain_at.zip(link.grain);
            grain = said.max(grain);
            let Some(login) = link.github_login.as_deref() else {
                continue;
            };
            let is_last = proved(link).is_some_and(|(id, _)| last[id].1 == member.id());
            if is_last {
                also.insert(login);
            } else {
                no_longer.insert(login);
            }
        }
        let nodes = |logins: Vec<&str>| logins.into_iter().map(&github).collect();
        Wish {
            person: proposal(member, &mut taken),
            no_longer: nodes(no_longer.difference(&also).copied().collect()),
            also: nodes(also.into_iter().collect()),
            grain: grain.map(|(at, wants)| (wants, at)),
        }
    });
    Ok(wishes.collect())
}

/// The GitHub account that is linked, and since when.
fn proved(link: &LinkRow) -> Option<(&str, Millis)> {
    let id = link.github_id.as_deref()?;
    link.linked_at
        .filter(|_| link.undone_at.is_none())
        .map(|at| (id, at))
}
