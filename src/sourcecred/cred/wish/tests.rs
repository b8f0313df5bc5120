use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: Millis = Millis(1_700_000_000_000);

fn alias(platform: &str, kind: &str, id: usize) -> Alias {
    Alias {
        description: format!("{platform}/{id}"),
        address: NodeAddress::new(&[&"sourcecred", &platform, &kind, &id]),
    }
}

fn member(id: usize) -> IdentityProposal {
    IdentityProposal {
        name: format!("member{id}"),
        plugin_name: "discord".into(),
        r#type: IdentityType::User,
        alias: alias("discord", "MEMBER", id),
    }
}

fn login(id: usize) -> IdentityProposal {
    IdentityProposal {
        name: format!("login{id}"),
        plugin_name: "github".into(),
        r#type: IdentityType::User,
        alias: alias("github", "USERLIKE", id),
    }
}

fn wish(id: usize, logins: &[usize]) -> Wish {
    Wish {
        person: member(id),
        also: logins.iter().map(|id| login(*id).alias).collect(),
        outdated: Vec::new(),
        no_longer: None,
        grain: None,
    }
}

fn with_grain(wish: Wish, wants: bool, at: i64) -> Wish {
    let grain = Some((wants, Millis(at)));
    Wish { grain, ..wish }
}

fn ledger(proposals: &[IdentityProposal]) -> Ledger {
    let mut ledger = Ledger::default();
    for proposal in proposals {
        ledger.propose(proposal, NOW).unwrap();
    }
    ledger
}

fn fulfil(ledger: &mut Ledger, wish: &Wish) -> Fulfilled {
    ledger.fulfil(wish, NOW, &mut |_| true).unwrap()
}

fn said(fulfilled: &Fulfilled) -> Vec<String> {
    let changes = fulfilled.changes.iter().map(ToString::to_string);
    let kept_back = fulfilled.kept_back.iter();
    changes
        .chain(kept_back.map(|kept| format!("kept back: {kept}")))
        .collect()
}

fn toggle(ledger: &mut Ledger, member_id: usize, at: Millis) {
    let account = ledger.account_of(&member(member_id).alias.address);
    let identity_id = account.unwrap().identity.id.clone();
    ledger
        .add(Action::ToggleActivation { identity_id }, at)
        .unwrap();
}

#[test]
fn a_person_without_an_account_gets_one() {
    let mut ledger = Ledger::default();
    let done = fulfil(&mut ledger, &with_grain(wish(1, &[7]), true, 5));
    assert_eq!(
        said(&done),
        [
            "new account member1, with discord/1",
            "member1 gets the alias github/7",
            "member1 receives Grain from now on",
        ]
    );
    assert_eq!(ledger.added().len(), 4);
    assert_eq!(
        fulfil(&mut ledger, &with_grain(wish(1, &[7]), true, 5)),
        Fulfilled::default()
    );
}

#[test]
fn nothing_is_created_for_a_wish_that_needs_nothing() {
    let mut ledger = Ledger::default();
    for wish in [wish(1, &[]), with_grain(wish(1, &[]), false, 5)] {
        assert_eq!(fulfil(&mut ledger, &wish), Fulfilled::default());
    }
    assert!(ledger.added().is_empty());
}

#[test]
fn an_account_of_either_node_gets_the_other() {
    for first in [member(1), login(7)] {
        let mut ledger = ledger(std::slice::from_ref(&first));
        let done = fulfil(&mut ledger, &wish(1, &[7]));
        assert_eq!(done.changes.len(), 1);
        assert!(
            matches!(&done.changes[0], LedgerChange::AliasAdded(name, _) if name.as_str() == first.name)
        );
    }
}

