//! Why cred can't be computed.

use propsbot_archive::Millis;

use super::{LedgerError, event::Name};
use crate::NodeAddress;

/// Why cred can't be computed. SourceCred fails for the same reasons, unless one says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CredError {
    /// The ledger can't be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Two plugins disagree.
    #[error(
        "two plugins give {what} {address}: draw those that know the same people in one run (`propsbot graph \
         --plugin A --plugin B`), or leave one of them out of sourcecred.json"
    )]
    Conflict {
        /// Whether a node, an edge or a weight.
        what: &'static str,
        /// Its address.
        address: String,
    },
    /// An account has another account as its alias.
    #[error("the account {name} has the alias {address}, which is another account: merge the two")]
    Chain {
        /// The account.
        name: Name,
        /// The other account's address.
        address: String,
    },
    /// Two budgets hold for the same nodes.
    #[error(
        "config/pluginBudgets.json has two budgets for nodes at {prefix}: those of {one} and {other}"
    )]
    Budgets {
        /// The longer prefix.
        prefix: String,
        /// A plugin.
        one: String,
        /// Another one.
        other: String,
    },
    /// The periods of a budget aren't in order.
    #[error("config/pluginBudgets.json has the periods of {0} not in order of their time")]
    BudgetOrder(String),
    /// A dependency doesn't fit the ledger.
    #[error("config/dependencies.json: {0}")]
    Dependency(String),
    /// An attribution doesn't fit the ledger, or attributes too much.
    #[error("config/personalAttributions.json: {0}")]
    Attribution(String),
    /// There are no times.
    #[error(
        "nothing in the graph has a time, so there are no weeks to compute cred for; SourceCred's credrank \
         fails, too"
    )]
    NoWeeks,
    /// There are more weeks than fit into memory.
    #[error(
        "the graph goes over {weeks} weeks, with {accounts} accounts: that is too much. Probably a time is \
         wrong: the earliest is {first}, the latest {last} (milliseconds since 1970)"
    )]
    TooManyWeeks {
        /// How many weeks.
        weeks: usize,
        /// How many accounts.
        accounts: usize,
        /// When the first one starts.
        first: i64,
        /// When the last one ends.
        last: i64,
    },
    /// An edge of a participant is at the very start of the first week.
    #[error(
        "{what} connects {name} exactly at {at}, the start of the first week, and so belongs to the week \
         before it, which there isn't: SourceCred 0.11.2 fails for that. {remedy}"
    )]
    FirstWeek {
        /// The edge.
        what: String,
        /// The participant.
        name: Name,
        /// The time, as text.
        at: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A node has a weight that isn't one.
    #[error("the node {node} has the weight {weight}: weights can't be negative or infinite")]
    NodeWeight {
        /// Its address.
        node: String,
        /// The weight.
        weight: f64,
    },
    /// The weights of all nodes or of the edges of one are infinite together. SourceCred computes `NaN`.
    #[error("the weights of {0} are too large: their sum is infinite")]
    Infinite(String),
    /// A plugin's node has an address that SourceCred uses itself.
    #[error("the graph has the node {0}, whose address only SourceCred itself uses")]
    Gadget(String),
    /// Nothing mints.
    #[error(
        "nothing in the graph mints cred, because everything weighs 0: give something a weight above 0. \
         SourceCred's credrank fails, too"
    )]
    MintsNothing,
    /// The ledger has no accounts. SourceCred gives an empty list.
    #[error("{0} is too large to compute: there are more than 4 billion of them")]
    TooMany(&'static str),
    /// What was paid doesn't fit the weeks.
    #[error(
        "the ledger pays {name} for cred of a time before an earlier payment, or for none of the weeks; \
         SourceCred's credrank fails, too"
    )]
    Paid {
        /// The account.
        name: Name,
    },
}

/// An address as errors show it.
pub(super) fn shown(address: &NodeAddress) -> String {
    format!("{address:?}")
}

/// A time as errors show it.
pub(super) fn shown_time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| at.0.to_string(), |time| time.to_string())
}
