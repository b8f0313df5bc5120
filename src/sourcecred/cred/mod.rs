//! Cred, as SourceCred 0.11.2's `credrank` computes it, to the last bit.
//!
//! From the plugins' graphs, the ledger and the configuration to [`Cred`]: all graphs become one, weights
//! are overridden, accounts take the place of their aliases, budgets limit what is minted, dependencies add
//! to it, and what is minted flows through the graph until it hardly moves any more. Nothing here reads a
//! clock or a file.

mod attributions;
mod chain;
mod config;
mod cred_graph;
mod error;
mod event;
mod flows;
mod id;
mod iso;
mod ledger;
mod merged;
mod mint;
mod report;
mod view;
mod week;
mod weights;
mod why;
mod wish;

use propsbot_archive::Millis;

pub use config::{
    Attribution, Budget, BudgetConfig, BudgetPeriod, Dependency, MintPeriod, Overrides, Proportion,
    Recipient, When,
};
pub use error::CredError;
pub use event::{Action, Allocation, Distribution, Event, Grain, Identity, Name, Receipt, Version};
pub use id::IdentityId;
pub use ledger::{Account, Ledger, LedgerError};
pub use report::{CredChange, Earlier, Report, Row, Top};
pub use view::{CredGrainView, Participant};
pub use week::Weeks;
pub use why::{Brought, Reasons, Why};
pub use wish::{Fulfilled, Joining, KeptBack, LedgerChange, Merge, Question, Wish};

use crate::{IdentityProposal, WeightedGraph};
use attributions::Attributions;
use chain::{Chain, Distribution as Distributed};
use flows::Flows;

/// SourceCred stops when a step changes nothing by this.
const CHANGE: f64 = 1e-7;
/// SourceCred stops after so many steps.
const STEPS: u32 = 255;
/// What a step at the fixed point changes at most, as a part of all cred.
const FIXED: f64 = 1e-13;
/// The most steps to the fixed point.
const FIXED_STEPS: u32 = 20_000;
/// The most parts of weeks, over all participants: more don't fit into memory.
const MOST_PARTS: usize = 1 << 28;

/// What cred is computed from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Each plugin's graph, in which the weights of its types are among the weights.
    pub graphs: Vec<WeightedGraph>,
    /// The ledger.
    pub ledger: Ledger,
    /// Accounts to add to it, as SourceCred's `graph` does.
    pub proposals: Vec<IdentityProposal>,
    /// `config/weights.json`
    pub overrides: Overrides,
    /// `config/pluginBudgets.json`
    pub budgets: Vec<Budget>,
    /// `config/dependencies.json`
    pub dependencies: Vec<Dependency>,
    /// `config/personalAttributions.json`
    pub attributions: Vec<Attribution>,
    /// When new accounts are created.
    pub now: Millis,
}

/// Cred, and all that it follows from.
pub struct Cred {
    /// All plugins' graphs, with accounts in place of their aliases.
    graph: WeightedGraph,
    /// With the accounts that were added.
    ledger: Ledger,
    dependencies: Vec<Dependency>,
    attributions: Vec<Attribution>,
    weeks: Weeks,
    flows: Vec<chain::Flow>,
    edges: Vec<(u32, bool)>,
    /// What each base node mints.
    mints: Vec<f64>,
    resolved: Attributions,
    chain: Chain,
    distributed: Distributed,
    /// The cred of each node of the chain.
    scores: Vec<f64>,
}