#[test]
fn two_accounts_are_merged_only_if_that_is_allowed() {
    let mut ledger = ledger(&[login(7), member(1)]);
    let before = ledger.added().len();
    let done = ledger.fulfil(&wish(1, &[7]), NOW, &mut |_| false).unwrap();
    assert_eq!(
        said(&done),
        ["kept back: declined: the account member1 becomes part of login7, which gets discord/1"]
    );
    assert_eq!(ledger.added().len(), before);
    // The active one stays, or else the older one.
    let mut active = ledger.clone();
    toggle(&mut active, 1, NOW);
    for (mut ledger, base) in [(ledger, "login7"), (active, "member1")] {
        let done = fulfil(&mut ledger, &wish(1, &[7]));
        assert!(
            matches!(&*done.changes, [LedgerChange::Merged(merge)] if merge.base.as_str() == base),
            "{done:?}"
        );
        assert_eq!(ledger.accounts().count(), 1);
    }
}

#[test]
fn nobody_gets_an_account_that_has_more_unless_somebody_agrees() {
    let mut with_grain = ledger(&[login(7)]);
    let account = with_grain.account_of(&login(7).alias.address).unwrap();
    let identity_id = account.identity.id.clone();
    let mut merged = ledger(&[login(7), login(8)]);
    let ids = [7, 8].map(|id| {
        let account = merged.account_of(&login(id).alias.address).unwrap();
        account.identity.id.clone()
    });
    let [base, target] = ids;
    merged
        .add(Action::MergeIdentities { base, target }, NOW)
        .unwrap();
    let distribution = serde_json::json!({
        "credTimestamp": NOW.0,
        "allocations": [{"receipts": [{"id": identity_id, "amount": "5"}]}],
    });
    with_grain
        .add(Action::ToggleActivation { identity_id }, NOW)
        .unwrap();
    let distribution = serde_json::from_value(distribution).unwrap();
    with_grain
        .add(Action::DistributeGrain { distribution }, NOW)
        .unwrap();
    for (mut ledger, words) in [
        (
            with_grain,
            "joins the account login7, which has received Grain",
        ),
        (merged, "joins the account login7, which has github/8"),
    ] {
        let before = ledger.added().len();
        // Nor does the account get another node then.
        let asked = wish(1, &[7, 9]);
        let done = ledger.fulfil(&asked, NOW, &mut |_| false).unwrap();
        assert!(
            matches!(&*done.kept_back, [KeptBack::Declined(Question::Join(_))]),
            "{done:?}"
        );
        assert!(said(&done)[0].contains(words), "{done:?}");
        assert_eq!(ledger.added().len(), before);
        assert_eq!(fulfil(&mut ledger, &asked).changes.len(), 2);
    }
}

#[test]
fn an_outdated_node_is_told_and_given_to_nobody() {
    let mut ledger = Ledger::default();
    let outdated = Wish {
        outdated: vec![login(7).alias],
        ..wish(1, &[])
    };
    let done = fulfil(&mut ledger, &outdated);
    assert!(
        matches!(&*done.kept_back, [KeptBack::Outdated(..)]),
        "{done:?}"
    );
    assert!(ledger.added().is_empty());
}

#[test]
fn two_members_are_never_joined() {
    let mut ledger = ledger(&[member(1), member(2)]);
    fulfil(&mut ledger, &wish(1, &[7]));
    let done = fulfil(&mut ledger, &wish(2, &[7]));
    assert!(
        matches!(&*done.kept_back, [KeptBack::AnotherPerson(..)]),
        "{done:?}"
    );
    assert_eq!((done.changes.len(), ledger.accounts().count()), (0, 2));
    // Nor does the second one get an account for that.
    let done = fulfil(&mut ledger, &wish(3, &[7]));
    assert_eq!((done.changes.len(), done.kept_back.len()), (0, 1));
}

#[test]
fn what_is_no_persons_account_is_left_alone() {
    let mut bot = login(7);
    bot.r#type = IdentityType::Bot;
    let mut ledger = ledger(&[bot]);
    let done = fulfil(&mut ledger, &wish(1, &[7]));
    assert!(
        matches!(&*done.kept_back, [KeptBack::NotAPerson(..)]),
        "{done:?}"
    );
}

