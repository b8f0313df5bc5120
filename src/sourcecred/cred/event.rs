//! The ledger's events, as they are stored.
//!
//! Source: SourceCred 0.11.2, `core/ledger/ledger.js`.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::IdentityId;
use crate::{Alias, IdentityType, NodeAddress, weighted_graph::write_javascript};

/// An event of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What happened.
    pub action: Action,
    /// When, in milliseconds.
    pub ledger_timestamp: f64,
    /// The event's own id.
    pub uuid: IdentityId,
    /// Always 1.
    pub version: Version,
}

impl Event {
    /// The event as a line of the ledger.
    pub fn line(&self) -> String {
        let mut line = Vec::new();
        write_javascript(&mut line, self).expect("an event is always JSON, and memory takes it");
        String::from_utf8(line).expect("JSON is UTF-8")
    }
}

/// The version of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// There is no other.
    #[serde(rename = "1")]
    One,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase"
)]
#[expect(missing_docs, reason = "SourceCred's names")]
pub enum Action {
    CreateIdentity {
        identity: Identity,
    },
    RenameIdentity {
        identity_id: IdentityId,
        new_name: Name,
    },
    ChangeIdentityType {
        identity_id: IdentityId,
        new_type: IdentityType,
    },
    AddAlias {
        identity_id: IdentityId,
        alias: Alias,
    },
    MergeIdentities {
        base: IdentityId,
        target: IdentityId,
    },
    ToggleActivation {
        identity_id: IdentityId,
    },
    DistributeGrain {
        distribution: Distribution,
    },
    TransferGrain {
        from: IdentityId,
        to: IdentityId,
        amount: Grain,
    },
    EnableAccounting,
    DisableAccounting,
    SetExternalCurrency {
        currency: Value,
    },
    RemoveExternalCurrency,
    SetPayoutAddress {
        id: IdentityId,
        currency: Value,
        payout_address: Option<String>,
    },
    EnableGrainIntegration,
    DisableGrainIntegration,
    MarkDistributionExecuted {},
}

/// Whom an account belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The address of its own node.
    pub address: NodeAddress,
    /// The other nodes that stand for it.
    pub aliases: Vec<Alias>,
    /// The id.
    pub id: IdentityId,
    /// The name.
    pub name: Name,
    /// What it is.
    pub subtype: IdentityType,
}

/// Grain that was distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// By policy.
    pub allocations: Vec<Allocation>,
    /// For the cred until when.
    pub cred_timestamp: f64,
}

/// What one policy distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// To whom how much.
    pub receipts: Vec<Receipt>,
}

/// What one account received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The account.
    pub id: IdentityId,
    /// How much.
    pub amount: Grain,
}

/// An amount of grain, in its smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grain(pub i128);

impl Serialize for Grain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Grain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().map(Self);
        number.map_err(|_| D::Error::custom(format_args!("{text:?} is no amount of grain")))
    }
}

/// The name of an account: 1 to 42 of `A-Z a-z 0-9 -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Name(String);

impl Name {
    const LONGEST: usize = 42;

    /// The name, if it is one.
    pub(super) fn new(text: String) -> Option<Self> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=Self::LONGEST).contains(&text.len());
        (fits && text.bytes().all(is_legal)).then_some(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How names are compared: no two accounts may have names that differ in case alone.
    pub(super) fn lower(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = format!("{text:?} is no name of SourceCred's: 1 to 42 of A-Z a-z 0-9 -");
        Self::new(text).ok_or_else(|| D::Error::custom(wrong))
    }
}