impl Cred {
    /// Computes cred.
    ///
    /// # Errors
    /// Whatever SourceCred fails for.
    pub fn compute(inputs: Inputs) -> Result<Self, CredError> {
        let Inputs {
            graphs,
            mut ledger,
            proposals,
            overrides,
            budgets,
            dependencies,
            attributions,
            now,
        } = inputs;
        for proposal in &proposals {
            ledger.propose(proposal, now)?;
        }
        let mut graph = merged::merge(graphs)?;
        merged::override_weights(&mut graph, overrides);
        let dependencies = mint::with_accounts(dependencies, &mut ledger, now)?;
        merged::contract(&mut graph, ledger.accounts())?;
        let ends = flows::ends(&graph);
        let weeks = mint::weeks(&graph, &ends);
        mint::limit(&mut graph, weeks, &budgets)?;
        let edges = graph.edges.len();
        mint::add_shares(&mut graph, weeks, &dependencies, &ledger)?;
        let ends = if graph.edges.len() == edges {
            ends
        } else {
            flows::ends(&graph)
        };
        let attributions = attributions::with_ids(attributions, &ledger)?;

        // What was added is in the same weeks.
        let weeks = weeks.ok_or(CredError::NoWeeks)?;
        let identities: Vec<&Identity> =
            ledger.accounts().map(|account| &account.identity).collect();
        if weeks.len().saturating_mul(identities.len() + 1) > MOST_PARTS {
            return Err(CredError::TooManyWeeks {
                weeks: weeks.len(),
                accounts: identities.len(),
                first: weeks.start(0).0,
                last: weeks.end().0,
            });
        }
        let indices = identities.iter().enumerate();
        let by_id = indices
            .clone()
            .map(|(index, identity)| (identity.id.clone(), index))
            .collect();
        let resolved = Attributions::new(&attributions, &by_id, weeks)?;
        let by_address = indices
            .map(|(index, identity)| (identity.address.clone(), index))
            .collect();
        let names: Vec<&Name> = identities.iter().map(|identity| &identity.name).collect();
        let Flows {
            ordered: flows,
            edges,
            weights: mints,
            radiation,
        } = Flows::new(&graph, &ends, &by_address, &names, weeks)?;

        let total = sum(&mints);
        if total.is_infinite() {
            return Err(CredError::Infinite("all nodes".to_owned()));
        }
        if total <= 0.0 {
            return Err(CredError::MintsNothing);
        }
        let shares = mints.iter().map(|weight| weight / total).collect();
        let chain = Chain::new(
            &flows,
            shares,
            radiation,
            identities.len(),
            &resolved,
            weeks.starts(),
        );
        let distributed = chain::run(&chain, chain::uniform(chain.len()), CHANGE, STEPS);
        let scores = scores(&chain, &distributed, total);
        Ok(Self {
            graph,
            ledger,
            dependencies,
            attributions,
            weeks,
            flows,
            edges,
            mints,
            resolved,
            chain,
            distributed,
            scores,
        })
    }

    /// The weeks that cred was computed for.
    pub fn weeks(&self) -> Weeks {
        self.weeks
    }

    /// How many steps were computed.
    pub fn steps(&self) -> u32 {
        self.distributed.steps
    }

    /// Whether the last step changed hardly anything.
    pub fn has_converged(&self) -> bool {
        self.distributed.converged
    }

    /// How much the last step changed anything, as a part of everything.
    pub fn last_change(&self) -> f64 {
        self.distributed.change
    }

    /// How much all nodes mint: everyone's cred together is about as much.
    pub fn minted(&self) -> f64 {
        sum(&self.mints)
    }

    /// Goes on until no step changes the cred of anything by more than a 10,000,000,000,000th of all cred, where
    /// SourceCred stops earlier.
    #[must_use]
    pub fn to_fixed_point(self) -> Self {
        let Distributed { at, steps, .. } = self.distributed;
        let weeks = 0..self.chain.weeks;
        let matching: f64 = weeks.map(|week| at[self.chain.accumulator(week)]).sum();
        let more = chain::run(&self.chain, at, FIXED * matching, FIXED_STEPS);
        let distributed = Distributed {
            steps: steps + more.steps,
            ..more
        };
        let scores = scores(&self.chain, &distributed, sum(&self.mints));
        Self {
            distributed,
            scores,
            ..self
        }
    }

    /// The ledger, with the accounts that were added in memory.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The dependencies, with the ids of their accounts.
    pub fn dependencies(&self) -> &[Dependency] {
        &self.dependencies
    }

    /// The personal attributions, with ids and current names.
    pub fn attributions(&self) -> &[Attribution] {
        &self.attributions
    }

    /// The cred of a participant, who is counted in the ledger's order, in each week.
    fn by_week(&self, participant: usize) -> impl Iterator<Item = f64> {
        (0..self.weeks.len()).map(move |week| {
            let part = self.chain.part(week, participant);
            self.scores[part] * self.chain.payout(part)
        })
    }
}

/// Adds one after the other, as SourceCred does.
fn sum(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |sum, number| sum + number)
}

/// The cred of each node: what the accumulators have together is all that was minted.
fn scores(chain: &Chain, distributed: &Distributed, minted: f64) -> Vec<f64> {
    let weeks = 0..chain.weeks;
    let matching = weeks.fold(0.0, |sum, week| {
        sum + distributed.at[chain.accumulator(week)]
    });
    distributed
        .at
        .iter()
        .map(|at| at / matching * minted)
        .collect()
}
