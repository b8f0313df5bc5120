//! The ledger: accounts, whom they belong to, and the grain that they received.
//!
//! Source: SourceCred 0.11.2, `core/ledger/ledger.js` and `core/ledger/identityProposal.js`. Of an account's
//! addresses for payouts, only their currencies matter: without the right one, it can't be activated.
//! Integrations affect nothing here, so their events are only read.

mod actions;

use std::collections::{HashMap, HashSet};

use propsbot_archive::Millis;
use serde_json::Value;

use super::{
    IdentityId,
    event::{Action, Event, Grain, Identity, Name, Version},
};
use crate::{IdentityProposal, IdentityType, NodeAddress};

/// How many numbers are tried after a name that is taken, as SourceCred does.
const NUMBERS: u32 = 100;

/// An account in the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Whom it belongs to.
    pub identity: Identity,
    /// Whether it takes part in distributions of grain.
    pub active: bool,
    /// When that last changed, here or in an account that is in this one.
    pub(super) toggled: f64,
    /// The currencies for which it has an address for payouts.
    payable: Vec<Value>,
    /// The grain that it received in all.
    pub paid: Grain,
    balance: Grain,
    /// What it received, and for the cred until when.
    pub(super) history: Vec<(f64, Grain)>,
    /// The ids of the accounts that are in this one.
    merged: Vec<IdentityId>,
}

impl Account {
    /// Whether it ever received grain.
    pub(super) fn has_grain(&self) -> bool {
        self.paid > Grain(0) || self.balance > Grain(0)
    }
}

/// SourceCred's ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    accounts: Vec<Account>,
    /// Every id that an account ever had, in the order of their creation, and the account that has it now.
    ids: Vec<IdentityId>,
    by_id: HashMap<IdentityId, usize>,
    by_name: HashMap<Name, IdentityId>,
    /// The names that are taken, in lower case.
    taken: HashSet<String>,
    by_address: HashMap<NodeAddress, IdentityId>,
    latest: f64,
    has_balances: bool,
    /// The currency that is paid out outside of the ledger.
    currency: Option<Value>,
    /// When the cred ended that each distribution was for.
    pub(super) distributed: Vec<Millis>,
    added: Vec<Event>,
}

/// Why the ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A line isn't an event.
    #[error("line {line} of the ledger is not an event that SourceCred 0.11.2 writes: {source}")]
    NoEvent {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An event contradicts those before it.
    #[error("line {line} of the ledger contradicts what is above it: {why}")]
    Contradiction {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// An account can't be added.
    #[error("could not add an account for {what} to the ledger, in memory: {why}")]
    NotAdded {
        /// Whose account.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            ids: Vec::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            taken: HashSet::new(),
            by_address: HashMap::new(),
            latest: f64::NEG_INFINITY,
            has_balances: true,
            currency: None,
            distributed: Vec::new(),
            added: Vec::new(),
        }
    }
}

