//! What each action does to a ledger.

use propsbot_archive::Millis;

use super::{Account, Ledger};
use crate::{
    Alias,
    cred::{
        IdentityId,
        event::{Action, Distribution, Event, Grain, Identity, Name},
    },
};

impl Ledger {
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), String> {
        if event.ledger_timestamp < self.latest {
            return Err(format!(
                "it is from {}, after an event from {}",
                event.ledger_timestamp, self.latest
            ));
        }
        self.act(&event.action, event.ledger_timestamp)?;
        self.latest = event.ledger_timestamp;
        Ok(())
    }

    fn act(&mut self, action: &Action, at: f64) -> Result<(), String> {
        match action {
            Action::CreateIdentity { identity } => self.create_identity(identity),
            Action::RenameIdentity {
                identity_id,
                new_name,
            } => self.rename(identity_id, new_name),
            Action::ChangeIdentityType {
                identity_id,
                new_type,
            } => {
                let identity = &mut self.mutable(identity_id)?.identity;
                if identity.subtype == *new_type {
                    return Err(format!("{} has that type already", identity.name));
                }
                identity.id = identity_id.clone();
                identity.subtype = *new_type;
                Ok(())
            }
            Action::AddAlias { identity_id, alias } => self.add_alias(identity_id, alias),
            Action::MergeIdentities { base, target } => self.merge(base, target),
            Action::ToggleActivation { identity_id } => self.toggle(identity_id, at),
            Action::DistributeGrain { distribution } => self.distribute(distribution),
            Action::TransferGrain { from, to, amount } => self.transfer(from, to, *amount),
            Action::EnableAccounting => {
                self.has_balances = true;
                Ok(())
            }
            Action::DisableAccounting => {
                self.has_balances = false;
                self.erase_balances();
                Ok(())
            }
            Action::SetExternalCurrency { currency } => {
                self.currency = Some(currency.clone());
                if !self.has_balances {
                    self.erase_balances();
                }
                Ok(())
            }
            Action::RemoveExternalCurrency => {
                self.currency = None;
                Ok(())
            }
            Action::SetPayoutAddress {
                id,
                currency,
                payout_address,
            } => {
                let payable = &mut self.mutable(id)?.payable;
                payable.retain(|other| other != currency);
                payable.extend(payout_address.is_some().then(|| currency.clone()));
                Ok(())
            }
            Action::EnableGrainIntegration
            | Action::DisableGrainIntegration
            | Action::MarkDistributionExecuted {} => Ok(()),
        }
    }

    /// Whether an account may be activated.
    pub(in crate::cred) fn is_payable(&self, account: &Account) -> bool {
        let currency = self.currency.as_ref();
        currency.is_none_or(|currency| account.payable.contains(currency))
    }

    fn toggle(&mut self, id: &IdentityId, at: f64) -> Result<(), String> {
        let known = self.account(id);
        if let Some(account) = known
            && !account.active
            && !self.is_payable(account)
        {
            let name = &account.identity.name;
            return Err(format!(
                "{name} has no address for payouts in the ledger's currency"
            ));
        }
        let account = self.mutable(id)?;
        account.active = !account.active;
        account.toggled = at;
        Ok(())
    }

    fn mutable(&mut self, id: &IdentityId) -> Result<&mut Account, String> {
        let index = self
            .by_id
            .get(id)
            .ok_or_else(|| format!("there is no account {id}"))?;
        Ok(&mut self.accounts[*index])
    }

    fn create_identity(&mut self, identity: &Identity) -> Result<(), String> {
        if !self.taken.insert(identity.name.lower()) {
            return Err(format!("the name {} is taken", identity.name));
        }
        if !identity.aliases.is_empty() {
            return Err(format!("{} has aliases from the start", identity.name));
        }
        let id = &identity.id;
        if self.by_address.contains_key(&identity.address) || self.by_id.contains_key(id) {
            return Err(format!("the account {id} exists already"));
        }
        self.by_address.insert(identity.address.clone(), id.clone());
        self.by_name.insert(identity.name.clone(), id.clone());
        self.by_id.insert(id.clone(), self.accounts.len());
        self.ids.push(id.clone());
        self.accounts.push(Account {
            merged: vec![id.clone()],
            identity: identity.clone(),
            active: false,
            toggled: f64::NEG_INFINITY,
            payable: Vec::new(),
            paid: Grain::default(),
            balance: Grain::default(),
            history: Vec::new(),
        });
        Ok(())
    }

    fn rename(&mut self, id: &IdentityId, new_name: &Name) -> Result<(), String> {
        let old = self.mutable(id)?.identity.name.clone();
        let is_taken = self.taken.contains(&new_name.lower()) && new_name.lower() != old.lower();
        if old == *new_name || is_taken {
            return Err(format!("the name {new_name} is taken"));
        }
        self.by_name.remove(&old);
        self.by_name.insert(new_name.clone(), id.clone());
        self.taken.remove(&old.lower());
        self.taken.insert(new_name.lower());
        let identity = &mut self.mutable(id)?.identity;
        identity.id = id.clone();
        identity.name = new_name.clone();
        Ok(())
    }

    fn add_alias(&mut self, id: &IdentityId, alias: &Alias) -> Result<(), String> {
        if self.by_address.contains_key(&alias.address) {
            return Err(format!("the alias {:?} has an account", alias.address));
        }
        self.mutable(id)?.identity.aliases.push(alias.clone());
        self.by_address.insert(alias.address.clone(), id.clone());
        Ok(())
    }

    fn merge(&mut self, base: &IdentityId, target: &IdentityId) -> Result<(), String> {
        let target = self.mutable(target)?.clone();
        let account = self.mutable(base)?;
        if account.identity.id == target.identity.id {
            return Err(format!("{} is merged with itself", target.identity.name));
        }
        let Identity {
            id,
            name,
            address,
            aliases,
            ..
        } = target.identity;
        let own = Alias {
            description: format!("identity @{name} (id: {id})"),
            address,
        };
        let moved: Vec<Alias> = aliases.into_iter().chain([own]).collect();
        let owner = account.identity.id.clone();
        account.identity.aliases.extend(moved.iter().cloned());
        account.paid = sum(account.paid, target.paid)?;
        account.balance = sum(account.balance, target.balance)?;
        account.toggled = account.toggled.max(target.toggled);
        account.history.extend(target.history);
        account.history.sort_by(|a, b| a.0.total_cmp(&b.0));
        account.merged.extend(target.merged.iter().cloned());
        account.payable.extend(target.payable);
        for alias in moved {
            self.by_address.insert(alias.address, owner.clone());
        }
        let index = self.by_id[base];
        for id in target.merged {
            self.by_id.insert(id, index);
        }
        self.by_name.remove(&name);
        self.taken.remove(&name.lower());
        Ok(())
    }

    fn distribute(&mut self, distribution: &Distribution) -> Result<(), String> {
        let has_balances = self.has_balances;
        let at = distribution.cred_timestamp;
        let receipts = distribution
            .allocations
            .iter()
            .flat_map(|allocation| &allocation.receipts);
        for receipt in receipts {
            let account = self.mutable(&receipt.id)?;
            if receipt.amount < Grain(0) || !account.active {
                return Err(format!("{} can't receive grain", account.identity.name));
            }
            account.paid = sum(account.paid, receipt.amount)?;
            account.history.push((at, receipt.amount));
            if has_balances {
                account.balance = sum(account.balance, receipt.amount)?;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "JavaScript's dates drop fractions, too"
        )]
        self.distributed.push(Millis(at as i64));
        Ok(())
    }

    fn transfer(
        &mut self,
        from: &IdentityId,
        to: &IdentityId,
        amount: Grain,
    ) -> Result<(), String> {
        let is_active = |account: &Account| account.active;
        let is_receiver = is_active(self.mutable(to)?);
        let sender = self.mutable(from)?;
        let (is_sender, balance) = (is_active(sender), sender.balance);
        if !self.has_balances || !is_sender || !is_receiver {
            return Err(format!("{from} can't transfer grain to {to}"));
        }
        if amount < Grain(0) || amount > balance {
            return Err(format!(
                "{from} doesn't have {} grain to transfer",
                amount.0
            ));
        }
        self.mutable(from)?.balance.0 -= amount.0;
        let balance = &mut self.mutable(to)?.balance;
        *balance = sum(*balance, amount)?;
        Ok(())
    }

    fn erase_balances(&mut self) {
        for account in &mut self.accounts {
            account.balance = Grain::default();
        }
    }
}

fn sum(a: Grain, b: Grain) -> Result<Grain, String> {
    let sum = a.0.checked_add(b.0).map(Grain);
    sum.ok_or_else(|| "it has more grain than fits into 128 bits".to_owned())
}
