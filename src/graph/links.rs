//! What members ask of SourceCred's ledger, from the archive's links.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_archive::{Millis, ReadError, RowSource};
use propsbot_model::UserId;
use propsbot_rows::{LinkRow, MemberRow, Snapshot};
use propsbot_sourcecred::{Alias, NodeAddress, cred::Wish};

use super::{identities::proposal, members::Members};

/// What each member asks of the ledger, by user. `github` returns the node of a login; `logins` is their prefix.
///
/// If several members proved that a GitHub account is theirs, it is the last one's. Of what a member said in several
/// guilds about Grain, the last word counts.
///
/// # Errors
/// Rows that can't be read.
pub fn wishes(
    rows: &dyn RowSource,
    github: impl Fn(&str) -> Alias,
    logins: &NodeAddress,
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
        if let Some((id, _, at)) = proved(link) {
            let known = last.entry(id).or_insert((at, link.user_id));
            *known = (*known).max((at, link.user_id));
        }
    }
    let mut taken = BTreeSet::new();
    let members = Members::new(&snapshot);
    let people = members.iter().filter(|member| !member.is_bot());
    let wishes = people.map(|member| {
        let (mut also, mut has_undone, mut grain) = (BTreeSet::new(), false, None);
        for link in links.iter().filter(|link| link.user_id == member.id()) {
            grain = link.grain_at.zip(link.grain).max(grain);
            match proved(link) {
                Some((id, login, _)) if last[id].1 == member.id() => {
                    also.insert(login);
                }
                proved => has_undone |= proved.is_some() || link.undone_at.is_some(),
            }
        }
        Wish {
            person: proposal(member, &mut taken),
            also: also.into_iter().map(&github).collect(),
            no_longer: has_undone.then(|| logins.clone()),
            grain: grain.map(|(at, wants)| (wants, at)),
        }
    });
    Ok(wishes.collect())
}

/// The GitHub account that is linked, its login, and since when.
fn proved(link: &LinkRow) -> Option<(&str, &str, Millis)> {
    let (id, login) = (&link.github_id, &link.github_login);
    let at = link.linked_at.filter(|_| link.undone_at.is_none());
    Some((id.as_deref()?, login.as_deref()?, at?))
}