#[test]
fn a_member_whose_own_account_is_no_users_gets_nothing() {
    let mut project = member(1);
    project.r#type = IdentityType::Project;
    let mut ledger = ledger(&[project]);
    for asked in [wish(1, &[7]), with_grain(wish(1, &[]), true, NOW.0)] {
        let done = fulfil(&mut ledger, &asked);
        assert!(
            matches!(&*done.kept_back, [KeptBack::NotAPerson(..)]),
            "{done:?}"
        );
        assert!(done.changes.is_empty());
    }
}

#[test]
fn a_merge_remembers_that_either_account_was_deactivated() {
    let mut ledger = ledger(&[login(7), member(1)]);
    toggle(&mut ledger, 1, Millis(NOW.0 + 5));
    toggle(&mut ledger, 1, Millis(NOW.0 + 6));
    // They asked before that.
    let asked = with_grain(wish(1, &[7]), true, NOW.0);
    let done = fulfil(&mut ledger, &asked);
    assert!(
        matches!(&*done.changes, [LedgerChange::Merged(merge)] if merge.target.as_str() == "member1"),
        "{done:?}"
    );
}

#[test]
fn the_later_word_about_grain_counts() {
    let mut ledger = ledger(&[member(1)]);
    let asked = with_grain(wish(1, &[]), true, NOW.0);
    assert_eq!(
        said(&fulfil(&mut ledger, &asked)),
        ["member1 receives Grain from now on"]
    );
    // Somebody deactivates the account after that.
    toggle(&mut ledger, 1, Millis(NOW.0 + 5));
    assert_eq!(fulfil(&mut ledger, &asked), Fulfilled::default());
    // Until the member asks again.
    let again = with_grain(wish(1, &[]), true, NOW.0 + 6);
    let now = Millis(NOW.0 + 7);
    let done = ledger.fulfil(&again, now, &mut |_| true).unwrap();
    assert_eq!(said(&done), ["member1 receives Grain from now on"]);
    let no_more = with_grain(wish(1, &[]), false, NOW.0 + 8);
    let done = ledger
        .fulfil(&no_more, Millis(NOW.0 + 9), &mut |_| true)
        .unwrap();
    assert_eq!(said(&done), ["member1 no longer receives Grain"]);
    let ids: BTreeSet<_> = ledger.added().iter().map(|event| &event.uuid).collect();
    assert_eq!(ids.len(), ledger.added().len());
}

#[test]
fn grain_needs_an_address_if_the_ledger_pays_another_currency() {
    let mut ledger = ledger(&[member(1)]);
    let currency = serde_json::json!({"type": "EVM", "chainId": "1", "tokenAddress": "0x0"});
    let set = Action::SetExternalCurrency {
        currency: currency.clone(),
    };
    ledger.add(set, NOW).unwrap();
    let asked = with_grain(wish(1, &[]), true, NOW.0);
    let done = fulfil(&mut ledger, &asked);
    assert!(
        matches!(&*done.kept_back, [KeptBack::NotPayable(_)]),
        "{done:?}"
    );
    let account = ledger.account_of(&member(1).alias.address).unwrap();
    let address = Action::SetPayoutAddress {
        id: account.identity.id.clone(),
        currency,
        payout_address: Some("0x1".to_owned()),
    };
    ledger.add(address, NOW).unwrap();
    assert_eq!(fulfil(&mut ledger, &asked).changes.len(), 1);
}

#[test]
fn what_is_no_longer_wanted_stays_and_is_told() {
    let mut ledger = Ledger::default();
    fulfil(&mut ledger, &wish(1, &[7]));
    let undone = Wish {
        no_longer: Some(NodeAddress::new(&[&"sourcecred", &"github"])),
        ..wish(1, &[])
    };
    let done = fulfil(&mut ledger, &undone);
    assert!(
        matches!(&*done.kept_back, [KeptBack::Stays(..)]),
        "{done:?}"
    );
    assert!(done.changes.is_empty());
}

