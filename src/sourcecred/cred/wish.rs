//! What people ask of the ledger, and the events that give it to them.
//!
//! A wish is fulfilled from the ledger as it is, so fulfilling it again adds nothing. SourceCred 0.11.2 can't take an
//! alias away or undo a merge, so a wish that would join two people is kept back, and somebody is asked before one gets
//! what an account has already.

use std::fmt;

use propsbot_archive::Millis;

use super::{Account, Action, IdentityId, Ledger, LedgerError, Name};
use crate::{Alias, IdentityProposal, IdentityType, NodeAddress};

/// What a person asks of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The account that they get if they have none, with the node that they are known by.
    pub person: IdentityProposal,
    /// Other nodes that are theirs, too.
    pub also: Vec<Alias>,
    /// Nodes that were theirs when they said so, and may be another's now. They aren't given to anybody.
    pub outdated: Vec<Alias>,
    /// If they no longer want what they asked for before: the prefix of such nodes.
    pub no_longer: Option<NodeAddress>,
    /// Whether they want to receive grain, and when they said so.
    pub grain: Option<(bool, Millis)>,
}

/// What fulfilling a wish changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fulfilled {
    /// What was added to the ledger, in this order.
    pub changes: Vec<LedgerChange>,
    /// What was not.
    pub kept_back: Vec<KeptBack>,
}

/// A change of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum LedgerChange {
    /// A new account with one node.
    Created(Name, Alias),
    /// An account got another node.
    AliasAdded(Name, Alias),
    /// Two accounts became one.
    Merged(Merge),
    /// An account receives grain from now on.
    Activated(Name),
    /// An account no longer receives grain.
    Deactivated(Name),
}

/// Two accounts that become one, which can't be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The account that stays: the active one, or else the older one.
    pub base: Name,
    /// The account that becomes part of it. Its name gets free.
    pub target: Name,
    /// The nodes that move.
    pub aliases: Vec<Alias>,
}

/// A person who gets an account that isn't only theirs as far as the ledger knows, which can't be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Joining {
    /// The account.
    pub account: Name,
    /// The person's node.
    pub alias: Alias,
    /// Whether it has received grain.
    pub has_grain: bool,
    /// What else it has, apart from nodes that the person asks for.
    pub others: Vec<Alias>,
}

/// What is only done if somebody agrees.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether two accounts become one.
    Merge(Merge),
    /// Whether a person gets an account.
    Join(Joining),
}

/// Why something was not added to the ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum KeptBack {
    /// Nobody agreed to it.
    Declined(Question),
    /// The person's second node may be another's by now.
    Outdated(Alias, Alias),
    /// The node's account isn't a person's.
    NotAPerson(Name, Alias),
    /// The node's account is that of another person, who has the second node.
    AnotherPerson(Name, Alias, Alias),
    /// The account is only active with an address for payouts in the ledger's currency.
    NotPayable(Name),
    /// The account keeps a node that is no longer wanted.
    Stays(Name, Alias),
}

impl Ledger {
    /// Adds the events that fulfil a wish. What is a [`Question`] is only done if `agrees` says so. Of a person who doesn't
    /// get an account, nothing else is fulfilled.
    ///
    /// # Errors
    /// An account without a free name, or times that no event can have. Drop the ledger then: it may have some of the
    /// events.
    pub fn fulfil(
        &mut self,
        wish: &Wish,
        now: Millis,
        agrees: &mut dyn FnMut(&Question) -> bool,
    ) -> Result<Fulfilled, LedgerError> {
        let now = self.not_before(now);
        let mut done = Fulfilled::default();
        let person = &wish.person.alias;
        let outdated = wish.outdated.iter();
        let outdated = outdated.map(|alias| KeptBack::Outdated(person.clone(), alias.clone()));
        done.kept_back.extend(outdated);
        let asks = !wish.also.is_empty() || wish.grain.is_some();
        if asks && let Err(why) = self.check(person, person) {
            done.kept_back.push(why);
            return Ok(done);
        }
        let mut own = vec![person];
        for alias in &wish.also {
            match self.check(person, alias) {
                Ok(()) => own.push(alias),
                Err(why) => done.kept_back.push(why),
            }
        }
        let mut known = own
            .iter()
            .filter_map(|alias| self.account_of(&alias.address));
        if known.next().is_none() {
            let wants_grain = wish.grain.is_some_and(|(wants, _)| wants);
            if own.len() == 1 && !wants_grain {
                return Ok(done);
            }
            self.propose(&wish.person, now)?;
            let account = self.account_of(&person.address);
            let name = account.map(|account| account.identity.name.clone());
            let name = name.expect("it was just proposed");
            done.changes
                .push(LedgerChange::Created(name, person.clone()));
        }
        for alias in &own {
            self.give(alias, &own, now, agrees, &mut done)?;
            if self.account_of(&person.address).is_none() {
                return Ok(done);
            }
        }
        self.set_active(wish, now, &mut done)?;
        if let (Some(prefix), Some(account)) = (&wish.no_longer, self.account_of(&person.address)) {
            let name = &account.identity.name;
            let is_wanted =
                |alias: &Alias| wish.also.iter().any(|also| also.address == alias.address);
            let aliases = account.identity.aliases.iter();
            let stay = aliases
                .filter(|alias| alias.address.has_prefix(prefix) && !is_wanted(alias))
                .map(|alias| KeptBack::Stays(name.clone(), alias.clone()));
            done.kept_back.extend(stay);
        }
        Ok(done)
    }

