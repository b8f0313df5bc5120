//! Whose a GitHub account is, of several members who proved it.

use propsbot_archive::Millis;
use propsbot_model::UserId;
use propsbot_rows::{LinkRow, Snapshot};
use propsbot_sourcecred::{Alias, NodeAddress};

use super::community;
use crate::links::asked;

/// A link: whose, GitHub's id and login, and when it was proved.
type Proof = (u64, &'static str, &'static str, i64);

fn alias(login: &str) -> Alias {
    Alias {
        description: login.to_owned(),
        address: NodeAddress::new(&[&"github", &login]),
    }
}

/// The logins that each of the users 1 and 2 gets, and those that they don't because an account was renamed.
fn given(proofs: &[Proof], is_current: impl Fn(&str, &str) -> bool) -> Vec<[Vec<String>; 2]> {
    let guild_id = community::member(UserId(1), "ana").guild_id;
    let links: Vec<LinkRow> = proofs
        .iter()
        .map(|&(user, id, login, at)| LinkRow {
            guild_id,
            user_id: UserId(user),
            github_id: Some(id.to_owned()),
            github_login: Some(login.to_owned()),
            linked_at: Some(Millis(at)),
            undone_at: None,
            grain: None,
            grain_at: None,
        })
        .collect();
    let snapshot = Snapshot {
        members: vec![
            community::member(UserId(1), "ana"),
            community::member(UserId(2), "ben"),
        ],
        ..Snapshot::default()
    };
    let logins = NodeAddress::new(&[&"github"]);
    let wishes = asked(&links, &snapshot, alias, &logins, is_current).into_iter();
    let named = |all: Vec<Alias>| all.into_iter().map(|one| one.description).collect();
    wishes
        .map(|wish| [named(wish.also), named(wish.outdated)])
        .collect()
}

fn one(login: &str) -> Vec<String> {
    vec![login.to_owned()]
}

#[test]
fn the_last_proof_of_an_account_or_a_login_counts() {
    let nothing = || [Vec::new(), Vec::new()];
    let same_account = [(1, "U_1", "ana", 5), (2, "U_1", "new", 6)];
    assert_eq!(
        given(&same_account, |_, _| true),
        [nothing(), [one("new"), Vec::new()]]
    );
    // Two accounts had the login, one after the other.
    for (proofs, first_has_it) in [
        ([(1, "U_1", "ana", 5), (2, "U_2", "Ana", 6)], false),
        ([(1, "U_1", "ana", 6), (2, "U_2", "Ana", 5)], true),
    ] {
        let given = given(&proofs, |_, _| true);
        let expected = if first_has_it {
            [[one("ana"), Vec::new()], nothing()]
        } else {
            [nothing(), [one("Ana"), Vec::new()]]
        };
        assert_eq!(given, expected);
    }
}

#[test]
fn a_login_that_the_account_no_longer_has_is_nobodys() {
    let proofs = [(1, "U_1", "ana", 5)];
    let renamed = |id: &str, login: &str| (id, login) != ("U_1", "ana");
    assert_eq!(given(&proofs, renamed)[0], [Vec::new(), one("ana")]);
    // Nor does it keep the login from whoever has it now.
    let proofs = [(1, "U_1", "ana", 6), (2, "U_2", "ana", 5)];
    assert_eq!(given(&proofs, renamed)[1], [one("ana"), Vec::new()]);
}