#[test]
fn events_go_to_the_end_of_either_format() {
    let mut first = ledger(&[member(1)]);
    let text = first.with_added("");
    let lines: Vec<&str> = text.lines().collect();
    let list = format!("[\n{}\n]", lines.join(",\n"));
    fulfil(&mut first, &wish(1, &[7]));
    for old in [text.clone(), list, text.trim_end().to_owned()] {
        let mut again = Ledger::parse(&old).unwrap();
        fulfil(&mut again, &wish(1, &[7]));
        assert_eq!(again.with_added(&old), first.with_added(""));
    }
}

/// What happened to a ledger before: new accounts, merges, activations, each some time after the last one.
fn history() -> impl Strategy<Value = String> {
    let step = (0..4_u8, 0..4_usize, 0..4_usize, 0..3_i64);
    prop::collection::vec(step, 0..20).prop_map(|steps| {
        let (mut ledger, mut at) = (Ledger::default(), NOW.0 - 20);
        for (what, one, other, later) in steps {
            at += later;
            let now = Millis(at);
            let of = |ledger: &Ledger, proposal: IdentityProposal| {
                let account = ledger.account_of(&proposal.alias.address);
                account.map(|account| account.identity.id.clone())
            };
            match what {
                0 => ledger.propose(&member(one), now).unwrap(),
                1 => ledger.propose(&login(one), now).unwrap(),
                2 => {
                    let ids = (of(&ledger, member(one)), of(&ledger, login(other)));
                    if let (Some(base), Some(target)) = ids
                        && base != target
                    {
                        let merge = Action::MergeIdentities { base, target };
                        ledger.add(merge, now).unwrap();
                    }
                }
                _ => {
                    if let Some(identity_id) = of(&ledger, member(one)) {
                        let toggle = Action::ToggleActivation { identity_id };
                        ledger.add(toggle, now).unwrap();
                    }
                }
            }
        }
        ledger.with_added("")
    })
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let one = (
        prop::collection::vec(0..4_usize, 0..3),
        prop::option::of((any::<bool>(), 0..40_i64)),
    );
    prop::collection::vec(one, 4).prop_map(|all| {
        let wishes = all
            .into_iter()
            .enumerate()
            .map(|(id, (logins, grain))| Wish {
                grain: grain.map(|(wants, ago)| (wants, Millis(NOW.0 - ago))),
                ..wish(id, &logins)
            });
        wishes.collect()
    })
}

/// The members that each account has.
fn members(ledger: &Ledger) -> Vec<BTreeSet<usize>> {
    let accounts = ledger.accounts().map(|account| {
        let aliases = &account.identity.aliases;
        let is_theirs = |id: &usize| aliases.contains(&member(*id).alias);
        (0..4).filter(is_theirs).collect()
    });
    accounts.collect()
}

proptest! {
    #[test]
    fn a_patch_is_a_ledger_and_patching_twice_is_patching_once(
        before in history(),
        wishes in wishes(),
        merges in any::<bool>(),
    ) {
        let old = Ledger::parse(&before).unwrap();
        let mut ledger = old.clone();
        for wish in &wishes {
            ledger.fulfil(wish, NOW, &mut |_| merges).unwrap();
        }
        let patched = ledger.with_added(&before);
        prop_assert!(patched.starts_with(&before));
        // It can be read, so times don't go back, and no event contradicts another.
        let mut again = Ledger::parse(&patched).unwrap();
        for wish in &wishes {
            let fulfilled = again.fulfil(wish, NOW, &mut |_| merges).unwrap();
            prop_assert_eq!(&*fulfilled.changes, &[]);
        }
        prop_assert!(again.added().is_empty());
        // Nobody was joined with another.
        let together = members(&old);
        for account in members(&again) {
            let was = |known: &BTreeSet<usize>| account.is_subset(known);
            prop_assert!(account.len() < 2 || together.iter().any(was), "{account:?}");
        }
    }
}
