//! Cred for programs: what everyone earned, in which weeks, and by what.

use std::collections::HashMap;

use propsbot_archive::Millis;
use serde::{Deserialize, Serialize};

use super::{Cred, CredError, CredGrainView, IdentityId, why::Brought};
use crate::{IdentityType, address::Parts, description};

/// Everyone's cred.
#[derive(Serialize)]
pub struct Report<'a> {
    /// How many steps were computed.
    pub steps: u32,
    /// Whether the last one changed hardly anything; otherwise there were too many.
    pub converged: bool,
    /// How much everything mints.
    pub minted: f64,
    /// When each week starts.
    pub weeks: Vec<Millis>,
    /// Everyone, by cred.
    pub participants: Vec<Row<'a>>,
}

/// What somebody earned.
#[derive(Serialize)]
pub struct Row<'a> {
    /// From 1 on; who has the same cred has the same rank.
    pub rank: usize,
    /// The account's id.
    pub id: &'a IdentityId,
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub r#type: IdentityType,
    /// Whether it takes part in distributions of grain.
    pub active: bool,
    /// The nodes that are its own.
    pub aliases: Vec<Parts<'a>>,
    /// The cred in all.
    pub cred: f64,
    /// The share of everyone's cred.
    pub share: f64,
    /// The cred of each week.
    pub by_week: Vec<f64>,
    /// The grain that was paid, in its smallest unit.
    pub grain: String,
    /// What brought most of it.
    pub top: Vec<Top<'a>>,
}

/// A contribution, and the cred that it brought.
#[derive(Serialize)]
pub struct Top<'a> {
    /// Its node.
    pub address: Parts<'a>,
    /// What it is, as one line of plain text.
    pub description: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'a str>,
    /// When it was made.
    pub at: Option<Millis>,
    /// The cred that it brought.
    pub cred: f64,
}

impl<'a> From<&Brought<'a>> for Top<'a> {
    fn from(brought: &Brought<'a>) -> Self {
        let (description, link) = description::linked(brought.description);
        Self {
            address: brought.address.parts(),
            description,
            link,
            at: brought.timestamp,
            cred: brought.cred,
        }
    }
}

impl Cred {
    /// Everyone's cred, with the `top` contributions that brought most of it.
    ///
    /// # Errors
    /// Those of [`view`](Self::view).
    pub fn report(&self, top: usize) -> Result<Report<'_>, CredError> {
        let view = self.view()?;
        let reasons = self.reasons();
        let all: f64 = view
            .participants()
            .iter()
            .map(|participant| participant.cred)
            .sum();
        let participants = view.participants().iter().enumerate();
        let mut rows: Vec<Row<'_>> = participants
            .map(|(index, participant)| {
                let identity = &participant.account.identity;
                let why = reasons.of(index);
                Row {
                    rank: 0,
                    id: &identity.id,
                    name: identity.name.as_str(),
                    r#type: identity.subtype,
                    active: participant.account.active,
                    aliases: identity
                        .aliases
                        .iter()
                        .map(|alias| alias.address.parts())
                        .collect(),
                    cred: participant.cred,
                    share: if all > 0.0 {
                        participant.cred / all
                    } else {
                        0.0
                    },
                    by_week: participant.by_week.clone(),
                    grain: participant.account.paid.0.to_string(),
                    top: why.contributions.iter().take(top).map(Top::from).collect(),
                }
            })
            .collect();
        rows.sort_by(|a, b| b.cred.total_cmp(&a.cred));
        for index in 0..rows.len() {
            let is_tied = index > 0 && rows[index].cred.total_cmp(&rows[index - 1].cred).is_eq();
            rows[index].rank = if is_tied {
                rows[index - 1].rank
            } else {
                index + 1
            };
        }
        Ok(Report {
            steps: self.distributed.steps,
            converged: self.distributed.converged,
            minted: self.minted(),
            weeks: view.weeks().starts().collect(),
            participants: rows,
        })
    }
}

/// The cred that somebody had earlier, in a `credGrainView` of SourceCred's or of ours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Earlier {
    participants: Vec<EarlierRow>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct EarlierRow {
    cred: f64,
    identity: EarlierIdentity,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct EarlierIdentity {
    id: String,
    name: String,
}

/// How somebody's cred changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CredChange {
    /// The account's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The cred before; `None` if the account is new.
    pub before: Option<f64>,
    /// The cred now; `None` if there is no such account any more.
    pub now: Option<f64>,
}

impl CredChange {
    /// By how much.
    pub fn by(&self) -> f64 {
        self.now.unwrap_or(0.0) - self.before.unwrap_or(0.0)
    }
}

impl From<&CredGrainView<'_>> for Earlier {
    fn from(view: &CredGrainView<'_>) -> Self {
        let participants = view.participants().iter().map(|participant| EarlierRow {
            cred: participant.cred,
            identity: EarlierIdentity {
                id: participant.account.identity.id.to_string(),
                name: participant.account.identity.name.to_string(),
            },
        });
        Self {
            participants: participants.collect(),
        }
    }
}

impl Earlier {
    /// What changed since then; the largest change first. Accounts are the same if they have the same id,
    /// or else the same name.
    pub fn changes(&self, now: &CredGrainView<'_>) -> Vec<CredChange> {
        let rows = || self.participants.iter().enumerate();
        let by_id: HashMap<&str, usize> = rows()
            .map(|(index, row)| (&*row.identity.id, index))
            .collect();
        let by_name: HashMap<&str, usize> = rows()
            .map(|(index, row)| (&*row.identity.name, index))
            .collect();
        let mut is_taken = vec![false; self.participants.len()];
        let mut take = |index: Option<&usize>| {
            let index = index.copied().filter(|index| !is_taken[*index])?;
            is_taken[index] = true;
            Some(&self.participants[index])
        };
        let participants = now.participants();
        let identities = || {
            participants
                .iter()
                .map(|participant| &participant.account.identity)
        };
        let mut before: Vec<Option<&EarlierRow>> = identities()
            .map(|identity| take(by_id.get(identity.id.as_str())))
            .collect();
        for (before, identity) in before.iter_mut().zip(identities()) {
            if before.is_none() {
                *before = take(by_name.get(identity.name.as_str()));
            }
        }
        let current = participants
            .iter()
            .zip(before)
            .map(|(participant, before)| CredChange {
                id: participant.account.identity.id.to_string(),
                name: participant.account.identity.name.to_string(),
                before: before.map(|row| row.cred),
                now: Some(participant.cred),
            });
        let mut changes: Vec<CredChange> = current.collect();
        let gone = self
            .participants
            .iter()
            .zip(is_taken)
            .filter(|(_, is_taken)| !is_taken);
        changes.extend(gone.map(|(row, _)| CredChange {
            id: row.identity.id.clone(),
            name: row.identity.name.clone(),
            before: Some(row.cred),
            now: None,
        }));
        changes.sort_by(|a, b| {
            b.by()
                .abs()
                .total_cmp(&a.by().abs())
                .then(a.name.cmp(&b.name))
        });
        changes
    }
}