    /// Fails if an alias can't become that of a person's account.
    fn check(&self, person: &Alias, alias: &Alias) -> Result<(), KeptBack> {
        let Some(account) = self.account_of(&alias.address) else {
            return Ok(());
        };
        let identity = &account.identity;
        if identity.subtype != IdentityType::User {
            return Err(KeptBack::NotAPerson(identity.name.clone(), alias.clone()));
        }
        let is_theirs = |known: &Alias| known.address == person.address;
        let is_of_another = |known: &&Alias| is_alike(&known.address, &person.address);
        match identity.aliases.iter().find(is_of_another) {
            Some(other) if !identity.aliases.iter().any(is_theirs) => {
                let name = identity.name.clone();
                Err(KeptBack::AnotherPerson(name, alias.clone(), other.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Makes an alias one of the account that has the first of a person's nodes.
    fn give(
        &mut self,
        alias: &Alias,
        own: &[&Alias],
        now: Millis,
        agrees: &mut dyn FnMut(&Question) -> bool,
        done: &mut Fulfilled,
    ) -> Result<(), LedgerError> {
        let mut known = own.iter().filter_map(|own| self.account_of(&own.address));
        let account = known.next().expect("one of the nodes has an account");
        let Identified { id, name } = Identified::of(account);
        let Some(other) = self.account_of(&alias.address) else {
            let question = joining(account, alias, own).map(Question::Join);
            if let Some(question) = question
                && !agrees(&question)
            {
                done.kept_back.push(KeptBack::Declined(question));
                return Ok(());
            }
            let action = Action::AddAlias {
                identity_id: id,
                alias: alias.clone(),
            };
            self.act_for(alias, action, now)?;
            done.changes
                .push(LedgerChange::AliasAdded(name, alias.clone()));
            return Ok(());
        };
        if other.identity.id == id {
            return Ok(());
        }
        let rank = |account: &Account| (!account.active, self.age_order(&account.identity.id));
        let (base, target) = if rank(other) < rank(account) {
            (other, account)
        } else {
            (account, other)
        };
        let merge = Merge {
            base: base.identity.name.clone(),
            target: target.identity.name.clone(),
            aliases: target.identity.aliases.clone(),
        };
        let action = Action::MergeIdentities {
            base: base.identity.id.clone(),
            target: target.identity.id.clone(),
        };
        let question = Question::Merge(merge.clone());
        if agrees(&question) {
            self.act_for(alias, action, now)?;
            done.changes.push(LedgerChange::Merged(merge));
        } else {
            done.kept_back.push(KeptBack::Declined(question));
        }
        Ok(())
    }

    /// Activates or deactivates a person's account, unless that was done after they asked: then the later word counts.
    fn set_active(
        &mut self,
        wish: &Wish,
        now: Millis,
        done: &mut Fulfilled,
    ) -> Result<(), LedgerError> {
        let person = &wish.person.alias;
        let known = self.account_of(&person.address);
        let (Some((wants, said)), Some(account)) = (wish.grain, known) else {
            return Ok(());
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "JavaScript's times are exact in f64"
        )]
        let is_old = account.toggled >= said.0 as f64;
        if account.active == wants || is_old {
            return Ok(());
        }
        let Identified { id, name } = Identified::of(account);
        if wants && !self.is_payable(account) {
            done.kept_back.push(KeptBack::NotPayable(name));
            return Ok(());
        }
        let action = Action::ToggleActivation { identity_id: id };
        self.act_for(person, action, now)?;
        done.changes.push(if wants {
            LedgerChange::Activated(name)
        } else {
            LedgerChange::Deactivated(name)
        });
        Ok(())
    }

    fn act_for(&mut self, alias: &Alias, action: Action, now: Millis) -> Result<(), LedgerError> {
        self.add(action, now).map_err(|why| LedgerError::NotAdded {
            what: format!("{:?}", alias.address),
            why,
        })
    }
}

/// How events and people name an account.
struct Identified {
    id: IdentityId,
    name: Name,
}

impl Identified {
    fn of(account: &Account) -> Self {
        Self {
            id: account.identity.id.clone(),
            name: account.identity.name.clone(),
        }
    }
}

/// The question whether a person, the first of whose nodes is new to the ledger, gets an account. There is none if it has
/// no more than the nodes that they ask for.
fn joining(account: &Account, alias: &Alias, own: &[&Alias]) -> Option<Joining> {
    let is_person = own
        .first()
        .is_some_and(|person| person.address == alias.address);
    let is_other = |known: &&Alias| own.iter().all(|own| own.address != known.address);
    let others: Vec<Alias> = account
        .identity
        .aliases
        .iter()
        .filter(is_other)
        .cloned()
        .collect();
    let has_grain = account.has_grain();
    (is_person && (has_grain || !others.is_empty())).then(|| Joining {
        account: account.identity.name.clone(),
        alias: alias.clone(),
        has_grain,
        others,
    })
}

/// Whether two addresses differ in their last part alone, as those of two people on one platform do.
fn is_alike(one: &NodeAddress, other: &NodeAddress) -> bool {
    let (mut one, mut other): (Vec<_>, Vec<_>) = (one.split().collect(), other.split().collect());
    one.pop() != other.pop() && one == other
}

impl fmt::Display for LedgerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created(name, alias) => {
                write!(f, "new account {name}, with {}", alias.description)
            }
            Self::AliasAdded(name, alias) => {
                write!(f, "{name} gets the alias {}", alias.description)
            }
            Self::Merged(merge) => write!(f, "{merge}"),
            Self::Activated(name) => write!(f, "{name} receives Grain from now on"),
            Self::Deactivated(name) => write!(f, "{name} no longer receives Grain"),
        }
    }
}

impl fmt::Display for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            base,
            target,
            aliases,
        } = self;
        write!(f, "the account {target} becomes part of {base}")?;
        let aliases = aliases.iter().map(|alias| &*alias.description);
        let aliases: Vec<&str> = aliases.collect();
        if !aliases.is_empty() {
            write!(f, ", which gets {}", aliases.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            account,
            alias,
            has_grain,
            others,
        } = self;
        write!(f, "{} joins the account {account}", alias.description)?;
        if *has_grain {
            write!(f, ", which has received Grain")?;
        }
        let others = others.iter().map(|alias| &*alias.description);
        let others: Vec<&str> = others.collect();
        if !others.is_empty() {
            let which = if *has_grain { " and" } else { ", which" };
            write!(f, "{which} has {}", others.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merge(merge) => write!(f, "{merge}"),
            Self::Join(joining) => write!(f, "{joining}"),
        }
    }
}

impl fmt::Display for KeptBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined(question) => write!(f, "declined: {question}"),
            Self::Outdated(person, alias) => write!(
                f,
                "{} doesn't get {}: on GitHub, the account that proved it has another login, or another account has this \
                 one, or its owner is left out of the mirror. Whoever has it now can run /link github",
                person.description, alias.description
            ),
            Self::NotAPerson(name, alias) => write!(
                f,
                "{} belongs to {name}, which is not a user's account in the ledger",
                alias.description
            ),
            Self::AnotherPerson(name, alias, other) => write!(
                f,
                "{} belongs to {name}, who is also {}: SourceCred can't take an alias away, and a merge would join two \
                 members. If they are one person, merge the accounts in SourceCred",
                alias.description, other.description
            ),
            Self::NotPayable(name) => write!(
                f,
                "{name} asks for Grain, but has no address for payouts in the ledger's currency"
            ),
            Self::Stays(name, alias) => write!(
                f,
                "{name} keeps {}, which is no longer the member's link: SourceCred can't take an alias away",
                alias.description
            ),
        }
    }
}

#[cfg(test)]
mod tests;