impl Ledger {
    /// Reads a `ledger.json`: an event in each line.
    ///
    /// # Errors
    /// Lines that SourceCred would refuse.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let mut ledger = Self::default();
        let text = text.trim_end();
        // Earlier versions wrote a list, with an event in each line too.
        let is_list = text.starts_with('[');
        for (index, line) in text.lines().enumerate() {
            let line = if is_list {
                match line {
                    "[" | "]" | "[]" => continue,
                    line => line.strip_suffix(',').unwrap_or(line),
                }
            } else {
                line
            };
            let number = index + 1;
            let event: Event =
                serde_json::from_str(line).map_err(|source| LedgerError::NoEvent {
                    line: number,
                    source,
                })?;
            ledger
                .apply(&event)
                .map_err(|why| LedgerError::Contradiction { line: number, why })?;
        }
        Ok(ledger)
    }

    /// The accounts, in SourceCred's order: that of their creation, where an account has the place of the
    /// oldest account that was merged into it.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        let mut seen = HashSet::new();
        let indices = self.ids.iter().map(|id| self.by_id[id]);
        indices
            .filter(move |index| seen.insert(*index))
            .map(|index| &self.accounts[index])
    }

    /// The account with this id, or into which that account was merged.
    pub fn account(&self, id: &IdentityId) -> Option<&Account> {
        self.by_id.get(id).map(|index| &self.accounts[*index])
    }

    /// The account that has this node.
    pub fn account_of(&self, address: &NodeAddress) -> Option<&Account> {
        self.account(self.by_address.get(address)?)
    }

    /// Which of two accounts is older.
    pub(super) fn age_order(&self, id: &IdentityId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// A time at which an event can be added: `now`, unless the ledger has events of a later time.
    pub(super) fn not_before(&self, now: Millis) -> Millis {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time that doesn't fit is refused by `apply`"
        )]
        let latest = self.latest.ceil() as i64;
        Millis(now.0.max(latest))
    }

    /// The account with this name.
    pub fn account_named(&self, name: &Name) -> Option<&Account> {
        self.account(self.by_name.get(name)?)
    }

    /// The events that were added since the ledger was read.
    pub fn added(&self) -> &[Event] {
        &self.added
    }

    /// The ledger's text with the events that were added. `text` is what was parsed.
    pub fn with_added(&self, text: &str) -> String {
        let old = text.trim_end();
        let events = old
            .lines()
            .filter(|line| !matches!(*line, "[" | "]" | "[]"));
        let events = events.map(|line| {
            // The list that earlier versions wrote.
            let line = line.trim_end();
            line.strip_suffix(',').unwrap_or(line).to_owned()
        });
        let added = self.added.iter().map(Event::line);
        events
            .chain(added)
            .flat_map(|line| [line, "\n".to_owned()])
            .collect()
    }

    /// How many accounts were added since the ledger was read.
    pub fn added_accounts(&self) -> usize {
        let is_account = |event: &&Event| matches!(event.action, Action::CreateIdentity { .. });
        self.added.iter().filter(is_account).count()
    }

    /// Makes sure that there is an account for a proposal, as SourceCred's `graph` does.
    pub(super) fn propose(
        &mut self,
        proposal: &IdentityProposal,
        now: Millis,
    ) -> Result<(), LedgerError> {
        if self.by_address.contains_key(&proposal.alias.address) {
            return Ok(());
        }
        let not_added = |why: String| LedgerError::NotAdded {
            what: format!("{:?}", proposal.alias.address),
            why,
        };
        let name = self.free_name(proposal).map_err(not_added)?;
        let seed = format!("alias {}", proposal.alias.address.raw());
        let id = self
            .create(proposal.r#type, name, &seed, now)
            .map_err(not_added)?;
        let action = Action::AddAlias {
            identity_id: id,
            alias: proposal.alias.clone(),
        };
        self.add(action, now).map_err(not_added)
    }

    /// Creates the account of a dependency that doesn't have one.
    pub(super) fn create_project(
        &mut self,
        name: Name,
        active: bool,
        now: Millis,
    ) -> Result<IdentityId, LedgerError> {
        let what = name.to_string();
        let not_added = |why: String| LedgerError::NotAdded {
            what: what.clone(),
            why,
        };
        let seed = format!("dependency {name}");
        let id = self
            .create(IdentityType::Project, name, &seed, now)
            .map_err(not_added)?;
        if active {
            let identity_id = id.clone();
            self.add(Action::ToggleActivation { identity_id }, now)
                .map_err(not_added)?;
        }
        Ok(id)
    }

    fn free_name(&self, proposal: &IdentityProposal) -> Result<Name, String> {
        let name = |text: String| {
            let wrong = format!("{text:?} is no name of SourceCred's: 1 to 42 of A-Z a-z 0-9 -");
            Name::new(text).ok_or(wrong)
        };
        let is_free = |name: &Name| !self.taken.contains(&name.lower());
        let first = name(proposal.name.clone())?;
        if is_free(&first) {
            return Ok(first);
        }
        let second = name(format!("{first}-{}", proposal.plugin_name))?;
        if is_free(&second) {
            return Ok(second);
        }
        for number in 1..NUMBERS {
            let numbered = name(format!("{second}-{number}"))?;
            if is_free(&numbered) {
                return Ok(numbered);
            }
        }
        Err(format!("{first}, {second} and {second}-1 to -99 are taken"))
    }

    fn create(
        &mut self,
        subtype: IdentityType,
        name: Name,
        seed: &str,
        now: Millis,
    ) -> Result<IdentityId, String> {
        let mut ids = (0..).map(|attempt| IdentityId::derived(seed, attempt));
        let id = ids
            .find(|id| !self.by_id.contains_key(id))
            .expect("ids don't run out");
        let identity = Identity {
            address: NodeAddress::new(&[&"sourcecred", &"core", &"IDENTITY", &id]),
            aliases: Vec::new(),
            id: id.clone(),
            name,
            subtype,
        };
        self.add(Action::CreateIdentity { identity }, now)?;
        Ok(id)
    }

    /// Adds an event.
    pub(super) fn add(&mut self, action: Action, now: Millis) -> Result<(), String> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "JavaScript's times are exact in f64"
        )]
        let ledger_timestamp = now.0 as f64;
        let event = Event {
            // SourceCred tells events apart by their ids, and an account can be toggled more than once.
            uuid: IdentityId::derived(&format!("event {ledger_timestamp} {action:?}"), 0),
            action,
            ledger_timestamp,
            version: Version::One,
        };
        self.apply(&event)?;
        self.added.push(event);
        Ok(())
    }
}
